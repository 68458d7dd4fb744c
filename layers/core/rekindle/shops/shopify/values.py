"""What stands in every Shopify body: money, tokens, ids, addresses.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from rekindle.domain.facts import Address
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, money, rows, text

NOTHING = Decimal(0)


def amount(body: Body, name: str, telling: Telling) -> Decimal | None:
    """Return `body[name]` in the shop's currency; note when it is no amount of money."""
    read = line_amount(body, name, f"{name}_set")
    return telling.amount(name, body.get(name)) if read is None else read


def line_amount(row: Body, name: str, set_name: str) -> Decimal | None:
    """Return `row[name]` in the shop's currency where Shopify gives it so, else as it stands there.

    The name of the money bag comes ready-made, for this runs for every line.
    """
    if type(bag := row.get(set_name)) is dict and type(shop_money := bag.get("shop_money")) is dict:
        read = money(shop_money.get("amount"))
        if read is not None:
            return read
    return money(row.get(name))


def token_of(value: object) -> str | None:
    """Return a cart's or checkout's token without the secret key that newer carts carry behind it."""
    token = identifier(value)
    return token.partition("?")[0] or None if token is not None else None


def codes(value: object) -> tuple[str, ...]:
    """Return the discount codes of a list of them."""
    return tuple([code for row in rows(value) if (code := text(row.get("code")))])


def variant_title(value: object) -> str | None:
    """Return a variant's name; a product that comes in one kind only has none."""
    title = text(value)
    return None if title == "Default Title" else title


def address(row: Body, telling: Telling) -> Address | None:
    """Return a shipping address; `None` for one with nothing in it."""
    if not row:
        return None
    name = text(row.get("name")) or " ".join(
        part for part in (text(row.get("first_name")), text(row.get("last_name"))) if part
    )
    read = Address(
        name=name or None,
        company=text(row.get("company")),
        line1=text(row.get("address1")),
        line2=text(row.get("address2")),
        city=text(row.get("city")),
        region=text(row.get("province")),
        postcode=text(row.get("zip")),
        country=telling.use("shipping_address.country_code", contact.country(row.get("country_code"))),
    )
    return read if read != Address() else None


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the earliest of these, leaving out what is not known."""
    return min((at for at in moments if at is not None), default=None)


def tags_of(value: object) -> tuple[str, ...] | None:
    """Return tags, written as one text or as a list; `None` when they were not sent."""
    if isinstance(value, str):
        return tuple([tag for part in value.split(",") if (tag := text(part))])
    if isinstance(value, list):
        return tuple([tag for part in value if (tag := text(part))])
    return None


def plain_id(value: object) -> str | None:
    """Return the number in a GraphQL id (`gid://shopify/Customer/7`), or a plain id as it is."""
    named = identifier(value)
    return named.rpartition("/")[2] or None if named is not None else None
