"""The segments that ship: who comes in and who leaves, by what happens and by time alone.

Each row is a life: what happens on which day, and on which days the person is in the segment afterwards.
"""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Person, PreferencesTold, TraitsTold, View
from rekindle.domain.profile import Touch
from rekindle.flow.program import Tier
from tests.support.build import ADA, T0, TEA, at, checkout, consent, engaged, event, order, playbook
from tests.support.shipped import segments
from tests.support.story import EMPTY, Story

JOIN = consent(T0)
LEAVE = [consent(at(days=9), "unsubscribed")]
#: What the flow `sunset` decides.
GIVEN_UP = [replace(told, data=replace(told.data, source="sunset")) for told in [consent(at(days=9), "suppressed")]]


def buys(*days: float, total: str = "19.00", codes: tuple[str, ...] = ()) -> list[Event]:
    """Return an order on each of these days, of two packets of tea (p1, category Tea)."""
    return [bought(day, Decimal(total), codes) for day in days]


def bought(day: float, total: Decimal, codes: tuple[str, ...]) -> Event:
    token = f"c{day}"
    told = order(at(days=day), id=f"o{day}", codes=codes, who=replace(ADA, cart_token=token, checkout_token=f"k{day}"))
    line = replace(TEA, kind="Tea")
    return replace(told, id=f"order/{day}", data=replace(told.data, total=total, items=(line,)))


def returned(day: float) -> list[Event]:
    """Return that the order of this day is cancelled, twenty days later."""
    (placed,) = buys(day)
    off = replace(placed.data, status="cancelled", updated_at=at(days=day + 20), cancelled_at=at(days=day + 20))
    return [event("order.cancelled", off, at(days=day + 20))]


def left(day: float, *, paying: bool = True) -> list[Event]:
    """Return a basket that is left on this day, at the checkout or before it."""
    who = ADA if paying else replace(ADA, checkout_token=None)
    told = checkout(at(days=day), who=who)
    return [told if paying else replace(told, type="cart.updated", id=f"cart/{day}")]


def emptied(day: float, *, paying: bool = True) -> list[Event]:
    told = checkout(at(days=day), who=ADA if paying else replace(ADA, checkout_token=None), items=())
    return [replace(told, id=f"emptied/{day}")]


def looks(*days: float, kind: str = "Tea") -> list[Event]:
    return [
        event("product.viewed", View(id="p1", at=at(days=day), kind=kind), at(days=day), id=f"view/{day}")
        for day in days
    ]


def tells(day: float, **traits: Any) -> list[Event]:
    """Return what somebody says of themselves on this day; `None` takes it back."""
    return [event("traits.changed", TraitsTold(at=at(days=day), values=traits), at(days=day), id=f"traits/{day}")]


def lives(day: float, **where: str) -> list[Event]:
    """Return that the shop hears on this day where they live or what they speak."""
    told = consent(at(days=day), id=f"lives/{day}")
    return [replace(told, person=Person(**where))]


def speaks(day: float, language: str) -> list[Event]:
    return [event("preferences.changed", PreferencesTold(at=at(days=day), language=language), at(days=day))]


def opens(number: int, day: float, act: str = "opened") -> list[Event]:
    return [engaged(f"email.{act}", f"m{number}", at(days=day), EMPTY)]


#: Segment → lives: what happens, the days on which they are in it and those on which they are not, and the shop.
LIVES: dict[str, list[tuple[list[Event], str, dict[str, Any]]]] = {
    "prospects": [
        ([JOIN, *buys(5)], "1 in, 6 out", {}),
        ([JOIN, *LEAVE], "1 in, 10 out", {}),
        (buys(5), "1 out, 6 out", {}),
    ],
    "first-time-customers": [
        ([JOIN, *buys(5)], "4 out, 6 in, 64 in, 66 out", {}),
        ([JOIN, *buys(5, 20)], "6 in, 21 out", {}),
    ],
    "lapsed": [
        ([JOIN, *buys(5)], "64 out, 66 in, 700 in", {}),
        ([JOIN, *buys(5, 80)], "66 in, 81 out, 139 out, 141 in", {}),
        ([JOIN, *buys(5)], "94 out, 96 in", {"cycle_days": 45}),
        # Whoever orders every ten days is missed after twenty; whoever orders once a year is not after sixty.
        ([JOIN, *buys(0, 10, 20)], "39 out, 41 in", {}),
        ([JOIN, *buys(0, 300, 600)], "690 out, 989 out, 991 in", {}),
        ([JOIN, *buys(5), *opens(1, 40, "clicked")], "66 out, 99 out, 101 in", {}),
        ([JOIN, *buys(5), *[replace(LEAVE[0], id="x", occurred_at=at(days=70), received_at=at(days=70),
            data=replace(LEAVE[0].data, at=at(days=70)))]], "66 in, 71 out", {}),
    ],
    "loyal": [
        ([JOIN, *buys(0, 10, 20)], "19 out, 21 in, 39 in, 41 out", {}),
        ([JOIN, *buys(0, 10, 20), *returned(10)], "21 in, 31 out", {}),
        ([JOIN, *buys(0, 10, 20)], "21 out", {"values": {"loyal_orders": 4}}),
        ([JOIN, *buys(0, total="300")], "1 in, 61 out", {"tiers": (Tier(name="gold", spent=Decimal(300)),)}),
    ],
    "vip": [
        ([JOIN, *buys(0, 10, total="260")], "9 out, 11 in, 374 in, 376 out", {}),
        ([JOIN, *buys(0, 10, total="260"), *returned(10)], "11 in, 31 out", {}),
        ([JOIN, *buys(0, 10, total="260")], "11 out", {"values": {"vip_line": 800}}),
    ],
    "cart-abandoners": [
        (left(1), "1 out, 1.05 in, 30 in, 32 out", {}),
        ([*left(1), *emptied(3)], "2 in, 4 out", {}),
        ([*left(1), order(at(days=3))], "2 in, 4 out", {}),
    ],
    "left-in-the-cart": [
        (left(1, paying=False), "1 out, 1.05 in, 32 out", {}),
        ([*left(1, paying=False), *left(3)], "2 in, 4 out", {}),
    ],
    "left-at-the-checkout": [
        (left(1), "1 out, 1.05 in, 32 out", {}),
        ([*left(1), order(at(days=3))], "2 in, 4 out", {}),
        (left(1, paying=False), "2 out", {}),
    ],
    "left-lately": [(left(1), "1 out, 1.05 in, 3.9 in, 4.1 out", {}), ([*left(1), *emptied(2)], "1.5 in, 2.1 out", {})],
    "engaged": [
        ([JOIN, *opens(1, 5, "clicked")], "4 out, 6 in, 94 in, 96 out", {}),
        ([JOIN, *opens(1, 5), *opens(2, 7)], "6 out, 8 in, 66 in, 68 out", {}),
        ([JOIN, *opens(1, 5, "clicked"), *LEAVE], "6 in, 10 out", {}),
    ],
    "unengaged": [
        ([JOIN], "1 in", {}),
        ([JOIN, *opens(3, 5)], "4 in, 6 out", {}),
        ([JOIN, *buys(1)], "2 out, 90 out, 92 in", {}),
        ([JOIN, *LEAVE], "8 in, 10 out", {}),
    ],
    "silent": [
        ([JOIN, *buys(1)], "2 out, 150 out, 152 in", {}),
        ([JOIN, *buys(1), *opens(3, 160)], "152 in, 161 out", {}),
        ([JOIN, *buys(1), *LEAVE], "152 out", {}),
        ([JOIN, *buys(1)], "152 out, 180 out, 182 in", {"cycle_days": 45}),
    ],
    "sunset": [
        ([JOIN, *GIVEN_UP], "8 out, 10 in", {}),
        ([JOIN, *GIVEN_UP, consent(at(days=20))], "10 in, 21 out", {}),
        ([JOIN, *LEAVE], "10 out", {}),
    ],
    "active-browsers": [
        (looks(1, 2, 3), "2.5 out, 3.1 in, 7.9 in, 8.1 out", {}),
        (looks(1, 6, 9), "9.1 out", {}),
    ],
    "viewed-not-bought": [
        ([JOIN, *looks(1, 2, 3, 4, 5, 6)], "5.5 out, 6.1 in, 30.9 in, 31.1 out, 36.1 in, 64.1 out", {}),
        ([JOIN, *looks(1, 2, 3, 4, 5, 6), *buys(8)], "7 in, 9 out", {}),
        ([JOIN, *looks(1, 2, 3)], "4 out, 32.9 out, 33.1 in, 60.9 in, 61.1 out", {}),
    ],
    "price-sensitive": [
        (buys(1, 2, codes=("TEN",)), "1.5 out, 2.1 in", {}),
        ([*buys(1, 2, codes=("TEN",)), *buys(3, 4, 5)], "4.1 in, 5.1 out", {}),
    ],
    "home-country": [
        ([*lives(1, country="NL"), *lives(3, country="GB")], "0 out, 2 in, 4 out", {"values": {"home_country": "NL"}}),
        (lives(1, country="NL"), "2 out", {}),
    ],
    "abroad": [
        ([*lives(1, country="GB"), *lives(3, country="NL")], "0 out, 2 in, 4 out", {"values": {"home_country": "NL"}}),
        (lives(1, country="GB"), "2 out", {}),
    ],
    "in-town": [
        ([*lives(1, city="Zeist"), *lives(3, city="Leiden")], "0 out, 2 in, 4 out", {"values": {"towns": ("Zeist",)}}),
        (lives(1, city="Zeist"), "2 out", {}),
    ],
    "language-ar": [([*lives(1, locale="ar-EG"), *speaks(3, "en")], "0 out, 2 in, 4 out", {})],
    "language-en": [([*lives(1, locale="en-GB"), *speaks(3, "ar")], "0 out, 2 in, 4 out", {})],
    "language-zh": [([*lives(1, locale="zh-Hant-TW"), *speaks(3, "ar")], "0 out, 2 in, 4 out", {})],
    "women": [([*tells(1, gender="Female"), *tells(3, gender=None)], "0 out, 2 in, 4 out", {})],
    "men": [([*tells(1, gender="man"), *tells(3, gender="woman")], "0 out, 2 in, 4 out", {})],
    "younger": [
        ([*tells(1, birthday="1998-05-04"), *tells(3, birthday="1988-05-04")], "0 out, 2 in, 4 out", {}),
        (tells(1, birthday="--05-04"), "2 out", {}),
        (tells(1, birthday="1991-05-04"), "2 out", {"values": {"younger_since": 1997}}),
    ],
    "interested": [
        (
            [*tells(1, interests=("Teaware",)), *tells(3, interests=("Tea",))],
            "0 out, 2 in, 4 out",
            {"values": {"topic_of_interest": "Teaware"}},
        ),
        (looks(1, kind="Teaware"), "0 out, 2 in", {"values": {"topic_of_interest": "Teaware"}}),
        (looks(1, kind="Teaware"), "2 out", {}),
    ],
    "product-buyers": [([*buys(1), *returned(1)], "0 out, 2 in, 22 out", {"values": {"product": "p1"}})],
    "category-buyers": [
        (buys(1), "0 out, 2 in, 365 in, 367 out", {"values": {"category": "Tea"}}),
        ([*buys(1), *returned(1)], "2 in, 22 out", {"values": {"category": "Tea"}}),
    ],
}  # fmt: skip
ROWS = [(name, *life) for name, lived in LIVES.items() for life in lived]
#: Mails that were sent before the stories begin, the first the oldest: nobody has opened any.
TOUCHES = tuple(Touch(at(days=number - 9), f"m{number}", "email") for number in range(5))


def checks(said: str) -> list[tuple[float, bool]]:
    """Return the days that are looked at, each with whether the person is in the segment then."""
    return [(float(day), where == "in") for day, where in (each.split() for each in said.split(", "))]


def membership(name: str, told: list[Event], days: list[float], shop: dict[str, Any]) -> list[bool]:
    """Return whether the person is in the segment on each of these days, the clock alone ringing in between."""
    story = Story(playbook(segments=segments(), **shop), replace(EMPTY, touches=TOUCHES))
    found = []
    for day in days:
        due = [each for each in told if each.received_at <= at(days=day)]
        told = told[len(due) :]
        story.tell(*due).until(at(days=day))
        found.append(name in story.profile.segments)
    assert [rule for what, rule in story.said if what == "error"] == []
    return found


@pytest.mark.parametrize(("name", "told", "said", "shop"), ROWS, ids=[f"{row[0]}: {row[2]}" for row in ROWS])
def test_people_are_in_a_segment_for_as_long_as_it_is_true(
    name: str, told: list[Event], said: str, shop: dict[str, Any]
) -> None:
    days = [day for day, _ in checks(said)]
    assert membership(name, sorted(told, key=lambda each: each.received_at), days, shop) == [
        inside for _, inside in checks(said)
    ]


def test_each_has_a_life_in_which_somebody_comes_and_one_in_which_they_leave() -> None:
    assert LIVES.keys() == segments().keys()
    for name, lived in LIVES.items():
        said = " ".join(row[1] for row in lived)
        assert " in" in said, name
        assert any("in," in row[1] and "out" in row[1].partition("in,")[2] for row in lived), name


def test_where_time_is_asked_time_alone_moves_somebody() -> None:
    """Between the two days on which they are in and out, or out and in, nothing happens."""
    for name, lived in LIVES.items():
        if re.search(r"'\d+[dh]'", segments()[name]):
            assert any(moved_by_time(told, said) for told, said, _ in lived), name


def moved_by_time(told: list[Event], said: str) -> bool:
    seen = checks(said)
    return any(
        one[1] != two[1] and not any(at(days=one[0]) < each.received_at <= at(days=two[0]) for each in told)
        for one, two in pairwise(seen)
    )


def test_nobody_of_whom_nothing_is_known_is_in_any() -> None:
    """And nothing goes wrong in working that out, whether the shop has named its own lines or not."""
    story = Story(playbook(segments=segments())).tell(event("customer.updated", buys(1)[0].data, T0))
    assert [rule for what, rule in story.said if what == "error"] == []
