"""The catalogue's own work: orders are counted once, products stand where they belong, nothing is lost on the way."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.events import Who
from rekindle.domain.facts import Item, Order, Variant, VariantStock
from rekindle.domain.profile import OrderMark, Profile
from rekindle.domain.shelves import BEST, BEST_HALF_LIFE, NEW, Near, decode_near, decode_shelf, ranked, together
from rekindle.memory import Crash
from rekindle.ports import Bought, Reshelve, Stocked
from rekindle.service.catalogue import Catalogue, Change, tasks_of
from rekindle.service.purchases import purchases
from tests.support.build import at, event, playbook
from tests.support.catalogue import CUP, POT, TEA, Teashop
from tests.support.plant import Plant


@pytest.fixture
def shop() -> Teashop:
    made = Teashop()
    made.tell(POT, CUP, TEA)
    return made


def sales(near: Near, when: datetime) -> float:
    """Return how many sales of this moment the heat stands for."""
    assert near.sold is not None
    return float(2 ** (near.sold - when.timestamp() / BEST_HALF_LIFE.total_seconds()))


def test_an_order_is_counted_once_however_often_it_comes(shop: Teashop) -> None:
    """In one batch, in another, and beside others."""
    order = shop.sell("pot", "tea")
    assert shop.catalogue.work([order, order]) == set()
    assert shop.catalogue.work([order, shop.sell("pot", order="o2")]) == set()
    assert sales(shop.near("pot"), at()) == pytest.approx(2, rel=1e-4)
    assert sales(shop.near("tea"), at()) == pytest.approx(1, rel=1e-4)
    assert together([shop.near("pot")]) == ["tea"]


def test_what_sells_stands_on_the_shelf_of_best_sellers(shop: Teashop) -> None:
    shop.catalogue.work([shop.sell("tea", order="o1"), shop.sell("tea", order="o2"), shop.sell("pot", order="o3")])
    assert shop.shelf(BEST) == ["tea", "pot"]
    # Three weeks on, what sold twice then is behind what sells now.
    shop.catalogue.work([shop.sell("pot", order=f"p{number}", days=40) for number in range(2)])
    assert shop.shelf(BEST) == ["pot", "tea"]


def test_a_large_batch_is_counted_in_transactions_that_fit(shop: Teashop) -> None:
    orders = [shop.sell(*(f"p{number * 7 + place}" for place in range(7)), order=f"o{number}") for number in range(60)]
    assert shop.catalogue.work(orders) == set()
    assert shop.world.calls["shelves.count"] > 1
    assert sum(name.startswith("order/") for _, name in shop.world.shelved) == 60


def test_orders_of_two_shops_stay_apart(shop: Teashop) -> None:
    shop.catalogue.work([shop.sell("pot"), replace(shop.sell("pot"), shop="coffee")])
    assert {name for name, key in shop.world.shelved if key == "near/pot"} == {"tea", "coffee"}
    assert sales(shop.near("pot"), at()) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["shelves.shelved", "shelves.count", "shelves.put_shelf"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_crash_anywhere_counts_nothing_twice_and_loses_nothing(
    shop: Teashop, call: str, moment: str, times: int
) -> None:
    """The queue brings the batch again."""
    batch = [shop.sell("pot", "tea", order="o1"), shop.sell("pot", "cup", order="o2")]
    left = [times]

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, moment):
            left[0] -= 1
            if left[0] == 0:
                raise Crash(name)

    shop.world.hook = hook
    with suppress(Crash):
        shop.catalogue.work(batch)
    shop.world.hook = None
    assert shop.catalogue.work(batch) == set()
    assert sales(shop.near("pot"), at()) == pytest.approx(2, rel=1e-4)
    assert shop.shelf(BEST)[0] == "pot"
    assert set(shop.shelf(BEST)) == {"pot", "tea", "cup"}


def test_two_who_count_at_once_both_count(shop: Teashop) -> None:
    """The loser reads again."""
    other = Catalogue(shelves=shop.world.shelves, queue=shop.world.catalogue_tasks, fanout=shop.world.fanout)
    raced = [False]

    def hook(name: str, when: str) -> None:
        if (name, when) == ("shelves.count", "before") and not raced[0]:
            raced[0] = True
            other.work([shop.sell("pot", order="o2")])

    shop.world.hook = hook
    assert shop.catalogue.work([shop.sell("pot", order="o1")]) == set()
    assert sales(shop.near("pot"), at()) == pytest.approx(2, rel=1e-4)


def test_what_cannot_be_done_comes_again_and_the_rest_is_done(shop: Teashop) -> None:
    """One product that others keep writing does not hold up the orders."""

    def hook(name: str, when: str) -> None:
        if (name, when) == ("shelves.stock", "before"):
            raise OSError("throttled")

    shop.world.hook = hook
    stock = Stocked(shop="tea", stock=VariantStock(product_id="pot", variant=Variant("v"), updated_at=at()))
    assert shop.catalogue.work([shop.sell("pot"), stock]) == {1}
    assert shop.shelf(BEST) == ["pot"]


# --- products


def test_products_stand_on_the_shelves_of_their_kind_and_of_what_is_new(shop: Teashop) -> None:
    shop.tell(replace(TEA, created_at=at(days=2), updated_at=at(days=2)))
    assert shop.shelf(NEW)[0] == "tea"
    assert set(shop.shelf("kind/teaware")) == {"pot", "cup"}
    assert shop.shelf("kind/tea") == ["tea"]


def test_a_product_that_changes_its_kind_changes_shelves(shop: Teashop) -> None:
    shop.tell(replace(CUP, kind="Tea", updated_at=at(hours=1)))
    assert shop.shelf("kind/teaware") == ["pot"]
    assert set(shop.shelf("kind/tea")) == {"tea", "cup"}


@pytest.mark.parametrize("gone", [{"deleted": True}, {"url": None}, {"in_stock": False}])
def test_what_cannot_be_bought_is_not_shown(shop: Teashop, gone: dict[str, Any]) -> None:
    shop.catalogue.work([shop.sell("cup")])
    shop.tell(replace(CUP, updated_at=at(hours=1), **gone))
    assert shop.shelf("kind/teaware") == ["pot"]
    assert shop.shelf(BEST) == []
    assert "cup" not in shop.shelf(NEW)
    shop.tell(replace(CUP, updated_at=at(hours=2)))
    assert shop.shelf(BEST) == ["cup"]


def test_a_change_that_no_shelf_shows_costs_nothing(shop: Teashop) -> None:
    """Shopify tells a product again with each piece that is sold."""
    calls = shop.world.calls["shelves.shelved"]
    shop.tell(replace(POT, quantity=8, title="The pot", updated_at=at(hours=1)))
    assert shop.world.calls["shelves.shelved"] == calls
    assert tasks_of(Change("tea", POT, replace(POT, quantity=7))) == []
    assert tasks_of(Change("tea", None, POT)) == [Reshelve(shop="tea", product_id="pot")]
    assert tasks_of(Change("tea", POT, replace(POT, kind="Pots"))) == [
        Reshelve(shop="tea", product_id="pot", kinds=("Teaware",))
    ]


def test_a_variant_that_is_there_again_brings_its_product_back(shop: Teashop) -> None:
    shop.tell(replace(CUP, in_stock=False, updated_at=at(hours=1)))
    assert shop.shelf("kind/teaware") == ["pot"]
    stock = VariantStock(product_id="cup", variant=Variant("v1", in_stock=True), updated_at=at(hours=2))
    assert shop.catalogue.work([Stocked(shop="tea", stock=stock)]) == set()
    shop.tell()
    assert set(shop.shelf("kind/teaware")) == {"pot", "cup"}


def test_the_stream_never_fails(shop: Teashop) -> None:
    """What cannot be done goes onto the queue, and is done from there."""

    def hook(name: str, when: str) -> None:
        if (name, when) == ("shelves.put_shelf", "before"):
            raise OSError("throttled")

    shop.world.hook = hook
    shop.tell(replace(CUP, kind="Cups", updated_at=at(hours=1)))
    shop.world.hook = None
    (task,) = shop.world.catalogue_queue.values()
    assert task == Reshelve(shop="tea", product_id="cup", kinds=("Teaware",))
    assert shop.catalogue.work([task]) == set()
    assert shop.shelf("kind/cups") == ["cup"]


# --- what journey hands over


def order(number: int, *products: str, days: int = 0, **more: Any) -> Order:
    """Return an order with these products, placed so many days on."""
    items = tuple(Item(title=product, product_id=product) for product in products)
    return Order(id=f"o{number}", updated_at=at(days=days), placed_at=at(days=days), items=items, **more)


def told(*orders: Order, profile: Profile | None = None) -> list[Bought]:
    """Return what is handed over when these orders come to a profile one by one."""
    before = profile or Profile(id="p", shop="tea")
    marks = {
        one.id: OrderMark(
            updated_at=one.updated_at,
            placed_at=one.placed_at,
            events=("order.placed",),
            status="test" if one.test else one.status,
            products=tuple(sorted(item.product_id or "" for item in one.items)),
        )
        for one in orders
    }
    after = replace(before, orders={**before.orders, **marks})
    events = [event("order.updated", one, one.updated_at) for one in orders]
    return purchases(before, after, events, at(days=900))


def test_an_order_is_handed_over_with_what_was_bought_before() -> None:
    first, second = told(order(1, "pot", "cup"), order(2, "tea", "cup", days=30))
    assert first == Bought(shop="tea", order=ids.digest("order", "tea", "o1"), at=at(), products=("pot", "cup"))
    assert (second.products, second.before) == (("tea", "cup"), ("pot",))


def test_what_was_bought_long_ago_says_nothing() -> None:
    _, second = told(order(1, "pot"), order(2, "tea", days=91))
    assert second.before == ()


@pytest.mark.parametrize(
    "one", [order(1, "pot", test=True), order(1, "pot", status="cancelled"), order(1), order(1, "pot", status="open")]
)
def test_what_is_no_sale_is_not_handed_over(one: Order) -> None:
    assert told(one) == []


def test_an_order_that_was_told_before_is_not_handed_over_again() -> None:
    known = Profile(id="p", shop="tea", orders={"o1": OrderMark(updated_at=at(), events=("order.placed",))})
    assert told(order(1, "pot"), profile=known) == []


def test_an_order_dated_in_the_future_counts_as_of_now() -> None:
    (bought,) = told(order(1, "pot", days=5000))
    assert bought.at == at(days=900)


def test_no_more_of_an_order_is_looked_at_than_fits() -> None:
    (bought,) = told(order(1, *(f"p{number}" for number in range(50))))
    assert len(bought.products) == 10


# --- the whole way


def test_from_the_webhook_to_the_shelf() -> None:
    """An order comes three times under other names, and is counted once; a test order never."""
    plant = Plant(playbook())
    plant.post(*(event("product.updated", one, at(), who=Who(), id=one.id) for one in (POT, TEA)))
    for kind in ("order.placed", "order.paid", "order.updated"):
        plant.post(event(kind, order(1, "pot", "tea", paid_at=at() if kind == "order.paid" else None), at()))
    plant.post(event("order.placed", order(2, "pot", test=True), at(), who=Who(email="test@example.com")))
    plant.settle()
    world = plant.world
    near = decode_near(world.shelved["tea", "near/pot"])
    assert sales(near, at()) == pytest.approx(1, rel=1e-4)
    assert together([near]) == ["tea"]
    assert set(ranked(BEST, decode_shelf(world.shelved["tea", "shelf/best"]))) == {"pot", "tea"}
    assert math.isfinite(near.often or math.nan)
