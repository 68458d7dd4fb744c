"""Reconciling: what no webhook brought is found, once, whatever happens on the way; what was brought costs nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.profile import OrderMark, Profile, Tombstone
from rekindle.memory import Crash
from rekindle.ports import Hook, Record, Resource, ShopSecrets
from rekindle.service.people import alias_key
from rekindle.service.reconcile import EVERY, OVERLAP, SETTLE, Looked, Marks, Reconciler, place_of
from rekindle.service.webhook import Webhooks
from tests.shops.payloads import DOMAIN, SECRET, woo_customer, woo_order, woo_product, woo_request
from tests.support.build import CONFIRMATION, at, playbook
from tests.support.plant import Plant

TOPICS: dict[Resource, str] = {
    "orders": "order.updated",
    "customers": "customer.updated",
    "products": "product.updated",
}
START = at(hours=2)


def secrets(shop: str = "tea") -> ShopSecrets:
    return ShopSecrets(shop=shop, platform="woocommerce", domain=DOMAIN, webhook_secrets=(SECRET,), region="SE")


@pytest.fixture
def plant() -> Plant:
    """Return a plant whose shop is connected, and was looked at first two hours after the beginning."""
    plant = Plant(playbook(CONFIRMATION), start=START)
    plant.world.shops["tea"] = secrets()
    look(plant)
    plant.world.calls.clear()
    return plant


def reconciler(plant: Plant) -> Reconciler:
    world = plant.world
    return Reconciler(
        lists=world.lists,
        known=world.known,
        intake=world.bulk,
        secrets=world.secrets,
        blobs=world.blobs,
        clock=world.clock,
    )


def look(plant: Plant, *shops: str, left: Callable[[], float] = lambda: 200.0) -> list[Looked]:
    """Look at the shops, and apply what came."""
    found = reconciler(plant).all(shops or ("tea",), left)
    plant.settle()
    return found


def later(plant: Plant, **more: float) -> None:
    plant.until(plant.world.clock.now() + timedelta(**more))


def has(plant: Plant, resource: Resource, body: dict[str, Any], shop: str = "tea") -> None:
    """Let the shop have this, as its API shows it."""
    when = datetime.fromisoformat(body["date_modified_gmt"] + "+00:00")
    record = Record(topic=TOPICS[resource], body=json.dumps(body).encode())
    plant.world.shop_things.setdefault((shop, resource), {})[str(body["id"])] = (when, record)


def webhook(plant: Plant, body: dict[str, Any], topic: str = "order.updated") -> None:
    """Let the shop send its webhook."""
    headers, raw = woo_request(topic, body)
    world = plant.world
    Webhooks(intake=world.intake, secrets=world.secrets, clock=world.clock).receive("woocommerce", "tea", headers, raw)
    plant.settle()


def an_order(number: int = 727, minutes: float = 0, **more: Any) -> dict[str, Any]:
    """Return an order that was placed, or changed, so long after the first look."""
    stamped = f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}"
    dates = {"date_created_gmt": stamped, "date_modified_gmt": stamped, "date_paid_gmt": stamped}
    return woo_order(id=number, number=str(number), **{**dates, **more})


def marks(plant: Plant, shop: str = "tea") -> Marks:
    return msgspec.json.decode(plant.world.files[place_of(shop)], type=Marks)


def named(looked: Looked) -> list[tuple[str, str]]:
    return [(one.resource, one.id) for one in looked.missing]


def people(plant: Plant) -> dict[str | None, dict[str, OrderMark]]:
    """Return what everybody has ordered, by their address."""
    found = (plant.world.profile(profile_id) for profile_id in set(plant.world.owners.values()))
    return {each.email: each.orders for each in found if isinstance(each, Profile)}


def brought(plant: Plant) -> list[str]:
    """Return the topics of what the shop has brought, webhook or not."""
    return sorted(one.topic for one in plant.world.deliveries.values() if one.source == "woocommerce")


# --- what it finds ---------------------------------------------------------------------------------------------------


def test_an_order_that_no_webhook_brought_is_applied_like_any_other(plant: Plant) -> None:
    has(plant, "orders", an_order(minutes=5))
    later(plant, minutes=20)
    (looked,) = look(plant)
    assert (looked.how, named(looked)) == ("looked", [("orders", "727")])
    assert list(plant.profile("bo@example.com").orders) == ["727"]
    assert [template for _, template, _ in plant.mails()] == ["order-confirmation"]


def test_what_is_found_is_found_once(plant: Plant) -> None:
    has(plant, "orders", an_order(minutes=5))
    later(plant, minutes=20)
    look(plant)
    for _ in range(4):
        later(plant, minutes=15)
        (looked,) = look(plant)
        assert looked.missing == ()
    assert brought(plant) == ["order.updated"]
    assert len(plant.mails()) == 1


def test_what_a_webhook_brought_is_neither_fetched_nor_written(plant: Plant) -> None:
    body = an_order(minutes=5)
    has(plant, "orders", body)
    later(plant, minutes=5)
    webhook(plant, body)
    later(plant, minutes=20)
    plant.world.calls.clear()
    (looked,) = look(plant)
    assert (looked.seen, looked.missing) == (1, ())
    calls = {
        name: count for name, count in plant.world.calls.items() if name.split(".")[0] in ("lists", "bulk", "known")
    }
    assert calls == {"lists.changed": 3, "known.people": 1, "lists.hooks": 1}


def test_a_newer_state_than_the_webhook_brought_is_fetched(plant: Plant) -> None:
    webhook(plant, an_order(minutes=0))
    has(plant, "orders", an_order(minutes=5, status="cancelled"))
    later(plant, minutes=20)
    (looked,) = look(plant)
    assert named(looked) == [("orders", "727")]
    assert plant.profile("bo@example.com").orders["727"].status == "cancelled"


def test_a_webhook_that_comes_after_all_changes_nothing(plant: Plant) -> None:
    body = an_order(minutes=5)
    has(plant, "orders", body)
    later(plant, minutes=20)
    look(plant)
    before = people(plant)
    webhook(plant, body)
    webhook(plant, body, "order.created")
    assert people(plant) == before
    assert len(plant.mails()) == 1


def test_what_was_changed_a_moment_ago_is_left_to_its_webhook(plant: Plant) -> None:
    later(plant, minutes=20)
    has(plant, "orders", an_order(minutes=15))
    assert look(plant)[0].seen == 0
    later(plant, minutes=15)
    assert named(look(plant)[0]) == [("orders", "727")]


def test_what_the_shops_index_showed_late_is_found_by_the_next_look(plant: Plant) -> None:
    later(plant, minutes=30)
    look(plant)
    has(plant, "orders", an_order(minutes=5))
    later(plant, minutes=15)
    assert timedelta(minutes=15) < OVERLAP
    assert named(look(plant)[0]) == [("orders", "727")]


@pytest.mark.parametrize("minutes", [-120, -25])
def test_what_was_before_the_shop_was_connected_is_for_an_import(plant: Plant, minutes: int) -> None:
    """The shop's own mails have confirmed it; and no look begins before the first, however far they overlap."""
    has(plant, "orders", an_order(minutes=minutes))
    for _ in range(3):
        later(plant, minutes=15)
        (looked,) = look(plant)
        assert (looked.how, looked.seen) == ("looked", 0)
    assert plant.mails() == []


def test_accounts_and_products_are_found_too(plant: Plant) -> None:
    stamped = an_order(minutes=5)["date_modified_gmt"]
    has(plant, "customers", woo_customer(date_modified_gmt=stamped))
    has(plant, "products", woo_product(date_modified_gmt=stamped))
    later(plant, minutes=20)
    (looked,) = look(plant)
    assert named(looked) == [("products", "93"), ("customers", "25")]
    assert plant.profile("bo@example.com").shop_customer_id == "25"
    later(plant, minutes=15)
    (looked,) = look(plant)
    assert (looked.seen, looked.missing) == (2, ())


def test_who_was_erased_is_not_brought_back_by_an_old_order(plant: Plant) -> None:
    world = plant.world
    has(plant, "orders", an_order(minutes=5))
    tombstone = Tombstone(erased_at=START + timedelta(minutes=8), shop="tea")
    world.owners[alias_key(world.secret_address_key, "tea", "order", "727")] = "gone"
    world.profiles["gone"] = tombstone
    later(plant, minutes=20)
    (looked,) = look(plant)
    assert (looked.seen, looked.missing) == (1, ())
    # Whatever the shop changes of it later, it went with them (`service.graves`): it is not fetched to be thrown away.
    has(plant, "orders", an_order(minutes=25))
    later(plant, minutes=20)
    (looked,) = look(plant)
    assert (looked.seen, looked.missing, brought(plant)) == (1, (), [])


def test_an_account_that_was_changed_after_its_erasure_is_fetched(plant: Plant) -> None:
    """Somebody may have come back: what is said from then on is of a new person."""
    world = plant.world
    stamped = an_order(minutes=5)["date_modified_gmt"]
    has(plant, "customers", woo_customer(date_modified_gmt=stamped))
    world.owners[alias_key(world.secret_address_key, "tea", "shop_customer_id", "25")] = "gone"
    world.profiles["gone"] = Tombstone(erased_at=START + timedelta(minutes=2), shop="tea")
    later(plant, minutes=20)
    assert named(look(plant)[0]) == [("customers", "25")]


def test_a_shop_that_was_not_heard_for_a_day_is_caught_up_with(plant: Plant) -> None:
    for number in range(1, 6):
        has(plant, "orders", an_order(number, minutes=60 * number))
    later(plant, days=1)
    (looked,) = look(plant)
    assert sorted(named(looked)) == [("orders", str(number)) for number in range(1, 6)]


def test_an_old_order_that_was_changed_now_lets_nobody_into_a_flow_that_is_long_over(plant: Plant) -> None:
    """It is an ordinary event: how old its moment may be is the flow's own rule."""
    stamped = an_order(minutes=5)["date_modified_gmt"]
    has(plant, "orders", an_order(minutes=-60 * 24 * 40, date_modified_gmt=stamped))
    later(plant, minutes=20)
    assert named(look(plant)[0]) == [("orders", "727")]
    assert plant.mails() == []


# --- marks -----------------------------------------------------------------------------------------------------------


def test_a_mark_moves_to_where_the_look_ended(plant: Plant) -> None:
    later(plant, minutes=20)
    look(plant)
    now = plant.world.clock.now()
    assert {mark.since for mark in marks(plant).marks.values()} == {now - SETTLE}
    assert marks(plant).looked_at == now


def test_a_mark_stays_where_what_is_missing_could_not_be_accepted(plant: Plant) -> None:
    has(plant, "orders", an_order(minutes=5))
    later(plant, minutes=20)
    before = marks(plant).marks["orders"]
    plant.lose_answer_of("bulk.accept_all", carried_out=False)
    (looked,) = look(plant)
    assert (looked.how, looked.why, looked.missing) == ("failed", "AnswerLostError", ())
    assert marks(plant).marks["orders"] == before
    assert named(look(plant)[0]) == [("orders", "727")]


@pytest.mark.parametrize("page", [1, 2])
def test_without_time_it_goes_on_where_it_was_the_next_time(plant: Plant, page: int) -> None:
    plant.world.lists.page = page
    for number in range(1, 8):
        has(plant, "orders", an_order(number, minutes=number))
    later(plant, minutes=20)
    found: list[tuple[str, str]] = []
    for _ in range(10):
        # Time for a page each of products and customers, and one of orders with what is missing of it.
        ticks = itertools.count(250, -50)
        (looked,) = look(plant, left=lambda ticks=ticks: next(ticks))  # type: ignore[misc]
        found += named(looked)
        if looked.how == "looked":
            break
        assert looked.how == "behind"
    assert found == [("orders", str(number)) for number in range(1, 8)]


def test_killed_at_any_call_it_ends_the_same() -> None:
    """Before and after each call of a port the plug is pulled; the next look finds what that one left."""

    def story(place: int | None) -> tuple[bool, dict[str | None, dict[str, OrderMark]], list[str], list[str]]:
        plant = Plant(playbook(CONFIRMATION), start=START)
        plant.world.shops["tea"] = secrets()
        look(plant)
        for number in range(1, 4):
            has(
                plant,
                "orders",
                an_order(number, minutes=number, billing={**woo_order()["billing"], "email": f"c{number}@example.com"}),
            )
        has(plant, "products", woo_product(date_modified_gmt=an_order(minutes=2)["date_modified_gmt"]))
        later(plant, minutes=20)
        calls = itertools.count()

        def hook(_name: str, _when: str) -> None:
            if next(calls) == place:
                raise Crash("killed")

        plant.world.hook = hook
        killed = False
        try:
            reconciler(plant).all(["tea"], lambda: 200.0)
        except Crash:
            killed = True
        plant.world.hook = None
        plant.settle()
        later(plant, minutes=15)
        look(plant)
        return killed, people(plant), sorted(to for to, _, _ in plant.mails()), brought(plant)

    _, *wanted = story(None)
    assert wanted[1] == [f"c{number}@example.com" for number in (1, 2, 3)]
    for place in itertools.count():
        killed, *found = story(place)
        if not killed:
            break
        assert found == wanted, place
    assert place > 20


# --- shops -----------------------------------------------------------------------------------------------------------


class Broken:
    """A shop's API that answers one shop with an error, and the others as they are."""

    def __init__(self, plant: Plant, shop: str, error: Exception) -> None:
        self._lists = plant.world.lists
        self._shop, self._error = shop, error
        self.asked = 0

    def changed(self, shop: str, *rest: Any) -> Any:
        self.asked += shop == self._shop
        if shop == self._shop:
            raise self._error
        return self._lists.changed(shop, *rest)

    def read(self, *rest: Any) -> Any:
        return self._lists.read(*rest)

    def hooks(self, shop: str) -> Any:
        return self._lists.hooks(shop)


@pytest.mark.parametrize(
    ("error", "how", "why"),
    [
        (ShopRefusedError("not_allowed", "store a new token"), "refused", "store a new token"),
        (ShopRefusedError("not_connected", "ConnectTimeout"), "failed", "ConnectTimeout"),
        (ShopRefusedError("throttled", wait=3), "failed", "throttled"),
        (ShopUncertainError("ReadTimeout"), "failed", "ReadTimeout"),
        (ShopRejectedError("no such field"), "failed", "no such field"),
        (ShopRefusedError("no_access", "no token"), "skipped", "no token"),
        (RuntimeError("secret words"), "failed", "RuntimeError"),
    ],
)
def test_a_shop_that_gives_no_answer_is_asked_once_and_holds_up_no_other(
    plant: Plant, error: Exception, how: str, why: str
) -> None:
    plant.world.shops["oak"] = secrets("oak")
    look(plant, "tea", "oak")
    has(plant, "orders", an_order(1, minutes=5), "tea")
    has(plant, "orders", an_order(2, minutes=5), "oak")
    later(plant, minutes=20)
    service = reconciler(plant)
    broken = Broken(plant, "oak", error)
    service._lists = broken
    found = {looked.shop: looked for looked in service.all(["tea", "oak"], lambda: 200.0)}
    assert (found["oak"].how, why in found["oak"].why, broken.asked) == (how, True, 1)
    assert "secret words" not in found["oak"].why
    assert named(found["tea"]) == [("orders", "1")]
    # When it answers again, all that was missed meanwhile is found.
    later(plant, days=2)
    oak = next(looked for looked in look(plant, "tea", "oak") if looked.shop == "oak")
    assert named(oak) == [("orders", "2")]


def test_a_secret_that_nobody_can_read_holds_up_no_other_shop(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    has(plant, "orders", an_order(1, minutes=5), "tea")
    later(plant, minutes=20)
    of = plant.world.secrets.shop

    def shop(name: str) -> ShopSecrets | None:
        if name == "oak":
            raise ValueError("a secret of words")
        return of(name)

    monkeypatch.setattr(plant.world.secrets, "shop", shop)
    found = {looked.shop: looked for looked in look(plant, "oak", "tea")}
    assert (found["oak"].how, found["oak"].why) == ("failed", "ValueError")
    assert named(found["tea"]) == [("orders", "1")]


def test_what_is_changed_while_a_list_is_read_lets_nothing_behind_it_slip(plant: Plant) -> None:
    """It leaves its place, and what comes after moves up over the edge of a page."""
    world = plant.world
    for number in range(1, 7):
        has(plant, "orders", an_order(number, minutes=number))
    later(plant, minutes=20)
    changing = iter([True])

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("lists.read", "after") and next(changing, False):
            has(plant, "orders", an_order(1, minutes=19))

    world.hook = hook
    found = named(look(plant)[0])
    assert {("orders", str(number)) for number in range(2, 7)} <= set(found)


def test_shops_are_kept_apart(plant: Plant) -> None:
    """Two shops with one order number: what is known of the one says nothing of the other."""
    plant.world.shops["oak"] = secrets("oak")
    look(plant, "oak")
    webhook(plant, an_order(7, minutes=5))
    has(plant, "orders", an_order(7, minutes=5), "tea")
    has(plant, "orders", an_order(7, minutes=5), "oak")
    later(plant, minutes=20)
    found = {looked.shop: named(looked) for looked in look(plant, "tea", "oak")}
    assert found == {"tea": [], "oak": [("orders", "7")]}
    assert {delivery.shop for delivery in plant.world.deliveries.values() if delivery.topic == "order.updated"} == {
        "tea",
        "oak",
    }


def test_a_shop_that_is_not_connected_or_has_no_api_is_skipped_without_a_trace(plant: Plant) -> None:
    plant.world.shops["oak"] = secrets("oak")
    service = reconciler(plant)
    service._lists = Broken(plant, "oak", ShopRefusedError("no_access", "no token"))
    found = service.all(["oak", "nowhere"], lambda: 200.0)
    assert [(looked.shop, looked.how) for looked in found] == [("nowhere", "skipped"), ("oak", "skipped")]
    assert place_of("oak") not in plant.world.files
    assert place_of("nowhere") not in plant.world.files


def test_a_shop_that_left_and_came_back_begins_anew(plant: Plant) -> None:
    """What it sold while it was not connected is for an import: its own mails have confirmed that."""
    del plant.world.shops["tea"]
    later(plant, minutes=15)
    assert look(plant)[0].how == "skipped"
    has(plant, "orders", an_order(minutes=20))
    later(plant, minutes=15)
    assert look(plant)[0].how == "skipped"
    plant.world.shops["tea"] = secrets()
    later(plant, minutes=15)
    looked = [look(plant)[0]]
    has(plant, "orders", an_order(728, minutes=60))
    later(plant, minutes=40)
    looked += look(plant)
    assert [named(each) for each in looked] == [[], [("orders", "728")]]


def test_another_shop_begins_each_time_and_each_has_its_share_of_the_time(plant: Plant) -> None:
    """So one that takes all the time, and the process with it, is in the way of the others once and not for ever."""
    for shop in ("oak", "elm"):
        plant.world.shops[shop] = secrets(shop)
    begun = set()
    for _ in range(3):
        later(plant, minutes=15)
        begun.add(look(plant, "elm", "oak", "tea")[0].shop)
    assert begun == {"elm", "oak", "tea"}
    found = look(plant, "elm", "oak", "tea", left=lambda: 1.0)
    assert {(looked.how, looked.why) for looked in found} == {("behind", "there was no time")}
    assert reconciler(plant).all([], lambda: 200.0) == []


def test_a_page_with_more_missing_than_there_is_time_for_is_gone_on_with(plant: Plant) -> None:
    """Each look accepts something, also where one page of a slow shop takes longer than a look may."""
    plant.world.lists.page = 100
    for number in range(1, 36):
        has(plant, "orders", an_order(number, minutes=number / 4))
    later(plant, minutes=20)
    found: list[tuple[str, str]] = []
    for _ in range(10):
        # Time for products, customers, the page of orders and one batch of it.
        ticks = itertools.count(250, -50)
        (looked,) = look(plant, left=lambda ticks=ticks: next(ticks))  # type: ignore[misc]
        assert found == [] or looked.missing or looked.how == "looked"
        found += named(looked)
        if looked.how == "looked":
            break
    assert sorted(found) == sorted(("orders", str(number)) for number in range(1, 36))


OURS = "https://abc.execute-api.eu-west-1.amazonaws.com/webhooks/woocommerce/tea"


def test_webhooks_that_the_shop_has_switched_off_are_told_if_they_are_ours(plant: Plant) -> None:
    plant.world.shop_hooks["tea"] = (
        Hook(id="1", topic="order.updated", url=OURS, active=False),
        Hook(id="2", topic="order.created", url=OURS),
        Hook(id="3", topic="product.updated", url=f"{OURS}/", active=False),
        Hook(id="4", topic="customer.updated", url="https://elsewhere.example/hook", active=False),
        Hook(id="5", topic="customer.created", url=f"{OURS}-two", active=False),
        Hook(id="6", topic="order.created", url=OURS, active=False),
    )
    for _ in range(200):
        later(plant, minutes=15)
        assert look(plant)[0].silent == ("order.updated", "product.updated")
    assert reconciler(plant).one("tea").silent == ("order.updated", "product.updated")


def test_webhooks_that_are_gone_are_told_for_a_day(plant: Plant) -> None:
    """As Shopify takes them away after they failed for hours."""
    order, product = (Hook(id=topic, topic=topic, url=OURS) for topic in ("order.updated", "product.updated"))
    plant.world.shop_hooks["tea"] = (order, product)
    assert look(plant)[0].silent == ()
    plant.world.shop_hooks["tea"] = (product,)
    told = 0
    for _ in range(4 * 30):
        later(plant, minutes=15)
        silent = look(plant)[0].silent
        told += silent == ("order.updated",)
        assert silent in ((), ("order.updated",))
    assert told == 4 * 24 - 1
    plant.world.shop_hooks["tea"] = (order,)
    later(plant, minutes=15)
    assert look(plant)[0].silent == ("product.updated",)
    plant.world.shop_hooks["tea"] = (order, product)
    assert look(plant)[0].silent == ()


def test_a_key_that_may_not_see_webhooks_may_still_read_orders(plant: Plant) -> None:
    has(plant, "orders", an_order(minutes=5))
    later(plant, minutes=20)

    class Narrow(Broken):
        def hooks(self, shop: str) -> Any:
            raise ShopRefusedError("not_allowed", shop)

    service = reconciler(plant)
    service._lists = Narrow(plant, "nobody", RuntimeError())
    (looked,) = service.all(["tea"], lambda: 200.0)
    assert (looked.how, named(looked), looked.silent) == ("looked", [("orders", "727")], ())


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_by_hand_it_looks_at_what_was_changed_until_now_and_leaves_the_marks(plant: Plant) -> None:
    later(plant, minutes=20)
    has(plant, "orders", an_order(minutes=19))
    before = marks(plant)
    looked = reconciler(plant).one("tea")
    plant.settle()
    assert named(looked) == [("orders", "727")]
    assert marks(plant) == before
    assert reconciler(plant).one("tea").missing == ()


def test_by_hand_it_looks_as_far_back_as_it_is_asked_to(plant: Plant) -> None:
    has(plant, "orders", an_order(minutes=-600))
    assert reconciler(plant).one("tea").missing == ()
    assert named(reconciler(plant).one("tea", since=START - timedelta(days=1))) == [("orders", "727")]


def test_by_hand_a_shop_that_does_not_answer_says_so(plant: Plant) -> None:
    service = reconciler(plant)
    service._lists = Broken(plant, "tea", ShopRefusedError("not_allowed", "store a new token"))
    with pytest.raises(ShopRefusedError, match="store a new token"):
        service.one("tea")
    assert service.one("nowhere").how == "skipped"


def test_looks_come_oftener_than_what_they_leave_to_webhooks_grows_old() -> None:
    assert SETTLE < EVERY < OVERLAP
