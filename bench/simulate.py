"""Simulating: how many events of a shop one core replays in a second."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bench.figures import ROOT, Figure, measure
from rekindle.cli import buckets, demo_month
from rekindle.cli.drafts import playbook_of
from rekindle.service.simulation.replay import RUN_OUT, Scenario

_PEOPLE = 5_000


@measure
def simulating() -> Iterator[Figure]:
    """Replay an invented month through everything that ships, by one process."""
    book = playbook_of(ROOT / "templates")
    book = replace(book, shops={demo_month.SHOP.id: replace(demo_month.SHOP, flows=dict.fromkeys(book.flows, True))})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "month.jsonl"
        demo_month.write(path, _PEOPLE)
        # The processor's time, not the clock's: other processes on this machine are not what is measured.
        start = time.process_time()
        index = buckets.read(path, buckets.Wanted(), Path(folder), _silent)
        found = time.process_time()
        scenario = Scenario(playbook=book, since=demo_month.SINCE, last=index.last, until=index.last + RUN_OUT)
        events = index.events
        played = buckets.play(index, {"": scenario}, Path(folder), 1, _silent)
        end = time.process_time()
    if not sum(flow.entered for flow in played.tallies[""].flows.values()):
        raise AssertionError("nobody entered")
    yield Figure("simulate, events per second per core", events / (end - start), "/s")
    yield Figure("simulate, of this finding out who is who", (found - start) / (end - start) * 100, "%")


def _silent(stage: str, done: int, whole: int) -> None:
    del stage, done, whole
