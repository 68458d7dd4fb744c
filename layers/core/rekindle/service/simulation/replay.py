"""One person's events, lived through by the production engine under a virtual clock. Pure.

`received_at` is the clock of an event; between events the alarm clock rings at every deadline. A message counts as sent
when it is planned. What happened before `Scenario.since` only makes people what they were: nobody
enters a flow. At `since` the flows are switched on, and everybody is looked at once, as in the pass after a publish.
After the last event nobody enters either: who is inside goes on until `Scenario.until`, and nothing but time passes.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Event
from rekindle.domain.facts import Alarm, Campaign, Consent, Coupon, Engagement
from rekindle.domain.outcome import Decision, Outcome
from rekindle.domain.profile import Profile
from rekindle.flow.engine import advance, forget_planned
from rekindle.flow.local_time import zone
from rekindle.flow.merge import unite
from rekindle.flow.program import (
    Branch,
    Exit,
    Flow,
    OnSchedule,
    Playbook,
    Repeat,
    Segment,
    Send,
    Split,
    Step,
    WaitFor,
)
from rekindle.service.campaigns import Occurrence, due
from rekindle.service.simulation.tally import EXAMPLES, Example, FlowTally, Tally
from rekindle.service.wording import moment, phrase

#: How long the clock runs on after the last event unless told otherwise, so that runs can finish.
RUN_OUT = timedelta(days=30)

_NEVER = datetime.max.replace(tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_QUARTER = 900
_MAX_WALK = 1_000
_MAX_RINGS = 100_000
_MAX_STORY = 400
_PERSONAL = ("email", "phone", "name", "city", "address", "birthday")

_event = msgspec.json.Decoder(Event)


class Record(Struct, frozen=True):
    """One event of a person: `who` it is about, as `people.Placed` says, and the event as it was stored."""

    person: int
    raw: bytes
    new: bool = False
    absorbed: tuple[int, ...] = ()
    nameless: bool = False


class Scenario(Struct, frozen=True, kw_only=True):
    """What is played: the flows, and the time. All moments are aware, UTC.

    `settled` are the segments under which the time before `since` is lived: those that are already published. With
    `None` they are the playbook's own. `people` are addresses or profile ids whose stories are told.
    """

    playbook: Playbook
    since: datetime
    last: datetime
    """the last event"""
    until: datetime
    settled: dict[str, Segment] | None = None
    people: tuple[str, ...] = ()


class Stage:
    """A scenario made ready: a playbook for each time, and when campaigns come."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        book = scenario.playbook
        silent = {
            shop_id: replace(shop, flows=dict.fromkeys(book.flows, False)) for shop_id, shop in book.shops.items()
        }
        segments = book.segments if scenario.settled is None else scenario.settled
        self.before = replace(_remembering(book, segments), shops=silent, segments=segments)
        self.live = book
        self.after = replace(book, shops=silent)
        self.campaigns = _campaigns(scenario)
        self.zones = {shop.id: zone(shop.zone) or ZoneInfo("UTC") for shop in book.shops.values()}


def _remembering(book: Playbook, segments: Mapping[str, Segment]) -> Playbook:
    """Return the playbook with a flow that asks of the past what new segments ask, so that it is kept from then on."""
    asks = tuple(ask for name, segment in sorted(book.segments.items()) if name not in segments for ask in segment.asks)
    if not asks:
        return book
    name = "asked-by-new-segments"
    memory = Flow(name=name, triggers=(), first=None, steps={}, asks=asks, version=name)
    return replace(book, flows={**book.flows, name: memory})


def _campaigns(scenario: Scenario) -> dict[str, tuple[Occurrence, ...]]:
    """Return when which campaign comes, by shop and in order."""
    found = sorted(due(scenario.playbook, scenario.since, scenario.last), key=lambda one: (one.at, one.flow))
    return {shop: tuple(one for one in found if one.shop == shop) for shop in scenario.playbook.shops}


class _Trip:
    """Where a run has come by, step by step, as its decisions tell it."""

    __slots__ = ("at", "edges", "entered_at", "flow", "heard", "messages")

    def __init__(self, flow: Flow, entered_at: datetime) -> None:
        self.flow = flow
        self.entered_at = entered_at
        self.at = flow.first
        self.edges: list[tuple[str, str]] = [("", "")]
        self.heard = False
        self.messages = 0


def ways(step: Step) -> tuple[tuple[str, str | None], ...]:
    """Return the ways out of a step, each with its name and where it leads (`None`: the end of the flow)."""
    match step:
        case Branch():
            arms = tuple((str(number), arm.to) for number, arm in enumerate(step.arms))
            return (*arms, ("else", step.otherwise))
        case Split():
            return tuple((way.name, way.to) for way in step.ways)
        case WaitFor():
            return (("then", step.then), ("else", step.otherwise))
        case Repeat():
            return (("again", step.body), ("on", step.next))
        case Exit():
            return ()
        case _:
            return (("", step.next),)


Watch = Callable[[Profile, Outcome, Profile], None]
"""Told of every turn that counts: what the person was, what the engine says, and what is kept of it"""


class Life:
    """One person's life under one scenario. Feed it records in order, then `finish`.

    Who wants to answer what happens (people read what they get) has `watch` called, and goes from `ahead` to `ahead`.
    """

    def __init__(self, stage: Stage, shop: str, tally: Tally, watch: Watch | None = None) -> None:
        self._stage = stage
        self._watch = watch
        self._shop = shop
        self._tally = tally
        self._zone = stage.zones.get(shop) or ZoneInfo("UTC")
        self._campaigns = stage.campaigns.get(shop, ())
        self._campaign = 0
        self._profiles: dict[int, Profile] = {}
        self._book = stage.before
        self._phase = 0
        # The last event itself is still of the time that counts.
        self._switches = (stage.scenario.since, stage.scenario.last + timedelta.resolution)
        self._next = stage.scenario.since
        self._trips: dict[str, _Trip] = {}
        self._story: list[Decision] = []
        self._seen: set[tuple[str, ...]] = set()
        self._spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        self._days: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._messages = 0

    # --- time passes

    @property
    def ahead(self) -> datetime:
        """When something next comes by itself; the far end of time where nothing does."""
        return self._next

    def take(self, record: Record, event: Event) -> None:
        """Live through one event."""
        now = event.received_at
        if self._next <= now:
            self.pass_until(now)
        known = self._profiles.get(record.person)
        if known is None:
            known = Profile(id=ids.profile_id(event.shop, event.id), shop=event.shop, created_at=now)
        for other in record.absorbed:
            if (gone := self._profiles.pop(other, None)) is not None:
                known = unite(known, gone, now)
                self._profiles[record.person] = known
                self._end_merged(known, now)
        if record.nameless:
            event = replace(event, who=replace(event.who, email=None))
        tally = self._tally
        if self._phase == 0:
            tally.before += 1
        else:
            tally.events += 1
            tally.event_types[event.type] += 1
            tally.events_by_day[self._day(now)] += 1
        self._advance(record.person, known, _addressed(event, known), now)

    def finish(self) -> None:
        """Let time pass to the end, and count what is left."""
        self.pass_until(self._stage.scenario.until)
        self._close()

    def pass_until(self, moment: datetime) -> None:
        """Do everything that comes by itself up to this moment, in its order."""
        for _ in range(_MAX_RINGS):
            if self._next > moment:
                return
            now = self._next
            if self._phase < len(self._switches) and self._switches[self._phase] <= now:
                self._switch(now)
            elif (person := self._due(now)) is not None:
                self._ring(person, now)
            else:
                self._campaign_came(now)
            self._plan()
        raise RekindleError("an alarm clock that rings for ever")

    def _plan(self) -> None:
        """Find out when something next comes by itself."""
        soon = _NEVER
        if self._phase < len(self._switches):
            soon = self._switches[self._phase]
        for profile in self._profiles.values():
            if profile.deadline is not None and profile.deadline < soon:
                soon = profile.deadline
        if self._campaign < len(self._campaigns) and self._campaigns[self._campaign].at < soon:
            soon = self._campaigns[self._campaign].at
        self._next = soon

    def _switch(self, now: datetime) -> None:
        if self._phase == 0:
            self._book = self._stage.live
            self._phase = 1
            # As the pass after a publish: everybody is looked at once under what is new.
            if self._stage.before.shape != self._stage.live.shape:
                for person in tuple(self._profiles):
                    self._ring(person, now)
        else:
            self._note_inside()
            self._book = self._stage.after
            self._phase = 2

    def _due(self, now: datetime) -> int | None:
        for person, profile in self._profiles.items():
            if profile.deadline is not None and profile.deadline <= now:
                return person
        return None

    def _ring(self, person: int, now: datetime) -> None:
        profile = self._profiles[person]
        self._tally.rings += 1
        event = Event(
            id=ids.digest("alarm", profile.id, now.isoformat()),
            shop=profile.shop,
            type="alarm.rang",
            occurred_at=now,
            received_at=now,
            data=_ALARM,
            profile_id=profile.id,
        )
        self._advance(person, profile, event, now)
        after = self._profiles[person]
        if after.deadline is not None and after.deadline <= now:
            self._profiles[person] = replace(after, deadline=now + _MINUTE)

    def _campaign_came(self, now: datetime) -> None:
        came = self._campaigns[self._campaign]
        self._campaign += 1
        schedule = self._stage.live.flows[came.flow].triggers[came.trigger]
        segment = schedule.segment if isinstance(schedule, OnSchedule) else ""
        for person, profile in tuple(self._profiles.items()):
            if segment and segment not in profile.segments:
                continue
            event = Event(
                id=ids.digest("campaign", came.flow, came.name, str(came.trigger), profile.id),
                shop=profile.shop,
                type="campaign.came",
                occurred_at=now,
                received_at=now,
                data=Campaign(flow=came.flow, at=now, occurrence=came.name, trigger=came.trigger, wall=came.wall),
                profile_id=profile.id,
            )
            self._advance(person, profile, event, now)

    def _advance(self, person: int, profile: Profile, event: Event, now: datetime) -> None:
        if profile.planned:
            # A message that gives a code goes out once it has it.
            waits = event.data.message_id if isinstance(event.data, Coupon) else None
            profile = forget_planned(profile, tuple(one for one in profile.planned if one != waits), now)
        outcome = advance(profile, event, self._book, now)
        after = replace(outcome.profile, version=profile.version + 1)
        self._profiles[person] = after
        self._tally.advances += 1
        if self._watch is not None and self._phase:
            self._watch(profile, outcome, after)
        if outcome.decisions:
            if self._phase:
                for decision in outcome.decisions:
                    self._note(decision, after)
            if self._stage.scenario.people and len(self._story) < _MAX_STORY:
                self._story.extend(outcome.decisions)
        if after.deadline != profile.deadline or self._next <= now:
            self._plan()

    # --- what was decided

    def _note(self, decision: Decision, profile: Profile) -> None:
        what, flow = decision.what, decision.flow
        if flow is None:
            if what in ("joined", "left_segment"):
                segment = self._tally.segments[str(decision.values.get("segment"))]
                (segment.joined if what == "joined" else segment.left)[self._day(decision.at)] += 1
            elif what == "error":
                self._reason(self._tally.errors[("", decision.rule)], ("error", "", decision.rule), decision, profile)
            return
        tally = self._tally.flows[flow]
        if what == "not_entered":
            self._reason(tally.refused[decision.rule,], (flow, what, decision.rule), decision, profile)
            return
        if what == "error":
            self._reason(self._tally.errors[flow, decision.rule], ("error", flow, decision.rule), decision, profile)
            return
        if decision.run is None:
            return
        trip = self._trips.get(decision.run)
        if what == "entered":
            trip = self._trips[decision.run] = _Trip(self._stage.live.flows[flow], decision.at)
            tally.entered += 1
            tally.entered_by_day[self._day(decision.at)] += 1
            self._once((flow, "entered"), tally, "people")
        elif trip is not None and what == "restarted":
            trip.edges, trip.at, trip.heard = trip.edges[:1], trip.flow.first, False
            trip.entered_at = decision.at
            tally.restarted += 1
        elif trip is not None:
            self._follow(trip, tally, decision, profile)

    def _follow(self, trip: _Trip, tally: FlowTally, decision: Decision, profile: Profile) -> None:
        what, rule, step_id = decision.what, decision.rule, decision.step
        _walk(trip, step_id)
        step = trip.flow.steps.get(step_id) if step_id is not None else None
        if what == "branched" and isinstance(step, Branch):
            way = next((str(number) for number, arm in enumerate(step.arms) if arm.when == rule), "else")
            _go(trip, step, way)
        elif what == "split" and step is not None:
            _go(trip, step, rule)
        elif what == "repeated" and step is not None:
            _go(trip, step, "again")
        elif what == "heard":
            trip.heard = True
        elif what == "planned" and step_id is not None:
            self._sent(trip, tally, step_id, decision)
        elif what in ("skipped", "held"):
            reasons = tally.skipped if what == "skipped" else tally.held
            key = (step_id or "", rule)
            self._reason(reasons[key], (trip.flow.name, what, *key), decision, profile)
        elif what == "ended":
            self._leave(decision.run or "", str(decision.values.get("as")), rule, decision.at)

    def _sent(self, trip: _Trip, tally: FlowTally, step: str, decision: Decision) -> None:
        flow, local = trip.flow, decision.at.astimezone(self._zone)
        day = local.strftime("%Y-%m-%d")
        tally.sent[day, step] += 1
        if not isinstance(flow.steps.get(step), Send):
            return
        trip.messages += 1
        if self._phase > 1:
            tally.sent_after += 1
        self._messages += 1
        self._tally.hours[local.weekday(), local.hour] += 1
        self._days[day][flow.name] += 1
        self._once((flow.name, "reached"), tally, "reached")

    def _leave(self, run: str, status: str, rule: str, now: datetime) -> None:
        trip = self._trips.pop(run)
        tally = self._tally.flows[trip.flow.name]
        tally.ended[status, rule] += 1
        if status == "converted":
            tally.after_message += trip.messages > 0
            tally.goal_hours[max(0, int((now - trip.entered_at).total_seconds() // 3_600))] += 1
        if status != "finished" and trip.at is not None:
            tally.left[trip.at, status] += 1
        self._flush(trip, tally, now)

    def _flush(self, trip: _Trip, tally: FlowTally, now: datetime) -> None:
        for edge in trip.edges:
            tally.edges[edge] += 1
            if (to := _leads(trip.flow, edge)) is not None:
                tally.visits[to] += 1
        self._spans[trip.flow.name].append((trip.entered_at, now))

    def _end_merged(self, profile: Profile, now: datetime) -> None:
        """Merging may end a run without a decision: of two of one flow one goes on."""
        active = {run.id for one in (profile, *self._profiles.values()) for run in one.runs if run.status == "active"}
        for run in [run for run in self._trips if run not in active]:
            self._leave(run, "exited", "merged with another", now)

    def _note_inside(self) -> None:
        for trip in self._trips.values():
            self._tally.flows[trip.flow.name].inside[trip.at or ""] += 1

    def _close(self) -> None:
        tally, now = self._tally, self._stage.scenario.until
        for trip in self._trips.values():
            flow = tally.flows[trip.flow.name]
            flow.active += 1
            self._flush(trip, flow, now)
        tally.people += 1
        tally.per_person[self._messages] += 1
        if self._days:
            tally.most_in_a_day[max(sum(flows.values()) for flows in self._days.values())] += 1
        for profile in self._profiles.values():
            tally.reachable += profile.email is not None
            tally.subscribed += profile.consented("email")
            for segment in profile.segments:
                tally.segments[segment].at_end += 1
        self._count_overlaps()
        self._tell()

    def _count_overlaps(self) -> None:
        flows = sorted(self._spans)
        for place, one in enumerate(flows):
            for two in flows[place + 1 :]:
                if _overlap(self._spans[one], self._spans[two]):
                    self._tally.together[one, two] += 1
        met: set[tuple[str, str]] = set()
        for by_flow in self._days.values():
            names = sorted(by_flow)
            met.update((one, two) for place, one in enumerate(names) for two in names[place + 1 :])
            met.update((name, name) for name, count in by_flow.items() if count > 1)
        self._tally.same_day.update(met)

    def _tell(self) -> None:
        wanted = self._stage.scenario.people
        if not wanted:
            return
        for profile in self._profiles.values():
            for name in {profile.id, *profile.was, profile.email or profile.id}.intersection(wanted):
                self._tally.stories[name] = [self._line(decision) for decision in self._story[:_MAX_STORY]]

    def _line(self, decision: Decision) -> str:
        flow = f"{decision.flow}: " if decision.flow else ""
        return f"{moment(decision.at, self._zone)}  {flow}{phrase(decision, self._zone)}"

    # --- small things

    def _once(self, key: tuple[str, ...], tally: object, name: str) -> None:
        """Count this person, the first time only."""
        if key not in self._seen:
            self._seen.add(key)
            setattr(tally, name, getattr(tally, name) + 1)

    def _reason(self, reason: Any, key: tuple[str, ...], decision: Decision, profile: Profile) -> None:
        reason.times += 1
        self._once(key, reason, "people")
        if len(reason.examples) < EXAMPLES or decision.at <= reason.examples[-1].at:
            reason.keep(Example(decision.at, masked(profile), _shown(decision.values)))

    def _day(self, moment: datetime) -> str:
        return _day(int(moment.timestamp()) // _QUARTER, self._zone)


_ALARM = Alarm()


def replay(records: Sequence[Record], stages: Mapping[str, Stage], tallies: Mapping[str, Tally]) -> None:
    """Live one person's events through every scenario, and count it in the tally of the same name.

    Records are in the order in which their events were received. Raises `msgspec.MsgspecError` for what is no event.
    """
    told = [_event.decode(record.raw) for record in records]
    for name, stage in stages.items():
        life = Life(stage, told[0].shop, tallies[name])
        for record, event in zip(records, told, strict=True):
            life.take(record, event)
        life.finish()


def masked(profile: Profile) -> str:
    """Return a name for a person by which the shop can find them and nobody else much: `ad…@example.com`."""
    if profile.email is None:
        return profile.id[:12]
    name, _, domain = profile.email.partition("@")
    return f"{name[:2]}…@{domain}"


def _shown(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the values of a decision for an example; what names somebody is left out."""
    return tuple(
        (name, "…" if _personal(name) and value is not None else "nothing" if value is None else str(value))
        for name, value in values.items()
    )


@functools.lru_cache(maxsize=20_000)
def _day(quarter: int, where: ZoneInfo) -> str:
    """Return the day on the shop's calendar; every zone's day begins on a quarter of an hour of UTC."""
    return datetime.fromtimestamp(quarter * _QUARTER, where).strftime("%Y-%m-%d")


@functools.lru_cache(maxsize=4096)
def _personal(name: str) -> bool:
    return any(word in name.rpartition(".")[2] for word in _PERSONAL)


def _addressed(event: Event, profile: Profile) -> Event:
    """Give what came by a link its address, which is a hash there: the present one is meant."""
    data = event.data
    if isinstance(data, (Consent, Engagement)) and data.address is None and data.address_key is not None:
        address = profile.address(data.channel)
        if address:
            return replace(event, data=replace(data, address=address))
    return event


def _overlap(one: Iterable[tuple[datetime, datetime]], two: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(first < end and start < last for first, last in one for start, end in two)


# --- the way that a run takes ----------------------------------------------------------------------------------------


def _go(trip: _Trip, step: Step, way: str) -> None:
    trip.edges.append((step.id, way))
    trip.at = dict(ways(step)).get(way)


def _walk(trip: _Trip, to: str | None) -> None:
    """Carry the trip on to the step `to`, by the ways that decisions say nothing about because there is no choice."""
    for _ in range(_MAX_WALK):
        if trip.at == to or trip.at is None:
            return
        step = trip.flow.steps[trip.at]
        match step:
            case WaitFor():
                way = "then" if trip.heard else "else"
                trip.heard = False
            case Repeat():
                way = "on"
            case Branch() | Split() | Exit():
                return
            case _:
                way = ""
        _go(trip, step, way)


def _leads(flow: Flow, edge: tuple[str, str]) -> str | None:
    step, way = edge
    return flow.first if not step else dict(ways(flow.steps[step])).get(way)
