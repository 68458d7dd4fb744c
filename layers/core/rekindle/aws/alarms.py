"""The profiles' alarm clocks: one-time EventBridge schedules that put a wake on the wake queue (DESIGN §5)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from rekindle.aws.items import code_of
from rekindle.aws.queues import send_all, waiting
from rekindle.domain import ids
from rekindle.ports import ALARM_HORIZON, ALARM_THRESHOLD, Clock, Wake

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients


#: What Scheduler answers when it cannot take a schedule now (API reference, CreateSchedule), whatever it says of us.
_OVERLOADED = frozenset({"ThrottlingException", "ServiceQuotaExceededException"})

_log = logging.getLogger(__name__)


class SqsWakeQueue:
    """`ports.WakeQueue`."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def wake(self, wakes: Sequence[Wake], delay: int = 0) -> None:
        """Put these on the wake queue."""
        send_all(self._clients.sqs, self._queue_url, [msgspec.json.encode(wake).decode() for wake in wakes], delay)

    def backlog(self) -> int:
        """Return about how many messages wait."""
        return waiting(self._clients.sqs, self._queue_url)


class SchedulerAlarms(SqsWakeQueue):
    """`ports.Alarms`."""

    def __init__(
        self, clients: Clients, clock: Clock, *, queue_url: str, queue_arn: str, group: str, role_arn: str
    ) -> None:
        super().__init__(clients, queue_url=queue_url)
        self._clock = clock
        self._queue_arn = queue_arn
        self._group = group
        self._role_arn = role_arn

    def ring(self, profile_id: str, at: datetime, now: datetime) -> None:
        """Create the schedule, or put the wake on the queue where a schedule would come too late.

        A schedule of that name that exists already is as good as ours while its minute is ahead; afterwards it has
        fired, perhaps before it could be of use, and is only waiting to be deleted.

        A Scheduler that is overloaded, full or out of order must not keep events from being applied: the deadline is
        committed with the profile, and the sweep rings what has no schedule, up to seven minutes late. A mistake of
        ours (a policy, a missing group) is raised: nothing would ever ring on time.
        """
        if at - now > ALARM_HORIZON:
            return
        wake = Wake(profile_id=profile_id, due=at)
        if at - now < ALARM_THRESHOLD:
            self.wake([wake], delay=max(0, math.ceil((at - now).total_seconds())))
            return
        minute = ids.minute_up(at)
        try:
            self._create(profile_id, minute, wake)
        except ClientError as error:
            if code_of(error) == "ConflictException":
                if minute <= self._clock.now():
                    self.wake([wake])
            elif _out_of_order(error):
                _log.warning("no schedule, left to the sweep", extra={"profile_id": profile_id, "why": code_of(error)})
            else:
                raise
        except (HTTPClientError, NoConnectionError) as error:
            why = type(error).__name__
            _log.warning("no schedule, left to the sweep", extra={"profile_id": profile_id, "why": why})

    def _create(self, profile_id: str, minute: datetime, wake: Wake) -> None:
        self._clients.scheduler.create_schedule(
            Name=ids.alarm_name(profile_id, minute),
            GroupName=self._group,
            ScheduleExpression=f"at({minute:%Y-%m-%dT%H:%M:%S})",
            ScheduleExpressionTimezone="UTC",
            FlexibleTimeWindow={"Mode": "OFF"},
            ActionAfterCompletion="DELETE",
            Target={
                "Arn": self._queue_arn,
                "RoleArn": self._role_arn,
                "Input": msgspec.json.encode(wake).decode(),
            },
        )


def _out_of_order(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code_of(error) in _OVERLOADED or status >= 500  # noqa: PLR2004
