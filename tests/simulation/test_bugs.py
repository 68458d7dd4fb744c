"""The simulator finds what it is for: bugs planted on purpose, each within a minute at 300 worlds a second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.planted import PATCHES, hunt

#: Found within some hundred worlds, so that `make test` can afford them; `make test-long` hunts them all.
FAST = {
    "commit-without-version",
    "hand-over-after-commit",
    "order-counted-twice",
    "order-told-after-commit",
    "ring-lets-go",
    "run-forgotten",
    "stream-failure-swallowed",
    "suppression-later",
    "sweep-blind",
    "unknown-resent",
}
LONG = bool(os.environ.get("REKINDLE_LONG"))


@pytest.mark.parametrize("bug", sorted(PATCHES) if LONG else sorted(FAST))
def test_a_planted_bug_is_found(bug: str, tmp_path: Path) -> None:
    found = hunt(bug, tmp_path)
    assert found.clauses, found.output
    print(f"{bug}: {found.worlds:,} worlds, {found.seconds:.0f} s: {', '.join(found.clauses)}")  # noqa: T201 - the figures of `make test-long`


def test_there_are_fifteen_at_least() -> None:
    assert len(PATCHES) >= 15
    assert set(PATCHES) >= FAST
