"""What connecting a shop does to its webhooks: everything once, nothing of others."""

from __future__ import annotations

import tomllib

import pytest

from rekindle.ports import Hook
from rekindle.service.connecting import ConnectError, check_shop_id, plain_domain, planned
from rekindle.shops import shopify as shopify_webhooks
from rekindle.shops.registering import COMPLIANCE, SCOPES, compliance_toml, lacking, topics_of
from rekindle.shops.shopify.topics import TOPICS as SHOPIFY
from rekindle.shops.woocommerce.topics import TOPICS as WOOCOMMERCE
from tests.support.build import ROOT

HERE = "https://api.example/webhooks/woocommerce/acme"
BEFORE = "https://old.example/webhooks/woocommerce/acme"
OTHERS = "https://other.example/webhooks/woocommerce/acme"
FOREIGN = "https://erp.example/orders"


def hook(number: int, url: str = HERE, topic: str = "order.created", *, active: bool = True) -> Hook:
    return Hook(id=str(number), topic=topic, url=url, active=active)


@pytest.mark.parametrize(
    ("hooks", "wanted"),  # which are kept and changed, what is created, which are removed, how many are foreign
    [
        ([], ("", "", "order.created", "", 0)),
        ([hook(1)], ("1", "", "", "", 0)),
        ([hook(1, active=False)], ("", "1", "", "", 0)),
        ([hook(1, BEFORE)], ("", "1", "", "", 0)),
        ([hook(1, BEFORE), hook(2)], ("2", "", "", "1", 0)),
        ([hook(1, active=False), hook(2)], ("2", "", "", "1", 0)),
        ([hook(1), hook(2), hook(3)], ("1", "", "", "23", 0)),
        ([hook(1, OTHERS)], ("", "", "order.created", "", 1)),
        ([hook(1, FOREIGN), hook(2, FOREIGN)], ("", "", "order.created", "", 0)),
        ([hook(1, topic="coupon.created")], ("", "", "order.created", "", 0)),
    ],
)
def test_a_topic_goes_here_once(hooks: list[Hook], wanted: tuple[str, str, str, str, int]) -> None:
    plan = planned(hooks, ["order.created"], [HERE, BEFORE])
    keep, change, remove = ("".join(one.id for one in part) for part in (plan.keep, plan.change, plan.remove))
    assert (keep, change, ",".join(plan.create), remove, plan.foreign) == wanted


def test_what_another_installation_registered_comes_here_only_when_it_is_told_to() -> None:
    plan = planned([hook(1, OTHERS), hook(2, FOREIGN)], ["order.created"], [HERE], take_over=True)
    assert ([one.id for one in plan.change], plan.create, plan.remove, plan.foreign) == (["1"], (), (), 0)


def test_of_a_shop_whose_secret_is_new_what_stands_there_cannot_have_it() -> None:
    assert [one.id for one in planned([hook(1)], ["order.created"], [HERE], fresh=True).change] == ["1"]


@pytest.mark.parametrize(("platform", "table"), [("shopify", SHOPIFY), ("woocommerce", WOOCOMMERCE)])
def test_every_topic_that_tells_something_is_asked_for_and_stands_in_the_docs(
    platform: str, table: dict[str, object]
) -> None:
    asked = set(topics_of(platform))
    silent = {topic for topic, read in table.items() if getattr(read, "__name__", "") in ("_kept", "_edited")}
    assert asked == table.keys() - silent - set(COMPLIANCE)
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.lower().startswith(f"| {platform} | `"))
    assert {topic for topic in asked if f"`{topic}`" not in row} == set()


def test_rights_to_write_are_rights_to_read() -> None:
    assert lacking({"write_orders", "read_products"}, SCOPES).keys() == {"read_customers", "read_fulfillments"}
    assert lacking(None, SCOPES) == {}


def test_the_apps_own_configuration_asks_for_the_compliance_topics() -> None:
    told = tomllib.loads(compliance_toml({"acme": HERE}))
    assert f"API versions 2024-10 to {told['webhooks']['api_version']}" in (shopify_webhooks.__doc__ or "")
    assert told["webhooks"]["subscriptions"] == [{"compliance_topics": sorted(COMPLIANCE), "uri": HERE}]


@pytest.mark.parametrize("shop", ["", "Acme", "-acme", "acme-", "a/b", "x" * 64, "té"])
def test_what_cannot_be_a_shops_id_is_refused(shop: str) -> None:
    with pytest.raises(ConnectError):
        check_shop_id(shop)


@pytest.mark.parametrize(
    ("platform", "given", "domain"),
    [
        ("shopify", "https://Acme.myshopify.com/", "acme.myshopify.com"),
        ("woocommerce", "https://acme.example/shop/", "acme.example/shop"),
        ("woocommerce", "http://127.0.0.1:8080", "127.0.0.1:8080"),
    ],
)
def test_a_shop_is_known_by_its_domain(platform: str, given: str, domain: str) -> None:
    assert plain_domain(platform, given) == domain


@pytest.mark.parametrize(
    ("platform", "given"),
    [("shopify", "acme.example"), ("shopify", "evil.example/a.myshopify.com"), ("woocommerce", "")],
)
def test_what_is_no_domain_is_refused(platform: str, given: str) -> None:
    with pytest.raises(ConnectError):
        plain_domain(platform, given)
