"""Connecting shops to our door: against local servers that speak the shops' APIs, and fail on demand."""

from __future__ import annotations

import dataclasses

import pytest

from local.shop_server import Fault
from local.shops import BELL, BIKES, CUP, TEA, Person, shopify, shopify_checkout, woocommerce, woocommerce_order
from rekindle.domain.errors import RekindleError, ShopRefusedError, ShopUncertainError
from rekindle.outside.admin import enum_of
from rekindle.service.connecting import ConnectError, Connecting
from rekindle.shops.registering import topics_of, trial
from tests.support.connecting import APP_SECRET, Bench, bench, few, local_api
from tests.support.worlds import START

ADA = Person(1, "Ada", "Able", "ada@example.com", "Hove", "BN3 2FP")
SECRETS = ("shpat_local", APP_SECRET, "cs_local", "ck_local", "made-1")

__all__ = ["bench"]


# --- Shopify ---------------------------------------------------------------------------------------------------------


def test_a_shopify_shop_is_connected_with_every_topic(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rekindle.service.connecting.topics_of", topics_of)
    done = bench.tea()
    url = f"{bench.api.url}/webhooks/shopify/tea"
    assert (done.new, done.url, done.registered.created) == (True, url, topics_of("shopify"))
    there = {(one.topic, one.uri) for one in bench.shopify.subscriptions.values()}
    assert there == {(enum_of(topic), url) for topic in topics_of("shopify")}
    stored = bench.connections.stored["tea"]
    assert (stored["domain"], stored["currency"], stored["webhook_secrets"]) == (
        "local.myshopify.com",
        "GBP",
        [APP_SECRET],
    )


def test_connecting_again_changes_nothing(bench: Bench) -> None:
    bench.tea()
    stored, before = bench.connections.writes, dict(bench.shopify.subscriptions)
    done = bench.tea()
    assert (done.new, done.registered.kept) == (False, few("shopify"))
    assert (bench.connections.writes, bench.shopify.subscriptions) == (stored, before)


def test_more_subscriptions_than_a_page_are_all_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rekindle.outside.admin._PAGE", 2)
    bench.tea()
    assert bench.tea().registered.created == ()
    assert len(bench.shopify.subscriptions) == len(few("shopify"))


def test_what_was_registered_under_another_address_comes_here_and_what_is_foreign_stays(bench: Bench) -> None:
    bench.tea()
    first = next(iter(bench.shopify.subscriptions))
    foreign = bench.shopify.subscribed("ORDERS_CREATE", "https://other.example/webhooks/shopify/tea")
    with local_api(bench.connections) as (moved, _, sleep):
        bench.connecting = Connecting(
            connections=bench.connections,
            admin=bench.connecting.admin,
            door=bench.connecting.door,
            api_url=moved.url,
            make_secret=bench.make,
            clock=moved.world.clock,
            sleep=sleep,
        )
        done = bench.tea()
        assert (len(done.registered.changed), done.registered.created) == (len(few("shopify")), ())
        assert bench.shopify.subscriptions[first].uri == f"{moved.url}/webhooks/shopify/tea"
    assert (done.registered.foreign, bench.shopify.subscriptions[foreign.id]) == (1, foreign)


def test_topics_that_the_app_has_no_right_to_are_told_and_the_rest_is_registered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rekindle.service.connecting.topics_of", lambda _: ("orders/paid", "fulfillments/create"))
    bench.shopify.granted -= {"read_fulfillments"}
    done = bench.tea()
    assert (done.registered.created, set(done.registered.refused)) == (("orders/paid",), {"fulfillments/create"})
    assert "read_fulfillments" not in (done.scopes or ())
    bench.shopify.granted |= {"read_fulfillments"}
    assert bench.tea().registered.created == ("fulfillments/create",)


def test_a_topic_that_shopify_refuses_by_itself_holds_up_no_other(bench: Bench) -> None:
    bench.shopify.plan(*(None,) * 4, "denied")
    done = bench.tea()
    assert (list(done.registered.refused), len(done.registered.created)) == ([few("shopify")[0]], 3)


def test_an_app_fetches_its_own_token_and_another_when_its_day_is_over(bench: Bench) -> None:
    access = {"client_id": "client-local", "client_secret": APP_SECRET}
    bench.tea(access=access)
    assert len(bench.shopify.subscriptions) == len(few("shopify"))
    assert "access_token" not in bench.connections.stored["tea"]
    admin = bench.connecting.admin(bench.warm.shop("tea"))  # type: ignore[arg-type]
    admin.webhooks()
    bench.shopify.token = "shpat_of_the_next_day"
    assert len(admin.webhooks()) == len(few("shopify"))


@pytest.mark.parametrize(("client", "fault"), [("client-local", "denied"), ("another", None)])
def test_an_app_that_may_not_fetch_a_token_is_told(bench: Bench, client: str, fault: Fault | None) -> None:
    bench.shopify.plan(fault)
    access = {"client_id": client, "client_secret": APP_SECRET}
    with pytest.raises(ShopRefusedError, match="client id and secret") as refused:
        bench.tea(access=access)
    assert not any(secret in str(refused.value) for secret in SECRETS)


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def test_a_woocommerce_shop_is_connected_with_a_secret_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rekindle.service.connecting.topics_of", topics_of)
    done = bench.bikes()
    assert done.registered.created == topics_of("woocommerce")
    assert set(bench.woocommerce.secrets.values()) == {"made-1"}
    assert bench.woocommerce.pings == [200] * len(topics_of("woocommerce"))
    stored = bench.connections.stored["bikes"]
    # Its webhooks name its home address, whatever way leads to its API.
    assert (stored["domain"], stored["api_url"]) == ("local.example.org", bench.woocommerce.url)
    assert bench.bikes().registered.kept == topics_of("woocommerce")
    assert len(bench.woocommerce.webhooks) == len(topics_of("woocommerce"))


def test_a_webhook_that_failed_too_often_is_switched_on_again_with_its_secret(bench: Bench) -> None:
    bench.bikes()
    number = next(iter(bench.woocommerce.webhooks))
    bench.woocommerce.fail(number)
    bench.woocommerce.secrets[number] = "changed by hand"
    assert len(bench.bikes().registered.changed) == 1
    assert (bench.woocommerce.webhooks[number]["status"], bench.woocommerce.secrets[number]) == ("active", "made-1")


@pytest.mark.parametrize("fault", ["fail_late", "lose_answer", "hang_late", "cut"])
def test_a_webhook_whose_making_was_not_answered_is_not_made_twice(bench: Bench, fault: Fault) -> None:
    # What is asked first: home, settings twice, the language; webhooks; then they are made.
    bench.woocommerce.plan(*(None,) * 6, fault)
    bench.bikes()
    assert sorted(hook["topic"] for hook in bench.woocommerce.webhooks.values()) == sorted(few("woocommerce"))


def test_what_is_there_twice_goes(bench: Bench) -> None:
    bench.bikes()
    url = f"{bench.api.url}/webhooks/woocommerce/bikes"
    twice = bench.woocommerce.hooked("product.created", url)
    foreign = bench.woocommerce.hooked("order.created", "https://erp.example/orders")
    assert bench.bikes().registered.removed == ("product.created",)
    assert twice["id"] not in bench.woocommerce.webhooks
    assert foreign["id"] in bench.woocommerce.webhooks


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["tea", "bikes"])
@pytest.mark.parametrize("fault", ["throttle", "fail", "hang", "html"])
def test_half_done_then_again(bench: Bench, platform: str, fault: Fault) -> None:
    """However the shop fails on the way, the next time goes on; and nothing is there twice."""
    server = bench.shopify if platform == "tea" else bench.woocommerce
    topics = few("shopify" if platform == "tea" else "woocommerce")
    server.plan(*(None,) * 6)
    server.weather = lambda: fault
    with pytest.raises(RekindleError) as failed:
        getattr(bench, platform)()
    assert not any(secret in str(failed.value) for secret in SECRETS)
    server.weather = lambda: None
    getattr(bench, platform)()
    there = [one.topic for one in bench.shopify.subscriptions.values()]
    there = there if platform == "tea" else [one["topic"] for one in bench.woocommerce.webhooks.values()]
    assert len(there) == len(set(there)) == len(topics)


@pytest.mark.parametrize("platform", ["tea", "bikes"])
def test_nothing_is_stored_of_a_shop_that_does_not_let_us_in(bench: Bench, platform: str) -> None:
    server = bench.shopify if platform == "tea" else bench.woocommerce
    server.weather = lambda: "denied"
    with pytest.raises(ShopRefusedError) as refused:
        getattr(bench, platform)()
    assert refused.value.reason == "not_allowed"
    assert bench.connections.stored == {}


def test_webhooks_of_both_come_through_and_neither_opens_the_others_door(bench: Bench) -> None:
    bench.tea()
    bench.bikes()
    order = woocommerce_order(ADA, [(BELL, 1)], "pending", START, START)
    domains = {"tea": "local.myshopify.com", "bikes": "local.example.org"}
    tea = dataclasses.replace(TEA, domain=domains["tea"], secret=APP_SECRET)
    bikes = dataclasses.replace(BIKES, domain=domains["bikes"], secret="made-1")
    sent = {
        "shopify/tea": shopify("checkouts/create", shopify_checkout(ADA, [(CUP, 1)], START), START, shop=tea),
        "woocommerce/bikes": woocommerce("order.created", order, "d1", shop=bikes),
    }
    for path, webhook in sent.items():
        for target in sent:
            url = f"{bench.api.url}/webhooks/{target}"
            status = bench.connecting.door.knock(url, webhook.headers, webhook.body)
            assert status == (200 if target == path else 401)


def test_two_ids_for_one_shop_are_refused_and_so_is_one_id_for_two(bench: Bench) -> None:
    bench.tea()
    with pytest.raises(ConnectError, match="connected already, as tea"):
        bench.tea("coffee")
    with pytest.raises(ConnectError, match="choose another id"):
        bench.tea(domain="other.myshopify.com")
    assert bench.connections.names() == ["tea"]


@pytest.mark.parametrize("stored", [{}, {"platform": "shopify"}, {"webhook_secrets": "shpss_local"}])
def test_a_secret_that_nobody_can_read_is_written_anew_and_holds_up_no_other_shop(
    bench: Bench, stored: dict[str, object]
) -> None:
    bench.connections.stored |= {"tea": dict(stored), "coffee": dict(stored)}
    assert bench.tea().new
    assert bench.connections.stored["tea"]["webhook_secrets"] == [APP_SECRET]


def test_another_app_secret_lives_beside_the_one_that_has_signed_so_far(bench: Bench) -> None:
    bench.tea()
    bench.warm.seconds += 60
    bench.tea(secret="shpss_new")
    assert bench.connections.stored["tea"]["webhook_secrets"] == ["shpss_new", APP_SECRET]
    with pytest.raises(ConnectError, match="--finish"):
        bench.tea(secret="shpss_newest")


def test_a_shop_that_was_asked_for_too_early_is_let_in_after_a_minute(bench: Bench) -> None:
    request = trial("shopify", "local.myshopify.com", APP_SECRET)
    url = f"{bench.api.url}/webhooks/shopify/tea"
    assert bench.connecting.door.knock(url, request.headers, request.body) == 401
    bench.tea()
    assert bench.warm.seconds >= 1_060


def test_a_door_that_stays_shut_is_told_and_nothing_is_registered(bench: Bench) -> None:
    bench.connecting.sleep = lambda _: None
    url = f"{bench.api.url}/webhooks/shopify/tea"
    bench.connecting.door.knock(url, {}, b"{}")
    with pytest.raises(ConnectError, match="answers a signed webhook with 401"):
        bench.tea()
    assert bench.shopify.subscriptions == {}


def test_an_installation_that_fails_is_told(bench: Bench) -> None:
    bench.api.weather = lambda: "fail"
    with pytest.raises(
        ShopUncertainError, match=r"127\.0\.0\.1:\d+ does not answer as it should: it answered with 503"
    ):
        bench.tea()


def test_trying_the_door_stores_one_thing_that_tells_nothing(bench: Bench) -> None:
    bench.tea()
    bench.bikes()
    for platform, shop, domain, secret in (
        ("shopify", "tea", "local.myshopify.com", APP_SECRET),
        ("woocommerce", "bikes", "local.example.org", "made-1"),
    ):
        url = f"{bench.api.url}/webhooks/{platform}/{shop}"
        for _ in range(2):
            request = trial(platform, domain, secret)
            assert bench.connecting.door.knock(url, request.headers, request.body) == 200
        forged = trial(platform, domain, None)
        assert bench.connecting.door.knock(url, forged.headers, forged.body) == 401
        stored = list(bench.api.world.archive.deliveries(shop))
        assert [[event.type for event in one.events] for one in stored] == [["delivery.unknown"]]


def test_both_shops_say_what_their_file_needs(bench: Bench) -> None:
    bench.tea()
    bench.bikes()
    tea = bench.connecting.admin(bench.warm.shop("tea")).details()  # type: ignore[arg-type]
    assert (tea.name, tea.currency, tea.zone, tea.locale) == ("Local shop", "GBP", "Europe/London", "en-GB")
    assert tea.address == "Local Ltd, 7 Harbour Row, CT5 1AB, Whitstable, United Kingdom"
    bikes = bench.connecting.admin(bench.warm.shop("bikes")).details()  # type: ignore[arg-type]
    assert (bikes.url, bikes.currency, bikes.zone) == ("https://local.example.org", "EUR", "Europe/Brussels")
    assert (bikes.locale, bikes.email) == ("nl-BE", "hello@local.example.org")
    assert bikes.address == "Local shop, Kouter 21, 9000 Gent, BE"
    bench.shopify.granted -= {"read_locales"}
    assert bench.connecting.admin(bench.warm.shop("tea")).details().locale == ""  # type: ignore[arg-type]
