"""What a mail may say: shop, brand, profile, run, event and links, as plain dicts of clean values.

Every name that a template can use is always there; what is not known is `None` (an empty list for lists). Whatever came
from a customer or a shop's database is stripped of what could harm: control and direction characters, links in names,
addresses that are not of the web.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rekindle.content.brand import Brand
from rekindle.content.formats import Format, country
from rekindle.content.sandbox import FORMATS
from rekindle.domain.facts import Address, Basket, Item, Order, Product
from rekindle.domain.profile import Profile, Run
from rekindle.flow.program import Shop

#: How many lines of a basket or order a mail can show.
MAX_ITEMS = 100
_NAME, _TITLE, _URL = 60, 200, 2_000

_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+")
_LINKISH = re.compile(r"[@<>\\]|//|\w\.\w\w|\bwww\b", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s<>\"'`\\{}|^]+\Z", re.IGNORECASE)
# Where the postcode follows the town. Elsewhere it stands before it.
_POSTCODE_LAST = frozenset({"AU", "CA", "GB", "IE", "IN", "NZ", "SG", "TW", "US", "ZA"})

_EVENT: dict[str, Any] = {
    field: None
    for fact in (Basket, Order)
    for field in fact.__struct_fields__
    if field not in {"cart_token", "checkout_token", "test"}
} | {"kind": None, "items": [], "codes": [], "item_count": 0}


def context(
    *,
    shop: Shop,
    brand: Brand,
    profile: Profile,
    run: Run,
    products: Mapping[str, Product],
    links: Mapping[str, str],
    formats: Mapping[str, Format],
) -> dict[str, Any]:
    """Return the names for one mail.

    `products` is what the catalogue knows of the products in `run.trigger`, by id; `links` has `unsubscribe` and
    `page`; `formats` is how each locale of the playbook writes.
    """
    form = formats.get(shop.locale) or Format(locale=shop.locale, language=shop.locale.partition("-")[0])
    return {
        "shop": _shop(shop, form),
        "brand": brand.plain(),
        "profile": _profile(profile),
        "run": {"flow": run.flow, "key": run.key, "entered_at": run.entered_at},
        "event": _event(run.trigger, products, form),
        "links": {"unsubscribe": links.get("unsubscribe"), "page": links.get("page")},
        FORMATS: {**formats, "": form},
    }


def product_ids(run: Run) -> tuple[str, ...]:
    """Return the products whose catalogue entries a mail of this run would show, each once, in order."""
    items = run.trigger.items if isinstance(run.trigger, (Basket, Order)) else ()
    return tuple(dict.fromkeys(item.product_id for item in items[:MAX_ITEMS] if item.product_id))


def clean(value: Any, limit: int = _TITLE) -> str | None:
    """Return the text on one line without control or direction-changing characters; `None` when nothing is left."""
    if not isinstance(value, str):
        return None
    # Nearly every text is printable, and none that is holds anything harmful.
    text = value if value.isprintable() else _HARMFUL.sub(" ", value)
    text = " ".join(text.split())
    return (text if len(text) <= limit else text[: limit - 1].rstrip() + "…") or None


def name(value: Any) -> str | None:
    """Return a person's name; `None` for one that holds a link or an address, as spammers' names do."""
    text = clean(value, _NAME)
    return None if text is None or _LINKISH.search(text) else text


def web(value: Any) -> str | None:
    """Return an http(s) address that is safe in any attribute; `None` for every other."""
    if not isinstance(value, str):
        return None
    address = value.strip()
    if address.startswith("//"):
        address = f"https:{address}"
    return address if len(address) <= _URL and _WEB.match(address) else None


def _shop(shop: Shop, form: Format) -> dict[str, Any]:
    return {
        "id": shop.id,
        "name": clean(shop.name),
        "platform": shop.platform,
        "url": web(shop.url),
        "logo": web(shop.logo),
        "email": shop.reply_to or shop.sender_email,
        "postal_address": clean(shop.postal_address, 500),
        "currency": shop.currency,
        "locale": shop.locale,
        "language": form.language,
        "dir": "rtl" if form.rtl else "ltr",
        "zone": shop.zone,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    person = profile.person
    return {
        "first_name": name(person.first_name),
        "last_name": name(person.last_name),
        "email": clean(profile.email, 320),
        "locale": clean(person.locale, 35),
        "country": clean(person.country, 2),
        "city": name(person.city),
    }


def _event(trigger: Any, products: Mapping[str, Product], form: Format) -> dict[str, Any]:
    if not isinstance(trigger, (Basket, Order)):
        return dict(_EVENT)
    found = dict(_EVENT)
    for field in trigger.__struct_fields__:
        if field in found:
            found[field] = getattr(trigger, field)
    found["kind"] = trigger.__struct_config__.tag
    found["items"] = [_item(item, products.get(item.product_id or "")) for item in trigger.items[:MAX_ITEMS]]
    found["item_count"] = trigger.item_count or sum(item["quantity"] for item in found["items"])
    found["codes"] = [code for code in (clean(code, _NAME) for code in trigger.codes) if code]
    found["id"] = clean(trigger.id)
    if isinstance(trigger, Basket):
        found["recovery_url"] = web(trigger.recovery_url)
    else:
        found["number"] = clean(trigger.number, _NAME)
        found["url"] = web(trigger.url)
        found["ship_to"] = _address(trigger.ship_to, form)
    return found


def _item(item: Item, product: Product | None) -> dict[str, Any]:
    title = clean(item.title) or clean(product.title if product else None) or clean(item.sku)
    shown = product if product is not None and not product.deleted else None
    image = web(item.image) or web(product.image if product else None)
    return {
        "product_id": item.product_id,
        "title": title,
        "variant": clean(item.variant),
        "sku": clean(item.sku),
        "quantity": item.quantity,
        "price": item.price,
        "total": item.total if item.total is not None else _times(item.price, item.quantity),
        "url": web(item.url) or web(shown.url if shown else None),
        "image": _scaled(image, 320),
        "picture": _scaled(image, 1200),
        "alt": clean(product.image_alt if product else None) or title,
    }


def _times(price: Decimal | None, quantity: int) -> Decimal | None:
    return price * quantity if price is not None else None


def _scaled(address: str | None, width: int) -> str | None:
    # Shopify's image service scales; an original can be several megabytes. Twice the shown width suits fine screens.
    if address is None or "://cdn.shopify.com/" not in address or "width=" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}width={width}"


def _address(address: Address | None, form: Format) -> dict[str, Any] | None:
    if address is None:
        return None
    plain: dict[str, Any] = {field: clean(value) for field, value in msgspec.structs.asdict(address).items()}
    code = (plain["country"] or "").upper()
    town = [plain["city"], plain["region"] if code in _POSTCODE_LAST else None]
    town = [*town, plain["postcode"]] if code in _POSTCODE_LAST else [plain["postcode"], *town]
    lines = [
        plain["name"], plain["company"], plain["line1"], plain["line2"],
        " ".join(part for part in town if part), country(code, form),
    ]  # fmt: skip
    return plain | {"country": country(code, form) or None, "lines": [line for line in lines if line]}
