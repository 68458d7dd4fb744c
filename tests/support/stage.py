"""Workers that wait on one virtual clock, side by side, exactly one of them running at a time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from rekindle.memory import VirtualClock


class Stage:
    """Runs blocking code of several workers in virtual time: who waits lets the one go on whose moment comes first."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._start = clock.now()
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._problems: list[BaseException] = []
        self._over = threading.Event()
        self._left = 0

    def monotonic(self) -> float:
        """Return the seconds since the curtain rose."""
        return (self._clock.now() - self._start).total_seconds()

    def wait(self, seconds: float) -> None:
        """Let this worker wait, and others go on meanwhile."""
        mine = threading.Event()
        heapq.heappush(self._waiting, (self.monotonic() + seconds, next(self._numbers), mine))
        self._go_on()
        mine.wait()

    def run(self, *workers: Callable[[], None]) -> None:
        """Run them until the last one is done; raise what the first that failed raised."""
        self._left = len(workers)
        self._over.clear()
        for worker in workers:
            begins = threading.Event()
            heapq.heappush(self._waiting, (self.monotonic(), next(self._numbers), begins))
            threading.Thread(target=self._play, args=(worker, begins), daemon=True).start()
        self._go_on()
        self._over.wait()
        if self._problems:
            raise self._problems[0]

    def _play(self, worker: Callable[[], None], begins: threading.Event) -> None:
        begins.wait()
        try:
            worker()
        except BaseException as problem:  # noqa: BLE001 - it is raised where the test waits
            self._problems.append(problem)
        self._left -= 1
        if self._left:
            self._go_on()
        else:
            self._over.set()

    def _go_on(self) -> None:
        moment, _, event = heapq.heappop(self._waiting)
        ahead = moment - self.monotonic()
        if ahead > 0:
            self._clock.advance(seconds=ahead)
        event.set()
