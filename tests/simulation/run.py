"""Running worlds: one by its seed or plan, the references with every fault, and as many as there is time for."""

from __future__ import annotations

import base64
import gc
import itertools
import logging
import math
import random
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tests.simulation import serial
from tests.simulation.check import Unexpected, Violation
from tests.simulation.faults import CALL_FAULTS, ROAD_FAULTS
from tests.simulation.schedule import STEP_BACK, Choice, Seeded, Told, all_faults, rates_of
from tests.simulation.story import REFERENCES, Story, random_story
from tests.simulation.world import Simulation, shortcuts

#: Of so many worlds in a row the story is the same. In the first nothing goes wrong: with what is known in its end the
#: others are compared.
_VARIANTS = 9
#: So often every fault meets every place before the rest of the single faults has its turn.
_EARLY = 3
#: Worlds are undone when they are over; what is left of so many (a cycle in an exception's traceback) is collected.
_COLLECTED = 20_000
_loggers = [
    logging.getLogger(f"rekindle.service.{name}")
    for name in ("journey", "deliver", "feedback", "guard", "catalogue", "mint", "tracks", "reconcile")
]


class Plan(Struct, frozen=True, array_like=True):
    """All that there is to a world: what happens outside, and every choice that is not the plain one."""

    story: Story
    choices: tuple[Choice, ...] = ()

    @property
    def token(self) -> str:
        """The plan as one word."""
        return base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(self), 9)).decode()

    @staticmethod
    def of(token: str) -> Plan:
        """Return the plan that this word is."""
        return msgspec.json.decode(zlib.decompress(base64.urlsafe_b64decode(token)), type=Plan)


class Result(Struct, frozen=True):
    """What came of one world."""

    plan: Plan
    violations: tuple[Violation, ...]
    passed: dict[str, int]
    exercised: dict[tuple[str, str], int]
    trace: tuple[str, ...] = ()


_in_place: list[Unexpected] = []
_run_here = itertools.count(1)


@contextmanager
def running() -> Iterator[Unexpected]:
    """Have everything in place that worlds need. Errors that services log go to the checks, and nowhere else.

    Nothing is collected while a world lives: it is undone as a whole when it is over (`Simulation.close`). Who is
    running already goes on with what is in place: to begin to collect again costs as much as a hundred worlds.
    """
    if _in_place:
        yield _in_place[0]
        return
    unexpected = Unexpected()
    collecting = gc.isenabled()
    gc.disable()
    before = [(logger, logger.propagate) for logger in _loggers]
    for logger in _loggers:
        logger.addHandler(unexpected)
        logger.propagate = False
    _in_place.append(unexpected)
    try:
        with shortcuts():
            yield unexpected
    finally:
        _in_place.clear()
        gc.unfreeze()
        if collecting:
            gc.enable()
        for logger, propagate in before:
            logger.removeHandler(unexpected)
            logger.propagate = propagate


def run(story: Story, choices: Told, unexpected: Unexpected, *, trace: bool = False) -> Result:
    """Run one world to its end, compare it with its replays, and return what was wrong."""
    simulation = Simulation(story, choices, trace=trace)
    watch = unexpected.watch = simulation.watch
    simulation.run()
    if not watch.violations and not watch.erased:
        for profile_id, (found, wanted) in serial.in_commit_order(simulation).items():
            watch.wrong(
                "profiles equal a replay in the order of the commits",
                f"{profile_id}: {serial.difference(found, wanted)}",
            )
        if choices.taken and not any(happening.what == "moves" for happening in story.happenings):
            expected, accepted = _plain_facts(story)
            known = serial.facts(simulation)
            if frozenset(watch.accepted) == accepted and known != expected:
                watch.wrong("what is known does not depend on what went wrong", serial.unlike(known, expected))
    if not choices.may and not watch.violations:
        _remember(story, simulation)
    result = Result(
        Plan(story, tuple(choices.taken)),
        tuple(watch.violations),
        choices.passed,
        dict(simulation.exercised),
        tuple(simulation.trace or ()),
    )
    unexpected.watch = None
    simulation.close()
    return result


#: What is known in the end where nothing goes wrong, and what was accepted there.
_Facts = tuple[dict[str, dict[str, Any]], frozenset[str]]
#: By their stories, the oldest first; so many are kept.
_plain: dict[bytes, _Facts] = {}
_KEPT = 64


def _remember(story: Story, simulation: Simulation) -> _Facts:
    """Keep what is known at the end of a world in which nothing went wrong."""
    known = serial.facts(simulation), frozenset(simulation.watch.accepted)
    if len(_plain) >= _KEPT:
        del _plain[next(iter(_plain))]
    _plain[msgspec.json.encode(story)] = known
    return known


def _plain_facts(story: Story) -> _Facts:
    known = _plain.get(msgspec.json.encode(story))
    if known is None:
        simulation = Simulation(story, Told())
        simulation.run()
        known = _remember(story, simulation)
        simulation.close()
    return known


def run_plan(plan: Plan, unexpected: Unexpected, *, trace: bool = False) -> Result:
    """Run exactly this world."""
    return run(plan.story, Told(plan.choices), unexpected, trace=trace)


@lru_cache(maxsize=64)
def _story(number: int) -> Story:
    return random_story(random.Random(number))  # noqa: S311 - to be repeated


def run_seed(seed: int, unexpected: Unexpected) -> Result:
    """Run the world of this seed."""
    story = _story(seed // _VARIANTS)
    if not seed % _VARIANTS:
        return run(story, Told(), unexpected)
    dice = random.Random(f"{seed} choices")  # noqa: S311
    return run(story, Seeded(dice, rates_of(dice)), unexpected)


def one_fault_plans(names: Iterable[str] = tuple(REFERENCES)) -> Iterator[Plan]:
    """Yield, for each of these reference worlds, every plan with one fault or one turn."""
    for name in names:
        story = REFERENCES[name]
        for choice in faults_of(story):
            yield Plan(story, (choice,))


@lru_cache(maxsize=1)
def singles(parts: int) -> tuple[tuple[Plan, ...], ...]:
    """Return all one-fault plans in so many parts, each with some of every reference world.

    In the first part every fault meets every place, `_EARLY` times where it can: what is seldom possible does not wait.
    """
    met: Counter[tuple[str, str]] = Counter()
    first: list[Plan] = []
    rest: list[Plan] = []
    for plan in one_fault_plans():
        (choice,) = plan.choices
        met[choice.place, choice.kind] += 1
        (first if met[choice.place, choice.kind] <= _EARLY else rest).append(plan)
    return tuple(first), *(tuple(rest[part :: parts - 1]) for part in range(parts - 1))


def two_fault_plans(names: Iterable[str] = tuple(REFERENCES), *, every: int = 1, first: int = 0) -> Iterator[Plan]:
    """Yield, for each of these reference worlds, the plans with two faults; of each `every` the `first` one only."""
    for name in names:
        story = REFERENCES[name]
        pairs = itertools.combinations(faults_of(story), 2)
        for one, two in itertools.islice(pairs, first, None, every):
            if (one.place, one.count) != (two.place, two.count):
                yield Plan(story, (one, two))


@lru_cache(maxsize=64)
def _faults_in(story: bytes) -> tuple[Choice, ...]:
    simulation = Simulation(msgspec.json.decode(story, type=Story), Told())
    simulation.run()
    return tuple(all_faults(simulation.choices.passed))


def faults_of(story: Story) -> tuple[Choice, ...]:
    """Return every fault and every turn that a story has a place for."""
    return _faults_in(msgspec.json.encode(story))


# --- many worlds -----------------------------------------------------------------------------------------------------


class Tally(Struct):
    """What many worlds have shown."""

    worlds: int = 0
    seconds: float = 0.0
    """of processor time, all processes together"""
    calls: int = 0
    exercised: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    failed: list[Plan] = msgspec.field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one more."""
        self.worlds += 1
        self.calls += sum(result.passed.values())
        self.exercised.update(result.exercised)
        if result.violations:
            self.failed.append(result.plan)

    def join(self, other: Tally) -> None:
        """Count another's."""
        self.worlds += other.worlds
        self.seconds += other.seconds
        self.calls += other.calls
        self.exercised.update(other.exercised)
        self.failed += other.failed

    def text(self, took: float) -> str:
        """Return it for people. `took` is how many seconds went by on the wall."""
        kinds: Counter[str] = Counter()
        for (_, kind), times in self.exercised.items():
            kinds[kind] += times
        rate, cores = self.worlds / (self.seconds or 1), self.seconds / (took or 1)
        never = [f"{place} {kind}" for place, kind in sorted(every_fault()) if not self.exercised[place, kind]]
        return "\n".join(
            [
                f"{self.worlds:,} worlds, {self.calls:,} port calls and roads passed",
                f"{rate:,.0f} worlds a second of one core's processor time",
                f"{self.worlds / (took or 1):,.0f} worlds a second in {took:,.0f} s, which had {cores:.1f} cores",
                "faults: " + ", ".join(f"{kind} {times:,}" for kind, times in kinds.most_common()),
                f"exercised {len(every_fault()) - len(never)} of {len(every_fault())} pairs of place and fault",
                *(["never: " + ", ".join(never)] if never else []),
                f"{len(self.failed)} failed",
            ]
        )


def every_fault() -> set[tuple[str, str]]:
    """Return every pair of a place and what can go wrong there."""
    return {(place, kind) for place, kinds in {**CALL_FAULTS, **ROAD_FAULTS}.items() for kind in kinds} | {
        (place, STEP_BACK) for place in CALL_FAULTS
    }


class Until(Struct, frozen=True):
    """When to stop: at a moment by the clock on the wall, the same for all processes, or after so many worlds."""

    moment: float = math.inf
    worlds: int = sys.maxsize

    @staticmethod
    def after(seconds: float) -> Until:
        """Return the moment that comes so much later."""
        return Until(time.monotonic() + seconds)

    def without(self, done: int) -> Until:
        """Return what is left when so many worlds are done."""
        return replace(self, worlds=self.worlds - done)

    @property
    def come(self) -> bool:
        """Whether it has come."""
        return self.worlds <= 0 or time.monotonic() >= self.moment


NEVER = Until()


def tally(results: Callable[[Unexpected], Iterable[Result]], *, until: Until = NEVER) -> Tally:
    """Run worlds until there are no more, one fails, or it is time to stop."""
    total, begun = Tally(), time.process_time()
    with running() as unexpected:
        for result in itertools.islice(results(unexpected), until.worlds):
            total.add(result)
            if not next(_run_here) % _COLLECTED:
                gc.collect()
                # What is remembered from world to world need not be looked through again.
                gc.freeze()
            if total.failed or until.come:
                break
    total.seconds = time.process_time() - begun
    return total


def run_seeds(first: int, count: int, until: Until = NEVER) -> Tally:
    """Run the worlds of these seeds."""
    return tally(lambda unexpected: (run_seed(seed, unexpected) for seed in range(first, first + count)), until=until)


def run_plans(plans: Iterable[Plan], until: Until = NEVER) -> Tally:
    """Run these worlds."""
    return tally(lambda unexpected: (run_plan(plan, unexpected) for plan in plans), until=until)


def run_pairs(name: str, first: int, every: int, until: Until = NEVER) -> Tally:
    """Run the two-fault plans of a reference world, of each `every` the `first` one."""
    return run_plans(two_fault_plans((name,), every=every, first=first), until)


def explain(plan: Plan) -> str:
    """Return the smallest world that fails as this one does: what is wrong, what happened, and how to run it again."""
    from tests.simulation.shrink import shrink

    with running() as unexpected:
        found = run_plan(plan, unexpected)
        if not found.violations:
            return "nothing is wrong with this world"
        clause = found.violations[0].clause

        def fails(candidate: Plan) -> bool:
            return clause in {violation.clause for violation in run_plan(candidate, unexpected).violations}

        smallest = shrink(plan, fails)
        shown = run_plan(smallest, unexpected, trace=True)
    return "\n".join(
        [
            *(str(violation) for violation in shown.violations),
            "",
            *(str(happening) for happening in smallest.story.happenings),
            *(str(choice) for choice in smallest.choices),
            "",
            *shown.trace,
            "",
            f"again: python -m tests.simulation --replay {smallest.token}",
        ]
    )
