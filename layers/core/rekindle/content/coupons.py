"""What a mail says of a coupon: its code, what it is worth in the reader's words, its end, and a link that applies it.

Pure, and imported by `send`: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from rekindle.content import formats, languages
from rekindle.content.formats import Format
from rekindle.domain.facts import Basket, Fact, Item, Product
from rekindle.domain.offers import Coupon, Offer
from rekindle.flow.program import Shop

#: Language → how free shipping and a gift are said. Marketers say it for others, or otherwise, with `says`.
WORDS: Mapping[str, tuple[str, str]] = {
    "en": ("free shipping", "a gift: {}"),
    "ar": ("شحن مجاني", "هدية: {}"),
    "zh-Hant": ("免運費", "贈品：{}"),
}
#: The parts of `coupon` that a step's own `code:` gives; all others need an offer.
OF_CODES = frozenset({"code", "link", "automatic"})
#: All parts of `coupon`, none known.
NOTHING: Mapping[str, Any] = dict.fromkeys(
    ("code", "value", "minimum", "expires_at", "link", "automatic", "offer", "kind")
)
_MOST_LINES = 50
_CHECKOUT_LINK = "/checkout-link/"


def coupon_names(
    coupon: Coupon, *, shop: Shop, trigger: Fact | None, products: Mapping[str, Product], form: Format, language: str
) -> dict[str, Any]:
    """Return `coupon` as a template sees it: every part of `NOTHING`.

    `form` is how the reader writes numbers, `language` what the mail is written in. `expires_at` is in the reader's own
    zone, which the `date` filter keeps to. A minimum is written out, as an amount.
    """
    link, automatic = coupon_link(coupon, shop, trigger, products)
    return {
        **NOTHING,
        "code": coupon.code,
        "value": worth(coupon.terms, shop.currency, form, language),
        "minimum": _amount(coupon.terms.minimum, shop.currency, form),
        "expires_at": _in_zone(coupon, shop),
        "link": link,
        "automatic": automatic,
        "offer": coupon.offer or None,
        "kind": "code" if not coupon.offer else _kind(coupon.terms, language),
    }


def worth(offer: Offer, currency: str, form: Format, language: str) -> str | None:
    """Return what the offer is worth, in words: “10%”, “€5.00”, “free shipping”, “a gift: …”.

    Money is in the shop's own currency: that is what the code takes off, in whatever currency the reader thinks.
    """
    said = _in_language(offer.says, language)
    if said is not None:
        return said
    if offer.percent is not None:
        return formats.percent(offer.percent, form)
    if offer.amount:
        return _amount(offer.amount, currency, form)
    shipping, gift = _spoken(language)
    if offer.free_shipping:
        return shipping
    title = _in_language(offer.gift.title, language) if offer.gift is not None else None
    return gift.format(title) if title is not None else None


def can_say(offer: Offer, language: str) -> bool:
    """Whether there are words for this offer in this language, not only in English."""
    if offer.percent is not None or offer.amount or _in_language(offer.says, language) is not None:
        return True
    return not language or languages.pick(WORDS, language) is not None


def _kind(offer: Offer, language: str) -> str:
    """Return how `value` is said: as a percentage, an amount, or in words of its own."""
    if _in_language(offer.says, language) is not None:
        return "words"
    if offer.percent is not None:
        return "percent"
    return "amount" if offer.amount else "free_shipping" if offer.free_shipping else "gift"


def _spoken(language: str) -> tuple[str, str]:
    return WORDS[languages.pick(WORDS, language, "en") or "en"]


def _in_language(words: Mapping[str, str], language: str) -> str | None:
    tag = languages.pick(words, language) if language else None
    return words[tag] if tag is not None else words.get("") or (next(iter(words.values())) if words else None)


def _amount(money: Mapping[str, Decimal], currency: str, form: Format) -> str | None:
    amount = money.get(currency)
    return formats.money(amount, currency, form) if amount is not None else None


def _in_zone(coupon: Coupon, shop: Shop) -> Any:
    if coupon.expires_at is None:
        return None
    return coupon.expires_at.astimezone(ZoneInfo(coupon.zone or shop.zone))


# --- the link --------------------------------------------------------------------------------------------------------


def coupon_link(
    coupon: Coupon, shop: Shop, trigger: Fact | None, products: Mapping[str, Product]
) -> tuple[str | None, bool]:
    """Return where a tap leads, and whether the code is applied there by itself.

    To the basket where there is one, to a gift's own page, else to the shop. WooCommerce applies a code by a link only
    together with what is in the basket; without one the link leads to the shop, and the code has to be typed in.
    """
    basket = trigger if isinstance(trigger, Basket) else None
    if shop.platform == "shopify":
        return _shopify(coupon, shop, basket, products), True
    return _woocommerce(coupon, shop, basket)


def _shopify(coupon: Coupon, shop: Shop, basket: Basket | None, products: Mapping[str, Product]) -> str:
    gift = products.get(coupon.terms.gift.product) if coupon.terms.gift is not None else None
    target = (basket.recovery_url if basket is not None else None) or (gift.url if gift is not None else None)
    parts = urlsplit(target or shop.url)
    # A checkout may live on the shop's other host: the code must be applied where the basket is.
    if parts.scheme not in ("http", "https") or not parts.netloc:
        parts = urlsplit(shop.url)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return f"{parts.scheme}://{parts.netloc}/discount/{quote(coupon.code, safe='')}?redirect={quote(path, safe='')}"


def _woocommerce(coupon: Coupon, shop: Shop, basket: Basket | None) -> tuple[str, bool]:
    home = shop.url.rstrip("/")
    gift = [f"{coupon.terms.gift.product}:1"] if coupon.terms.gift is not None else []
    recovery = urlsplit(basket.recovery_url or "") if basket is not None else urlsplit("")
    if recovery.query and recovery.path.rstrip("/").endswith(_CHECKOUT_LINK.rstrip("/")):
        asked = [part for part in recovery.query.split("&") if not part.startswith("coupon=")]
        base = f"{recovery.scheme}://{recovery.netloc}{recovery.path}?{'&'.join(asked)}"
        return f"{base}&coupon={quote(coupon.code, safe='')}", True
    lines = [*(_line(item) for item in basket.items[:_MOST_LINES]), *gift] if basket is not None else gift
    if not lines or not all(lines):
        return home + "/", False
    return (
        f"{home}{_CHECKOUT_LINK}?products={quote(','.join(lines), safe=':,')}&coupon={quote(coupon.code, safe='')}",
        True,
    )


def _line(item: Item) -> str:
    product = item.variant_id or item.product_id or ""
    return f"{product}:{item.quantity}" if product.isdigit() and product != "0" and item.quantity > 0 else ""
