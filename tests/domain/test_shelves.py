"""What recommendations are made of: heat that cools, what is bought together, and shelves of a bounded size."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain.facts import Product
from rekindle.domain.shelves import (
    BESIDE,
    BEST,
    BEST_HALF_LIFE,
    NEW,
    SHELF,
    Near,
    Shelf,
    Spot,
    available,
    better,
    counted,
    decode_near,
    decode_shelf,
    kind_shelf,
    ranked,
    shelved,
    similar,
    together,
    warmer,
)

T0 = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def worth(heat: float, at: datetime, half_life: timedelta = BEST_HALF_LIFE) -> float:
    """Return the sum that a heat stands for, at a moment."""
    return float(2 ** (heat - at.timestamp() / half_life.total_seconds()))


def test_a_sale_counts_half_after_its_half_life() -> None:
    heat = warmer(None, T0, BEST_HALF_LIFE)
    assert worth(heat, T0) == pytest.approx(1, rel=1e-5)
    assert worth(heat, T0 + BEST_HALF_LIFE) == pytest.approx(0.5, rel=1e-5)
    again = warmer(heat, T0 + BEST_HALF_LIFE, BEST_HALF_LIFE)
    assert worth(again, T0 + BEST_HALF_LIFE) == pytest.approx(1.5, rel=1e-5)
    assert worth(warmer(again, T0, BEST_HALF_LIFE, 0.5), T0 + BEST_HALF_LIFE) == pytest.approx(1.75, rel=1e-5)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_sales_count_the_same_in_any_order(days: list[int]) -> None:
    """However late an order is heard of: it is the sum of all, each cooled by its age."""
    heat = None
    for day in days:
        heat = warmer(heat, T0 + day * DAY, BEST_HALF_LIFE)
    assert heat is not None
    now = T0 + 3000 * DAY
    assert worth(heat, now) == pytest.approx(sum(0.5 ** ((3000 - day) / 30) for day in days), rel=1e-4)


def after(*orders: tuple[str, ...], before: tuple[str, ...] = ()) -> dict[str, Near]:
    """Return what these orders, a day apart, make of an empty shop."""
    near: dict[str, Near] = {}
    for number, products in enumerate(orders):
        near |= counted(near, products, before, T0 + number * DAY)
    return near


def test_what_lies_in_one_order_goes_together() -> None:
    near = after(("pot", "tea"), ("pot", "tea"), ("pot", "cup"), ("tea",))
    assert set(near) == {"pot", "tea", "cup"}
    assert together([near["pot"]]) == ["tea", "cup"]
    assert together([near["cup"]]) == ["pot"]
    assert together([Near()]) == []


def test_what_everybody_buys_goes_with_nothing_in_particular() -> None:
    """The bag is in each order, the strainer only where the pot is."""
    near = after(
        *[("bag", f"other{number}") for number in range(20)], ("pot", "strainer", "bag"), ("pot", "strainer", "bag")
    )
    assert together([near["pot"]]) == ["strainer", "bag"]


def test_what_was_bought_later_goes_with_what_was_bought_before() -> None:
    """And half as much as what lies in the same order; what was there before is no complement of what came after."""
    near = counted({}, ("tea",), ("pot",), T0)
    assert together([near["pot"]]) == ["tea"]
    assert together([near["tea"]]) == []
    assert near["pot"].sold is None
    same = counted({}, ("pot", "tea"), (), T0)
    assert same["pot"].beside["tea"][0] - near["pot"].beside["tea"][0] == pytest.approx(1, rel=1e-5)


def test_an_order_of_one_product_says_how_it_sells() -> None:
    near = after(("pot",))["pot"]
    assert near.sold == pytest.approx(warmer(None, T0, BEST_HALF_LIFE))
    assert near.beside == {}


def test_orders_count_the_same_in_any_order_of_arrival() -> None:
    orders = [(("pot", "tea"), T0), (("pot", "tea", "cup"), T0 + 5 * DAY), (("cup", "pot"), T0 + 50 * DAY)]
    results = []
    for way in permutations(orders):
        near: dict[str, Near] = {}
        for products, at in way:
            near |= counted(near, products, (), at)
        results.append(
            {key: (one.sold, {other: pair[0] for other, pair in one.beside.items()}) for key, one in near.items()}
        )
    first = results[0]
    for result in results[1:]:
        for key, (sold, pairs) in result.items():
            assert sold == pytest.approx(first[key][0])
            assert pairs == pytest.approx(first[key][1])


def test_no_more_stand_beside_a_product_than_fit_and_those_that_matter_stay() -> None:
    """Of three hundred that came once, nobody pushes out what is bought with it every third time."""
    near: dict[str, Near] = {}
    for number in range(300):
        near |= counted(near, ("pot", "tea" if number % 3 == 0 else f"one{number}"), (), T0)
        near = {"pot": near["pot"], "tea": near["tea"]}
    pot = near["pot"]
    assert len(pot.beside) == BESIDE
    assert "tea" in pot.beside
    assert max(pot.beside, key=lambda key: pot.beside[key][0]) == "tea"
    assert len(msgspec.json.encode(pot)) < 1_000
    assert decode_near(msgspec.json.encode(pot)) == pot


# --- shelves ---------------------------------------------------------------------------------------------------------


def product(key: str, price: int = 10, **more: Any) -> Product:
    """Return a teapot that can be bought."""
    given: dict[str, Any] = {
        "title": key,
        "url": f"https://s.example/{key}",
        "kind": "Tea pots",
        "in_stock": True,
        "created_at": T0,
    }
    return Product(id=key, updated_at=T0, price=Decimal(price), **(given | more))


def shelf(name: str, *products: tuple[Product, float | None]) -> Shelf:
    """Return a shelf on which these were put, each with its heat."""
    made = Shelf()
    for one, heat in products:
        made = shelved(made, name, one, Near(sold=heat))
    return made


KIND = kind_shelf("Tea pots")


def test_a_kind_is_the_same_however_it_is_written() -> None:
    assert kind_shelf(" tea  POTS ") == KIND == "kind/tea pots"


def test_best_sellers_are_those_that_were_sold() -> None:
    made = shelf(BEST, (product("a"), 1.0), (product("b"), 3.0), (product("c"), None), (product("d"), 2.0))
    assert ranked(BEST, made) == ["b", "d", "a"]


def test_new_arrivals_are_by_when_they_came() -> None:
    old, new, undated = product("a"), product("b", created_at=T0 + DAY), product("c", created_at=None)
    assert ranked(NEW, shelf(NEW, (old, 9.0), (new, None), (undated, 1.0))) == ["b", "a"]


@pytest.mark.parametrize(
    "changes", [{"deleted": True}, {"url": None}, {"published": False}, {"kind": "Cups"}, {"kind": None}]
)
def test_what_does_not_belong_there_leaves_its_shelf(changes: dict[str, Any]) -> None:
    made = shelf(KIND, (product("a"), 1.0), (product("b"), 1.0))
    assert set(shelved(made, KIND, product("a", **changes), Near(sold=1.0)).spots) == {"b"}


def test_what_is_sold_out_stays_and_is_not_shown() -> None:
    """So that it comes back when it does."""
    made = shelf(KIND, (product("a"), 1.0), (product("b", in_stock=False), 9.0))
    assert ranked(KIND, made) == ["a"]
    assert set(made.spots) == {"a", "b"}


def test_a_shelf_that_says_the_same_is_the_same() -> None:
    """Then nothing is written."""
    made = shelf(KIND, (product("a"), 1.0))
    assert shelved(made, KIND, product("a", title="Another title"), Near(sold=1.0)) is made


def test_a_shelf_holds_no_more_than_fit() -> None:
    """First what cannot be bought leaves, then what sells least."""
    made = Shelf()
    for number in range(200):
        made = shelved(made, KIND, product(f"p{number}", in_stock=number % 2 == 0), Near(sold=float(number)))
    assert len(made.spots) == SHELF
    assert set(made.spots) == {f"p{number}" for number in range(200 - 2 * SHELF, 200, 2)}
    assert len(msgspec.json.encode(made)) < 4_000
    assert decode_shelf(msgspec.json.encode(made)) == made


def test_similar_is_what_costs_about_as_much_and_sells() -> None:
    made = Shelf(
        spots={
            "same": Spot(5.0, Decimal(10)),
            "close": Spot(5.0, Decimal(12)),
            "unsold": Spot(None, Decimal(10)),
            "dear": Spot(5.0, Decimal(80)),
            "gone": Spot(9.0, Decimal(10), None, False),
            "me": Spot(9.0, Decimal(10)),
        }
    )
    assert similar(made, product("me")) == ["same", "close", "dear", "unsold"]
    assert set(similar(made, product("me", price=0))) == {"same", "close", "dear", "unsold"}


def test_better_is_dearer_and_within_reach_first() -> None:
    made = Shelf(
        spots={
            "cheaper": Spot(9.0, Decimal(9)),
            "same": Spot(9.0, Decimal(10)),
            "hardly": Spot(9.0, Decimal("10.40")),
            "warm": Spot(5.0, Decimal(20)),
            "cold": Spot(None, Decimal(15)),
            "dear": Spot(9.0, Decimal(90)),
            "gone": Spot(9.0, Decimal(20), None, False),
            "unpriced": Spot(9.0),
        }
    )
    assert better(made, product("me")) == ["warm", "cold", "dear"]
    assert better(made, product("me", price=0)) == []


@pytest.mark.parametrize(
    ("changes", "sold", "can"),
    [
        ({}, False, True),
        ({"in_stock": False}, True, False),
        ({"in_stock": None}, False, False),
        ({"in_stock": None}, True, True),
        ({"title": ""}, True, False),
        ({"url": None}, True, False),
        ({"deleted": True}, True, False),
        ({"published": False}, True, False),
    ],
)
def test_what_can_be_bought(changes: dict[str, Any], sold: bool, can: bool) -> None:
    """Where nobody counts, a sale is what shows that it can be had."""
    assert available(product("a", **changes), sold=sold) is can


def test_heat_of_the_distant_past_and_future_is_a_number() -> None:
    """A shop's import may be dated 1970, and a broken clock 2200."""
    for year in (1970, 2200):
        heat = warmer(warmer(None, T0, BEST_HALF_LIFE), datetime(year, 1, 2, tzinfo=UTC), BEST_HALF_LIFE)
        assert math.isfinite(heat)
