"""What a page says of a visit, and the events that it becomes; whose pages may say it, and who is no visitor."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rekindle.domain.errors import BodyTooLargeError, MalformedBodyError
from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Basket, Form, Item, Person, PushSubscription, Recognised, Search, View
from rekindle.shops import onsite
from rekindle.shops.onsite.batch import MAX_EVENTS, Batch
from rekindle.shops.onsite.carts import recovery_url
from tests.domain.test_absorb_push import AUTH, KEY, PLACE
from tests.shops.payloads import RECEIVED, woo, woo_order

BROWSER = "b" * 22
CART = "cart-0123456789abcdef"
HOSTS = ("shop.example", "www.shop.example")
JsonObject = dict[str, Any]


def read(*events: JsonObject, platform: str = "woocommerce", body: bytes | None = None, **more: Any) -> Batch:
    sent = {"browser": BROWSER, "events": list(events)} | more
    return onsite.read(
        json.dumps(sent).encode() if body is None else body,
        shop="plants",
        platform=platform,
        url="https://shop.example/nl/",
        hosts=HOSTS,
        currency="EUR",
        received_at=RECEIVED,
    )


def told(*events: JsonObject, **more: Any) -> tuple[Event, ...]:
    return read(*events, **more).delivery.events


def one(event: JsonObject, **more: Any) -> Event:
    (found,) = told(event, **more)
    return found


SUBSCRIBED: JsonObject = {
    "type": "push.subscribed",
    "endpoint": f"{PLACE}-phone",
    "keys": {"p256dh": KEY, "auth": AUTH},
}


def test_a_browser_that_allowed_push_says_what_it_takes_to_reach_it() -> None:
    event = one(SUBSCRIBED)
    assert event.data == PushSubscription(endpoint=f"{PLACE}-phone", at=RECEIVED, p256dh=KEY, auth=AUTH)
    assert (event.signed, event.who) == (False, Who(browser_id=BROWSER))


@pytest.mark.parametrize(
    "wrong",
    [{"endpoint": "https://10.0.0.1/x"}, {"endpoint": None}, {"keys": {}}, {"keys": {"p256dh": "A", "auth": AUTH}}],
)
def test_what_is_no_subscription_is_not_told(wrong: JsonObject) -> None:
    assert told(SUBSCRIBED | wrong) == ()


VIEW: JsonObject = {
    "type": "product.viewed",
    "ago": 75.5,
    "id": 301,
    "title": "  Brass bell ",
    "kind": "Bicycle",
    "url": "https://www.shop.example/product/bell/?a=1#reviews",
    "price": "24.00",
    "currency": "eur",
    "seconds": 71,
    "look": "k3x9q0aa",
}
LINE: JsonObject = {"id": 301, "title": "Brass bell", "quantity": 2, "price": "24.00"}


def test_a_look_is_read_whole() -> None:
    event = one(VIEW, locale="nl-BE", zone="Europe/Brussels")
    at = RECEIVED - timedelta(seconds=75.5)
    assert event.data == View(
        id="301",
        at=at,
        title="Brass bell",
        kind="Bicycle",
        url="https://www.shop.example/product/bell/?a=1",
        price=Decimal("24.00"),
        currency="EUR",
        seconds=71,
        look="k3x9q0aa",
    )
    assert (event.type, event.occurred_at, event.signed) == ("product.viewed", at, False)
    assert (event.who, event.person) == (Who(browser_id=BROWSER), Person(locale="nl-BE", zone="Europe/Brussels"))


def test_every_event_is_by_a_browser_and_signed_by_nobody() -> None:
    events = told(
        VIEW,
        VIEW | {"type": "category.viewed"},
        {"type": "search.submitted", "query": "bell", "results": 3},
        {"type": "cart.updated", "cart": CART, "items": [LINE]},
        {"type": "checkout.updated", "cart": CART, "items": [LINE]},
        {"type": "form.submitted", "name": "newsletter", "email": "Ada@Example.com"},
        {"type": "browser.recognised", "cart": CART},
    )
    assert [event.type for event in events] == [
        "product.viewed", "category.viewed", "search.submitted", "cart.updated", "checkout.updated", "form.submitted",
        "browser.recognised",
    ]  # fmt: skip
    assert {event.signed for event in events} == {False}
    assert {event.who.browser_id for event in events} == {BROWSER}
    assert {event.who.email for event in events} == {None}
    assert len({event.id for event in events}) == len(events)


def test_the_same_body_is_the_same_delivery_and_another_is_another() -> None:
    assert read(VIEW) == read(VIEW)
    assert read(VIEW).delivery.id != read(VIEW | {"seconds": 72}).delivery.id


def test_nothing_but_events_is_kept_of_a_request() -> None:
    delivery = read(VIEW | {"password": "hunter2"}, extra="x").delivery
    assert (delivery.body, delivery.source) == (b"", "onsite")
    assert "hunter2" not in repr(delivery)


def test_a_search_and_what_it_found() -> None:
    fact = one({"type": "search.submitted", "query": " brass  bell ", "results": 0, "ago": 0}).data
    assert fact == Search(query="brass  bell", at=RECEIVED, results=0)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ago", [0, -5, -1e300, None, "soon", True, [], {}])
def test_what_says_no_time_was_now(ago: Any) -> None:
    assert one(VIEW | {"ago": ago}).occurred_at == RECEIVED


@pytest.mark.parametrize("ago", [86_400, 1e300, 10**30])
def test_what_is_a_day_old_is_not_heard(ago: Any) -> None:
    assert told(VIEW | {"ago": ago}) == ()


@pytest.mark.parametrize(("seconds", "known"), [(-3, 0), (10**9, 14_400), ("x", 0), (1.2, 2), (None, 0)])
def test_a_look_has_a_length_that_a_look_can_have(seconds: Any, known: int) -> None:
    fact = one(VIEW | {"seconds": seconds}).data
    assert isinstance(fact, View)
    assert fact.seconds == known


# --- what is the visitor's word only ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/bell",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "javascript:alert(1)//shop.example",
        "//shop.example/bell",
        "https://shop.example:8443/",
        "https://[shop.example/",
        "https://shop.example/" + "a" * 1_000,
        7,
    ],
)
def test_an_address_that_is_not_the_shops_is_left_out(url: Any) -> None:
    fact = one(VIEW | {"url": url}).data
    assert isinstance(fact, View)
    assert fact.url is None


def test_texts_are_cut_and_amounts_below_zero_are_none() -> None:
    fact = one(VIEW | {"title": "x" * 9_000, "kind": "y" * 9_000, "price": -1}).data
    assert isinstance(fact, View)
    assert (len(fact.title or ""), len(fact.kind or ""), fact.price, fact.currency) == (200, 200, None, None)


@pytest.mark.parametrize("change", [{"id": None}, {"id": 0}, {"id": "x" * 300}, {"type": "order.placed"}, {"type": []}])
def test_what_cannot_be_used_is_passed_over_and_the_rest_counts(change: JsonObject) -> None:
    assert [event.type for event in told(VIEW | change, {"type": "search.submitted", "query": "a"})] == [
        "search.submitted"
    ]


@pytest.mark.parametrize(
    "type_", ["consent.changed", "order.placed", "segment.entered", "email.clicked", "customer.updated", "push", ""]
)
def test_a_page_can_tell_nothing_else(type_: str) -> None:
    assert told({"type": type_, "id": "1", "email": "ada@example.com", "state": "subscribed"}) == ()


def test_only_so_many_events_are_read() -> None:
    assert len(told(*[VIEW | {"id": n} for n in range(1, MAX_EVENTS + 9)])) == MAX_EVENTS


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"\xff", b"[" * 5_000, b"{}", b'{"browser": 7}', b'{"browser": "short"}'],
)
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read(body=body)


def test_a_body_over_the_limit_is_not_parsed() -> None:
    with pytest.raises(BodyTooLargeError):
        read(body=b"[" * (onsite.BODY_LIMIT + 1))


# --- carts -----------------------------------------------------------------------------------------------------------


def test_a_cart_is_read_with_a_link_that_fills_it_on_any_device() -> None:
    lines = [LINE, {"id": 302, "variation": 399, "variant": "Large", "title": "Pot", "quantity": 1, "price": "19.50"}]
    event = one(
        {
            "type": "cart.updated",
            "ago": 5,
            "cart": CART,
            "items": lines,
            "total": "67.50",
            "codes": ["SPRING 10", "https://evil.example", "b", 7],
        }
    )
    at = RECEIVED - timedelta(seconds=5)
    assert event.data == Basket(
        id=CART,
        cart_token=CART,
        updated_at=at,
        items=(
            Item(title="Brass bell", quantity=2, product_id="301", price=Decimal("24.00"), total=Decimal("48.00")),
            Item(
                title="Pot",
                variant="Large",
                product_id="302",
                variant_id="399",
                price=Decimal("19.50"),
                total=Decimal("19.50"),
            ),
        ),
        item_count=3,
        currency="EUR",
        subtotal=Decimal("67.50"),
        total=Decimal("67.50"),
        recovery_url="https://shop.example/nl/checkout-link/?products=301:2,399:1&coupon=SPRING%2010",
        codes=("SPRING 10", "b"),
        page=True,
    )


def test_an_emptied_cart_is_a_cart_with_nothing_in_it() -> None:
    fact = one({"type": "cart.updated", "cart": CART, "items": []}).data
    assert fact == Basket(id=CART, cart_token=CART, updated_at=RECEIVED, currency="EUR", page=True)


def test_on_shopify_only_the_shop_tells_of_carts() -> None:
    assert told({"type": "cart.updated", "cart": CART, "items": [LINE]}, platform="shopify") == ()


@pytest.mark.parametrize(
    "line",
    [{"quantity": 0}, {"quantity": -1}, {"quantity": 10**6}, {"title": ""}, {"title": None}, {"id": ""}, {"id": []}],
)
def test_a_line_that_is_none_is_left_out(line: JsonObject) -> None:
    fact = one({"type": "cart.updated", "cart": CART, "items": [LINE, LINE | line, "x", None]}).data
    assert isinstance(fact, Basket)
    assert len(fact.items) == 1


@pytest.mark.parametrize("cart", ["short", "with spaces in it, many", "x" * 201, None, 7, "ö" * 20])
def test_a_cart_without_a_token_is_nobodys(cart: Any) -> None:
    assert told({"type": "cart.updated", "cart": cart, "items": [LINE]}) == ()


def test_a_cart_of_things_without_a_number_has_no_link() -> None:
    assert recovery_url("https://shop.example", (Item(title="x", product_id="abc&coupon=1"), Item(title="y"))) is None


def test_a_woocommerce_order_says_whose_browser_and_which_cart_it_was_if_the_plugin_wrote_it() -> None:
    meta = [{"key": "_rekindle_browser", "value": BROWSER}, {"key": "_rekindle_cart", "value": CART}]
    (event,) = woo("order.created", woo_order(meta_data=meta))
    assert (event.who.browser_id, event.who.cart_token, event.signed) == (BROWSER, CART, True)
    assert event.data.cart_token == CART  # type: ignore[union-attr]
    odd = [{"key": "_rekindle_browser", "value": ["x"]}, {"key": "_rekindle_cart", "value": "a b"}, 7]
    (event,) = woo("order.created", woo_order(meta_data=odd))
    assert (event.who.browser_id, event.who.cart_token) == (None, None)


# --- forms, and whose browser ----------------------------------------------------------------------------------------


def test_a_form_claims_an_address_and_names_nobody_by_it() -> None:
    event = one(
        {
            "type": "form.submitted",
            "name": "newsletter",
            "email": " Ada@Example.com ",
            "answers": {"taste": "smoky", "likes": ["tea", "", 7, "cups"], "Bad name": "x", "empty": " ", "n": 7},
        }
    )
    assert event.who == Who(browser_id=BROWSER)
    assert event.data == Form(
        name="newsletter", at=RECEIVED, claimed="ada@example.com", answers={"taste": "smoky", "likes": ("tea", "cups")}
    )


def test_an_address_that_is_none_is_a_problem_and_the_form_counts() -> None:
    event = one({"type": "form.submitted", "name": "newsletter", "email": "ada@@example"})
    assert event.data == Form(name="newsletter", at=RECEIVED)
    assert event.problems[0].startswith("email: ")
    assert "ada" not in event.problems[0]


def test_the_web_pixel_says_which_cart_and_checkout_the_browser_has() -> None:
    event = one({"type": "browser.recognised", "cart": CART, "checkout": "k" * 32, "ordered": True, "ago": 1})
    assert event.who == Who(browser_id=BROWSER, cart_token=CART, checkout_token="k" * 32)
    assert event.data == Recognised(by="order", at=RECEIVED - timedelta(seconds=1))
    assert one({"type": "browser.recognised", "cart": CART, "ordered": "yes"}).data == Recognised(
        by="cart", at=RECEIVED
    )
    assert told({"type": "browser.recognised", "email": "ada@example.com"}) == ()


def test_a_visit_that_a_mail_led_to_comes_with_its_token() -> None:
    assert read(VIEW, visit="k1.abc.def").visit == "k1.abc.def"
    assert [read(VIEW, visit=token).visit for token in ("", 7, None, "x" * 2_000)] == [None] * 4
    batch = read(VIEW, visit="k1.abc.def")
    first, second = onsite.recognised(batch, "p1").events
    assert (first.type, first.profile_id, first.who, first.signed) == (
        "browser.recognised", "p1", Who(browser_id=BROWSER), True,
    )  # fmt: skip
    assert first.data == Recognised(by="click", at=RECEIVED)
    assert second == batch.delivery.events[0]


# --- who may send ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "platform", "welcome"),
    [
        ("https://shop.example", "woocommerce", True),
        ("https://WWW.shop.example", "shopify", True),
        (None, "woocommerce", True),
        ("null", "shopify", True),
        ("null", "woocommerce", False),
        ("https://shop.example.evil.example", "shopify", False),
        ("https://evil.example", "shopify", False),
        ("https://shop.example:8443", "shopify", False),
        ("file://shop.example", "shopify", False),
        ("", "shopify", False),
        ("shop.example", "shopify", False),
    ],
)
def test_only_the_shops_own_pages_may_send(origin: str | None, platform: str, *, welcome: bool) -> None:
    assert onsite.is_welcome(origin, HOSTS, platform) is welcome


PEOPLE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 13_7 like Mac OS X) AppleWebKit/605.1.15 Version/13.1.2 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 330.0.0.4",
    "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 [FBAN/FBIOS;FBAV/400.0]",
)
ROBOTS = (
    "",
    " ",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "facebookexternalhit/1.1",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0)",
    "GPTBot/1.2",
    "Screaming Frog SEO Spider/20.0",
    "curl/8.5.0",
    "python-requests/2.32",
    "Mozilla/5.0 Chrome-Lighthouse",
    "x" * 5_000,
)


@pytest.mark.parametrize("agent", PEOPLE)
def test_a_persons_browser_is_heard(agent: str) -> None:
    assert not onsite.is_robot(agent)


@pytest.mark.parametrize("agent", ROBOTS)
def test_a_robot_is_known_by_its_name(agent: str) -> None:
    assert onsite.is_robot(agent)
