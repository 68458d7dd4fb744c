"""What a WooCommerce shop has, page by page, against a server that speaks the REST API and fails as hosts do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from local.shop_server import Fault
from local.woocommerce_api import LocalWooCommerce
from rekindle.domain.errors import ShopRefusedError, ShopUncertainError
from rekindle.outside.http import Http
from rekindle.outside.woocommerce_lists import WooCommerceSource, source
from rekindle.ports import RESOURCES, Page, Resource
from tests.shops.payloads import woo_customer, woo_order, woo_product


@pytest.fixture
def shop() -> Iterator[LocalWooCommerce]:
    """Return a shop with 230 customers, 210 orders and 3 products."""
    with LocalWooCommerce().running() as running:
        links = {"_links": {"self": [{"href": "https://northwind-tea.example.com/wp-json/wc/v3/…"}]}}
        for number in range(230, 0, -1):
            running.data.put("customers", woo_customer(id=number, role="customer" if number % 9 else "editor"))
        for number in range(210):
            running.data.put("orders", {**woo_order(id=1000 + number), **links})
        for number in (7, 8, 9):
            running.data.put("products", woo_product(id=number))
        yield running


def of(shop: LocalWooCommerce, what: Sequence[Resource] = RESOURCES, **more: Any) -> WooCommerceSource:
    """Return the source; it never really waits."""
    pauses: list[float] = []
    http = Http(read=0.3, budget=30.0, tries=3, sleep=pauses.append)
    made = source(url=shop.url, key="ck_local", secret="cs_local", what=what, http=http, **more)
    made.pauses = pauses  # type: ignore[attr-defined]
    return made


def pages(made: WooCommerceSource, cursor: str | None = None) -> Iterator[Page]:
    """Yield every page."""
    while True:
        page = made.page(cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def ids(found: Sequence[Page]) -> list[int]:
    """Return the ids of what the pages hold, in their order."""
    return [json.loads(record.body)["id"] for page in found for record in page.records]


def test_everything_comes_by_id_in_the_shape_of_its_webhook(shop: LocalWooCommerce) -> None:
    found = list(pages(of(shop)))
    assert ids(found) == [7, 8, 9, *range(1, 231), *range(1000, 1210)]
    assert [len(page.records) for page in found] == [3, 100, 100, 30, 100, 100, 10]
    topics = [record.topic for page in found for record in page.records]
    assert [(topic, len(list(them))) for topic, them in itertools.groupby(topics)] == [
        ("product.updated", 3),
        ("customer.updated", 230),
        ("order.updated", 210),
    ]
    assert json.loads(found[4].records[0].body) == woo_order(id=1000)
    assert found[4].records[0].where == "orders, id 1000"
    assert of(shop).total() == 443


def test_any_cursor_gives_the_same_page_again_also_to_another_process(shop: LocalWooCommerce) -> None:
    for page in pages(of(shop)):
        if page.cursor is not None:
            assert of(shop).page(page.cursor) == of(shop).page(page.cursor)
            assert "cs_local" not in page.cursor


def test_what_is_added_meanwhile_comes_at_the_end_and_once(shop: LocalWooCommerce) -> None:
    found = []
    for page in pages(of(shop, ["orders"])):
        found.append(page)
        if len(found) == 1:
            shop.data.put("orders", woo_order(id=5000))
    assert ids(found) == [*range(1000, 1210), 5000]


def test_what_is_deleted_meanwhile_hides_nothing(shop: LocalWooCommerce) -> None:
    found = []
    for page in pages(of(shop, ["orders"])):
        found.append(page)
        if len(found) == 1:
            del shop.data.things["orders"][1003], shop.data.things["orders"][1044]
    assert set(range(1000, 1210)) == set(ids(found))


def test_a_page_without_what_the_key_may_not_read_is_not_the_last(shop: LocalWooCommerce) -> None:
    shop.data.hidden = {1001, 1150}
    assert ids(list(pages(of(shop, ["orders"])))) == [n for n in range(1000, 1210) if n not in shop.data.hidden]


def test_only_what_changed_since_then(shop: LocalWooCommerce) -> None:
    since = datetime(2026, 3, 2, 12, tzinfo=UTC)
    late = {"date_modified_gmt": "2026-03-02T12:00:01"}
    shop.data.put("customers", woo_customer(id=900, **late))
    shop.data.put("orders", woo_order(id=2000, **late))
    shop.data.put("orders", woo_order(id=2001, date_modified_gmt="2026-03-02T12:00:00"))
    made = of(shop, ["customers", "orders"], since=since)
    assert ids(list(pages(made))) == [900, 2000, 2001]
    assert sum(request.path.endswith("orders") for request in shop.requests) == 1


@pytest.mark.parametrize("fault", ["throttle", "fail", "hang", "cut", "lose_answer"])
def test_a_fault_costs_a_try_and_nothing_else(shop: LocalWooCommerce, fault: Fault) -> None:
    shop.plan(None, fault, fault)
    assert ids(list(pages(of(shop, ["orders"])))) == list(range(1000, 1210))


def test_it_stays_away_for_as_long_as_it_is_asked_to(shop: LocalWooCommerce, monkeypatch: pytest.MonkeyPatch) -> None:
    said = shop.throttled

    def throttled(request: Any) -> Any:
        reply = said(request)
        return type(reply)(reply.status, reply.content, {"Retry-After": "17"})

    monkeypatch.setattr(shop, "throttled", throttled)
    shop.plan("throttle")
    made = of(shop, ["products"])
    assert ids(list(pages(made))) == [7, 8, 9]
    assert made.pauses == [17.0]  # type: ignore[attr-defined]


def test_a_shop_that_does_not_manage_a_hundred_is_asked_for_less(shop: LocalWooCommerce) -> None:
    shop.data.heavy = 25
    assert ids(list(pages(of(shop, ["orders"])))) == list(range(1000, 1210))
    sizes = [dict(pair.split("=") for pair in request.query.split("&"))["per_page"] for request in shop.requests]
    assert sizes.count("100") == 3
    assert set(sizes[6:]) == {"25"}


def test_a_shop_that_is_down_is_told_and_the_cursor_stays_good(shop: LocalWooCommerce) -> None:
    made = of(shop, ["orders"])
    first = made.page(None)
    shop.weather = lambda: "fail"
    with pytest.raises(ShopUncertainError):
        made.page(first.cursor)
    shop.weather = lambda: None
    assert ids([first, *pages(made, first.cursor)]) == list(range(1000, 1210))


def test_a_page_of_html_is_no_list_and_a_wrong_key_is_said(shop: LocalWooCommerce) -> None:
    shop.weather = lambda: "html"
    with pytest.raises(ShopUncertainError):
        of(shop).page(None)
    shop.weather = lambda: "denied"
    with pytest.raises(ShopRefusedError, match="check the key"):
        of(shop).page(None)
