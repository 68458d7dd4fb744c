"""`rekindle export` and `rekindle simulate --stack`: what a deployed shop has stored, through what it has published."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from rekindle.cli.main import main
from rekindle.domain.events import Event
from rekindle.service.library import POINTER
from tests.adapters.test_replay_command import Deployed, deployed
from tests.service.test_replay import RECEIVED
from tests.shops.payloads import SHOP
from tests.support.build import CART, playbook
from tests.support.content import few

__all__ = ["deployed"]

SINCE = f"{RECEIVED:%Y-%m-%d}"


def publish(deployed: Deployed) -> None:
    """Publish the cart flow, for the deployed shop."""
    book = playbook(CART, id=SHOP)
    book = msgspec.structs.replace(book, shops={SHOP: book.shops["tea"]})
    deployed.ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
    deployed.ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash}))


def test_stored_events_are_written_one_a_line_in_order(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "events.jsonl"
    assert main(["export", "--stack", deployed.stack, "--shop", SHOP, "--out", str(out)]) == 0
    events = [msgspec.json.decode(line, type=Event) for line in out.read_bytes().splitlines()]
    stored = [event for delivery in deployed.deliveries() for event in delivery.events]
    assert sorted(event.id for event in events) == sorted(event.id for event in stored)
    assert [event.received_at for event in events] == sorted(event.received_at for event in events)
    capsys.readouterr()
    assert main(["export", "--stack", deployed.stack, "--shop", SHOP]) == 0
    assert capsys.readouterr().out == out.read_text("utf-8")


def test_a_draft_is_held_against_what_is_published(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The shop's settings come from what is published, where the folder has none."""
    publish(deployed)
    content = few(tmp_path / "content", "cart-abandonment")
    draft = content / "flows/cart-abandonment.yaml"
    draft.write_text(draft.read_text("utf-8").replace("wait: 1h", "wait: 2h"), "utf-8")
    arguments = ["simulate", "--flow", str(draft), "--content", str(content), "--stack", deployed.stack]
    assert main([*arguments, "--shop", SHOP, "--since", SINCE, "--against", "published", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"]["events"] + told["findings"]["nobody"] == 2
    (change,) = told["changes"]
    assert change["same"] is False
    assert change["before"]["entered"] == change["after"]["entered"]


def test_what_is_not_published_cannot_be_compared(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content = few(tmp_path / "content", "cart-abandonment")
    draft = str(content / "flows/cart-abandonment.yaml")
    arguments = ["simulate", "--flow", draft, "--content", str(content), "--stack", deployed.stack]
    assert main([*arguments, "--shop", SHOP, "--since", SINCE, "--against", "published"]) == 2
    assert "nothing has been published yet" in capsys.readouterr().err
