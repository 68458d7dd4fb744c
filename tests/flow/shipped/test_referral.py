"""Friends who send friends: the three flows that ship, played from their files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Coupon, Referral, Review
from rekindle.domain.offers import Offer
from rekindle.domain.profile import Profile
from tests.support.build import ADA, T0, at, consent, event, order, playbook
from tests.support.shipped import NO, segments, shipped
from tests.support.story import EMPTY, Story

FRIENDS = Offer(name="friend", kind="unique", prefix="FRIEND", friends=True)
BOUGHT = [consent(T0), order(at(hours=1))]


def rated(stars: int, when: datetime) -> Event:
    return event("review.submitted", Review(rating=stars, at=when, order_id="o1"), when, id=f"r{stars}{when}")


def made(when: datetime) -> Event:
    return event("referral.made", Referral(order_id="o8", at=when, friend="bea"), when)


def plays(name: str, *told: Event, start: Profile = EMPTY, **shop: Any) -> Story:
    """Return a shop that gives the code for friends, and what happens to somebody in it."""
    book = playbook(shipped(name), segments=segments(), gives=[FRIENDS], offers={"friend": True}, **shop)
    return Story(book, start).tell(*told).until(at(days=40))


def names(story: Story) -> list[tuple[str, int]]:
    return [(name, (when - T0).days) for name, when in story.mails]


def test_who_is_happy_is_asked_and_reminded_once_with_the_same_code() -> None:
    story = plays("referral", *BOUGHT, rated(5, at(days=9)))
    assert names(story) == [("referral-invite", 10), ("referral-reminder", 24)]
    assert {planned.offer for planned in story.profile.planned.values()} == {"friend"}


def test_who_has_become_loyal_is_asked() -> None:
    whose = [(day, replace(ADA, cart_token=f"c{day}", checkout_token=f"k{day}")) for day in (5, 9)]
    own = [order(at(days=day), id=f"o{day}", who=who) for day, who in whose]
    assert names(plays("referral", *BOUGHT, *own))[:1] == [("referral-invite", 10)]


def test_a_friends_order_ends_it() -> None:
    assert names(plays("referral", *BOUGHT, rated(5, at(days=9)), made(at(days=15)))) == [("referral-invite", 10)]


@pytest.mark.parametrize(
    "told",
    [
        [*BOUGHT, rated(3, at(days=9))],
        [NO, order(at(hours=1)), rated(5, at(days=9))],
        [consent(T0), rated(5, at(days=9))],
    ],
    ids=["not happy", "said no", "no customer"],
)
def test_who_is_not_happy_has_said_no_or_bought_nothing_is_not_asked(told: list[Event]) -> None:
    assert names(plays("referral", *told)) == []


def test_whoever_sent_a_friend_is_thanked_and_credited_once_a_friend() -> None:
    story = plays("referral-reward", *BOUGHT, made(at(days=15)), values={"referral_credit": 8})
    assert names(story) == [("referral-reward", 15)]
    assert story.profile.traits["referral_credit"].value == 8
    assert names(plays("referral-reward", *BOUGHT, made(at(days=15)), made(at(days=20)))) == [("referral-reward", 15)]
    assert names(plays("referral-reward", NO, made(at(days=15)))) == []


def test_the_friend_is_welcomed_after_the_first_order() -> None:
    sent = order(at(hours=1))
    sent = replace(sent, data=replace(sent.data, referrer="ada"))
    assert names(plays("referred-friend", consent(T0), sent)) == [("referral-friend", 3)]
    assert names(plays("referred-friend", consent(T0), order(at(hours=1)))) == []
    assert names(plays("referred-friend", NO, sent)) == []


def test_a_code_that_was_issued_is_kept_for_the_page() -> None:
    issued = event("coupon.issued", Coupon(code="FRIEND-1", at=at(days=1), offer="friend", friends=True), at(days=1))
    assert [given.code for given in plays("referral", *BOUGHT, issued).profile.coupons] == ["FRIEND-1"]
