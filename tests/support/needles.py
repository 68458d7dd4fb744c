"""A person whose every particular is a needle, planted in what comes in and looked for where nobody may be named."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

#: What stands for a person. Each is found nowhere else in the product or its tests.
NEEDLES: Mapping[str, str] = {
    "email": "xanthippe.needle+q7@planted.example.org",
    "local part": "xanthippe.needle+q7",
    "first name": "Xanthippé",
    "last name": "Nädelstich",
    "phone": "+31687654329",
    "national phone": "0687654329",
    "cart": "needle-cart-9f31c7",
    "checkout": "needle-checkout-4d20ab",
    "street": "Heuschoberweg 77b",
    "city": "Nadelsund",
    "postcode": "9731ZQ-40088",
    "recovery": "needle-recovery-55e1",
}

#: Characters of a needle that stand in base64 whatever stands before it.
_SHORTEST = 6


def spellings(needle: str) -> Iterator[str]:
    """Yield how a text may stand in another: as it is, in capitals, for URLs, in JSON, in hex, in base64."""
    for text in {needle, needle.lower(), needle.upper(), needle.casefold()}:
        raw = text.encode()
        yield text
        yield quote(text, safe="")
        yield quote_plus(text)
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]
        yield raw.hex()
        yield raw.hex().upper()
        for ahead in range(3):
            # Of what is encoded behind other bytes, the first and last digits depend on those.
            inner = base64.b64encode(b"\0" * ahead + raw)
            kept = inner[4 if ahead else 0 : len(inner) // 4 * 4 - 4].decode()
            if len(kept) >= _SHORTEST:
                yield kept
                yield kept.replace("+", "-").replace("/", "_")


_SPELLINGS: Mapping[str, frozenset[str]] = {name: frozenset(spellings(needle)) for name, needle in NEEDLES.items()}


def found_in(text: str) -> list[str]:
    """Return the particulars that this text gives away, in whatever spelling, each with what is around it."""
    told = []
    for name, ways in _SPELLINGS.items():
        for way in ways:
            at = text.find(way)
            if at >= 0:
                told.append(f"{name} as {way!r}: …{text[max(0, at - 80) : at + 80]}…")
                break
    return told


def anywhere(things: Iterable[object]) -> list[str]:
    """Return what any of these, written out, gives away."""
    return [told for thing in things for told in found_in(thing if isinstance(thing, str) else repr(thing))]


def checkout_body(now: str) -> dict[str, Any]:
    """Return a checkout that says all about the person."""
    place = {
        "first_name": NEEDLES["first name"], "last_name": NEEDLES["last name"], "address1": NEEDLES["street"],
        "city": NEEDLES["city"], "zip": NEEDLES["postcode"], "country_code": "NL", "phone": NEEDLES["phone"],
    }  # fmt: skip
    return {
        "token": NEEDLES["checkout"],
        "cart_token": NEEDLES["cart"],
        "email": NEEDLES["email"],
        "phone": NEEDLES["national phone"],
        "created_at": now,
        "updated_at": now,
        "currency": "EUR",
        "buyer_accepts_marketing": True,
        "customer_locale": "nl",
        "buyer_accepts_sms_marketing": True,
        "sms_marketing_phone": NEEDLES["phone"],
        "customer": {
            "id": 4_711_001,
            "email": NEEDLES["email"],
            "first_name": NEEDLES["first name"],
            "last_name": NEEDLES["last name"],
            "phone": NEEDLES["phone"],
        },
        "billing_address": place,
        "shipping_address": place,
        "total_price": "9.50",
        "line_items": [{"product_id": 1, "variant_id": 2, "title": "Sencha", "quantity": 1, "price": "9.50"}],
        "abandoned_checkout_url": f"https://tea.example/recover?key={NEEDLES['recovery']}",
    }


def order_body(now: str) -> dict[str, Any]:
    """Return the order that came of it."""
    checkout = checkout_body(now)
    return {
        **checkout, "id": 880_001, "name": "#1001", "token": "unused", "checkout_token": NEEDLES["checkout"],
        "processed_at": now, "financial_status": "paid", "order_status_url": f"https://tea.example/o/{NEEDLES['recovery']}",
    }  # fmt: skip
