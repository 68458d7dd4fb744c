"""An installation's life with two shops, by the commands that ops people have: each test goes on where the last ended.

`OPERATING` says how many customers both shops have together (60; `make test-long`: 10,000).
What each took is left in `out/operating.json`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.clock import OffsetClock
from local.shopify_api import LocalShopify
from local.stack import ROOT, STACK_NAME
from local.woocommerce_api import LocalWooCommerce
from local.world import World, world
from rekindle.aws.profiles import parse_profile
from rekindle.cli.main import main
from rekindle.domain.profile import Profile
from tests.support.content import demo_content
from tests.support.opened import everything
from tests.support.terminal import reach
from tests.support.trade import Hook, North, South, Trade, orders_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-operating")

PEOPLE = int(os.environ.get("OPERATING", "60"))
#: Between two webhooks of the traffic, in seconds.
_PAUSE = 0.5
#: What is posted while something is done to the installation: somebody's order, from this number on.
_ORDERS = itertools.count(5_000_000)


@dataclass
class Installation:
    """A deployed stack, two shops that it is to be connected to, and a terminal."""

    there: World
    north: North
    south: South
    former: Hook | None = None
    """a webhook that is signed with a secret which has been dropped"""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Both shops."""
        return self.north, self.south

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command on this stack; return what it prints."""
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out:
            found = main([*arguments, "--stack", STACK_NAME])
            out.flush()
        assert found == status
        written: bytes = out.buffer.getvalue()
        return written.decode()

    def profiles(self, trade: Trade) -> dict[str, Profile]:
        """Return this shop's customers, by address."""
        name = self.there.stack.tables["Profiles"]
        pages = self.there.stack.dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        found = (parse_profile(item) for page in pages for item in page["Items"])
        return {one.email: one for one in found if isinstance(one, Profile) and one.shop == trade.shop and one.email}

    def orders(self, trade: Trade) -> Counter[str]:
        """Return by how many people each order of this shop is held."""
        return Counter(order for one in self.profiles(trade).values() for order in one.orders)

    def confirmed(self) -> Counter[str]:
        """Return who was mailed, and how often."""
        return Counter(mail.address for mail in self.there.ses.mails)

    def rest(self) -> None:
        """Wait until nothing is under way."""
        self.there.runner.wait_until_idle(120.0 + PEOPLE / 10)


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    """Deploy, and open two shops that know nothing of it."""
    with (
        world(port=None, content=demo_content()) as there,
        LocalShopify(token="shpat_north").running() as shopify,
        LocalWooCommerce(key="ck_south", secret="cs_south").running() as woocommerce,
        pytest.MonkeyPatch.context() as environment,
    ):
        reach(
            environment,
            there.stack.endpoint,
            CLOCK_OFFSET_FILE=str(there.clock.file),
            REKINDLE_SHOPIFY_TOKEN="shpat_north",
            REKINDLE_SHOPIFY_APP_SECRET=shopify.client[1],
            REKINDLE_WOOCOMMERCE_KEY="ck_south",
            REKINDLE_WOOCOMMERCE_SECRET="cs_south",
        )
        most = PEOPLE * 3 // 5
        found = Installation(there, North(shopify, "north", most), South(woocommerce, "south", PEOPLE - most))
        yield found
        out = ROOT / "out/operating.json"
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps(found.figures, indent=1) + "\n", "utf-8")


@dataclass
class Traffic:
    """Orders that both shops tell of while something is done to the installation. Nothing is ever told twice."""

    trades: Sequence[Trade]
    clock: OffsetClock
    statuses: Counter[int] = field(default_factory=Counter)
    told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """shop → the orders that were told"""
    refused: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """shop → those of them that were not taken"""
    seconds: float = 0.0

    @contextlib.contextmanager
    def flowing(self) -> Iterator[Traffic]:
        """Post one order after the other, in both shops at once, until the body is done."""
        over, began = threading.Event(), time.monotonic()
        threads = [threading.Thread(target=self._post, args=(trade, over)) for trade in self.trades]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            over.set()
            for thread in threads:
                thread.join()
            self.seconds = time.monotonic() - began

    def _post(self, trade: Trade, over: threading.Event) -> None:
        while not over.wait(_PAUSE):
            order = next(_ORDERS)
            trade.happens(order % trade.people, order, self.clock.now())
            status = trade.told(order).post()
            self.told[trade.shop].add(str(order))
            self.statuses[status] += 1
            if status != 200:
                self.refused[trade.shop].add(str(order))

    def figures(self) -> dict[str, Any]:
        """Return how many came, in how many seconds, and what they were answered."""
        return {"webhooks": self.statuses.total(), "seconds": round(self.seconds, 1), "answers": dict(self.statuses)}


def test_two_shops_are_connected_and_their_webhooks_come_in(installed: Installation) -> None:
    there, north, south = installed.there, installed.north, installed.south
    at = ("--webhooks-at", there.stack.api_url)
    installed.run("shop", "connect", "shopify", "north", "--domain", "north.myshopify.com", "--api", north.api.url, *at)
    installed.run("shop", "connect", "woocommerce", "south", "--url", south.api.url, *at)
    before = there.stack.published()
    for trade in installed.trades:
        options = (
            "--sender",
            f"hello@mail.{trade.shop}.example",
            "--postal-address",
            "1 Quay, Hove",
            "--locale",
            "en-GB",
        )
        installed.run("shop", "add", trade.shop, "--in-bucket", *options)
        file = f"shops/{trade.shop}.yaml"
        written = (there.stack.read(f"content/{file}") or b"").decode()
        switched = written.replace("own_mails: on", "own_mails: off") + "flows:\n  order-confirmation: on\n"
        there.stack.upload({file: switched.encode()})
    there.stack.await_playbook(before)
    for trade in installed.trades:
        trade.happens(0, 1, installed.there.clock.now())
        assert trade.told(1).post() == 200
    installed.rest()
    for trade in installed.trades:
        assert installed.orders(trade) == {"1": 1}
    assert installed.confirmed() == {trade.email(0): 1 for trade in installed.trades}


def test_everybody_comes_over_with_their_history_and_no_flow_begins(installed: Installation) -> None:
    began = time.monotonic()
    installed.run("import", "shopify", "--shop", "north")
    installed.run("import", "woocommerce", "--shop", "south")
    read = time.monotonic() - began
    installed.rest()
    installed.figures["import"] = {
        "customers": PEOPLE, "accepted in": round(read, 1), "applied in": round(time.monotonic() - began, 1)
    }  # fmt: skip
    for trade in installed.trades:
        found = installed.profiles(trade)
        assert set(found) == {trade.email(number) for number in range(trade.people)}
        for number in range(trade.people):
            wanted = {str(order) for order, _ in orders_of(number)} | ({"1"} if number == 0 else set())
            assert found[trade.email(number)].orders.keys() == wanted
    assert installed.confirmed() == {trade.email(0): 1 for trade in installed.trades}


def test_what_no_webhook_brought_is_found_and_applied_once(installed: Installation) -> None:
    lost, came = range(2, 12), range(12, 22)
    for trade in installed.trades:
        for number in (*lost, *came):
            trade.happens(number, number, installed.there.clock.now())
        for number in came:
            assert trade.told(number).post() == 200
    installed.rest()
    for trade in installed.trades:
        assert set(installed.orders(trade)).isdisjoint(map(str, lost))
        looked = json.loads(installed.run("reconcile", "--shop", trade.shop, "--json"))
        assert {one["id"] for one in looked["missing"] if one["resource"] == "orders"} == set(map(str, lost))
    installed.rest()
    for trade in installed.trades:
        assert json.loads(installed.run("reconcile", "--shop", trade.shop, "--json"))["missing"] == []
        held = installed.orders(trade)
        assert [held[str(number)] for number in (*lost, *came)] == [1] * 20
        # A missed webhook counts as if it had come: its order is confirmed, and once.
        assert [installed.confirmed()[trade.email(number)] for number in (*lost, *came)] == [1] * 20


def test_a_customer_is_erased_and_the_receipt_names_every_store(installed: Installation) -> None:
    gone = installed.north.email(14)
    assert gone in everything(installed.there)
    told = installed.run("privacy", "erase", "--shop", "north", "--email", gone, "--yes", "--json")
    stores = json.loads(told)["stores"]
    assert stores["profiles"]["erased"] == 1
    assert stores["deliveries"]["erased"] >= 2
    assert stores["suppressions"]["kept"] == 1
    installed.rest()
    assert gone not in everything(installed.there)
    installed.figures["erased"] = {name: told["erased"] for name, told in stores.items() if told["erased"]}


def test_a_secret_is_rotated_under_traffic(installed: Installation) -> None:
    there, south = installed.there, installed.south
    at = ("--webhooks-at", there.stack.api_url)
    with Traffic(installed.trades, installed.there.clock).flowing() as traffic:
        old = dict(south.api.secrets)
        installed.run("shop", "rotate-secret", "south", *at)
        assert all(south.api.secrets[hook] != secret for hook, secret in old.items())
        so_far = traffic.statuses.total()
        eventually(lambda: traffic.statuses.total() > so_far + 10, seconds=30)
    installed.figures["rotation"] = traffic.figures()
    assert set(traffic.statuses) == {200}
    installed.rest()
    for trade in installed.trades:
        held = installed.orders(trade)
        assert [order for order in traffic.told[trade.shop] if held[order] != 1] == []

    there.clock.move_to(there.clock.now() + timedelta(hours=25))
    installed.run("shop", "rotate-secret", "south", "--finish", *at)
    assert south.told(2).post() == 200
    installed.former = _signed_with(south, old, 2)


def _signed_with(south: South, secrets: Mapping[int, str], order: int) -> Hook:
    """Return a webhook as it would be with the secrets that the shop had before."""
    now = dict(south.api.secrets)
    south.api.secrets.update(secrets)
    try:
        return south.told(order)
    finally:
        south.api.secrets.update(now)


def test_the_stack_is_upgraded_under_traffic(installed: Installation, tmp_path: Path) -> None:
    for part in ("functions", "layers", "template.yaml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    handler = tmp_path / "functions/webhook/app.py"
    code = handler.read_text("utf-8")
    handler.write_text(code.replace('"statusCode": 200, "body": ""', '"statusCode": 200, "body": "next"'), "utf-8")
    assert handler.read_text("utf-8") != code
    with Traffic(installed.trades, installed.there.clock).flowing() as traffic:
        installed.there.upgrade(tmp_path)
        eventually(lambda: installed.north.told(1).text() == "next", seconds=60)
        eventually(lambda: traffic.statuses[200] >= 10, seconds=60)
    installed.figures["upgrade"] = traffic.figures()
    # The emulator stops workers in the middle of a request, as no alias does: what is refused then is found later.
    assert set(traffic.statuses) <= {200, 500, 502, 503}
    installed.rest()
    for trade in installed.trades:
        looked = json.loads(installed.run("reconcile", "--shop", trade.shop, "--json"))
        # What was answered with an error may have been taken all the same.
        assert {one["id"] for one in looked["missing"]} <= traffic.refused[trade.shop]
    installed.rest()
    for trade in installed.trades:
        held = installed.orders(trade)
        assert [order for order in traffic.told[trade.shop] if held[order] != 1] == []
    # New workers know the secrets that there are now.
    assert installed.former is None or installed.former.post() == 401


def test_what_functions_gave_up_on_is_put_back_and_done(installed: Installation) -> None:
    there, trade = installed.there, installed.south
    table = there.stack.tables["Profiles"]
    profile = installed.profiles(trade)[trade.email(20)]
    key = {"id": {"S": profile.id}}
    item = there.stack.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    there.stack.dynamodb.put_item(TableName=table, Item={**item, "packed": {"B": b"\x02not a profile"}})
    there.stack.sqs.set_queue_attributes(
        QueueUrl=there.stack.queues["WakeQueue"], Attributes={"VisibilityTimeout": "1"}
    )
    trade.happens(20, 30, installed.there.clock.now())
    assert trade.told(30).post() == 200
    eventually(lambda: "WakeDeadQueue" in there.stack.dead_letters(), seconds=180)
    there.stack.dynamodb.put_item(TableName=table, Item=item)
    (letter, *_) = map(json.loads, installed.run("redrive", "--queue", "wake", "--json").splitlines())
    assert letter
    installed.rest()
    assert installed.orders(trade)["30"] == 1
    assert there.stack.dead_letters() == {}
