"""The time: the system's clock and, for the local run only, one that a file moves ahead."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SystemClock:
    """`ports.Clock` in production: the system's clock and nothing else."""

    def now(self) -> datetime:
        """Return the current moment, aware, UTC."""
        return datetime.now(UTC)


class OffsetClock:
    """`ports.Clock` of the local run: the system's clock plus the seconds that a text file holds.

    The file is read at every call, because several processes must see it move at the same moment; whoever moves it
    replaces the file as a whole. A missing or unreadable file is an error, never offset zero.
    """

    def __init__(self, file: str | Path) -> None:
        self._file = Path(file)

    def now(self) -> datetime:
        """Return the moved moment, aware, UTC."""
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text("ascii")))


def clock_for(offset_file: str | None) -> SystemClock | OffsetClock:
    """Return production's clock, unless the local run has named an offset file."""
    return OffsetClock(offset_file) if offset_file else SystemClock()


def passing(
    monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
) -> Callable[[], float]:
    """Return a clock that counts the seconds that pass, never back, from no moment in particular.

    Between two events Lambda holds a process still, and its monotonic clock may stand meanwhile: what was good for five
    minutes would be good for as long as nobody asks. The wall clock is right again when the process goes on, but may be
    set back. So of both the larger step counts.
    """
    known = [monotonic(), wall(), 0.0]

    def seconds() -> float:
        steady, shown = monotonic(), wall()
        known[:] = steady, shown, known[2] + max(steady - known[0], shown - known[1], 0.0)
        return known[2]

    return seconds


#: What caches and connections of a process are kept by.
elapsed = passing()
