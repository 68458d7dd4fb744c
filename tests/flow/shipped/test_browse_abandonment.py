"""Products looked at and left: the flow that ships, played from its file."""

from __future__ import annotations

import pytest

from rekindle.domain.events import Event
from tests.support.build import T0, at, cart, order
from tests.support.shipped import NO, joined, plays, viewed


def test_two_mails_after_a_good_look() -> None:
    assert plays("browse-abandonment", [joined(T0), viewed(at(hours=1))]) == [
        ("browse-1", at(hours=3)), ("browse-2", at(hours=25)),
    ]  # fmt: skip


def test_whoever_signs_up_within_two_hours_of_the_look_gets_it_too() -> None:
    assert plays("browse-abandonment", [viewed(T0), joined(at(hours=1))])[0] == ("browse-1", at(hours=2))
    assert plays("browse-abandonment", [viewed(T0)]) == [], "a visitor has no address"


def test_the_last_good_look_counts() -> None:
    told = [joined(T0), viewed(at(hours=1)), viewed(at(hours=2), "p2")]
    assert plays("browse-abandonment", told)[0] == ("browse-1", at(hours=4))


@pytest.mark.parametrize(
    "told",
    [
        [joined(T0), viewed(at(hours=1), seconds=59)],
        [NO, viewed(at(hours=1))],
        [joined(T0), viewed(at(hours=1)), cart(at(hours=2))],
        [joined(T0), viewed(at(hours=1)), order(at(hours=2))],
    ],
    ids=["a glance", "no consent", "a basket", "an order"],
)
def test_nothing_goes(told: list[Event]) -> None:
    assert plays("browse-abandonment", told) == []


def test_not_more_often_than_every_two_weeks() -> None:
    told = [joined(T0), viewed(at(hours=1)), viewed(at(days=5)), viewed(at(days=16))]
    assert [name for name, _ in plays("browse-abandonment", told)] == ["browse-1", "browse-2"] * 2
