"""Looked and not bought: the flow that ships, played from its file."""

from __future__ import annotations

from rekindle.domain.events import Event
from tests.support.build import T0, at, cart, order
from tests.support.shipped import NO, joined, plays, viewed


def looks(*days: float) -> list[Event]:
    return [viewed(at(days=day), f"p{number}") for number, day in enumerate(days)]


def mailed(*told: Event, until: float = 200) -> list[int]:
    return [
        (when - T0).days for name, when in plays("viewed-not-bought", told, at(days=until)) if name == "viewed-offer"
    ]


def test_six_looks_are_one_mail_the_next_morning() -> None:
    told = [joined(T0), *looks(1, 1.1, 2, 3, 4, 4.5)]
    assert plays("viewed-not-bought", told, at(days=20)) == [("viewed-offer", at(days=5))]


def test_a_few_looks_and_then_silence_are_one_too() -> None:
    assert mailed(joined(T0), *looks(1, 2, 3)) == [33]


def test_once_a_quarter_at_most() -> None:
    told = [joined(T0), *looks(1, 1.1, 2, 3, 4, 4.5), *looks(60, 60.1, 60.2, 60.3, 60.4, 60.5)]
    assert mailed(*told, until=90) == [5]
    assert mailed(*told, *looks(120, 120.1, 120.2, 120.3, 120.4, 120.5), until=130) == [5, 120]


def test_nothing_goes_to_who_bought_has_a_basket_or_said_no() -> None:
    often = looks(1, 1.1, 2, 3, 4, 4.5)
    assert mailed(joined(T0), order(at(days=0.5)), *often, until=30) == []
    assert mailed(joined(T0), *often, order(at(days=4.6)), until=30) == []
    assert mailed(joined(T0), *often, cart(at(days=4.6)), until=30) == []
    assert mailed(NO, *often) == []
