"""The demo's season: a quarter of a year in the life of the two shops, lived through the real engine.

Nothing here decides anything: who gets what is decided by `rekindle.flow.engine` under the virtual clock of `rekindle
simulate`, what brings money by the engine's own attribution. Invented are the people: what they do in the shops, and
what they do with what they get. Orders, checkouts and carts come as the platforms' webhook bodies through the
normalisers; what happens elsewhere (on the shops' pages, in forms, at the parcel service) comes from the story of
`rekindle simulate --demo`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace

from local.shops import (
    BIKES,
    TEA,
    Goods,
    Lines,
    shopify,
    shopify_cart,
    shopify_checkout,
    shopify_order,
    shopify_product,
    woocommerce,
    woocommerce_order,
    woocommerce_product,
)
from local.shops import Person as Customer
from local.stack import content_files
from rekindle.cli.demo_month import GOODS, Span
from rekindle.cli.demo_year import Year
from rekindle.cli.report.words import EVENTS
from rekindle.content.offers import parse_offer
from rekindle.content.previews import Drafts
from rekindle.content.validate import validate
from rekindle.domain import ids, results
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Basket, Consent, Coupon, Engagement, Fact, Item, Order, Product, Review
from rekindle.domain.labels import Label
from rekindle.domain.offers import Coupon as Issued
from rekindle.domain.offers import Offer, expiry
from rekindle.domain.outcome import Decision, Enqueue, Outcome
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.flow.local_time import zone
from rekindle.flow.program import Playbook
from rekindle.service.results import Report, report
from rekindle.service.simulation.findings import Findings, findings
from rekindle.service.simulation.people import Directory
from rekindle.service.simulation.replay import Life, Record, Scenario, Stage
from rekindle.service.simulation.tally import Tally
from rekindle.service.wording import phrase
from rekindle.shops import intake
from rekindle.shops.reading import Arrival

#: The season: from the first parcels of autumn to Christmas.
SEASON = Span(datetime(2026, 9, 7, tzinfo=UTC), datetime(2026, 12, 27, 23, tzinfo=UTC), timedelta(days=200))
#: How many customers each shop has.
PEOPLE: Mapping[str, int] = {TEA.id: 96, BIKES.id: 48}
#: The demo's shops, as the season plays them.
_SHOPS = Path(__file__).parent / "season_content"
#: The shipped sale's day is for the shop to write; this shop writes this one.
_SALE = (b"2030-01-02T10:00", b"2026-10-20T10:00")
#: What is told of somebody's season, of all that was decided.
_TOLD = frozenset(
    {"planned", "skipped", "held", "split", "credited", "ended", "said", "suppressed", "reached", "referred"}
)
_NEVER = datetime.max.replace(tzinfo=UTC)

_TEA_PICTURES = {"teaware": "cup.png", "black tea": "lapsang.png", "green tea": "darjeeling.png"}
_BIKE_GOODS = (
    ("301", "Brass bicycle bell", "24.00", "bells"),
    ("302", "Snake plant in a terracotta pot", "19.50", "plants"),
    ("303", "Bell with a compass", "32.00", "bells"),
    ("304", "Snake plant, knee-high", "38.00", "plants"),
    ("305", "Ding-dong bell, cream", "18.00", "bells"),
    ("306", "Three little snake plants", "27.00", "plants"),
    ("310", "Plant food, half a year", "12.50", "plant food"),
)
_NAMES = {
    "en": (
        ("Ada", "Ben", "Chloe", "Dmitri", "Erin", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam"),
        ("Okafor", "Lindqvist", "Marchand", "Walsh", "Brandt", "Moss", "Pereira", "Novak", "Singh"),
    ),
    "ar": (
        ("ليلى", "عمر", "نور", "يوسف", "مريم", "خالد", "سلمى", "طارق"),
        ("حداد", "منصور", "الخطيب", "نجار", "قاسم", "عيسى"),
    ),
    "zh-Hant": (
        ("雅婷", "志明", "怡君", "家豪", "淑芬", "俊傑", "佳穎", "宗翰"),
        ("陳", "林", "黃", "張", "李", "王"),
    ),
}
_HOMES = {
    TEA.id: (
        ("GB", "Whitstable", "en-GB"), ("GB", "Canterbury", "en-GB"), ("GB", "London", "en-GB"),
        ("AE", "Dubai", "ar-AE"), ("AE", "Sharjah", "ar-AE"), ("TW", "Taipei", "zh-Hant-TW"),
    ),
    BIKES.id: (
        ("BE", "Gent", "en-IE"), ("BE", "Brugge", "en-IE"), ("IE", "Dublin", "en-IE"), ("AE", "Dubai", "ar-AE"),
        ("TW", "Tainan", "zh-Hant-TW"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What the shops have published: what the engine goes by, and the mails to show."""

    playbook: Playbook
    drafts: Drafts
    offers: Mapping[str, Offer]
    shipped: frozenset[str]
    """the flows of `templates/`: each has to send something"""


@dataclass(frozen=True)
class Sent:
    """A message that went out: to whom, as what they were then, in which run, with which code."""

    id: str
    at: datetime
    planned: Planned
    profile: Profile
    run: Run
    coupon: Issued | None = None


@dataclass
class Resident:
    """One customer, and their season."""

    name: str
    shop: str
    locale: str
    story: list[tuple[datetime, str, str, str]] = field(default_factory=list)
    """moment, kind (`did`, or what was decided), words, message id"""
    sent: list[Sent] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """why nothing was sent to them → how often, in the engine's words"""
    profile: Profile | None = None


@dataclass(frozen=True)
class Season:
    """What the season came to."""

    content: Content
    findings: Findings
    reports: Mapping[str, Report]
    figures: Mapping[str, Mapping[Label, Mapping[str, Decimal]]]
    residents: Sequence[Resident]
    products: Mapping[str, Mapping[str, Product]]
    silent: Sequence[str]
    """shipped flows that sent nothing"""

    @property
    def sent(self) -> list[Sent]:
        """Return every message, in the order of time."""
        return sorted((one for who in self.residents for one in who.sent), key=lambda one: (one.at, one.id))


def content(templates: Path) -> Content:
    """Return what ships, published for the two shops, with every flow and offer on. Raises `ContentError`."""
    files = content_files(templates, _SHOPS)
    files["flows/sale.yaml"] = files["flows/sale.yaml"].replace(*_SALE)
    shipped = (path.stem for path in (templates / "flows").glob("*.yaml"))
    verdict = validate(files)
    if verdict.published is None:
        raise verdict.problems[0]
    read = {path: parse_offer(raw.decode(), file=path)[0] for path, raw in files.items() if path.startswith("offers/")}
    offers = {offer.name: offer for offer in read.values() if offer is not None}
    published = verdict.published
    return switched_on(published.playbook, Drafts(mails=published.mails, files={}), offers, shipped)


def switched_on(book: Playbook, shown: Drafts, offers: Mapping[str, Offer], shipped: Iterable[str]) -> Content:
    """Return the content with every flow and offer on in every shop."""
    shops = {
        name: replace(shop, flows=dict.fromkeys(book.flows, True), offers=dict.fromkeys(offers, True))
        for name, shop in book.shops.items()
    }
    return Content(replace(book, shops=shops), shown, offers, frozenset(shipped))


def play(there: Content, people: Mapping[str, int] = PEOPLE, span: Span = SEASON) -> Season:
    """Live through the season. The same content gives the same season."""
    scenario = Scenario(playbook=there.playbook, since=span.since, last=span.until, until=span.until)
    stage, tally = Stage(scenario), Tally()
    figures: dict[str, dict[Label, dict[str, Decimal]]] = {shop: {} for shop in people}
    residents = [
        _Resident((shop, number), span, there, stage, figures[shop]).live(tally)
        for shop, count in people.items()
        for number in range(count)
    ]
    found = findings(tally, scenario, people, 0)
    sending = {flow.name for flow in found.flows if any(message.count for message in flow.messages)}
    # A flow that has nothing to send (it puts people on a list of ads, or marks them) has to have somebody come.
    sending |= {flow.name for flow in found.flows if not flow.messages and flow.entered}
    since, until = span.since.date().isoformat(), span.until.date().isoformat()
    return Season(
        content=there,
        findings=found,
        reports={
            shop: report({label: dict(sums) for label, sums in rows.items()}, there.playbook, shop, since, until)
            for shop, rows in figures.items()
        },
        figures=figures,
        residents=residents,
        products={shop: catalogue(shop) for shop in people},
        silent=sorted(there.shipped - sending),
    )


# --- the shops -------------------------------------------------------------------------------------------------------


def _goods(row: tuple[str, str, str, str], shop: str) -> Goods:
    number, title, price, kind = row
    if shop == TEA.id:
        picture = "teapot.png" if "teapot" in title else _TEA_PICTURES.get(kind, "honey.png")
    else:
        picture = "bell.png" if kind == "bells" else "snake-plant.png"
    handle = "-".join("".join(sign if sign.isalnum() else " " for sign in title.lower()).split())
    return Goods(int(number), handle, title, Decimal(price), picture, title, kind)


_ASSORTMENTS = {TEA.id: GOODS, BIKES.id: _BIKE_GOODS}
_SOLD = {shop: {row[0]: _goods(row, shop) for row in rows} for shop, rows in _ASSORTMENTS.items()}


def catalogue(shop: str) -> dict[str, Product]:
    """Return what the shop sells, as its platform's webhooks tell of it."""
    found: dict[str, Product] = {}
    for goods in _SOLD[shop].values():
        body = (shopify_product if shop == TEA.id else woocommerce_product)(goods, SEASON.since)
        topic = "products/create" if shop == TEA.id else "product.created"
        for event in _heard(shop, topic, body, SEASON.since, f"catalogue/{goods.id}"):
            if isinstance(event.data, Product):
                found[event.data.id] = event.data
    return found


def _heard(shop: str, topic: str, body: Mapping[str, Any], at: datetime, delivery: str) -> tuple[Event, ...]:
    """Return what a webhook with this body tells, read as `ingest` reads it."""
    known = TEA if shop == TEA.id else BIKES
    sent = shopify(topic, body, at) if shop == TEA.id else woocommerce(topic, body, delivery)
    arrival = Arrival(
        shop=shop,
        delivery_id=ids.digest("season", shop, delivery),
        received_at=at + timedelta(seconds=2),
        domain=known.domain,
        currency=known.currency,
    )
    read = intake.read(known.platform, topic, sent.body)  # type: ignore[arg-type]
    return intake.normalise(known.platform, topic, read, arrival)  # type: ignore[arg-type]


# --- a customer ------------------------------------------------------------------------------------------------------


class _Resident(Year):
    """Somebody who lives as in the demo year, hears from the shops by the real engine, and reads, clicks and buys."""

    signing_up: ClassVar[timedelta] = timedelta(days=55)

    def __init__(
        self,
        who: tuple[str, int],
        span: Span,
        there: Content,
        stage: Stage,
        figures: dict[Label, dict[str, Decimal]],
    ) -> None:
        shop, number = who
        self.shop = there.playbook.shops[shop]
        self.assortment = _ASSORTMENTS[shop]
        self.habit = self.assortment[-1]
        super().__init__(number, f"quarter/{shop}", span)
        home = _HOMES[shop]
        country, city, locale = home[number % len(home)]
        language = locale.partition("-")[0] if not locale.startswith("zh") else "zh-Hant"
        first, last = (self._dice.choice(names) for names in _NAMES[language])
        self._person = replace(
            self._person, first_name=first, last_name=last, country=country, city=city, region=None, locale=locale
        )
        self._content, self._stage, self._figures = there, stage, figures
        self._zone = stage.zones[shop]
        name = f"{last}{first}" if language == "zh-Hant" else f"{first} {last}"
        self._kept = Resident(name, shop, language)
        self._using: tuple[str, Decimal] | None = None
        self._getting: str | None = None
        self._heap: list[tuple[datetime, int, int, Event]] = []
        self._pushed = 0

    def live(self, tally: Tally) -> Resident:
        """Live through the season, answering what comes; return what is to be told of it."""
        self.events()
        life = Life(self._stage, self.shop.id, tally, self._watch)
        directory = Directory(self.shop.id)
        self._gather()
        while self._heap or life.ahead <= self._span.until:
            at = self._heap[0][0] if self._heap else _NEVER
            if life.ahead < at:
                life.pass_until(min(life.ahead, self._span.until))
            else:
                *_, event = heapq.heappop(self._heap)
                placed = directory.place(event)
                if placed is not None:
                    self._did(event)
                    record = Record(placed.person, b"", placed.new, placed.absorbed, placed.nameless)
                    life.take(record, event)
            self._gather()
        life.finish()
        self._kept.story.sort(key=lambda line: line[0])
        return self._kept

    def _gather(self) -> None:
        """Take what has been told since the last look into the order of time."""
        for event in self._events[self._pushed :]:
            # A code is there before anything else happens in that second.
            place = 0 if event.type == "coupon.issued" else 1
            heapq.heappush(self._heap, (event.received_at, place, self._pushed, event))
            self._pushed += 1

    def events(self) -> list[Event]:
        """Return what happens. Some are unhappy with what they bought, whatever the dice of the year say."""
        super().events()
        bought = [event for event in self._events if event.type == "order.placed"]
        if self._number % 9 == 4 and bought:  # noqa: PLR2004
            order = bought[-1]
            at = order.occurred_at + timedelta(days=6)
            said = Review(rating=1, at=at, order_id=order.data.id if isinstance(order.data, Order) else None)
            self._tell("review.submitted", said, at, Who(email=self._email))
        return self._events

    # --- what the shops' webhooks say

    def _tell(self, kind: str, data: Fact, at: datetime, who: Who, **more: Any) -> None:
        told = self._webhook(kind, data, at) if at < self._span.until else None
        if told is None:
            super()._tell(kind, data, at, who, **more)
            return
        topic, body = told
        for event in _heard(self.shop.id, topic, body, at, f"{self._number}/{len(self._events)}"):
            self._events.append(self._as_told(event, data))
            if self._profile is None:
                self._profile = ids.profile_id(self.shop.id, event.id)

    def _webhook(self, kind: str, data: Fact, at: datetime) -> tuple[str, dict[str, Any]] | None:
        """Return topic and body of the webhook that tells this; `None` where no platform's webhook does."""
        shopify_shop = self.shop.id == TEA.id
        if isinstance(data, Basket) and shopify_shop:
            lines = self._lines(data.items)
            if kind == "cart.updated":
                body = shopify_cart(self._customer_of(), lines, at)
                return "carts/update", body | {"id": data.cart_token, "token": data.cart_token}
            body = shopify_checkout(self._customer_of(), lines, at)
            return "checkouts/update", body | self._tokens(data) | {"abandoned_checkout_url": data.recovery_url}
        if isinstance(data, Order) and kind == "order.placed":
            return self._order(data, at)
        return None

    def _order(self, data: Order, at: datetime) -> tuple[str, dict[str, Any]]:
        lines, who = self._lines(data.items), self._customer_of()
        code, off = self._using or (None, Decimal(0))
        codes = [*data.codes, *([code] if code else [])]
        if self.shop.id == TEA.id:
            body = shopify_order(who, lines, at)
            body |= self._tokens(data) | {"id": data.id, "name": data.number}
            total = Decimal(body["total_price"]) - off
            body |= {"discount_codes": [{"code": one, "amount": str(off), "type": "fixed_amount"} for one in codes]}
            body |= {"total_discounts": str(off), "total_price": str(total)}
            for name, amount in (("total_price_set", total), ("total_discounts_set", off)):
                money = {"amount": f"{amount:.2f}", "currency_code": self.shop.currency}
                body[name] = {"shop_money": money, "presentment_money": money}
            return "orders/create", body
        body = woocommerce_order(who, lines, "processing", at, at)
        body |= {"id": data.id, "number": data.number, "discount_total": str(off)}
        body |= {"total": str(Decimal(body["total"]) - off)}
        body |= {"coupon_lines": [{"id": 1, "code": one, "discount": str(off)} for one in codes]}
        return "order.created", body

    def _tokens(self, data: Basket | Order) -> dict[str, Any]:
        """Return what a body of Shopify's says of its cart, and of the customer."""
        account = {
            "id": int(self._customer),
            "email": self._email,
            "first_name": self._person.first_name,
            "last_name": self._person.last_name,
        }
        return {
            "token": data.checkout_token,
            "cart_token": data.cart_token,
            "checkout_token": data.checkout_token,
            "customer_locale": self._person.locale,
            "customer": account if self._known else None,
        }

    def _customer_of(self) -> Customer:
        own = self._person
        return Customer(
            1 + self._number, own.first_name or "", own.last_name or "", self._email, own.city or "", "1000",
            self._subscribed, own.country or "GB",
        )  # fmt: skip

    def _lines(self, items: Sequence[Item]) -> Lines:
        sold = _SOLD[self.shop.id]
        return [(sold[item.product_id or ""], item.quantity) for item in items]

    def _as_told(self, event: Event, told: Fact) -> Event:
        """Add what the stack knows beside the body: the kinds of its goods, by the catalogue; the reader's language.

        Whoever was sent by a friend is found by the friend's code (`service.referrals`), which is another's story here.
        """
        data = event.data
        if isinstance(data, (Basket, Order)):
            kinds = {number: goods.kind for number, goods in _SOLD[self.shop.id].items()}
            data = replace(
                data,
                items=tuple(replace(item, kind=kinds.get(item.product_id or "", item.kind)) for item in data.items),
            )
        if isinstance(data, Order) and isinstance(told, Order):
            data = replace(data, referrer=told.referrer)
        # Carts name nobody.
        person = replace(event.person, locale=self._person.locale) if event.person is not None else None
        browser = self._browser if isinstance(data, Basket) else None
        return replace(event, data=data, person=person, who=replace(event.who, browser_id=browser))

    # --- what they do with what they get

    def _hear_from_the_shop(self, at: datetime, goods: tuple[Item, ...], token: str) -> None:
        """Do nothing yet: whether a reminder comes is for the engine to say."""

    def _engage(self, kind: str, message: str, at: datetime) -> None:
        """Do nothing: what the demo year's people opened had other ids."""

    def _watch(self, before: Profile, outcome: Outcome, after: Profile) -> None:
        """Keep what the engine says, count it as commits do, and let the person react to what is going out."""
        if after.email is not None or self._kept.profile is None:
            self._kept.profile = after
        for count in (*outcome.counts, *results.changes((before,), after)):
            self._count(count)
        for decision in outcome.decisions:
            self._decided(decision)
        for effect in outcome.effects:
            if isinstance(effect, Enqueue) and (planned := after.planned.get(effect.message_id)) is not None:
                self._gets(effect.message_id, planned, after)

    def _count(self, count: results.Count) -> None:
        sums = self._figures.setdefault(count.label, {})
        sums[count.figure] = sums.get(count.figure, Decimal(0)) + count.amount

    def _gets(self, message: str, planned: Planned, profile: Profile) -> None:
        run = next((run for run in profile.runs if run.id == planned.run), None)
        if run is None or planned.to != "person" or planned.channel not in ("email", "sms", "push"):
            return
        # Of a person who is two until an order shows it, each gets their own.
        self._getting = profile.id
        offer = self._content.offers.get(planned.offer)
        coupon = self._code(message, planned, run, offer) if offer is not None else None
        self._kept.sent.append(Sent(message, planned.planned_at, planned, profile, run, coupon))
        if planned.label is not None:
            for figure in ("sent", "delivered"):
                self._count(results.one(planned.label, figure))
        self._reads_it(message, planned, run, coupon)

    def _code(self, message: str, planned: Planned, run: Run, offer: Offer) -> Issued:
        """Give the code that `send` would have made in the shop; the engine hears of it before the mail is read."""
        if planned.offer in run.coupons:
            code = run.coupons[planned.offer].code
        else:
            code = offer.code or "-".join(
                filter(None, (offer.prefix, ids.digest("code", run.id, offer.name)[:8].upper()))
            )
        at = planned.planned_at
        home = zone(self.shop.zone) or self._zone
        until = expiry(offer, at, home, home)
        issued = Coupon(code=code, at=at, message_id=message, offer=offer.name, expires_at=until, friends=offer.friends)
        self._say("coupon.issued", issued, at, planned)
        return Issued(
            run=run.id, offer=offer.name, shop=self.shop.id, profile_id="", message_id=message,
            state="made", terms=offer, issued_at=at, expires_at=until, zone=self.shop.zone, code=code,
        )  # fmt: skip

    def _reads_it(self, message: str, planned: Planned, run: Run, coupon: Issued | None) -> None:
        dice = random.Random(f"reads/{message}")  # noqa: S311 - a story, not a secret
        if planned.channel != "email" or not self._reads or dice.random() > 0.66:  # noqa: PLR2004
            return
        at = planned.planned_at + timedelta(minutes=dice.randint(6, 900))
        self._say("email.opened", Engagement(message_id=message, at=at), at, planned)
        if dice.random() < 0.012:  # noqa: PLR2004
            act = Consent(channel="email", state="unsubscribed", at=at, source="link", address=self._email)
            self._say("consent.changed", act, at + timedelta(minutes=1), planned)
            return
        if planned.category != "marketing" or dice.random() > 0.4:  # noqa: PLR2004
            return
        at += timedelta(minutes=1)
        self._say("email.clicked", Engagement(message_id=message, at=at), at, planned)
        if dice.random() < (0.45 if coupon is not None else 0.3):
            self._buys_by_it(at + timedelta(minutes=dice.randint(4, 300)), run, coupon)

    def _buys_by_it(self, at: datetime, run: Run, coupon: Issued | None) -> None:
        trigger = run.trigger
        basket = trigger if isinstance(trigger, Basket) and trigger.items else None
        goods = basket.items if basket is not None else self._goods()[:2]
        if coupon is not None:
            worth = sum((item.total or Decimal(0) for item in goods), Decimal(0))
            terms = coupon.terms
            off = worth * (terms.percent or Decimal(0)) / 100 + terms.amount.get(self.shop.currency, Decimal(0))
            self._using = (coupon.code, min(worth, off).quantize(Decimal("0.01")))
        self._buy(at, goods, basket.cart_token if basket is not None else None)
        self._using = None

    def _say(self, kind: str, data: Fact, at: datetime, planned: Planned) -> None:
        """Tell of something that was done with a message, as links and SES do: about this person, under its label."""
        if at >= self._span.until:
            return
        number = len(self._events)
        label = planned.label if planned.category == "marketing" else None
        self._events.append(
            Event(
                id=ids.digest("season", self.shop.id, str(self._number), str(number)),
                shop=self.shop.id,
                type=kind,
                occurred_at=at,
                received_at=at,
                data=data,
                profile_id=self._getting,
                label=label,
            )
        )
        figure = {"email.opened": "opened", "email.clicked": "clicked"}.get(kind)
        if figure is not None and label is not None:
            self._count(results.one(label, figure))

    # --- what is told of them

    def _did(self, event: Event) -> None:
        if event.received_at >= self._span.since and event.type in EVENTS:
            self._kept.story.append((event.received_at, "did", EVENTS[event.type], ""))

    def _decided(self, decision: Decision) -> None:
        what = decision.what
        if what in ("skipped", "not_entered"):
            self._kept.refused[decision.rule] += 1
        if what not in _TOLD or (what == "ended" and decision.values.get("as") == "finished"):
            return
        flow = self._content.playbook.flows.get(decision.flow or "")
        title = f"{flow.title or flow.name}: " if flow is not None else ""
        words = phrase(decision, self._zone)
        self._kept.story.append((decision.at, what, f"{title}{words}", decision.message_id or ""))
