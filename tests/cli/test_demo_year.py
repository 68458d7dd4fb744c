"""The demo year: all that ships is alive in it."""

from __future__ import annotations

from pathlib import Path

from rekindle.cli import buckets, demo_year
from rekindle.cli.buckets import Wanted
from rekindle.service.simulation.replay import RUN_OUT, Scenario
from rekindle.service.simulation.tally import Tally
from tests.support.build import playbook
from tests.support.shipped import FLOWS, SEGMENTS, segments, shipped


def played(folder: Path) -> Tally:
    """Return what comes of the year in the demo's shop, with everything switched on."""
    flows = [shipped(file.stem) for file in FLOWS.glob("*.yaml")]
    book = demo_year.opened(playbook(*flows, segments=segments()))
    path = folder / "year.jsonl"
    demo_year.write(path)
    index = buckets.read(path, Wanted(), folder, silent)
    scenario = Scenario(playbook=book, since=demo_year.SINCE, last=index.last, until=index.last + RUN_OUT)
    return buckets.play(index, {"": scenario}, folder, 1, silent).tallies[""]


def silent(stage: str, done: int, whole: int) -> None:
    """Tell nobody how far it is."""
    del stage, done, whole


def test_every_flow_takes_somebody_in_and_every_segment_has_somebody_come(tmp_path: Path) -> None:
    """And no condition of any of them fails, whatever is missing."""
    tally = played(tmp_path)
    entered = {name for name, flow in tally.flows.items() if flow.entered}
    assert {file.stem for file in FLOWS.glob("*.yaml")} - entered == set()
    joined = {name for name, segment in tally.segments.items() if sum(segment.joined.values())}
    assert {file.stem for file in SEGMENTS.glob("*.yaml")} - joined == set()
    assert list(tally.errors) == []
