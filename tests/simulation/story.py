"""What happens outside: people, what they and their shop do, what marketers and operators do, and when.

A story is a value. Seeds make random ones; the reference worlds are written down here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.content.pages.settings import PageSettings, Topic
from rekindle.content.sites import Words, site_of
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Alert,
    Basket,
    Consent,
    Customer,
    Fact,
    Item,
    Order,
    Person,
    PrivacyRequest,
    Product,
    PushSubscription,
    Refund,
    Shipment,
)
from rekindle.domain.offers import Offer
from rekindle.flow.conditions import condition
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Flow, Playbook, Segment, Shop
from rekindle.ports import ShopSecrets
from rekindle.service.guard import Limits

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHOP = "tea"
#: Who is told when the shop's marketing is paused.
OWNER = "owner"
#: So small, because there are so few people here.
LIMITS = Limits(bounces=0.05, complaints=0.001, least_bounces=1, least_complaints=1, least_mails=1)

#: The shop's own number, and people's.
NUMBER = "+31970102030"
PHONES = {"ada": "+31612345601", "bob": "+31612345602", "carol": "+31612345603"}

#: What the coupons of a pool are: one, so that of two people somebody gets none.
POOL, CODES = "f00d", ("POOL-1",)
UNIQUE = Offer(name="unique", kind="unique", percent=Decimal(10), prefix="TEA")
POOLED = Offer(name="pooled", kind="pool", percent=Decimal(10), pool=POOL, size=len(CODES), low=1)
#: Template → the offer that its mails give.
GIVES = {"given-1": "unique", "given-2": "unique", "given-pooled": "pooled"}
#: A list at an ads network, and the network's own id of it.
LIST, LIST_ID = "abandoners", "23851234567890123"
#: Where the links of every mail lead.
TARGETS = ("https://tea.example/sencha", "https://tea.example/oolong")
#: The form by which people sign up on the shop's site.
FORM = "letters"
#: What the shop is known by.
CONNECTED = ShopSecrets(shop=SHOP, platform="shopify", domain="tea.myshopify.com", webhook_secrets=("s",))
#: What pages tell: nobody signed it.
UNSIGNED = frozenset({"browses", "leaves_browser"})
#: What the shop has in its API: told of by a webhook at once, by one that comes late, or by none.
UNHEARD = frozenset({"told_order", "late_order", "silent_order", "silent_account", "silent_product"})
_KEY = "BGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"
_AUTH = "YWFhYWFhYWFhYWFhYWFhYQ"

_HOUR, _DAY = 3_600, 86_400
_TEA = (Item(title="Sencha", product_id="p1"),)


class Happening(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that comes from outside `at` seconds after the beginning. `number` tells several of a kind apart."""

    at: int
    what: str
    who: str = ""
    number: int = 0

    def __str__(self) -> str:
        """Return it as the trace shows it."""
        return f"{self.at:>6}s {self.what} {self.who}{self.number or ''}".rstrip()


class Story(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that comes from outside. `habits`: what people do with mails (`opens`, `clicks`, `bounces`, `complains`).

    Of whom is `gone` the carrier says that the number has opted out, a push service that the first browser is no more.

    One bounce or complaint pauses the shop (`LIMITS`); it gives its word when `resumes` happens.
    """

    happenings: tuple[Happening, ...]
    habits: dict[str, str] = {}
    book: int = 0


# --- people and what they do -----------------------------------------------------------------------------------------


def who(person: str) -> Who:
    """Return everything by which somebody can be known."""
    return Who(
        email=f"{person}@example.com",
        shop_customer_id=f"id-{person}",
        cart_token=f"cart-{person}",
        checkout_token=f"check-{person}",
    )


def person_at(number: str) -> str:
    """Return whose phone number this is."""
    return next(person for person, known in PHONES.items() if known == number)


def _event(kind: str, data: Fact, when: datetime, by: Who) -> Event:
    return Event(
        id="",
        shop=SHOP,
        type=kind,
        occurred_at=when,
        received_at=when,
        data=data,
        who=by,
    )


def _basket(kind: str, when: datetime, person: str, by: Who, items: tuple[Item, ...] = _TEA) -> Event:
    token = f"cart-{person}"
    data = Basket(id=token, updated_at=when, cart_token=token, checkout_token=by.checkout_token, items=items)
    return _event(kind, data, when, by)


def _order(kind: str, when: datetime, person: str, number: int, by: Who) -> Event:
    data = Order(
        id=f"order-{person}-{number}",
        updated_at=when,
        # One order is told of at several moments, and was placed at one: those from 100 on at that minute.
        placed_at=T0 + timedelta(minutes=number if number >= 100 else 0),
        cart_token=by.cart_token,
        checkout_token=by.checkout_token,
        items=_TEA,
        total=Decimal(19),
        currency="EUR",
    )
    return _event(kind, data, when, by)


def _said(when: datetime, state: str, by: Who) -> Event:
    act = Consent(channel="email", state=state, at=when, source="test", address=by.email)  # type: ignore[arg-type]
    return _event("consent.changed", act, when, by)


def _browser(kind: str, when: datetime, person: str, number: int) -> Event:
    """Return what a page tells of push messages, from one of somebody's browsers."""
    given = {"p256dh": _KEY, "auth": _AUTH} if kind == "push.subscribed" else {}
    data = PushSubscription(endpoint=f"https://fcm.googleapis.com/fcm/send/{person}-{number}", at=when, **given)
    return replace(_event(kind, data, when, Who(browser_id=f"browser-{person}")), signed=False)


def _product(number: int, at: datetime) -> Event:
    """Return the tea at a price, the higher the number the lower; or, at a nought, sold out."""
    price, url = Decimal(30 - 5 * number), "https://tea.example/sencha"
    tea = Product(id="p1", updated_at=at, title="Sencha", url=url, price=price, in_stock=number > 0)
    return _event("product.updated", tea, at, Who())


def _asked(person: str, number: int, at: datetime) -> Event:
    """Return that somebody wants to be told when the tea costs less, or, of every second, can be had again."""
    alert = Alert(product_id="p1", at=at, wants=("price",) if number % 2 else ("stock",))
    return _event("product.alert_requested", alert, at, _named(person))


def _allowed(when: datetime, person: str) -> Event:
    number = PHONES[person]
    act = Consent(channel="sms", state="subscribed", at=when, source="test", address=number)
    return _event("consent.changed", act, when, Who(email=who(person).email, phone=number))


@cache
def events(happening: Happening) -> tuple[Event, ...]:
    """Return what the shop tells when this happens; nothing where it is not the shop that speaks."""
    told = _told(happening)
    return tuple(replace(event, id=f"{happening}/{place}") for place, event in enumerate(told))


def _told(happening: Happening) -> tuple[Event, ...]:
    tell = _TELLINGS.get(happening.what)
    if tell is None:
        return ()
    return tell(happening.who, happening.number, T0 + timedelta(seconds=happening.at))


def _shopper(person: str) -> Who:
    return replace(who(person), shop_customer_id=None)


def _member(person: str) -> Who:
    return Who(shop_customer_id=who(person).shop_customer_id)


def _named(person: str) -> Who:
    return Who(email=who(person).email)


def _visitor(person: str) -> Who:
    return Who(cart_token=who(person).cart_token)


def _account(person: str, when: datetime, by: Who) -> Event:
    return _event("customer.updated", Customer(id=f"id-{person}", updated_at=when, tags=("club",)), when, by)


def _refund(person: str, number: int, when: datetime) -> Event:
    order = f"order-{person}-{number}"
    return _event(
        "order.refunded", Refund(id=f"r-{when.isoformat()}", order_id=order, at=when, amount=Decimal(5)), when, Who()
    )


def _lives(person: str, number: int, when: datetime) -> Event:
    return replace(_known(person, when, who(person).email), person=Person(zone=list(OWN_AT)[number % len(OWN_AT)]))


def _parcel(person: str, number: int, when: datetime) -> Event:
    order = f"order-{person}-{number}"
    data = Shipment(id=f"s-{person}", order_id=order, updated_at=when, status="delivered")
    return _event("shipment.updated", data, when, Who())


def _two_orders(person: str, number: int, when: datetime) -> tuple[Event, ...]:
    """Tell of two people in one delivery: both order, one subscribes, the other unsubscribes."""
    other = "bob" if person == "ada" else "ada"
    return (
        _order("order.placed", when, person, number, who(person)),
        _said(when, "subscribed", _named(person)),
        _order("order.placed", when, other, number, who(other)),
        _said(when, "unsubscribed", _named(other)),
    )


def _erasure(person: str, number: int, when: datetime) -> Event:
    by = replace(who(person), cart_token=None, checkout_token=None)
    request = PrivacyRequest(
        wish="erase",
        at=when,
        request_id=f"{person}-{number}",
        email=by.email,
        shop_customer_id=by.shop_customer_id,
    )
    return _event("privacy.requested", request, when, by)


def _known(person: str, when: datetime, email: str | None) -> Event:
    return _account(person, when, Who(email=email, shop_customer_id=who(person).shop_customer_id))


#: What happened → how the shop tells it. Orders of guests and members have numbers of their own: no order is told twice
#: of different people.
_TELLINGS: dict[str, Callable[[str, int, datetime], tuple[Event, ...]]] = {
    "cart": lambda who_, _, at: (_basket("cart.updated", at, who_, _visitor(who_)),),
    "emptied": lambda who_, _, at: (_basket("cart.updated", at, who_, _visitor(who_), ()),),
    "checkout": lambda who_, _, at: (_basket("checkout.updated", at, who_, _shopper(who_)),),
    "account": lambda who_, _, at: (_account(who_, at, _member(who_)),),
    "identified": lambda who_, _, at: (_known(who_, at, who(who_).email),),
    "moves": lambda who_, n, at: (_known(who_, at, f"{who_}.{n}@example.com"),),
    "order": lambda who_, n, at: (_order("order.placed", at, who_, n, who(who_)),),
    "told_order": lambda who_, n, at: (_order("order.placed", at, who_, n, who(who_)),),
    "late_order": lambda who_, n, at: (_order("order.placed", at, who_, n, who(who_)),),
    "guest_order": lambda who_, n, at: (_order("order.placed", at, who_, n + 10, _shopper(who_)),),
    "member_order": lambda who_, n, at: (_order("order.placed", at, who_, n + 20, _member(who_)),),
    "paid": lambda who_, n, at: (_order("order.paid", at, who_, n, who(who_)),),
    "refund": lambda who_, n, at: (_refund(who_, n, at),),
    "lives": lambda who_, n, at: (_lives(who_, n, at),),
    "parcel": lambda who_, n, at: (_parcel(who_, n, at),),
    "subscribes": lambda who_, _, at: (_said(at, "subscribed", _named(who_)),),
    "unsubscribes": lambda who_, _, at: (_said(at, "unsubscribed", _named(who_)),),
    "allows": lambda who_, _, at: (_allowed(at, who_),),
    "both_order": _two_orders,
    "browses": lambda who_, n, at: (_browser("push.subscribed", at, who_, n),),
    "leaves_browser": lambda who_, n, at: (_browser("push.unsubscribed", at, who_, n),),
    "product": lambda _, n, at: (
        _event("product.updated", Product(id=f"p{n}", updated_at=at, title="Tea"), at, Who()),
    ),
    "priced": lambda _, n, at: (_product(n, at),),
    "sold_out": lambda _, __, at: (_product(0, at),),
    "asks": lambda who_, n, at: (_asked(who_, n, at),),
    "erasure": lambda who_, n, at: (_erasure(who_, n, at),),
}


# --- what marketers publish ------------------------------------------------------------------------------------------

_CART = """\
title: Cart
trigger:
  - event: checkout.updated
    when: event.items and profile.email
entry: {{key: event.id, restart: true}}
goal: {{event: order.placed, when: "run.key in (event.cart_token, event.checkout_token)"}}
exit_on:
  - {{event: cart.updated, when: event.id == run.key and not event.items}}
timeout: 3d
steps:
  - wait: {wait}
  - email: cart-1
    valid_for: 2h
  - wait: 23h
  - branch:
      - if: not run.clicked
        steps:
          - email: cart-2
            valid_for: 2h
"""
_TEXTED = """\
title: Cart
trigger:
  - event: checkout.updated
    when: event.items and profile.email
entry: {key: event.id, restart: true}
goal: {event: order.placed, when: "run.key in (event.cart_token, event.checkout_token)"}
timeout: 3d
steps:
  - wait: 1h
  - branch:
      - if: profile.sms_subscribed
        steps:
          - sms: cart-1
            valid_for: 2h
      - else: true
        steps:
          - email: cart-1
            valid_for: 2h
  - wait: 23h
  - sms: cart-2
    valid_for: 2h
"""
_CONFIRMATION = """\
title: Confirmation
category: transactional
trigger: {event: order.placed, when: profile.email}
entry: {key: event.id}
steps:
  - email: confirmation
"""
_WELCOME = """\
title: Welcome
trigger: {event: consent.changed, when: event.state == 'subscribed'}
timeout: 5d
steps:
  - email: welcome-1
    valid_for: 2h
  - wait_for: {event: email.clicked, limit: 1d}
    then:
      - email: welcome-2
        valid_for: 2h
    else:
      - wait: 1h
"""


_HELLO = """\
title: Hello
trigger: {segment: subscribers}
timeout: 1d
steps:
  - email: hello
    valid_for: 2h
"""
#: The campaign comes two hours after the beginning.
LETTER_AT = T0 + timedelta(hours=2)
_LETTER = """\
title: Letter
trigger:
  schedule: {once: 2026-03-02T11:00, zone: UTC, segment: subscribers}
timeout: 1d
steps:
  - email: letter
    valid_for: 2h
"""
_OWN = """\
title: Own
trigger:
  schedule: {once: 2026-03-03T02:00, zone: recipient, segment: subscribers}
timeout: 1d
steps:
  - email: own
    valid_for: 2h
"""
#: Each of these flows is a campaign → how the one that comes here is called. Both begin at `LETTER_AT`.
CAMPAIGNS = {"letter": "2026-03-02T11:00Z", "own": "2026-03-03T02:00"}
#: Where people can live → when it is two in the morning there, after everybody is sorted. The first is the shop's own
#: zone, in that book.
OWN_AT = {"Pacific/Kiritimati": T0 + timedelta(hours=3), "Pacific/Chatham": T0 + timedelta(hours=3, minutes=15)}
#: For so many seconds a campaign may be paused.
HOLDS = (120, 400, 700)
_GIVING = """\
title: Cart
trigger:
  - event: checkout.updated
    when: event.items and profile.email
entry: {key: event.id, restart: true}
goal: {event: order.placed, when: "run.key in (event.cart_token, event.checkout_token)"}
timeout: 3d
steps:
  - wait: 1h
  - email: given-1
    offer: unique
    valid_for: 2h
  - wait: 23h
  - email: given-2
    offer: unique
    valid_for: 2h
"""
_THANKS = """\
title: Thanks
trigger: {event: order.placed, when: profile.email}
entry: {key: event.id}
timeout: 3d
steps:
  - email: given-pooled
    offer: pooled
    valid_for: 2h
"""
_PUSHED = """\
title: Push
trigger: {event: push.subscribed}
timeout: 3d
steps:
  - wait: 1h
  - push: hello
    valid_for: 2h
  - wait: 23h
  - push: again
    valid_for: 2h
"""
_ALERT = """\
title: Alert
category: transactional
trigger:
  - product: price_dropped
    when: event.asked and profile.email
  - product: back_in_stock
    when: event.asked and profile.email
entry: {key: event.product_id, again: 1h, gather: true}
goal: {event: order.placed}
timeout: 2d
steps:
  - wait: 10m
  - email: alert
    valid_for: 1d
"""
_LISTED = """\
title: Listed
trigger: {event: checkout.updated, when: event.items and profile.email}
entry: {key: event.id}
goal: {event: order.placed}
timeout: 3d
steps:
  - wait: 1h
  - audience: abandoners
    action: add
  - wait: 1d
"""
_BOUGHT = """\
title: Bought
trigger: {event: order.placed, when: profile.email}
entry: {key: event.id}
timeout: 3d
steps:
  - audience: abandoners
    action: remove
"""
SUBSCRIBERS = "subscribers"


def _flow(name: str, text: str) -> Flow:
    flow, problems = parse_flow(text, file=f"flows/{name}.yaml")
    if flow is None:
        raise AssertionError(problems)
    return flow


def pages_of(book: Playbook) -> dict[str, bytes]:
    """Return what publish has left for the pages and the shop's site: name of the file → what is in it."""
    shop = book.shops[SHOP]
    words = Words(heading="Letters", text="", button="Yes", thanks="", email="", close="", failed="")
    site = replace(site_of(shop), forms={FORM: {"en": words}})
    topics = tuple(Topic(name=name, title={"": name}, on=on) for name, on in book.topics.items())
    settings = PageSettings(hash=book.hash, shops={SHOP: shop}, topics=topics, languages={"en": "English"})
    return {"pages": msgspec.json.encode(settings), "site": msgspec.json.encode({SHOP: site})}


def _book(
    name: str,
    *flows: Flow,
    segments: bool = False,
    offers: Sequence[Offer] = (),
    topics: dict[str, bool] | None = None,
    zone: str = "Europe/Amsterdam",
) -> Playbook:
    shop = Shop(
        id=SHOP,
        name="Tea & Co",
        platform="shopify",
        url="https://tea.example",
        sender_email="hello@tea.example",
        sender_name="Tea & Co",
        postal_address="1 Leaf Lane, Utrecht",
        currency="EUR",
        locale="en",
        zone=zone,
        notify=f"{OWNER}@tea.example",
        channels=("sms", "push", "audience"),
        audiences={LIST: LIST_ID},
        sms_sender=NUMBER,
        sms_numbers=(NUMBER,),
        flows={flow.name: True for flow in flows},
    )
    when = condition("profile.subscribed")
    subscribers = Segment(name=SUBSCRIBERS, when=when.source, inputs=when.inputs)
    return Playbook(
        hash=name,
        flows={flow.name: flow for flow in flows},
        segments={SUBSCRIBERS: subscribers} if segments else {},
        shops={SHOP: shop},
        offers={offer.name: offer for offer in offers},
        topics=topics or {},
    )


@cache
def books() -> tuple[Playbook, ...]:
    """Return what can be published: everything; the cart flow changed; the cart flow gone; no welcome.

    And with a segment, which everybody must be looked at for when it is new: a flow for it; a campaign to it. And the
    cart flow by text to whoever allowed that; mails that give codes; push messages; an ads audience; pages; a
    campaign at everybody's own hour; word of products to whoever asked for it.
    """
    cart, slower = _flow("cart", _CART.format(wait="1h")), _flow("cart", _CART.format(wait="90m"))
    confirmation, welcome = _flow("confirmation", _CONFIRMATION), _flow("welcome", _WELCOME)
    return (
        _book("all", cart, confirmation, welcome),
        _book("slower", slower, confirmation, welcome),
        _book("no-cart", confirmation, welcome),
        _book("short", cart, confirmation),
        _book("segment", confirmation, _flow("hello", _HELLO), segments=True),
        _book("campaign", confirmation, welcome, _flow("letter", _LETTER), segments=True),
        _book("texts", _flow("cart", _TEXTED), confirmation, welcome),
        _book("coupons", _flow("cart", _GIVING), _flow("thanks", _THANKS), offers=(UNIQUE, POOLED)),
        _book("pushes", _flow("pushed", _PUSHED), confirmation),
        _book("lists", _flow("listed", _LISTED), _flow("bought", _BOUGHT), confirmation),
        _book("pages", _flow("cart", f"{_CART.format(wait='1h')}topic: news\n"), confirmation, topics={"news": True}),
        _book("own", confirmation, _flow("own", _OWN), segments=True, zone="Pacific/Kiritimati"),
        _book("alerts", confirmation, _flow("alert", _ALERT), topics={"news": True}),
    )


SEGMENT, CAMPAIGN, TEXTS, COUPONS, PUSHES, LISTS, PAGES, OWN, ALERTS = 4, 5, 6, 7, 8, 9, 10, 11, 12


# --- stories ---------------------------------------------------------------------------------------------------------


def story_of(*happenings: tuple[int, str, str] | tuple[int, str, str, int], book: int = 0, **habits: str) -> Story:
    """Return a story: of each happening when, what, who and which; of people what they do with mails."""
    told = (Happening(at=at, what=what, who=person, number=sum(rest)) for at, what, person, *rest in happenings)
    return Story(happenings=tuple(told), habits=habits, book=book)


#: Small worlds of which every one-fault plan is tried, and of two-fault plans as many as there is time for.
REFERENCES: dict[str, Story] = {
    "cart": story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR, "link", "ada"), book=3),
    "order": story_of(
        (0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR, "order", "ada"), (_HOUR, "refund", "ada"), book=3
    ),
    "merge": story_of(
        (0, "subscribes", "ada"),
        (0, "checkout", "ada"),
        (0, "account", "ada"),
        (_HOUR, "identified", "ada"),
        (_HOUR, "unsubscribes", "bob"),
        (2 * _DAY, "order", "ada"),
        ada="opens",
    ),
    "credit": story_of(
        (0, "subscribes", "ada"),
        (0, "checkout", "ada"),
        (0, "account", "ada"),
        (2 * _HOUR, "guest_order", "ada", 110),
        (3 * _HOUR, "identified", "ada"),
        (4 * _HOUR, "refund", "ada", 120),
        ada="clicks",
    ),
    "two people": story_of((0, "both_order", "ada"), (0, "checkout", "bob"), (60, "publish", ""), (60, "deploy", "")),
    "erasure": story_of(
        (0, "subscribes", "ada"), (0, "checkout", "ada"), (60, "erasure", "ada"), (_HOUR, "order", "ada"), book=3
    ),
    "bounce": story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), (30, "order", "ada"), ada="bounces"),
    "pause": story_of(
        (0, "order", "ada"),
        (0, "subscribes", "bob"),
        (0, "checkout", "bob"),
        (2 * _HOUR, "resumes", ""),
        (2 * _HOUR, "order", "bob"),
        book=3,
        ada="complains",
    ),
    "pass": story_of(
        (0, "subscribes", "ada"),
        (0, "guest_order", "bob"),
        (0, "subscribes", "carol"),
        (60, "publish", "", SEGMENT),
        (60, "subscribes", "bob"),
        book=3,
    ),
    "campaign": story_of(
        (0, "subscribes", "ada"),
        (0, "subscribes", "bob"),
        (0, "subscribes", "carol"),
        (60, "publish", "", CAMPAIGN),
        book=3,
    ),
    "paused campaign": story_of(
        (0, "subscribes", "ada"),
        (0, "subscribes", "bob"),
        (60, "publish", "", CAMPAIGN),
        (2 * _HOUR, "holds", "", 1),
        book=3,
    ),
    "cancelled campaign": story_of(
        (0, "subscribes", "ada"),
        (0, "subscribes", "carol"),
        (60, "publish", "", CAMPAIGN),
        (2 * _HOUR + 10, "holds", "", 2),
        (2 * _HOUR + 40, "cancels", ""),
        book=3,
    ),
    "own hour": story_of(
        (0, "subscribes", "ada"),
        (0, "subscribes", "bob"),
        (0, "lives", "bob", 1),
        (2 * _HOUR + 60, "lives", "ada", 1),
        book=OWN,
    ),
    # What waits holds the second page back, and just before it comes, whom it lists refuses.
    "import": story_of(
        (0, "subscribes", "ada"),
        (0, "order", "ada", 1),
        (60, "checkout", "bob"),
        (60, "imports", "ada", 1),
        (119, "unsubscribes", "bob"),
        (_HOUR, "order", "bob"),
        book=3,
    ),
    "text": story_of((0, "allows", "ada"), (0, "checkout", "ada"), (_DAY, "stops", "ada"), book=TEXTS),
    "coupon": story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), (_DAY, "link", "ada"), book=COUPONS),
    "offer off": story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (_HOUR, "publish", "ada"), book=COUPONS),
    "pool": story_of(
        (0, "subscribes", "ada"), (0, "subscribes", "bob"), (60, "order", "ada"), (60, "order", "bob"), book=COUPONS
    ),
    "push": story_of(
        (0, "browses", "ada", 1), (60, "browses", "ada", 2), (_DAY, "push_link", "ada"), ada="gone", book=PUSHES
    ),
    "list": story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR + 10, "unsubscribes", "ada"), book=LISTS),
    "bought": story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR + 10, "order", "ada"), book=LISTS),
    # They agree to something else, or privacy is at work, while the list's turn comes.
    "agreed beside the list": story_of(
        (0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR + 10, "allows", "ada"), book=LISTS
    ),
    "erased beside the list": story_of(
        (0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR - 20, "erasure", "ada"), book=LISTS
    ),
    "click": story_of(
        (0, "order", "ada"),
        (300, "follows", "ada", 1),
        (1200, "follows", "ada", 2),
        (1200, "visits", "ada"),
        (1260, "scans", "ada"),
        (1800, "forges", "ada", 3),
        book=PAGES,
    ),
    "choice": story_of(
        (0, "subscribes", "ada"),
        (0, "checkout", "ada"),
        (60, "chooses", "ada", 4),
        (_HOUR + 60, "stays", "ada", 2),
        (2 * _HOUR, "chooses", "ada", 3),
        (2 * _HOUR, "forges", "ada", 2),
        book=PAGES,
    ),
    "survey": story_of(
        (0, "order", "ada", 1),
        (300, "answers", "ada", 5),
        (320, "answers", "ada", 1),
        (340, "answers", "ada", 4),
        (400, "rates", "ada", 2),
        (420, "rates", "ada", 4),
        book=PAGES,
    ),
    "sign-up": story_of((0, "signs_up", "ada"), (60, "confirms", "ada"), (_HOUR, "forges", "ada", 4), book=PAGES),
    "too many": story_of((0, "fills_in", "ada"), (0, "fills_in", "bob"), (60, "signs_up", "ada", 1), book=PAGES),
    "alert": story_of(
        (0, "priced", "", 1),
        (0, "asks", "ada", 1),
        (_HOUR, "priced", "", 2),
        (3 * _HOUR, "priced", "", 3),
        book=ALERTS,
    ),
    "unheard": story_of((60, "silent_order", "ada", 1), (60, "late_order", "ada", 4), book=2),
    "gone": story_of((0, "allows", "ada"), (0, "checkout", "ada"), ada="gone", book=TEXTS),
    "text or mail": story_of(
        (0, "subscribes", "ada"), (0, "checkout", "ada"), (_HOUR, "allows", "ada"), (_HOUR, "order", "ada"), book=TEXTS
    ),
}

_BEGINNINGS = ("subscribes", "checkout", "cart", "account", "guest_order")
_ACTS = (
    *("checkout", "order", "subscribes", "unsubscribes", "link", "identified") * 3,
    *("moves", "cart", "emptied", "account", "guest_order", "member_order", "paid", "refund", "parcel"),
    *("both_order", "product", "deploy", "publish", "publish", "ses_down", "erasure", "resumes"),
)
#: What forbids, or makes needless, a mail that is just due.
_RACES = (
    *("order", "unsubscribes", "moves", "moves", "link", "emptied"),
    *("identified", "checkout", "ses_down", "deploy"),
)
#: When the mails of the cart flow are due, as published first; and moments around.
_DUE = (_HOUR, _HOUR, _DAY)
_MOMENTS = (0, 0, 0, 1, 60, 120, _HOUR - 1, _HOUR, _HOUR, _HOUR + 60, 2 * _HOUR, _DAY, _DAY, _DAY + _HOUR)
_LETTER_DUE = 2 * _HOUR
_HABITS = ("", "", "", "opens", "clicks", "bounces", "complains")


#: When the shop may give its word: before anything waits, when something is due, and when it is worth sending no more.
_WORDS = (300, 600, _HOUR - 1, _HOUR, _HOUR + 60, 2 * _HOUR, 3 * _HOUR, _DAY)


def random_story(dice: random.Random) -> Story:
    """Return a story of one or two people.

    Either anything happens at any moment, or much at the moment when a mail is due, or somebody's complaint or bounce
    pauses the shop while somebody else's mails come due, or everybody is reached, or it goes by text or push, or gives
    a code, or puts people on a list, or they come by links and to pages, or the shop's lists are imported, or asked for
    what no webhook told, or they are told of a product.
    """
    tell = dice.choice(
        (
            *(_racing, _racing, _racing, _anything, _anything, _anything, _paused, _paused, _everybody, _texted),
            *(_given, _pushed, _listed, _visited, _imported, _unheard, _alerted),
        )
    )
    story = tell(dice)
    return replace(story, happenings=tuple(dict.fromkeys(sorted(story.happenings, key=lambda one: one.at))))


def _racing(dice: random.Random) -> Story:
    happenings = [Happening(at=0, what="subscribes", who="ada")]
    if dice.random() < 0.5:
        happenings.append(Happening(at=0, what="identified", who="ada"))
    happenings.append(Happening(at=0, what="checkout", who="ada", number=1))
    moment = dice.choice(_DUE)
    for _ in range(dice.choice((1, 1, 2, 3))):
        if dice.random() < 0.8:
            happenings.append(_act(dice, ("ada",), _RACES, (moment,)))
        else:
            happenings.append(_act(dice, ("ada",)))
    return Story(happenings=tuple(happenings), habits=_habits(dice, ("ada",)), book=_book_of(dice))


def _anything(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        if dice.random() < 0.7:
            happenings.append(Happening(at=0, what="subscribes", who=person))
        happenings.append(Happening(at=0, what=dice.choice(_BEGINNINGS), who=person, number=1))
    happenings += [_act(dice, people) for _ in range(dice.choice((1, 2, 3, 3, 4, 6)))]
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=_book_of(dice))


def _paused(dice: random.Random) -> Story:
    happenings = [
        Happening(at=dice.choice((0, 0, 60, _HOUR)), what=dice.choice(("order", "subscribes")), who="ada", number=1),
        Happening(at=0, what="subscribes", who="bob"),
        Happening(at=0, what="checkout", who="bob", number=1),
    ]
    words = dice.sample(_WORDS, dice.choice((0, 1, 1, 1, 2)))
    happenings += [Happening(at=at, what="resumes") for at in words]
    moments = (*_WORDS, *_DUE)
    happenings += [_act(dice, ("ada", "bob"), (*_RACES, "order"), moments) for _ in range(dice.choice((0, 1, 2, 3)))]
    habits = {"ada": dice.choice(("bounces", "complains")), "bob": dice.choice(_HABITS)}
    if dice.random() < 0.1:
        habits[OWNER] = "bounces"
    return Story(happenings=tuple(happenings), habits={who_: does for who_, does in habits.items() if does}, book=3)


def _everybody(dice: random.Random) -> Story:
    people = ("ada", "bob", "carol")[: dice.choice((1, 2, 3, 3))]
    happenings = []
    for person in people:
        at = dice.choice((0, 0, 0, _LETTER_DUE - 1, _LETTER_DUE))
        what = dice.choice(("subscribes", "subscribes", "subscribes", "guest_order", "order"))
        happenings.append(Happening(at=at, what=what, who=person, number=1))
    book = dice.choice((SEGMENT, CAMPAIGN, CAMPAIGN, OWN, OWN))
    moments: tuple[int, ...] = (
        60,
        _HOUR,
        _LETTER_DUE - 200,
        _LETTER_DUE - 60,
        _LETTER_DUE - 1,
        _LETTER_DUE,
        _LETTER_DUE + 60,
    )
    if book == OWN:
        happenings += [Happening(at=0, what="lives", who=person, number=1) for person in people if dice.random() < 0.4]
        moments = (*moments, 3 * _HOUR - 60, 3 * _HOUR, 3 * _HOUR + 900)
    begins_with_it = dice.random() < 0.3
    if not begins_with_it:
        happenings.append(Happening(at=dice.choice(moments), what="publish", number=book))
    acts: tuple[str, ...] = (
        *("subscribes", "unsubscribes", "identified", "order", "link", "moves"),
        *("deploy", "publish", "erasure"),
    )
    if book != SEGMENT:
        acts = (*acts, *("holds", "cancels", "holds", "lives") * (1 + (book == OWN)))
    for _ in range(dice.choice((0, 1, 1, 2))):
        act = _act(dice, people, acts, moments)
        happenings.append(act if act.what != "publish" else replace(act, number=dice.choice((0, SEGMENT, book))))
    return Story(
        happenings=tuple(happenings),
        habits=_habits(dice, people),
        book=book if begins_with_it else dice.choice((2, 3, 3)),
    )


def _texted(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        happenings += [
            Happening(at=0, what=what, who=person) for what in ("allows", "subscribes") if dice.random() < 0.7
        ]
        happenings.append(Happening(at=0, what="checkout", who=person, number=1))
    acts = (*("stops", "starts", "allows") * 2, *_RACES, "unsubscribes", "order", "erasure", "publish")
    happenings += [_act(dice, people, acts, (60, *_DUE, *_DUE)) for _ in range(dice.choice((1, 2, 2, 3)))]
    return Story(happenings=tuple(happenings), habits=_habits(dice, people, (*_HABITS, "gone")), book=TEXTS)


def _given(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        happenings.append(Happening(at=0, what="subscribes", who=person))
        happenings.append(Happening(at=0, what=dice.choice(("checkout", "checkout", "order")), who=person, number=1))
    acts = (*("order", "both_order") * 2, *_RACES, "unsubscribes", "erasure", "publish", "deploy")
    for _ in range(dice.choice((0, 1, 1, 2))):
        act = _act(dice, people, acts, (60, *_DUE, *_DUE))
        happenings.append(act if act.what != "publish" else replace(act, number=dice.choice((0, COUPONS, COUPONS))))
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=COUPONS)


def _pushed(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        happenings += [
            Happening(at=at, what="browses", who=person, number=number)
            for number, at in enumerate((0, 0, 60)[: dice.choice((1, 2, 3))], 1)
        ]
    acts = ("push_link", "push_link", "leaves_browser", "browses", "order", "deploy", "publish")
    for _ in range(dice.choice((0, 1, 1, 2))):
        act = _act(dice, people, acts, (60, *_DUE, *_DUE))
        happenings.append(act if act.what != "publish" else replace(act, number=dice.choice((0, PUSHES, PUSHES))))
    return Story(happenings=tuple(happenings), habits=_habits(dice, people, ("", "gone")), book=PUSHES)


def _listed(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        what = ("subscribes", "subscribes", "allows")[dice.choice((0, 0, 2))]
        happenings.append(Happening(at=0, what=what, who=person))
        happenings.append(Happening(at=0, what="checkout", who=person, number=1))
    if dice.random() < 0.3:
        happenings.append(Happening(at=_HOUR, what="erasure", who="ada", number=1))
        return Story(happenings=tuple(happenings), book=LISTS)
    acts = (*("order", "unsubscribes", "subscribes", "stops", "allows", "erasure") * 2, "identified", "moves", "deploy")
    happenings += [_act(dice, people, acts, (60, *_DUE, *_DUE)) for _ in range(dice.choice((1, 2, 2, 3)))]
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=LISTS)


def _visited(dice: random.Random) -> Story:
    if dice.random() < 0.2:
        return _crowded(dice)
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        what = dice.choice((("subscribes", "checkout"), ("order",), ("signs_up",), ("signs_up", "checkout")))
        happenings += [Happening(at=0, what=each, who=person, number=1) for each in what]
        if "signs_up" in what:
            happenings.append(Happening(at=dice.choice((60, _HOUR)), what="confirms", who=person))
    acts = (
        *("follows", "chooses", "stays", "answers", "rates") * 3,
        *("visits", "looks", "scans", "forges", "confirms") * 2,
        *("signs_up", "order", "link", "identified", "deploy", "erasure"),
    )
    moments = (60, 1200, 1200, _HOUR, _HOUR + 60, _HOUR + 900, _DAY + 60)
    for _ in range(dice.choice((1, 2, 3, 3))):
        act = _act(dice, people, acts, moments)
        happenings.append(replace(act, number=dice.randrange(6)) if act.what != "order" else act)
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=PAGES)


def _crowded(dice: random.Random) -> Story:
    """Return a story in which more sign up than are let through in an hour."""
    people, moments = ("ada", "ada", "bob", "carol"), (0, 0, 1, 60, 60, _HOUR - 1, _HOUR, _HOUR + 60)
    acts = ("signs_up", "signs_up", "fills_in", "fills_in", "confirms", "visits", "identified", "deploy")
    happenings = [_act(dice, people, acts, moments) for _ in range(dice.choice((3, 4, 5)))]
    return Story(happenings=tuple(happenings), book=PAGES)


def _imported(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = []
    for person in people:
        if dice.random() < 0.7:
            what = dice.choice(("subscribes", "checkout", "order", "identified"))
            happenings.append(Happening(at=0, what=what, who=person, number=1))
    at = dice.choice((0, 0, 60, _HOUR))
    happenings.append(Happening(at=at, what="imports", who=dice.choice(people), number=dice.choice((1, 1, 2))))
    acts = (*("unsubscribes", "subscribes", "order", "link") * 2, "checkout", "identified", "paid", "deploy", "erasure")
    happenings += [_act(dice, people, acts, (0, 1, at, at + 60, _HOUR)) for _ in range(dice.choice((0, 1, 1, 2)))]
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=dice.choice((0, 0, 3, SEGMENT)))


def _alerted(dice: random.Random) -> Story:
    """Return a story of people who want to be told of the tea, whose price and stock change."""
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = [Happening(at=0, what="priced", number=dice.choice((1, 1, 2)))]
    for person in people:
        if dice.random() < 0.3:
            happenings.append(Happening(at=0, what="wants", who=person, number=dice.choice((1, 2))))
            happenings.append(Happening(at=60, what="confirms", who=person))
        else:
            happenings.append(Happening(at=dice.choice((0, 60)), what="asks", who=person, number=dice.choice((1, 2))))
    acts = (
        *("priced", "priced", "priced", "priced", "sold_out", "asks", "identified") * 2,
        *("wants", "confirms", "unsubscribes", "order", "link", "checkout", "account", "erasure", "publish", "deploy"),
    )
    moments = (61, 600, _HOUR, _HOUR, _HOUR + 1, _HOUR + 600, 2 * _HOUR, 3 * _HOUR, _DAY)
    for _ in range(dice.choice((1, 2, 3, 4, 5))):
        act = _act(dice, people, acts, moments)
        numbers = {"publish": (0, ALERTS, ALERTS), "priced": range(1, 6)}.get(act.what, (act.number,))
        happenings.append(replace(act, number=dice.choice(numbers)))
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=ALERTS)


def _unheard(dice: random.Random) -> Story:
    people = ("ada", "bob")[: dice.choice((1, 1, 2))]
    happenings = [Happening(at=0, what="subscribes", who=person) for person in people if dice.random() < 0.5]
    moments = (0, 60, 299, 300, 301, 899, 900, 901, 1800, _HOUR)
    happenings += [_act(dice, people, tuple(sorted(UNHEARD)), moments[:8]) for _ in range(dice.choice((1, 2, 2, 3)))]
    acts = (*sorted(UNHEARD), "identified", "unsubscribes", "refund", "link", "deploy", "erasure", "moves")
    happenings += [_act(dice, people, acts, moments) for _ in range(dice.choice((0, 1, 1, 2)))]
    return Story(happenings=tuple(happenings), habits=_habits(dice, people), book=dice.choice((0, 2, 2, 3)))


def _act(
    dice: random.Random, people: Sequence[str], acts: Sequence[str] = _ACTS, moments: Sequence[int] = _MOMENTS
) -> Happening:
    return Happening(
        at=dice.choice(moments), what=dice.choice(acts), who=dice.choice(people), number=dice.choice((1, 1, 2, 3))
    )


def _book_of(dice: random.Random) -> int:
    return dice.choice((0, 0, 1, 3))


def _habits(dice: random.Random, people: Sequence[str], habits: Sequence[str] = _HABITS) -> dict[str, str]:
    return {person: habit for person in people if (habit := dice.choice(habits))}
