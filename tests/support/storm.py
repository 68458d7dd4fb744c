"""A storm for the deployed stack: many people's webhooks in disorder and twice over, and hands that kill workers."""

from __future__ import annotations

import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Literal

from local.shops import (
    BIKES,
    CUP,
    DARJEELING,
    LAPSANG,
    PLANT,
    TEA,
    TEAPOT,
    Person,
    Webhook,
    shopify,
    shopify_cart,
    shopify_checkout,
    shopify_order,
    woocommerce,
    woocommerce_order,
)
from local.stack import Shop
from local.world import World

SENDERS = 8
#: A webhook comes at most so many places before or after its own.
_DISORDER = 60
#: Of all posts, so many are repeats, somewhere after their original.
_REPEATS = 0.25
_PAUSE_SECONDS = 0.2
#: Shopify goes on for four hours.
_PATIENCE_SECONDS = 600.0

Kind = Literal["leaver", "waverer", "buyer", "rider"]
#: How many webhooks each tells before the mails begin.
_TELLS: dict[Kind, int] = {"leaver": 7, "waverer": 7, "buyer": 6, "rider": 3}
#: What each is mailed in the end.
MAILS: dict[Kind, list[str]] = {
    "leaver": ["cart-reminder-1", "cart-reminder-2", "cart-reminder-3"],
    "waverer": ["cart-reminder-1", "order-confirmation"],
    "buyer": ["order-confirmation"],
    "rider": ["order-confirmation"],
}


@dataclass(frozen=True)
class Post:
    """One request of one shop."""

    shop: Shop
    webhook: Webhook


@dataclass(frozen=True)
class Story:
    """Who takes part, and what is posted, in this order. A leaver leaves for good; a waverer buys after the first mail.

    Buyers buy at once, riders do so in the WooCommerce shop.
    """

    people: dict[Kind, list[Person]]
    distinct: int
    """how many different webhooks there are"""
    posts: list[Post]


def story(size: int, at: datetime, rng: random.Random) -> Story:
    """Return a story of about `size` posts, a quarter of them repeats, none quite in its place."""
    share = round(size * (1 - _REPEATS) / sum(_TELLS.values()) / 5)
    counts: dict[Kind, int] = {"leaver": share, "waverer": 6 * share, "buyer": 6 * share, "rider": 8 * share}
    numbers = iter(range(10_000, 10_000 + size))
    people: dict[Kind, list[Person]] = {
        kind: [_person(next(numbers), kind) for _ in range(count)] for kind, count in counts.items()
    }
    tellers = [(kind, person) for kind, group in people.items() for person in group]
    rng.shuffle(tellers)
    told = [post for kind, person in tellers for post in tells(kind, person, at)]
    placed = [(place + rng.uniform(-_DISORDER, _DISORDER), post) for place, post in enumerate(told)]
    repeats = [(rng.uniform(place, len(told)), post) for place, post in rng.sample(placed, size - len(told))]
    posts = [post for _, post in sorted(placed + repeats, key=lambda each: each[0])]
    return Story(people, len(told), posts)


def rider(number: int) -> Person:
    """Return one more customer of the WooCommerce shop."""
    return _person(number, "rider")


def tells(kind: Kind, person: Person, at: datetime) -> list[Post]:
    """Return what this person's shop posts, in its order; the newest basket is the last."""
    moments = [at - timedelta(seconds=60 - 5 * number) for number in range(10)]
    if kind == "rider":
        topics, statuses = ("order.created", "order.updated", "order.updated"), ("pending", "processing", "completed")
        return [
            Post(
                BIKES, woocommerce(topic, woocommerce_order(person, [(PLANT, 1)], status, moments[0], when), f"{when}")
            )
            for topic, status, when in zip(topics, statuses, moments, strict=False)
        ]
    posts = [
        shopify("carts/update", shopify_cart(person, [(CUP, 1)], moments[0]), moments[0]),
        shopify("checkouts/create", shopify_checkout(person, [(CUP, 1)], moments[1]), moments[1]),
        shopify("checkouts/update", shopify_checkout(person, [(CUP, 2)], moments[2]), moments[2]),
        shopify("checkouts/update", shopify_checkout(person, [(CUP, 2), (TEAPOT, 1)], moments[3]), moments[3]),
    ]
    if kind == "buyer":
        return [Post(TEA, webhook) for webhook in posts] + buys(person, moments[4])
    lines = [(CUP, 2), (LAPSANG, 1)]
    posts += [
        shopify("carts/update", shopify_cart(person, lines, moments[4]), moments[4]),
        shopify("checkouts/update", shopify_checkout(person, lines, moments[5]), moments[5]),
        shopify("checkouts/update", shopify_checkout(person, [*lines, (DARJEELING, 3)], moments[6]), moments[6]),
    ]
    return [Post(TEA, webhook) for webhook in posts]


def buys(person: Person, at: datetime) -> list[Post]:
    """Return what the Shopify shop posts about an order: that it is there, and that it changed."""
    changed = shopify_order(person, [(CUP, 2)], at) | {"updated_at": f"{at + timedelta(seconds=5):%Y-%m-%dT%H:%M:%SZ}"}
    return [
        Post(TEA, shopify("orders/create", shopify_order(person, [(CUP, 2)], at), at)),
        Post(TEA, shopify("orders/updated", changed, at + timedelta(seconds=5))),
    ]


def _person(number: int, kind: Kind) -> Person:
    country = "BE" if kind == "rider" else "GB"
    return Person(number, "Stina", "Storm", f"{kind}{number}@example.com", "Hove", "BN3 2FP", country=country)


@dataclass
class Sent:
    """What became of the posts of one sending."""

    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    """how often each status came; `broken`: no answer"""
    accepted_in: list[float] = field(default_factory=list)
    """seconds that each accepted request took, sorted"""

    def percentile(self, share: float) -> float:
        """Return within how many seconds this share of the accepted requests was answered."""
        return self.accepted_in[min(len(self.accepted_in) - 1, int(share * len(self.accepted_in)))]


def send(world: World, posts: Sequence[Post], meanwhile: Callable[[], None] | None = None, every: int = 25) -> Sent:
    """Post everything, in order, from eight senders at once; each repeats what was not answered with 200, as shops do.

    `meanwhile` is called after every so many accepted posts. Raises `AssertionError` when one is not taken within ten
    minutes.
    """
    waiting: queue.SimpleQueue[Post] = queue.SimpleQueue()
    for post in posts:
        waiting.put(post)
    sent, lock = Sent(), threading.Lock()

    def work() -> None:
        while True:
            try:
                post = waiting.get_nowait()
            except queue.Empty:
                return
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not _posted(world, post, sent, lock):
                assert time.monotonic() < deadline, f"not taken within {_PATIENCE_SECONDS:.0f} s: {sent.answers}"
                time.sleep(_PAUSE_SECONDS)
            if meanwhile is not None and len(sent.accepted_in) % every == 0:
                meanwhile()

    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        for done in [senders.submit(work) for _ in range(SENDERS)]:
            done.result()
    sent.seconds = time.monotonic() - began
    sent.accepted_in.sort()
    return sent


def _posted(world: World, post: Post, sent: Sent, lock: threading.Lock) -> bool:
    began = time.monotonic()
    try:
        answer = str(world.post(post.shop, post.webhook))
    except (OSError, HTTPException):
        answer = "broken"
    with lock:
        sent.answers[answer] += 1
        if answer == "200":
            sent.accepted_in.append(time.monotonic() - began)
    return answer == "200"


@dataclass(frozen=True)
class Process:
    """A process and what it holds in memory, in megabytes."""

    pid: int
    megabytes: float


def emulator_and_workers(pid: int) -> tuple[Process, list[Process]]:
    """Return the emulator, and the processes that it runs functions in: its children.

    A child that is only just being started is still the emulator's image, and shows the emulator's memory: left out.
    """
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss=,args="], capture_output=True, text=True, check=True)  # noqa: S607
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    found = {int(own): (int(parent), Process(int(own), int(size) / 1024), rest) for own, parent, size, *rest in rows}
    _, itself, started_as = found[pid]
    return itself, [each for parent, each, rest in found.values() if parent == pid and rest and rest != started_as]


@dataclass
class Watch:
    """What was seen of the emulator's processes, and how many workers were killed."""

    kills: int = 0
    workers: int = 0
    """the most at once"""
    worker_megabytes: float = 0.0
    """the most that one held"""
    emulator_megabytes: float = 0.0

    def look(self, pid: int) -> list[Process]:
        """Take note; return the workers."""
        itself, workers = emulator_and_workers(pid)
        self.emulator_megabytes = max(self.emulator_megabytes, itself.megabytes)
        self.workers = max(self.workers, len(workers))
        if any(worker.megabytes > self.worker_megabytes for worker in workers):
            # Twice, or one could be caught in the moment in which it ceases to be the emulator's image.
            again = {worker.pid: worker.megabytes for worker in emulator_and_workers(pid)[1]}
            held = [min(worker.megabytes, again.get(worker.pid, 0.0)) for worker in workers]
            self.worker_megabytes = max(self.worker_megabytes, *held)
        return workers

    def kill(self, pid: int, rng: random.Random) -> None:
        """Kill one worker of this emulator, whichever it is."""
        workers = self.look(pid)
        if workers:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers).pid, signal.SIGKILL)
                self.kills += 1


@contextmanager
def killing(pid: int, watch: Watch, rng: random.Random, every: float) -> Iterator[None]:
    """Kill a worker every so many seconds for the length of the block."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(every):
            watch.kill(pid, rng)

    killer = threading.Thread(target=work, name="killer")
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()
