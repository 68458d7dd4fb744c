"""A flow as a graph: what no file can say, but a stored flow could, and how long its ways are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.flow.graph import MAX_STEPS, doubts, faults
from rekindle.flow.program import Arm, Branch, Exit, Flow, Repeat, Rule, Send, Split, Step, Wait, WaitFor, Way

DAY = 86_400


def flow(*steps: Step, first: str | None = "a", timeout: int = 30 * DAY) -> Flow:
    return Flow(
        name="f",
        triggers=(Rule(event="order.placed"),),
        first=first,
        steps={step.id: step for step in steps},
        timeout=timeout,
    )


def wait(name: str, after: str | None = None, days: int = 1) -> Wait:
    return Wait(id=name, seconds=days * DAY, next=after)


def mail(name: str, after: str | None = None) -> Send:
    return Send(id=name, channel="email", template="x", category="marketing", valid_seconds=DAY, next=after)


@pytest.mark.parametrize(
    ("broken", "step", "words"),
    [
        (flow(mail("a", "gone")), "a", "leads to 'gone', which is not there"),
        (flow(Branch(id="a", arms=(), otherwise="gone")), "a", "leads to 'gone'"),
        (flow(Split(id="a", ways=(Way("x", 1, "gone"), Way("y", 1)))), "a", "leads to 'gone'"),
        (flow(Repeat(id="a", times=2, body="gone")), "a", "leads to 'gone'"),
        (flow(mail("a"), first="gone"), None, "begins with the step 'gone'"),
        (flow(mail("a", "b"), mail("b", "a")), "a", "in a circle without end"),
        (flow(mail("a", "b"), Branch(id="b", arms=(Arm("x"),), otherwise="b")), "b", "in a circle without end"),
        (flow(mail("a", "r"), Repeat(id="r", times=2, body="b", next="a"), mail("b", "r")), "a", "in a circle"),
        (flow(mail("a"), mail("b", "c"), mail("c")), "b", "never reached"),
        (flow(Exit(id="a"), mail("b")), "b", "never reached"),
        (flow(Repeat(id="a", times=2, body="b"), mail("b")), "a", "no round ever ends"),
        (flow(*(mail(f"{n}", f"{n + 1}") for n in range(MAX_STEPS)), mail(f"{MAX_STEPS}"), first="0"), None, "steps"),
        (
            flow(
                Repeat(id="a", times=100, body="b"),
                Repeat(id="b", times=20, body="c", next="a"),
                mail("c", "b"),
            ),
            None,
            "add up to more than",
        ),
    ],
)
def test_what_leads_nowhere_or_never_ends_is_found(broken: Flow, step: str | None, words: str) -> None:
    """Once each, at the step where it shows."""
    (fault,) = faults(broken)
    assert fault.step == step
    assert words in fault.message


def test_a_step_that_lies_about_its_name_is_found() -> None:
    lying = Flow(name="f", triggers=(), first="a", steps={"a": mail("b")})
    assert [fault.message for fault in faults(lying)] == ["the step 'a' calls itself 'b'"]


@pytest.mark.parametrize(
    ("steps", "needed"),
    [
        ((wait("a", "m", 10), mail("m")), 10),
        # the longer way of two decides
        ((WaitFor(id="a", event="x", seconds=7 * DAY, then="m", otherwise="b"), wait("b", "m", 2), mail("m")), 9),
        # all rounds of a repeat come before what follows it …
        ((Repeat(id="a", times=3, body="b", next="m"), mail("c", "a"), wait("b", "c", 4), mail("m")), 12),
        # … and its last round after those before, also within another
        (
            (
                Repeat(id="a", times=2, body="b"),
                Repeat(id="b", times=2, body="c", next="a"),
                wait("c", "m"),
                mail("m", "b"),
            ),
            4,
        ),
        # a wait at the end is for nobody but the goal
        ((mail("a", "b"), wait("b", None, 29)), 0),
        # how long an expression waits is not known
        ((Wait(id="a", seconds=DAY, amount="profile.orders", next="m"), mail("m")), 0),
    ],
)
def test_the_timeout_must_be_longer_than_the_longest_way(steps: tuple[Step, ...], needed: int) -> None:
    """To the day: with one second more there is time enough."""
    assert faults(flow(*steps, timeout=needed * DAY + 1)) == ()
    if needed:
        (fault,) = faults(flow(*steps, timeout=needed * DAY))
        assert "timeout" in fault.message


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 60))
def test_a_row_of_waits_fits_exactly_when_its_sum_does(days: list[int], timeout: int) -> None:
    """The last step is a mail, which must be reached before the run is ended."""
    steps = [wait(f"w{n}", f"w{n + 1}", count) for n, count in enumerate(days)]
    found = faults(flow(*steps, mail(f"w{len(days)}"), first="w0", timeout=timeout * DAY))
    assert bool(found) is (sum(days) >= timeout)


def test_a_repeat_may_stand_in_a_repeat() -> None:
    nested = flow(
        Repeat(id="a", times=2, body="b", next="z"),
        Repeat(id="b", times=2, body="c", next="a"),
        mail("c", "d"),
        wait("d", "b"),
        mail("z"),
    )
    assert faults(nested) == ()


def test_a_wait_for_with_one_way_on_is_a_doubt() -> None:
    both = flow(WaitFor(id="a", event="order.paid", seconds=DAY, then="m", otherwise="m"), mail("m"))
    assert faults(both) == ()
    assert [doubt.step for doubt in doubts(both)] == ["a"]
