"""How do they like it: the two flows about reviews that ship, played from their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Review
from tests.support.build import T0, TEA, at, consent, event, order, playbook
from tests.support.shipped import NO, parcel, plays, refund, segments, shipped
from tests.support.story import Story

UNTIL = at(days=60)


def sent(when: datetime, kind: str = "tea") -> Event:
    """Return an order that is on its way, of goods of this kind."""
    told = order(when, fulfilled_at=when)
    return replace(told, data=replace(told.data, items=(replace(TEA, kind=kind),)))


def rated(stars: int, when: datetime, order_id: str | None = "o1") -> Event:
    return event("review.submitted", Review(rating=stars, at=when, order_id=order_id), when, id=f"r{stars}{when}")


def days(told: list[Event], **shop: Any) -> list[tuple[str, int]]:
    return [(name, (when - T0).days) for name, when in plays("review-request", told, UNTIL, **shop)]


@dataclass
class Case:
    told: list[Event]
    days: tuple[int, int]
    shop: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        Case([sent(at(hours=1)), parcel("delivered", at(days=3))], (13, 18), {}),
        Case([sent(at(hours=1))], (18, 23), {}),
        Case([sent(at(hours=1), "furniture"), parcel("delivered", at(days=3))], (24, 29), {}),
        Case([sent(at(hours=1), "bikes"), parcel("delivered", at(days=3))], (24, 29), {"hard_goods": ("bikes",)}),
    ],
    ids=["soft goods", "no word of the parcel", "hard goods", "the shop's own hard goods"],
)
def test_asked_when_it_has_been_used_and_reminded_once(case: Case) -> None:
    first, second = case.days
    assert days([consent(T0), *case.told], values=case.shop) == [("review-request", first), ("review-reminder", second)]


def test_a_review_ends_it() -> None:
    told = [consent(T0), sent(at(hours=1)), parcel("delivered", at(days=3))]
    assert days([*told, rated(5, at(days=14))]) == [("review-request", 13)]
    assert days([*told, rated(5, at(days=8))]) == []


def test_what_went_back_is_not_asked_about() -> None:
    told = [consent(T0), sent(at(hours=1)), parcel("delivered", at(days=3))]
    assert days([*told, refund("19.00", at(days=9))]) == []


def test_who_said_no_or_has_just_reviewed_is_not_asked() -> None:
    assert days([NO, sent(at(hours=1)), parcel("delivered", at(days=3))]) == []
    assert days([consent(T0), rated(4, at(minutes=30), "o0"), sent(at(hours=1)), parcel("delivered", at(days=3))]) == []


def unhappy(*told: Event) -> Story:
    book = playbook(shipped("unhappy-review"), segments=segments(), notify="team@tea.example")
    return Story(book).tell(*told).until(UNTIL)


def test_who_is_unhappy_hears_from_the_shop_and_the_shop_of_them_once_an_order() -> None:
    """Also somebody who has agreed to no marketing: it answers what they said."""
    story = unhappy(NO, order(at(hours=1)), rated(2, at(days=9)), rated(1, at(days=10)))
    assert [name for name, _ in story.mails] == ["unhappy-customer", "make-it-right"]
    assert [planned.to for planned in story.profile.planned.values()] == ["shop", "person"]


def test_who_is_happy_is_left_alone() -> None:
    assert unhappy(consent(T0), order(at(hours=1)), rated(3, at(days=9)), rated(5, at(days=10))).mails == []
