"""What a Shopify shop has, read page by page and by bulk operations, against a server that speaks its GraphQL API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.shop_server import Fault
from local.shopify_api import LocalShopify
from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside import shopify_bulk, shopify_lists
from rekindle.outside.http import Http
from rekindle.outside.shopify import Shopify
from rekindle.outside.shopify_bulk import ShopifyBulk
from rekindle.outside.shopify_lists import ShopifyLists
from rekindle.ports import RESOURCES, Record
from tests.support import shopify_nodes as nodes

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def shop() -> Iterator[LocalShopify]:
    with LocalShopify().running() as running:
        yield running


@pytest.fixture
def http() -> Http:
    return Http(read=5.0, budget=20.0, sleep=lambda _: None)


def api(http: Http, shop: LocalShopify, token: str = "shpat_local") -> Shopify:
    return Shopify(http, domain="local.myshopify.com", token=token, base=shop.url)


def lists(http: Http, shop: LocalShopify) -> ShopifyLists:
    return ShopifyLists(api(http, shop))


def bulk(http: Http, shop: LocalShopify, **changes: Any) -> ShopifyBulk:
    return ShopifyBulk(api(http, shop), http, **{"sleep": lambda _: None, **changes})


def stock(shop: LocalShopify, orders: int = 3) -> None:
    """Let the shop have a tea, a customer, and orders of it, a minute apart from noon on."""
    shop.data.put("products", nodes.product())
    shop.data.put("customers", nodes.customer())
    for number in range(1, orders + 1):
        at = (NOON + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        shop.data.put(
            "orders",
            nodes.order(number, updatedAt=at, lineItems=[nodes.line(), nodes.line(id="gid://shopify/LineItem/2")]),
        )


def everything(source: ShopifyBulk, cursor: str | None = None) -> list[Record]:
    """Return all that comes, with a new source for each page, as if whoever asked died after each."""
    found: list[Record] = []
    for _ in range(200):
        page = source.page(cursor)
        found += page.records
        if page.cursor is None:
            return found
        cursor = page.cursor
    raise AssertionError("it does not end")


def named(records: list[Record]) -> list[tuple[str, int]]:
    return [(record.topic, json.loads(record.body)["id"]) for record in records]


WHOLE = [
    ("products/update", 632910392),
    ("customers/update", 207119551),
    ("orders/updated", 1),
    ("orders/updated", 2),
    ("orders/updated", 3),
]


# --- page by page ----------------------------------------------------------------------------------------------------


def test_what_changed_is_listed_oldest_first_page_by_page(
    shop: LocalShopify, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify_lists, "PAGE", 2)
    stock(shop, orders=5)
    since, until = NOON + timedelta(minutes=2), NOON + timedelta(minutes=5)
    first = lists(http, shop).changed("orders", since, until)
    assert [(one.id, one.at) for one in first.changed] == [("2", since), ("3", since + timedelta(minutes=1))]
    second = lists(http, shop).changed("orders", since, until, first.cursor)
    assert ([one.id for one in second.changed], second.cursor) == (["4"], None)


@pytest.mark.parametrize("resource", ["products", "customers", "orders"])
def test_nothing_changed_is_one_question(shop: LocalShopify, http: Http, resource: Any) -> None:
    stock(shop)
    later = NOON + timedelta(days=1)
    assert lists(http, shop).changed(resource, later, later + timedelta(hours=1)).changed == ()
    assert len(shop.requests) == 1


def test_a_thing_is_read_with_all_its_rows(shop: LocalShopify, http: Http) -> None:
    rows = [nodes.line(id=f"gid://shopify/LineItem/{number}") for number in range(1, 61)]
    shop.data.put("orders", nodes.order(7, lineItems=rows))
    record = lists(http, shop).read("orders", "7")
    assert record is not None
    assert [row["id"] for row in json.loads(record.body)["line_items"]] == list(range(1, 61))
    assert len(shop.requests) == 3


def test_a_question_is_one_that_shopify_answers_and_its_cost_is_waited_for(shop: LocalShopify) -> None:
    """Whoever asks for more than a thousand points at once gets nothing; whoever asks too fast waits."""
    for number in range(1, 8):
        shop.data.put("orders", nodes.order(number, lineItems=[nodes.line() for _ in range(25)]))
    shop._bucket = shop._level = 600.0
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        shop._filled_at -= seconds

    made = ShopifyLists(api(Http(read=5.0, budget=60.0, sleep=sleep), shop))
    for number in range(1, 8):
        assert made.read("orders", str(number)) is not None
    assert made.read("products", "1") is made.read("customers", "1") is None
    assert waited
    assert max(waited) < 6
    assert len(shop.requests) == 9 + len(waited)


def test_what_is_gone_is_none(shop: LocalShopify, http: Http) -> None:
    assert lists(http, shop).read("customers", "7") is None


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({}, "orders/paid"),
        ({"updatedAt": "2026-03-04T00:00:00Z"}, "orders/updated"),
        ({"displayFinancialStatus": "PENDING"}, "orders/updated"),
        ({"cancelledAt": "2026-03-02T09:50:03Z"}, "orders/updated"),
    ],
)
def test_an_order_that_was_just_paid_is_told_as_paid(
    shop: LocalShopify, http: Http, changes: dict[str, Any], topic: str
) -> None:
    """An old payment, told as of now, would let people into flows that are about it."""
    shop.data.put("orders", nodes.order(7, **changes))
    record = lists(http, shop).read("orders", "7")
    assert record is not None
    assert record.topic == topic


# --- bulk operations -------------------------------------------------------------------------------------------------


def test_all_that_a_shop_has_comes_in_order_and_whole(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    source = bulk(http, shop)
    assert source.total() == 5
    records = everything(source)
    assert named(records) == WHOLE
    assert [row["id"] for row in json.loads(records[2].body)["line_items"]] == [9007199254740995, 2]
    assert len(json.loads(records[0].body)["variants"]) == 2


def test_a_bulk_operation_gives_what_a_single_question_gives(shop: LocalShopify, http: Http) -> None:
    stock(shop, orders=1)
    by_bulk = everything(bulk(http, shop))
    one_by_one = [
        lists(http, shop).read(resource, str(json.loads(record.body)["id"]))
        for resource, record in zip(RESOURCES, by_bulk, strict=True)
    ]
    assert [record.body for record in by_bulk] == [record and record.body for record in one_by_one]


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_file_is_read_part_by_part_whoever_reads_it(
    shop: LocalShopify, http: Http, monkeypatch: pytest.MonkeyPatch, ignores_ranges: bool
) -> None:
    """In parts shorter than an order, and one page at a time, each by somebody new: nothing is lost or comes twice."""
    monkeypatch.setattr(shopify_bulk, "PART", 1_000)
    monkeypatch.setattr(shopify_bulk, "PAGE", 1)
    stock(shop, orders=4)
    shop.data.ignores_ranges = ignores_ranges
    found: list[Record] = []
    cursor: str | None = None
    for _ in range(100):
        page = bulk(http, shop).page(cursor)
        found += page.records
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page.records) <= 1
    assert named(found) == [*WHOLE, ("orders/updated", 4)]
    assert len(shop.data.operations) == 3


def test_the_token_goes_to_the_api_only_and_no_secret_is_in_the_cursor(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    cursor: str | None = None
    while True:
        page = bulk(http, shop).page(cursor)
        if page.cursor is None:
            break
        cursor = page.cursor
        assert "secret" not in cursor
        assert "shpat" not in cursor
    files = [request for request in shop.requests if request.path.startswith("/bulk/")]
    assert files
    assert all("x-shopify-access-token" not in request.headers for request in files)


def test_an_operation_is_waited_for_with_its_progress(shop: LocalShopify, http: Http) -> None:
    stock(shop, orders=4)
    shop.data.looks = 3
    waited: list[float] = []
    told: list[tuple[str, int]] = []
    source = bulk(http, shop, resources=("orders",), sleep=waited.append, tell=lambda *said: told.append(said))
    assert len(everything(source)) == 4
    assert waited == [shopify_bulk.POLL] * 3
    assert told == [("orders", 2)] * 3


@pytest.mark.parametrize("end", ["FAILED", "CANCELED", "EXPIRED"])
def test_an_operation_that_comes_to_nothing_is_begun_anew(shop: LocalShopify, http: Http, end: str) -> None:
    stock(shop)
    shop.data.ends.extend(["COMPLETED", "COMPLETED", end, end])
    assert named(everything(bulk(http, shop))) == WHOLE
    assert len(shop.data.operations) == 5


def test_an_operation_that_fails_again_and_again_is_given_up(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    shop.data.ends.extend(["FAILED"] * 3)
    with pytest.raises(ShopRejectedError, match=r"products ended as FAILED TIMEOUT.*--since"):
        everything(bulk(http, shop))
    assert len(shop.data.operations) == 3


def test_a_file_that_expires_half_read_is_asked_for_again_from_where_it_was_read_to(
    shop: LocalShopify, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify_bulk, "PAGE", 2)
    stock(shop, orders=5)
    source = bulk(http, shop, resources=("orders",))
    cursor = None
    found: list[Record] = []
    while len(found) < 4:
        page = source.page(cursor)
        found += page.records
        cursor = page.cursor
    (operation,) = shop.data.operations.values()
    operation.status = "EXPIRED"
    found += everything(source, cursor)
    assert named(found) == [("orders/updated", number) for number in (1, 2, 3, 4, 4, 5)]
    anew = list(shop.data.operations.values())[-1]
    assert "updated_at:>='2026-03-02T12:04:00Z'" in anew.query


def test_what_may_not_be_read_is_said_with_the_scopes_that_are_missing(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    shop.data.ends.append("DENIED")
    with pytest.raises(ShopRefusedError, match="read_all_orders"):
        everything(bulk(http, shop))


def test_a_beginning_whose_answer_was_lost_is_found_again(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    shop.data.looks = 2
    source = bulk(http, shop, resources=("orders",))
    shop.plan(None, "lose_answer")
    with pytest.raises(ShopUncertainError):
        source.page(None)
    assert named(everything(source)) == WHOLE[2:]
    assert len(shop.data.operations) == 1


def test_a_shop_that_runs_five_operations_already_is_waited_for(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    shop.data.looks = 1_000
    others = "{ products { edges { node { id } } } }"
    for _ in range(5):
        api(http, shop).ask(shopify_bulk._RUN, {"query": others})
    source = bulk(http, shop)
    page = source.page(None)
    assert (page.records, len(shop.data.operations)) == ((), 5)
    for operation in shop.data.operations.values():
        operation.status = "COMPLETED"
    shop.data.looks = 1
    assert named(everything(source, page.cursor)) == WHOLE


@pytest.mark.parametrize("fault", ["throttle", "fail", "cut", "lose_answer", "html"])
def test_a_fault_while_a_file_is_read_costs_another_request_or_another_call(
    shop: LocalShopify, http: Http, fault: Fault
) -> None:
    stock(shop)
    source = bulk(http, shop, resources=("orders",))
    cursor = source.page(None).cursor
    cursor = source.page(cursor).cursor
    shop.plan(None, fault)
    try:
        found = everything(source, cursor)
    except (ShopUncertainError, ShopRejectedError):
        found = everything(source, cursor)
    assert named(found) == WHOLE[2:]


def test_an_empty_shop_has_nothing(shop: LocalShopify, http: Http) -> None:
    assert everything(bulk(http, shop)) == []


def test_only_what_was_changed_since_is_asked_for(shop: LocalShopify, http: Http) -> None:
    stock(shop, orders=4)
    source = bulk(http, shop, resources=("orders",), since=NOON + timedelta(minutes=3))
    assert source.total() == 2
    assert named(everything(source)) == [("orders/updated", 3), ("orders/updated", 4)]


def test_a_file_that_is_not_grouped_is_no_file_of_ours(shop: LocalShopify, http: Http) -> None:
    stock(shop)
    source = bulk(http, shop, resources=("orders",))
    cursor = source.page(None).cursor
    (operation,) = shop.data.operations.values()
    operation.file = b"".join(
        sorted(operation.file.splitlines(keepends=True), key=lambda row: b"__parentId" in bytes(row))
    )
    cursor = source.page(cursor).cursor
    with pytest.raises(ShopUncertainError, match="not grouped"):
        source.page(cursor)
