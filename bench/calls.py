"""AWS calls: what each part of the road asks for, counted at botocore over moto (budgets of DESIGN §8)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial

import msgspec
from moto import mock_aws

from bench.figures import Figure, measure
from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.clients import Clients
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.counting import CallCounter
from rekindle.aws.results import DynamoResults
from rekindle.content.links import Track, sign_track
from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Basket, Campaign, Customer, Item, Product
from rekindle.domain.labels import Label
from rekindle.domain.profile import OrderMark, Profile, Run
from rekindle.domain.results import one
from rekindle.memory import World
from rekindle.ports import Alias, Bought, Commit, Counted, Lease, Message, Record, ShardTask, ShopSecrets
from rekindle.service.accept import accept
from rekindle.service.catalogue import Catalogue, Change
from rekindle.service.deliver import Deliver, Done
from rekindle.service.fanout import Fanout, shard_tasks
from rekindle.service.guard import Guard
from rekindle.service.journey import Journey
from rekindle.service.library import POINTER, Library
from rekindle.service.people import alias_key
from rekindle.service.reactions import take
from rekindle.service.recommend import Recommender, Wish
from rekindle.service.reconcile import Reconciler
from rekindle.service.stops import Stops
from rekindle.service.tally import Tally
from rekindle.service.tracks import Request, Tracks
from tests.support.build import CART, CONFIRMATION, event, playbook
from tests.support.build import checkout as checkout_at
from tests.support.build import consent as consent_at
from tests.support.plant import PlainMails
from tests.support.worlds import START, AwsPorts, session

_KEY = b"pepper"
_MAILS = 10
_ROUNDS = 200
_STREAMED, _REACHED, _KNOWN = 200, 1_000, 100


class _Road:
    """The services over the deployed adapters, warm: secrets and content have been read."""

    def __init__(self, ports: AwsPorts, counter: CallCounter) -> None:
        self.ports = ports
        self.counter = counter
        book = playbook(CART, CONFIRMATION)
        ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
        ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash}))
        self.journey = Journey(
            state=ports.state,
            alarms=ports.alarms,
            queues=ports.queues,
            privacy=ports.privacy,
            catalogue=ports.catalogue_tasks,
            library=Library(ports.blobs, ports.clock),
            clock=ports.clock,
            address_key=_KEY,
        )
        self.journey._library.newest()  # noqa: SLF001 - a warm worker

    def accept(self, *events: Event) -> Counter[str]:
        delivery = Delivery(
            id=events[0].id, shop="tea", source="shopify", topic="t", received_at=START, events=events, body=b"{}"
        )
        return self.counted(lambda: accept(delivery, self.ports.intake, _KEY))

    def apply(self, delivery_id: str) -> Counter[str]:
        pending = self.ports.state.pending(delivery_id)
        if pending is None:
            raise LookupError(delivery_id)
        return self.counted(lambda: self.journey.apply(pending))

    def counted(self, work: object) -> Counter[str]:
        self.counter.reset()
        work()  # type: ignore[operator]
        return Counter(self.counter.calls)


@contextmanager
def _road() -> Iterator[_Road]:
    with mock_aws():
        made = session()
        counter = CallCounter(made)
        yield _Road(AwsPorts(Clients(made), "bench"), counter)


@measure
def calls_per_event() -> Iterator[Figure]:
    """AWS calls to accept a webhook, to apply an event, to ring an alarm."""
    with _road() as road:
        consent, checkout = consent_at(START), checkout_at(START)
        accepted = road.accept(consent, checkout)
        yield Figure("calls to accept a webhook", accepted.total(), "calls", 1)
        yield Figure("calls to apply a checkout that starts a run", road.apply(consent.id).total(), "calls")
        quiet = event("customer.updated", Customer(id="7", updated_at=START), START)
        road.accept(quiet)
        yield Figure("calls to apply an event that triggers nothing", road.apply(quiet.id).total(), "calls", 4)
        (profile,) = {alarm.profile_id for _, alarm in road.ports.schedules().values()}
        road.ports.clock.advance_to(START + timedelta(hours=1))
        rung = road.counted(lambda: road.journey.ring(profile or ""))
        yield Figure("calls for an alarm that plans a mail", rung.total(), "calls")


@measure
def calls_per_mail() -> Iterator[Figure]:
    """AWS calls to send one mail of a batch of ten, what the batch shares apart: reads, who is paused, a count."""
    with _road() as road:
        counters = DynamoCounters(road.ports.clients, road.ports.installation.tables)
        for number in range(_MAILS):
            who = msgspec.structs.replace(
                checkout_at(START).who, email=f"c{number}@example.com", shop_customer_id=None, cart_token=f"c{number}"
            )
            who = msgspec.structs.replace(who, checkout_token=None)
            events = consent_at(START, who=who), checkout_at(START, who=who)
            road.accept(*events)
            road.apply(events[0].id)
        road.ports.clock.advance_to(START + timedelta(hours=1))
        for _, wake in road.ports.schedules().values():
            road.journey.ring(wake.profile_id or "")
        parcels = road.ports.waiting("marketing").visible
        sender = Deliver(
            outbox=road.ports.outbox,
            queues=road.ports.queues,
            mailer=_CountedMailer(road.counter),
            builder=PlainMails(),
            clock=road.ports.clock,
            address_key=_KEY,
            new_token=iter(f"token-{n}" for n in range(_MAILS)).__next__,
            lease_life=timedelta(minutes=2),
            guard=Guard(counters=counters, clock=road.ports.clock),
        )
        calls = road.counted(lambda: _all_sent(sender, parcels))
        # One write for all that went out; the others are one each.
        counted = calls["dynamodb.UpdateItem"] - len(parcels)
        shared = calls["dynamodb.BatchGetItem"] + calls["dynamodb.Query"] + counted
        yield Figure("calls shared by a batch of ten mails", shared, "calls", 3)
        yield Figure("calls per mail in send", (calls.total() - shared) / len(parcels), "calls", 3)


@measure
def calls_for_recommending() -> Iterator[Figure]:
    """AWS calls that a batch of ten mails shares where they recommend; what an order costs the catalogue."""
    with _road() as road:
        ports = road.ports
        goods = [_goods(number) for number in range(40)]
        ports.state.commit(Commit(shop="tea", products=tuple(goods)))
        catalogue = Catalogue(shelves=ports.shelves, queue=ports.catalogue_tasks, fanout=ports.fanout)
        catalogue.heard([Change("tea", None, product) for product in goods])
        sold = [
            Bought(shop="tea", order=f"o{n}", at=START, products=(f"p{n % 7}", f"p{n % 11 + 7}")) for n in range(100)
        ]
        one = road.counted(lambda: catalogue.work(sold[:1]))
        yield Figure("calls to count one order by itself", one.total(), "calls")
        many = road.counted(lambda: catalogue.work(sold[1:]))
        yield Figure("calls per order in a batch of 99", many.total() / (len(sold) - 1), "calls")
        recommender = Recommender(ports.shelves, ports.clock)
        wishes = [_wish(number) for number in range(_MAILS)]
        for what in ("first", "warm"):
            calls = road.counted(lambda: recommender.prepare(wishes))
            if not all(recommender.picks(wish)["together"] for wish in wishes):
                raise AssertionError("a mail has nothing to recommend")
            yield Figure(f"reads shared by a batch of ten mails that recommend, {what}", calls.total(), "calls", 3)
        began = time.perf_counter()
        for _ in range(_ROUNDS):
            for wish in wishes:
                recommender.picks(wish)
        took = (time.perf_counter() - began) / _ROUNDS / _MAILS
        yield Figure("choosing what one mail recommends", took * 1e6, "µs")


def _goods(number: int) -> Product:
    return Product(
        id=f"p{number}",
        updated_at=START,
        created_at=START + timedelta(minutes=number),
        title=f"Tea {number}",
        url=f"https://tea.example/products/{number}",
        price=Decimal(number + 5),
        in_stock=True,
        kind=f"Kind {number % 4}",
    )


def _wish(number: int) -> Wish:
    items = tuple(Item(title="Tea", product_id=f"p{(number * 3 + place) % 18}") for place in range(3))
    trigger = Basket(id=f"c{number}", updated_at=START, items=items)
    run = Run(
        id="r", flow="f", version="v", playbook="b", entered_at=START, expires_at=START, trigger=trigger
    )  # fmt: skip
    return Wish(Profile(id=f"p{number}", shop="tea"), run, ("together", "best"))


@measure
def calls_per_click() -> Iterator[Figure]:
    """AWS calls until a click leads on, and to tell of it afterwards, by a worker that has read the playbook."""
    with _road() as road:
        ports, message = road.ports, ids.digest("message")
        sent = Message(
            id=message, profile_id="p", shop="tea", state="leased", token="t", leased_at=START, targets=("https://tea.example/",)
        )  # fmt: skip
        ports.state.commit(Commit(profile=Profile(id="p", shop="tea", version=1)))
        ports.outbox.lease(Lease(message=sent, profile_id="p", profile_version=1, covers=()))
        ports.outbox.record(msgspec.structs.replace(sent, state="sent", vendor_id="v", at=START), token="t")
        library = Library(ports.blobs, ports.clock)
        tracks = Tracks(
            outbox=ports.outbox, reactions=ports.reactions, library=library, secrets=ports.secrets, clock=ports.clock
        )
        ports.clock.advance_to(START + timedelta(hours=1))
        library.newest()
        token = sign_track(ports.secrets.link_keys(), Track(message))
        person = Request(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Firefox/127.0"})
        clicked = road.counted(lambda: tracks.follow(token, "0", person))
        yield Figure("calls until a click leads on", clicked.total(), "calls", 2)
        (reaction,) = ports.waiting("reactions").visible
        taken = road.counted(
            lambda: take(
                reaction,
                outbox=ports.outbox,
                intake=ports.intake,
                clock=ports.clock,
                address_key=_KEY,
            )
        )
        yield Figure("calls to tell of a click", taken.total(), "calls", 3)
        again = road.counted(lambda: tracks.follow(token, "0", person))
        yield Figure("calls for a click that is known", again.total(), "calls", 1)


@measure
def calls_for_results() -> Iterator[Figure]:
    """AWS calls to add a batch of the streams to the figures of results: marks share items, which are read first."""
    with _road() as road:
        label = Label("2026-03-02", "cart", "mail-1")
        found = [Counted(mark=f"m{number}", shop="tea", counts=(one(label, "sent"),)) for number in range(_STREAMED)]
        tally = Tally(DynamoResults(road.ports.clients, road.ports.installation.tables, road.ports.clock))
        yield Figure("calls to count two hundred changes", road.counted(lambda: tally.heard(found)).total(), "calls", 6)
        yield Figure("calls to hear of them again", road.counted(lambda: tally.heard(found)).total(), "calls", 3)


@measure
def calls_for_reconciling() -> Iterator[Figure]:
    """AWS calls to look at a shop: where nothing was changed, and where a hundred orders were and are known."""
    with _road() as road:
        ports = road.ports
        shop = World(START)
        shop.lists.page = 100
        shop.shops["tea"] = ShopSecrets(shop="tea", platform="shopify", domain="tea.example", webhook_secrets=())
        reconciler = Reconciler(
            lists=shop.lists,
            known=ports.known,
            intake=ports.bulk,
            secrets=shop.secrets,
            blobs=ports.blobs,
            clock=ports.clock,
        )
        look = partial(reconciler.all, ["tea"], lambda: 200.0)
        look()
        ports.clock.advance_to(START + timedelta(minutes=15))
        yield Figure("calls to look at a shop that nothing changed in", road.counted(look).total(), "calls", 3)
        changed, key = START + timedelta(minutes=16), shop.secret_address_key
        record = Record(topic="orders/updated", body=b"{}")
        shop.shop_things["tea", "orders"] = {str(number): (changed, record) for number in range(_KNOWN)}
        for number in range(_KNOWN):
            mark = {str(number): OrderMark(updated_at=changed)}
            person = Profile(id=ids.digest("buyer", str(number)), shop="tea", version=1, orders=mark)
            alias = Alias(alias_key(key, "tea", "order", str(number)), person.id)
            ports.state.commit(Commit(profile=person, aliases=(alias,)))
        ports.clock.advance_to(START + timedelta(minutes=30))
        yield Figure("calls to look at one where a hundred orders are known", road.counted(look).total(), "calls", 8)


@measure
def calls_of_a_campaign() -> Iterator[Figure]:
    """AWS calls to tell a thousand people of a campaign, at one hour and each at their own; what journey does apart."""
    with _road() as road:
        ports = road.ports
        for number in range(_REACHED):
            person = Profile(id=ids.digest("person", str(number)), shop="tea", version=1, email=f"{number}@example.com")
            ports.state.commit(Commit(profile=person))
        queue = _KeptTasks(ports)
        fanout = Fanout(
            everybody=ports.everybody,
            wakes=SqsWakeQueue(ports.clients, queue_url=ports.installation.queue_urls["wake"]),
            queue=queue,
            blobs=ports.blobs,
            clock=ports.clock,
            stops=Stops(ports.blobs, ports.clock),
        )
        for wall, name in (("", "at one hour"), (f"{START:%Y-%m-%dT%H:%M}", "at their own hour")):
            campaign = Campaign(flow="letter", at=START, occurrence=name, wall=wall)
            queue.tasks += shard_tasks(name, START, 1, shop="tea", campaign=campaign, zone="UTC")
            calls: Counter[str] = Counter()
            while queue.tasks:
                task = queue.tasks.pop()
                calls += road.counted(partial(fanout.work, task))
            per_thousand = calls.total() * 1_000 / _REACHED
            yield Figure(f"calls to tell a thousand of a campaign {name}", per_thousand, "calls", 130)


class _KeptTasks:
    """A queue of shards whose tasks come at once."""

    def __init__(self, ports: AwsPorts) -> None:
        self._ports = ports
        self.tasks: list[ShardTask] = []

    def ask(self, tasks: Sequence[ShardTask], delay: int = 0) -> None:
        self._ports.fanout.ask(tasks, delay)
        self.tasks += tasks


def _all_sent(sender: Deliver, parcels: list[object]) -> None:
    verdicts = sender.batch([(parcel, 0) for parcel in parcels])  # type: ignore[misc]
    if len(verdicts) != _MAILS or any(verdict != Done("sent") for verdict in verdicts):
        raise AssertionError(verdicts)


class _CountedMailer:
    """Stands where SES is: moto's wants verified identities, and one call is one call."""

    def __init__(self, counter: CallCounter) -> None:
        self._counter = counter

    def send(self, mail: object) -> str:
        """Count one SendEmail."""
        del mail
        self._counter.calls["sesv2.SendEmail"] += 1
        return "vendor-id"
