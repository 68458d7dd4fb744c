"""How people come into flows: trigger, filter, and the rules of entry, in their order. Pure."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConditionError
from rekindle.domain.events import Event
from rekindle.domain.facts import Campaign, DateCame, Fact, SegmentChange, Start
from rekindle.domain.profile import Entry, Run
from rekindle.domain.results import one
from rekindle.flow.attribution import HELD, IN, held_out, label_of, of_flow, take_part_in_holdout
from rekindle.flow.conditions import condition
from rekindle.flow.local_time import wall_moment, zone
from rekindle.flow.program import Flow, OnSchedule, Rule, Trigger
from rekindle.flow.steps import arrive
from rekindle.flow.turn import Turn

#: How many entry keys of one flow are remembered. An older basket that came back would give the same run and message
#: ids again, and the message's own record (kept 400 days) stops what was sent.
MAX_ENTRIES = 50

#: So many things at most join one run (`Flow.gather`), the latest.
MAX_JOINED = 20

#: What steps of flows bring about themselves, and how long nobody enters again or starts anew by it, whatever the
#: flow allows: flows that start one another in a circle, with waits in between, would go on for ever.
_BROUGHT_ABOUT = frozenset({"segment.entered", "segment.left", "tier.reached", "traits.changed"})
BREATH = timedelta(hours=1)


#: The rule that forbade an entry, and the values that it looked at.
Refusal = tuple[str, dict[str, Any]]


def enter(turn: Turn, flow: Flow, trigger: Trigger, told: Event) -> None:
    """Let the person into the flow if every rule allows it; the ledger says which one did not."""
    if not _is_for(trigger, flow, told):
        return
    names = turn.names(told.data)
    key = _key(turn, flow, names) if flow.key else None
    begins = _own_hour(turn, told)
    start = begins or max(min(told.occurred_at, turn.at), turn.at - timedelta(seconds=flow.max_age))
    inside = [run for run in turn.active() if run.flow == flow.name]
    same = next((run for run in inside if run.key == key), None)
    gathering = next((run for run in inside if not run.messages), None) if flow.gather else None
    refusal = _unwanted(turn, flow, trigger, told, names)
    if refusal is None and flow.key and key is None:
        refusal = f"key: {flow.key}", {}
    if refusal is None and gathering is not None:
        about = {_subject(fact) for fact in (gathering.trigger, *gathering.joined)}
        if gathering is not same and _subject(told.data) not in about:
            refusal, _ = _again(turn, flow, key, 0, told)
        if refusal is None:
            _gather(turn, gathering, told)
            return
    elif refusal is None and same is not None:
        if flow.restart and not same.messages and not _too_soon(turn, told, same.entered_at):
            _restart(turn, same, flow, told, start)
            return
        refusal = "already inside", {"key": key}
    ordinal = 1
    if refusal is None:
        refusal, ordinal = _again(turn, flow, key, len(inside), told)
    if refusal is not None:
        _refuse(turn, flow, told, refusal)
        return
    run = Run(
        id=ids.run_id(turn.profile.shop, flow.name, key, ordinal, None if flow.unique_key else turn.profile.id),
        flow=flow.name,
        version=flow.version,
        playbook=turn.playbook.hash,
        entered_at=start,
        expires_at=start + timedelta(seconds=flow.timeout),
        key=key,
        unique_key=flow.unique_key,
        ordinal=ordinal,
        event_id=told.id,
        event_type=told.type,
        trigger=told.data,
        step=flow.first,
        begins_at=begins,
        resume_at=begins,
    )
    turn.change(runs=(*turn.profile.runs, run))
    _count(turn, flow, run)
    turn.decide("entered", trigger.when or _said(trigger, told), run=run, values=turn.read(trigger.when, names))
    _set_off(turn, run, flow, start)


def keep_out(turn: Turn, flow: Flow, trigger: Trigger, told: Event) -> None:
    """Write down that what would have let the person in was brought by an import."""
    if _is_for(trigger, flow, told):
        refusal = "imported", dict[str, Any]()
        _refuse(turn, flow, told, refusal)


def _set_off(turn: Turn, run: Run, flow: Flow, start: datetime) -> None:
    if run.begins_at is None:
        arrive(turn, run, flow, flow.first, start)
    else:
        turn.decide("waiting", "the recipient's own hour", run=run, values={"until": run.begins_at.isoformat()})


def _own_hour(turn: Turn, told: Event) -> datetime | None:
    """Return when a campaign that comes at each recipient's own hour comes to this one, if that is still to come."""
    if not isinstance(told.data, Campaign) or not told.data.wall:
        return None
    moment = wall_moment(told.data.wall, turn.where())
    return moment if moment > turn.at else None


def _refuse(turn: Turn, flow: Flow, told: Event, refusal: Refusal) -> None:
    turn.decide("not_entered", refusal[0], flow=flow, values=refusal[1])
    if refusal[0] == "holdout":
        turn.counts.append(one(of_flow(turn, flow.name, told.data), "held_out"))
        take_part_in_holdout(turn, flow.name, HELD, told.data)


def _count(turn: Turn, flow: Flow, run: Run) -> None:
    turn.counts.append(one(label_of(turn, run, run.entered_at), "entered"))
    if flow.holdout:
        take_part_in_holdout(turn, flow.name, IN, run.trigger)


def _unwanted(turn: Turn, flow: Flow, trigger: Trigger, told: Event, names: dict[str, Any]) -> Refusal | None:
    """Return why this event lets nobody in, if so."""
    if isinstance(trigger, OnSchedule) and trigger.segment and trigger.segment not in turn.profile.segments:
        return f"segment: {trigger.segment}", {}
    if not turn.true(trigger.when, names, flow=flow):
        return f"filter: {trigger.when}", turn.read(trigger.when, names)
    if turn.at - told.occurred_at > timedelta(seconds=flow.max_age):
        return "max_age", {"occurred_at": told.occurred_at.isoformat()}
    if not _open(turn, flow, told.occurred_at):
        return "window", {"opens": flow.opens or None, "closes": flow.closes or None}
    return None


def _again(turn: Turn, flow: Flow, key: str | None, inside: int, told: Event) -> tuple[Refusal | None, int]:
    """Return why this person may not enter (again), if so, and which time it is under this key."""
    past = turn.profile.entries.get(flow.name, {}).get(key or "")
    ordinal = past.ordinal + 1 if past else 1
    if flow.at_once is not None and inside >= flow.at_once:
        return ("at_once", {"inside": inside}), ordinal
    if past is not None and not past.void and (flow.again is None or turn.at - past.at < timedelta(seconds=flow.again)):
        return ("entered before", {"key": key, "at": past.at.isoformat()}), ordinal
    if past is not None and _too_soon(turn, told, past.at):
        return ("entered within the hour", {"key": key, "at": past.at.isoformat()}), ordinal
    # Who is held out counts as entered, so that both groups are taken in by the same rules and can be compared.
    _remember(turn, flow, key or "", Entry(ordinal, turn.at))
    if flow.holdout and held_out(turn.profile.shop, flow.name, turn.profile.id, flow.holdout):
        return ("holdout", {"share": f"{flow.holdout / 100:g} %"}), ordinal
    return None, ordinal


def _too_soon(turn: Turn, told: Event, last: datetime) -> bool:
    return told.type in _BROUGHT_ABOUT and turn.at - last < BREATH


def _said(trigger: Trigger, told: Event) -> str:
    return f"{told.type} {trigger.subject}" if isinstance(trigger, Rule) and trigger.subject else told.type


def _is_for(trigger: Trigger, flow: Flow, told: Event) -> bool:
    """Whether a day, an occurrence, a start by hand or a segment is this flow's business at all."""
    match told.data:
        case DateCame(flow=name, trigger=place) | Campaign(flow=name, trigger=place):
            return name == flow.name and place < len(flow.triggers) and flow.triggers[place] is trigger
        case SegmentChange(name=name) | Start(flow=name):
            return isinstance(trigger, Rule) and trigger.subject in ("", name)
        case _:
            return True


def _key(turn: Turn, flow: Flow, names: dict[str, Any]) -> str | None:
    try:
        found = condition(flow.key).value(names)
    except ConditionError as error:
        turn.decide("error", str(error), flow=flow)
        return None
    return None if found in (None, "") else str(found)


def _open(turn: Turn, flow: Flow, when: datetime) -> bool:
    where = turn.shop.zone if turn.shop else "UTC"
    after = not flow.opens or when >= _local(flow.opens, where)
    return after and (not flow.closes or when < _local(flow.closes, where))


@functools.lru_cache(maxsize=256)
def _local(text: str, where: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone(where) or ZoneInfo("UTC"))


def _remember(turn: Turn, flow: Flow, key: str, entry: Entry) -> None:
    entered = {**turn.profile.entries.get(flow.name, {}), key: entry}
    while len(entered) > MAX_ENTRIES:
        del entered[min(entered, key=lambda known: (entered[known].at, known))]
    turn.change(entries={**turn.profile.entries, flow.name: entered})


def _gather(turn: Turn, run: Run, told: Event) -> None:
    """Let what happened join a run that has not sent anything. Of one thing only the newest that was said counts."""
    news = told.data
    subject = _subject(news)
    if _subject(run.trigger) == subject:
        run = replace(run, trigger=news)
    else:
        others = [fact for fact in run.joined if _subject(fact) != subject]
        run = replace(run, joined=(*others, news)[-MAX_JOINED:])
    turn.put(run)
    turn.decide("gathered", told.type, run=run, values={"together": 1 + len(run.joined)})


def _subject(fact: Fact | None) -> object:
    """Return what a fact is about; itself where it has no name of its own."""
    return getattr(fact, "product_id", None) or getattr(fact, "id", None) or fact


def _restart(turn: Turn, run: Run, flow: Flow, told: Event, start: datetime) -> None:
    # The restarted run takes the newest version: nothing that the old one said has been done yet.
    again = replace(
        run,
        version=flow.version,
        playbook=turn.playbook.hash,
        entered_at=start,
        expires_at=start + timedelta(seconds=flow.timeout),
        event_id=told.id,
        event_type=told.type,
        trigger=told.data,
        arrived_at=None,
        resume_at=None,
        visits={},
    )
    turn.put(again)
    turn.decide("restarted", "restart", run=again, values={"since": start.isoformat()})
    arrive(turn, again, flow, flow.first, start)
