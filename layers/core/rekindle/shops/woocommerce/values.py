"""What stands in every WooCommerce body: names, amounts, addresses.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from rekindle.domain.facts import Address
from rekindle.shops import contact
from rekindle.shops.reading import MAX_TEXT, Body, Telling, money, rows, text

NOTHING = Decimal(0)


def name_of(value: object) -> str | None:
    """Return a text with its HTML entities decoded."""
    return text(_unescaped(value[:MAX_TEXT]) if type(value) is str and "&" in value else value)


# A product's name stands in a line twice, and comes back with each of an order's webhooks.
@lru_cache(maxsize=512)
def _unescaped(value: str) -> str:
    from html import unescape

    try:
        return unescape(value)
    except ValueError:
        # `&#…;` with more digits than Python makes a number of: no character, and nobody's name.
        return value


def total_of(row: Body, name: str, tax: str | None) -> Decimal | None:
    """Return an amount, with its tax where `tax` names the field."""
    amount = money(row.get(name))
    if amount is None or tax is None:
        return amount
    return amount + (money(row.get(tax)) or NOTHING)


def address(row: Body, telling: Telling) -> Address | None:
    """Return a shipping address; `None` for one with nothing in it."""
    name = " ".join(part for part in (text(row.get("first_name")), text(row.get("last_name"))) if part)
    read = Address(
        name=name or None,
        company=text(row.get("company")),
        line1=text(row.get("address_1")),
        line2=text(row.get("address_2")),
        city=text(row.get("city")),
        region=text(row.get("state")),
        postcode=text(row.get("postcode")),
        country=telling.use("shipping.country", contact.country(row.get("country"))),
    )
    return read if read != Address() else None


def names_of(value: Any) -> tuple[str, ...]:
    """Return the names of a list of categories, brands or tags."""
    return tuple([name for row in rows(value) if (name := name_of(row.get("name")))])
