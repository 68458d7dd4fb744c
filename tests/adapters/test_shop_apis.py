"""The clients of the shops' APIs, each against a local server that speaks what is documented, and fails on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.server import Reply
from local.shop_server import Fault
from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import Http
from rekindle.outside.shopify import API_VERSION, Shopify
from rekindle.outside.woocommerce import WooCommerce

SHOP = "{ shop { name currencyCode } }"
LIST = """query list($after: String, $first: Int) {
  codeDiscountNodes(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
}"""


@pytest.fixture
def http() -> Http:
    return Http(read=0.3, budget=3.0, sleep=lambda _: None)


@pytest.fixture
def shopify() -> Iterator[LocalShopify]:
    with LocalShopify().running() as running:
        yield running


@pytest.fixture
def woocommerce() -> Iterator[LocalWooCommerce]:
    with LocalWooCommerce().running() as running:
        yield running


def graphql(http: Http, server: LocalShopify, token: str = "shpat_local") -> Shopify:
    return Shopify(http, domain="local.myshopify.com", token=token, base=server.url)


def rest(http: Http, server: LocalWooCommerce, secret: str = "cs_local") -> WooCommerce:
    return WooCommerce(http, url=server.url, key="ck_local", secret=secret)


# --- Shopify ---------------------------------------------------------------------------------------------------------


def test_a_question_is_answered(http: Http, shopify: LocalShopify) -> None:
    assert graphql(http, shopify).ask(SHOP) == {"shop": {"name": "Local shop", "currencyCode": "GBP"}}
    (request,) = shopify.requests
    assert request.path == f"/admin/api/{API_VERSION}/graphql.json"
    assert "shpat_local" not in request.query + request.path


def test_what_the_schema_does_not_have_is_rejected(http: Http, shopify: LocalShopify) -> None:
    with pytest.raises(ShopRejectedError) as rejected:
        graphql(http, shopify).ask("{ shop { colour } }")
    assert (rejected.value.code, "colour" in rejected.value.message) == ("undefinedField", True)


def test_an_empty_bucket_is_waited_for_as_long_as_it_takes(shopify: LocalShopify) -> None:
    waited: list[float] = []
    shopify.plan("throttle", "throttle")
    shopify._level = shopify._bucket = 0.0
    shopify._rate = 5.0

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        shopify._level, shopify._bucket = 10.0, 10.0

    assert graphql(Http(sleep=sleep), shopify).ask(SHOP)
    assert waited[0] == pytest.approx(2.0)
    assert len(shopify.requests) == 3


def test_a_bucket_that_stays_empty_is_told_with_its_wait(shopify: LocalShopify) -> None:
    shopify._level = shopify._bucket = 0.0
    shopify._rate = 0.5
    with pytest.raises(ShopRefusedError) as refused:
        graphql(Http(budget=1.0, sleep=lambda _: None), shopify).ask(SHOP)
    assert (refused.value.reason, refused.value.wait) == ("throttled", 2.0)
    assert len(shopify.requests) == 1


@pytest.mark.parametrize("fault", ["html", "cut", "hang", "fail", "fail_late", "lose_answer", "hang_late"])
def test_shopify_without_an_answer_to_believe_is_uncertain(http: Http, shopify: LocalShopify, fault: Fault) -> None:
    shopify.plan(fault)
    with pytest.raises(ShopUncertainError):
        graphql(http, shopify).ask(SHOP)
    assert len(shopify.requests) == 1


def test_a_wrong_token_is_refused_with_a_cure(http: Http, shopify: LocalShopify) -> None:
    with pytest.raises(ShopRefusedError, match="store a new one") as refused:
        graphql(http, shopify, token="shpat_old").ask(SHOP)
    assert refused.value.reason == "not_allowed"
    assert "shpat_old" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]}, ShopRefusedError),
        ({"errors": [{"message": "no", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}, ShopUncertainError),
        ({"errors": [{"message": "no", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}, ShopRejectedError),
        ({"errors": ["odd", 3]}, ShopRejectedError),
        ({"errors": [{"message": "no", "extensions": {"code": "THROTTLED"}}], "extensions": []}, ShopRefusedError),
        ({"data": None}, ShopUncertainError),
        ({"data": []}, ShopUncertainError),
        ([], ShopUncertainError),
        ("text", ShopUncertainError),
        ({}, ShopUncertainError),
    ],
)
def test_every_odd_answer_has_its_meaning(
    http: Http, shopify: LocalShopify, monkeypatch: pytest.MonkeyPatch, content: Any, error: type[Exception]
) -> None:
    monkeypatch.setattr(shopify, "answer", lambda _: shopify._reply(content))
    with pytest.raises(error):
        graphql(http, shopify).ask(SHOP)


def test_all_pages_of_a_list(http: Http, shopify: LocalShopify) -> None:
    for number in range(7):
        shopify.taken(f"CODE{number}")
    found = list(graphql(http, shopify).pages(LIST, {"first": 3}, ("codeDiscountNodes",)))
    assert len({node["id"] for node in found}) == 7
    assert len(shopify.requests) == 3


def test_a_list_that_is_none_is_uncertain(http: Http, shopify: LocalShopify) -> None:
    with pytest.raises(ShopUncertainError, match="no list under shop"):
        list(graphql(http, shopify).pages("query x { shop { name } }", {}, ("shop",)))


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def test_what_is_created_is_there(http: Http, woocommerce: LocalWooCommerce) -> None:
    api = rest(http, woocommerce)
    made = api.post("coupons", {"code": "TEN", "discount_type": "percent", "amount": "10"})
    assert (made["code"], made["amount"]) == ("ten", "10.00")
    assert [coupon["id"] for coupon in api.get("coupons", {"code": "Ten"})] == [made["id"]]


def test_an_error_has_woocommerces_own_code(http: Http, woocommerce: LocalWooCommerce) -> None:
    woocommerce.taken("TEN")
    with pytest.raises(ShopRejectedError, match="already exists") as rejected:
        rest(http, woocommerce).post("coupons", {"code": "Ten"})
    assert rejected.value.code == "woocommerce_rest_coupon_code_already_exists"


@pytest.mark.parametrize("fault", ["html", "cut", "hang", "fail", "fail_late", "lose_answer", "hang_late"])
def test_woocommerce_without_an_answer_to_believe_is_uncertain(
    http: Http, woocommerce: LocalWooCommerce, fault: Fault
) -> None:
    woocommerce.plan(fault)
    with pytest.raises(ShopUncertainError):
        rest(http, woocommerce).post("coupons", {"code": "TEN"})
    assert len(woocommerce.requests) == 1


def test_a_wrong_secret_is_refused_with_a_cure(http: Http, woocommerce: LocalWooCommerce) -> None:
    with pytest.raises(ShopRefusedError, match="check the key") as refused:
        rest(http, woocommerce, secret="cs_old").post("coupons", {"code": "TEN"})
    assert refused.value.reason == "not_allowed"
    assert "cs_old" not in str(refused.value)


def test_a_server_without_the_api_is_not_found(http: Http, woocommerce: LocalWooCommerce) -> None:
    with pytest.raises(ShopRefusedError, match="no WooCommerce API") as refused:
        rest(http, woocommerce).get("nothing-of-ours")
    assert refused.value.reason == "not_found"


def test_a_firewall_that_says_too_much_is_waited_for(http: Http, woocommerce: LocalWooCommerce) -> None:
    woocommerce.plan("throttle", "throttle")
    rest(http, woocommerce).post("coupons", {"code": "TEN"})
    assert (len(woocommerce.requests), list(woocommerce.coupons)) == (3, ["ten"])


def test_all_pages_of_the_coupons(http: Http, woocommerce: LocalWooCommerce) -> None:
    for number in range(250):
        woocommerce.taken(f"code{number}")
    found = list(rest(http, woocommerce).pages("coupons"))
    assert len({coupon["id"] for coupon in found}) == 250
    assert len(woocommerce.requests) == 3


def test_a_list_that_is_an_object_is_uncertain(
    http: Http, woocommerce: LocalWooCommerce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(woocommerce, "answer", lambda _: Reply(200, {"id": 1}, {}))
    with pytest.raises(ShopUncertainError, match="no list"):
        list(rest(http, woocommerce).pages("coupons"))
