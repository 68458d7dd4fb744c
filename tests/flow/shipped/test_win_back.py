"""Customers who have been silent: the flow that ships, played from its file."""

from __future__ import annotations

from rekindle.domain.events import Event
from tests.support.build import T0, at, consent, order
from tests.support.shipped import NO, capsules, plays


def names(told: list[Event]) -> list[str]:
    return [name for name, _ in plays("win-back", told, at(days=250))]


def test_from_what_is_new_to_the_last_question() -> None:
    mails = plays("win-back", [consent(T0), order(at(hours=1))], at(days=250))
    assert [(name, (when - T0).days) for name, when in mails] == [
        ("win-back-1", 60), ("win-back-2", 90), ("win-back-2", 120), ("stay-or-leave", 134),
    ]  # fmt: skip


def test_whoever_has_a_rhythm_of_their_own_is_missed_by_it() -> None:
    told = [consent(T0), *(capsules(at(days=day), 1, f"o{day}") for day in (0, 10, 20))]
    assert [(name, (when - T0).days) for name, when in plays("win-back", told, at(days=250))] == [
        ("win-back-1", 40), ("win-back-2", 50), ("win-back-2", 60), ("stay-or-leave", 74),
    ]  # fmt: skip
    told = [consent(T0), capsules(at(hours=1), 1)]
    assert [(when - T0).days for _, when in plays("win-back", told, at(days=250), cycle_days=45)] == [90, 135, 180, 194]


def test_an_order_ends_it() -> None:
    told = [consent(T0), capsules(at(hours=1), 1), capsules(at(days=70), 1, "o2")]
    assert [(when - T0).days for _, when in plays("win-back", told, at(days=129))] == [60]


def test_who_never_bought_or_said_no_is_not_won_back() -> None:
    assert names([consent(T0)]) == []
    assert names([NO, order(at(hours=1))]) == []
