"""`python -m tests.simulation`: run worlds for as long as told, or one world again. See README.md."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from tests.simulation.run import (
    Plan,
    Tally,
    Until,
    explain,
    run_pairs,
    run_plan,
    run_plans,
    run_seed,
    run_seeds,
    running,
    singles,
)
from tests.simulation.story import REFERENCES

_CHUNK = 400
#: Single faults come in so many parts, and after each a portion of seeds: so none of them waits for all the others.
_SINGLES = 16
#: After so many chunks of seeds comes one part of the pairs.
_TURNS = 3
#: The two-fault plans of a reference world are run in so many parts.
_PARTS = 211


def main() -> int:
    """Do what the command line says; return 1 when a world failed."""
    options = _options()
    if options.replay:
        return _replay(_read(options.replay))
    if options.world is not None:
        with running() as unexpected:
            plan = run_seed(options.world, unexpected).plan
        return _replay(plan)
    begun = time.monotonic()
    if options.worlds:
        total = _run_alone(options.seed, Until(worlds=options.worlds))
    else:
        total = _run(options.seed, Until.after(options.seconds), options.jobs)
    _say(total.text(time.monotonic() - begun))
    for plan in total.failed[:1]:
        _say("\n" + (_violations(plan) if options.brief else explain(plan)))
    return 1 if total.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=60, help="how long to run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="on how many cores")
    parser.add_argument("--worlds", type=int, help="on one core, for no more than so many worlds, the same everywhere")
    parser.add_argument("--brief", action="store_true", help="say only what is wrong with a world that failed")
    parser.add_argument("--replay", help="run the world of this token, or of this file, again and show its trace")
    parser.add_argument("--world", type=int, help="run the world of this seed and show its trace")
    return parser.parse_args()


def _read(token: str) -> Plan:
    file = Path(token) if len(token) < 200 else None
    return Plan.of(file.read_text(encoding="utf-8").strip() if file is not None and file.exists() else token)


def _violations(plan: Plan) -> str:
    with running() as unexpected:
        return "\n".join(str(violation) for violation in run_plan(plan, unexpected).violations)


def _replay(plan: Plan) -> int:
    with running() as unexpected:
        result = run_plan(plan, unexpected, trace=True)
    if result.violations:
        _say(explain(plan))
        return 1
    _say("\n".join([*result.trace, "", "nothing is wrong with this world"]))
    return 0


def _work(seed: int) -> Iterator[tuple[str, int, int]]:
    """Yield what is to be run, in its order: seeds by turns with single faults, then with pairs of them, for ever."""
    for turn in itertools.count():
        if turn < _SINGLES:
            yield "singles", turn, _SINGLES
        yield "seeds", seed + turn * _CHUNK, _CHUNK
        part = (turn - _SINGLES) // _TURNS
        if turn >= _SINGLES and turn % _TURNS == _TURNS - 1 and part < _PARTS * len(REFERENCES):
            yield "pairs", part, _PARTS


def do(kind: str, first: int, count: int, until: Until) -> Tally:
    """Run one portion of work, or as much of it as `until` lets."""
    if kind == "singles":
        plain = [Plan(story) for story in REFERENCES.values()] if not first else []
        return run_plans(itertools.chain(plain, singles(count)[first]), until)
    if kind == "seeds":
        return run_seeds(first, count, until)
    names = list(REFERENCES)
    return run_pairs(names[first % len(names)], first // len(names), count, until)


_staying = ExitStack()


def _stay() -> None:
    """Have everything in place as long as this process lives, not for one portion of work."""
    _staying.enter_context(running())


def _run_alone(seed: int, until: Until) -> Tally:
    """Run worlds in this process until it is time to stop or one fails."""
    total, work = Tally(), _work(seed)
    with running():
        while not ((left := until.without(total.worlds)).come or total.failed):
            total.join(do(*next(work), left))
    return total


def _run(seed: int, until: Until, jobs: int) -> Tally:
    """Run worlds on so many cores until the time is up or one fails."""
    if jobs == 1:
        return _run_alone(seed, until)
    total, work = Tally(), _work(seed)
    begun = shown = time.monotonic()
    with ProcessPoolExecutor(jobs, initializer=_stay) as pool:
        busy: set[Future[Tally]] = set()
        while not (until.come or total.failed):
            while len(busy) < jobs + 1:
                busy.add(pool.submit(do, *next(work), until))
            done, busy = wait(busy, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                total.join(future.result())
            shown = _progress(begun, shown, total)
        for future in busy:
            future.cancel()
        for future in busy:
            if not future.cancelled():
                total.join(future.result())
    return total


def _progress(begun: float, shown: float, total: Tally) -> float:
    """Say how far it has come, once a second to a terminal and once a minute to a file; return when it last did."""
    now, terminal = time.monotonic(), sys.stderr.isatty()
    if now - shown < (1 if terminal else 60):
        return shown
    line = f"{now - begun:6.0f} s  {total.worlds:>10,} worlds, {len(total.failed)} failed"
    sys.stderr.write(f"\r{line} " if terminal else f"{line}\n")
    return now


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
