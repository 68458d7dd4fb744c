"""The flows that ship, played from their files: the happy path, the exit, and the case in which nothing goes.

`test_scenarios.py` shows what the language can say; this shows what a shop gets on the day that it installs Rekindle.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Consent, Item, Refund, Shipment, View
from rekindle.flow.definition import parse_flow, parse_segment
from rekindle.flow.program import Flow
from tests.support.build import ADA, T0, at, cart, consent, event, order, playbook
from tests.support.story import Story

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FLOWS, SEGMENTS = TEMPLATES / "flows", TEMPLATES / "segments"
NO = consent(T0, "unsubscribed")
LATER = at(days=30)
VALUES = {"consumable": "supplements", "days_each": 1}


@cache
def shipped(name: str) -> Flow:
    """Return a flow of templates/flows."""
    file = FLOWS / f"{name}.yaml"
    flow, problems = parse_flow(file.read_text("utf-8"), file=file.name)
    assert flow is not None, problems
    return flow


@cache
def segments() -> dict[str, str]:
    """Return name → expression of templates/segments."""
    found = {}
    for file in SEGMENTS.glob("*.yaml"):
        segment, problems = parse_segment(file.read_text("utf-8"), file=file.name)
        assert segment is not None, problems
        found[segment.name] = segment.when
    return found


def plays(name: str, told: Iterable[Event], until: datetime = LATER, **shop: Any) -> list[tuple[str, datetime]]:
    """Return the messages that somebody gets to whom this happens in a shop in which only this flow is on."""
    return Story(playbook(shipped(name), segments=segments(), **shop)).tell(*told).until(until).mails


def joined(when: datetime, source: str = "form") -> Event:
    act = Consent(channel="email", state="subscribed", at=when, source=source, address=ADA.email)
    return event("consent.changed", act, when, id=f"joined/{when}")


def viewed(when: datetime, product: str = "p1", seconds: int = 90) -> Event:
    return event("product.viewed", View(id=product, at=when, seconds=seconds), when, id=f"view/{product}/{when}")


def capsules(when: datetime, count: int, number: str = "o1") -> Event:
    line = Item(title="Capsules", quantity=count, product_id="p9", kind="supplements", price=Decimal("0.30"))
    placed = order(when, id=number, who=replace(ADA, cart_token=f"c-{number}", checkout_token=f"k-{number}"))
    return replace(placed, data=replace(placed.data, items=(line,)))


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


class TestWelcome:
    def test_three_mails_at_once_after_a_day_and_after_three(self) -> None:
        assert plays("welcome", [joined(T0)]) == [
            ("welcome-1", T0), ("welcome-2", at(days=1)), ("welcome-3", at(days=3)),
        ]  # fmt: skip

    def test_the_first_order_ends_it(self) -> None:
        assert plays("welcome", [joined(T0), order(at(hours=5))]) == [("welcome-1", T0)]

    @pytest.mark.parametrize("told", [[joined(T0, "import")], [NO], [order(T0), joined(at(days=1))]])
    def test_who_was_imported_said_no_or_is_a_customer_gets_none(self, told: list[Event]) -> None:
        assert plays("welcome", told) == []

    def test_who_signs_up_again_is_not_welcomed_again(self) -> None:
        told = [joined(T0), consent(at(days=5), "unsubscribed"), joined(at(days=9))]
        assert len(plays("welcome", told)) == 3


class TestBrowseAbandonment:
    def test_two_mails_after_a_good_look(self) -> None:
        assert plays("browse-abandonment", [joined(T0), viewed(at(hours=1))]) == [
            ("browse-1", at(hours=3)), ("browse-2", at(hours=25)),
        ]  # fmt: skip

    def test_the_last_good_look_counts(self) -> None:
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
    def test_nothing_goes(self, told: list[Event]) -> None:
        assert plays("browse-abandonment", told) == []

    def test_not_more_often_than_every_two_weeks(self) -> None:
        told = [joined(T0), viewed(at(hours=1)), viewed(at(days=5)), viewed(at(days=16))]
        assert [name for name, _ in plays("browse-abandonment", told)] == ["browse-1", "browse-2"] * 2


class TestSecondOrder:
    def test_a_thank_you_a_word_on_its_use_and_a_reason_to_come_back(self) -> None:
        assert plays("second-order", [consent(T0), order(at(hours=1))]) == [
            ("second-order-1", at(days=1, hours=1)),
            ("second-order-2", at(days=10, hours=1)),
            ("second-order-3", at(days=24, hours=1)),
        ]

    def test_the_second_order_ends_it_and_starts_nothing(self) -> None:
        told = [consent(T0), capsules(at(hours=1), 1), capsules(at(days=3), 1, "o2")]
        assert plays("second-order", told) == [("second-order-1", at(days=1, hours=1))]

    def test_a_cancelled_order_ends_it(self) -> None:
        gone = order(at(hours=9), placed_at=at(hours=1), status="cancelled", cancelled_at=at(hours=9))
        assert plays("second-order", [consent(T0), order(at(hours=1)), gone]) == []

    def test_without_consent_nothing_goes(self) -> None:
        assert plays("second-order", [NO, order(at(hours=1))]) == []


class TestRunningLow:
    def test_a_hundred_capsules_at_one_a_day_are_told_of_at_ten_after_day_92(self) -> None:
        """Less five days of shipping and three of grace; at ten on their own clock, which shows summer time by then."""
        (mail,) = plays("running-low", [consent(T0), capsules(at(hours=1), 100)], at(days=200), values=VALUES)
        assert mail == ("running-low", datetime(2026, 6, 3, 8, tzinfo=UTC))

    def test_who_ordered_again_is_told_of_the_new_ones(self) -> None:
        told = [consent(T0), capsules(at(hours=1), 30), capsules(at(days=20), 100, "o2")]
        (mail,) = plays("running-low", told, at(days=200), values=VALUES)
        assert mail[1] > at(days=111)

    def test_what_is_not_used_up_is_not_told_of(self) -> None:
        assert plays("running-low", [consent(T0), order(at(hours=1))], at(days=200), values=VALUES) == []


class TestWinBack:
    def names(self, told: list[Event]) -> list[str]:
        return [name for name, _ in plays("win-back", told, at(days=250))]

    def test_from_what_is_new_to_the_last_question(self) -> None:
        mails = plays("win-back", [consent(T0), order(at(hours=1))], at(days=250))
        assert [(name, (when - T0).days) for name, when in mails] == [
            ("win-back-1", 60), ("win-back-2", 90), ("win-back-2", 120), ("stay-or-leave", 134),
        ]  # fmt: skip

    def test_an_order_ends_it(self) -> None:
        told = [consent(T0), capsules(at(hours=1), 1), capsules(at(days=70), 1, "o2")]
        assert [(when - T0).days for _, when in plays("win-back", told, at(days=129))] == [60]

    def test_who_never_bought_or_said_no_is_not_won_back(self) -> None:
        assert self.names([consent(T0)]) == []
        assert self.names([NO, order(at(hours=1))]) == []
