"""A large file of events, replayed person by person: sorted if need be, spilt to buckets, lived by several processes.

What is in memory at a time: who is who (some hundred bytes for each person and each contact point, and six bytes for
each event), and one bucket in each process. The result does not depend on how many processes there are.
"""

from __future__ import annotations

import gc
import heapq
import multiprocessing
import resource
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Event
from rekindle.domain.facts import PrivacyRequest
from rekindle.service.simulation.people import Directory
from rekindle.service.simulation.replay import Record, Scenario, Stage, replay
from rekindle.service.simulation.tally import Tally

#: So much of the file goes into one bucket. A process holds about ten times that while it replays it.
BUCKET = 12_000_000
_MOST_BUCKETS = 200
_SORTED_AT_ONCE = 64_000_000
#: Fewer events than this are replayed right here: a process takes a second to start.
_WORTH_A_PROCESS = 60_000
_TOLD_EVERY = 2_000
_NOBODY = -1
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NEW, _NAMELESS = 1, 2

#: Told how much of a stage is done, of how much: `("reading", bytes, bytes)`, `("replaying", events, events)`.
Progress = Callable[[str, int, int], None]

_event = msgspec.json.Decoder(Event)
_scenarios = msgspec.msgpack.Decoder(dict[str, Scenario])


class _Received(Struct):
    received_at: Annotated[datetime, msgspec.Meta(tz=True)]


_received = msgspec.json.Decoder(_Received)


class EventsError(RekindleError):
    """The file of events cannot be used; says where and why."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which events of the file count: of one shop, and received before a moment."""

    shop: str | None = None
    until: datetime | None = None

    def take(self, event: Event) -> bool:
        """Whether this one counts."""
        return self.shop in (None, event.shop) and (self.until is None or event.received_at < self.until)

    def words(self) -> str:
        """Return what is asked for, to end a sentence with."""
        shop = f" of the shop {self.shop}" if self.shop else ""
        return shop + (f" before {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "")


class Index:
    """Who each event of a file concerns, line by line, and what there is in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.people = array("i")
        self.shops = array("H")
        self.notes: dict[int, tuple[int, tuple[int, ...]]] = {}
        """line → flags, and who turned out to be the same person"""
        self.directories: list[Directory] = []
        self.places: dict[str, int] = {}
        self.events = 0
        self.nobody = 0
        self.first = self.last = _LONG_AGO

    @property
    def names(self) -> list[str]:
        """The shops, in the order in which they come."""
        return list(self.places)

    def take(self, number: int, event: Event) -> None:
        """Note the event of this line."""
        place = self.places.get(event.shop)
        if place is None:
            place = self.places[event.shop] = len(self.directories)
            self.directories.append(Directory(event.shop))
        if self.first is _LONG_AGO:
            self.first = event.received_at.astimezone(UTC)
        self.last = event.received_at.astimezone(UTC)
        placed = None if isinstance(event.data, PrivacyRequest) else self.directories[place].place(event)
        self.shops.append(place)
        if placed is None:
            self.people.append(_NOBODY)
            self.nobody += 1
            return
        self.events += 1
        self.people.append(placed.person)
        if placed.new or placed.nameless or placed.absorbed:
            self.notes[number] = (_NEW * placed.new | _NAMELESS * placed.nameless, placed.absorbed)

    def leave_out(self) -> None:
        """Note that the next line does not count."""
        self.people.append(_NOBODY)
        self.shops.append(0)

    def forget(self) -> None:
        """Let go of who is who, once it is in the buckets."""
        self.people, self.shops = array("i"), array("H")
        self.notes.clear()
        self.directories.clear()


class Replayed(Struct, frozen=True, kw_only=True):
    """What was counted under each scenario, and the most memory that all processes together had, in bytes."""

    tallies: dict[str, Tally]
    memory: int


def read(path: Path, wanted: Wanted, folder: Path, progress: Progress) -> Index:
    """Return who is who in a file of events, one a line. One that is not in order of receipt is sorted, in `folder`.

    Raises `EventsError`.
    """
    try:
        return _index(path, path, wanted, progress)
    except _UnsortedError:
        return _index(_sorted(path, folder, progress), path, wanted, progress)
    except OSError as error:
        raise EventsError(f"{path}: {error.strerror or error}") from error


def in_order(path: Path, folder: Path) -> Path:
    """Return a copy of a file of events in the order of receipt, in `folder`. Raises `EventsError`."""
    return _sorted(path, folder, lambda _stage, _done, _whole: None)


def play(index: Index, scenarios: Mapping[str, Scenario], folder: Path, processes: int, progress: Progress) -> Replayed:
    """Replay everybody of the index under every scenario. Raises `EventsError`."""
    buckets = _spill(index, folder)
    total = index.events
    encoded = msgspec.msgpack.encode(dict(scenarios))
    index.forget()
    tallies = {name: Tally() for name in scenarios}
    done = 0
    progress("replaying", 0, total)
    for found, events in _played(buckets, encoded, processes if total >= _WORTH_A_PROCESS else 1):
        for name, tally in found.items():
            tallies[name].add(tally)
        done += events
        progress("replaying", done, total)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return Replayed(tallies=tallies, memory=(own + child * (processes if child else 0)) * unit)


def _played(buckets: list[Path], scenarios: bytes, processes: int) -> Iterator[tuple[dict[str, Tally], int]]:
    if processes <= 1:
        _get_ready(scenarios)
        try:
            for bucket in buckets:
                yield _play(bucket)
        finally:
            gc.unfreeze()
            gc.enable()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_get_ready, initargs=(scenarios,)) as pool:
        for done in as_completed([pool.submit(_play, bucket) for bucket in buckets]):
            yield done.result()


# --- who is who ------------------------------------------------------------------------------------------------------


class _UnsortedError(Exception):
    """An event was received before the one that stands above it."""


def _index(path: Path, shown: Path, wanted: Wanted, progress: Progress) -> Index:
    """Go through a file once. `shown` is how errors name it: a sorted copy is not what was given."""
    index = Index(path=path)
    newest: datetime | None = None
    size, done = path.stat().st_size, 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            done += len(line)
            if not number % _TOLD_EVERY:
                progress("reading", done, size)
            if line.isspace():
                index.leave_out()
                continue
            try:
                event = _event.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                where = f"{shown}:{number + 1}" if shown == path else str(shown)
                raise EventsError(f"{where}: this is no event: {error}") from error
            if event.received_at.tzinfo is None or event.occurred_at.tzinfo is None:
                raise EventsError(f"{shown}:{number + 1}: this is no event: its times name no zone")
            if newest is not None and event.received_at < newest:
                raise _UnsortedError
            newest = event.received_at
            if wanted.take(event):
                index.take(number, event)
            else:
                index.leave_out()
    progress("reading", size, size)
    if not index.names:
        raise EventsError(f"{shown}: there are no events{wanted.words()}")
    return index


def _sorted(path: Path, folder: Path, progress: Progress) -> Path:
    """Return a copy of the file in the order of receipt. What came at one moment keeps its order."""
    parts: list[Path] = []
    held: list[tuple[datetime, bytes]] = []
    size = done = 0
    whole = path.stat().st_size

    def put_down() -> None:
        held.sort(key=itemgetter(0))
        part = folder / f"sorted-{len(parts)}"
        with part.open("wb") as out:
            out.writelines(line for _, line in held)
        parts.append(part)
        held.clear()

    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if line.isspace():
                continue
            held.append((_moment(path, number, line), line if line.endswith(b"\n") else line + b"\n"))
            size += len(line)
            done += len(line)
            if not number % _TOLD_EVERY:
                progress("sorting", done, whole)
            if size >= _SORTED_AT_ONCE:
                put_down()
                size = 0
    put_down()
    merged = folder / "sorted.jsonl"
    with ExitStack() as open_files, merged.open("wb") as out:
        streams = [open_files.enter_context(part.open("rb")) for part in parts]
        out.writelines(heapq.merge(*streams, key=lambda line: _received.decode(line).received_at))
    for part in parts:
        part.unlink()
    return merged


def _moment(path: Path, number: int, line: bytes) -> datetime:
    try:
        return _received.decode(line).received_at
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventsError(f"{path}:{number + 1}: this is no event: {error}") from error


# --- buckets ---------------------------------------------------------------------------------------------------------


def _spill(index: Index, folder: Path) -> list[Path]:
    """Write every event into the bucket of its person, with all that is known of it, in the order of the file."""
    size = index.path.stat().st_size
    count = min(max(1, -(-size // BUCKET)), _MOST_BUCKETS)
    paths = [folder / f"bucket-{number}" for number in range(count)]
    with ExitStack() as open_files, index.path.open("rb") as lines:
        outs = [open_files.enter_context(path.open("wb", buffering=1 << 17)) for path in paths]
        for number, (line, person) in enumerate(zip(lines, index.people, strict=True)):
            if person < 0:
                continue
            shop = index.shops[number]
            one = index.directories[shop].one(person)
            flags, absorbed = index.notes.get(number, (0, ()))
            others = ",".join(map(str, absorbed)) or "-"
            head = f"{shop} {one} {person} {flags} {others}\t".encode()
            outs[(one + shop) % count].write(head + (line if line.endswith(b"\n") else line + b"\n"))
    return paths


_ready: dict[str, Stage] = {}


def _get_ready(scenarios: bytes) -> None:
    """Prepare this process. What is made now lives as long as it does, and collecting garbage would only look at it."""
    _ready.clear()
    _ready.update((name, Stage(scenario)) for name, scenario in _scenarios.decode(scenarios).items())
    gc.collect()
    gc.freeze()
    gc.disable()


def _play(bucket: Path) -> tuple[dict[str, Tally], int]:
    """Live the lives of one bucket; return what was counted, and how many events that were."""
    lives: dict[bytes, list[Record]] = {}
    events = 0
    with bucket.open("rb") as lines:
        for line in lines:
            head, _, raw = line.partition(b"\t")
            shop, one, person, flags, others = head.split(b" ")
            flag = int(flags)
            record = Record(
                int(person),
                raw,
                bool(flag & _NEW),
                () if others == b"-" else tuple(map(int, others.split(b","))),
                bool(flag & _NAMELESS),
            )
            lives.setdefault(shop + b" " + one, []).append(record)
            events += 1
    tallies = {name: Tally() for name in _ready}
    for records in lives.values():
        replay(records, _ready, tallies)
    bucket.unlink()
    gc.collect()
    return tallies, events
