"""What both platforms' products have in common: prices, stock, and how much of it all is kept.

Pure: imports the standard library and its neighbours in `shops`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rekindle.shops.reading import text

#: What is kept of a product, so that an item of the table stays small: it is read for every mail that shows it.
MAX_VARIANTS, MAX_TITLE, MAX_NAME, MAX_WORDS, MAX_LINK = 100, 300, 100, 50, 2_000


def link(value: object) -> str | None:
    """Return an address; `None` for one so long that it cannot be meant."""
    read = text(value)
    return read if read is not None and len(read) <= MAX_LINK else None


def few(words: Iterable[str]) -> tuple[str, ...]:
    """Return the first tags or collections, each once, cut to a sensible length."""
    return tuple(dict.fromkeys(word[:MAX_NAME] for word in words))[:MAX_WORDS]


def cheapest(prices: Iterable[tuple[Decimal | None, Decimal | None]]) -> tuple[Decimal | None, Decimal | None]:
    """Return the lowest price, and what it was before where that was more; of pairs of just these two."""
    known = [(price, before) for price, before in prices if price is not None]
    if not known:
        return None, None
    price, before = min(known, key=lambda pair: pair[0])
    return price, before if before is not None and before > price else None


def quantity_of(quantities: Iterable[int | None]) -> int | None:
    """Return how many pieces those are that are counted; `None` where none is."""
    counted = [quantity for quantity in quantities if quantity is not None]
    return sum(counted) if counted else None
