"""The pass after a publish: everybody is looked at once under what decides segments and dates now (DESIGN §5).

A new win-back must reach people who have been silent for a year: nothing else would ever wake them. What is wanted is
compared with what was done, whenever somebody publishes and every minute: so a pass is started whatever crashed in
between, and once. It starts only when no worker can hold the old playbook any more.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from rekindle.domain import ids
from rekindle.ports import Blobs, Clock, FanoutQueue
from rekindle.service.fanout import Pass, Progress, last_pass, progress_of, put_last_pass, shard_tasks
from rekindle.service.library import POINTER_LIFE, Library

#: Journey's time-out (template.yaml; tests/architecture compares them).
JOURNEY_TIMEOUT = timedelta(seconds=60)
#: So long after the pointer moved, the last commit under the old playbook has been made.
SETTLED_AFTER = POINTER_LIFE + JOURNEY_TIMEOUT


class PassStatus(Struct, frozen=True, kw_only=True):
    """How far the newest pass has come. Shards of which nothing is known yet have not begun."""

    newest: Pass
    shards: tuple[Progress, ...]

    @property
    def woken(self) -> int:
        """How many profiles have been woken."""
        return sum(shard.woken for shard in self.shards)

    @property
    def shards_done(self) -> int:
        """How many shards are through."""
        return sum(shard.done for shard in self.shards)

    @property
    def done(self) -> bool:
        """Whether everybody has been woken."""
        return self.shards_done == self.newest.shards


class Passes:
    """Starts passes."""

    def __init__(self, *, blobs: Blobs, library: Library, queue: FanoutQueue, clock: Clock, shards: int) -> None:
        self._blobs = blobs
        self._library = library
        self._queue = queue
        self._clock = clock
        self._shards = shards

    def start_if_due(self) -> Pass | None:
        """Start a pass if the published playbook has another shape than the last pass was for; return it if so."""
        return self._start(always=False)

    def start(self) -> Pass | None:
        """Start a pass, due or not; return it, or `None` when somebody else started one in this moment."""
        return self._start(always=True)

    def _start(self, *, always: bool) -> Pass | None:
        # The marker is read first: if somebody publishes after that, and starts a pass, ours is not written down.
        last, tag = last_pass(self._blobs)
        playbook = self._library.newest(fresh=True)
        if not always and playbook.shape == (last.shape if last is not None else ""):
            return None
        now = self._clock.now()
        newest = Pass(
            # The same however often this start is tried: so what an earlier try put on the queue is not done twice.
            id=ids.digest("pass", playbook.shape, last.id if last is not None else "", str(self._shards)),
            shape=playbook.shape,
            hash=playbook.hash,
            started_at=now,
            shards=self._shards,
        )
        delay = settling(self._library, self._clock, SETTLED_AFTER)
        self._queue.ask(shard_tasks(newest.id, now, self._shards), delay)
        return newest if put_last_pass(self._blobs, newest, expected=tag) else None


def settling(library: Library, clock: Clock, after: timedelta) -> int:
    """Return in how many seconds the playbook, as the library last looked at it, will have been live for so long."""
    now = clock.now()
    left = (library.published_at or now) + after - now
    return max(0, -(-min(left, after) // timedelta(seconds=1)))


def pass_status(blobs: Blobs) -> PassStatus | None:
    """Return how far the newest pass has come; `None` before the first."""
    newest, _ = last_pass(blobs)
    if newest is None:
        return None
    return PassStatus(newest=newest, shards=tuple(progress_of(blobs, newest.id)))
