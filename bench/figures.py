"""What a measure is and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

#: Where `make bench` has built the functions and the layer, with this very Python's bytecode.
BUILT = ROOT / "out/bench/build"

#: What they are compared with: boto3 by itself, with bytecode too.
BARE = ROOT / "out/bench/bare"


class Figure(NamedTuple):
    """One measured number, and the most that it may be."""

    name: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the budget is kept; `None` where there is none."""
        return None if self.budget is None else self.value <= self.budget


Measure = Callable[[], Iterable[Figure]]

MEASURES: list[Measure] = []


def measure(function: Measure) -> Measure:
    """Have `make bench` run this function. Its docstring's first line says what is measured."""
    MEASURES.append(function)
    return function
