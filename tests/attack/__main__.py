"""`python -m tests.attack --seconds 600`: attack every target with fresh inputs, and say how many each stood."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings

from tests.attack.targets import TARGETS

#: Inputs of one go at a target, before the next target has its turn.
_GO = 500


def main() -> int:
    """Attack in turns until the time is up; return 1 at the first input that got through, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be given several times")
    asked = parser.parse_args()
    # What is refused is warned of, thousands of times.
    logging.disable(logging.WARNING)
    counts: Counter[str] = Counter()
    chosen = asked.target or list(TARGETS)
    # Each target gets the same time, however long the inputs of the others take, and one input at least.
    share = asked.seconds / len(chosen)
    for name in chosen:
        until = time.monotonic() + share
        while time.monotonic() < until or not counts[name]:
            go(name, counts, until)
        sys.stdout.write(f"{counts[name]:>9,} {name}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{counts.total():>9,} inputs in all: none got through\n")
    return 0


def go(name: str, counts: Counter[str], until: float) -> None:
    """Attack one target with up to `_GO` fresh inputs. Whatever gets through is raised."""
    target = TARGETS[name]

    @settings(
        max_examples=_GO,
        derandomize=False,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def attack(hostile: object) -> None:
        if time.monotonic() < until or not counts[name]:
            counts[name] += 1
            target.attack(hostile)

    attack()


if __name__ == "__main__":
    raise SystemExit(main())
