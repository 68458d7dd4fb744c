"""What becomes of a product when something new is heard of it, and which of that is news to somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.facts import Product, ProductChange, Variant, VariantStock
from rekindle.domain.products import changes, judged, kept, stocked

T0 = datetime(2026, 3, 1, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)
POT = Product(
    id="1", updated_at=T0, title="Pot", url="https://s.example/pot", image="https://s.example/pot.png",
    price=Decimal(50), currency="EUR", in_stock=True, quantity=9, published=True,
)  # fmt: skip
RED = Variant("r", "Red", Decimal(50), True, 4)
BLUE = Variant("b", "Blue", Decimal(50), False, 0)


def news(before: Product | None = POT, **now: Any) -> list[str]:
    """Return what is news when the product is changed so."""
    changed = replace(before or POT, updated_at=LATER, **now)
    return [kind.removeprefix("product.") for kind, _ in changes(before, changed)]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, {}, []),
        ({}, {"title": "Teapot"}, []),
        ({}, {"price": Decimal(40)}, ["price_dropped"]),
        ({}, {"price": Decimal(40), "silent": True}, []),
        ({"silent": True}, {"price": Decimal(40), "silent": False}, ["price_dropped"]),
        ({}, {"price": Decimal(60)}, []),
        ({}, {"price": None}, []),
        ({"price": None}, {"price": Decimal(40)}, []),
        ({}, {"price": Decimal(40), "currency": "USD"}, []),
        ({"currency": None}, {"price": Decimal(40), "currency": "EUR"}, ["price_dropped"]),
        ({}, {"price": Decimal(40), "in_stock": False}, []),
        ({}, {"price": Decimal(40), "url": None}, []),
        ({}, {"price": Decimal(40), "published": False}, []),
        ({}, {"price": Decimal(40), "deleted": True}, []),
        ({"in_stock": False}, {"in_stock": True}, ["back_in_stock"]),
        ({"in_stock": None}, {"in_stock": True}, []),
        ({"in_stock": False}, {"in_stock": True, "price": Decimal(40)}, ["price_dropped", "back_in_stock"]),
        ({"in_stock": False, "quantity": 0}, {"in_stock": True, "quantity": 2}, ["back_in_stock"]),
        ({}, {"quantity": 5}, ["low_in_stock"]),
        ({}, {"quantity": 6}, []),
        ({}, {"quantity": 0, "in_stock": False}, []),
        ({"quantity": 5}, {"quantity": 4}, []),
        ({"quantity": None}, {"quantity": 4}, []),
        ({"low_at": 2}, {"quantity": 3}, []),
        ({"low_at": 2}, {"quantity": 2}, ["low_in_stock"]),
        ({"low_at": 0}, {"quantity": 1}, []),
    ],
)
def test_what_is_news(before: dict[str, Any], now: dict[str, Any], told: list[str]) -> None:
    assert news(replace(POT, **before), **now) == told


def test_a_product_that_was_not_known_is_no_news() -> None:
    assert changes(None, POT) == []


def test_the_fact_says_what_it_costs_and_cost() -> None:
    ((kind, change),) = changes(POT, replace(POT, price=Decimal(40), updated_at=LATER))
    assert kind == "product.price_dropped"
    assert change == ProductChange(
        product_id="1", at=LATER, title="Pot", url="https://s.example/pot", image="https://s.example/pot.png",
        price=Decimal(40), was=Decimal(50), currency="EUR",
    )  # fmt: skip


def test_what_was_stored_before_products_had_variants_can_be_read_and_compared() -> None:
    """It is shown in the shop if it has an address."""
    stored = b'{"type":"product","id":"1","updated_at":"2026-03-01T00:00:00Z","url":"https://x.example","price":"9"}'
    old = msgspec.json.decode(stored, type=Product)
    assert old.shown
    assert [kind for kind, _ in changes(old, replace(old, price=Decimal(8), updated_at=LATER))] == [
        "product.price_dropped"
    ]


def test_what_a_body_does_not_tell_stays_known() -> None:
    known = replace(POT, variants=(RED,), collections=("Ware",))
    assert kept(POT, known) == known
    assert kept(replace(POT, variants=(), collections=()), known) == replace(POT, variants=(), collections=())
    assert kept(POT, None) == POT


@pytest.mark.parametrize(
    ("in_stock", "counted", "known"), [(None, True, False), (None, False, None), (True, True, True)]
)
def test_where_somebody_counts_none_is_none(in_stock: bool | None, counted: bool, known: bool | None) -> None:
    assert judged(replace(POT, in_stock=in_stock), counted=counted).in_stock is known


def stock(variant: Variant, hours: int = 1) -> VariantStock:
    return VariantStock(product_id="1", variant=variant, updated_at=T0 + timedelta(hours=hours))


def test_a_variant_that_is_there_again_makes_the_product_be_there() -> None:
    sold_out = replace(POT, in_stock=False, quantity=0, variants=(replace(RED, in_stock=False, quantity=0), BLUE))
    now = stocked(sold_out, stock(Variant("b", in_stock=True, quantity=3)))
    assert now is not None
    assert (now.in_stock, now.quantity, now.updated_at) == (True, 3, T0)
    assert now.variants == (
        replace(RED, in_stock=False, quantity=0),
        Variant("b", "Blue", Decimal(50), True, 3, at=LATER),
    )
    ((kind, change),) = changes(sold_out, now)
    assert (kind, change.at) == ("product.back_in_stock", LATER)


def test_a_variant_that_is_sold_out_leaves_its_product_there() -> None:
    """Its siblings may be there, known or not; the shop tells the product as well."""
    now = stocked(replace(POT, variants=(RED,), quantity=4), stock(replace(RED, in_stock=False, quantity=0)))
    assert now is not None
    assert (now.in_stock, now.quantity) == (True, 0)


def test_a_variation_that_was_not_known_is_added() -> None:
    now = stocked(replace(POT, variants=None), stock(BLUE, hours=-5))
    assert now is not None
    assert [variant.id for variant in now.variants or ()] == ["b"]


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    """A variant's own word against its own, else against its product's body."""
    assert stocked(replace(POT, variants=(RED,)), stock(RED, hours=-1)) is None
    newer = replace(POT, variants=(replace(RED, at=LATER),))
    assert stocked(newer, stock(RED, hours=0)) is None
    assert stocked(newer, stock(RED, hours=2)) is not None


def test_what_happens_to_a_product_after_an_import_is_news_again() -> None:
    imported = replace(POT, silent=True, in_stock=False, quantity=0, variants=(BLUE,))
    now = stocked(imported, stock(Variant("b", in_stock=True, quantity=9)))
    assert now is not None
    assert [kind for kind, _ in changes(imported, now)] == ["product.back_in_stock"]
