"""News of parcels: the flow that ships, played from its file."""

from __future__ import annotations

import pytest

from rekindle.domain.events import Who
from tests.support.build import T0, at, order
from tests.support.shipped import NO, parcel, plays


def test_each_change_is_told_once_without_any_consent() -> None:
    told = [
        NO, order(T0), parcel("fulfilled", at(hours=2)), parcel("in_transit", at(days=1)),
        parcel("in_transit", at(days=1, hours=5)), parcel("out_for_delivery", at(days=2)),
        parcel("delivered", at(days=2, hours=4)),
    ]  # fmt: skip
    assert plays("parcel-news", told) == [
        ("parcel", moment) for moment in (at(hours=2), at(days=1), at(days=2), at(days=2, hours=4))
    ]


def test_two_parcels_of_one_order_are_two() -> None:
    told = [order(T0), parcel("fulfilled", at(hours=2)), parcel("fulfilled", at(hours=3), "s2")]
    assert len(plays("parcel-news", told)) == 2


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
def test_what_is_no_news_is_not_told(status: str) -> None:
    assert plays("parcel-news", [order(T0), parcel(status, at(hours=2))]) == []


def test_what_is_heard_of_days_later_is_no_news_either() -> None:
    late = parcel("delivered", at(days=1), received_at=at(days=4))
    assert plays("parcel-news", [order(T0), late]) == []


def test_who_has_no_address_gets_nothing() -> None:
    told = [parcel("fulfilled", at(hours=2), who=Who(phone="+31201234567"))]
    assert plays("parcel-news", told) == []
