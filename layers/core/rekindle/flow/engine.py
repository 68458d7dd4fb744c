"""The heart: one pure function that advances one profile by one event.

    advance(profile, event, playbook, now) -> Outcome(profile, effects, decisions)

No clock, no random, no environment, no I/O, no logging. Order matters and is always the same: facts first, then the
segments and days that they change, then goals and exits, then entries, and last what is due, in the order of its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from rekindle.domain import ids, sign_ups
from rekindle.domain.absorb import LISTED, absorb, asked_again
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Order, PreferencesTold, ProductChange, PushSubscription, Referral, SignUp
from rekindle.domain.history import history
from rekindle.domain.outcome import Enqueue, LiftSuppression, Outcome, Refer, RingAt
from rekindle.domain.preferences import as_values, chosen
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.domain.referrals import THEMSELVES
from rekindle.domain.results import one
from rekindle.flow.attribution import settle
from rekindle.flow.entry import MAX_ENTRIES, enter, keep_out
from rekindle.flow.live import refresh
from rekindle.flow.merge import UNITED
from rekindle.flow.program import Playbook
from rekindle.flow.runs import TRANSITIONS, end, end_by_rule, end_removed
from rekindle.flow.steps import hear, look_again, resume, unlist
from rekindle.flow.turn import LATENESS, Turn

__all__ = ["LATENESS", "MAX_ENTRIES", "QUEUE_RETENTION", "TRANSITIONS", "advance", "forget_planned"]

#: Queues keep a message so long (SQS, four days by default); until then a planned message could still be sent.
QUEUE_RETENTION = timedelta(days=4)

#: Flows may start one another by what they set and whom they move. Beyond this it is a circle, and it stops here.
_MAX_TOLD = 200
_MAX_DUE = 1_000


def advance(profile: Profile, event: Event, playbook: Playbook, now: datetime) -> Outcome:
    """Return what becomes of the profile when this event is known, at `now` (aware, UTC).

    The playbook must hold every flow version that the profile's runs are pinned to. Raises nothing for what shops or
    marketers did wrong: a condition that fails is false, and a decision says so.
    """
    turn = Turn(profile, event, playbook, now)
    end_removed(turn)
    if event.silent and profile.version and profile.shape != UNITED:
        # What was published meanwhile is not the import's doing: it may let people in. What two are together is.
        _tell_all(turn, profile, rung=False)
    turn.silent, seen = event.silent, turn.profile
    _take(turn)
    _tell_all(turn, seen, rung=False)
    turn.silent = False
    _walk_due(turn)
    settle(turn)
    _settle(turn)
    return Outcome(turn.profile, tuple(turn.effects), tuple(turn.decisions), tuple(turn.counts))


def forget_planned(profile: Profile, settled: Iterable[str], now: datetime, *, unsent: Iterable[str] = ()) -> Profile:
    """Drop planned messages whose outcome is known, or which nothing can send any more (DESIGN §6).

    `unsent` are those of `settled` that were never sent: they count against no cap, and gave nobody a code. What
    somebody asked to be told in them they still ask for, unless they have ordered meanwhile.
    """
    settled, unsent = frozenset(settled), frozenset(unsent)
    kept = {
        message: planned
        for message, planned in profile.planned.items()
        if message not in settled and planned.not_after + QUEUE_RETENTION > now
    }
    if len(kept) == len(profile.planned):
        return profile
    touches = tuple(touch for touch in profile.touches if touch.message not in unsent)
    # What is given of an offer is known by its own event, whatever became of the message.
    coupons = tuple(given for given in profile.coupons if given.offer or given.message not in unsent)
    lost = {profile.planned[message].run for message in unsent if message in profile.planned}
    untold = [
        fact
        for run in profile.runs
        if run.id in lost and run.status in ("active", "finished")
        for fact in (run.trigger, *run.joined)
        if isinstance(fact, ProductChange)
    ]
    interests = asked_again(profile.interests, untold) if untold else profile.interests
    return replace(profile, planned=kept, touches=touches, coupons=coupons, interests=interests)


def _take(turn: Turn) -> None:
    """Take the event's facts into the profile, and queue what they tell."""
    absorbed = absorb(turn.profile, turn.event, turn.now)
    turn.profile = absorbed.profile
    if absorbed.ignored:
        turn.decide("ignored", absorbed.ignored, values={"event": turn.event.type})
    for told in absorbed.told:
        _note_consent(turn, told)
        _note_choice(turn, told)
        _note_referral(turn, told)
        turn.tell(told)
    if not absorbed.told:
        _grant_again(turn)
    _ask_back(turn)
    unlist(turn, {told.type for told in absorbed.told})


def _note_consent(turn: Turn, told: Event) -> None:
    data = told.data
    if isinstance(data, PushSubscription) and told.type == "push.subscribed":
        # Allowed anew, in the browser itself: a refusal of push from before counts no more.
        turn.effects.append(LiftSuppression("push", turn.profile.id, data.at))
    if not isinstance(data, Consent):
        return
    turn.decide("said", f"{data.state} ({data.channel})", values={"source": data.source, "when": str(data.at)})
    if data.state == "unsubscribed" and told.label is not None:
        turn.counts.append(one(told.label, "unsubscribed"))
    if data.state == "subscribed" and told.signed and data.address and data.source != LISTED:
        turn.effects.append(LiftSuppression(data.channel, data.address, data.at))


def _ask_back(turn: Turn) -> None:
    """Plan the mail that asks an address for its word, which somebody typed into a form: one for each request."""
    asked = turn.event.data
    if not isinstance(asked, SignUp) or asked.id not in turn.profile.sign_ups or asked.id in turn.before.sign_ups:
        return
    message = ids.message_id(turn.profile.id, asked.id)
    planned = Planned(
        run="",
        step=asked.id,
        flow=sign_ups.FLOW,
        template=sign_ups.ALERT_TEMPLATE if asked.alert is not None else sign_ups.TEMPLATE,
        channel="email",
        category="transactional",
        to="claimed",
        planned_at=turn.at,
        not_after=turn.at + sign_ups.FRESH,
    )
    turn.change(planned={**turn.profile.planned, message: planned})
    turn.effects.append(Enqueue(message, planned.category))
    turn.decide("planned", "email", message=message, values={"template": planned.template, "to": planned.to})


def _grant_again(turn: Turn) -> None:
    """Lift what forbids marketing also where somebody grants by a link what is known as granted.

    An unsubscribe may have been accepted before it and be applied after it: then the profile never says so, while its
    suppression stands.
    """
    data = turn.event.data
    if not isinstance(data, Consent) or data.address_key is None or data.address is None or not turn.event.signed:
        return
    holds = turn.profile.consent.get(f"{data.channel}:{data.address}")
    if holds is not None and (holds.state, data.state, holds.at) == ("subscribed", "subscribed", data.at):
        turn.effects.append(LiftSuppression(data.channel, data.address, data.at))


def _note_choice(turn: Turn, told: Event) -> None:
    data = told.data
    if not isinstance(data, PreferencesTold):
        return
    turn.decide("chose", "on the preference page", values=as_values(chosen(data)))
    look_again(turn)


def _note_referral(turn: Turn, told: Event) -> None:
    """Let whoever sent this person know of their first order. Nobody sends themselves, and nobody an old customer."""
    order = told.data
    if told.type != "order.placed" or not isinstance(order, Order) or not order.referrer:
        return
    if told.silent:
        turn.decide("not_referred", "it came by an import")
    elif order.referrer == THEMSELVES:
        turn.decide("not_referred", "the code is their own: one mailbox, phone, address or browser")
    elif history(turn.profile).orders > 1 or turn.profile.referred_by is not None:
        turn.decide("not_referred", "it is not their first order")
    else:
        turn.change(referred_by=order.referrer)
        friend = ids.digest("friend", turn.profile.id)
        made = Referral(
            order_id=order.id, at=told.occurred_at, total=order.total, currency=order.currency, friend=friend
        )
        turn.effects.append(Refer(order.referrer, made))
        turn.decide("referred", "the first order, with a friend's code", values={"by": order.referrer})


def _tell_all(turn: Turn, seen: Profile, *, rung: bool) -> None:
    """Let flows know of everything that happened since the profile was `seen`, until nothing more happens."""
    for _ in range(_MAX_TOLD):
        before, seen = seen, turn.profile
        refresh(turn, before, rung=rung)
        if not turn.untold:
            return
        told = turn.untold.popleft()
        for run in turn.active():
            if _concerns(told, run):
                end_by_rule(turn, run, told)
        for run in turn.active():
            if _concerns(told, run):
                hear(turn, run, told)
        _enter_all(turn, told)
    turn.untold.clear()
    turn.decide("error", f"flows start one another in a circle: stopped after {_MAX_TOLD} events")


def _concerns(told: Event, run: Run) -> bool:
    """Whether a run hears of it: not of what an import tells of the time before it."""
    return not told.silent or told.occurred_at >= run.entered_at


def _enter_all(turn: Turn, told: Event) -> None:
    for flow, trigger in turn.playbook.triggered_by(told.type):
        if turn.enabled(flow):
            (keep_out if told.silent else enter)(turn, flow, trigger, told)
    news = told.data
    if not isinstance(news, ProductChange) or not news.asked:
        return
    if not any(news in (run.trigger, *run.joined) for run in turn.profile.runs):
        # No flow that is on tells those who asked: they still ask for it, and hear of it as everybody else does.
        turn.change(interests=asked_again(turn.profile.interests, (news,)))
        _enter_all(turn, replace(told, data=replace(news, asked=False)))


def _walk_due(turn: Turn) -> None:
    """Do what is due, in the order of its time: so one late ring does what several on time would have done."""
    for _ in range(_MAX_DUE):
        moment = min(_moments(turn.profile), default=None)
        if moment is None or moment > turn.now:
            break
        turn.at = moment if turn.now - moment <= LATENESS else turn.now
        seen = turn.profile
        run = _next_run(turn, moment)
        if run is None or any(when <= moment for when in turn.profile.moments.values()):
            _tell_all(turn, seen, rung=True)
        elif run.expires_at <= turn.at:
            end(turn, run, "timeout", "timeout", {"expires_at": run.expires_at.isoformat()})
        else:
            resume(turn, run)
            _tell_all(turn, seen, rung=True)
    turn.at = turn.now


def _moments(profile: Profile) -> Iterable[datetime]:
    yield from profile.moments.values()
    for run in profile.runs:
        if run.status == "active":
            yield run.expires_at
            if run.resume_at is not None:
                yield run.resume_at


def _next_run(turn: Turn, moment: datetime) -> Run | None:
    """Return the run that is due at this moment; of several that of the most important flow."""
    due = [run for run in turn.active() if min(run.expires_at, run.resume_at or run.expires_at) <= moment]
    return min(due, key=lambda run: (-turn.flow_of(run).priority, run.id), default=None)


def _settle(turn: Turn) -> None:
    """Drop ended runs that nothing points at any more, and set the alarm clock."""
    wanted = {planned.run for planned in turn.profile.planned.values()}
    runs = tuple(run for run in turn.profile.runs if run.status == "active" or run.id in wanted)
    if len(runs) != len(turn.profile.runs):
        turn.change(runs=runs)
    deadline = min(_moments(turn.profile), default=None)
    if deadline != turn.profile.deadline:
        turn.change(deadline=deadline)
    # A ring that is let go takes its schedule with it: it must leave the next one behind, changed or not.
    if deadline is not None and (deadline != turn.before.deadline or turn.event.type == "alarm.rang"):
        turn.effects.append(RingAt(deadline))
