"""The heart: one pure function that advances one profile by one event.

    advance(profile, event, playbook, now) -> Outcome(profile, effects, decisions)

No clock, no random, no environment, no I/O, no logging. Everything that changes a run's status goes through
`TRANSITIONS`. Order matters and is always the same: facts first, then goals and exits, then entries, then what is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.absorb import absorb
from rekindle.domain.errors import ConditionError, RekindleError
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent
from rekindle.domain.history import history
from rekindle.domain.outcome import Decision, Effect, Enqueue, LiftSuppression, Outcome, RingAt
from rekindle.domain.profile import Entry, Planned, Profile, Run, RunStatus
from rekindle.domain.zones import zone_of
from rekindle.flow.conditions import condition
from rekindle.flow.local_time import next_local, zone
from rekindle.flow.program import Branch, Email, Exit, Flow, Playbook, Rule, Split, Wait, WaitFor, WaitUntil

Signal = Literal["goal", "exit", "end", "timeout", "merged"]

#: What ends a run, and as what. Only an active run can end; an ended one stays as it is.
TRANSITIONS: Mapping[tuple[RunStatus, Signal], RunStatus] = {
    ("active", "goal"): "converted",
    ("active", "exit"): "exited",
    ("active", "end"): "finished",
    ("active", "timeout"): "timed_out",
    ("active", "merged"): "exited",
}

#: A step that is less late than this counts on from when it was due, so that minutes do not add up. After a longer
#: outage it counts on from now, so that the mails of three days do not go out together.
LATENESS = timedelta(hours=1)

#: Queues keep a message so long (SQS, four days by default); until then a planned message could still be sent.
QUEUE_RETENTION = timedelta(days=4)

_MAX_STEPS_AT_ONCE = 100

#: How many entry keys of one flow are remembered. An older basket that came back would give the same run and message
#: ids again, and the message's own record (kept 400 days) stops what was sent.
MAX_ENTRIES = 50


def advance(profile: Profile, event: Event, playbook: Playbook, now: datetime) -> Outcome:
    """Return what becomes of the profile when this event is known, at `now` (aware, UTC).

    The playbook must hold every flow version that the profile's runs are pinned to. Raises nothing for what shops or
    marketers did wrong: a condition that fails is false, and a decision says so.
    """
    turn = _Turn(profile, event, playbook, now)
    turn.take()
    turn.walk_due()
    turn.settle()
    return Outcome(turn.profile, tuple(turn.effects), tuple(turn.decisions))


def forget_planned(profile: Profile, settled: Iterable[str], now: datetime) -> Profile:
    """Drop planned messages whose outcome is known, or which nothing can send any more (DESIGN §6)."""
    settled = frozenset(settled)
    kept = {
        message: planned
        for message, planned in profile.planned.items()
        if message not in settled and planned.not_after + QUEUE_RETENTION > now
    }
    return replace(profile, planned=kept) if len(kept) != len(profile.planned) else profile


class _Turn:
    """One call of `advance`: the profile as it changes, and what is gathered on the way."""

    def __init__(self, profile: Profile, event: Event, playbook: Playbook, now: datetime) -> None:
        self.before = profile
        self.profile = profile
        self.event = event
        self.playbook = playbook
        self.now = now
        self.effects: list[Effect] = []
        self.decisions: list[Decision] = []
        self.shop = playbook.shops.get(profile.shop)
        self._viewed: tuple[Profile, dict[str, Any]] | None = None

    # --- facts, goals, entries

    def take(self) -> None:
        absorbed = absorb(self.profile, self.event, self.now)
        self.profile = absorbed.profile
        if absorbed.ignored:
            self.decide("ignored", absorbed.ignored, values={"event": self.event.type})
        for told in absorbed.told:
            self.note_consent(told)
            for run in self.active():
                self.end_by_rule(run, told)
            for run in self.active():
                self.hear(run, told)
            for flow, rule in self.playbook.triggered_by(told.type):
                if self.playbook.enabled(flow, self.profile.shop):
                    self.enter(flow, rule, told)

    def note_consent(self, told: Event) -> None:
        data = told.data
        if not isinstance(data, Consent):
            return
        self.decide("said", f"{data.state} ({data.channel})", values={"source": data.source, "when": str(data.at)})
        if data.state == "subscribed" and told.signed and data.address:
            self.effects.append(LiftSuppression(data.channel, data.address, data.at))

    def end_by_rule(self, run: Run, told: Event) -> None:
        flow = self.flow_of(run)
        signals: tuple[tuple[Signal, tuple[Rule, ...]], ...] = (("goal", flow.goal), ("exit", flow.exit_on))
        for signal, rules in signals:
            for rule in rules:
                if rule.event == told.type and self.true(rule.when, self.names(told.data, run), run):
                    self.end(run, signal, rule.when or rule.event, self.read(rule.when, self.names(told.data, run)))
                    return

    def hear(self, run: Run, told: Event) -> None:
        """Carry a run on that waited for this event. What happened after its time was up came too late."""
        flow = self.flow_of(run)
        step = flow.steps.get(run.step) if run.step else None
        if not isinstance(step, WaitFor) or step.event != told.type or run.resume_at is None:
            return
        names = self.names(told.data, run)
        if told.occurred_at > run.resume_at or not self.true(step.when, names, run):
            return
        self.decide("heard", step.when or step.event, run=run, values=self.read(step.when, names))
        self.arrive(replace(run, resume_at=None), flow, step.then, min(told.occurred_at, self.now))

    def enter(self, flow: Flow, rule: Rule, told: Event) -> None:
        names = self.names(told.data, None)

        def refuse(why: str, values: dict[str, Any] | None = None) -> None:
            self.decide("not_entered", why, flow=flow, values=values or {})

        if not self.true(rule.when, names, None, flow):
            return refuse(f"filter: {rule.when}", self.read(rule.when, names))
        if self.now - told.occurred_at > timedelta(seconds=flow.max_age):
            return refuse("max_age", {"occurred_at": told.occurred_at.isoformat()})
        key: str | None = None
        if flow.key:
            try:
                found = condition(flow.key).value(names)
            except ConditionError as error:
                self.decide("error", str(error), flow=flow)
                found = None
            if found in (None, ""):
                return refuse(f"key: {flow.key}")
            key = str(found)
        start = max(min(told.occurred_at, self.now), self.now - timedelta(seconds=flow.max_age))
        inside = next((run for run in self.active() if run.flow == flow.name and run.key == key), None)
        if inside is not None:
            if flow.restart and not inside.messages:
                self.restart(inside, flow, told, start)
                return None
            return refuse("already inside", {"key": key})
        past = self.profile.entries.get(flow.name, {}).get(key or "")
        if past is not None and (flow.again is None or self.now - past.at < timedelta(seconds=flow.again)):
            return refuse("entered before", {"key": key, "at": past.at.isoformat()})
        ordinal = past.ordinal + 1 if past else 1
        run = Run(
            id=ids.run_id(self.profile.shop, flow.name, key, ordinal, self.profile.id),
            flow=flow.name,
            version=flow.version,
            playbook=self.playbook.hash,
            entered_at=start,
            expires_at=start + timedelta(seconds=flow.timeout),
            key=key,
            ordinal=ordinal,
            event_id=told.id,
            event_type=told.type,
            trigger=told.data,
            step=flow.first,
        )
        self.profile = replace(self.profile, runs=(*self.profile.runs, run))
        self.remember(flow, key or "", Entry(ordinal, self.now))
        self.decide("entered", rule.when or rule.event, run=run, values=self.read(rule.when, names))
        self.arrive(run, flow, flow.first, start)
        return None

    def remember(self, flow: Flow, key: str, entry: Entry) -> None:
        entered = {**self.profile.entries.get(flow.name, {}), key: entry}
        while len(entered) > MAX_ENTRIES:
            del entered[min(entered, key=lambda known: (entered[known].at, known))]
        self.profile = replace(self.profile, entries={**self.profile.entries, flow.name: entered})

    def restart(self, run: Run, flow: Flow, told: Event, start: datetime) -> None:
        # The restarted run takes the newest version: nothing that the old one said has been done yet.
        again = replace(
            run,
            version=flow.version,
            playbook=self.playbook.hash,
            entered_at=start,
            expires_at=start + timedelta(seconds=flow.timeout),
            event_id=told.id,
            event_type=told.type,
            trigger=told.data,
            resume_at=None,
        )
        self.put(again)
        self.decide("restarted", "restart", run=again, values={"since": start.isoformat()})
        self.arrive(again, flow, flow.first, start)

    # --- steps

    def walk_due(self) -> None:
        for run in self.active():
            if run.expires_at <= self.now:
                self.end(run, "timeout", "timeout", {"expires_at": run.expires_at.isoformat()})
            elif run.resume_at is not None and run.resume_at <= self.now:
                late = self.now - run.resume_at
                self.leave_wait(run, run.resume_at if late <= LATENESS else self.now)

    def leave_wait(self, run: Run, since: datetime) -> None:
        flow = self.flow_of(run)
        step = flow.steps[run.step] if run.step else None
        following = _after_wait(step) if isinstance(step, (Wait, WaitUntil, WaitFor)) else None
        self.arrive(replace(run, resume_at=None), flow, following, since)

    def arrive(self, run: Run, flow: Flow, step_id: str | None, since: datetime) -> None:
        """Carry the run on from `step_id`, which it reached at `since`, as far as it goes now."""
        for _ in range(_MAX_STEPS_AT_ONCE):
            run = replace(run, step=step_id)
            if step_id is None:
                self.put(run)
                self.end(run, "end", "last step done")
                return
            step = flow.steps[step_id]
            match step:
                case Wait() | WaitUntil() | WaitFor():
                    due = self.due(step, since)
                    if due > self.now:
                        self.put(replace(run, resume_at=due))
                        self.decide("waiting", "wait", run=run, values={"until": due.isoformat()})
                        return
                    since = due if self.now - due <= LATENESS else self.now
                    step_id = _after_wait(step)
                case Branch():
                    step_id = self.choose(run, step)
                case Split():
                    step_id = self.send_way(run, step)
                case Email():
                    run = self.plan(run, flow, step)
                    step_id = step.next
                case Exit():
                    self.put(run)
                    # As finished: `exited` would take back the mails that it has just planned.
                    self.end(run, "end", step.reason)
                    return
        self.put(run)
        self.end(run, "end", "too many steps at once")

    def due(self, step: Wait | WaitUntil | WaitFor, since: datetime) -> datetime:
        """Return when a wait that was reached at `since` is over."""
        if isinstance(step, (Wait, WaitFor)):
            return since + timedelta(seconds=step.seconds)
        return next_local(since, self.where(), time.fromisoformat(step.at), frozenset(step.days))

    def where(self) -> ZoneInfo:
        """Return the zone that this person lives in, as far as is known; else the shop's; else UTC."""
        known = zone_of(self.profile)
        names = (known[0] if known else None, self.shop.zone if self.shop else None, "UTC")
        found = (zone(name) for name in names if name)
        return next(where for where in found if where is not None)

    def send_way(self, run: Run, step: Split) -> str | None:
        total = sum(way.share for way in step.ways)
        point = int(ids.digest("split", run.flow, step.id, self.profile.id), 16) % total
        for way in step.ways:
            if point < way.share:
                break
            point -= way.share
        self.decide("split", way.name, run=run, values={"share": f"{way.share} of {total}"})
        return way.to

    def choose(self, run: Run, step: Branch) -> str | None:
        names = self.names(run.trigger, run)
        for arm in step.arms:
            if self.true(arm.when, names, run):
                self.decide("branched", arm.when, run=run, values=self.read(arm.when, names))
                return arm.to
        self.decide("branched", "else", run=run)
        return step.otherwise

    def plan(self, run: Run, flow: Flow, step: Email) -> Run:
        refusal = self.refusal(step)
        if refusal:
            self.decide("skipped", refusal, run=run, values={"template": step.template})
            return run
        message = ids.message_id(run.id, step.id)
        planned = Planned(
            run=run.id,
            step=step.id,
            flow=flow.name,
            template=step.template,
            channel="email",
            category=step.category,
            planned_at=self.now,
            not_after=self.now + timedelta(seconds=step.valid_seconds),
        )
        self.profile = replace(self.profile, planned={**self.profile.planned, message: planned})
        self.effects.append(Enqueue(message, step.category))
        self.decide("planned", "email", run=run, message=message, values={"template": step.template})
        return replace(run, messages={**run.messages, step.id: message})

    def refusal(self, step: Email) -> str | None:
        if self.profile.email is None:
            return "no e-mail address"
        if step.category == "marketing" and not self.profile.consented("email"):
            return "no consent to marketing e-mail"
        return None

    # --- the end of a turn

    def end(self, run: Run, signal: Signal, rule: str, values: dict[str, Any] | None = None) -> None:
        status = TRANSITIONS[run.status, signal]
        ended = replace(run, status=status, ended_at=self.now, ended_by=rule, resume_at=None)
        self.put(ended)
        self.decide("ended", rule, run=ended, values={"as": status, **(values or {})})

    def settle(self) -> None:
        """Drop ended runs that nothing points at any more, and set the alarm clock."""
        wanted = {planned.run for planned in self.profile.planned.values()}
        runs = tuple(run for run in self.profile.runs if run.status == "active" or run.id in wanted)
        moments = [
            moment for run in runs if run.status == "active" for moment in (run.resume_at, run.expires_at) if moment
        ]
        deadline = min(moments, default=None)
        if runs != self.profile.runs or deadline != self.profile.deadline:
            self.profile = replace(self.profile, runs=runs, deadline=deadline)
        # A ring that is let go takes its schedule with it: it must leave the next one behind, changed or not.
        if deadline is not None and (deadline != self.before.deadline or self.event.type == "alarm.rang"):
            self.effects.append(RingAt(deadline))

    # --- small things

    def active(self) -> tuple[Run, ...]:
        return tuple(run for run in self.profile.runs if run.status == "active")

    def put(self, run: Run) -> None:
        self.profile = replace(
            self.profile, runs=tuple(run if known.id == run.id else known for known in self.profile.runs)
        )

    def flow_of(self, run: Run) -> Flow:
        flow = self.playbook.version(run.flow, run.version)
        if flow is None:
            raise RekindleError(f"flow {run.flow} at version {run.version} was not loaded")
        return flow

    def names(self, data: Any, run: Run | None) -> dict[str, Any]:
        if self._viewed is None or self._viewed[0] is not self.profile:
            self._viewed = self.profile, _profile_view(self.profile)
        return {"profile": self._viewed[1], "event": data, "shop": self.shop, "run": run and _run_view(run)}

    def true(self, when: str, names: Mapping[str, Any], run: Run | None, flow: Flow | None = None) -> bool:
        if not when:
            return True
        try:
            return condition(when).holds(names)
        except ConditionError as error:
            self.decide("error", str(error), run=run, flow=flow)
            return False

    def read(self, when: str, names: Mapping[str, Any]) -> dict[str, Any]:
        return condition(when).values(names) if when else {}

    def decide(
        self,
        what: str,
        rule: str,
        *,
        run: Run | None = None,
        flow: Flow | None = None,
        message: str | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        self.decisions.append(
            Decision(
                at=self.now,
                what=what,
                rule=rule,
                flow=run.flow if run else flow.name if flow else None,
                run=run.id if run else None,
                step=run.step if run else None,
                message_id=message,
                event_id=self.event.id,
                playbook=self.playbook.hash,
                values=values or {},
            )
        )


def _after_wait(step: Wait | WaitUntil | WaitFor) -> str | None:
    return step.otherwise if isinstance(step, WaitFor) else step.next


def _profile_view(profile: Profile) -> dict[str, Any]:
    person, past = profile.person, history(profile)
    return {
        "email": profile.email,
        "phone": profile.phone,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "locale": person.locale,
        "country": person.country,
        "city": person.city,
        "tags": profile.tags,
        "anonymous": profile.anonymous,
        "subscribed": profile.consented("email"),
        "sms_subscribed": profile.consented("sms"),
        "orders": past.orders,
        "items": past.items,
        "revenue": past.revenue,
        "average": past.average,
        "first_order_at": past.first_order_at,
        "last_order_at": past.last_order_at,
        "products": past.products,
        "kinds": past.kinds,
    }


def _run_view(run: Run) -> dict[str, Any]:
    return {
        "key": run.key,
        "entered_at": run.entered_at,
        "opened": run.opened,
        "clicked": run.clicked,
        "messages": tuple(run.messages),
    }
