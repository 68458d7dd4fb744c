"""Nothing lost, nothing twice (DESIGN §6), whatever goes wrong: reference worlds with every fault, and random ones."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain

import pytest
from msgspec.structs import replace

from rekindle.domain.outcome import Outcome
from rekindle.domain.profile import Profile, encode_profile
from rekindle.flow.engine import advance
from tests.simulation import world
from tests.simulation.faults import CALL_FAULTS, NOT_SIMULATED
from tests.simulation.run import (
    Plan,
    Tally,
    explain,
    one_fault_plans,
    run_plan,
    run_plans,
    run_seed,
    run_seeds,
    running,
    singles,
    two_fault_plans,
)
from tests.simulation.schedule import Choice, Told
from tests.simulation.shrink import shrink
from tests.simulation.story import REFERENCES, SHOP, T0, Happening, books, events
from tests.simulation.world import ByIdentity, RememberedAdvance, Simulation, port_calls

#: Of the two-fault plans of a reference world, `make test` runs every so manieth; `make test-long` goes through all.
EVERY = 1201
SEEDS = 150


def assert_right(tally: Tally) -> None:
    """Fail with the shortest trace of the first world that failed."""
    assert not tally.failed, explain(tally.failed[0])
    assert tally.worlds


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_world_goes_as_planned(name: str) -> None:
    assert_right(run_plans([Plan(REFERENCES[name])]))


@pytest.mark.parametrize(
    ("name", "mails"),
    [
        ("pass", ["confirmation", "hello", "hello", "hello"]),
        ("campaign", ["letter"] * 3),
        ("own hour", ["own"] * 2),
        ("paused campaign", ["letter"] * 2),
        ("cancelled campaign", ["letter"] * 2),
    ],
)
def test_what_is_published_in_a_world_reaches_people(name: str, mails: list[str]) -> None:
    """A publish that failed for ever would leave every clause on campaigns true of nobody."""
    with running():
        simulation = Simulation(REFERENCES[name], Told())
        simulation.run()
    assert simulation.watch.violations == []
    assert sorted(sent.mail.subject for sent in simulation.world.inbox) == mails


def test_what_fails_by_itself_is_found_wherever_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("as nobody told")

    with running():
        monkeypatch.setattr(world, "publish", broken)
        simulation = Simulation(REFERENCES["campaign"], Told())
        simulation.run()
    assert [violation.clause for violation in simulation.watch.violations] == ["nothing fails by itself"]


@pytest.mark.parametrize("name", REFERENCES)
def test_every_single_fault(name: str) -> None:
    assert_right(run_plans(one_fault_plans((name,))))


def test_a_long_run_leaves_no_single_fault_out_and_begins_with_each_of_them() -> None:
    def faults(plans: Iterable[Plan]) -> set[tuple[str, str]]:
        return {(choice.place, choice.kind) for plan in plans for choice in plan.choices}

    parts, every = singles(5), list(one_fault_plans())
    assert sorted(plan.token for plan in chain(*parts)) == sorted(plan.token for plan in every)
    assert faults(parts[0]) == faults(every)
    assert len(parts[0]) < len(every) / 5


@pytest.mark.parametrize("name", REFERENCES)
def test_a_share_of_all_pairs_of_faults(name: str) -> None:
    assert_right(run_plans(two_fault_plans((name,), every=EVERY)))


@pytest.mark.parametrize("first", range(0, 4 * SEEDS, SEEDS))
def test_random_worlds(first: int) -> None:
    assert_right(run_seeds(first, SEEDS))


def test_a_world_is_its_plan() -> None:
    """What a seed chose, told again, gives the same world, call by call; and its token is the plan."""
    with running() as unexpected:
        plans = [run_seed(seed, unexpected).plan for seed in range(40)]
        assert any(plan.choices for plan in plans)
        for plan in plans:
            one = run_plan(plan, unexpected, trace=True)
            two = run_plan(Plan.of(plan.token), unexpected, trace=True)
            assert one.plan == plan
            assert one.trace == two.trace


def test_what_is_remembered_of_advance_is_computed_afresh_now_and_then() -> None:
    """So a hidden state in it could not hide behind the memory."""
    now, profile, event = T0, Profile(id="p", shop=SHOP), events(Happening(at=0, what="subscribes", who="ada"))[0]
    ages = iter(range(100))

    def impure(profile: Profile, *_: object) -> Outcome:
        return Outcome(replace(profile, version=next(ages)), (), ())

    for compute, wrong in ((advance, False), (impure, True)):
        remembered = RememberedAdvance(compute, afresh=3)
        first = remembered(profile, event, books()[0], now)
        assert all(remembered(profile, event, books()[0], now) is first for _ in range(2))
        with pytest.raises(AssertionError) if wrong else nullcontext():
            assert remembered(profile, event, books()[0], now) is first


def test_what_is_known_again_by_identity_is_never_taken_for_another() -> None:
    """Most of these are gone when the next comes, and leave their place in memory to it."""
    encoded = ByIdentity(encode_profile)
    for number in range(5_000):
        profile = Profile(id=str(number), shop=SHOP)
        assert encoded(profile) == encode_profile(profile) == encoded(profile)


def test_a_world_that_is_over_leaves_nothing_to_collect() -> None:
    """Nor a worker that died, or an error that was raised: to collect what worlds leave took one in twenty of them."""
    with running() as unexpected:
        for _ in range(2):
            gc.collect()
            for name in ("two people", "click", "gone"):
                run_plan(Plan(REFERENCES[name]), unexpected)
            run_plan(Plan(REFERENCES["cart"], (Choice("mailer.send", 1, "crash_after"),)), unexpected)
        assert gc.collect() == 0


def test_shrinking_leaves_only_what_is_needed() -> None:
    story = REFERENCES["merge"]
    wanted = Choice("state.commit", 2, "lost")
    choices = (*(Choice("state.work", count, "throttle") for count in range(1, 9)), wanted)

    def fails(plan: Plan) -> bool:
        said = {happening.what for happening in plan.story.happenings}
        return wanted in plan.choices and {"account", "order"} <= said

    smallest = shrink(Plan(story, choices), fails)
    assert smallest.choices == (wanted,)
    assert [happening.what for happening in smallest.story.happenings] == ["account", "order"]
    assert smallest.story.habits == {}


def test_every_port_call_can_fail() -> None:
    """A new call of a port belongs to `CALL_FAULTS`, or to what is left out, with the reason."""
    calls = port_calls() | {"queues.look_again"}
    assert calls <= {*CALL_FAULTS, *NOT_SIMULATED}
    assert calls >= set(CALL_FAULTS)
