"""Cross-sell: the flow that ships, played from its file."""

from __future__ import annotations

from rekindle.domain.events import Event
from tests.support.build import T0, at, consent, order
from tests.support.shipped import NO, capsules, plays

BEFORE = [consent(T0), capsules(at(hours=1), 1, "o0")]


def shown(*told: Event) -> list[tuple[str, object]]:
    return [(name, when - T0) for name, when in plays("cross-sell", [*BEFORE, *told])]


def test_a_day_after_the_order_what_goes_with_it_and_two_days_later_once_more() -> None:
    assert plays("cross-sell", [*BEFORE, order(at(days=9))]) == [
        ("complements-1", at(days=10)),
        ("complements-2", at(days=12)),
    ]


def test_who_took_something_is_left_to_the_request_for_a_review() -> None:
    told = [*BEFORE, order(at(days=9)), capsules(at(days=11), 1, "o2")]
    mails = plays("cross-sell", told)
    assert mails[0] == ("complements-1", at(days=10))
    # What they took is an order of its own, with something that goes well with it.
    assert [name for name, _ in mails[1:]] == ["complements-1", "complements-2"]
    assert mails[1][1] == at(days=12)


def test_first_orders_have_a_series_of_their_own() -> None:
    assert plays("cross-sell", [consent(T0), order(at(days=1))]) == []


def test_a_cancelled_order_ends_it_and_without_consent_nothing_goes() -> None:
    gone = order(at(days=9, hours=9), placed_at=at(days=9), status="cancelled", cancelled_at=at(days=9, hours=9))
    assert plays("cross-sell", [*BEFORE, order(at(days=9)), gone]) == []
    assert plays("cross-sell", [NO, BEFORE[1], order(at(days=9))]) == []
