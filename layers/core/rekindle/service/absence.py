"""Why the ledger says nothing about a flow for a person: it is not there, it is off, or nothing has ever started it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from rekindle.domain.events import Event
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile
from rekindle.flow.past import recall
from rekindle.flow.program import Ask, Flow, OnDate, OnSchedule, Playbook, Rule, Trigger
from rekindle.service.wording import moment

_MOVES = {"segment.entered": "entering the segment", "segment.left": "leaving the segment"}
_MEMBERSHIPS = {"segment.entered": "joined", "segment.left": "left_segment"}


def why_never(
    name: str,
    profile: Profile,
    playbook: Playbook,
    heard: Iterable[Event],
    decisions: Sequence[Decision],
    *,
    zone: ZoneInfo,
    published_at: datetime | None = None,
) -> tuple[str, ...]:
    """Return, in sentences, why nothing was decided about this flow.

    `heard` is what was told of this person, oldest first, `decisions` what was decided; both go 400 days back.
    """
    flow = playbook.flows.get(name)
    if not playbook.hash:
        return ("Nothing has been published yet.",)
    if flow is None:
        meant = difflib.get_close_matches(name, playbook.flows, n=1)
        return (f"No flow {name} is published." + (f" Is {meant[0]} meant?" if meant else ""),)
    if profile.shop not in playbook.shops:
        return (f"Nothing runs in {profile.shop}: it has no file among the published shops.",)
    if not playbook.enabled(flow, profile.shop):
        switch = f"write {name}: true in shops/{profile.shop}.yaml, under flows"
        return (f"The flow is off in {profile.shop}. To switch it on, {switch}.",)
    case = _Case(profile, playbook, tuple(heard), tuple(decisions), zone, published_at)
    return tuple(sentence for trigger in flow.triggers for sentence in _why_not(trigger, flow, case))


class _Case(Struct, frozen=True):
    profile: Profile
    playbook: Playbook
    heard: tuple[Event, ...]
    decisions: tuple[Decision, ...]
    zone: ZoneInfo
    published_at: datetime | None


def _why_not(trigger: Trigger, flow: Flow, case: _Case) -> tuple[str, str]:
    """Return what starts the flow, and why that has not happened."""
    match trigger:
        case OnDate():
            return _on_date(trigger, flow, case)
        case OnSchedule():
            return _on_schedule(trigger, case)
        case Rule():
            return _on_event(trigger, case)


def _on_event(rule: Rule, case: _Case) -> tuple[str, str]:
    by_hand = rule.event == "flow.started"
    move = _MOVES.get(rule.event)
    what = f"{move} {rule.subject}" if move else rule.event
    starts = "It is started by hand." if by_hand else f"It starts on {what}{_when(rule.when)}."
    last = _last(rule, case)
    if last is None:
        known = "Nobody has done so" if by_hand else f"No {rule.event} has come from this person"
        known = "This person has not done so" if move else known
        return starts, f"{known} in the last 400 days."
    came = f"The last one came {moment(last, case.zone)}"
    if case.published_at is not None and last < case.published_at:
        published = moment(case.published_at, case.zone)
        return starts, f"{came}, before what is published now was published ({published})."
    return starts, f"{came}: the flow was not published then, or off."


def _last(rule: Rule, case: _Case) -> datetime | None:
    if rule.event in _MEMBERSHIPS:
        moves = [each for each in case.decisions if each.what == _MEMBERSHIPS[rule.event]]
        return max((each.at for each in moves if rule.subject in ("", each.values.get("segment"))), default=None)
    # Who starts a flow by hand names it; what conditions ask may have been otherwise then.
    ask = Ask(key="last", event=rule.event, when=f"event.flow == '{rule.subject}'" if rule.subject else "")
    return max(recall(case.profile, case.heard, (ask,)).get(ask.key, ()), default=None)


def _on_date(trigger: OnDate, flow: Flow, case: _Case) -> tuple[str, str]:
    away = f"{abs(trigger.offset)} days {'before' if trigger.offset < 0 else 'after'} " if trigger.offset else ""
    yearly = ", every year" if trigger.yearly else ""
    starts = f"It starts {away}{'the' if away else 'on the'} day of {trigger.date}{yearly}{_when(trigger.when)}."
    if case.profile.shape != case.playbook.shape:
        return starts, "This person has not been looked at yet since that was published."
    coming = [when for key, when in case.profile.moments.items() if key.startswith(f"date:{flow.name}.")]
    if coming:
        return starts, f"That comes {moment(min(coming), case.zone)}."
    return starts, "No such day is known of this person, or it has passed."


def _on_schedule(trigger: OnSchedule, case: _Case) -> tuple[str, str]:
    days = f"{trigger.offset:+d} days, " if trigger.offset else ""
    hour = f"{trigger.holiday}, {days}at {trigger.at}" if trigger.holiday else trigger.once or trigger.cron
    whom = f"to the segment {trigger.segment}" if trigger.segment else "to everybody"
    starts = f"It is a campaign: {hour}, {whom}{_when(trigger.when)}."
    if trigger.segment and trigger.segment not in case.profile.segments:
        return starts, f"This person is not in {trigger.segment}, and whom a campaign does not mean gets no line."
    return starts, "It has not come to this person yet."


def _when(condition: str) -> str:
    return f" when {condition}" if condition else ""
