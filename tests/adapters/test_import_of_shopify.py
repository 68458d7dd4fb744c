"""Importing a Shopify shop by bulk operations, over RAM and a server that speaks its API: killed, it goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from local.shopify_api import LocalShopify
from rekindle.domain.errors import RekindleError
from rekindle.domain.profile import OrderMark, Profile
from rekindle.memory import Crash
from rekindle.outside import shopify_bulk
from rekindle.outside.http import Http
from rekindle.outside.shopify import Shopify
from rekindle.outside.shopify_bulk import ShopifyBulk
from rekindle.ports import ShopSecrets
from rekindle.service.imports import Importer, Job
from tests.shops.payloads import DOMAIN, SECRET
from tests.support import shopify_nodes as nodes
from tests.support.build import CONFIRMATION, at, playbook
from tests.support.plant import Plant

JOB = Job(shop="tea", key="shopify all", label="shopify products, customers, orders")


@pytest.fixture
def shop() -> Iterator[LocalShopify]:
    """Return a shop with a product, two customers and four orders of theirs."""
    with LocalShopify(bucket=1e9).running() as running:
        running.data.put("products", nodes.product())
        for number in (1, 2):
            running.data.put("customers", buyer(number))
        for number in range(11, 15):
            changed = f"2026-03-02T0{number - 10}:00:00Z"
            who = buyer(1 + number % 2)
            running.data.put(
                "orders",
                nodes.order(number, email=f"c{1 + number % 2}@example.com", customer=who, updatedAt=changed),
            )
        yield running


def buyer(number: int) -> nodes.Node:
    address = {
        "emailAddress": f"c{number}@example.com",
        "marketingState": "SUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "marketingUpdatedAt": "2026-01-05T10:00:00Z",
    }
    return nodes.customer(id=f"gid://shopify/Customer/{number}", defaultEmailAddress=address)


def made() -> Plant:
    plant = Plant(playbook(CONFIRMATION), start=at(hours=2))
    plant.world.shops["tea"] = ShopSecrets(
        shop="tea", platform="shopify", domain=DOMAIN, webhook_secrets=(SECRET,), region="CA"
    )
    return plant


def run(plant: Plant, shop: LocalShopify) -> None:
    """Import as the command does, as a process of its own."""
    world = plant.world
    # Nothing hangs here: what a busy machine takes longer for must not look like an answer that was lost.
    http = Http(read=120.0, budget=600.0, sleep=lambda _: None)
    api = Shopify(http, domain="tea.myshopify.com", token="shpat_local", base=shop.url)
    source = ShopifyBulk(api, http, sleep=lambda _: None)
    importer = Importer(
        intake=world.bulk, blobs=world.blobs, secrets=world.secrets, clock=world.clock, sleep=lambda _: plant.settle()
    )
    for _ in importer.run(source, JOB):
        pass


def outcome(plant: Plant) -> tuple[dict[str, dict[str, OrderMark]], dict[str, bool]]:
    """Return what everybody has ordered, and who agreed to be written to."""
    plant.settle()
    found = [plant.world.profile(profile_id) for profile_id in set(plant.world.owners.values())]
    people = [each for each in found if isinstance(each, Profile)]
    return (
        {str(each.email): each.orders for each in people},
        {str(each.email): each.consented("email") for each in people},
    )


def test_everybody_comes_over_with_orders_and_consent_and_nobody_gets_a_mail(shop: LocalShopify) -> None:
    plant = made()
    run(plant, shop)
    orders, consents = outcome(plant)
    assert {who: sorted(theirs) for who, theirs in orders.items()} == {
        "c1@example.com": ["12", "14"],
        "c2@example.com": ["11", "13"],
    }
    assert set(consents.values()) == {True}
    assert plant.world.product("tea", "632910392") is not None
    assert plant.mails() == []


def test_killed_at_any_call_it_goes_on_with_the_operation_that_runs(
    shop: LocalShopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At calls of ports all along the way the plug is pulled; whoever comes next ends the same, and asks no more.

    At every fifth, which falls before calls and after them: `tests/service/test_imports.py` tries each.
    """
    monkeypatch.setattr(shopify_bulk, "PAGE", 3)
    shop.data.looks = 1
    plant = made()
    run(plant, shop)
    wanted, operations = outcome(plant), len(shop.data.operations)
    for place in itertools.count(0, 5):
        shop.data.operations.clear()
        plant = made()
        calls = itertools.count()

        def hook(_name: str, _when: str, calls: Any = calls, place: int = place) -> None:
            if next(calls) == place:
                raise Crash("killed")

        plant.world.hook = hook
        try:
            run(plant, shop)
        except Crash:
            plant.world.hook = None
            # What is done begins anew.
            killed_at_the_end = b'"done":true' in plant.world.files.get(JOB.place, b"")
            run(plant, shop)
        else:
            break
        assert outcome(plant) == wanted, place
        # One that was begun and not written down, and had ended when it was looked for, is asked for again.
        assert len(shop.data.operations) <= operations + 1 or killed_at_the_end, place
    assert place >= 40


@pytest.mark.parametrize("fault", ["fail", "lose_answer", "cut", "html", "denied", "fail_late"])
def test_whatever_the_shop_does_meanwhile_running_it_again_ends_the_same(
    shop: LocalShopify, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(shopify_bulk, "PAGE", 3)
    plant = made()
    run(plant, shop)
    wanted = outcome(plant)
    plant = made()
    shop.data.operations.clear()
    weather = itertools.chain([*[None] * 6, fault] * 6, itertools.repeat(None))
    shop.weather = lambda: next(weather)
    for _ in range(7):
        try:
            run(plant, shop)
        except RekindleError:
            continue
        break
    assert outcome(plant) == wanted
