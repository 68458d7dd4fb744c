"""`rekindle reconcile` and `rekindle import shopify`: over a deployed stack (MiniStack) and a Shopify shop's API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.shopify_api import LocalShopify
from rekindle.cli.main import main
from rekindle.ports import ShopSecrets
from rekindle.service.reconcile import place_of
from tests.adapters.test_replay_command import Deployed
from tests.shops.payloads import DOMAIN, SECRET
from tests.support import shopify_nodes as nodes
from tests.support.terminal import reach
from tests.support.worlds import AwsPorts

SHOP = "kettle"


@pytest.fixture
def shop() -> Iterator[LocalShopify]:
    with LocalShopify().running() as running:
        running.data.put("customers", nodes.customer())
        running.data.put("products", nodes.product())
        running.data.put("orders", nodes.order(7))
        yield running


@pytest.fixture
def stack(ministack_ports: AwsPorts, shop: LocalShopify, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Return a stack with a Shopify shop, which the command finds as it would find AWS."""
    reach(monkeypatch, str(ministack_ports.clients.endpoint_url))
    made = Deployed(ministack_ports)
    ministack_ports.connect(
        ShopSecrets(
            shop=SHOP,
            platform="shopify",
            domain=DOMAIN,
            webhook_secrets=(SECRET,),
            access_token="shpat_local",
            api_url=shop.url,
        )
    )
    return made


def run(stack: Deployed, *arguments: str) -> int:
    return main([*arguments, "--stack", stack.stack, "--shop", SHOP])


def test_what_was_missing_is_said_and_applied_once(
    stack: Deployed, shop: LocalShopify, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stack, "reconcile", "--since", "2026-03-02T09:00Z") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "customer 207119551, changed 2026-03-02 09:00 UTC: fetched and accepted",
        "order 7, changed 2026-03-02 09:50 UTC: fetched and accepted",
        "2 of 2 changes were missing",
    ]
    topics = {each.topic for each in stack.ports.archive.deliveries(SHOP)}
    assert topics == {"customers/update", "orders/paid"}
    assert run(stack, "reconcile", "--since", "2026-03-02T09:00Z", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["how"], told["seen"], told["missing"]) == ("looked", 2, [])
    assert stack.ports.blobs.get(place_of(SHOP)) is None
    assert all("shpat" not in request.query for request in shop.requests)


def test_what_cannot_be_done_is_one_line(
    stack: Deployed, shop: LocalShopify, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stack, "reconcile") == 0
    assert capsys.readouterr().out == "nothing was changed in the shop\n"
    shop.token = "shpat_new"
    assert run(stack, "reconcile") == 2
    assert "store a new one" in capsys.readouterr().err
    assert main(["reconcile", "--stack", stack.stack, "--shop", "nowhere"]) == 2
    assert capsys.readouterr().err == "rekindle: nowhere: the shop is not connected\n"
    assert run(stack, "reconcile", "--since", "yesterday") == 2
    assert "no date" in capsys.readouterr().err


def test_a_shopify_shop_is_imported_by_bulk_operations_and_goes_on_where_it_was_stopped(
    stack: Deployed, shop: LocalShopify, capsys: pytest.CaptureFixture[str]
) -> None:
    # An operation begun, one that was looked at, and then the shop does not let us in.
    shop.plan(*[None] * 8, "denied")
    assert run(stack, "import", "shopify", "--what", "products,customers,orders") == 2
    said = capsys.readouterr().err
    assert "run it again, and it goes on there" in said
    begun = len(shop.data.operations)
    assert begun
    assert run(stack, "import", "shopify", "--what", "products,customers,orders", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["read"] == {"products/update": 1, "customers/update": 1, "orders/updated": 1}
    assert (told["accepted"], told["known_already"], told["unusable"]) == (3, 0, 0)
    assert len(shop.data.operations) == 3
    imported = [each for each in stack.ports.archive.deliveries(SHOP) if each.source == "import"]
    events = [event for each in imported for event in each.events]
    assert {event.type for event in events} == {"product.updated", "customer.updated", "order.updated"}
    assert {event.imported for event in events} == {"silent"}
    # What changed since is asked for by that; all else is known.
    shop.data.put("orders", nodes.order(8, updatedAt="2026-04-02T00:00:00Z"))
    assert run(stack, "import", "shopify", "--what", "orders", "--since", "2026-04-01") == 0
    assert "1 accepted" in capsys.readouterr().out
