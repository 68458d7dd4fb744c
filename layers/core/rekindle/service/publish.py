"""Publish: what marketers uploaded becomes the new playbook as a whole, or stays out as a whole with a report why.

An upload is judged when it has been quiet for a while, and once: what was judged before is known by its files' tags.
The pointer is moved last, by compare-and-swap on what it was *before* the upload was listed: whoever loses that race
looks again, so two publishers end with one playbook, made of the newest content. Ports and pure code only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from rekindle.content import media
from rekindle.content.assets import Look as AssetLook
from rekindle.content.assets import look, look_from_afar
from rekindle.content.validate import MAX_FILE, Verdict, is_asset, validate
from rekindle.domain import ids
from rekindle.domain.errors import ContentError, RekindleError
from rekindle.ports import Blobs, Clock, Listing, Look, PublishQueue
from rekindle.service.sets import (
    Counts,
    Line,
    Pointer,
    RolledBack,
    history,
    move_pointer,
    pointer,
    put_sources,
    remember,
    roll_back,
)

CONTENT = "content/"
REPORT = "reports/latest"
#: What is known of the files under `assets/`, so that each is read once: path → version tag, and what was seen.
SEEN = "reports/assets.json"
#: How often it starts over because somebody uploads or publishes meanwhile, before it waits until it is quiet again.
MAX_ROUNDS = 5

Result = Literal["published", "unchanged", "refused", "rolled_back"]


class BusyError(RekindleError):
    """The content kept changing while it was read: nothing was published; try again when it is quiet."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: where, what, and what to do."""

    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one publish. `hash` is the playbook that holds now, `None` before the first.

    `content` stands for the very files that were judged (`fingerprint`); `by` is who asked, where somebody did.
    """

    outcome: Result
    at: datetime
    hash: str | None = None
    content: str = ""
    by: str = ""
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    flows: int = 0
    segments: int = 0
    mails: int = 0
    shops: int = 0

    @property
    def counts(self) -> Counts:
        """What the live set holds."""
        return Counts(flows=self.flows, segments=self.segments, mails=self.mails, shops=self.shops)

    def text(self) -> str:
        """Return it as a person reads it."""
        return "\n".join([self.headline(), "", *self.lines(), ""])

    def headline(self) -> str:
        """Return what became of it in one line."""
        when = f"{self.at:%Y-%m-%d %H:%M} UTC"
        if self.outcome == "refused":
            count = len(self.problems)
            things = "one thing is" if count == 1 else f"{count} things are"
            return f"{when}: not published, {things} wrong. Customers get what they got before."
        if self.outcome == "rolled_back":
            who = f" by {self.by}" if self.by else ""
            return (
                f"{when}: taken back{who}: {self.counts.text()} ({self.hash}) are live again. The files in content/ "
                "stay as they are, and with the next change there all of them are published."
            )
        said = "published" if self.outcome == "published" else "published already, nothing has changed"
        return f"{when}: {said}: {self.counts.text()} ({self.hash})."

    def lines(self, most: int | None = None) -> list[str]:
        """Return what is wrong and what is doubtful, a line each and one for its cure; of `most` things at most."""
        every = [(one, "") for one in self.problems] + [(one, "warning: ") for one in self.warnings]
        lines = [line for one, prefix in every[:most] for line in _lines(one, prefix)]
        left = len(every) - len(every[:most])
        return [*lines, f"… and {left} more"] if left else lines


_seen_decoder = msgspec.json.Decoder(dict[str, tuple[str, AssetLook]])
_report_decoder = msgspec.json.Decoder(Report)


def fingerprint(tags: Mapping[str, str]) -> str:
    """Return what stands for these files: equal keys with equal version tags, equal text."""
    return ids.digest("content", *(part for key in sorted(tags) for part in (key, tags[key])))


def latest_report(blobs: Blobs) -> Report | None:
    """Return the newest report; `None` before the first, or where an older version wrote another kind."""
    raw = blobs.get(f"{REPORT}.json")
    try:
        return _report_decoder.decode(raw) if raw is not None else None
    except msgspec.DecodeError:
        return None


class Publisher:
    """Looks at the content when something came, and publishes when it has been quiet for `quiet`."""

    def __init__(self, *, blobs: Blobs, queue: PublishQueue, clock: Clock, quiet: timedelta) -> None:
        self._blobs = blobs
        self._queue = queue
        self._clock = clock
        self._quiet = quiet

    def look(self, asked_by: str = "") -> Report | None:
        """Judge the content; return the report, or `None` where there is nothing to judge, or not yet.

        Not yet: the newest file is younger than `quiet`, or it changes while it is read; then a message goes back on
        the queue. Nothing: these very files were judged before, unless somebody asks for it (`asked_by`).
        """
        now = self._clock.now()
        listing = self._blobs.listing(CONTENT)
        if listing.newest is not None and timedelta(0) <= now - listing.newest < self._quiet:
            self._look_again(asked_by)
            return None
        if not asked_by:
            last = latest_report(self._blobs)
            if last is not None and last.content == fingerprint(listing.tags):
                return None
        try:
            return publish(self._blobs, self._clock, by=asked_by)
        except BusyError:
            self._look_again(asked_by)
            return None

    def _look_again(self, asked_by: str) -> None:
        # To the second: of the many messages of one upload, those that come in one second leave one behind.
        self._queue.look(Look(look_at=self._clock.now().replace(microsecond=0), asked_by=asked_by))


def publish(blobs: Blobs, clock: Clock, *, by: str = "") -> Report:
    """Publish what lies under `content/`, or leave everything as it is, and write the report either way.

    Raises `BusyError` when uploads did not pause; nothing has changed then.
    """
    for _ in range(MAX_ROUNDS):
        report = _round(blobs, clock, by)
        if report is not None:
            blobs.put(f"{REPORT}.txt", report.text().encode(), "text/plain; charset=utf-8")
            # Last: from now on these files are known.
            blobs.put(f"{REPORT}.json", msgspec.json.encode(report), "application/json")
            return report
    raise BusyError("the content keeps changing")


def take_back(blobs: Blobs, clock: Clock, *, to: str = "", by: str = "") -> RolledBack:
    """Make an earlier set the live one (`sets.roll_back`), and say so in the report. Raises `RollbackError`."""
    seen = blobs.tagged(f"{REPORT}.json")
    last = latest_report(blobs)
    done = roll_back(blobs, clock, to=to, by=by, content=CONTENT)
    counts = done.line.counts
    report = Report(
        outcome="rolled_back",
        at=done.line.at,
        hash=done.line.hash,
        # What was judged stays judged: messages of that upload that still come must not publish it again.
        content=last.content if last is not None else "",
        by=by,
        warnings=tuple(Finding(message="not as in the set that is live now", file=path) for path in done.differing),
        flows=counts.flows,
        segments=counts.segments,
        mails=counts.mails,
        shops=counts.shops,
    )
    # Only over the report that was there before: an upload that came in this moment has the last word.
    if blobs.swap(f"{REPORT}.json", msgspec.json.encode(report), expected=seen[1] if seen is not None else None):
        blobs.put(f"{REPORT}.txt", report.text().encode(), "text/plain; charset=utf-8")
    return done


def _round(blobs: Blobs, clock: Clock, by: str) -> Report | None:
    """Return the report of one try; `None` when the content or the pointer changed under it."""
    current, tag = pointer(blobs)
    listing = blobs.listing(CONTENT)
    listed = listing.tags
    read = _read(blobs, listing)
    if read is None or blobs.listing(CONTENT).tags != listed:
        return None
    # Only now it is known that what was seen is of these tags.
    _remember_assets(blobs, listed, read.looked_at)
    verdict = validate(read.files, read.looked_at, read.too_large)
    found = verdict.published
    if found is None:
        return _report("refused", verdict, clock.now(), current, listed=listed, by=by)
    sources = {key.removeprefix(CONTENT): each for key, each in listed.items()}
    if current is not None and current.hash == found.hash:
        put_sources(blobs, found.hash, sources)
        return _report("unchanged", verdict, clock.now(), current, listed=listed, by=by)
    if not _copied(blobs, found.mails.assets):
        return None
    for key, content in found.files().items():
        blobs.put(key, content, "application/json")
    put_sources(blobs, found.hash, sources)
    before = history(blobs)
    now = clock.now()
    if not move_pointer(blobs, found.hash, now, expected=tag):
        return None
    if before:
        remember(blobs, before[-1])
    remember(blobs, Line(hash=found.hash, at=now, by=by, counts=Counts.of(found.playbook, found.mails)))
    return _report("published", verdict, now, Pointer(hash=found.hash, published_at=now), listed=listed, by=by)


class _Content(Struct, frozen=True):
    """What was read: texts, what files under `assets/` are, and what is too large for a text."""

    files: dict[str, bytes]
    looked_at: dict[str, AssetLook]
    too_large: list[str]


def _read(blobs: Blobs, listing: Listing) -> _Content | None:
    """Return the content; `None` when a file was deleted meanwhile."""
    looked_at = _assets(blobs, listing)
    if looked_at is None:
        return None
    found = _Content({}, looked_at, [])
    for key in sorted(listing.tags):
        path = key.removeprefix(CONTENT)
        if path in looked_at:
            continue
        if listing.sizes.get(key, 0) > MAX_FILE:
            found.too_large.append(path)
            continue
        content = blobs.get(key)
        if content is None:
            return None
        found.files[path] = content
    return found


def _assets(blobs: Blobs, listing: Listing) -> dict[str, AssetLook] | None:
    """Return path → what the files under `assets/` are; only what is new is read. `None`: one was deleted meanwhile."""
    wanted = {path: tag for key, tag in listing.tags.items() if is_asset(path := key.removeprefix(CONTENT))}
    if not wanted:
        return {}
    raw = blobs.get(SEEN)
    seen = _seen_decoder.decode(raw) if raw is not None else {}
    found: dict[str, AssetLook] = {}
    for path, tag in sorted(wanted.items()):
        known = seen[path][1] if path in seen and seen[path][0] == tag else None
        if known is None:
            known = look_from_afar(path, listing.sizes.get(CONTENT + path, 0))
        if known is None:
            content = blobs.get(CONTENT + path)
            if content is None:
                return None
            known = look(path, content)
        found[path] = known
    return found


def _copied(blobs: Blobs, assets: Mapping[str, media.Asset]) -> bool:
    """Copy files to where they are served from, those that are not there yet; return whether all are there now.

    A copy stands under the hash of its content and stays for ever: mails that went out show it.
    """
    there = blobs.list(media.PUBLIC) if assets else {}
    for path, asset in assets.items():
        if asset.key in there:
            continue
        content = blobs.get(CONTENT + path)
        if content is None or look(path, content).asset != asset:
            return False
        blobs.put(asset.key, content, media.TYPES[asset.kind])
    return True


def _remember_assets(blobs: Blobs, tags: Mapping[str, str], looked_at: Mapping[str, AssetLook]) -> None:
    """Write down what was seen of which version, if it is not written already."""
    known = {path: (tags[CONTENT + path], found) for path, found in looked_at.items()}
    seen = msgspec.json.encode(known, order="sorted")
    if looked_at and blobs.get(SEEN) != seen:
        blobs.put(SEEN, seen, "application/json")


def _report(
    outcome: Result, verdict: Verdict, at: datetime, current: Pointer | None, *, listed: Mapping[str, str], by: str
) -> Report:
    found = verdict.published
    counts = Counts.of(found.playbook, found.mails) if found is not None else Counts()
    return Report(
        outcome=outcome,
        at=at,
        hash=current.hash if current is not None else None,
        content=fingerprint(listed),
        by=by,
        problems=tuple(_finding(problem) for problem in verdict.problems),
        warnings=tuple(_finding(warning) for warning in verdict.warnings),
        flows=counts.flows,
        segments=counts.segments,
        mails=counts.mails,
        shops=counts.shops,
    )


def _finding(error: ContentError) -> Finding:
    return Finding(message=error.message, file=error.file, line=error.line, hint=error.hint)


def _lines(one: Finding, prefix: str) -> list[str]:
    where = ":".join(str(part) for part in (one.file, one.line) if part is not None)
    told = f"{where}: {prefix}{one.message}" if where else f"{prefix}{one.message}"
    return [told, f"    → {one.hint}"] if one.hint else [told]
