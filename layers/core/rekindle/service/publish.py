"""Publish: what marketers uploaded becomes the new playbook as a whole, or stays out as a whole with a report why.

The pointer is moved last, by compare-and-swap on what it was *before* the upload was listed: whoever loses that race
looks again, so two publishers end with one playbook, made of the newest content. Ports and pure code only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from rekindle.content.validate import Verdict, validate
from rekindle.domain.errors import ContentError, RekindleError
from rekindle.ports import Blobs, Clock
from rekindle.service.library import POINTER

CONTENT = "content/"
REPORT = "reports/latest"
#: How often it starts over because somebody uploads or publishes meanwhile, before the queue may try again later.
MAX_ROUNDS = 5

Result = Literal["published", "unchanged", "refused"]


class BusyError(RekindleError):
    """The content kept changing while it was read: nothing was published; try again when it is quiet."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: where, what, and what to do."""

    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None


class Pointer(Struct, frozen=True, kw_only=True):
    """What `playbooks/current.json` says."""

    hash: str
    published_at: datetime


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one publish. `hash` is the playbook that holds now, `None` before the first."""

    outcome: Result
    at: datetime
    hash: str | None = None
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    flows: int = 0
    mails: int = 0
    shops: int = 0

    def text(self) -> str:
        """Return it as a person reads it."""
        return "\n".join([self._headline(), *_lines(self.problems), *_lines(self.warnings, "warning: "), ""])

    def _headline(self) -> str:
        if self.outcome == "refused":
            count = len(self.problems)
            things = "one thing is" if count == 1 else f"{count} things are"
            return f"{self.at:%Y-%m-%d %H:%M} UTC: not published, {things} wrong. Customers get what they got before.\n"
        said = "published" if self.outcome == "published" else "published already, nothing has changed"
        holds = f"{_count(self.flows, 'flow')}, {_count(self.mails, 'mail')}, {_count(self.shops, 'shop')}"
        return f"{self.at:%Y-%m-%d %H:%M} UTC: {said}: {holds} ({self.hash}).\n"


def publish(blobs: Blobs, clock: Clock) -> Report:
    """Publish what lies under `content/`, or leave everything as it is, and write the report either way.

    Raises `BusyError` when uploads did not pause; nothing has changed then.
    """
    for _ in range(MAX_ROUNDS):
        report = _round(blobs, clock)
        if report is not None:
            blobs.put(f"{REPORT}.json", msgspec.json.encode(report), "application/json")
            blobs.put(f"{REPORT}.txt", report.text().encode(), "text/plain; charset=utf-8")
            return report
    raise BusyError("the content keeps changing")


def _round(blobs: Blobs, clock: Clock) -> Report | None:
    """Return the report of one try; `None` when the content or the pointer changed under it."""
    before = blobs.tagged(POINTER)
    current = msgspec.json.decode(before[0], type=Pointer) if before else None
    listed = blobs.list(CONTENT)
    files: dict[str, bytes] = {}
    for key in sorted(listed):
        content = blobs.get(key)
        if content is None:
            return None
        files[key.removeprefix(CONTENT)] = content
    if blobs.list(CONTENT) != listed:
        return None
    verdict = validate(files)
    found = verdict.published
    if found is None:
        return _report("refused", verdict, clock.now(), current.hash if current else None)
    if current is not None and current.hash == found.hash:
        return _report("unchanged", verdict, clock.now(), found.hash)
    for key, content in found.files().items():
        blobs.put(key, content, "application/json")
    now = clock.now()
    pointer = msgspec.json.encode(Pointer(hash=found.hash, published_at=now))
    moved = blobs.swap(POINTER, pointer, expected=before[1] if before else None)
    return _report("published", verdict, now, found.hash) if moved else None


def _report(outcome: Result, verdict: Verdict, at: datetime, current: str | None) -> Report:
    found = verdict.published
    return Report(
        outcome=outcome,
        at=at,
        hash=current,
        problems=tuple(_finding(problem) for problem in verdict.problems),
        warnings=tuple(_finding(warning) for warning in verdict.warnings),
        flows=len(found.playbook.flows) if found else 0,
        mails=len(found.mails.templates) if found else 0,
        shops=len(found.playbook.shops) if found else 0,
    )


def _finding(error: ContentError) -> Finding:
    return Finding(message=error.message, file=error.file, line=error.line, hint=error.hint)


def _lines(findings: tuple[Finding, ...], prefix: str = "") -> list[str]:
    lines = []
    for one in findings:
        where = ":".join(str(part) for part in (one.file, one.line) if part is not None)
        lines.append(f"{where}: {prefix}{one.message}" if where else f"{prefix}{one.message}")
        if one.hint:
            lines.append(f"    → {one.hint}")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
