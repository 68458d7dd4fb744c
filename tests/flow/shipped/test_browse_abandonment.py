"""Products looked at and left: the flow that ships, played from its file."""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.domain.events import Event
from rekindle.domain.facts import View
from tests.support.build import T0, at, cart, event, order
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


def test_what_was_looked_at_once_and_left_for_something_else_is_not_brought_up() -> None:
    """Twice it is, however short the second look; and so is the last thing that was looked at."""
    good, other = viewed(at(hours=1)), viewed(at(hours=1.5), "p2", seconds=9)
    assert plays("browse-abandonment", [joined(T0), good, other]) == []
    twice = [joined(T0), viewed(at(minutes=30), seconds=5), good, other]
    assert [name for name, _ in plays("browse-abandonment", twice)] == ["browse-1", "browse-2"]


def test_a_page_that_stays_open_is_one_look() -> None:
    """Told again as it lasts longer; only what was really looked at counts as time."""

    def told(minutes: int, seconds: int) -> Event:
        look = View(id="p1", at=at(hours=1), seconds=seconds, look="l1")
        return event("product.viewed", look, at(hours=1, minutes=minutes), id=f"l1/{minutes}")

    other = viewed(at(hours=1.9), "p2", seconds=9)
    assert plays("browse-abandonment", [joined(T0), told(0, 20), told(30, 59)]) == []
    assert plays("browse-abandonment", [joined(T0), told(0, 20), told(30, 90), other]) == []
    assert next(name for name, _ in plays("browse-abandonment", [joined(T0), told(0, 20), told(30, 90)])) == "browse-1"


def test_who_left_is_on_the_ads_audience_until_they_order() -> None:
    shop: dict[str, Any] = {"channels": ("audience",), "audiences": {"browsers": "23850000000000000"}}
    told = [joined(T0), viewed(at(hours=1))]
    names = [name for name, _ in plays("browse-abandonment", [*told, order(at(days=20))], **shop)]
    assert names == ["browsers", "browse-1", "browse-2", "browsers"]
    assert [name for name, _ in plays("browse-abandonment", told)] == ["browse-1", "browse-2"]


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
