"""The sets that were published: which one holds, which ones came before, and going back to one of them.

A set is never changed and never deleted: its files stand under its hash for the runs that are pinned to its flows, and
for going back. The history is an index of what was live when, for people; the pointer alone decides. Ports and pure
code only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.content.playbook import Mails, decode_mails
from rekindle.domain.errors import RekindleError
from rekindle.domain.words import counted
from rekindle.flow.program import Flow, Playbook
from rekindle.ports import Blobs, Clock
from rekindle.service.library import POINTER

HISTORY = "playbooks/history.json"
#: So many lines the history keeps; the sets themselves stay.
MAX_HISTORY = 1_000
#: A hash may be shortened to so many of its digits.
MIN_PREFIX = 4
_TRIES = 5


class RollbackError(RekindleError):
    """There is no such set to go back to, or somebody published in this moment."""


class Pointer(Struct, frozen=True, kw_only=True):
    """What `playbooks/current.json` says."""

    hash: str
    published_at: datetime


class Counts(Struct, frozen=True, kw_only=True):
    """What a set holds."""

    flows: int = 0
    segments: int = 0
    mails: int = 0
    texts: int = 0
    push_messages: int = 0
    offers: int = 0
    shops: int = 0

    @classmethod
    def of(cls, playbook: Playbook, mails: Mails) -> Counts:
        """Return the counts of a set."""
        return cls(
            flows=len(playbook.flows),
            segments=len(playbook.segments),
            mails=len(mails.templates),
            texts=len(mails.sms),
            push_messages=len(mails.push),
            offers=len(playbook.offers),
            shops=len(playbook.shops),
        )

    def text(self) -> str:
        """Return them as a person reads them: `2 flows, 1 segment, 4 mails, 1 shop`. Of the rest, what there is."""
        always = ("flows", "segments", "mails", "shops")
        each = [(name, getattr(self, name)) for name in self.__struct_fields__]
        shown = [(name.removesuffix("s").replace("_", " "), count) for name, count in each if count or name in always]
        return ", ".join(counted(count, name) for name, count in shown)


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the history: this set became the live one then. `by` is who did it, where that is known."""

    hash: str
    at: datetime
    how: Literal["upload", "rollback"] = "upload"
    by: str = ""
    counts: Counts = Counts()


class RolledBack(Struct, frozen=True, kw_only=True):
    """What going back did. `differing` are content files that are not as they were in the set that is live now."""

    before: str
    line: Line
    differing: tuple[str, ...]


_pointer = msgspec.json.Decoder(Pointer)
_playbook = msgspec.json.Decoder(Playbook)
_flow = msgspec.json.Decoder(Flow)
_lines = msgspec.json.Decoder(tuple[Line, ...])
_sources = msgspec.json.Decoder(dict[str, str])


def pointer(blobs: Blobs) -> tuple[Pointer | None, str | None]:
    """Return the pointer and its version tag; two `None` before the first publish."""
    found = blobs.tagged(POINTER)
    return (_pointer.decode(found[0]), found[1]) if found is not None else (None, None)


def move_pointer(blobs: Blobs, to: str, now: datetime, *, expected: str | None) -> bool:
    """Let this set be the live one, unless the pointer has moved since its tag was `expected`; return whether it is."""
    return blobs.swap(POINTER, msgspec.json.encode(Pointer(hash=to, published_at=now)), expected=expected)


def history(blobs: Blobs) -> tuple[Line, ...]:
    """Return what was live when, oldest first. What is live now is its last line, whatever crashed in between."""
    found = blobs.get(HISTORY)
    lines = _lines.decode(found) if found is not None else ()
    now, _ = pointer(blobs)
    if now is not None and (not lines or lines[-1].hash != now.hash):
        lines = (*lines, Line(hash=now.hash, at=now.published_at, counts=_counts(blobs, now.hash)))
    return lines


def remember(blobs: Blobs, line: Line) -> None:
    """Add a line to the history, unless its newest one is of this set. Best effort under a race: it is for people."""
    for _ in range(_TRIES):
        found = blobs.tagged(HISTORY)
        lines = _lines.decode(found[0]) if found is not None else ()
        if lines and lines[-1].hash == line.hash:
            return
        kept = msgspec.json.encode((*lines, line)[-MAX_HISTORY:])
        if blobs.swap(HISTORY, kept, expected=found[1] if found is not None else None):
            return


def put_sources(blobs: Blobs, set_: str, tags: dict[str, str]) -> None:
    """Note which content files, in which version (path → tag), a set was made of."""
    blobs.put(f"playbooks/{set_}/sources.json", msgspec.json.encode(tags, order="sorted"), "application/json")


def roll_back(blobs: Blobs, clock: Clock, *, to: str = "", by: str = "", content: str) -> RolledBack:
    """Let an earlier set be the live one again: the one whose hash begins with `to`, else the one before this one.

    The content files, below the prefix `content`, stay as they are. Runs go on with the flows that they are pinned to;
    new ones, and all mails, take the earlier set. Raises `RollbackError`.
    """
    now_live, tag = pointer(blobs)
    if now_live is None:
        raise RollbackError("nothing has been published yet")
    lines = history(blobs)
    wanted = _named(lines, to) if to else _earlier(lines, now_live.hash)
    if wanted.hash == now_live.hash:
        raise RollbackError(f"{wanted.hash[:8]} is live already")
    _check_whole(blobs, wanted.hash)
    now = clock.now()
    if not move_pointer(blobs, wanted.hash, now, expected=tag):
        raise RollbackError("somebody published in this moment: look at --history, and try again")
    remember(blobs, lines[-1])
    line = replace(wanted, at=now, how="rollback", by=by)
    remember(blobs, line)
    return RolledBack(before=now_live.hash, line=line, differing=_differing(blobs, wanted.hash, content))


def _named(lines: tuple[Line, ...], prefix: str) -> Line:
    if len(prefix) < MIN_PREFIX:
        raise RollbackError(f"write at least {MIN_PREFIX} digits of the set's hash: see --history")
    found = {line.hash: line for line in lines if line.hash.startswith(prefix.lower())}
    if len(found) != 1:
        raise RollbackError(f"{len(found) or 'no'} sets begin with {prefix}: see --history")
    return next(iter(found.values()))


def _earlier(lines: tuple[Line, ...], live: str) -> Line:
    """Return the set that was live before this one first was: going back twice goes back two sets, not to and fro."""
    first = next(place for place, line in enumerate(lines) if line.hash == live)
    if not first:
        raise RollbackError("there is no earlier set to go back to: see --history")
    return lines[first - 1]


def _check_whole(blobs: Blobs, wanted: str) -> None:
    """Raise `RollbackError` for a set that this version could not run."""
    try:
        flows, mails = blobs.get(f"playbooks/{wanted}/flows.json"), blobs.get(f"playbooks/{wanted}/mails.json")
        if flows is None or mails is None:
            raise RollbackError(f"the files of {wanted[:8]} are not in the bucket any more")
        decode_mails(mails)
        for flow in _playbook.decode(flows).flows.values():
            raw = blobs.get(f"flows/{flow.version}.json")
            if raw is None:
                raise RollbackError(f"the flow {flow.name} of {wanted[:8]} is not in the bucket any more")
            _flow.decode(raw)
    except msgspec.DecodeError as error:
        raise RollbackError(f"{wanted[:8]} was published by another version of Rekindle: publish it anew") from error


def _differing(blobs: Blobs, wanted: str, content: str) -> tuple[str, ...]:
    raw = blobs.get(f"playbooks/{wanted}/sources.json")
    if raw is None:
        return ()
    then = _sources.decode(raw)
    today = {key.removeprefix(content): tag for key, tag in blobs.list(content).items()}
    return tuple(sorted(path for path in {*then, *today} if then.get(path) != today.get(path)))


def _counts(blobs: Blobs, wanted: str) -> Counts:
    flows, mails = blobs.get(f"playbooks/{wanted}/flows.json"), blobs.get(f"playbooks/{wanted}/mails.json")
    if flows is None or mails is None:
        return Counts()
    try:
        return Counts.of(_playbook.decode(flows), decode_mails(mails))
    except msgspec.DecodeError:
        return Counts()
