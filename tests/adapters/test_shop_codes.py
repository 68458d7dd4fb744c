"""`ports.ShopCodes`: one contract for RAM, Shopify and WooCommerce; and what each shop is really told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from local.shop_server import Fault, ShopServer
from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.offers import Gift, Offer
from rekindle.memory import World
from rekindle.outside.codes import OutsideShopCodes, shopify_discount, woocommerce_coupon
from rekindle.outside.http import Http
from rekindle.ports import NewCode, ShopCodes, ShopSecrets
from tests.support.build import T0, at, consent, flow_of, order, playbook
from tests.support.plant import Plant

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TEN = Offer(name="ten", kind="unique", percent=Decimal(10), prefix="TEA")
WANTED = NewCode(
    code="TEA-7K3MQ2XBTD",
    mark="5f0c1a2b3c4d5e6f",
    offer=TEN,
    currency="EUR",
    starts_at=NOW,
    ends_at=NOW + timedelta(days=3),
)


class Shops:
    """Shops of one kind, whose codes one adapter makes."""

    def __init__(self, kind: str, stack: ExitStack) -> None:
        self.world = World()
        self.server: ShopServer | None = None
        self.codes: ShopCodes = self.world.codes
        if kind == "shopify":
            shopify = stack.enter_context(LocalShopify().running())
            self._connect(shopify, platform="shopify", access_token=shopify.token)
            self.count: Callable[[], int] = lambda: len(shopify.discounts)
            self.take: Callable[[str], object] = shopify.taken
        elif kind == "woocommerce":
            woocommerce = stack.enter_context(LocalWooCommerce().running())
            self._connect(woocommerce, platform="woocommerce", api_key="ck_local", api_secret="cs_local")
            self.count, self.take = lambda: len(woocommerce.coupons), woocommerce.taken
        else:
            self.count = lambda: len(self.world.shop_codes)
            self.take = lambda code: self.world.codes.make("tea", replace(WANTED, code=code, mark="another"))

    def _connect(self, server: ShopServer, **secrets: Any) -> None:
        self.server = server
        self.world.shops["tea"] = ShopSecrets(
            shop="tea", domain="tea.example", webhook_secrets=("s",), api_url=server.url, **secrets
        )
        self.codes = OutsideShopCodes(self.world.secrets, Http(read=0.3, budget=3.0, sleep=lambda _: None))


@pytest.fixture(params=["memory", "shopify", "woocommerce"])
def shops(request: pytest.FixtureRequest) -> Iterator[Shops]:
    with ExitStack() as stack:
        yield Shops(request.param, stack)


@pytest.fixture(params=["shopify", "woocommerce"])
def outside(request: pytest.FixtureRequest) -> Iterator[Shops]:
    with ExitStack() as stack:
        yield Shops(request.param, stack)


# --- the contract ----------------------------------------------------------------------------------------------------


def test_a_code_is_made_once_however_often_it_is_asked_for(shops: Shops) -> None:
    assert shops.codes.make("tea", WANTED)
    assert shops.codes.make("tea", WANTED)
    assert shops.count() == 1


def test_a_code_of_somebody_else_is_not_ours(shops: Shops) -> None:
    shops.take(WANTED.code.lower())
    assert not shops.codes.make("tea", WANTED)
    assert shops.count() == 1


def test_a_code_of_ours_for_another_coupon_is_not_this_one(shops: Shops) -> None:
    assert shops.codes.make("tea", WANTED)
    assert not shops.codes.make("tea", replace(WANTED, mark="0000000000000000"))


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "fail_late", "hang_late", "cut", "html", "fail", "hang"])
def test_a_lost_answer_is_found_out_by_asking_again(outside: Shops, fault: Fault) -> None:
    assert outside.server is not None
    outside.server.plan(fault)
    try:
        made = outside.codes.make("tea", WANTED)
    except ShopUncertainError:
        made = outside.codes.make("tea", WANTED)
    assert (made, outside.count()) == (True, 1)


def test_a_shop_that_never_answers_is_uncertain_and_left_in_bounded_time(outside: Shops) -> None:
    assert outside.server is not None
    outside.server.weather = lambda: "hang"
    with pytest.raises(ShopUncertainError):
        outside.codes.make("tea", WANTED)
    assert len(outside.server.requests) <= 3


def test_a_shop_that_is_not_connected_is_refused(shops: Shops) -> None:
    if shops.server is None:
        return
    with pytest.raises(ShopRefusedError, match="not connected"):
        shops.codes.make("nobody", WANTED)


def test_a_shop_without_access_is_refused_with_a_cure(outside: Shops) -> None:
    known = outside.world.shops["tea"]
    outside.world.shops["tea"] = replace(known, access_token=None, api_key=None)
    with pytest.raises(ShopRefusedError, match="in the shop's secret") as refused:
        outside.codes.make("tea", WANTED)
    assert refused.value.reason == "not_allowed"


def test_a_token_that_was_renewed_is_fetched_at_once(outside: Shops) -> None:
    right = outside.world.shops["tea"]
    wrong = replace(right, access_token="old", api_secret="old")

    class Stale:
        def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets:
            del shop
            return right if fresh else wrong

    codes = OutsideShopCodes(Stale(), Http())  # type: ignore[arg-type]
    assert codes.make("tea", WANTED)
    assert outside.count() == 1


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (replace(TEN, percent=Decimal(120)), "between 0.0 and 1.0"),
        (replace(TEN, percent=None, amount={"USD": Decimal(5)}), "no amount in the shop's currency, EUR"),
        (replace(TEN, products=("999",)), "check the ids under products"),
        (replace(TEN, name="x" * 300), "shorter name"),
    ],
)
def test_what_shopify_does_not_take_is_rejected_with_a_cure(offer: Offer, words: str) -> None:
    with ExitStack() as stack:
        shops = Shops("shopify", stack)
        assert isinstance(shops.server, LocalShopify)
        shops.server.products = frozenset({"1"})
        with pytest.raises(ShopRejectedError, match=words):
            shops.codes.make("tea", replace(WANTED, offer=offer))
        assert shops.count() == 0


def test_a_code_that_cannot_be_found_yet_is_uncertain() -> None:
    with ExitStack() as stack:
        shops = Shops("shopify", stack)
        assert isinstance(shops.server, LocalShopify)
        assert shops.codes.make("tea", WANTED)
        shops.server.slowest_lookup = 1
        with pytest.raises(ShopUncertainError, match="cannot find it yet"):
            shops.codes.make("tea", WANTED)
        assert shops.codes.make("tea", WANTED)


# --- what the shops are told -----------------------------------------------------------------------------------------

_SHAPES: list[tuple[Offer, dict[str, Any], dict[str, Any]]] = [
    (
        TEN,
        {"customerGets": {"value": {"percentage": 0.1}, "items": {"all": True}}},
        {"discount_type": "percent", "amount": "10"},
    ),
    (
        replace(TEN, percent=Decimal("12.5"), products=("11", "12"), minimum={"EUR": Decimal(50)}),
        {
            "customerGets": {
                "value": {"percentage": 0.125},
                "items": {"products": {"productsToAdd": ["gid://shopify/Product/11", "gid://shopify/Product/12"]}},
            },
            "minimumRequirement": {"subtotal": {"greaterThanOrEqualToSubtotal": "50"}},
        },
        {"discount_type": "percent", "amount": "12.5", "product_ids": [11, 12], "minimum_amount": "50"},
    ),
    (
        replace(TEN, percent=None, amount={"EUR": Decimal("5.00"), "GBP": Decimal(4)}, categories=("7",)),
        {
            "customerGets": {
                "value": {"discountAmount": {"amount": "5.00", "appliesOnEachItem": False}},
                "items": {"collections": {"add": ["gid://shopify/Collection/7"]}},
            }
        },
        {"discount_type": "fixed_cart", "amount": "5.00", "product_categories": [7]},
    ),
    (
        replace(TEN, percent=None, free_shipping=True),
        {"destination": {"all": True}},
        {"discount_type": "fixed_cart", "amount": "0", "free_shipping": True},
    ),
    (
        replace(TEN, percent=None, gift=Gift(product="31", worth={"EUR": Decimal("12.50")})),
        {
            "customerGets": {
                "value": {"discountAmount": {"amount": "12.50", "appliesOnEachItem": False}},
                "items": {"products": {"productsToAdd": ["gid://shopify/Product/31"]}},
            }
        },
        {"discount_type": "percent", "amount": "100", "product_ids": [31], "limit_usage_to_x_items": 1},
    ),
]


@pytest.mark.parametrize(("offer", "for_shopify", "for_woocommerce"), _SHAPES)
def test_what_an_offer_becomes_in_each_shop(
    offer: Offer, for_shopify: dict[str, Any], for_woocommerce: dict[str, Any]
) -> None:
    wanted = replace(WANTED, offer=offer)
    assert shopify_discount(wanted) == {
        "title": "Rekindle ten 5f0c1a2b3c4d5e6f",
        "code": "TEA-7K3MQ2XBTD",
        "startsAt": "2026-03-02T08:50:00Z",
        "endsAt": "2026-03-05T09:00:00Z",
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": {"all": "ALL"},
        **for_shopify,
    }
    assert woocommerce_coupon(wanted) == {
        "code": "TEA-7K3MQ2XBTD",
        "description": "Rekindle ten",
        "meta_data": [{"key": "rekindle_mark", "value": "5f0c1a2b3c4d5e6f"}],
        "date_expires": "2026-03-05T09:00:00Z",
        "usage_limit": 1,
        "usage_limit_per_user": 1,
        **for_woocommerce,
    }


@pytest.mark.parametrize("offer", [offer for offer, *_ in _SHAPES])
def test_each_shop_takes_every_shape(outside: Shops, offer: Offer) -> None:
    assert outside.codes.make("tea", replace(WANTED, offer=offer))


def test_a_code_that_works_more_than_once_and_has_no_end() -> None:
    wanted = replace(WANTED, offer=replace(TEN, once=False), ends_at=None)
    discount, coupon = shopify_discount(wanted), woocommerce_coupon(wanted)
    assert (discount["endsAt"], discount["usageLimit"], discount["appliesOncePerCustomer"]) == (None, None, False)
    assert {"date_expires", "usage_limit", "usage_limit_per_user"}.isdisjoint(coupon)


def test_woocommerce_really_has_the_end() -> None:
    with ExitStack() as stack:
        shops = Shops("woocommerce", stack)
        assert isinstance(shops.server, LocalWooCommerce)
        assert shops.codes.make("tea", WANTED)
        (coupon,) = shops.server.coupons.values()
        assert coupon["date_expires_gmt"] == "2026-03-05T09:00:00"


# --- from the order to the mail --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "fail_late", "hang_late", "cut", "throttle", "denied"])
def test_whatever_a_shop_does_one_code_is_made_and_mailed(outside: Shops, fault: Fault) -> None:
    """The run, `send`, `mint` and the shop's API together: the shop fails for a while, and answers again."""
    assert outside.server is not None
    gift = "trigger: {event: order.placed}\nsteps:\n  - email: gift\n    offer: ten\n  - wait: 10d\n"
    plant = Plant(playbook(flow_of(gift), gives=(TEN,)))
    plant.world.shops.update(outside.world.shops)
    plant.world.codes = outside.codes  # type: ignore[assignment]
    plant.restart()
    outside.server.plan(*[fault] * 5)
    plant.post(consent(T0), order(T0))
    plant.until(at(hours=3))
    (sent,) = plant.world.inbox
    (run,) = plant.profile("ada@example.com").runs
    assert sent.mail.text.startswith("TEA-")
    assert run.codes == {"gift": sent.mail.text}
    assert outside.count() == 1


def test_a_code_for_friends_works_for_any_number_of_people_once_each() -> None:
    wanted = replace(WANTED, offer=replace(TEN, friends=True))
    discount, coupon = shopify_discount(wanted), woocommerce_coupon(wanted)
    assert (discount["usageLimit"], discount["appliesOncePerCustomer"]) == (None, True)
    assert (coupon.get("usage_limit"), coupon["usage_limit_per_user"]) == (None, 1)
