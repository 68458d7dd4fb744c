"""The time: the system's clock and, for the local run only, one that a file moves ahead."""

from __future__ import annotations

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
