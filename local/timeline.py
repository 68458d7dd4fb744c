"""What happened, line by line: kept for the inbox page and the files, printed as it happens.

On a terminal with colours and a progress line, plain otherwise.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

What = Literal["shop", "mail", "text", "push", "person", "check", "why", "idle", "note"]

_STYLES: dict[What, str] = {
    "shop": "cyan",
    "mail": "bold",
    "text": "bold",
    "push": "bold",
    "person": "magenta",
    "check": "blue",
    "why": "yellow",
    "idle": "dim",
    "note": "dim",
}
_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}


@dataclass(frozen=True)
class Line:
    """One line: when (virtual, UTC), what kind of thing, and whether it is as it should be (`None`: no judgement)."""

    at: datetime
    what: What
    text: str
    ok: bool | None = None

    def plain(self) -> str:
        """Return the line as text."""
        return f"{self.at:%a %d %b %H:%M:%S}  {_MARKS[self.ok][0]}  {self.what:<6}  {self.text}"


class Timeline:
    """The lines, printed as they are added."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @property
    def lines(self) -> list[Line]:
        """Return all lines so far."""
        with self._lock:
            return list(self._lines)

    def add(self, at: datetime, what: What, text: str, ok: bool | None = None) -> Line:
        """Add a line and print it."""
        line = Line(at, what, text, ok)
        with self._lock:
            self._lines.append(line)
        mark, style = _MARKS[ok]
        self._print(
            Text.assemble(
                (f"{at:%a %d %b} ", "dim"),
                (f"{at:%H:%M:%S}", "bold" if what != "idle" else "dim"),
                "  ",
                (mark, style),
                "  ",
                (f"{what:<6}", _STYLES[what]),
                "  ",
                (text, "red" if ok is False else "dim" if what == "idle" else ""),
            )
        )
        return line

    def say(self, text: str = "", style: str = "") -> None:
        """Print something that is not part of the story."""
        self._print(Text(text, style))

    def step(self, text: str) -> None:
        """Move the progress line on: `text` is what is being done now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=text, advance=1)

    @contextmanager
    def progress(self, steps: int) -> Iterator[None]:
        """Show a progress line below the timeline for the length of the block."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TimeElapsedColumn())
        with Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        ) as self._progress:
            self._task = self._progress.add_task("", total=steps)
            try:
                yield
            finally:
                self._task = None
        self._progress = None

    def text(self) -> str:
        """Return all lines as plain text."""
        return "\n".join(line.plain() for line in self.lines) + "\n"

    def json(self) -> str:
        """Return all lines as JSON."""
        rows = [{**asdict(line), "at": line.at.isoformat()} for line in self.lines]
        return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=not self.console.is_terminal, highlight=False)


def span(length: timedelta) -> str:
    """Return a length of time as people say it: `23 h`, `1 h 05 min`, `2 d`."""
    minutes = round(length.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{rest} min" if rest and not days else ""]
    return " ".join(part for part in parts if part) or "less than a minute"
