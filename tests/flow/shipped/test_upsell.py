"""Better ones of the same kind while the choice is still open: the flow that ships, played from its file."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from tests.domain.test_absorb_push import told as pushed
from tests.support.build import T0, at, checkout, engaged, order, playbook
from tests.support.shipped import NO, joined, plays, segments, shipped, viewed
from tests.support.story import EMPTY, Story

BROWSER = Who(browser_id="b1")


def test_ten_minutes_after_a_good_look_and_a_reminder_a_day_later() -> None:
    """Every further look sets the clock back, until the mail has gone."""
    told = [joined(T0), viewed(at(hours=1)), viewed(at(hours=1, minutes=5), "p2"), viewed(at(hours=2), "p3")]
    assert plays("upsell", told) == [("upsell", at(hours=1, minutes=15)), ("browse-2", at(days=1, hours=1, minutes=15))]


def test_what_lies_in_the_basket_counts_too() -> None:
    """Nothing was looked at there, so nobody is reminded of it."""
    assert plays("upsell", [joined(T0), checkout(at(hours=1))]) == [("upsell", at(hours=1, minutes=10))]


def test_who_looked_at_what_was_offered_is_not_reminded() -> None:
    story = Story(playbook(shipped("upsell"), segments=segments())).tell(joined(T0), viewed(at(hours=1)))
    story.until(at(hours=2)).tell(engaged("email.clicked", story.messages[0], at(hours=2), EMPTY)).until(at(days=9))
    assert [name for name, _ in story.mails] == ["upsell"]


def test_of_whom_no_address_is_known_the_browser_is_told() -> None:
    told = [
        pushed("push.subscribed", T0),
        replace(viewed(at(hours=1)), who=BROWSER, signed=False),
    ]
    assert plays("upsell", told, channels=("email", "push")) == [("upsell", at(hours=1, minutes=10))]
    assert plays("upsell", told[1:], channels=("email", "push")) == []


@pytest.mark.parametrize(
    "told",
    [
        [NO, viewed(at(hours=1))],
        [joined(T0), viewed(at(hours=1), seconds=59)],
        [joined(T0), viewed(at(hours=1)), order(at(hours=1, minutes=5))],
        [joined(T0), order(at(minutes=5)), viewed(at(hours=1), "p1")],
    ],
    ids=["no consent", "a glance", "bought", "owned already"],
)
def test_nobody_is_advised_who_need_not_be(told: list[Event]) -> None:
    assert plays("upsell", told) == []
