"""An invented month of an invented tea shop: what the benchmark of `rekindle simulate` replays.

The same people do the same things every time. Nobody here is real; every address ends in `.example`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Basket,
    Consent,
    Customer,
    Engagement,
    Fact,
    Item,
    Order,
    Person,
    Refund,
    Review,
    Search,
    Shipment,
    View,
)
from rekindle.flow.program import Shop

SHOP = Shop(
    id="kettle-and-leaf",
    name="Kettle & Leaf",
    platform="shopify",
    url="https://kettle-and-leaf.example.com",
    sender_email="hello@mail.kettle-and-leaf.example.com",
    sender_name="Kettle & Leaf",
    postal_address="Kettle & Leaf Ltd, 7 Harbour Row, Whitstable CT5 1AB, United Kingdom",
    currency="GBP",
    locale="en-GB",
    zone="Europe/London",
)
#: The month that counts; what people did in the four months before makes them who they are.
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = datetime(2026, 3, 31, 23, tzinfo=UTC)
PAST = timedelta(days=120)
PEOPLE = 3_000


class Span(Struct, frozen=True):
    """A time that counts, and how long before it the people's past begins."""

    since: datetime
    until: datetime
    past: timedelta


MONTH = Span(SINCE, UNTIL, PAST)

_HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 8, 10, 9, 8, 8, 9, 11, 14, 18, 20, 16, 9, 4)
GOODS = (
    ("101", "First flush Darjeeling, 100 g", "14.50", "black tea"),
    ("102", "Lapsang souchong, 100 g", "9.80", "black tea"),
    ("103", "Sencha from Uji, 80 g", "16.00", "green tea"),
    ("104", "Genmaicha, 100 g", "8.40", "green tea"),
    ("105", "Silver needle, 50 g", "22.00", "white tea"),
    ("106", "Chamomile flowers, 60 g", "6.90", "herbal"),
    ("107", "Cast-iron teapot, 0.8 l", "58.00", "teaware"),
    ("108", "Stoneware cup, set of two", "24.00", "teaware"),
    ("109", "Bamboo whisk", "18.50", "teaware"),
    ("110", "Matcha, ceremonial, 30 g", "27.00", "green tea"),
)
_FIRST = (
    "Ada",
    "Ben",
    "Chloe",
    "Dmitri",
    "Erin",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Liam",
    "Maya",
    "Noor",
)
_LAST = (
    "Okafor",
    "Lindqvist",
    "Marchand",
    "Walsh",
    "Brandt",
    "Moss",
    "Pereira",
    "Carvalho",
    "Novak",
    "Singh",
    "Tanaka",
)
_PLACES = (
    ("GB", None),
    ("GB", None),
    ("GB", None),
    ("GB", None),
    ("IE", None),
    ("FR", None),
    ("US", "NY"),
    ("US", "CA"),
)


def month(people: int = PEOPLE, seed: str = "tea") -> Iterator[Event]:
    """Yield the events of so many people, about fourteen of each, person by person and not in the order of time."""
    for number in range(people):
        yield from Life(number, seed, MONTH).events()


def write(path: Path, people: int = PEOPLE, seed: str = "tea") -> int:
    """Write them to a file in the order of receipt, one a line; return how many there are."""
    return to_file(path, month(people, seed))


def to_file(path: Path, events: Iterable[Event]) -> int:
    """Write the events to a file in the order of receipt, one a line; return how many there are."""
    lines = sorted((event.received_at, event.id, msgspec.json.encode(event)) for event in events)
    with path.open("wb") as out:
        out.writelines(raw + b"\n" for _, _, raw in lines)
    return len(lines)


class Life:
    """What one person does in a span of time, by a die of their own."""

    shop: Shop = SHOP
    """where they buy"""
    assortment: Sequence[tuple[str, str, str, str]] = GOODS
    """what it sells: id, title, price, kind"""

    def __init__(self, number: int, seed: str, span: Span) -> None:
        """Take the person's number, what the dice are thrown by, and when it all happens."""
        self._span = span
        self._dice = random.Random(f"{seed}/{number}")  # noqa: S311 - a story, not a secret
        self._number = number
        first, last = self._dice.choice(_FIRST), self._dice.choice(_LAST)
        self._person = Person(
            first_name=first,
            last_name=last,
            **dict(zip(("country", "region"), self._dice.choice(_PLACES), strict=True)),
        )
        self._email = f"{first}.{last}.{number}@mail.example".lower()
        self._customer = str(70_000 + number)
        self._browser = f"b{number}"
        self._events: list[Event] = []
        self._profile: str | None = None
        self._orders = 0
        self._known = False
        self._subscribed = False

    def events(self) -> list[Event]:
        """Return what happens, chapter by chapter."""
        dice = self._dice
        if self._chance(0.6):
            self._has_a_past()
        visits = dice.choices((0, 1, 2, 3, 5), (4, 8, 6, 3, 1))[0]
        for at in sorted(self._moment(self._span.since, self._span.until) for _ in range(visits)):
            self._visit(at)
        return self._events

    # --- chapters

    def _has_a_past(self) -> None:
        dice, since = self._dice, self._span.since
        began = since - self._span.past
        at = self._moment(began, self._span.since - timedelta(days=3))
        self._account(at)
        for _ in range(dice.choices((0, 1, 2, 4), (4, 6, 3, 1))[0]):
            self._buy(self._moment(at, self._span.since), self._goods(), None)

    def _account(self, at: datetime) -> None:
        if self._known:
            return
        self._known = True
        who = Who(email=self._email, shop_customer_id=self._customer)
        account = Customer(id=self._customer, updated_at=at)
        self._tell("customer.updated", account, at, who, person=self._person)
        if self._chance(0.72):
            self._subscribed = True
            act = Consent(channel="email", state="subscribed", at=at, source="account", address=self._email)
            self._tell("consent.changed", act, at + timedelta(seconds=1), who)

    def _visit(self, at: datetime) -> None:
        dice, who = self._dice, Who(browser_id=self._browser)
        goods = self._goods()
        for item in goods:
            at += timedelta(seconds=dice.randint(20, 240))
            view = View(
                id=item.product_id or "", at=at, title=item.title, kind=item.kind, price=item.price,
                currency=self.shop.currency, seconds=dice.randint(3, 180),
            )  # fmt: skip
            self._tell("product.viewed", view, at, who, signed=False)
        if self._chance(0.15):
            self._tell("search.submitted", Search(query=goods[0].kind or "tea", at=at), at, who, signed=False)
        if self._chance(0.55):
            self._cart(at + timedelta(minutes=dice.randint(1, 15)), goods[: dice.randint(1, 3)])

    def _cart(self, at: datetime, goods: tuple[Item, ...]) -> None:
        dice = self._dice
        token = f"c{self._number}-{int(at.timestamp())}"
        self._tell(
            "cart.updated",
            replace(self._basket(token, goods, at), checkout_token=None, recovery_url=None),
            at,
            Who(cart_token=token, browser_id=self._browser),
        )
        if self._chance(0.25):
            return
        at += timedelta(minutes=dice.randint(1, 9))
        if self._chance(0.7):
            self._account(at)
        who = Who(
            email=self._email,
            shop_customer_id=self._customer if self._known else None,
            cart_token=token,
            checkout_token=f"k{token}",
        )
        self._tell("checkout.updated", self._basket(token, goods, at), at, who, person=self._person)
        if self._chance(0.42):
            self._buy(at + timedelta(minutes=dice.randint(2, 30)), goods, token)
        elif self._chance(0.14):
            # Somebody who comes back by themselves, in the evening or the next day.
            self._buy(at + timedelta(hours=dice.randint(2, 30)), goods, token)
        elif self._subscribed:
            self._hear_from_the_shop(at, goods, token)

    def _hear_from_the_shop(self, at: datetime, goods: tuple[Item, ...], token: str) -> None:
        """What somebody does with the reminder that the shop's published flow had sent then."""
        dice = self._dice
        run = ids.run_id(self.shop.id, "cart-abandonment", token, 1, None)
        message = ids.message_id(run, "cart-reminder-1")
        at += timedelta(hours=1, minutes=dice.randint(10, 600))
        if self._chance(0.48):
            self._engage("email.opened", message, at)
            if self._chance(0.3):
                self._engage("email.clicked", message, at + timedelta(minutes=1))
                if self._chance(0.45):
                    self._buy(at + timedelta(minutes=dice.randint(5, 90)), goods, token)
        if self._chance(0.03):
            act = Consent(channel="email", state="unsubscribed", at=at, source="link", address=self._email)
            self._tell("consent.changed", act, at, Who(email=self._email))
            self._subscribed = False

    def _buy(self, at: datetime, goods: tuple[Item, ...], token: str | None) -> None:
        dice = self._dice
        self._orders += 1
        total = sum((item.total or Decimal(0) for item in goods), Decimal(0))
        order = Order(
            id=f"{self._number}-{self._orders}",
            number=f"#{10_000 + self._number}-{self._orders}",
            updated_at=at,
            placed_at=at,
            cart_token=token,
            checkout_token=f"k{token}" if token else None,
            items=goods,
            item_count=len(goods),
            currency=self.shop.currency,
            subtotal=total,
            total=total,
            codes=self._codes(),
            referrer=self._sent_by(),
        )
        who = Who(
            email=self._email,
            shop_customer_id=self._customer if self._known else None,
            cart_token=token,
            checkout_token=order.checkout_token,
        )
        self._tell("order.placed", order, at, who, person=self._person)
        sent = at + timedelta(hours=dice.randint(10, 50))
        self._tell("order.fulfilled", replace(order, updated_at=sent, fulfilled_at=sent), sent, who)
        came = sent + timedelta(hours=dice.randint(20, 110))
        parcel = Shipment(id=f"s{order.id}", order_id=order.id, updated_at=came, status="delivered")
        self._tell("shipment.updated", parcel, came, Who())
        if self._chance(0.12):
            said = came + timedelta(days=dice.randint(1, 9))
            rating = dice.choices((1, 3, 4, 5), (1, 2, 4, 8))[0]
            self._tell(
                "review.submitted", Review(rating=rating, at=said, order_id=order.id), said, Who(email=self._email)
            )
        if self._chance(0.03):
            back = came + timedelta(days=4)
            self._tell(
                "order.refunded", Refund(id=f"r{order.id}", order_id=order.id, at=back, amount=total), back, Who()
            )

    def _codes(self) -> tuple[str, ...]:
        """Return the codes that an order uses."""
        return ()

    def _sent_by(self) -> str | None:
        """Return whose code for friends an order uses."""
        return None

    # --- the smallest things

    def _chance(self, share: float) -> bool:
        return self._dice.random() < share

    def _goods(self) -> tuple[Item, ...]:
        chosen = self._dice.sample(self.assortment, self._dice.choices((1, 2, 3, 5), (5, 4, 2, 1))[0])
        return tuple(
            Item(title=title, product_id=product, price=Decimal(price), total=Decimal(price), kind=kind)
            for product, title, price, kind in chosen
        )

    def _basket(self, token: str, goods: tuple[Item, ...], at: datetime) -> Basket:
        return Basket(
            id=token,
            updated_at=at,
            cart_token=token,
            checkout_token=f"k{token}",
            items=goods,
            item_count=len(goods),
            currency=self.shop.currency,
            total=sum((item.total or Decimal(0) for item in goods), Decimal(0)),
            recovery_url=f"{self.shop.url}/recover/{token}",
        )

    def _moment(self, first: datetime, last: datetime) -> datetime:
        days = max(1, (last - first).days)
        hour = self._dice.choices(range(24), _HOURS)[0]
        day = (first + timedelta(days=self._dice.randrange(days))).replace(hour=0, minute=0, second=0, microsecond=0)
        return min(max(day + timedelta(hours=hour, seconds=self._dice.randrange(3_600)), first), last)

    def _engage(self, kind: str, message: str, at: datetime) -> None:
        self._tell(kind, Engagement(message_id=message, at=at), at, Who(), profile_id=self._profile)

    def _tell(self, kind: str, data: Fact, at: datetime, who: Who, **more: Any) -> None:
        if at >= self._span.until:
            return
        event_id = ids.digest("demo", str(self._number), str(len(self._events)))
        heard = at + timedelta(seconds=2)
        self._events.append(
            Event(
                id=event_id, shop=self.shop.id, type=kind, occurred_at=at, received_at=heard, data=data, who=who, **more
            )
        )
        if self._profile is None:
            self._profile = ids.profile_id(self.shop.id, event_id)
