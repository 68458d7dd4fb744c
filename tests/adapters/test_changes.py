"""What changed in a shop, by what its secret says of its API: against servers that speak both, and fail on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from rekindle.domain.errors import ShopRefusedError, ShopUncertainError
from rekindle.outside import woocommerce_changes
from rekindle.outside.http import Http
from rekindle.outside.lists import OutsideShopLists
from rekindle.ports import Changed, Resource, ShopSecrets
from tests.shops.payloads import woo_customer, woo_order, woo_product
from tests.support import shopify_nodes as nodes

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Vault:
    """Secrets of two shops; `next` is what is found when they are fetched afresh."""

    def __init__(self, *shops: ShopSecrets) -> None:
        self.shops = {shop.shop: shop for shop in shops}
        self.next: dict[str, ShopSecrets] = {}

    def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets | None:
        """Return them."""
        if fresh:
            self.shops |= self.next
        return self.shops.get(shop)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is of no use here")


@pytest.fixture
def woo() -> Iterator[LocalWooCommerce]:
    with LocalWooCommerce().running() as running:
        yield running


@pytest.fixture
def shopify() -> Iterator[LocalShopify]:
    with LocalShopify().running() as running:
        yield running


def woo_secrets(server: LocalWooCommerce, **changes: Any) -> ShopSecrets:
    told = {"api_key": "ck_local", "api_secret": "cs_local", "api_url": server.url, **changes}
    return ShopSecrets(shop="fjord", platform="woocommerce", domain="fjord.example", webhook_secrets=(), **told)


def shopify_secrets(server: LocalShopify, **changes: Any) -> ShopSecrets:
    told = {"access_token": "shpat_local", "api_url": server.url, **changes}
    return ShopSecrets(shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=(), **told)


def lists(*shops: ShopSecrets, vault: Vault | None = None) -> OutsideShopLists:
    return OutsideShopLists(vault or Vault(*shops), Http(read=5.0, budget=20.0, sleep=lambda _: None))


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def order(number: int, at: datetime) -> dict[str, Any]:
    # The shop's own clock is three hours ahead: whoever compares the wrong column finds nothing.
    return woo_order(id=number, date_modified_gmt=stamp(at), date_modified=stamp(at + timedelta(hours=3)))


def every(made: OutsideShopLists, resource: Resource, since: datetime, until: datetime) -> list[Changed]:
    found: list[Changed] = []
    cursor = None
    for _ in range(100):
        page = made.changed("fjord", resource, since, until, cursor)
        found += page.changed
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("it does not end")


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def test_what_was_changed_from_a_moment_on_and_before_another(woo: LocalWooCommerce) -> None:
    for number in range(6):
        woo.data.put("orders", order(number + 1, NOON + timedelta(seconds=number)))
    found = every(lists(woo_secrets(woo)), "orders", NOON + timedelta(seconds=1), NOON + timedelta(seconds=4))
    assert [(one.id, one.at) for one in found] == [(str(n), NOON + timedelta(seconds=n - 1)) for n in (2, 3, 4)]


def test_a_quiet_shop_is_asked_once_for_ids_and_moments(woo: LocalWooCommerce) -> None:
    woo.data.put("orders", order(1, NOON))
    assert every(lists(woo_secrets(woo)), "orders", NOON + timedelta(hours=1), NOON + timedelta(hours=2)) == []
    (request,) = woo.requests
    assert "_fields=id%2Cdate_modified_gmt" in request.query


def test_what_is_changed_while_it_is_read_hides_nothing_behind_it(
    woo: LocalWooCommerce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By page numbers, the third order would have moved onto the page that was read before."""
    monkeypatch.setattr(woocommerce_changes, "PAGE", 2)
    for number in range(1, 6):
        woo.data.put("orders", order(number, NOON + timedelta(minutes=number)))
    made, until = lists(woo_secrets(woo)), NOON + timedelta(hours=1)
    first = made.changed("fjord", "orders", NOON, until)
    woo.data.put("orders", order(1, until + timedelta(minutes=1)))
    found = {one.id for one in first.changed}
    cursor = first.cursor
    while cursor is not None:
        page = made.changed("fjord", "orders", NOON, until, cursor)
        found |= {one.id for one in page.changed}
        cursor = page.cursor
    assert found == {"1", "2", "3", "4", "5"}


def test_pages_of_one_second_come_to_an_end(woo: LocalWooCommerce, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a bulk edit, which changes hundreds of products at once."""
    monkeypatch.setattr(woocommerce_changes, "PAGE", 2)
    for number in range(1, 8):
        woo.data.put("orders", order(number, NOON))
    for number in (8, 9):
        woo.data.put("orders", order(number, NOON + timedelta(seconds=1)))
    found = every(lists(woo_secrets(woo)), "orders", NOON, NOON + timedelta(minutes=1))
    assert {one.id for one in found} == {str(number) for number in range(1, 10)}


def test_of_customers_those_are_found_who_registered(woo: LocalWooCommerce) -> None:
    for number in range(5):
        made = stamp(NOON + timedelta(minutes=number))
        woo.data.put("customers", woo_customer(id=number + 1, date_created_gmt=made, date_created=made))
    found = every(lists(woo_secrets(woo)), "customers", NOON + timedelta(minutes=1), NOON + timedelta(minutes=4))
    assert [one.id for one in found] == ["2", "3", "4"]
    assert len(woo.requests) == 1


def test_things_are_read_as_their_webhooks_send_them(woo: LocalWooCommerce) -> None:
    for number in (1, 2):
        woo.data.put("products", woo_product(id=number, date_modified=stamp(NOON)))
    records = lists(woo_secrets(woo)).read("fjord", "products", ["2", "1", "7"])
    assert [(record.topic, json.loads(record.body)["id"]) for record in sorted(records, key=lambda one: one.body)] == [
        ("product.updated", 1),
        ("product.updated", 2),
    ]
    assert len(woo.requests) == 1


def test_webhooks_are_shown_with_those_that_are_off(woo: LocalWooCommerce) -> None:
    url = "https://abc.execute-api.eu-west-1.amazonaws.com/webhooks/woocommerce/fjord"
    for number, status in enumerate(("disabled", "active", "paused"), 1):
        hook = {"id": number, "topic": "order.updated", "status": status, "delivery_url": url}
        woo.data.put("webhooks", hook)
    found = lists(woo_secrets(woo)).hooks("fjord")
    assert sorted((hook.id, hook.topic, hook.url, hook.active) for hook in found) == [
        ("1", "order.updated", url, False),
        ("2", "order.updated", url, True),
        ("3", "order.updated", url, False),
    ]


def test_a_page_where_a_list_should_be_is_uncertain(woo: LocalWooCommerce) -> None:
    woo.weather = lambda: "html"
    with pytest.raises(ShopUncertainError):
        lists(woo_secrets(woo)).changed("fjord", "orders", NOON, NOON + timedelta(hours=1))


# --- both ------------------------------------------------------------------------------------------------------------


def test_each_shop_is_asked_by_its_own_api(woo: LocalWooCommerce, shopify: LocalShopify) -> None:
    woo.data.put("orders", order(7, NOON))
    shopify.data.put("orders", nodes.order(8, updatedAt="2026-03-02T12:00:00Z"))
    made = lists(woo_secrets(woo), shopify_secrets(shopify))
    until = NOON + timedelta(minutes=1)
    assert [one.id for one in made.changed("fjord", "orders", NOON, until).changed] == ["7"]
    assert [one.id for one in made.changed("tea", "orders", NOON, until).changed] == ["8"]
    (record,) = made.read("tea", "orders", ["8", "9"])
    assert json.loads(record.body)["id"] == 8
    assert list(made.hooks("tea")) == []


def test_a_shop_without_access_is_told_apart_and_not_asked(woo: LocalWooCommerce, shopify: LocalShopify) -> None:
    made = lists(woo_secrets(woo, api_secret=None), shopify_secrets(shopify, access_token=None))
    for shop in ("fjord", "tea", "nowhere"):
        with pytest.raises(ShopRefusedError) as refused:
            made.changed(shop, "orders", NOON, NOON)
        assert refused.value.reason == "no_access"
    assert woo.requests == shopify.requests == []


def test_a_token_that_was_replaced_is_taken_at_once(shopify: LocalShopify) -> None:
    vault = Vault(shopify_secrets(shopify, access_token="shpat_old"))
    made = lists(vault=vault)
    with pytest.raises(ShopRefusedError, match="not_allowed"):
        made.changed("tea", "orders", NOON, NOON)
    assert len(shopify.requests) == 1
    vault.next["tea"] = shopify_secrets(shopify)
    assert made.changed("tea", "orders", NOON, NOON).changed == ()
    assert len(shopify.requests) == 3


def test_an_app_that_fetches_its_token_itself_fetches_one_for_all_its_questions(shopify: LocalShopify) -> None:
    shopify.client = ("client", "shh")
    made = lists(shopify_secrets(shopify, access_token=None, client_id="client", client_secret="shh"))
    for _ in range(3):
        assert made.changed("tea", "orders", NOON, NOON).changed == ()
    assert sum(request.path.endswith("/oauth/access_token") for request in shopify.requests) == 1
