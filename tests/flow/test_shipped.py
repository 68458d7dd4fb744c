"""The flows that ship, played from their files: the happy path, the exit, and the case in which nothing goes.

`test_scenarios.py` shows what the language can say; this shows what a shop gets on the day that it installs Rekindle.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Refund, Shipment
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Flow
from tests.support.build import T0, at, consent, event, order, playbook
from tests.support.story import Story

FLOWS = Path(__file__).resolve().parents[2] / "templates" / "flows"
NO = consent(T0, "unsubscribed")
LATER = at(days=30)


@cache
def shipped(name: str) -> Flow:
    """Return a flow of templates/flows."""
    file = FLOWS / f"{name}.yaml"
    flow, problems = parse_flow(file.read_text("utf-8"), file=file.name)
    assert flow is not None, problems
    return flow


def plays(name: str, told: Iterable[Event], until: datetime = LATER) -> list[tuple[str, datetime]]:
    """Return the messages that somebody gets to whom this happens in a shop in which only this flow is on."""
    return Story(playbook(shipped(name))).tell(*told).until(until).mails


def parcel(status: Any, when: datetime, number: str = "s1", **more: Any) -> Event:
    fact = Shipment(id=number, order_id="o1", updated_at=when, status=status)
    return replace(event("shipment.updated", fact, when, id=f"{number}/{status}/{when}"), **more)


def refund(amount: str, when: datetime) -> Event:
    return event("order.refunded", Refund(id=f"r{when}", order_id="o1", at=when, amount=Decimal(amount)), when)


@pytest.mark.parametrize("name", sorted(file.stem for file in FLOWS.glob("*.yaml")))
def test_a_flow_is_off_until_a_shop_switches_it_on(name: str) -> None:
    assert not shipped(name).enabled


class TestParcelNews:
    def test_each_change_is_told_once_without_any_consent(self) -> None:
        told = [
            NO, order(T0), parcel("fulfilled", at(hours=2)), parcel("in_transit", at(days=1)),
            parcel("in_transit", at(days=1, hours=5)), parcel("out_for_delivery", at(days=2)),
            parcel("delivered", at(days=2, hours=4)),
        ]  # fmt: skip
        assert plays("parcel-news", told) == [
            ("parcel", moment) for moment in (at(hours=2), at(days=1), at(days=2), at(days=2, hours=4))
        ]

    def test_two_parcels_of_one_order_are_two(self) -> None:
        told = [order(T0), parcel("fulfilled", at(hours=2)), parcel("fulfilled", at(hours=3), "s2")]
        assert len(plays("parcel-news", told)) == 2

    @pytest.mark.parametrize("status", ["confirmed", "cancelled"])
    def test_what_is_no_news_is_not_told(self, status: str) -> None:
        assert plays("parcel-news", [order(T0), parcel(status, at(hours=2))]) == []

    def test_what_is_heard_of_days_later_is_no_news_either(self) -> None:
        late = parcel("delivered", at(days=1), received_at=at(days=4))
        assert plays("parcel-news", [order(T0), late]) == []

    def test_who_has_no_address_gets_nothing(self) -> None:
        told = [parcel("fulfilled", at(hours=2), who=Who(phone="+31201234567"))]
        assert plays("parcel-news", told) == []


class TestOrderCancelled:
    def test_a_cancelled_order_is_told_once_without_any_consent(self) -> None:
        gone = order(at(days=1), placed_at=T0, status="cancelled", cancelled_at=at(days=1))
        assert plays("order-cancelled", [NO, order(T0), gone]) == [("order-cancelled", at(days=1))]

    def test_each_refund_is_told_with_its_own_mail(self) -> None:
        told = [NO, order(T0), refund("5.00", at(days=1)), refund("13.00", at(days=2))]
        assert plays("order-cancelled", told) == [("order-refunded", at(days=1)), ("order-refunded", at(days=2))]

    def test_goods_that_come_back_without_money_say_nothing(self) -> None:
        assert plays("order-cancelled", [order(T0), refund("0", at(days=1))]) == []

    def test_an_order_that_stands_says_nothing(self) -> None:
        assert plays("order-cancelled", [order(T0)]) == []
