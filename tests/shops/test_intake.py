"""A request becomes a delivery only when the shop has proved that it sent it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain.errors import (
    BadSignatureError,
    BodyTooLargeError,
    MalformedBodyError,
    RequestError,
    UnknownShopError,
)
from rekindle.domain.events import Delivery, decode_events, encode_events
from rekindle.domain.facts import Other
from rekindle.shops import intake, shopify, woocommerce
from tests.shops.payloads import (
    DOMAIN,
    RECEIVED,
    SECRET,
    SHOP,
    shopify_order,
    shopify_request,
    sign,
    woo_order,
    woo_request,
)


def parse(platform: intake.Platform, request: tuple[Any, bytes], **changes: Any) -> Delivery:
    """Parse a request of the shop."""
    headers, body = request
    settings = {"shop": SHOP, "domain": DOMAIN, "secrets": (SECRET,), "received_at": RECEIVED, **changes}
    return intake.parse(platform, headers, body, **settings)


def test_a_signed_webhook_becomes_a_delivery() -> None:
    """With its source, its topic, its raw body and its events, which survive being stored."""
    request = shopify_request("orders/create", shopify_order())
    delivery = parse("shopify", request)
    assert (delivery.shop, delivery.source, delivery.topic) == (SHOP, "shopify", "orders/create")
    assert delivery.body == request[1]
    assert [event.type for event in delivery.events] == ["order.placed"]
    assert decode_events(encode_events(delivery.events)) == delivery.events
    assert all(event.received_at == RECEIVED and event.shop == SHOP for event in delivery.events)


def test_the_same_request_is_the_same_delivery_to_the_last_id() -> None:
    """Every retry must find what the first try left behind."""
    request = shopify_request("orders/create", shopify_order(buyer_accepts_marketing=True), event_id="e1")
    first, second = parse("shopify", request), parse("shopify", request)
    assert first == second
    assert len({event.id for event in first.events}) == len(first.events) == 2


# --- the signature ---------------------------------------------------------------------------------------------------

REQUESTS = {
    "shopify": shopify_request("orders/create", shopify_order()),
    "woocommerce": woo_request("order.created", woo_order()),
}


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
@given(data=st.data())
def test_any_changed_byte_is_refused(platform: intake.Platform, data: st.DataObject) -> None:
    """The signature covers every byte of the body."""
    headers, body = REQUESTS[platform]
    place = data.draw(st.integers(0, len(body) - 1))
    flip = data.draw(st.integers(1, 255))
    forged = body[:place] + bytes([body[place] ^ flip]) + body[place + 1 :]
    with pytest.raises(BadSignatureError):
        parse(platform, (headers, forged))


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
@pytest.mark.parametrize("claimed", ["", "x", "é", sign(b"another body"), sign(b"{}", "")])
def test_a_wrong_signature_is_refused(platform: intake.Platform, claimed: str) -> None:
    """Also one that is not ASCII, and one made with an empty secret, which anybody can make."""
    headers = {"X-Shopify-Shop-Domain": DOMAIN, "X-WC-Webhook-Source": DOMAIN, "X-Shopify-Topic": "orders/create"}
    headers["X-Shopify-Hmac-Sha256"] = headers["X-WC-Webhook-Signature"] = claimed
    with pytest.raises(BadSignatureError):
        parse(platform, (headers, b"{}"), secrets=("", SECRET))


def test_a_shop_without_a_secret_accepts_nothing() -> None:
    """Nothing can have been signed."""
    with pytest.raises(BadSignatureError):
        parse("shopify", REQUESTS["shopify"], secrets=())


@pytest.mark.parametrize("secret", ["old", "new"])
def test_two_secrets_are_live_during_a_rotation(secret: str) -> None:
    """Either signs, and a body is the same body under both."""
    order = shopify_order()
    delivery = parse("shopify", shopify_request("orders/create", order, secret=secret), secrets=("new", "old"))
    assert delivery.id == parse("shopify", shopify_request("orders/create", order, secret="new"), secrets=("new",)).id


def test_headers_are_read_in_any_case_and_of_both_families() -> None:
    """API Gateway lower-cases them; Shopify's newer events drop the `X-`."""
    headers, body = shopify_request(
        "orders/create", shopify_order(), event_id="e1", triggered_at="2026-03-02T09:50:00Z"
    )
    first = parse("shopify", (headers, body))
    assert parse("shopify", ({name.upper(): value for name, value in headers.items()}, body)) == first
    assert parse("shopify", ({name[2:].lower(): value for name, value in headers.items()}, body)) == first


@pytest.mark.parametrize("claimed", [None, "", "evil.myshopify.com", f"evil.{DOMAIN}", f"{DOMAIN}.evil.com"])
def test_another_shops_domain_is_refused(claimed: str | None) -> None:
    """One app secret serves many shops: a signature alone does not say whose webhook it is."""
    for platform, name in (("shopify", "X-Shopify-Shop-Domain"), ("woocommerce", "X-WC-Webhook-Source")):
        headers, body = REQUESTS[platform]
        headers = {key: value for key, value in headers.items() if key != name}
        if claimed is not None:
            headers[name] = claimed
        with pytest.raises(UnknownShopError) as refused:
            parse(platform, (headers, body))  # type: ignore[arg-type]
        assert refused.value.status == 401


@pytest.mark.parametrize(
    ("source", "domain", "same"),
    [
        ("https://Tea.example.com/", "tea.example.com", True),
        ("https://tea.example.com:443/", "tea.example.com", True),
        ("http://tea.example.com/wordpress/", "tea.example.com", True),
        ("http://tea.example.com/wordpress/", "https://tea.example.com/wordpress", True),
        ("http://tea.example.com/other/", "tea.example.com/wordpress", False),
        ("https://tea.example.com:8443/", "tea.example.com", False),
        ("https://tea.example.com.evil.example/", "tea.example.com", False),
        ("https://evil.example/tea.example.com", "tea.example.com", False),
    ],
)
def test_a_woocommerce_source_is_the_shops_home(source: str, domain: str, same: bool) -> None:
    """A domain without a path stands for the whole host."""
    headers, body = woo_request("order.created", woo_order(), source=source)
    if same:
        assert parse("woocommerce", (headers, body), domain=domain).events
    else:
        with pytest.raises(UnknownShopError):
            parse("woocommerce", (headers, body), domain=domain)


@pytest.mark.parametrize(
    ("stored", "plain"),
    [
        ("a&amp;b", "a&b"),
        ("&quot;&#039;&#39;&#x27;&lt;&gt;", "\"'''<>"),
        ("&amp;lt;", "&lt;"),
        ("&copy;&ampersand", "&copy;&ampersand"),
        ("none", "none"),
    ],
)
def test_a_woocommerce_secret_signs_as_wordpress_decodes_it(stored: str, plain: str) -> None:
    """Five characters, once."""
    assert woocommerce.plain_secret(stored) == plain
    assert parse("woocommerce", woo_request("order.created", woo_order(), secret=plain), secrets=(stored,)).events


# --- uniqueness ------------------------------------------------------------------------------------------------------


def known(first: Delivery, second: Delivery) -> bool:
    """Whether the second is a repeat once the first has been accepted."""
    return not {first.id, *first.also}.isdisjoint({second.id, *second.also})


@pytest.mark.parametrize(
    ("topic", "event", "note", "repeat"),
    [
        ("orders/updated", "e1", "a", True),
        ("orders/updated", "e2", "a", True),
        ("orders/updated", None, "a", True),
        ("orders/updated", "e1", "b", True),
        ("orders/updated", "e2", "b", False),
        ("orders/updated", None, "b", False),
        ("orders/paid", "e1", "a", False),
    ],
    ids=["retry", "captured", "captured-no-id", "other-subscription", "new", "new-no-id", "other-topic"],
)
def test_a_shopify_delivery_is_a_repeat_by_event_or_by_body(
    topic: str, event: str | None, note: str, repeat: bool
) -> None:
    """A captured body under another event id is one; so is the same event for another subscription."""
    first = parse("shopify", shopify_request("orders/updated", shopify_order(note="a"), event_id="e1"))
    headers = {"event_id": event} if event else {}
    second = parse("shopify", shopify_request(topic, shopify_order(note=note), **headers))
    assert known(first, second) is repeat
    assert known(second, first) is repeat


def test_equal_bodies_of_two_shops_are_two_deliveries() -> None:
    """Ids are a shop's own."""
    request = shopify_request("orders/updated", shopify_order(), event_id="e1")
    assert not known(parse("shopify", request), parse("shopify", request, shop="other"))


@pytest.mark.parametrize(
    ("webhook", "delivery", "number", "repeat"),
    [("7", "abc", "1", True), ("7", "abc", "2", False), ("7", "abd", "1", False), ("8", "abc", "1", False)],
    ids=["retry", "same-second", "repeated-action", "other-webhook"],
)
def test_a_woocommerce_delivery_is_its_webhook_delivery_and_body(
    webhook: str, delivery: str, number: str, repeat: bool
) -> None:
    """Two orders of one second share the delivery id; one action may come twice with one body."""
    first = parse("woocommerce", woo_request("order.updated", woo_order(number="1")))
    request = woo_request("order.updated", woo_order(number=number), id=webhook, delivery_id=delivery)
    assert known(first, parse("woocommerce", request)) is repeat


# --- the body --------------------------------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_refused_before_anything_else() -> None:
    """Neither verified nor parsed: the signature is wrong too, and the answer is about the size."""
    headers, _ = shopify_request("orders/create", b"{}")
    with pytest.raises(BodyTooLargeError) as refused:
        parse("shopify", (headers, b" " * (intake.BODY_LIMIT + 1)))
    assert refused.value.status == 413
    at_limit = b"{" + b" " * (intake.BODY_LIMIT - 2) + b"}"
    assert parse("shopify", shopify_request("shop/update", at_limit)).events


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"{}{}", b'{"a":NaN}', b"\xff", b"[" * 100_000, b"webhook_id=7"]
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    """Even when it is signed."""
    for platform, request in (
        ("shopify", shopify_request("orders/create", body)),
        ("woocommerce", woo_request("order.created", body)),
    ):
        with pytest.raises(MalformedBodyError) as refused:
            parse(platform, request)  # type: ignore[arg-type]
        assert refused.value.status == 400


def test_numbers_are_read_exactly() -> None:
    """Neither ids nor prices pass through a float."""
    assert intake.decode(b'{"id":9007199254740995,"price":19.90,"rate":0.1}') == {
        "id": 9007199254740995,
        "price": Decimal("19.90"),
        "rate": Decimal("0.1"),
    }


@pytest.mark.parametrize(
    ("platform", "topic", "body"),
    [
        ("shopify", "themes/publish", {"id": 7}),
        ("shopify", "orders/edited", {"order_edit": {"id": 1}}),
        ("shopify", "", {"id": 7}),
        ("woocommerce", "action.woocommerce_add_to_cart", {"action": "woocommerce_add_to_cart", "arg": "x"}),
        ("woocommerce", "coupon.created", {"id": 7}),
    ],
)
def test_an_unknown_topic_is_accepted_and_kept(platform: intake.Platform, topic: str, body: dict[str, Any]) -> None:
    """It names nobody and changes nothing; the raw body stays for the day that its topic is read."""
    make = shopify_request if platform == "shopify" else woo_request
    (event,) = parse(platform, make(topic, body)).events
    assert event.type == "delivery.unknown"
    assert isinstance(event.data, Other)
    assert event.data.topic == topic
    assert event.who.points() == ()


def test_the_signed_rest_error_of_woocommerce_is_kept_as_unknown() -> None:
    """A webhook whose owner lost the right to read sends this; a 4xx would switch the webhook off."""
    body = {"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot view.", "data": {"status": 401}}
    (event,) = parse("woocommerce", woo_request("order.updated", body)).events
    assert event.type == "delivery.unknown"
    assert event.problems == ("the shop sent an error in place of the resource: woocommerce_rest_cannot_view",)


def test_a_signed_object_without_its_id_is_kept_with_the_problem() -> None:
    """Refusing it would cost the shop its subscription and us the body; the command line gets the error itself."""
    (event,) = parse("shopify", shopify_request("orders/create", {"total_price": "1.00"})).events
    assert (event.type, event.problems) == ("delivery.unknown", ("orders/create: the order has no id",))


@pytest.mark.parametrize(
    ("headers", "body", "ping"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"webhook_id=12", True),
        ({}, b"webhook_id=12\n", True),
        ({}, b"webhook_id=", False),
        ({}, b"webhook_id=12&x=1", False),
        ({}, b'{"webhook_id":12}', False),
        ({"X-WC-Webhook-Topic": "order.created"}, b"webhook_id=12", False),
    ],
)
def test_a_ping_is_a_form_with_a_webhook_id_and_nothing_else(headers: dict[str, str], body: bytes, ping: bool) -> None:
    """WooCommerce's only; what has X-WC headers must be signed."""
    assert intake.is_ping("woocommerce", headers, body) is ping
    assert not intake.is_ping("shopify", headers, body)


# --- the law ---------------------------------------------------------------------------------------------------------

_FIELDS = st.sampled_from(
    sorted(
        set(shopify_order())
        | set(shopify_order()["customer"])
        | set(shopify_order()["line_items"][0])
        | set(woo_order())
        | set(woo_order()["billing"])
        | set(woo_order()["line_items"][0])
        | {
            "token",
            "state",
            "amount",
            "shop_money",
            "variants",
            "images",
            "media",
            "key",
            "value",
            "code",
            "transactions",
        }
        | {"email_marketing_consent", "sms_marketing_consent", "consent_updated_at", "kind", "src", "phone", "handle"}
        | {"refund_line_items", "order_adjustments", "created_at", "inventory_quantity", "price", "compare_at_price"}
    )
)
_LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals()
    | st.text(max_size=12)
    | st.sampled_from(
        ["1", "19.90", "2026-03-02T04:50:00-05:00", "2026-03-02T04:50:00", "ann@example.com", "+16135550142"]
    )
    | st.sampled_from(
        ["subscribed", "unsubscribed", "CA", "refund", "success", "fulfilled", "cancelled", "pending", "1e15"]
    )
)
_VALUE = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=5), max_leaves=12
)
_BODY = st.dictionaries(_FIELDS, _VALUE, max_size=12)
_TOPICS = [("shopify", topic) for topic in shopify.TOPICS] + [("woocommerce", t) for t in woocommerce.TOPICS]


@given(topic=st.sampled_from(_TOPICS), body=_BODY, named=st.booleans())
def test_a_body_of_any_shape_is_told_or_refused(topic: tuple[intake.Platform, str], body: Any, named: bool) -> None:
    """Never anything but events that can be stored, or `MalformedBodyError`."""
    from tests.shops.payloads import arrival

    if named:
        body = {**body, "id": 7, "token": "t", "order_id": 8, "fulfillment_id": 9, "customerId": 10, "product_id": 11}
    try:
        events = intake.normalise(*topic, body, arrival())
    except MalformedBodyError:
        assert not named
        return
    assert events
    assert decode_events(encode_events(events)) == events


@given(st.binary(max_size=200))
def test_a_signed_body_of_any_bytes_is_told_or_refused(body: bytes) -> None:
    """What is not JSON is refused, what is gets a delivery."""
    try:
        delivery = parse("shopify", shopify_request("orders/create", body))
    except RequestError:
        with pytest.raises((ValueError, AssertionError)):
            assert isinstance(json.loads(body), dict)
    else:
        assert delivery.events
