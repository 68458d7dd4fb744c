"""Cancellations and refunds: the flow that ships, played from its file."""

from __future__ import annotations

from tests.support.build import T0, at, order
from tests.support.shipped import NO, plays, refund


def test_a_cancelled_order_is_told_once_without_any_consent() -> None:
    gone = order(at(days=1), placed_at=T0, status="cancelled", cancelled_at=at(days=1))
    assert plays("order-cancelled", [NO, order(T0), gone]) == [("order-cancelled", at(days=1))]


def test_each_refund_is_told_with_its_own_mail() -> None:
    told = [NO, order(T0), refund("5.00", at(days=1)), refund("13.00", at(days=2))]
    assert plays("order-cancelled", told) == [("order-refunded", at(days=1)), ("order-refunded", at(days=2))]


def test_goods_that_come_back_without_money_say_nothing() -> None:
    assert plays("order-cancelled", [order(T0), refund("0", at(days=1))]) == []


def test_an_order_that_stands_says_nothing() -> None:
    assert plays("order-cancelled", [order(T0)]) == []
