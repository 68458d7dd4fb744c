"""What got through once, each as small as it can be: kept so that it never does again.

What made publish compute for hours, or ended its process, is in `monsters`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rekindle.content import sandbox
from rekindle.domain.errors import ContentError, MalformedBodyError
from rekindle.domain.facts import Order, Product
from rekindle.flow.conditions import Condition
from rekindle.outside.http import Answer
from rekindle.service.lists import Reading
from rekindle.service.notices import read_notice
from rekindle.shops import contact
from rekindle.shops.reading import MAX_ROWS, MAX_TEXT
from tests.attack.conftest import Doors
from tests.attack.targets import NOTICES, TARGETS, Hook, told
from tests.attack.test_endpoints import request
from tests.support.build import T0

BEYOND = b"1e999999999999999999999"
DIGITS = "&#" + "9" * 5_000 + ";"


@pytest.mark.parametrize(
    "hook",
    [
        Hook("shopify", "orders/create", b'{"id": 1, "total_price": %s}' % BEYOND),
        Hook("shopify", "checkouts/update", b'{"token": "a", "total_price": %s}' % BEYOND),
        Hook("woocommerce", "order.created", b'{"id": 1, "total": %s}' % BEYOND),
        Hook("woocommerce", "product.updated", b'{"id": 1, "price": %s}' % BEYOND),
    ],
)
def test_a_number_beyond_every_exponent_is_no_reason_to_fail(hook: Hook) -> None:
    """`Decimal` raised what is no `ValueError`; it was a 500, and then the shop's subscription."""
    delivery = told(hook)
    assert delivery is not None
    assert delivery.events[0].type != "delivery.unknown"


@pytest.mark.parametrize("topic", ["product.updated", "order.created", "customer.updated"])
def test_an_entity_of_thousands_of_digits_is_a_name_like_any_other(topic: str) -> None:
    """Python's own `html.unescape` raised."""
    body = {"id": 1, "name": DIGITS, "first_name": DIGITS, "billing": {"first_name": DIGITS, "country": "NL"}}
    delivery = told(Hook("woocommerce", topic, json.dumps(body | {"line_items": [{"name": DIGITS}]}).encode()))
    assert delivery is not None
    assert delivery.events[0].type != "delivery.unknown"


def test_an_id_is_never_too_long_for_a_key() -> None:
    """A product's was part of a key as it came: what was over 2,048 bytes could be accepted and never applied."""
    for topic, body in (
        ("products/update", {"id": "p" * 3_000}),
        ("orders/create", {"id": 1, "line_items": [{"product_id": "p" * 3_000}]}),
    ):
        delivery = told(Hook("shopify", topic, json.dumps(body).encode()))
        assert delivery is not None
        data = delivery.events[0].data
        assert not isinstance(data, Product)
        assert not isinstance(data, Order) or data.items[0].product_id is None


@pytest.mark.parametrize("read", [contact.email, contact.phone])
def test_what_is_no_address_by_its_length_is_not_remembered(read: Any) -> None:
    """Five hundred answers are kept for speed: of a megabyte each, they were the function's whole memory."""
    judged = contact._judged_email if read is contact.email else contact._judged_phone
    before = judged.cache_info().currsize
    for number in range(20):
        value, problem = read(f"{number}" + "1é" * 500_000)
        assert value is None
        assert problem is not None
    assert judged.cache_info().currsize == before


def test_of_a_long_text_and_a_long_list_as_much_is_told_as_anybody_needs() -> None:
    lines = [{"title": "x" * 2 * MAX_TEXT, "quantity": 1}, *({} for _ in range(2 * MAX_ROWS))]
    delivery = told(Hook("shopify", "orders/create", json.dumps({"id": 1, "line_items": lines}).encode()))
    assert delivery is not None
    data = delivery.events[0].data
    assert isinstance(data, Order)
    assert len(data.items) == MAX_ROWS
    assert len(data.items[0].title) == MAX_TEXT


@pytest.mark.parametrize(
    "notice", ["[" * 3_000, '{"a":' * 3_000, json.dumps(NOTICES[0]).replace("2026-", "0001-")[:-1]]
)
def test_a_notice_that_is_no_json_says_so(notice: str) -> None:
    with pytest.raises(MalformedBodyError):
        read_notice(notice)


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_notice_from_the_edge_of_time_says_so(when: str) -> None:
    """The moment could be read, and later not be written as UTC."""
    mail = {"messageId": "v", "tags": {"rekindle_message": ["m"]}, "timestamp": when}
    with pytest.raises(MalformedBodyError):
        read_notice({"eventType": "Open", "mail": mail})


@pytest.mark.parametrize("claimed", ["ada@example.com", "m" * 3_000, "a b", ""])
def test_what_cannot_be_an_id_of_ours_is_no_message(claimed: str) -> None:
    """It became a key, and stood in the log: a header may hold anything."""
    for mail in (
        {"tags": {"rekindle_message": [claimed]}},
        {"headers": [{"name": "X-Rekindle-Message", "value": claimed}]},
    ):
        notice = read_notice(
            {"eventType": "Open", "mail": {"messageId": "v", "timestamp": "2026-03-02T09:00:00Z", **mail}}
        )
        assert notice.message_id is None


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("traits", "vip: 0x" + "F" * 6_000),
        ("manners", 'quiet:\n  email: {from: "\\ud800", until: "08:00"}'),
        ("manners", "quiet: &a {email: &a x}"),
        ("flows", "steps:\n  - wait: 0x" + "F" * 6_000),
        ("samples of mails", '{"event": ' + "[" * 3_000),
        ("events of simulate", b'{"a":' * 3_000),
        ("lists in files", (b"sep=;", Reading(as_of=T0))),
        ("lists in files", (b"email\n+2AA-@x.example\n", Reading(as_of=T0, encoding="utf-7"))),
        ("lists in files", (b"email\nada@example.com\n", Reading(as_of=T0, encoding="base64"))),
        ("what an import brings", b'[{"topic": "\x80rders/updated", "body": {}}]'),
        (
            "what a Shopify shop says of itself",
            Answer(200, {}, b'{"data":{"currentAppInstallation":{"accessScopes":[[{"handle":"read_orders"}]]}}}'),
        ),
        ("answers of WooCommerce", Answer(401, {}, b'{"code":["' + b"x" * 2_000 + b'"]}')),
        ("answers of an ads network", Answer(400, {}, b'{"error":{"code":[1],"error_subcode":"ada@example.com"}}')),
    ],
)
def test_what_a_parser_fell_over_it_refuses(target: str, found: Any) -> None:
    TARGETS[target].attack(found)


@pytest.mark.parametrize("source", ["'\\ud800'", "'a\\udfff' == event.id", "('x', '\\ud800')"])
def test_half_a_character_gets_into_no_expression(source: str) -> None:
    """As a trait it was stored nowhere, and in a mail it was sent by nobody: the customer stood still."""
    with pytest.raises(ContentError):
        Condition(source)
    with pytest.raises(ContentError):
        sandbox.compiled(f"{{{{ {source} }}}}", "f", html=True)


def test_half_a_character_in_a_body_is_a_wrong_signature(doors: Doors) -> None:
    event = request(Hook("shopify", "carts/update", b"{}")) | {"body": "\ud800", "isBase64Encoded": False}
    assert doors.webhook.handler(event, None)["statusCode"] == 401
