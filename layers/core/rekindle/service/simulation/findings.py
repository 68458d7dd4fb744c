"""What a simulation found, as plain values: what `--json` prints and the report shows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from rekindle.flow.local_time import zone as zone_named
from rekindle.flow.program import Flow, Notify, OnSchedule, Playbook, Send, Step
from rekindle.service.costs import beside_mails, bill, forecast, total
from rekindle.service.prices import Price, prices
from rekindle.service.simulation.replay import Scenario, ways
from rekindle.service.simulation.tally import FlowTally, Reasons, Tally

#: The first is what costs are counted by.
SES_PRICES, SES_PRICES_OF = prices().mail, prices().of


class Shown(Struct, frozen=True, kw_only=True):
    """One example of a rule."""

    at: datetime
    person: str
    values: dict[str, str] = {}


class Why(Struct, frozen=True, kw_only=True):
    """A rule, how often it decided and about how many people; `step` where it is one step's."""

    rule: str
    times: int
    people: int
    step: str = ""
    examples: tuple[Shown, ...] = ()


class Sent(Struct, frozen=True, kw_only=True):
    """The messages of one step."""

    step: str
    channel: str
    template: str
    category: str
    count: int
    by_day: dict[str, int] = {}


class Passed(Struct, frozen=True, kw_only=True):
    """How many runs took one way out of a step. From `""` is the entry; to `None` is the end."""

    step: str
    way: str
    to: str | None
    count: int


class Goal(Struct, frozen=True, kw_only=True):
    """How many runs reached the goal, and after how long. `share` is of those that entered, 0 to 1."""

    converted: int
    share: float
    after_message: int
    """of these, after the run had sent something: the others would have come anyway"""
    median_hours: int | None = None
    by_hours: dict[int, int] = {}


class FlowFindings(Struct, frozen=True, kw_only=True):
    """What became of one flow."""

    name: str
    title: str
    version: str
    on: bool
    entered: int
    people: int
    restarted: int
    reached: int
    sent: int
    sent_after: int
    """of these, after the last event, when nothing but time passed"""
    cost: Decimal
    """of its mails, US dollars"""
    refused: tuple[Why, ...]
    skipped: tuple[Why, ...]
    held: tuple[Why, ...]
    messages: tuple[Sent, ...]
    ended: dict[str, int]
    """status → runs; `active` had not ended when the clock stopped"""
    ended_by: tuple[tuple[str, str, int], ...]
    """(status, rule, runs)"""
    goal: Goal
    inside: dict[str, int]
    """step → runs that stood there when the events ended"""
    edges: tuple[Passed, ...]
    visits: dict[str, int]
    left: tuple[tuple[str, str, int], ...]
    """(step, status, runs) of those that ended while they stood there"""
    entered_by_day: dict[str, int]


class SegmentFindings(Struct, frozen=True, kw_only=True):
    """Who is in a segment when the clock stops, and who came and went, by day."""

    name: str
    title: str
    at_end: int
    joined: dict[str, int]
    left: dict[str, int]


class Pair(Struct, frozen=True, kw_only=True):
    """Two flows that met in the same people."""

    one: str
    two: str
    people: int


class Findings(Struct, frozen=True, kw_only=True):
    """Everything that was found out about one set of flows."""

    playbook: str
    shops: dict[str, str]
    """id → name"""
    zone: str
    since: datetime
    last: datetime
    until: datetime
    days: tuple[str, ...]
    """every day on the shop's calendar from `since` to `until`"""
    last_day: str
    events: int
    before: int
    nobody: int
    """events that concern no customer: products, what only names somebody who was never heard of"""
    event_types: dict[str, int]
    events_by_day: dict[str, int]
    people: int
    reachable: int
    subscribed: int
    rings: int
    entered: int
    sent: int
    sent_after: int
    converted: int
    reached: int
    cost: Decimal
    costs: dict[str, Decimal]
    """SES plan → US dollars"""
    beside: Decimal
    """of what AWS takes beside SES for these mails and what leads to them, as the benchmark measured it; US dollars"""
    flows: tuple[FlowFindings, ...]
    segments: tuple[SegmentFindings, ...]
    per_person: dict[int, int]
    """messages → people"""
    most_in_a_day: dict[int, int]
    hours: tuple[tuple[int, ...], ...]
    """messages by weekday (Monday first) and hour of the shop's clock"""
    together: tuple[Pair, ...]
    same_day: tuple[Pair, ...]
    errors: tuple[Why, ...]
    stories: dict[str, list[str]] = {}


class StepChange(Struct, frozen=True, kw_only=True):
    """Messages of one step, before and with the draft; `None` where there is no such step."""

    step: str
    before: int | None
    after: int | None


class Change(Struct, frozen=True, kw_only=True):
    """What a draft changes in one flow. `before` is `None` for a new flow, `after` for one that is gone."""

    name: str
    title: str
    same: bool
    """both say the same"""
    before: FlowFindings | None
    after: FlowFindings | None
    steps: tuple[StepChange, ...]
    inside: int
    """people who are in the published version when the events end: they stay on it"""


class Result(Struct, frozen=True, kw_only=True):
    """The answer of `rekindle simulate`."""

    findings: Findings
    against: Findings | None = None
    against_name: str = ""
    """what it is held against: `published`, or a folder"""
    changes: tuple[Change, ...] = ()


def findings(tally: Tally, scenario: Scenario, shops: Iterable[str], nobody: int) -> Findings:
    """Return what this tally says, of these shops."""
    book = scenario.playbook
    here = sorted(shops)
    zone = book.shops[here[0]].zone if here and here[0] in book.shops else "UTC"
    on = {flow.name for flow in book.flows.values() if any(book.enabled(flow, shop) for shop in here)}
    flows = tuple(
        _flow(flow, tally.flows.get(flow.name) or FlowTally(), on=flow.name in on)
        for _, flow in sorted(book.flows.items())
        if flow.name in on or flow.name in tally.flows
    )
    mails = sum(_mails(flow.messages) for flow in flows)
    return Findings(
        playbook=book.hash,
        shops={shop: book.shops[shop].name for shop in here if shop in book.shops},
        zone=zone,
        since=scenario.since,
        last=scenario.last,
        until=scenario.until,
        days=_days(scenario.since, scenario.until, zone),
        last_day=_day(scenario.last, zone),
        events=tally.events,
        before=tally.before,
        nobody=nobody,
        event_types=dict(sorted(tally.event_types.items())),
        events_by_day=dict(sorted(tally.events_by_day.items())),
        people=tally.people,
        reachable=tally.reachable,
        subscribed=tally.subscribed,
        rings=tally.rings,
        entered=sum(flow.entered for flow in flows),
        sent=sum(flow.sent for flow in flows),
        sent_after=sum(flow.sent_after for flow in flows),
        converted=sum(flow.goal.converted for flow in flows),
        reached=sum(people for messages, people in tally.per_person.items() if messages),
        cost=_cost(mails),
        costs={price.plan: _cost(mails, price) for price in SES_PRICES},
        beside=_beside(book, flows),
        flows=flows,
        segments=_segments(tally, book),
        per_person=dict(sorted(tally.per_person.items())),
        most_in_a_day=dict(sorted(tally.most_in_a_day.items())),
        hours=tuple(tuple(tally.hours[weekday, hour] for hour in range(24)) for weekday in range(7)),
        together=_pairs(tally.together),
        same_day=_pairs(tally.same_day),
        errors=_whys(tally.errors),
        stories=dict(sorted(tally.stories.items())),
    )


def changes(before: Findings, after: Findings) -> tuple[Change, ...]:
    """Return what the draft (`after`) changes, flow by flow."""
    old = {flow.name: flow for flow in before.flows}
    new = {flow.name: flow for flow in after.flows}
    return tuple(_change(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))


def _change(name: str, old: FlowFindings | None, new: FlowFindings | None) -> Change:
    was = {message.step: message.count for message in old.messages} if old else {}
    now = {message.step: message.count for message in new.messages} if new else {}
    known = new or old
    return Change(
        name=name,
        title=known.title if known else name,
        same=old is not None and new is not None and old.version == new.version,
        before=old,
        after=new,
        steps=tuple(
            StepChange(step=step, before=was.get(step), after=now.get(step)) for step in dict.fromkeys((*now, *was))
        ),
        inside=sum(old.inside.values()) if old else 0,
    )


def _flow(flow: Flow, tally: FlowTally, *, on: bool) -> FlowFindings:
    messages = _messages(flow, tally)
    converted = sum(count for (status, _), count in tally.ended.items() if status == "converted")
    ended: Counter[str] = Counter()
    for (status, _), count in sorted(tally.ended.items()):
        ended[status] += count
    if tally.active:
        ended["active"] = tally.active
    return FlowFindings(
        name=flow.name,
        title=flow.title or flow.name,
        version=flow.version,
        on=on,
        entered=tally.entered,
        people=tally.people,
        restarted=tally.restarted,
        reached=tally.reached,
        sent=sum(message.count for message in messages if message.channel not in ("notify", "audience")),
        sent_after=tally.sent_after,
        cost=_cost(_mails(messages)),
        refused=_whys(tally.refused),
        skipped=_whys(tally.skipped),
        held=_whys(tally.held),
        messages=messages,
        ended=dict(ended),
        ended_by=tuple(
            (status, rule, count)
            for (status, rule), count in sorted(tally.ended.items(), key=lambda item: (-item[1], item[0]))
        ),
        goal=Goal(
            converted=converted,
            share=round(converted / tally.entered, 4) if tally.entered else 0.0,
            after_message=tally.after_message,
            median_hours=_median(tally.goal_hours),
            by_hours=dict(sorted(tally.goal_hours.items())),
        ),
        inside={step: tally.inside[step] for step in flow.steps if tally.inside[step]},
        edges=_edges(flow, tally),
        visits={step: tally.visits[step] for step in flow.steps},
        left=tuple((step, status, count) for (step, status), count in sorted(tally.left.items())),
        entered_by_day=dict(sorted(tally.entered_by_day.items())),
    )


def _messages(flow: Flow, tally: FlowTally) -> tuple[Sent, ...]:
    found: list[Sent] = []
    for step in flow.steps.values():
        kind = _sending(step)
        if kind is None:
            continue
        channel, template, category = kind
        by_day = {day: count for (day, name), count in sorted(tally.sent.items()) if name == step.id}
        found.append(
            Sent(
                step=step.id,
                channel=channel,
                template=template,
                category=category,
                count=sum(by_day.values()),
                by_day=by_day,
            )
        )
    return tuple(found)


def _sending(step: Step) -> tuple[str, str, str] | None:
    if isinstance(step, Send):
        return step.channel, step.template, step.category
    return ("notify", step.template, "transactional") if isinstance(step, Notify) else None


def _edges(flow: Flow, tally: FlowTally) -> tuple[Passed, ...]:
    entry = Passed(step="", way="", to=flow.first, count=tally.edges["", ""])
    return (
        entry,
        *(
            Passed(step=step.id, way=way, to=to, count=tally.edges[step.id, way])
            for step in flow.steps.values()
            for way, to in ways(step)
        ),
    )


def _segments(tally: Tally, book: Playbook) -> tuple[SegmentFindings, ...]:
    found = []
    for name, segment in sorted(book.segments.items()):
        counted = tally.segments.get(name)
        found.append(
            SegmentFindings(
                name=name,
                title=segment.title or name,
                at_end=counted.at_end if counted else 0,
                joined=dict(sorted(counted.joined.items())) if counted else {},
                left=dict(sorted(counted.left.items())) if counted else {},
            )
        )
    return tuple(found)


def _whys(reasons: Reasons) -> tuple[Why, ...]:
    return tuple(
        Why(
            rule=key[-1],
            step=key[0] if len(key) > 1 else "",
            times=reason.times,
            people=reason.people,
            examples=tuple(Shown(at=one.at, person=one.person, values=dict(one.values)) for one in reason.examples),
        )
        for key, reason in sorted(reasons.items(), key=lambda item: (-item[1].times, item[0]))
    )


def _pairs(counted: Mapping[tuple[str, str], int]) -> tuple[Pair, ...]:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Pair(one=one, two=two, people=people) for (one, two), people in ordered)


def _median(hours: Counter[int]) -> int | None:
    half = (hours.total() + 1) // 2
    passed = 0
    for hour, count in sorted(hours.items()):
        passed += count
        if passed >= half:
            return hour
    return None


def _cost(mails: int, price: Price = SES_PRICES[0]) -> Decimal:
    return price.of(mails)


def _mails(messages: Iterable[Sent]) -> int:
    return sum(message.count for message in messages if message.channel in ("email", "notify"))


def _beside(book: Playbook, flows: Iterable[FlowFindings]) -> Decimal:
    """Return what comes beside SES: a campaign's mail as one, any other as a reminder, whose events are in it."""
    counts: Counter[str] = Counter()
    for flow in flows:
        by_hour = any(isinstance(trigger, OnSchedule) for trigger in book.flows[flow.name].triggers)
        counts["campaign" if by_hour else "cart"] += _mails(flow.messages)
    return round(total(beside_mails(bill(forecast(counts), prices()))), 4)


def _day(moment: datetime, zone: str) -> str:
    return moment.astimezone(zone_named(zone) or ZoneInfo("UTC")).strftime("%Y-%m-%d")


def _days(since: datetime, until: datetime, zone: str) -> tuple[str, ...]:
    first, last = date.fromisoformat(_day(since, zone)), date.fromisoformat(_day(until, zone))
    return tuple((first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1))
