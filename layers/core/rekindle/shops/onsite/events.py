"""Each kind of event that a page can tell, to the one function that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from rekindle.domain.events import Who
from rekindle.domain.facts import Form, Person, PushSubscription, Recognised, Search, View
from rekindle.domain.push import subscription_fault
from rekindle.shops import contact
from rekindle.shops.onsite.carts import basket
from rekindle.shops.reading import Body, Telling, identifier, mapping, money, text, whole

#: What is older is not heard: a tab that slept for a week says nothing of today.
MAX_AGE = timedelta(days=1)
#: Characters, and seconds of one look.
MAX_TITLE, MAX_QUERY, MAX_URL, MAX_SECONDS = 200, 200, 1_000, 4 * 3600
_MAX_ANSWERS, _MAX_CHOICES, _MAX_ANSWER = 20, 20, 500
_LOOK = re.compile(r"[A-Za-z0-9_-]{4,24}\Z")
_TOKEN = re.compile(r"[\x21-\x7e]{16,200}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")

_Kind = Literal["product.viewed", "category.viewed", "cart.updated", "checkout.updated"]


class Visit(Struct, frozen=True):
    """What is the same for every event of a batch."""

    who: Who
    person: Person | None
    platform: str
    url: str
    hosts: frozenset[str]
    currency: str | None
    received_at: datetime

    def when(self, event: Body) -> datetime | None:
        """Return when an event was, by how many seconds `ago` it says; `None` for what is too old to be heard."""
        ago = event.get("ago")
        if type(ago) is not int and type(ago) is not float:
            return self.received_at
        if not ago < MAX_AGE.total_seconds():
            return None
        return self.received_at - timedelta(milliseconds=int(max(ago, 0) * 1000))

    def page(self, value: object) -> str | None:
        """Return an address if it is on the shop's own site, without what follows a `#`."""
        address = text(value)
        if address is None or len(address) > MAX_URL:
            return None
        try:
            parts = urlsplit(address)
        except ValueError:
            return None
        own = parts.scheme in ("https", "http") and parts.netloc.lower() in self.hosts
        return address.partition("#")[0] if own else None


def _short(value: object, most: int) -> str | None:
    found = text(value)
    return found[:most].rstrip() if found is not None else None


def _price(value: object) -> Decimal | None:
    amount = money(value)
    return amount if amount is not None and amount >= 0 else None


def _view(kind: _Kind) -> Callable[[Body, Visit, Telling], None]:
    def read(event: Body, visit: Visit, telling: Telling) -> None:
        shown, at = identifier(event.get("id")), visit.when(event)
        if shown is None or at is None:
            return
        look = event.get("look")
        price = _price(event.get("price"))
        named = telling.use("currency", contact.currency(event.get("currency"))) or visit.currency
        fact = View(
            id=shown,
            at=at,
            title=_short(event.get("title"), MAX_TITLE),
            kind=_short(event.get("kind"), MAX_TITLE),
            url=visit.page(event.get("url")),
            price=price,
            currency=named if price is not None else None,
            seconds=min(max(whole(event.get("seconds")) or 0, 0), MAX_SECONDS),
            look=look if type(look) is str and _LOOK.match(look) else None,
        )
        telling.tell(kind, fact, at, visit.who, visit.person)

    return read


def _search(event: Body, visit: Visit, telling: Telling) -> None:
    query, at = _short(event.get("query"), MAX_QUERY), visit.when(event)
    if query is not None and at is not None:
        found = whole(event.get("results"))
        fact = Search(query=query, at=at, results=found if found is not None and found >= 0 else None)
        telling.tell("search.submitted", fact, at, visit.who, visit.person)


def _cart(kind: _Kind) -> Callable[[Body, Visit, Telling], None]:
    def read(event: Body, visit: Visit, telling: Telling) -> None:
        """Shopify tells of its carts itself, signed; WooCommerce tells nobody."""
        token, at = _token(event.get("cart")), visit.when(event)
        if visit.platform == "woocommerce" and token is not None and at is not None:
            currency = telling.use("currency", contact.currency(event.get("currency"))) or visit.currency
            fact = basket(event, token, at, currency=currency, url=visit.url, page=visit.page)
            telling.tell(kind, fact, at, visit.who, visit.person)

    return read


def _token(value: object) -> str | None:
    return value if type(value) is str and _TOKEN.match(value) else None


def _form(event: Body, visit: Visit, telling: Telling) -> None:
    name, at = event.get("name"), visit.when(event)
    if type(name) is not str or not _NAME.match(name) or at is None:
        return
    claimed = telling.use("email", contact.email(event.get("email")))
    answers = dict(_answers(mapping(event.get("answers"))))
    fact = Form(name=name, at=at, answers=answers, claimed=claimed, page=visit.page(event.get("url")))
    telling.tell("form.submitted", fact, at, visit.who, visit.person)


def _answers(sent: Mapping[str, Any]) -> list[tuple[str, str | tuple[str, ...]]]:
    answers: list[tuple[str, str | tuple[str, ...]]] = []
    for name, value in list(sent.items())[:_MAX_ANSWERS]:
        if not _NAME.match(name):
            continue
        if type(value) is list:
            several = tuple(said for one in value[:_MAX_CHOICES] if (said := _short(one, _MAX_ANSWER)) is not None)
            if several:
                answers.append((name, several))
        elif (said := _short(value, _MAX_ANSWER)) is not None:
            answers.append((name, said))
    return answers


def _recognised(event: Body, visit: Visit, telling: Telling) -> None:
    """The web pixel sees the checkout's tokens, which the shop's signed webhooks name too."""
    cart, checkout, at = _token(event.get("cart")), _token(event.get("checkout")), visit.when(event)
    if at is not None and (cart or checkout):
        by: Literal["cart", "order"] = "order" if event.get("ordered") is True else "cart"
        who = Who(browser_id=visit.who.browser_id, cart_token=cart, checkout_token=checkout)
        telling.tell("browser.recognised", Recognised(by=by, at=at), at, who)


def _push(event: Body, visit: Visit, telling: Telling) -> None:
    """A browser hands over what it takes to reach it (Push API). What no push service would take is left out."""
    keys = mapping(event.get("keys"))
    endpoint, key, secret = event.get("endpoint"), keys.get("p256dh"), keys.get("auth")
    at = visit.when(event)
    if at is None or subscription_fault(endpoint, key, secret) is not None:
        return
    fact = PushSubscription(endpoint=str(endpoint), at=at, p256dh=str(key), auth=str(secret))
    telling.tell("push.subscribed", fact, at, visit.who, visit.person)


READERS: Mapping[str, Callable[[Body, Visit, Telling], None]] = {
    "product.viewed": _view("product.viewed"),
    "category.viewed": _view("category.viewed"),
    "search.submitted": _search,
    "cart.updated": _cart("cart.updated"),
    "checkout.updated": _cart("checkout.updated"),
    "form.submitted": _form,
    "browser.recognised": _recognised,
    "push.subscribed": _push,
}
