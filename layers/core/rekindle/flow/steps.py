"""What each step does to a run: waits are set, ways are chosen, messages are planned. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.absorb import few_coupons, later_act
from rekindle.domain.errors import ConditionError
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Coupon, TraitsTold
from rekindle.domain.outcome import Enqueue, PutSuppression
from rekindle.domain.profile import Given, OnList, Planned, Run, Tag, Touch, Trait, TraitValue
from rekindle.domain.results import one
from rekindle.domain.traits import with_traits
from rekindle.flow.attribution import held_out_by_shop, label_of, take_part_in_split
from rekindle.flow.conditions import condition, plain
from rekindle.flow.dates import day_of, next_date
from rekindle.flow.local_time import next_local
from rekindle.flow.manners import Go, Hold, Refuse, judge, longest
from rekindle.flow.program import (
    Audience,
    Branch,
    Exit,
    Flow,
    Notify,
    Repeat,
    Send,
    Set,
    Split,
    Step,
    Suppress,
    Wait,
    WaitFor,
    WaitUntil,
    manners_of,
)
from rekindle.flow.runs import end
from rekindle.flow.turn import Turn
from rekindle.flow.wishes import LONGEST, unwanted

Waiting = Wait | WaitUntil | WaitFor

#: A flow that goes further than this without a pause is broken; what is published cannot be.
_MAX_STEPS_AT_ONCE = 1_000
#: What is planned for others than the person is worth doing for so long.
_VALID_NOTICE, _VALID_LISTING = timedelta(days=3), timedelta(days=7)
_LONGEST_WAIT = timedelta(days=2 * 366)
#: Of a person's latest messages so many are remembered at least, and at most.
_LEAST_TOUCHES, _MOST_TOUCHES = 10, 100
_TICK = timedelta(microseconds=1)
#: How long after the last moment at which a message goes out word of its coupon may come.
_COUPON_LATENESS = timedelta(hours=1)
_ADDRESSES = {"email": "e-mail address", "sms": "phone number", "push": "browser to push to"}


#: Where a run goes on; `None`: it stands, or has ended.
Onward = tuple[Run, str | None] | None


class _Here(NamedTuple):
    """A run that has come to a step at `since`."""

    turn: Turn
    run: Run
    flow: Flow
    since: datetime


def arrive(turn: Turn, run: Run, flow: Flow, step_id: str | None, since: datetime) -> None:
    """Carry the run on from `step_id`, which it reached at `since`, until it has to stand somewhere or ends."""
    for _ in range(_MAX_STEPS_AT_ONCE):
        run = replace(run, step=step_id, resume_at=None)
        if step_id is None:
            turn.put(run)
            end(turn, run, "end", "last step done")
            return
        step = flow.steps[step_id]
        onward = _DO[type(step)](_Here(turn, run, flow, since), step)
        if onward is None:
            return
        run, step_id = replace(onward[0], arrived_at=None), onward[1]
    turn.put(run)
    end(turn, run, "end", "too many steps at once")


def resume(turn: Turn, run: Run) -> None:
    """Carry a run on whose time has come: past its wait, or once more to the message that manners had held."""
    flow = turn.flow_of(run)
    step = flow.steps[run.step] if run.step else None
    if run.begins_at is not None:
        arrive(turn, replace(run, begins_at=None), flow, run.step, turn.at)
    elif _is_for_coupon(step):
        # It stood here for the coupon itself, or for the day that this names: `_wait` knows which by looking again.
        arrive(turn, run, flow, run.step, turn.at)
    elif isinstance(step, (Wait, WaitUntil, WaitFor)):
        arrive(turn, replace(run, arrived_at=None), flow, _after(step), turn.at)
    else:
        arrive(turn, run, flow, run.step, turn.at)


def hear(turn: Turn, run: Run, told: Event) -> None:
    """Carry a run on that waited for this event. What happened after its time was up came too late."""
    if run.begins_at is not None:
        return
    flow = turn.flow_of(run)
    step = flow.steps.get(run.step) if run.step else None
    if told.type == "coupon.issued" and _is_for_coupon(step) and _is_of(told, run):
        arrive(turn, run, flow, run.step, run.arrived_at or turn.at)
        return
    if not isinstance(step, WaitFor) or step.event != told.type or run.resume_at is None:
        return
    names = turn.names(told.data, run)
    if told.occurred_at > run.resume_at or not turn.true(step.when, names, run=run):
        return
    turn.decide("heard", step.when or step.event, run=run, values=turn.read(step.when, names))
    arrive(turn, replace(run, arrived_at=None), flow, step.then, min(told.occurred_at, turn.now))


def look_again(turn: Turn) -> None:
    """Let messages that are held back be judged anew, at once: what held them may hold no longer."""
    for run in turn.active():
        step = turn.flow_of(run).steps.get(run.step or "")
        if run.begins_at is None and isinstance(step, Send) and run.resume_at is not None and run.resume_at > turn.now:
            turn.put(replace(run, resume_at=turn.now))


def _after(step: Waiting) -> str | None:
    return step.otherwise if isinstance(step, WaitFor) else step.next


# --- waiting ---------------------------------------------------------------------------------------------------------


def _wait(here: _Here, step: Waiting) -> Onward:
    turn, run, _, since = here
    by = _coupon_by(turn, run) if _is_for_coupon(step) else None
    if by is not None and by > turn.at:
        standing = replace(run, arrived_at=since, resume_at=by)
        turn.put(standing)
        turn.decide("waiting", "for the coupon", run=standing, values={"until": by.isoformat()})
        return None
    due = _due(turn, run, step, since)
    if due is None:
        turn.put(run)
        end(turn, run, "end", "nobody knows how long to wait")
        return None
    if due <= turn.at:
        return run, _after(step)
    standing = replace(run, arrived_at=since, resume_at=due)
    turn.put(standing)
    if due > turn.now:
        turn.decide("waiting", "wait", run=standing, values={"until": due.isoformat()})
    return None


def _due(turn: Turn, run: Run, step: Waiting, since: datetime) -> datetime | None:
    """Return when a wait that was reached at `since` is over; `None` where that cannot be known."""
    if isinstance(step, WaitFor):
        return since + timedelta(seconds=step.seconds)
    if isinstance(step, Wait):
        times = _number(turn, run, step.amount) if step.amount else 1.0
        return None if times is None else since + min(timedelta(seconds=max(times, 0.0) * step.seconds), _LONGEST_WAIT)
    if not step.date:
        return next_local(since, turn.where(), time.fromisoformat(step.at), frozenset(step.days))
    value, where = _value(turn, run, step.date), turn.where()
    if day_of(value, where) is None:
        return None
    # A tick earlier, so that the very moment counts as not passed yet.
    found = next_date(value, after=since - _TICK, zone=where, at=step.at, offset=step.offset, yearly=step.yearly)
    return found[0] if found is not None else since


def _is_for_coupon(step: Step | None) -> bool:
    """Whether it waits for a day that the run's coupon names: the code is made when its message is about to go."""
    if not isinstance(step, WaitUntil) or "coupon." not in step.date:
        return False
    return any(path.startswith("coupon.") for path in condition(step.date).paths)


def _coupon_by(turn: Turn, run: Run) -> datetime | None:
    """Return until when a coupon of this run may still come; `None` where none is to come."""
    wanted = (turn.profile.planned.get(message) for message in run.messages.values())
    moments = [
        planned.not_after
        for planned in wanted
        if planned is not None and planned.offer and planned.offer not in run.coupons
    ]
    return max(moments) + _COUPON_LATENESS if moments else None


def _is_of(told: Event, run: Run) -> bool:
    return isinstance(told.data, Coupon) and told.data.message_id in run.messages.values()


def _value(turn: Turn, run: Run, expression: str) -> Any:
    try:
        return condition(expression).value(turn.names(run.trigger, run))
    except ConditionError as error:
        turn.decide("error", str(error), run=run)
        return None


def _number(turn: Turn, run: Run, expression: str) -> float | None:
    value = _value(turn, run, expression)
    try:
        return None if value is None or isinstance(value, (bool, str)) else min(float(value), 1e6)
    except (TypeError, ValueError, OverflowError):
        turn.decide("error", f"{expression}: not a number", run=run)
        return None


# --- choosing --------------------------------------------------------------------------------------------------------


def _branch(here: _Here, step: Branch) -> Onward:
    turn, run = here.turn, here.run
    names = turn.names(run.trigger, run)
    for arm in step.arms:
        if turn.true(arm.when, names, run=run):
            turn.decide("branched", arm.when, run=run, values=turn.read(arm.when, names))
            return run, arm.to
    turn.decide("branched", "else", run=run)
    return run, step.otherwise


def _split(here: _Here, step: Split) -> Onward:
    turn, run = here.turn, here.run
    total = sum(way.share for way in step.ways)
    point = int(ids.digest("split", run.flow, step.id, turn.profile.id), 16) % total
    for way in step.ways:
        if point < way.share:
            break
        point -= way.share
    turn.decide("split", way.name, run=run, values={"share": f"{way.share} of {total}"})
    take_part_in_split(turn, run, step.id, way.name)
    return replace(run, ways={**run.ways, step.id: way.name}), way.to


def _repeat(here: _Here, step: Repeat) -> Onward:
    turn, run = here.turn, here.run
    done = run.visits.get(step.id, 0)
    enough = done >= step.times or step.body is None
    if not enough and step.until:
        enough = turn.true(step.until, turn.names(run.trigger, run), run=run)
    if enough:
        # Forgotten, so that a repeat within a repeat begins anew.
        return replace(run, visits={name: n for name, n in run.visits.items() if name != step.id}), step.next
    turn.decide("repeated", f"round {done + 1} of {step.times}", run=run)
    return replace(run, visits={**run.visits, step.id: done + 1}), step.body


def _exit(here: _Here, step: Exit) -> Onward:
    here.turn.put(here.run)
    # As finished: `exited` would take back the mails that it has just planned.
    end(here.turn, here.run, "end", step.reason)
    return None


# --- messages --------------------------------------------------------------------------------------------------------


def _send(here: _Here, step: Send) -> Onward:
    turn, run, flow, _ = here
    stood = run.arrived_at or turn.at
    offered = turn.offer_of(step, run)
    known = run.coupons.get(offered)
    late = turn.at >= stood + timedelta(seconds=step.valid_seconds)
    expired = known is not None and known.expires_at is not None and known.expires_at <= turn.at
    refused = "too late" if late else "its coupon has expired" if expired else ""
    verdict = Refuse(refused) if refused else _may(turn, run, flow, step)
    if isinstance(verdict, Go) and step.category == "marketing" and held_out_by_shop(turn):
        verdict = Refuse("held out: the shop leaves some people without marketing, to measure what it brings")
    if isinstance(verdict, Hold) and verdict.until < stood + timedelta(seconds=step.valid_seconds):
        standing = replace(run, arrived_at=stood, resume_at=verdict.until)
        turn.put(standing)
        turn.decide("held", verdict.why, run=standing, values={"until": verdict.until.isoformat(), **_last(turn, step)})
        return None
    if isinstance(verdict, Go):
        return _plan_send(here, step, verdict, stood, offered), step.next
    why = verdict.why if isinstance(verdict, Refuse) else f"{verdict.why}, and then it is too late"
    values = {"template": step.template, "channel": step.channel, **_last(turn, step)}
    turn.decide("skipped", why, run=run, values=values)
    turn.counts.append(one(label_of(turn, run, turn.at, step.id), "skipped"))
    return run, step.next


def _last(turn: Turn, step: Send) -> dict[str, str]:
    """Return when the last message went out that may stand in this one's way."""
    moments = [touch.at for touch in turn.profile.touches if touch.channel == step.channel and touch.marketing]
    return {"last_message": max(moments).isoformat()} if moments and step.category == "marketing" else {}


def _may(turn: Turn, run: Run, flow: Flow, step: Send) -> Go | Hold | Refuse:
    """Return whether this message may be planned now: consent first, then the topic, then manners."""
    refusal = _refusal(turn, flow, step)
    if refusal:
        return Refuse(refusal)
    return judge(
        turn.profile.touches,
        channel=step.channel,
        category=step.category,
        at=turn.at,
        zone=turn.where(),
        manners=manners_of(flow.manners, turn.playbook.manners),
        manner=step.manner,
        ahead=_ahead(turn, run, flow, step) if step.category == "marketing" else (),
        preferences=turn.profile.preferences,
    )


def _refusal(turn: Turn, flow: Flow, step: Send) -> str | None:
    channel, name = step.channel, "e-mail" if step.channel == "email" else step.channel
    if channel != "email" and (turn.shop is None or channel not in turn.shop.channels):
        return f"{name} is not connected"
    if turn.profile.address(channel) is None:
        return f"no {_ADDRESSES[channel]}"
    if step.category != "marketing":
        return None
    if not turn.profile.consented(channel):
        return f"no consent to marketing {name}"
    return unwanted(turn.profile.preferences, flow.topic, turn.playbook.topics)


def _ahead(turn: Turn, run: Run, flow: Flow, step: Send) -> Sequence[datetime]:
    """Return when messages of more important flows are coming on this channel: the next step of runs that wait."""
    moments = []
    for other in turn.active():
        if other.id == run.id or other.resume_at is None or other.step is None:
            continue
        more = turn.flow_of(other)
        if more.priority <= flow.priority:
            continue
        standing = more.steps[other.step]
        following = _after(standing) if isinstance(standing, (Wait, WaitUntil, WaitFor)) else standing.id
        coming = more.steps.get(following) if following else None
        if isinstance(coming, Send) and coming.channel == step.channel and coming.category == "marketing":
            moments.append(other.resume_at)
    return moments


def _plan_send(here: _Here, step: Send, verdict: Go, stood: datetime, offered: str) -> Run:
    turn, run, flow, _ = here
    planned = Planned(
        run=run.id,
        step=step.id,
        flow=flow.name,
        template=step.template,
        channel=step.channel,
        category=step.category,
        planned_at=turn.at,
        not_after=stood + timedelta(seconds=step.valid_seconds),
        sender=step.sender,
        offer=offered,
        topic=flow.topic if step.category == "marketing" else "",
        quiet_from=verdict.quiet_from,
        quiet_until=verdict.quiet_until,
        label=label_of(turn, run, turn.at, step.id),
    )
    known = run.messages
    run = _plan(turn, run, step.id, planned)
    (visit,) = run.messages.keys() - known.keys()
    if step.code:
        run = replace(run, codes={**run.codes, visit: step.code})
        given = Given(
            step.code,
            turn.at,
            run.messages[visit],
            label=planned.label if step.category == "marketing" else None,
        )
        turn.change(coupons=few_coupons((*turn.profile.coupons, given)))
    if offered:
        run = replace(run, offers={**run.offers, visit: offered})
        if offered in run.coupons:
            run = replace(run, codes={**run.codes, visit: run.coupons[offered].code})
    touch = Touch(turn.at, run.messages[visit], step.channel, step.category == "marketing")
    remembered = max(LONGEST, *map(longest, turn.playbook.all_manners))
    turn.change(touches=_latest((*turn.profile.touches, touch), turn.at - remembered))
    return run


def _latest(touches: tuple[Touch, ...], since: datetime) -> tuple[Touch, ...]:
    ordered = sorted(touches, key=lambda touch: (touch.at, touch.message))[-_MOST_TOUCHES:]
    return tuple(
        touch for place, touch in enumerate(ordered) if touch.at >= since or place >= len(ordered) - _LEAST_TOUCHES
    )


def _notify(here: _Here, step: Notify) -> Onward:
    turn, run, flow, _ = here
    if turn.shop is None or turn.shop.notify is None:
        turn.decide("skipped", "the shop names nobody to tell", run=run, values={"template": step.template})
        return run, step.next
    planned = Planned(
        run=run.id,
        step=step.id,
        flow=flow.name,
        template=step.template,
        channel="email",
        category="transactional",
        to="shop",
        planned_at=turn.at,
        not_after=turn.at + _VALID_NOTICE,
    )
    return _plan(turn, run, step.id, planned), step.next


def _audience(here: _Here, step: Audience) -> Onward:
    turn, run, flow, _ = here
    why = _unlisted(turn, step)
    if why is not None:
        turn.decide("skipped", why, run=run, values={"audience": step.audience, "action": step.action})
        return run, step.next
    _mark(turn, step.audience, on=step.action == "add", until=step.until)
    planned = Planned(
        run=run.id,
        step=step.id,
        flow=flow.name,
        template=step.audience,
        channel="audience",
        category="marketing" if step.action == "add" else "transactional",
        action=step.action,
        planned_at=turn.at,
        not_after=turn.at + _VALID_LISTING,
    )
    return _plan(turn, run, step.id, planned), step.next


def _mark(turn: Turn, audience: str, *, on: bool, until: str = "") -> None:
    """Write down that the person is to be on the list, or off it, and by which addresses they ever were on it."""
    known = turn.profile.audiences.get(audience, OnList(turn.at, on=False))
    emails, phones = turn.profile.reachable() if on else ((), ())
    mark = OnList(
        turn.at,
        on,
        tuple(dict.fromkeys((*known.emails, *emails))),
        tuple(dict.fromkeys((*known.phones, *phones))),
        until,
    )
    turn.change(audiences={**turn.profile.audiences, audience: mark})


def unlist(turn: Turn, happened: Collection[str] = ()) -> None:
    """Plan to take somebody off every list once any address that they stand there by is one they refused.

    And off those that they were to stand on until one of these events `happened`.
    """
    consent = turn.profile.consent
    for audience, mark in turn.profile.audiences.items():
        acts = [consent.get(f"email:{email}") for email in mark.emails]
        acts += [consent.get(f"sms:{phone}") for phone in mark.phones]
        agreed = all(act is not None and act.state == "subscribed" for act in acts)
        if not mark.on or (agreed and mark.until not in happened):
            continue
        _mark(turn, audience, on=False)
        message = ids.message_id(ids.digest("unlist", turn.profile.shop, turn.profile.id, turn.event.id), audience)
        planned = Planned(
            run="",
            step="",
            flow="",
            template=audience,
            channel="audience",
            category="transactional",
            action="remove",
            planned_at=turn.at,
            not_after=turn.at + _VALID_LISTING,
        )
        turn.change(planned={**turn.profile.planned, message: planned})
        turn.effects.append(Enqueue(message, planned.category))
        why = f"{mark.until} came" if agreed else "consent is gone"
        turn.decide("planned", "remove", message=message, values={"template": audience, "why": why})


def _unlisted(turn: Turn, step: Audience) -> str | None:
    if turn.shop is None or "audience" not in turn.shop.channels:
        return "audience is not connected"
    if turn.profile.email is None and turn.profile.phone is None:
        return "no address to recognise them by"
    if step.action == "add" and not (turn.profile.consented("email") or turn.profile.consented("sms")):
        return "no consent to marketing"
    return None


def _plan(turn: Turn, run: Run, step: str, planned: Planned) -> Run:
    """Plan the message; return the run with it. In a later round of a repeat a step's message is another one."""
    rounds = sum(1 for known in run.messages if known.partition(".")[0] == step)
    visit = step if rounds == 0 else f"{step}.{rounds + 1}"
    message = ids.message_id(run.id, visit)
    turn.change(planned={**turn.profile.planned, message: planned})
    turn.effects.append(Enqueue(message, planned.category))
    values = {"template": planned.template}
    values |= {"to": planned.to} if planned.to == "shop" else {}
    values |= {"offer": planned.offer} if planned.offer else {}
    turn.decide("planned", planned.action or planned.channel, run=run, message=message, values=values)
    return replace(run, messages={**run.messages, visit: message})


# --- writing ---------------------------------------------------------------------------------------------------------


def _set(here: _Here, step: Set) -> Onward:
    turn, run = here.turn, here.run
    names = turn.names(run.trigger, run)
    news: dict[str, TraitValue | None] = {}
    for name, expression in step.traits.items():
        try:
            news[name] = plain(condition(expression).value(names))
        except ConditionError as error:
            turn.decide("error", str(error), run=run)
    known, own = turn.profile.traits, turn.profile.own_tags
    news = {name: value for name, value in news.items() if name not in known or known[name].value != value}
    tags = dict.fromkeys(step.tags, True) | dict.fromkeys(step.untags, False)
    tags = {name: on for name, on in tags.items() if name not in own or own[name].on != on}
    if news or tags:
        # A step's word is the last one, also over another of this very moment.
        kept = {name: trait for name, trait in known.items() if name not in news}
        turn.change(
            traits=with_traits(kept, {name: Trait(turn.at, value) for name, value in news.items()}),
            own_tags={**own, **{name: Tag(turn.at, on) for name, on in tags.items()}},
        )
        turn.decide("set", step.id, run=run, values={**news, **{f"tag {name}": on for name, on in tags.items()}})
    if news:
        event_id = ids.digest("traits.changed", run.id, step.id, turn.event.id)
        turn.tell(turn.own_event("traits.changed", TraitsTold(at=turn.at, values=news), turn.at, event_id))
    return run, step.next


def _suppress(here: _Here, step: Suppress) -> Onward:
    """Forbid marketing to the address, and say so on the profile: what only a later consent takes back.

    Whoever has refused already, or has agreed anew since the moment that is being worked on, stays as they are.
    """
    turn, run = here.turn, here.run
    address = turn.profile.address(step.channel)
    key = f"{step.channel}:{address}"
    known = turn.profile.consent.get(key)
    act = Consent(channel=step.channel, state="suppressed", at=turn.at, source=step.reason, address=address)
    if address is None or known is None or not turn.profile.consented(step.channel) or later_act(known, act) is known:
        turn.decide("not_suppressed", "no consent that it could end", run=run, values={"channel": step.channel})
        return run, step.next
    turn.change(consent={**turn.profile.consent, key: act})
    turn.effects.append(PutSuppression(step.channel, address, step.reason, turn.at))
    turn.decide("suppressed", step.reason, run=run, values={"channel": step.channel})
    event_id = ids.digest("consent.changed", run.id, step.id, turn.event.id)
    turn.tell(turn.own_event("consent.changed", act, turn.at, event_id))
    unlist(turn)
    return run, step.next


_DO: Mapping[type[Step], Callable[[_Here, Any], Onward]] = {
    Wait: _wait,
    WaitUntil: _wait,
    WaitFor: _wait,
    Branch: _branch,
    Split: _split,
    Repeat: _repeat,
    Send: _send,
    Audience: _audience,
    Notify: _notify,
    Set: _set,
    Suppress: _suppress,
    Exit: _exit,
}
