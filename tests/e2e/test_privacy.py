"""A customer asks for what is stored, and then for it to be gone: over HTTP, on the deployed template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.shops import CUP, TEA, Person, shopify, shopify_checkout
from local.stack import STACK_NAME
from local.world import World
from rekindle.cli.main import main
from tests.support.opened import everything
from tests.support.terminal import reach

pytestmark = pytest.mark.xdist_group("e2e-live")

HASSAN = Person(401, "Hassan", "Hand", "hassan.hand@example.com", "Hove", "BN3 2FP")
PRIYA = Person(400, "Priya", "Private", "priya.private@example.com", "Hove", "BN3 2FP")


def receipt(live: World, wish: str) -> dict[str, Any]:
    bucket = live.stack.outputs["RawBucketName"]
    listed = live.stack.s3.list_objects_v2(Bucket=bucket, Prefix=f"receipts/{TEA.id}/{wish}-")["Contents"]
    (key,) = [found["Key"] for found in listed]
    parsed: dict[str, Any] = json.loads(live.stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return parsed


def ask(live: World, topic: str, **more: object) -> None:
    now = live.clock.now()
    body = {"shop_id": 1, "shop_domain": TEA.domain, "customer": {"email": PRIYA.email}, **more}
    assert live.post(TEA, shopify(topic, body, now)) == 200
    live.runner.wait_until_idle()


def test_a_customer_is_handed_their_data_and_then_erased(live: World) -> None:
    checkout = shopify("checkouts/create", shopify_checkout(PRIYA, [(CUP, 1)], live.clock.now()), live.clock.now())
    assert live.post(TEA, checkout) == 200
    live.runner.wait_until_idle()
    ask(live, "customers/data_request", orders_requested=[], data_request={"id": 9999})
    handed = receipt(live, "export")
    document = live.stack.s3.get_object(Bucket=live.stack.outputs["RawBucketName"], Key=handed["exports"][0])
    assert json.loads(document["Body"].read())["profile"]["email"] == PRIYA.email
    assert PRIYA.email in everything(live)

    ask(live, "customers/redact", orders_to_redact=[])
    erased = receipt(live, "erase")
    assert erased["stores"]["deliveries"]["erased"] == 1
    assert erased["stores"]["raw/exports"]["erased"] == 1
    assert erased["done_at"]
    assert PRIYA.email not in everything(live)

    assert live.post(TEA, checkout) == 200
    live.runner.wait_until_idle()
    assert PRIYA.email not in everything(live)
    assert live.stack.dead_letters() == {}


def test_somebody_is_erased_by_hand(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an operator does it, with the deployed functions doing the work meanwhile."""
    reach(monkeypatch, live.emulator.url)
    checkout = shopify("checkouts/create", shopify_checkout(HASSAN, [(CUP, 1)], live.clock.now()), live.clock.now())
    assert live.post(TEA, checkout) == 200
    live.runner.wait_until_idle()
    assert HASSAN.email in everything(live)
    asked = ["privacy", "erase", "--stack", STACK_NAME, "--shop", TEA.id, "--email", HASSAN.email, "--yes", "--json"]
    assert main(asked) == 0
    stores = json.loads(capsys.readouterr().out)["stores"]
    assert (stores["profiles"]["erased"], stores["deliveries"]["erased"]) == (1, 1)
    assert stores["suppressions"]["kept"] == 1
    live.runner.wait_until_idle()
    assert HASSAN.email not in everything(live)
