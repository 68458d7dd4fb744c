"""The door, over HTTP: what is answered with which status, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

import pytest

from local import smoke
from local.shops import (
    BELL,
    BIKES,
    CUP,
    TEA,
    Person,
    Webhook,
    shopify,
    shopify_checkout,
    sign,
    woocommerce,
    woocommerce_order,
    woocommerce_ping,
)
from local.stack import STACK_NAME, Shop
from local.world import World
from tests.support.terminal import reach

pytestmark = pytest.mark.xdist_group("e2e-live")

_numbers = count(300)


def _somebody() -> Person:
    number = next(_numbers)
    return Person(number, "Noor", "Nobody", f"noor{number}@example.com", "Hove", "BN3 2FP", consent=False)


def _checkout(at: datetime) -> Webhook:
    return shopify("checkouts/create", shopify_checkout(_somebody(), [(CUP, 1)], at), at)


def _with(webhook: Webhook, **headers: str | None) -> Webhook:
    changed = {**webhook.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Webhook({name: value for name, value in changed.items() if value is not None}, webhook.body)


def _signed(raw: bytes) -> Callable[[datetime], Webhook]:
    return lambda at: Webhook({**_checkout(at).headers, "X-Shopify-Hmac-Sha256": sign(TEA.secret, raw)}, raw)


CASES: list[tuple[str, Shop, Callable[[datetime], Webhook], int]] = [
    ("a signed checkout", TEA, _checkout, 200),
    ("a bad signature", TEA, lambda at: _with(_checkout(at), X_Shopify_Hmac_Sha256="bm9wZQ=="), 401),
    ("no signature", TEA, lambda at: _with(_checkout(at), X_Shopify_Hmac_Sha256=None), 401),
    ("another shop's domain", TEA, lambda at: _with(_checkout(at), X_Shopify_Shop_Domain="else.example.com"), 401),
    ("a shop that is not connected", Shop("nobody", "shopify", TEA.domain, TEA.secret), _checkout, 401),
    ("a Shopify shop as WooCommerce", Shop(TEA.id, "woocommerce", TEA.domain, TEA.secret), _checkout, 401),
    ("a signed body that is no JSON", TEA, _signed(b"{"), 400),
    ("a signed body that is no object", TEA, _signed(b"[]"), 400),
    ("WooCommerce's ping", BIKES, lambda _: woocommerce_ping(), 200),
    (
        "a signed WooCommerce order",
        BIKES,
        lambda at: woocommerce("order.created", woocommerce_order(_somebody(), [(BELL, 1)], "pending", at, at), "d1"),
        200,
    ),
    (
        "a WooCommerce order without signature",
        BIKES,
        lambda at: _with(
            woocommerce("order.created", woocommerce_order(_somebody(), [(BELL, 1)], "pending", at, at), "d2"),
            X_WC_Webhook_Signature=None,
        ),
        401,
    ),
]


@pytest.mark.parametrize(("shop", "make", "status"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_webhook_is_answered_with(live: World, shop: Shop, make: Callable[[datetime], Webhook], status: int) -> None:
    live.runner.wait_until_idle()
    stored = live.stack.count("Deliveries")
    webhook = make(live.clock.now())
    assert live.post(shop, webhook) == status
    accepted = status == 200 and webhook.body != woocommerce_ping().body
    assert (live.stack.count("Deliveries") > stored) == accepted


def test_a_repeat_is_answered_with_200_and_stores_nothing(live: World) -> None:
    webhook = _checkout(live.clock.now())
    assert live.post(TEA, webhook) == 200
    live.runner.wait_until_idle()
    stored = live.stack.count("Deliveries")
    assert live.post(TEA, webhook) == 200
    assert live.stack.count("Deliveries") == stored


def test_a_captured_body_under_another_event_id_stores_nothing(live: World) -> None:
    webhook = _checkout(live.clock.now())
    assert live.post(TEA, webhook) == 200
    live.runner.wait_until_idle()
    stored = live.stack.count("Deliveries")
    again = _with(webhook, X_Shopify_Event_Id="another-event", X_Shopify_Webhook_Id="another-webhook")
    assert live.post(TEA, again) == 200
    assert live.stack.count("Deliveries") == stored


def test_every_door_answers_a_look_from_outside_and_stores_nothing(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `make smoke` does after a deploy."""
    before = live.stack.count("Deliveries")
    reach(monkeypatch, live.stack.endpoint)
    monkeypatch.setattr(smoke, "stack_of", lambda _: STACK_NAME)
    assert smoke.main(["--stage", "dev"]) == 0
    *told, last = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in told] == [["ok", door] for door, *_ in smoke.DOORS]
    assert last.endswith(" answers")
    assert live.stack.count("Deliveries") == before


def test_a_door_that_leads_nowhere_is_not_taken_for_one_that_refuses(live: World) -> None:
    """Both say 404."""
    told = list(smoke.knock(f"{live.stack.api_url}/elsewhere"))
    assert not any(right for _, _, right in told)
    assert "leads to no function" in told[-1][1]


def test_a_stage_that_is_not_there_is_one_line(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reach(monkeypatch, live.stack.endpoint)
    assert smoke.main(["--stage", "staging"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no stack rekindle-staging" in line
