"""First-time customers: the flow that ships, played from its file."""

from __future__ import annotations

from tests.support.build import T0, at, consent, order
from tests.support.shipped import NO, capsules, plays


def test_a_thank_you_a_word_on_its_use_and_a_reason_to_come_back() -> None:
    assert plays("second-order", [consent(T0), order(at(hours=1))]) == [
        ("second-order-1", at(days=1, hours=1)),
        ("second-order-2", at(days=10, hours=1)),
        ("second-order-3", at(days=24, hours=1)),
    ]


def test_the_second_order_ends_it_and_starts_nothing() -> None:
    told = [consent(T0), capsules(at(hours=1), 1), capsules(at(days=3), 1, "o2")]
    assert plays("second-order", told) == [("second-order-1", at(days=1, hours=1))]


def test_a_cancelled_order_ends_it() -> None:
    gone = order(at(hours=9), placed_at=at(hours=1), status="cancelled", cancelled_at=at(hours=9))
    assert plays("second-order", [consent(T0), order(at(hours=1)), gone]) == []


def test_without_consent_nothing_goes() -> None:
    assert plays("second-order", [NO, order(at(hours=1))]) == []
