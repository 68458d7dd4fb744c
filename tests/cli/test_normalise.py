"""`rekindle normalise`: a body in, its events out as JSON; or one line on stderr and exit 2."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.main import main
from tests.shops.payloads import DOMAIN, shopify_order, shopify_product, shopify_refund, woo_order

ROOT = Path(__file__).parents[2]
WHO = {"email", "phone", "shop_customer_id", "cart_token", "checkout_token", "browser_id"}
SHOPIFY = ("normalise", "--platform", "shopify", "--topic")
WOO = ("normalise", "--platform", "woocommerce", "--topic")


class Files:
    """A folder to write bodies to, and what the command says of them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def write(self, content: Any) -> str:
        """Write a file, as it is or as JSON, and return its name."""
        file = self.folder / "body.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(file)

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """Run the command, which must do it, and return what it prints."""
        assert main(arguments) == 0
        captured = self.capsys.readouterr()
        assert captured.err == ""
        events = json.loads(captured.out)
        assert isinstance(events, list)
        return events

    def refuse(self, *arguments: str) -> str:
        """Run the command, which must refuse, and return the line that says why."""
        assert main(arguments) == 2
        captured = self.capsys.readouterr()
        assert captured.out == ""
        assert captured.err.endswith("\n")
        (line,) = captured.err.splitlines()
        return line


@pytest.fixture
def files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """Return an empty folder."""
    return Files(tmp_path, capsys)


def test_a_body_becomes_its_events(files: Files) -> None:
    """With every field of the fact and of who it names, null where there is nothing."""
    events = files.run(*SHOPIFY, "orders/create", files.write(shopify_order(buyer_accepts_marketing=True)))
    assert [event["type"] for event in events] == ["order.placed", "consent.changed"]
    order = events[0]
    assert set(order) == {"id", "type", "shop", "occurred_at", "who", "person", "data"}
    assert order["occurred_at"] == "2026-03-02T09:49:58Z"
    assert order["who"] == dict.fromkeys(WHO) | {
        "email": "ann@example.com",
        "shop_customer_id": "207119551",
        "cart_token": "cart-1",
        "checkout_token": "checkout-1",
    }
    data = order["data"]
    assert (data["type"], data["id"], data["total"], data["status"]) == ("order", "450789469", "38.42", "placed")
    assert (data["test"], data["refunds"], data["cancelled_at"]) == (False, [], None)
    assert data["items"][0]["quantity"] == 2
    assert data["ship_to"]["country"] == "CA"


def test_an_event_that_names_nobody_says_so(files: Files) -> None:
    (event,) = files.run(*SHOPIFY, "refunds/create", files.write(shopify_refund()))
    assert event["who"] == dict.fromkeys(WHO)
    assert "person" not in event
    assert "problems" not in event
    assert event["data"]["amount"] == "16.71"


def test_what_was_unusable_is_said(files: Files) -> None:
    (event,) = files.run(*WOO, "order.created", files.write(woo_order(currency="coins")))
    assert event["problems"] == ["currency: is no ISO 4217 currency"]


def test_an_unknown_topic_is_an_event_too(files: Files) -> None:
    (event,) = files.run(*SHOPIFY, "themes/publish", files.write({"id": 9007199254740993}))
    assert (event["type"], event["data"]) == (
        "delivery.unknown",
        {"type": "other", "topic": "themes/publish", "id": "9007199254740993"},
    )


def test_a_body_may_come_from_stdin(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(shopify_order()).encode()
    from_file = files.run(*SHOPIFY, "orders/create", files.write(raw))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert files.run(*SHOPIFY, "orders/create", "-") == from_file


@pytest.mark.parametrize(
    "sample", sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "events").glob("[sw]*/*-*.json"))
)
def test_a_delivery_says_itself_what_it_is(files: Files, sample: str) -> None:
    """Platform, topic and moment stand in its headers."""
    events = files.run("normalise", str(ROOT / sample))
    assert events
    assert "delivery.unknown" not in {event["type"] for event in events}


def test_what_is_said_counts_more_than_the_headers(files: Files) -> None:
    delivery = {"headers": {"X-Shopify-Topic": "orders/create"}, "body": shopify_order()}
    (event,) = files.run("normalise", "--topic", "orders/updated", files.write(delivery))
    assert event["type"] == "order.updated"


@pytest.mark.parametrize("as_text", [False, True])
def test_a_deliverys_body_is_read_to_the_last_digit(files: Files, as_text: bool) -> None:
    """Written as JSON or as its text."""
    body = '{"id":18446744073709551615,"total_price":"0.10","line_items":[{"price":0.30000000000000000001}]}'
    delivery = f'{{"headers":{{"X-Shopify-Topic":"orders/create"}},"body":{json.dumps(body) if as_text else body}}}'
    (event,) = files.run("normalise", files.write(delivery.encode()))
    assert (event["data"]["id"], event["data"]["total"]) == ("18446744073709551615", "0.10")
    assert event["data"]["items"][0]["price"] == "0.30000000000000000001"


def test_what_the_body_does_not_say_is_taken_from_the_options(files: Files) -> None:
    shop = ("--shop", "northwind", "--domain", DOMAIN, "--currency", "CAD", "--region", "CA")
    when = ("--received-at", "2026-03-02T11:00:00+01:00")
    (product,) = files.run(*SHOPIFY, "products/update", *shop, files.write(shopify_product()))
    assert product["shop"] == "northwind"
    assert product["data"]["currency"] == "CAD"
    assert product["data"]["url"] == f"https://{DOMAIN}/products/jasmine-pearls"
    order = shopify_order(phone="613-555-0142", updated_at=None, processed_at=None, created_at=None)
    (event,) = files.run(*SHOPIFY, "orders/updated", *shop, *when, files.write(order))
    assert (event["who"]["phone"], event["occurred_at"]) == ("+16135550142", "2026-03-02T10:00:00Z")
    box = files.write(woo_order(meta_data=[{"key": "newsletter", "value": "1"}]))
    assert len(files.run(*WOO, "order.created", box)) == 1
    assert len(files.run(*WOO, "order.created", "--consent-key", "newsletter", box)) == 2


def test_equal_input_gives_equal_output(files: Files) -> None:
    arguments = (*SHOPIFY, "orders/create", files.write(shopify_order()))
    assert files.run(*arguments) == files.run(*arguments)


def test_every_script_is_printed_as_it_is(tmp_path: Path) -> None:
    """Also where the terminal says that it knows ASCII only."""
    file = tmp_path / "body.json"
    file.write_text(json.dumps(shopify_order(line_items=[{"title": "茉莉 شاي 🍵\u202e"}])), "utf-8")
    told = subprocess.run(  # noqa: S603 - our own command
        [str(ROOT / "bin/rekindle"), *SHOPIFY, "orders/create", str(file)],
        capture_output=True,
        check=True,
        env={"PATH": os.defpath, "LC_ALL": "C", "PYTHONUTF8": "0"},
        cwd=tmp_path,
    )
    assert json.loads(told.stdout.decode("utf-8"))[0]["data"]["items"][0]["title"] == "茉莉 شاي 🍵"


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"webhook_id=7", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (b'"text"', "no object"),
        (b"{}", "orders/create: the order has no id"),
        (b'{"headers": {}, "body": []}', "no object"),
        (b'{"headers": {}, "body": {}}', "orders/create: the order has no id"),
    ],
)
def test_a_body_that_cannot_be_read_is_one_clear_line(files: Files, content: bytes, why: str) -> None:
    line = files.refuse(*SHOPIFY, "orders/create", files.write(content))
    assert line.startswith("rekindle: ")
    assert why in line


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((*SHOPIFY, "orders/create", "missing.json"), "missing.json"),
        ((*SHOPIFY, "orders/create", "/"), "/"),
        ((*SHOPIFY, "orders/create"), "FILE"),
        (("normalise", "--platform", "magento", "--topic", "x", "-"), "magento"),
        ((*SHOPIFY, "orders/create", "--received-at", "noon", "-"), "noon"),
        (("normalise", "--wat", "-"), "--wat"),
        (("conjure",), "conjure"),
    ],
)
def test_a_call_that_cannot_be_understood_is_one_clear_line(files: Files, arguments: tuple[str, ...], why: str) -> None:
    assert why in files.refuse(*arguments)


def test_a_bare_body_does_not_say_whose_it_is(files: Files) -> None:
    file = files.write(shopify_order())
    assert "--platform" in files.refuse("normalise", "--topic", "orders/create", file)
    assert "--topic" in files.refuse("normalise", "--platform", "shopify", file)
