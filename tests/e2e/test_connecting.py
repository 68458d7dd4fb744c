"""Connecting shops with the command, on the deployed template: what they send comes through the real door."""

from __future__ import annotations

import json

import pytest

from local.shops import (
    BELL,
    BIKES,
    CUP,
    TEA,
    Person,
    Webhook,
    shopify,
    shopify_checkout,
    sign,
    woocommerce,
    woocommerce_order,
)
from local.stack import STACK_NAME
from local.world import World
from rekindle.aws.archive import DynamoArchive
from rekindle.aws.clients import Clients
from rekindle.aws.stack import read_stack
from rekindle.cli.main import main
from rekindle.shops.registering import topics_of
from tests.support.connecting import name_server
from tests.support.terminal import reach

pytestmark = pytest.mark.xdist_group("e2e-live")

SHOPIFY, WOOCOMMERCE = "new-tea.myshopify.com", "local.example.org"
APP_SECRET = "shpss_of_new_tea"
ADA = Person(880, "Ada", "Anew", "ada880@example.com", "Hove", "BN3 2FP", consent=False)


def test_two_new_shops_are_connected_and_their_webhooks_come_through(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reach(
        monkeypatch,
        live.emulator.url,
        AWS_ENDPOINT_URL_SESV2=live.ses.url,
        REKINDLE_SHOPIFY_TOKEN=str(TEA.access["access_token"]),
        REKINDLE_SHOPIFY_APP_SECRET=APP_SECRET,
        REKINDLE_WOOCOMMERCE_KEY=str(BIKES.access["api_key"]),
        REKINDLE_WOOCOMMERCE_SECRET=str(BIKES.access["api_secret"]),
    )
    there = ("--stack", STACK_NAME, "--webhooks-at", live.stack.api_url)
    tea = ("new-tea", "--domain", SHOPIFY, "--api", live.shopify.url)
    assert main(["shop", "connect", "shopify", *tea, *there]) == 0
    assert main(["shop", "connect", "woocommerce", "new-bikes", "--url", live.woocommerce.url, *there]) == 0
    assert live.woocommerce.pings == [200] * len(topics_of("woocommerce"))
    told = capsys.readouterr()
    assert APP_SECRET not in told.out + told.err

    now = live.clock.now()
    (tea_hook,) = (one for one in live.shopify.subscriptions.values() if one.topic == "CHECKOUTS_CREATE")
    checkout = shopify_checkout(ADA, [(CUP, 1)], now)
    made = shopify("checkouts/create", checkout, now, secret=APP_SECRET, domain=SHOPIFY)
    assert live.post_to(tea_hook.uri, made) == 200
    (number,) = (id_ for id_, hook in live.woocommerce.webhooks.items() if hook["topic"] == "order.created")
    order = woocommerce("order.created", woocommerce_order(ADA, [(BELL, 1)], "pending", now, now), "new-1")
    headers = {
        **order.headers,
        "X-WC-Webhook-Source": f"https://{WOOCOMMERCE}/",
        "X-WC-Webhook-Signature": sign(live.woocommerce.secrets[number], order.body),
    }
    assert live.post_to(live.woocommerce.webhooks[number]["delivery_url"], Webhook(headers, order.body)) == 200
    live.runner.wait_until_idle()
    clients = Clients()
    stack = read_stack(clients, STACK_NAME)
    archive = DynamoArchive(clients, stack.tables, raw_bucket=stack.output("RawBucketName"))
    heard = {(shop, one.topic) for shop in ("new-tea", "new-bikes") for one in archive.deliveries(shop)}
    assert heard == {
        ("new-tea", "rekindle/check"),
        ("new-tea", "checkouts/create"),
        ("new-bikes", "action.rekindle_check"),
        ("new-bikes", "order.created"),
    }
    assert live.stack.dead_letters() == {}

    with name_server({}) as dns:
        assert main(["shop", "check", "new-tea", "--json", "--resolver", dns, *there]) == 1
    links = {link["name"]: link for link in json.loads(capsys.readouterr().out)["links"]}
    whole = {name for name, link in links.items() if link["state"] == "ok"}
    assert whole >= {"secret", "shop's API", "rights", "webhooks", "signed webhook", "forged webhook"}
    assert links["shop file"]["cure"] == "rekindle shop add new-tea, then rekindle publish"
