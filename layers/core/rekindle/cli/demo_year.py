"""An invented year of the invented tea shop: what `rekindle simulate --demo` replays.

In it every flow and every segment that ships has something to do: people sign up by a form, come back by habit or not
at all, have birthdays, climb the shop's loyalty tiers, wait for a price, open what they get or leave it lying. The same
people do the same things every time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from rekindle.cli import demo_month
from rekindle.cli.demo_month import GOODS, Life, Span, to_file
from rekindle.domain import ids
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import (
    Consent,
    Form,
    Item,
    Order,
    ProductChange,
    PushSubscription,
    Referral,
    TraitsTold,
    View,
)
from rekindle.flow.program import Flow, OnSchedule, Playbook, Shop, Tier, Trigger

#: The shop as the year needs it: what it calls loyal, used up and its own.
SHOP = replace(
    demo_month.SHOP,
    notify="marketing@kettle-and-leaf.example.com",
    channels=("email", "sms", "push", "audience"),
    locales=("en", "ar", "zh-Hant"),
    tiers=(Tier(name="silver", spent=Decimal(90)), Tier(name="gold", spent=Decimal(200), orders=8)),
    values={
        "consumable": "green tea",
        "days_each": 35,
        "home_country": "GB",
        "towns": ("Whitstable", "Canterbury"),
        "topic_of_interest": "teaware",
        "category": "black tea",
        "product": "110",
        "vip_line": 200,
    },
)
#: The year that counts; what people did in the four months before makes them who they are.
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 2, 28, 23, tzinfo=UTC)
YEAR = Span(since=SINCE, until=UNTIL, past=timedelta(days=120))
PEOPLE = 150

_KEY = base64.urlsafe_b64encode(b"\x04" + b"k" * 64).decode().rstrip("=")
_SECRET = base64.urlsafe_b64encode(b"a" * 16).decode().rstrip("=")
_PLACES = (
    ("GB", "Whitstable"), ("GB", "Canterbury"), ("GB", "London"), ("GB", "London"), ("FR", "Lille"), ("AE", "Dubai"),
    ("TW", "Taipei"),
)  # fmt: skip
_SPEAKS = {"AE": "ar", "TW": "zh-Hant-TW", "FR": "en"}
_YEARS = range(1955, 2006)
#: One of so many was sent by a friend.
_SENT = 6
#: When what happens once in a shop's life happens here, by the shop's clock.
_ONCE = "2026-09-24T10:00"
#: The survey comes two weeks after somebody has come, behind the welcome, and is answered a while later.
_ANSWERED = timedelta(days=17)
_FIRST_OF_FEBRUARY = datetime(2027, 2, 1, tzinfo=UTC)


def opened(book: Playbook) -> Playbook:
    """Return a playbook as the year's shop plays it: every flow on, and what happens once has its day in this year."""
    flows = {name: _dated(flow) for name, flow in book.flows.items()}
    shop = replace(SHOP, flows=dict.fromkeys(flows, True))
    return replace(book, flows=flows, shops={**book.shops, shop.id: shop})


def _dated(flow: Flow) -> Flow:
    # The day of a sale is for the shop to write; what ships has one that is far away.
    first, last = f"{SINCE:%Y-%m-%dT%H:%M}", f"{UNTIL:%Y-%m-%dT%H:%M}"

    def dated(told: Trigger) -> Trigger:
        once = isinstance(told, OnSchedule) and told.once
        return told if not once or first < once < last else replace(told, once=_ONCE)

    return replace(flow, triggers=tuple(map(dated, flow.triggers)))


def year(people: int = PEOPLE, seed: str = "year") -> Iterator[Event]:
    """Yield the events of so many people, person by person and not in the order of time."""
    for number in range(people):
        yield from Year(number, seed).events()


def write(path: Path, people: int = PEOPLE, seed: str = "year") -> int:
    """Write them to a file in the order of receipt, one a line; return how many there are."""
    return to_file(path, year(people, seed))


class Year(Life):
    """A year of one person: a buyer by habit, a visitor who never buys, or somebody in between."""

    shop: Shop = SHOP
    habit: tuple[str, str, str, str] = GOODS[9]
    """what people buy again and again"""
    signing_up: ClassVar[timedelta] = timedelta(days=180)
    """so long from the beginning people come for the first time"""

    def __init__(self, number: int, seed: str, span: Span = YEAR) -> None:
        """Take the person's number, what the dice are thrown by, and when it all happens."""
        super().__init__(number, seed, span)
        country, city = self._dice.choice(_PLACES)
        self._person = replace(
            self._person, country=country, region=None, city=city, locale=_SPEAKS.get(country, "en-GB")
        )
        self._reads = self._chance(0.55)
        self._bargains = self._chance(0.2)

    def events(self) -> list[Event]:
        """Return what happens, chapter by chapter."""
        if self._chance(0.3):
            self._has_a_past()
        kind = self._dice.choices(("habit", "guest", "looker", "visitor", "shy"), (5, 5, 3, 4, 1))[0]
        {
            "habit": self._buys_by_habit,
            "guest": self._comes_now_and_then,
            "looker": self._only_looks,
            "visitor": self._signs_up_and_thinks,
            "shy": self._is_told_by_the_browser,
        }[kind]()
        return self._events

    # --- chapters

    def _buys_by_habit(self) -> None:
        """The same tea again and again, until one day no more."""
        at, every = self._soon(), self._dice.randint(14, 48)
        self._joins(at)
        self._tells_of_themselves(at + _ANSWERED)
        for _ in range(self._dice.randint(2, 9)):
            if at >= self._span.until:
                return
            goods = (_item(self.habit), *(self._goods()[:1] if self._chance(0.4) else ()))
            self._buy(at, goods, f"h{self._number}-{int(at.timestamp())}")
            if self._chance(0.08):
                self._cancels(at + timedelta(hours=5))
            if self._chance(0.2):
                self._recommends(at + timedelta(days=12))
            self._sees_news_of(self._goods()[0], at + timedelta(days=3))
            at += timedelta(days=every + self._dice.randint(-3, 3), hours=self._dice.randint(-3, 3))

    def _comes_now_and_then(self) -> None:
        for at in sorted(self._moment(self._span.since, self._span.until) for _ in range(self._dice.randint(1, 6))):
            self._visit(at)
            if self._chance(0.5):
                self._tells_of_themselves(at + timedelta(minutes=9))
            self._sees_news_of(self._goods()[0], at + timedelta(days=2))

    def _only_looks(self) -> None:
        """Knows every page by heart, and puts nothing into the basket."""
        at = self._soon()
        self._joins(at)
        for _ in range(self._dice.randint(5, 14)):
            at += timedelta(hours=self._dice.randint(1, 70))
            self._looks_long_at(self._goods()[0], at)
        self._sees_news_of(self._goods()[0], at + timedelta(days=1), asked=True)

    def _signs_up_and_thinks(self) -> None:
        """Gets the welcome and the letters after it, and buys late or never."""
        at = self._soon()
        self._joins(at)
        self._tells_of_themselves(at + _ANSWERED)
        if self._chance(0.3):
            self._buy(at + timedelta(days=self._dice.randint(20, 90)), self._goods(), f"v{self._number}")

    def _is_told_by_the_browser(self) -> None:
        at, who = self._soon(), Who(browser_id=self._browser)
        place = f"https://fcm.googleapis.com/fcm/send/{self._number}"
        allowed = PushSubscription(endpoint=place, at=at, p256dh=_KEY, auth=_SECRET)
        self._tell("push.subscribed", allowed, at, who, signed=False)
        for _ in range(4):
            at += timedelta(days=self._dice.randint(1, 40))
            self._looks_long_at(self._goods()[0], at, who)
        token = f"s{self._number}"
        self._tell("cart.updated", self._basket(token, self._goods(), at), at, replace(who, cart_token=token))

    # --- what they do

    def _joins(self, at: datetime) -> None:
        """Sign up by the form, and read the mails that come then, or not."""
        who = self._who()
        self._known = self._subscribed = True
        act = Consent(channel="email", state="subscribed", at=at, source="form", address=self._email)
        self._tell("consent.changed", act, at, who, person=self._person)
        if self._chance(0.15):
            phone = f"+4477009{self._number:05d}"
            texts = Consent(channel="sms", state="subscribed", at=at, source="form", address=phone)
            self._tell("consent.changed", texts, at + timedelta(seconds=1), replace(who, phone=phone))
        run = ids.run_id(self.shop.id, "welcome", None, 1, self._profile)
        for step, day in (("welcome-1", 0), ("welcome-2", 1), ("welcome-3", 3)):
            if self._reads and self._chance(0.8):
                self._engage("email.opened", ids.message_id(run, step), at + timedelta(days=day, hours=4))
        if self._reads and self._chance(0.3):
            self._engage("email.clicked", ids.message_id(run, "welcome-3"), at + timedelta(days=3, hours=5))

    def _tells_of_themselves(self, at: datetime) -> None:
        """Answer the survey, with a birthday, what they like and who they are."""
        born = self._dice.choice(_YEARS)
        day = timedelta(days=self._dice.randrange(365))
        birthday = f"{born}-{_FIRST_OF_FEBRUARY.replace(month=1) + day:%m-%d}"
        likes = tuple(self._dice.sample(("teaware", "green tea", "black tea"), 1))
        answers: dict[str, str | tuple[str, ...]] = {
            "birthday": birthday, "interests": likes, "gender": self._dice.choice(("woman", "man", "other")),
            "preferred_reward": self._dice.choice(("discount", "free_shipping")),
        }  # fmt: skip
        if self._chance(0.5):
            self._tell("survey.answered", Form(name="survey", at=at, answers=answers), at, self._who())
        else:
            self._tell("traits.changed", TraitsTold(at=at, values=dict(answers)), at, self._who())

    def _looks_long_at(self, item: Item, at: datetime, who: Who | None = None) -> None:
        view = View(
            id=item.product_id or "", at=at, title=item.title, kind=item.kind, price=item.price,
            currency=self.shop.currency, seconds=self._dice.randint(50, 170),
        )  # fmt: skip
        self._tell("product.viewed", view, at, who or self._who(), signed=False)

    def _sees_news_of(self, item: Item, at: datetime, *, asked: bool = False) -> None:
        """Hear of what they looked at: cheaper, back, or nearly gone."""
        kind = self._dice.choice(("product.price_dropped", "product.back_in_stock", "product.low_in_stock"))
        price = item.price or Decimal(10)
        change = ProductChange(
            product_id=item.product_id or "", at=at, title=item.title, price=price * Decimal("0.8"), was=price,
            currency=self.shop.currency, asked=asked,
        )  # fmt: skip
        self._tell(kind, change, at, self._who())

    def _recommends(self, at: datetime) -> None:
        self._tell("referral.made", Referral(order_id=f"f{self._number}-{at:%j}", at=at), at, self._who())

    def _cancels(self, at: datetime) -> None:
        placed = next(told.data for told in reversed(self._events) if told.type == "order.placed")
        if isinstance(placed, Order):
            gone = replace(placed, updated_at=at, status="cancelled", cancelled_at=at)
            self._tell("order.cancelled", gone, at, self._who())

    def _codes(self) -> tuple[str, ...]:
        return ("SPRING",) if self._bargains else ()

    def _sent_by(self) -> str | None:
        return f"friend-{self._number}" if not self._number % _SENT else None

    def _who(self) -> Who:
        return Who(email=self._email, shop_customer_id=self._customer, browser_id=self._browser)

    def _soon(self) -> datetime:
        """Return a moment at which somebody may come for the first time."""
        return self._moment(self._span.since, self._span.since + self.signing_up)


def _item(good: tuple[str, str, str, str]) -> Item:
    product, title, price, kind = good
    return Item(title=title, product_id=product, price=Decimal(price), total=Decimal(price), kind=kind)
