"""The clock of the local run: the system clock plus an offset that only the runner moves, and only forward.

Functions read the same offset from the file that `CLOCK_OFFSET_FILE` names. Imports the standard library only.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path


class OffsetClock:
    """Keeps `rekindle.ports.Clock`, and can be moved forward."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._offset = 0.0
        self._write()

    @property
    def offset(self) -> float:
        """Return the seconds that this clock is ahead of the system's."""
        return self._offset

    def now(self) -> datetime:
        """Return the current virtual moment, UTC."""
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self._offset, UTC)

    def move_to(self, moment: datetime) -> float:
        """Make it `moment` now; return the seconds skipped. A moment that has passed changes nothing and skips 0."""
        with self._lock:
            skipped = moment.timestamp() - datetime.now(UTC).timestamp() - self._offset
            if skipped <= 0:
                return 0.0
            self._offset += skipped
            self._write()
            return skipped

    def _write(self) -> None:
        """Replace the file in one step: a function may be reading it."""
        draft = self.file.with_name(self.file.name + ".new")
        draft.write_text(f"{self._offset:.6f}\n", "ascii")
        draft.replace(self.file)
