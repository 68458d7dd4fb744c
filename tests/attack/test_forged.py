"""Requests that are not what they claim: nothing gets in, nothing is stored, and the flood costs next to nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.aws.secrets import CachedSecrets
from rekindle.ports import ShopSecrets
from rekindle.service.webhook import Webhooks
from rekindle.shops.intake import BODY_LIMIT
from tests.attack.conftest import Doors
from tests.attack.targets import DOMAINS, SECRET, Hook, Platform, headers_of, signature
from tests.attack.test_endpoints import request
from tests.support.worlds import AwsPorts, session

BODY = b'{"id": 7, "token": "c1", "line_items": [], "updated_at": "2026-03-02T09:00:00Z"}'
SIGNED = "x-shopify-hmac-sha256"
SOURCE = {"shopify": "x-shopify-shop-domain", "woocommerce": "x-wc-webhook-source"}
MARK = {"shopify": SIGNED, "woocommerce": "x-wc-webhook-signature"}
TOPIC: dict[Platform, str] = {"shopify": "carts/update", "woocommerce": "order.created"}
PLATFORMS = pytest.mark.parametrize("platform", ["shopify", "woocommerce"])


def post(
    doors: Doors, platform: Platform, body: bytes = BODY, changed: Mapping[str, str | None] = MappingProxyType({})
) -> int:
    """Post a signed webhook, of which some headers are changed or left out; return the status."""
    headers = headers_of(platform, TOPIC[platform], body)
    headers |= {name: value for name, value in changed.items() if value is not None}
    headers = {name: value for name, value in headers.items() if name not in changed or changed[name] is not None}
    status: int = doors.webhook.handler(request(Hook(platform, TOPIC[platform], body), headers=headers), None)[
        "statusCode"
    ]
    return status


def stored(doors: Doors) -> int:
    return len(doors.world.deliveries)


@PLATFORMS
def test_a_true_request_gets_in(doors: Doors, platform: Platform) -> None:
    """Without this, every other test here could pass by refusing everything."""
    assert (post(doors, platform), stored(doors)) == (200, 1)


RIGHT = signature(BODY)
RAW = base64.b64decode(RIGHT)
FORGED = {
    "none": None,
    "empty": "",
    "another body's": signature(BODY + b" "),
    "another secret's": signature(BODY, "another"),
    "an empty secret's": signature(BODY, ""),
    "cut": RIGHT[:-2],
    "without padding": RIGHT.rstrip("="),
    "padded once more": RIGHT + "=",
    "twice": f"{RIGHT},{RIGHT}",
    "after a wrong one": f"{signature(BODY, 'x')}, {RIGHT}",
    "upper case": RIGHT.upper(),
    "lower case": RIGHT.lower(),
    "hex": RAW.hex(),
    "base64 for URLs": base64.urlsafe_b64encode(b"\xff" + RAW[1:]).decode(),
    "with the other last digit of base64": RIGHT[:-2] + chr(ord(RIGHT[-2]) + 1) + "=",
    "SHA-1": base64.b64encode(hmac.digest(SECRET.encode(), BODY, hashlib.sha1)).decode(),
    "unkeyed": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    "full-width letters": "".join(chr(ord(sign) + 0xFEE0) for sign in RIGHT),
    "half a character": "\ud800",
    "long": "A" * 100_000,
}


@PLATFORMS
@pytest.mark.parametrize("claimed", FORGED.values(), ids=FORGED)
def test_a_signature_that_is_not_the_bodys_gets_nothing_in(
    doors: Doors, platform: Platform, claimed: str | None
) -> None:
    assert post(doors, platform, changed={MARK[platform]: claimed}) == 401
    assert stored(doors) == 0


@PLATFORMS
@pytest.mark.parametrize("around", [" {} ", "\t{}", "{}\r\n"])
def test_space_around_a_signature_is_no_part_of_it(doors: Doors, platform: Platform, around: str) -> None:
    """Proxies add and take it (RFC 9110, 5.5); the value stays the same."""
    assert post(doors, platform, changed={MARK[platform]: around.format(RIGHT)}) == 200


@PLATFORMS
@pytest.mark.parametrize(
    "claimed",
    [
        None,
        "",
        "other.example",
        "{0}.evil.example",
        "evil.example/{0}",
        "{0},other.example",
        "other.example,{0}",
        "{0}@evil.example",
        "{0}:8443",
        "{0}\x00",
        "ſhop.example",
    ],
)
def test_a_request_in_another_shops_name_is_refused(doors: Doors, platform: Platform, claimed: str | None) -> None:
    said = None if claimed is None else claimed.format(DOMAINS[platform])
    assert post(doors, platform, changed={SOURCE[platform]: said}) == 401
    assert stored(doors) == 0


def test_one_shop_cannot_speak_for_another(doors: Doors) -> None:
    """A second shop's own secret and headers under the first one's path; a platform under the other's path."""
    world = doors.world
    world.shops["rival"] = ShopSecrets(
        shop="rival", platform="shopify", domain="rival.myshopify.com", webhook_secrets=("rival's",)
    )
    for domain in (DOMAINS["shopify"], "rival.myshopify.com"):
        assert post(doors, "shopify", changed={SIGNED: signature(BODY, "rival's"), SOURCE["shopify"]: domain}) == 401
    assert (
        doors.webhook.handler(request(Hook("shopify", "carts/update", BODY), shop="plants"), None)["statusCode"] == 401
    )
    assert stored(doors) == 0


def test_a_shop_without_a_secret_believes_nobody(doors: Doors) -> None:
    for secrets in ((), ("",), ("", "")):
        doors.world.shops["tea"] = replace(doors.world.shops["tea"], webhook_secrets=secrets)
        assert post(doors, "shopify", changed={SIGNED: signature(BODY, "")}) == 401


@PLATFORMS
def test_a_replay_is_answered_and_changes_nothing(doors: Doors, platform: Platform) -> None:
    for _ in range(3):
        assert post(doors, platform) == 200
    assert stored(doors) == 1


def test_a_captured_body_under_other_ids_and_times_is_the_same_delivery(doors: Doors) -> None:
    """Those headers are not signed."""
    post(doors, "shopify")
    for number in range(5):
        again = {
            "x-shopify-event-id": f"e-{number}",
            "x-shopify-webhook-id": f"w-{number}",
            "x-shopify-triggered-at": "2026-03-09T09:00:00Z",
        }
        assert post(doors, "shopify", changed=again) == 200
    assert stored(doors) == 1


BOMBS = {
    "gzip": gzip.compress(b" " * 50_000_000 + BODY, mtime=0),
    "deflate": zlib.compress(b" " * 50_000_000 + BODY),
    "gzip, true body": gzip.compress(BODY, mtime=0),
    "UTF-16": BODY.decode().encode("utf-16"),
    "UTF-7": b"+AHsAIg-id+ACI-: 1+AH0-",
    "form": b"payload=" + BODY,
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>',
    "truncated": BODY[:-1],
    "cut in a character": '{"id": "é'.encode()[:-1],
    "two": BODY + BODY,
    "nothing": b"",
}


@PLATFORMS
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_a_body_is_never_unpacked_and_never_guessed(doors: Doors, platform: Platform, body: bytes) -> None:
    """Also when it is signed, and whatever its encoding claims to be: neither platform packs (CONTRACTS)."""
    assert post(doors, platform, body, {"content-encoding": "gzip"}) == 400
    assert stored(doors) == 0


@PLATFORMS
def test_a_body_over_the_limit_is_not_even_verified(
    doors: Doors, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> bytes:
        raise AssertionError("verified")

    monkeypatch.setattr("rekindle.shops.signature.check", never)
    assert post(doors, platform, b" " * (BODY_LIMIT + 1)) == 413


# --- secrets ---------------------------------------------------------------------------------------------------------


class Door:
    """Webhooks over secrets on moto, with a counter of what Secrets Manager was asked, and a clock to turn."""

    def __init__(self, ports: AwsPorts, doors_world: Any) -> None:
        counted = session()
        self.counter = CallCounter(counted)
        self.seconds = 1000.0
        self.clients = Clients(counted)
        self.name = f"{ports.installation.secrets_prefix}/shops/tea"
        self.secrets = CachedSecrets(self.clients, ports.installation.secrets_prefix, monotonic=lambda: self.seconds)
        self.webhooks = Webhooks(intake=doors_world.intake, secrets=self.secrets, clock=doors_world.clock)

    def store(self, *secrets: str) -> None:
        """Put these as the shop's webhook secrets, as the operator does."""
        import json

        value = {"platform": "shopify", "domain": DOMAINS["shopify"], "webhook_secrets": secrets}
        self.clients.secrets.put_secret_value(SecretId=self.name, SecretString=json.dumps(value))
        self.counter.reset()

    def accepts(self, secret: str, number: int = 0) -> bool:
        """Whether a webhook that this secret signed gets in."""
        from rekindle.domain.errors import BadSignatureError

        body = BODY[:-1] + b', "number": %d}' % number
        try:
            self.webhooks.receive("shopify", "tea", headers_of("shopify", "carts/update", body, secret), body)
        except BadSignatureError:
            return False
        return True

    @property
    def fetches(self) -> int:
        """How often Secrets Manager was asked for a value."""
        return int(self.counter.calls["secrets-manager.GetSecretValue"])


@pytest.fixture
def door(ports: AwsPorts, doors: Doors) -> Door:
    made = Door(ports, doors.world)
    made.store("old")
    return made


def test_a_flood_of_bad_signatures_asks_for_secrets_once_a_minute(door: Door) -> None:
    door.secrets.address_key()
    door.counter.reset()
    for minute in range(3):
        for number in range(200):
            assert not door.accepts("forged", number)
            door.seconds += 0.3
        assert door.fetches <= minute + 2


def test_a_flood_does_not_keep_a_true_webhook_out(door: Door) -> None:
    for number in range(50):
        assert not door.accepts("forged", number)
        assert door.accepts("old", number)


def test_a_secret_rotates_without_a_lost_webhook(door: Door) -> None:
    """As docs/operating.md says: both are stored, the shop changes over a minute later, the old one is taken out."""
    assert door.accepts("old", 1)
    door.store("new", "old")
    assert door.accepts("old", 2)
    door.seconds += 61
    for number in range(3, 20):
        assert door.accepts("new" if number % 2 else "old", number)
    door.store("new")
    door.seconds += 61
    assert door.accepts("new", 20)
    door.seconds += 900
    assert not door.accepts("old", 21)
    assert door.accepts("new", 22)


def test_a_secret_that_changed_at_once_is_found_within_a_minute(door: Door) -> None:
    """Not the way that operating.md says, and what a shop's platform repeats still gets in."""
    assert door.accepts("old", 1)
    door.store("new")
    door.seconds += 61
    assert door.accepts("new", 2)
