"""What recommendations are made of: how well products sell, what is bought beside them, a shop's shelves. Pure.

An order adds to what it sold the value 1, which halves with every half-life that passes. Kept is the *heat*: the
logarithm of that sum as it would stand at one fixed moment, so that it never has to be computed anew, and orders can be
counted in any sequence. A greater heat is more, at any time.

Everything here is bounded. Beside a product stand the few that are bought with it most (Space-Saving, Metwally et al.
2005: who sells often is never lost, and who has just come takes over the place of the weakest); on a shelf the few that
rank highest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.facts import Product

#: After so long a sale counts half: best sellers are those of these weeks, while what goes together stays true longer.
BEST_HALF_LIFE, TOGETHER_HALF_LIFE = timedelta(days=30), timedelta(days=180)
#: How many products stand beside one, and on a shelf.
BESIDE, SHELF = 20, 40
#: Of an order, and of what its customer bought before, so many products are looked at.
OF_AN_ORDER, OF_BEFORE = 10, 3
#: What was bought in an earlier order says less than what lies in the same parcel.
_BEFORE = 0.5
# A millionth of a doubling: more digits would only be stored.
_DIGITS = 6

BEST, NEW = "best", "new"


class Near(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known beside a product. `version` counts writes; 0 is not stored yet."""

    version: int = 0
    sold: float | None = None
    """its heat of these weeks; `None`: it was never sold"""
    often: float | None = None
    """its heat over the time that counts for what goes together"""
    beside: dict[str, tuple[float, float]] = {}
    """product bought with it → heat of the pair, and of that product over the same time"""


class Spot(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A product on a shelf: its heat, its price, since when it is in the shop, and whether it can be bought."""

    heat: float | None = None
    price: Decimal | None = None
    since: datetime | None = None
    here: bool = True


class Shelf(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some products of a shop: the best sellers, the newest, or those of one kind. `version` as in `Near`."""

    version: int = 0
    spots: dict[str, Spot] = {}


def kind_shelf(kind: str) -> str:
    """Return the name of the shelf of one kind of product."""
    return f"kind/{' '.join(kind.casefold().split())[:100]}"


def warmer(heat: float | None, at: datetime, half_life: timedelta, weight: float = 1.0) -> float:
    """Return the heat with one more sale at `at`."""
    more = at.timestamp() / half_life.total_seconds() + math.log2(weight)
    if heat is None:
        return round(more, _DIGITS)
    most = max(heat, more)
    return round(most + math.log2(2 ** (heat - most) + 2 ** (more - most)), _DIGITS)


def counted(near: Mapping[str, Near], products: Sequence[str], before: Sequence[str], at: datetime) -> dict[str, Near]:
    """Return of these products, and those that the same customer bought before, what an order of `at` makes of them.

    `near` is what is known; what is not in it is not known yet.
    """
    found = dict(near)
    for product in products:
        known = found.get(product, Near())
        found[product] = replace(
            known,
            sold=warmer(known.sold, at, BEST_HALF_LIFE),
            often=warmer(known.often, at, TOGETHER_HALF_LIFE),
        )
    for product in products:
        for other in products:
            if other != product:
                found[product] = _beside(found[product], other, found[other], at, 1.0)
    for product in before:
        for other in products:
            if other != product and product not in products:
                found[product] = _beside(found.get(product, Near()), other, found[other], at, _BEFORE)
    return {product: found[product] for product in dict.fromkeys((*products, *before)) if product in found}


def _beside(near: Near, other: str, of_other: Near, at: datetime, weight: float) -> Near:
    beside = dict(near.beside)
    pair = beside.get(other)
    if pair is None and len(beside) >= BESIDE:
        weakest = min(beside, key=lambda key: (beside[key][0], key))
        pair = beside.pop(weakest)
    heat = warmer(pair[0] if pair is not None else None, at, TOGETHER_HALF_LIFE, weight)
    beside[other] = heat, of_other.often if of_other.often is not None else heat
    return replace(near, beside=beside)


def together(near: Sequence[Near]) -> list[str]:
    """Return what is bought beside these products, what goes with them best first.

    Of two that are bought with them equally often, the one that is bought less otherwise goes with them better (the
    cosine of the two products' orders): else everything would go best with the best seller.
    """
    scores: dict[str, list[float]] = {}
    for one in near:
        for product, (pair, alone) in one.beside.items():
            scores.setdefault(product, []).append(pair - alone / 2)
    most = max((score for found in scores.values() for score in found), default=0.0)
    summed = {product: sum(2 ** (score - most) for score in found) for product, found in scores.items()}
    return sorted(summed, key=lambda product: (-summed[product], product))


# --- shelves ---------------------------------------------------------------------------------------------------------


def available(product: Product, *, sold: bool) -> bool:
    """Whether somebody can buy it. Where nobody knows whether it is there, that it was sold says that it can be had."""
    return product.shown and bool(product.title) and (product.in_stock is True or (product.in_stock is None and sold))


def shelves_of(product: Product) -> tuple[str, ...]:
    """Return the shelves on which this product may stand."""
    return (BEST, NEW, *((kind_shelf(product.kind),) if product.kind else ()))


def shelved(shelf: Shelf, name: str, product: Product, near: Near) -> Shelf:
    """Return the shelf with the product in its place, if it has one there; `near` is what is known beside it."""
    belongs = name in shelves_of(product) and product.shown
    if name == BEST:
        belongs = belongs and near.sold is not None
    elif name == NEW:
        belongs = belongs and product.created_at is not None
    spots = {key: spot for key, spot in shelf.spots.items() if key != product.id}
    if belongs:
        here = available(product, sold=near.sold is not None)
        # What a shelf does not go by is left out, so that it need not be written when that changes.
        heat, price, since = near.sold, product.price, product.created_at
        spots[product.id] = {BEST: Spot(heat, here=here), NEW: Spot(since=since, here=here)}.get(
            name, Spot(heat, price, since, here)
        )
        if len(spots) > SHELF:
            del spots[min(spots, key=lambda key: (_rank(name, spots[key]), key))]
    return shelf if spots == shelf.spots else replace(shelf, spots=spots)


def _rank(name: str, spot: Spot) -> tuple[bool, float, float]:
    since = spot.since.timestamp() if spot.since is not None else -math.inf
    heat = spot.heat if spot.heat is not None else -math.inf
    return (spot.here, since, heat) if name == NEW else (spot.here, heat, since)


def ranked(name: str, shelf: Shelf) -> list[str]:
    """Return what can be bought of a shelf, the highest first."""
    spots = shelf.spots
    return sorted(
        (key for key in spots if spots[key].here), key=lambda key: (_rank(name, spots[key]), key), reverse=True
    )


def similar(shelf: Shelf, product: Product) -> list[str]:
    """Return what stands on a product's own shelf beside it: what costs about as much and sells well first."""
    hottest = max((spot.heat for spot in shelf.spots.values() if spot.heat is not None), default=0.0)

    def likeness(key: str) -> tuple[float, str]:
        spot = shelf.spots[key]
        # Twice the price, or half of it, counts as much as selling a quarter as often.
        warmth = max(spot.heat - hottest, -8.0) if spot.heat is not None else -10.0
        return 2 * _octaves(spot.price, product.price) - warmth, key

    return sorted((key for key, spot in shelf.spots.items() if spot.here and key != product.id), key=likeness)


def better(shelf: Shelf, product: Product) -> list[str]:
    """Return what is of the same kind and dearer, what is within reach and sells well first."""
    price = product.price
    if price is None or price <= 0:
        return []
    dearer = {
        key: spot
        for key, spot in shelf.spots.items()
        if spot.here and key != product.id and spot.price is not None and spot.price > price * Decimal("1.05")
    }

    def reach(key: str) -> tuple[bool, float, Decimal, str]:
        spot = dearer[key]
        cost = spot.price or price
        return cost > price * Decimal("2.5"), -(spot.heat if spot.heat is not None else -math.inf), cost, key

    return sorted(dearer, key=reach)


def _octaves(one: Decimal | None, two: Decimal | None) -> float:
    if one is None or two is None or one <= 0 or two <= 0:
        return 2.0
    return abs(math.log2(one / two))


_near = msgspec.json.Decoder(Near)
_shelf = msgspec.json.Decoder(Shelf)


def decode_near(raw: bytes | str) -> Near:
    """Return what was stored of a product's neighbours, also in an earlier version."""
    return _near.decode(raw)


def decode_shelf(raw: bytes | str) -> Shelf:
    """Return what was stored of a shelf, also in an earlier version."""
    return _shelf.decode(raw)
