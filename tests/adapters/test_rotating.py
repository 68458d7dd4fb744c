"""Changing the secret that signs a shop's webhooks, with webhooks coming all the while: none is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest

from local.shops import BELL, CUP, TEA, Person, shopify, shopify_checkout, sign, woocommerce, woocommerce_order
from rekindle.domain.errors import ShopUncertainError
from rekindle.service import rotating as module
from rekindle.service.connecting import ConnectError
from rekindle.service.rotating import GRACE, Rotating
from rekindle.shops.registering import trial
from tests.support.connecting import APP_SECRET, Bench, bench

__all__ = ["bench"]

_numbers = count(500)


class Log:
    """`OldSecrets`: what the test says."""

    def __init__(self) -> None:
        self.seen: datetime | None = None
        self.there = True

    def last_use(self, shop: str, since: datetime) -> datetime | None:
        del shop
        if not self.there:
            raise LookupError("no log")
        return self.seen if self.seen is not None and self.seen >= since else None


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def rotating(bench: Bench, log: Log) -> Rotating:
    return Rotating(bench.connecting, old=log, clock=bench.api.world.clock)


def pass_time(bench: Bench, length: timedelta) -> None:
    bench.connecting.sleep(length.total_seconds())


def traffic(bench: Bench) -> Callable[..., None]:
    """Return what has each of the shop's webhooks sent once, signed as the shop would now sign it."""

    def send(*_: object) -> None:
        for number, hook in list(bench.woocommerce.webhooks.items()):
            person = Person(next(_numbers), "Bo", "Both", "bo@example.com", "Gent", "9000")
            now = bench.api.world.clock.now()
            made = woocommerce(hook["topic"], woocommerce_order(person, [(BELL, 1)], "pending", now, now), f"d{number}")
            headers = {
                **made.headers,
                "X-WC-Webhook-Source": "https://local.example.org/",
                "X-WC-Webhook-Signature": sign(bench.woocommerce.secrets[number], made.body),
            }
            bench.connecting.door.knock(hook["delivery_url"], headers, made.body)

    return send


def statuses(bench: Bench) -> set[int]:
    return {status for _, status in bench.api.answers}


def test_woocommerce_signs_with_a_new_secret_and_nothing_was_refused(
    bench: Bench, rotating: Rotating, log: Log
) -> None:
    bench.bikes()
    send = traffic(bench)
    send()
    bench.connecting.progress = send
    done = rotating.rotate("bikes")
    send()
    assert (done.step, done.changed) == ("registered", len(bench.woocommerce.webhooks))
    assert set(bench.woocommerce.secrets.values()) == {"made-2"}
    assert bench.connections.stored["bikes"]["webhook_secrets"] == ["made-2", "made-1"]
    assert (statuses(bench), len(bench.api.answers) > 20) == ({200}, True)
    with pytest.raises(ConnectError, match="try again after"):
        rotating.finish("bikes")
    pass_time(bench, GRACE)
    assert rotating.finish("bikes").step == "finished"
    assert bench.connections.stored["bikes"]["webhook_secrets"] == ["made-2"]
    pass_time(bench, timedelta(minutes=20))
    send()
    assert statuses(bench) == {200}
    assert "rotation" not in bench.connections.stored["bikes"]
    old = trial("woocommerce", "local.example.org", "made-1")
    url = bench.connecting.url_of("woocommerce", "bikes")
    assert bench.connecting.door.knock(url, old.headers, old.body) == 401
    assert rotating.rotate("bikes").step == "registered"
    del log


def test_without_the_minute_webhooks_would_be_lost(
    bench: Bench, rotating: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the wait is for: a function that has looked a moment ago does not look again."""
    bench.bikes()
    monkeypatch.setattr(module, "SETTLE", timedelta(0))
    monkeypatch.setattr(bench.connecting, "await_door", lambda *_: None)
    traffic(bench)()
    rotating.rotate("bikes")
    traffic(bench)()
    assert 401 in statuses(bench)


def test_broken_off_on_the_way_it_goes_on_with_the_same_secret(bench: Bench, rotating: Rotating) -> None:
    bench.bikes()
    bench.woocommerce.plan(None, None, "fail", "fail", "fail")
    with pytest.raises(ShopUncertainError):
        rotating.rotate("bikes")
    assert set(bench.woocommerce.secrets.values()) == {"made-1", "made-2"}
    traffic(bench)()
    assert statuses(bench) == {200}
    with pytest.raises(ConnectError, match="goes on"):
        rotating.finish("bikes")
    rotating.rotate("bikes")
    assert (set(bench.woocommerce.secrets.values()), bench.made) == ({"made-2"}, 2)
    assert rotating.rotate("bikes").changed == 0


def test_shopifys_new_secret_lives_beside_the_old_until_that_is_used_no_more(
    bench: Bench, rotating: Rotating, log: Log
) -> None:
    bench.tea(access={"client_id": "client-local", "client_secret": APP_SECRET})
    with pytest.raises(ConnectError, match="--app-secret"):
        rotating.rotate("tea")
    with pytest.raises(ConnectError, match="already"):
        rotating.rotate("tea", APP_SECRET)
    rotating.rotate("tea", "shpss_new")
    stored = bench.connections.stored["tea"]
    assert (stored["webhook_secrets"], stored["client_secret"]) == (["shpss_new", APP_SECRET], "shpss_new")
    now = bench.api.world.clock.now()
    url = bench.connecting.url_of("shopify", "tea")
    for secret in (APP_SECRET, "shpss_new"):
        person = Person(next(_numbers), "Bo", "Both", "bo@example.com", "Hove", "BN3 2FP")
        body = shopify_checkout(person, [(CUP, 1)], now)
        made = shopify("checkouts/create", body, now, shop=TEA, secret=secret, domain="local.myshopify.com")
        assert bench.connecting.door.knock(url, made.headers, made.body) == 200
    assert bench.api.by_old[-2:] == [True, False]
    pass_time(bench, GRACE)
    log.seen = bench.api.world.clock.now() - timedelta(hours=1)
    with pytest.raises(ConnectError, match="first revoke it in Shopify"):
        rotating.finish("tea")
    pass_time(bench, timedelta(hours=6))
    assert rotating.finish("tea").seen == log.seen
    with pytest.raises(ConnectError, match="one secret"):
        rotating.finish("tea")


def test_where_no_log_says_it_is_told_and_anyway_means_at_once(bench: Bench, rotating: Rotating, log: Log) -> None:
    bench.bikes()
    log.there = False
    rotating.rotate("bikes")
    done = rotating.finish("bikes", anyway=True)
    assert (done.step, done.known) == ("finished", False)


@pytest.mark.parametrize("rotation", [None, {"began": "?", "registered": "?"}, "?"])
def test_two_secrets_that_somebody_stored_by_hand_are_one_again_when_that_is_asked_for(
    bench: Bench, rotating: Rotating, rotation: object
) -> None:
    """Nobody knows then which of them signs: only whoever asks for it anyway drops one."""
    bench.bikes()
    stored = bench.connections.stored["bikes"]
    stored["webhook_secrets"] = ["made-1", "by-hand"]
    if rotation is not None:
        stored["rotation"] = rotation
    with pytest.raises(ConnectError, match="--anyway"):
        rotating.rotate("bikes")
    with pytest.raises(ConnectError, match="--anyway"):
        rotating.finish("bikes")
    assert rotating.finish("bikes", anyway=True).step == "finished"
    assert bench.connections.stored["bikes"]["webhook_secrets"] == ["made-1"]


@pytest.mark.parametrize(
    ("shop", "new", "said"), [("nobody", None, "not connected"), ("bikes", "mine", "leave --app-secret out")]
)
def test_what_cannot_be_rotated_is_told(
    bench: Bench, rotating: Rotating, shop: str, new: str | None, said: str
) -> None:
    bench.bikes()
    with pytest.raises(ConnectError, match=said):
        rotating.rotate(shop, new)
    assert bench.connections.stored["bikes"]["webhook_secrets"] == ["made-1"]
