"""What a mail may say: shop, brand, profile, run, event and links, as plain dicts of clean values.

Every name that a template can use is always there; what is not known is `None` (an empty list for lists). Whatever came
from a customer or a shop's database is stripped of what could harm: control and direction characters, links in names,
addresses that are not of the web.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from rekindle.content.addresses import is_of
from rekindle.content.brand import Brand
from rekindle.content.coupons import coupon_names
from rekindle.content.formats import Format, country
from rekindle.content.links import FORMS
from rekindle.content.media import HOST, placed
from rekindle.content.sandbox import ASSETS, FORMATS
from rekindle.domain import facts
from rekindle.domain.facts import Address, Basket, Fact, Item, Order, Product, ProductChange, Review, Shipment, View
from rekindle.domain.history import History, history
from rekindle.domain.offers import Coupon
from rekindle.domain.products import still_so
from rekindle.domain.profile import Profile, Run
from rekindle.domain.traits import STANDARD_TRAITS
from rekindle.flow.program import Shop
from rekindle.flow.view import ProfileView, steps

#: How many lines of a basket or order a mail can show.
MAX_ITEMS = 100
#: The lists of `recommend`: what goes with something, what is better, what is alike, what sells, what is new, what the
#: customer has looked at, and what sells in the category that they looked at.
RECOMMENDATIONS = ("together", "better", "similar", "best", "new", "viewed", "browsed")
_NOTHING_TO_RECOMMEND: dict[str, Any] = {name: [] for name in RECOMMENDATIONS}
#: How many products each of them has at most.
MAX_RECOMMENDED = 6
_NAME, _TITLE, _URL, _TEXT = 60, 200, 2_000, 4_000
_MAX_PARTS = 50
_NO_HISTORY = History()
_NOTHING = Decimal(0)
#: Shops and brands whose names are held at once.
_MAX_HELD = 64
_NO_TRAITS: dict[str, Any] = dict.fromkeys(STANDARD_TRAITS)

_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+")
# Beside the dot, what browsers take for one in a domain (IDNA, RFC 3490, 3.1).
_DOT = ".\u3002\uff0e\uff61"
_LINKISH = re.compile(rf"[@<>\\]|//|\w[{_DOT}]\w\w|\bwww\b", re.IGNORECASE)
# Mail programs make links of what looks like a domain: a dot between two words.
_BARE_LINK = re.compile(rf"(?<=\w)[{_DOT}](?=[^\W\d_])")
_WEB = re.compile(r"https?://[^\s<>\"'`\\{}|^]+\Z", re.IGNORECASE)
# Where the postcode follows the town. Elsewhere it stands before it.
_POSTCODE_LAST = frozenset({"AU", "CA", "GB", "IE", "IN", "NZ", "SG", "TW", "US", "ZA"})


def context(
    *,
    shop: Shop,
    brand: Brand,
    profile: Profile,
    run: Run,
    products: Mapping[str, Product],
    links: Mapping[str, str],
    formats: Mapping[str, Format],
    form: Format | None = None,
    recommend: Mapping[str, Sequence[Product]] = {},
    coupon: Coupon | None = None,
    language: str = "",
) -> dict[str, Any]:
    """Return the names for one mail.

    `products` is what the catalogue knows of the products in `run.trigger`, by id; `links` has `unsubscribe`, `page`
    the forms that the mail links to (`links.FORMS`) and `assets`, which is where the shop's files live
    (`https://host`); `formats` is how each locale of the playbook writes, `form` how the reader's does: the shop's
    if not given. `recommend` is what there is to recommend to this profile, by the name of its list. `coupon` is
    what the message gives, if anything; `language` what it is written in.
    """
    of_shop = formats.get(shop.locale) or Format(locale=shop.locale, language=shop.locale.partition("-")[0])
    form = form or of_shop
    base = links.get("assets", HOST)
    return {
        "shop": _known(_shop, shop, of_shop, base),
        "brand": _known(_brand, brand, base),
        "profile": _profile(profile, shop),
        "run": {
            "flow": run.flow,
            "key": run.key,
            "entered_at": run.entered_at,
            "opened": steps(run.opened),
            "clicked": steps(run.clicked),
            "codes": {step: code for step, given in run.codes.items() if (code := clean(given))},
        },
        "event": _event(run, products, shop, form),
        "recommend": _NOTHING_TO_RECOMMEND
        if not recommend
        else {
            name: [_offer(product, shop) for product in recommend.get(name, ())[:MAX_RECOMMENDED]]
            for name in RECOMMENDATIONS
        },
        "coupon": None
        if coupon is None
        else coupon_names(
            coupon, shop=shop, trigger=run.trigger, products=products, form=form, language=language or form.language
        ),
        "links": {name: links.get(name) for name in ("unsubscribe", "preferences", "page", "confirm", *FORMS)},
        FORMATS: {**formats, "": form},
        ASSETS: base,
    }


def product_ids(run: Run) -> tuple[str, ...]:
    """Return the products whose catalogue entries a mail of this run would show, each once, in order."""
    return tuple(dict.fromkeys(item.product_id for item in _lines(run)[:MAX_ITEMS] if item.product_id))


def clean(value: Any, limit: int = _TITLE) -> str | None:
    """Return the text on one line without control or direction-changing characters; `None` when nothing is left."""
    if value is None or not isinstance(value, str):
        return None
    # Nearly every text is printable, and none that is holds anything harmful, or space of another kind.
    if value.isprintable():
        if len(value) <= limit and "  " not in value and value[:1] != " " != value[-1:]:
            return value or None
        text = " ".join(value.split())
    else:
        text = " ".join(_HARMFUL.sub(" ", value).split())
    return (text if len(text) <= limit else text[: limit - 1].rstrip() + "…") or None


def said(value: Any, limit: int = _TITLE) -> str | None:
    """Return what anybody may have written (an answer, a review, a search) so that no part of it becomes a link."""
    text = clean(value, limit)
    return None if text is None else clean(_BARE_LINK.sub(". ", text.replace("://", ": ")), limit)


def name(value: Any) -> str | None:
    """Return a person's name; `None` for one that holds a link or an address, as spammers' names do."""
    text = clean(value, _NAME)
    return None if text is None or _LINKISH.search(text) else text


def web(value: Any) -> str | None:
    """Return an http(s) address that is safe in any attribute; `None` for every other."""
    if value is None or not isinstance(value, str):
        return None
    address = value.strip()
    if address.startswith("//"):
        address = f"https:{address}"
    return address if len(address) <= _URL and _WEB.match(address) else None


def _brand(brand: Brand, base: str) -> dict[str, Any]:
    found = brand.plain()
    return found if placed(brand.logo, base) == brand.logo else found | {"logo": placed(brand.logo, base)}


_held: dict[tuple[Any, ...], tuple[tuple[Any, ...], dict[str, Any]]] = {}


def _known(make: Callable[..., dict[str, Any]], *of: Any) -> dict[str, Any]:
    """Return what `make` makes of these very objects, made once: a shop or a brand is the same for thousands of mails.

    By identity (a text by what it says), which costs less than to compare all that they say: they are held, so that
    nothing else can have their place. Templates cannot change what they are given.
    """
    key = (make, *(one if type(one) is str else id(one) for one in of))
    found = _held.get(key)
    if found is None:
        while len(_held) >= _MAX_HELD:
            _held.pop(next(iter(_held)))
        found = _held[key] = (of, make(*of))
    return found[1]


def _shop(shop: Shop, form: Format, base: str) -> dict[str, Any]:
    return {
        "id": shop.id,
        "name": clean(shop.name),
        "platform": shop.platform,
        "url": web(shop.url),
        "logo": web(placed(shop.logo, base)),
        "email": shop.reply_to or shop.sender_email,
        "postal_address": clean(shop.postal_address, 500),
        "currency": shop.currency,
        "locale": shop.locale,
        "language": form.language,
        "dir": "rtl" if form.rtl else "ltr",
        "zone": shop.zone,
        "shipping_days": shop.shipping_days,
        "values": _open(shop.values, lambda value: clean(value, _URL)),
    }


def _profile(profile: Profile, shop: Shop) -> dict[str, Any]:
    person = profile.person
    past = history(profile) if profile.orders else _NO_HISTORY
    view = ProfileView(profile, shop, past)
    known = profile.traits
    traits = _open({name: trait.value for name, trait in known.items()}, said) if known else {}
    return {
        "first_name": name(person.first_name),
        "last_name": name(person.last_name),
        "email": clean(profile.email, 320),
        "phone": clean(profile.phone, 20),
        "locale": clean(profile.locale, 35),
        "language": clean(view["language"], 8),
        "country": clean(person.country, 2),
        "region": clean(person.region, 10),
        "city": name(person.city),
        "tags": _texts(profile.tags),
        "orders": past.orders,
        "spent": past.revenue.get(shop.currency, _NOTHING),
        "average": past.average.get(shop.currency, _NOTHING),
        "first_order_at": past.first_order_at,
        "last_order_at": past.last_order_at,
        "expected_order_at": view.expected_order_at(),
        "tier": view.tier(),
        "browsed": [kind for kind in map(said, view["browsed"]) if kind] if profile.browsed else [],
        **({trait: traits.get(trait) for trait in STANDARD_TRAITS} if traits else _NO_TRAITS),
        "interests": traits["interests"] if isinstance(traits.get("interests"), list) else [],
        "traits": traits,
    }


# --- events ----------------------------------------------------------------------------------------------------------

Reader = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    """Numbers, moments, and words of Rekindle's own."""
    return value


def _texts(value: Any) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [text for text in (clean(part) for part in parts[:_MAX_PARTS]) if text]


def _open(values: Mapping[str, Any], read: Callable[[Any], str | None]) -> dict[str, Any]:
    """Return values whose names the shop or its customers choose; what is empty is left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, str):
            found[key] = read(value)
        elif isinstance(value, (list, tuple)):
            found[key] = [text for text in (read(part) for part in value[:_MAX_PARTS]) if text]
        else:
            found[key] = value
    return {key: value for key, value in found.items() if value is not None}


def _answers(values: Mapping[str, Any]) -> dict[str, Any]:
    return _open(values, lambda value: said(value, _TEXT))


_MONEY: dict[str, Reader] = {"total": _as_it_is, "currency": _as_it_is}
_LINES: dict[str, Reader] = {"codes": _texts, "subtotal": _as_it_is, "updated_at": _as_it_is, **_MONEY}

#: Kind of fact → what a mail may say of it, and how each part is read. `items` comes to all that are about products.
_PARTS: dict[type[Any], dict[str, Reader]] = {
    facts.Basket: {
        "id": clean, "recovery_url": web, "created_at": _as_it_is, "completed_at": _as_it_is, **_LINES,
    },
    facts.Order: {
        "id": clean, "number": clean, "url": web, "status": _as_it_is, "ship_to": _as_it_is, "discount": _as_it_is,
        "shipping": _as_it_is, "tax": _as_it_is, "refunded": _as_it_is, "placed_at": _as_it_is, "paid_at": _as_it_is,
        "cancelled_at": _as_it_is, "fulfilled_at": _as_it_is, **_LINES,
    },
    facts.Refund: {
        "id": clean, "order_id": clean, "number": clean, "at": _as_it_is, "amount": _as_it_is, "currency": _as_it_is,
        "reason": clean,
    },
    facts.Shipment: {
        "id": clean, "order_id": clean, "updated_at": _as_it_is, "status": _as_it_is, "carrier": clean,
        "tracking_number": clean, "tracking_url": web,
    },
    facts.Consent: {"channel": _as_it_is, "state": _as_it_is, "at": _as_it_is, "source": clean},
    facts.Customer: {"id": clean, "updated_at": _as_it_is},
    facts.Engagement: {"channel": _as_it_is, "at": _as_it_is, "link": web, "kind": clean},
    facts.View: {
        "id": clean, "at": _as_it_is, "title": said, "kind": said, "url": web, "image": web, "price": _as_it_is,
        "currency": _as_it_is, "seconds": _as_it_is,
    },
    facts.Search: {"query": said, "at": _as_it_is, "results": _as_it_is},
    facts.Form: {"name": said, "at": _as_it_is, "answers": _answers},
    facts.Review: {
        "rating": _as_it_is, "at": _as_it_is, "product_id": clean, "order_id": clean,
        "text": lambda value: said(value, _TEXT),
    },
    facts.Referral: {"order_id": clean, "at": _as_it_is, **_MONEY},
    facts.Coupon: {"code": clean, "at": _as_it_is, "order_id": clean, "expires_at": _as_it_is, "offer": _as_it_is},
    facts.ProductChange: {
        "product_id": clean, "at": _as_it_is, "title": clean, "url": web, "image": web, "price": _as_it_is,
        "was": _as_it_is, "currency": _as_it_is, "asked": _as_it_is, "kind": _as_it_is,
    },
    facts.TextReceived: {"text": lambda value: said(value, _TEXT), "at": _as_it_is},
    facts.PushSubscription: {"at": _as_it_is},
    facts.SegmentChange: {"name": clean, "at": _as_it_is},
    facts.TierReached: {"name": clean, "at": _as_it_is},
    facts.DateCame: {"flow": _as_it_is, "at": _as_it_is, "date": clean},
    facts.Campaign: {"flow": _as_it_is, "at": _as_it_is, "occurrence": clean},
    facts.Start: {"flow": _as_it_is, "at": _as_it_is, "by": name, "reference": clean},
    facts.PreferencesTold: {
        "at": _as_it_is, "topics": _as_it_is, "frequency": _as_it_is, "language": clean, "paused_until": _as_it_is,
    },
    facts.TraitsTold: {"at": _as_it_is, "values": _answers},
}  # fmt: skip

#: Parts of `event` that mean something whatever happened. `type` is the event's own (`order.placed`).
ALWAYS = frozenset({"type", "items", "item_count"})
#: Kind of fact (`rekindle.domain.events.EVENT_TYPES`) → the parts of `event` that a mail about it may name.
EVENT_FIELDS: dict[str, frozenset[str]] = {
    str(fact.__struct_config__.tag): ALWAYS.union(parts) for fact, parts in _PARTS.items()
}
#: Parts whose own names are not known beforehand: a shop's values, people's traits and answers.
OPEN = frozenset(
    {("shop", "values"), ("profile", "traits"), ("run", "codes"), ("event", "answers"), ("event", "values")}
)

_EVENT: dict[str, Any] = dict.fromkeys(sorted(frozenset[str]().union(*EVENT_FIELDS.values())))
_EVENT |= {"items": [], "codes": [], "item_count": 0, "answers": {}, "values": {}}


def _event(run: Run, products: Mapping[str, Product], shop: Shop, form: Format) -> dict[str, Any]:
    trigger = run.trigger
    found = dict(_EVENT)
    found["type"] = run.event_type or None
    for part, read in _PARTS.get(type(trigger), {}).items():
        value = getattr(trigger, part, None)
        found[part] = value if read is _as_it_is else read(value)
    lines = [(item, products.get(item.product_id or "")) for item in _lines(run)[:MAX_ITEMS]]
    match trigger:
        case Order():
            found["ship_to"] = _address(trigger.ship_to, form)
        case Basket(page=True):
            lines = [(_catalogued(_told_by_a_page(item), product, shop), product) for item, product in lines]
        case View():
            lines = [(_catalogued(item, product, shop), product) for item, product in lines]
            found["url"] = web(trigger.url) if is_of(shop.url, trigger.url) else None
        case Review():
            lines = [(item, product) for item, product in lines if product is not None]
        case ProductChange():
            lines = list(_news(run, products))[:MAX_ITEMS]
    found["items"] = [_item(item, product) for item, product in lines]
    found["item_count"] = getattr(trigger, "item_count", 0) or sum(item["quantity"] for item in found["items"])
    if isinstance(trigger, ProductChange):
        found |= _changed(run, found["items"], shop)
    if isinstance(trigger, (View, ProductChange)):
        for (item, product), line in zip(lines[:1], found["items"], strict=False):
            priced = product is not None and item.price == product.price
            found |= {part: line[part] for part in ("title", "url", "kind", "price")} | {"image": line["picture"]}
            found["currency"] = (product.currency if product and priced else None) or found["currency"]
    return found


def _changed(run: Run, lines: Sequence[dict[str, Any]], shop: Shop) -> dict[str, Any]:
    """Say in each line what it cost before; return what `event` itself says of it: the first one."""
    changes = {fact.product_id: fact for fact in (run.trigger, *run.joined) if isinstance(fact, ProductChange)}
    for line in lines:
        change = changes[line["product_id"]]
        line |= {"was": change.was, "currency": change.currency or shop.currency}
    return {"was": lines[0]["was"] if lines else None}


def holds(run: Run, products: Mapping[str, Product]) -> bool:
    """Whether there is still something to say: news of products that are all sold out again, or dearer, is none."""
    return not isinstance(run.trigger, ProductChange) or any(True for _ in _news(run, products))


def _news(run: Run, products: Mapping[str, Product]) -> Iterator[tuple[Item, Product | None]]:
    """Yield what changed of products and still is so, at the price that each has by now."""
    for fact in (run.trigger, *run.joined):
        if isinstance(fact, ProductChange):
            product = products.get(fact.product_id)
            if product is None or still_so(run.event_type, fact, product):
                (item,) = _lines_of(fact, run.event_type)
                now = product.price if product is not None else None
                yield (item if now is None else msgspec.structs.replace(item, price=now)), product


def _told_by_a_page(item: Item) -> Item:
    return msgspec.structs.replace(item, title=said(item.title) or "", variant=said(item.variant), sku=None, image=None)


def _lines(run: Run) -> tuple[Item, ...]:
    """Return the lines of what the run is about, and of what joined it; of a single product, that one."""
    return tuple(line for fact in (run.trigger, *run.joined) for line in _lines_of(fact, run.event_type))


def _lines_of(fact: Fact | None, event_type: str) -> tuple[Item, ...]:
    match fact:
        case Basket(items=items) | Order(items=items) | Shipment(items=items):
            return items
        case View() as view if event_type != "category.viewed":
            return (
                Item(title=said(view.title) or "", product_id=view.id, price=view.price, url=view.url, kind=view.kind),
            )
        case ProductChange() as change:
            return (
                Item(
                    title=change.title or "",
                    product_id=change.product_id,
                    price=change.price,
                    url=change.url,
                    image=change.image,
                ),
            )
        case Review(product_id=str(product)):
            return (Item(title="", product_id=product),)
        case _:
            return ()


def _catalogued(item: Item, product: Product | None, shop: Shop) -> Item:
    """Return what was looked at as the catalogue has it: the page's own word comes through the visitor's browser."""
    own = item.url if is_of(shop.url, item.url) else None
    if product is None:
        return msgspec.structs.replace(item, url=own)
    return msgspec.structs.replace(
        item,
        title=product.title or item.title,
        url=own if product.deleted else product.url or own,
        price=item.price if product.price is None else product.price,
        kind=product.kind or item.kind,
    )


def _item(item: Item, product: Product | None) -> dict[str, Any]:
    title = clean(item.title) or clean(product.title if product else None) or clean(item.sku)
    shown = product if product is not None and not product.deleted else None
    image = web(item.image) or web(product.image if product else None)
    return {
        "product_id": item.product_id,
        "title": title,
        "variant": clean(item.variant),
        "sku": clean(item.sku),
        "kind": said(item.kind or (product.kind if product else None)),
        "quantity": item.quantity,
        "price": item.price,
        "total": item.total if item.total is not None else _times(item.price, item.quantity),
        "url": web(item.url) or web(shown.url if shown else None),
        "image": _scaled(image, 320),
        "picture": _scaled(image, 1200),
        "alt": clean(product.image_alt if product else None) or title,
        "was": None,
        "currency": None,
    }


def _offer(product: Product, shop: Shop) -> dict[str, Any]:
    """Return a product of the catalogue in the shape of an item: `was` is what it cost before, if it costs less now."""
    item = _item(Item(title=product.title, product_id=product.id, price=product.price), product)
    return item | {"was": product.compare_at, "currency": product.currency or shop.currency}


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
