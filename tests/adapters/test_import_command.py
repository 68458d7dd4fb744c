"""`rekindle import`: over a deployed stack, from a shop's API and from a file (MiniStack)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.woocommerce_api import LocalWooCommerce
from rekindle.cli.main import main
from rekindle.domain.events import Delivery
from rekindle.ports import ShopSecrets
from tests.adapters.test_replay_command import Deployed
from tests.shops.payloads import DOMAIN, SECRET, woo_customer, woo_order
from tests.support.terminal import reach
from tests.support.worlds import AwsPorts

SHOP = "tea"


class Installation(Deployed):
    """A stack with a WooCommerce shop."""

    def imported(self) -> list[Delivery]:
        """Return what imports have left."""
        return [each for each in self.ports.archive.deliveries(SHOP) if each.source == "import"]

    def command(self, kind: str, *arguments: str) -> int:
        """Run the command and return its exit status."""
        return main(["import", kind, *arguments, "--stack", self.stack, "--shop", SHOP])


@pytest.fixture
def api() -> Iterator[LocalWooCommerce]:
    with LocalWooCommerce().running() as running:
        for number in range(1, 121):
            running.data.put("customers", woo_customer(id=number, email=f"c{number}@example.com"))
        billing = {**woo_order()["billing"], "email": "c1@example.com"}
        running.data.put("orders", woo_order(id=9, customer_id=1, billing=billing))
        yield running


@pytest.fixture
def stack(ministack_ports: AwsPorts, api: LocalWooCommerce, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Return a stack that the command finds as it would find AWS."""
    reach(monkeypatch, str(ministack_ports.clients.endpoint_url))
    made = Installation(ministack_ports)
    shop = ShopSecrets(
        shop=SHOP,
        platform="woocommerce",
        domain=DOMAIN,
        webhook_secrets=(SECRET,),
        api_key="ck_local",
        api_secret="cs_local",
        api_url=api.url,
    )
    ministack_ports.connect(shop)
    return made


def test_a_shop_is_imported_once_and_again_nothing_is_written(
    stack: Installation, api: LocalWooCommerce, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.command("woocommerce", "--what", "customers,orders", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["read"] == {"customer.updated": 120, "order.updated": 1}
    assert (told["accepted"], told["known_already"], told["unusable"], told["rejects"]) == (121, 0, 0, [])
    assert told["waiting"] == 120
    before = {delivery.id for delivery in stack.imported()}
    assert len(before) == 120
    assert {event.imported for delivery in stack.imported() for event in delivery.events} == {"silent"}
    assert stack.command("woocommerce", "--what", "customers,orders") == 0
    assert "0 accepted, 121 known already" in capsys.readouterr().out
    assert {delivery.id for delivery in stack.imported()} == before
    assert all("cs_local" not in request.query for request in api.requests)


def test_a_shop_that_goes_down_stops_it_and_the_same_command_goes_on(
    stack: Installation, api: LocalWooCommerce, capsys: pytest.CaptureFixture[str]
) -> None:
    api.plan(None, None, "denied")
    assert stack.command("woocommerce", "--what", "customers", "--gather", "1") == 2
    said = capsys.readouterr().err
    assert "check the key" in said
    assert "100 read; run it again, and it goes on there" in said
    pages = len(api.requests)
    assert stack.command("woocommerce", "--what", "customers", "--gather", "1") == 0
    assert len(api.requests) == pages + 1
    captured = capsys.readouterr()
    assert "goes on after 100" in captured.err
    assert "120 accepted" in captured.out


def test_a_list_is_tried_first_and_what_is_wrong_with_it_stands_in_a_file(
    stack: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("E-post,Förnamn\nann@example.com,Ann\nno address,Bo\nbo@example.com,Bo,Lee\n", encoding="cp1252")
    given = [str(path), "--map", "E-post=email", "--map", "Förnamn=first_name", "--consent", "subscribed"]
    assert stack.command("csv", *given, "--dry-run") == 0
    captured = capsys.readouterr()
    assert "takes E-post → email, Förnamn → first_name" in captured.err
    assert "line 4: it has 3 fields" in captured.out
    assert "nothing was written" in captured.out
    assert "ann" not in captured.out + captured.err.replace("Förnamn", "")
    assert list(tmp_path.iterdir()) == [path]
    assert stack.imported() == []

    assert stack.command("csv", *given, "--consented-at", "2025-01-01") == 0
    assert "1 accepted" in capsys.readouterr().out
    with (tmp_path / "list.csv.rejects.csv").open(newline="", encoding="utf-8") as file:
        assert [row["where"] for row in csv.DictReader(file)] == ["line 4", "line 3"]
    (delivery,) = stack.imported()
    assert [(event.type, event.who.email) for event in delivery.events] == [
        ("traits.changed", "ann@example.com"),
        ("consent.changed", "ann@example.com"),
    ]


def test_pairs_of_columns_can_stand_in_a_file_and_rejects_must_go_somewhere(
    stack: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, pairs = tmp_path / "list.csv", tmp_path / "pairs.txt"
    path.write_text("E-post,Namn\nann@example.com,Ann\nbo@example.com,Bo,Lee\n", encoding="utf-8")
    pairs.write_text("# ours\nE-post = email\n\nNamn=first_name\n", encoding="utf-8")
    assert stack.command("csv", str(path), "--mapping", str(pairs), "--rejects", "/nowhere/else.csv") == 2
    assert "/nowhere/else.csv cannot be written" in capsys.readouterr().err
    assert stack.command("csv", str(path), "--mapping", str(pairs), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["columns"] == {"E-post": "email", "Namn": "first_name"}
    assert (told["accepted"], told["rejects"][0]["where"]) == (1, "line 3")
    pairs.write_text("E-post\n", encoding="utf-8")
    assert stack.command("csv", str(path), "--mapping", str(pairs)) == 2
    assert "E-post is no COLUMN=FIELD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("woocommerce", "--what", "shoes"), "shoes is none of them"),
        (("shopify",), "tea is no Shopify shop: rekindle import woocommerce"),
        (("csv", "/nowhere.csv"), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    stack: Installation, capsys: pytest.CaptureFixture[str], arguments: tuple[Any, ...], says: str
) -> None:
    assert stack.command(*arguments) == 2
    assert says in capsys.readouterr().err
