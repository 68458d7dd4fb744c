"""The welcome series: the flow that ships, played from its file."""

from __future__ import annotations

import pytest

from rekindle.domain.events import Event
from tests.support.build import T0, at, consent, order
from tests.support.shipped import NO, joined, plays


def test_three_mails_at_once_after_a_day_and_after_three() -> None:
    assert plays("welcome", [joined(T0)]) == [
        ("welcome-1", T0), ("welcome-2", at(days=1)), ("welcome-3", at(days=3)),
    ]  # fmt: skip


def test_the_first_order_ends_it() -> None:
    assert plays("welcome", [joined(T0), order(at(hours=5))]) == [("welcome-1", T0)]


@pytest.mark.parametrize("told", [[joined(T0, "import")], [NO], [order(T0), joined(at(days=1))]])
def test_who_was_imported_said_no_or_is_a_customer_gets_none(told: list[Event]) -> None:
    assert plays("welcome", told) == []


def test_who_signs_up_again_is_not_welcomed_again() -> None:
    told = [joined(T0), consent(at(days=5), "unsubscribed"), joined(at(days=9))]
    assert len(plays("welcome", told)) == 3
