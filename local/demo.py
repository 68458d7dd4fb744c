"""The demo: one invented day in the life of two shops, and what must come of it.

The chapters at the end of this file read as the day goes. `EXPECTED` is the whole truth about messages: one missing,
one too many, or one in another minute, and the demo fails.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from local.ses import InboxMail
from local.shops import (
    BELL,
    BIKE_GOODS,
    BIKES,
    CUP,
    DARJEELING,
    HONEY,
    LAPSANG,
    LEFT_BASKETS,
    PLANT,
    STRAINER,
    TEA,
    TEA_GOODS,
    TEAPOT,
    Goods,
    Lines,
    Person,
    Webhook,
    shopify,
    shopify_cart,
    shopify_checkout,
    shopify_order,
    shopify_product,
    shopify_texts_allowed,
    with_local_pictures,
    woocommerce,
    woocommerce_order,
    woocommerce_ping,
    woocommerce_product,
)
from local.stack import Shop
from local.timeline import Timeline, span
from local.world import PICTURES, World

ADA = Person(1, "Ada", "Lindqvist", "ada@example.com", "Bristol", "BS1 4QA")
BEN = Person(2, "Ben", "Okafor", "ben@example.com", "Leeds", "LS1 5DL")
CHLOE = Person(3, "Chloé", "Marchand", "chloe@example.com", "York", "YO1 7HH")
DMITRI = Person(4, "Dmitri", "Volkov", "dmitri@example.com", "Bath", "BA1 1LZ", consent=False)
ERIN = Person(5, "Erin", "Walsh", "erin@example.com", "Truro", "TR1 2QN")
FELIX = Person(6, "Felix", "Brandt", "felix@example.com", "Durham", "DH1 3EL", phone="+447700900106")
GRETA = Person(7, "Greta", "Moss", "bounce@example.com", "Ely", "CB7 4DL")
HUGO = Person(8, "Hugo", "Pereira", "complaint@example.com", "Wells", "BA5 2PU")
INES = Person(9, "Inês", "Carvalho", "ines@example.com", "Oxford", "OX1 3DP")
#: Customers of the last weeks, and how many days ago they bought what. They are in the story only for that.
EARLIER: Sequence[tuple[Person, int, Lines]] = tuple(
    (Person(30 + days, first, "Earlier", f"{first.lower()}@example.com", "Hove", "BN3 1AA"), days, lines)
    for first, days, lines in (
        ("Nell", 3, [(TEAPOT, 1), (STRAINER, 1)]),
        ("Oren", 6, [(DARJEELING, 1), (HONEY, 1)]),
        ("Pia", 9, [(TEAPOT, 1), (STRAINER, 1), (LAPSANG, 1)]),
        ("Quin", 15, [(DARJEELING, 2), (HONEY, 1)]),
        ("Rosa", 21, [(CUP, 2), (HONEY, 1)]),
    )
)
JONAS = Person(
    21, "Jonas", "De Smet", "jonas@example.com", "Gent", "9000", consent=False, country="BE", phone="+32470000021"
)
KAAT = Person(22, "Kaat", "Peeters", "kaat@example.com", "Brugge", "8000", country="BE")

M = TypeVar("M")

#: The scenes that the progress line counts.
SCENES = 29


Channel = Literal["mail", "text", "push"]


@dataclass(frozen=True)
class Arrival:
    """A message that has come, on whatever channel."""

    channel: Channel
    address: str
    template: str
    at: datetime
    subject: str

    def fits(self, expected: Expected, first_day: datetime) -> bool:
        """Whether this is what was expected, exact to the minute."""
        wanted = expected.channel, expected.address, expected.template, expected.at(first_day)
        return (self.channel, self.address, self.template, _minute(self.at)) == wanted


@dataclass(frozen=True)
class Expected:
    """A message that must come: to whom, from which template, on which day of the story, in which minute, and how."""

    who: Person
    template: str
    day: int
    time: str
    channel: Channel = "mail"

    @property
    def address(self) -> str:
        """Return where it must come."""
        return {"mail": self.who.email, "text": self.who.phone, "push": self.who.browser}[self.channel]

    def at(self, first_day: datetime) -> datetime:
        """Return the minute."""
        hours, minutes = self.time.split(":")
        return first_day + timedelta(days=self.day - 1, hours=int(hours), minutes=int(minutes))


EXPECTED: Sequence[Expected] = (
    Expected(BEN, "cart-reminder-1", 1, "10:05"),
    Expected(CHLOE, "cart-reminder-1", 1, "10:10"),
    Expected(FELIX, "cart-reminder-1", 1, "10:15"),
    Expected(ADA, "cart-reminder-1", 1, "10:20"),
    Expected(INES, "order-confirmation", 1, "10:30"),
    Expected(GRETA, "cart-reminder-1", 1, "10:45"),
    Expected(HUGO, "cart-reminder-1", 1, "10:50"),
    Expected(BEN, "order-confirmation", 1, "11:30"),
    Expected(JONAS, "order-confirmation", 1, "14:10"),
    Expected(FELIX, "left-behind", 1, "14:15", "text"),
    Expected(ADA, "left-behind", 1, "14:20", "push"),
    Expected(KAAT, "order-confirmation", 1, "15:00"),
    Expected(JONAS, "parcel", 1, "17:00", "text"),
    Expected(ADA, "cart-reminder-2", 2, "09:20"),
    Expected(KAAT, "second-order-3", 2, "17:05"),
    Expected(ADA, "cart-reminder-3", 4, "09:20"),
)


#: Why everybody got no more than they did, in the product's own words: the ledger, and the messages' records.
REASONS: Sequence[tuple[Person, str, str]] = (
    (ADA, "ignored: older than what is known", "what came twice or late changed nothing of Ada's"),
    (BEN, "ended: run.key in (event.cart_token, event.checkout_token)", "Ben's reminders ended with his order"),
    (CHLOE, "cart-reminder-2 skipped: no consent to marketing e-mail", "Chloé's were skipped: she unsubscribed"),
    (DMITRI, "cart-reminder-1 skipped: no consent to marketing e-mail", "Dmitri's were skipped: he never said yes"),
    (ERIN, "ended: event.id == run.key and not event.items", "Erin's ended with her empty cart"),
    (FELIX, "branched: else", "Felix clicked, and was left in peace"),
    (FELIX, "said: unsubscribed (sms)", "Felix said stop, and gets no more texts"),
    (GRETA, "order-confirmation skipped suppressed", "Greta's address is suppressed for everything"),
    (HUGO, "cart-reminder-2 skipped: no consent to marketing e-mail", "Hugo's were skipped: he complained"),
    (INES, "ignored: this basket has been ordered", "Inês's late checkout found its basket ordered"),
)


def opening(now: datetime) -> datetime:
    """Return midnight (UTC) of the story's first day: tomorrow, because the clock only ever goes forward."""
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)


@dataclass
class Day:
    """The story as it is told: moves the clock, posts what shops post, and watches what comes of it."""

    world: World
    timeline: Timeline
    first_day: datetime
    _told: Counter[Channel] = field(default_factory=Counter)
    _skipped_from: datetime | None = None
    _mails: list[tuple[InboxMail, str]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    """everything that has come, on any channel, in order"""

    @property
    def now(self) -> datetime:
        """Return the virtual moment."""
        return self.world.clock.now()

    def moment(self, time: str, day: int = 1) -> datetime:
        """Return a moment of the story."""
        hours, minutes = time.split(":")
        return self.first_day + timedelta(days=day - 1, hours=int(hours), minutes=int(minutes))

    def at(self, time: str, scene: str, day: int = 1) -> datetime:
        """Let everything happen until this moment of the story; return it."""
        self._skipped_from = self.now
        self.world.runner.run_until(self.moment(time, day), self._watch)
        self._tell_skip(self.now)
        self.timeline.step(scene)
        return self.moment(time, day)

    def post(self, shop: Shop, webhook: Webhook, text: str, status: int = 200) -> None:
        """Post a webhook; it must be answered with `status`."""
        got = self.world.post(shop, webhook)
        self.timeline.add(self.now, "shop", f"{text} → {got}", got == status)

    def checkout(self, person: Person, lines: Lines, at: datetime, text: str, topic: str = "checkouts/update") -> None:
        """Post a checkout of the tea shop."""
        self.post(TEA, shopify(topic, shopify_checkout(person, lines, at), at), text)

    def check(self, text: str, ok: bool) -> None:
        """Note something that must be so."""
        self.timeline.add(self.now, "check", text, ok)

    def nothing_new(self, text: str, post: Webhook, shop: Shop) -> None:
        """Post a repeat: it must be answered with 200 and store nothing."""
        self.world.runner.wait_until_idle()
        before = self.world.stack.count("Deliveries")
        self.post(shop, post, text)
        self.check("accepted once only: no delivery more is stored", self.world.stack.count("Deliveries") == before)

    def latest(self, person: Person) -> InboxMail:
        """Return the newest mail that this person got. Raises `LookupError` when there is none."""
        found = [mail for mail, _ in self._mails if mail.address == person.email]
        if not found:
            raise LookupError(f"{person.first} has had no mail yet")
        return found[-1]

    def suggests(self, person: Person, template: str, *wanted: Goods) -> None:
        """Check what this mail recommends: these things at least, and nothing that is in the mail; of none, nothing."""
        found = [mail for mail, name in self._mails if (mail.address, name) == (person.email, template)]
        _, there, block = (found[-1].text if found else "").partition("You may also like")
        offered = [goods for goods in (*TEA_GOODS, *BIKE_GOODS) if goods.title in block]
        ok = bool(found) and all(goods in offered for goods in wanted) and bool(there) == bool(wanted)
        said = ", ".join(goods.title for goods in offered) or "nothing"
        self.check(f"{person.first}'s {template} suggests {said}", ok)

    def gives(self, person: Person, template: str, standing: Iterable[str]) -> None:
        """Check that this mail shows a code that stands in the shop, and that no other mail shows it."""
        codes = {
            code: [(mail.address, name) for mail, name in self._mails if code.casefold() in mail.text.casefold()]
            for code in standing
        }
        given = [code for code, shown in codes.items() if shown == [(person.email, template)]]
        said = f"{', '.join(given).upper()}, made for it in the shop" if given else "no code of the shop's"
        self.check(f"{person.first}'s {template} gives {said}", len(given) == 1 and all(codes.values()))

    @property
    def mails(self) -> list[tuple[InboxMail, str]]:
        """Return every mail with its template, in order."""
        return list(self._mails)

    def _watch(self) -> None:
        """Tell of the messages that have come since the last look."""
        for mail in self._new("mail", self.world.ses.mails):
            template = self.world.template_of(mail)
            self._mails.append((mail, template))
            fate = next((f" → {each.kind.lower()}" for each in mail.happenings[::-1] if each.kind != "Send"), "")
            self._tell(Arrival("mail", mail.address, template, mail.at, mail.subject), fate)
        for text in self._new("text", self.world.phones.texts):
            self._tell(Arrival("text", text.to, self.world.template_of(text), text.at, text.body))
        for push in self._new("push", self.world.pushes.shown):
            browser = push.endpoint.rpartition("/")[2]
            self._tell(Arrival("push", browser, self.world.template_of(push), push.at, push.title))

    def _new(self, channel: Channel, found: Sequence[M]) -> Sequence[M]:
        new = found[self._told[channel] :]
        self._told[channel] = len(found)
        return new

    def _tell(self, came: Arrival, fate: str = "") -> None:
        self._tell_skip(came.at)
        self.arrivals.append(came)
        wanted = any(came.fits(expected, self.first_day) for expected in EXPECTED)
        said = f"{came.template} to {came.address}: “{came.subject}”{fate}"
        self.timeline.add(came.at, came.channel, said, wanted)

    def _tell_skip(self, to: datetime) -> None:
        """Tell of idle time that was skipped, if it was worth a line."""
        if self._skipped_from is not None and to - self._skipped_from >= timedelta(minutes=15):
            self.timeline.add(to, "idle", f"{span(to - self._skipped_from)} in which nothing was due, skipped")
        self._skipped_from = to


@dataclass(frozen=True)
class Verdict:
    """What was expected and what came: pairs of both, of which one side may be missing."""

    rows: Sequence[tuple[Expected | None, Arrival | None]]
    problems: Sequence[str]

    @property
    def good(self) -> bool:
        """Whether everything came as expected and nothing else went wrong."""
        return not self.problems and all(expected and came for expected, came in self.rows)


def judge(day: Day) -> Verdict:
    """Compare what came with `EXPECTED`, exact to the minute, and gather everything else that must not be."""
    left = list(day.arrivals)
    rows: list[tuple[Expected | None, Arrival | None]] = []
    for expected in EXPECTED:
        match = next((came for came in left if came.fits(expected, day.first_day)), None)
        if match is not None:
            left.remove(match)
        rows.append((expected, match))
    rows.extend((None, came) for came in left)
    problems = [f"{line.at:%a %H:%M} {line.text}" for line in day.timeline.lines if line.ok is False]
    lost = (*day.world.ses.problems, *day.world.phones.problems, *day.world.pushes.problems)
    problems += [f"lost: {problem}" for problem in lost]
    for queue, bodies in day.world.stack.dead_letters().items():
        problems += [f"on {queue}: {body[:200]}" for body in bodies]
    return Verdict(rows, problems)


def show(verdict: Verdict, day: Day, console: Console) -> None:
    """Print the table of messages, and what was wrong."""
    table = Table(title="Messages, expected and delivered", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("", "", "to", "template", "expected", "delivered"):
        table.add_column(column, no_wrap=True)
    for expected, came in verdict.rows:
        what = expected or came
        if what is None:
            continue
        wanted = f"{expected.at(day.first_day):%a %d %b %H:%M}" if expected else "–"
        delivered = f"{came.at:%a %d %b %H:%M}" if came else "missing"
        mark = "[green]✓[/]" if expected and came else "[bold red]✗[/]"
        extra = "" if expected else " (one too many)"
        table.add_row(mark, what.channel, what.address, what.template, wanted, delivered + extra)
    console.print(table)
    for problem in verdict.problems:
        console.print(f"✗ {problem}", style="red", markup=False)


def write_out(day: Day, folder: Path) -> None:
    """Write every mail as .eml and .html, what came on phones, and the timeline, replacing what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    for picture in sorted(PICTURES.glob("*.png")):
        shutil.copy(picture, folder / "pictures")
    for mail, template in day.mails:
        name = f"{mail.number:02d}-{mail.address.partition('@')[0]}-{template or 'unknown'}"
        (folder / f"{name}.eml").write_bytes(mail.eml())
        (folder / f"{name}.html").write_text(with_local_pictures(mail.html, "pictures/"), "utf-8")
    phone = [
        f"{came.at:%a %d %b %H:%M} UTC  {came.channel} to {came.address}\n{came.subject}\n"
        for came in day.arrivals
        if came.channel != "mail"
    ]
    (folder / "phones.txt").write_text("\n".join(phone), "utf-8")
    (folder / "timeline.txt").write_text(day.timeline.text(), "utf-8")
    (folder / "timeline.json").write_text(day.timeline.json(), "utf-8")


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def the_catalogues(day: Day) -> None:
    """Both shops tell what they sell; mails take their pictures from it."""
    at = day.at("08:30", "the catalogues")
    for goods in TEA_GOODS:
        day.post(TEA, shopify("products/create", shopify_product(goods, at), at), f"Kettle & Leaf sells {goods.title}")
    for goods in BIKE_GOODS:
        hook = woocommerce("product.created", woocommerce_product(goods, at), f"product-{goods.id}")
        day.post(BIKES, hook, f"Pedal & Petal sells {goods.title}")


def the_weeks_before(day: Day) -> None:
    """Orders of the last weeks come in late: nobody is written to about them, and what goes together is learnt."""
    now = day.at("08:35", "the weeks before")
    for person, days, lines in EARLIER:
        then = now - timedelta(days=days)
        what = " and ".join(goods.title for goods, _ in lines)
        hook = shopify("orders/updated", shopify_order(person, lines, then), now)
        day.post(TEA, hook, f"{days} days ago {person.first} bought {what}")


def at_the_door(day: Day) -> None:
    """What is not the shop's own word is refused."""
    at = day.at("08:45", "at the door")
    forged = shopify_checkout(ADA, [(TEAPOT, 9)], at)
    day.post(TEA, shopify("checkouts/create", forged, at, secret="guessed"), "a forged webhook is refused", 401)  # noqa: S106
    foreign = shopify("checkouts/create", forged, at, domain="another-shop.example.com")
    day.post(TEA, foreign, "a body under another shop's name is refused", 401)
    day.post(BIKES, woocommerce_ping(), "WooCommerce saves its webhook and pings")


def checkouts(day: Day) -> None:
    """Nine people leave nine checkouts; doubled and late deliveries change nothing."""
    at = day.at("08:50", "Ada allows push messages, Felix texts")
    allowed = shopify("customers_marketing_consent/update", shopify_texts_allowed(FELIX, at), at)
    day.post(TEA, allowed, "Felix allows texts, in his account at the shop")
    day.world.allow_push(TEA, ADA)
    day.timeline.add(day.now, "person", "Ada allows push messages in her browser")
    at = day.at("09:00", "Ada leaves a checkout")
    day.checkout(ADA, [(DARJEELING, 1)], at, "Ada leaves a checkout: 1 Darjeeling", "checkouts/create")
    at = day.at("09:05", "Ben leaves a checkout")
    day.checkout(BEN, [(TEAPOT, 1), (CUP, 2)], at, "Ben leaves a checkout: teapot and 2 cups", "checkouts/create")
    at = day.at("09:10", "Ada comes back, Chloé leaves a checkout")
    middle = shopify("checkouts/update", shopify_checkout(ADA, [(DARJEELING, 2)], at), at)
    day.post(TEA, middle, "Ada takes 2 Darjeeling: her clock restarts")
    day.checkout(CHLOE, [(LAPSANG, 1)], at, "Chloé leaves a checkout: 1 Lapsang", "checkouts/create")
    at = day.at("09:15", "Felix leaves a checkout")
    day.checkout(FELIX, [(TEAPOT, 1)], at, "Felix leaves a checkout: teapot", "checkouts/create")
    at = day.at("09:20", "Ada comes back once more")
    last = shopify("checkouts/update", shopify_checkout(ADA, [(DARJEELING, 2), (CUP, 1)], at), at)
    day.post(TEA, last, "Ada adds a cup: her clock restarts again")
    day.at("09:22", "a duplicate and a late delivery")
    day.nothing_new("Ada's last update is delivered a second time", last, TEA)
    older = shopify_checkout(ADA, [(DARJEELING, 2)], day.moment("09:12"))
    late = shopify("checkouts/update", older, day.moment("09:12"))
    day.post(TEA, late, "an older update of Ada's (09:12) arrives late: it changes nothing")
    at = day.at("09:30", "Dmitri leaves a checkout, without consent")
    day.checkout(DMITRI, [(LAPSANG, 2)], at, "Dmitri leaves a checkout, and never said yes", "checkouts/create")
    at = day.at("09:35", "Erin leaves a checkout")
    day.checkout(ERIN, [(CUP, 4)], at, "Erin leaves a checkout: 4 cups", "checkouts/create")
    at = day.at("09:45", "Greta leaves a checkout")
    day.checkout(GRETA, [(DARJEELING, 1)], at, "Greta leaves a checkout, with a mistyped address", "checkouts/create")
    at = day.at("09:50", "Hugo leaves a checkout, Erin empties hers")
    day.checkout(HUGO, [(LAPSANG, 1)], at, "Hugo leaves a checkout: 1 Lapsang", "checkouts/create")
    emptied = shopify("carts/update", shopify_cart(ERIN, [], at), at)
    day.post(TEA, emptied, "Erin empties her cart (a cart names nobody: its token does)")


def reactions(day: Day) -> None:
    """The first reminders are out; people open, click, unsubscribe. A checkout comes after its order."""
    at = day.at("10:30", "Inês buys, and her checkout arrives afterwards")
    bought: Lines = [(TEAPOT, 1), (DARJEELING, 1)]
    day.post(TEA, shopify("orders/create", shopify_order(INES, bought, at), at), "Inês orders teapot and Darjeeling")
    day.at("10:32", "a checkout after its order")
    earlier = day.moment("10:28")
    late = shopify("checkouts/create", shopify_checkout(INES, bought, earlier), earlier)
    day.post(TEA, late, "Inês's checkout (10:28) arrives after her order: no reminder")
    day.at("10:40", "opened, clicked, unsubscribed")
    status = day.world.open(day.latest(ADA))
    day.timeline.add(day.now, "person", f"Ada opens her reminder (GET) → {status}", status == 200)  # noqa: PLR2004
    status, leads = day.world.click(day.latest(FELIX))
    text = f"Felix clicks in his (GET → {status}): the second and third are for those who did not"
    recovered = leads.startswith(f"https://{TEA.domain}/checkouts/{FELIX.checkout}/recover?key={FELIX.number}")
    day.timeline.add(day.now, "person", text, status == 302 and recovered)  # noqa: PLR2004
    status = day.world.unsubscribe(day.latest(CHLOE))
    day.timeline.add(day.now, "person", f"Chloé unsubscribes with one click (POST) → {status}", status == 200)  # noqa: PLR2004


def orders(day: Day) -> None:
    """Orders end reminders and are confirmed, once."""
    at = day.at("11:30", "Ben buys")
    bought: Lines = [(TEAPOT, 1), (CUP, 2)]
    order = shopify("orders/create", shopify_order(BEN, bought, at), at)
    day.post(TEA, order, "Ben orders: a confirmation, and no further reminder")
    at = day.at("11:31", "Ben's order again")
    day.nothing_new("Ben's order is delivered a second time", order, TEA)
    day.post(TEA, shopify("orders/updated", shopify_order(BEN, bought, at), at), "Ben's order is updated: placed once")
    at = day.at("12:30", "Greta orders by telephone")
    day.post(
        TEA,
        shopify("orders/create", shopify_order(GRETA, [(DARJEELING, 1)], at), at),
        "Greta orders: her address bounced, so not even a confirmation",
    )


def the_other_shop(day: Day) -> None:
    """WooCommerce: an order is placed when it is paid, not before."""
    created = day.at("14:00", "Jonas orders")
    jonas: Lines = [(BELL, 1), (PLANT, 1)]
    pending = woocommerce_order(JONAS, jonas, "pending", created, created)
    day.post(BIKES, woocommerce("order.created", pending, "j1"), "Jonas orders; it is pending: not placed yet")
    at = day.at("14:10", "Jonas pays")
    paid = woocommerce("order.updated", woocommerce_order(JONAS, jonas, "processing", created, at), "j2")
    day.post(BIKES, paid, "Jonas has paid: placed, and confirmed")
    day.at("14:11", "Jonas's payment again")
    day.nothing_new("Jonas's payment is delivered a second time", paid, BIKES)
    day.at("14:30", "the phone rings")
    on_list = len(day.world.graph.lists.get(LEFT_BASKETS, ()))
    day.check("Ada and Felix are on the shop's list at Meta", on_list == len((ADA.email, FELIX.email, FELIX.phone)))
    status, leads = day.world.tap(day.world.pushes.shown[-1])
    there = leads.startswith(f"https://{TEA.domain}/checkouts/{ADA.checkout}/recover")
    day.timeline.add(day.now, "person", f"Ada taps her push message (GET → {status}): to her basket", there)
    day.world.phones.reply(day.world.phones.texts[-1].number, "Stop")
    day.timeline.add(day.now, "person", "Felix answers his text: “Stop”")
    ordered = day.at("15:00", "Kaat orders, and says yes to news")
    kaat: Lines = [(PLANT, 1)]
    paid = woocommerce("order.created", woocommerce_order(KAAT, kaat, "processing", ordered, ordered), "k1")
    day.post(BIKES, paid, "Kaat orders, pays and ticks the box for news")
    at = day.at("17:00", "Jonas's parcel goes out")
    done = woocommerce("order.updated", woocommerce_order(JONAS, jonas, "completed", created, at), "j3")
    day.post(BIKES, done, "Jonas's order is completed: no second confirmation")
    at = day.at("17:05", "Kaat's parcel goes out")
    done = woocommerce("order.updated", woocommerce_order(KAAT, kaat, "completed", ordered, at), "k2")
    day.post(BIKES, done, "Kaat's order is completed: her second is worth a code")


def the_days_after(day: Day) -> None:
    """What is still due comes, to those whom it is for."""
    day.suggests(INES, "order-confirmation", STRAINER, HONEY)
    day.suggests(BEN, "order-confirmation", STRAINER)
    day.suggests(JONAS, "order-confirmation")
    day.at("09:30", "the second day", day=2)
    day.suggests(ADA, "cart-reminder-2", HONEY)
    day.at("12:00", "the days after", day=5)
    on_list = len(day.world.graph.lists.get(LEFT_BASKETS, ()))
    day.check("whoever says stop is taken off the list: Ada alone is on it", on_list == 1)
    day.gives(KAAT, "second-order-3", day.world.woocommerce.coupons)
    day.gives(ADA, "cart-reminder-3", day.world.shopify.discounts)
    for person, reason, text in REASONS:
        told = any(reason in each for each in day.world.reasons(person.email))
        day.timeline.add(day.now, "why", f"{text} ({reason})", told)


CHAPTERS = (the_catalogues, the_weeks_before, at_the_door, checkouts, reactions, orders, the_other_shop, the_days_after)


def play(day: Day) -> None:
    """Tell the whole story."""
    with day.timeline.progress(SCENES):
        for chapter in CHAPTERS:
            chapter(day)
