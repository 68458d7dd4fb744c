"""Skipping idle time: when nothing is in flight, go straight to the next moment at which something is due.

Virtual times stay exact, because the clock is moved to the very moment of a schedule and the schedule's own input goes
to its own queue, as Scheduler would hand it over (LOCAL.md, *Time, locally*). The clock never runs faster.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from local.clock import OffsetClock
from local.server import NotifyingServer
from local.stack import Stack
from rekindle.flow.program import Playbook
from rekindle.service.campaigns import due

if TYPE_CHECKING:
    from mypy_boto3_scheduler.type_defs import ScheduleSummaryTypeDef

#: The sweep looks at what is overdue by this much (DESIGN §5).
OVERDUE = timedelta(minutes=2)

_POLL_SECONDS = 0.05
#: With nothing else to come, campaigns are looked for so far ahead.
_CAMPAIGNS_AHEAD = timedelta(days=366)
#: Two looks this far apart must agree: between them a stream record would have reached its function.
_BETWEEN_LOOKS = 0.1
_SWEEPS = 3
#: The function that starts campaigns.
_CAMPAIGN = "campaign"


class StuckError(Exception):
    """Something stays in flight, or stays due; the message says what."""


@dataclass(frozen=True)
class Alarm:
    """One schedule, or (without a name) what has none: a campaign's hour, or a deadline that the sweep must find."""

    at: datetime
    name: str = ""
    target: str = ""
    input: str = ""


@dataclass(frozen=True)
class Skip:
    """What skipping did: the moment it went to, and how many alarms rang."""

    to: datetime
    seconds: float
    alarms: int


@dataclass
class IdleRunner:
    """Watches one stack and moves its clock."""

    stack: Stack
    clock: OffsetClock
    services: Sequence[NotifyingServer[Any]]
    """what gives notice of what became of messages"""
    _swept: Counter[str] = field(default_factory=Counter)
    _playbook: Playbook | None = None
    _ticked: datetime | None = None

    def in_flight(self) -> dict[str, int]:
        """Return what is under way: pending items, messages on each working queue, notices. Empty when nothing is."""
        counts = {"pending items": self._pending()}
        for name, url in self.stack.working_queues.items():
            # The pass after a publish waits a minute and a half before it looks at everybody: nothing waits for it.
            ignored = {"ApproximateNumberOfMessagesDelayed"} if name == "FanoutQueue" else set()
            attributes = self.stack.sqs.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
            counts[f"messages on {name}"] = sum(
                int(value) for state, value in attributes.items() if state not in ignored
            )
        counts["notices"] = sum(not service.quiet for service in self.services)
        return {what: count for what, count in counts.items() if count}

    def idle(self) -> bool:
        """Whether nothing is in flight, seen twice."""
        if self.in_flight():
            return False
        time.sleep(_BETWEEN_LOOKS)
        return not self.in_flight()

    def wait_until_idle(self, seconds: float = 120.0) -> None:
        """Return when nothing is in flight. Raises `StuckError` after so many real seconds."""
        deadline = time.monotonic() + seconds
        while not self.idle():
            if time.monotonic() > deadline:
                what = ", ".join(f"{count} {name}" for name, count in self.in_flight().items())
                raise StuckError(f"still in flight after {seconds:.0f} s: {what or 'something that comes and goes'}")
            time.sleep(_POLL_SECONDS)

    def alarms(self) -> list[Alarm]:
        """Return all schedules, the next campaign and, where a deadline has none in time, what stands for its sweep."""
        alarms = [self._alarm(summary) for summary in self._schedules()]
        alarms += self._campaigns(min((alarm.at for alarm in alarms), default=None))
        first = min(self._deadlines().values(), default=None)
        if first is None or any(alarm.at <= first + OVERDUE for alarm in alarms):
            return alarms
        # A second past the threshold: the sweep takes what is strictly older.
        return [*alarms, Alarm(max(first + OVERDUE + timedelta(seconds=1), self.clock.now()))]

    def skip_to_next(self, limit: datetime | None = None) -> Skip | None:
        """Go to the next due moment and let it happen; `None` when nothing is due (or not up to `limit`).

        Call it only when nothing is in flight. Raises `StuckError` when a deadline stays although it was swept.
        """
        alarms = self.alarms()
        due = min((alarm.at for alarm in alarms), default=None)
        if due is None or (limit is not None and due > limit):
            return None
        skipped = self.clock.move_to(due)
        ringing = [alarm for alarm in alarms if alarm.at <= due]
        for alarm in ringing:
            if alarm.name:
                self._ring(alarm)
            elif alarm.target == _CAMPAIGN:
                self._tick()
            else:
                self._sweep()
        return Skip(due, skipped, len(ringing))

    def run_until(self, moment: datetime, at_rest: Callable[[], None] = lambda: None) -> None:
        """Let everything happen that is due until `moment`, then make it `moment`; `at_rest` is called at each stop."""
        self.wait_until_idle()
        at_rest()
        while self.skip_to_next(moment) is not None:
            self.wait_until_idle()
            at_rest()
        self.clock.move_to(moment)

    def _sweep(self) -> None:
        deadlines = self._deadlines()
        first = min(deadlines.values())
        who = ", ".join(sorted(profile for profile, due in deadlines.items() if due == first))
        overdue = f"profile {who}, due since {first:%Y-%m-%d %H:%M:%S}"
        self._swept[overdue] += 1
        if self._swept[overdue] > _SWEEPS:
            raise StuckError(f"swept {_SWEEPS} times and still overdue: {overdue}")
        self.stack.invoke("sweep", {})

    def _campaigns(self, before: datetime | None) -> list[Alarm]:
        """Return the next hour of any campaign, if it comes before that: nobody else ticks while time is skipped."""
        now = self.clock.now()
        after = self._ticked = self._ticked or now
        hours = due(self._published(), after, before or now + _CAMPAIGNS_AHEAD)
        first = min((occurrence.at for occurrence in hours), default=None)
        return [] if first is None else [Alarm(max(first, now), target=_CAMPAIGN)]

    def _tick(self) -> None:
        self._ticked = self.clock.now()
        self.stack.invoke(_CAMPAIGN, {})

    def _published(self) -> Playbook:
        live = self.stack.published()
        if live is None:
            return Playbook(hash="")
        if self._playbook is None or self._playbook.hash != live:
            raw = self.stack.read(f"playbooks/{live}/flows.json")
            self._playbook = msgspec.json.decode(raw or b"", type=Playbook)
        return self._playbook

    def _pending(self) -> int:
        table = self.stack.tables["Pending"]
        return self.stack.dynamodb.scan(TableName=table, Select="COUNT", ConsistentRead=True)["Count"]

    def _schedules(self) -> list[ScheduleSummaryTypeDef]:
        pages = self.stack.scheduler.get_paginator("list_schedules").paginate(GroupName=self.stack.schedule_group)
        return [summary for page in pages for summary in page["Schedules"]]

    def _alarm(self, summary: ScheduleSummaryTypeDef) -> Alarm:
        found = self.stack.scheduler.get_schedule(GroupName=self.stack.schedule_group, Name=summary["Name"])
        at = datetime.fromisoformat(found["ScheduleExpression"].removeprefix("at(").removesuffix(")"))
        target = found["Target"]
        return Alarm(at.replace(tzinfo=UTC), found["Name"], target["Arn"], target.get("Input", ""))

    def _ring(self, alarm: Alarm) -> None:
        """Do what Scheduler does with a one-time schedule: hand over its input, then delete it."""
        self.stack.sqs.send_message(QueueUrl=self.stack.queue_url(alarm.target), MessageBody=alarm.input)
        self.stack.scheduler.delete_schedule(GroupName=self.stack.schedule_group, Name=alarm.name)

    def _deadlines(self) -> dict[str, datetime]:
        """Return profile → deadline of everybody who has one: the sparse index holds nobody else."""
        pages = self.stack.dynamodb.get_paginator("scan").paginate(
            TableName=self.stack.tables["Profiles"], IndexName="due"
        )
        return {
            item["id"]["S"]: datetime.fromisoformat(item["due"]["S"]).astimezone(UTC)
            for page in pages
            for item in page["Items"]
        }
