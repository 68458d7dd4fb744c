"""`rekindle results`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.cli.main import main
from rekindle.domain.labels import Label
from rekindle.domain.results import Count
from rekindle.ports import Counted
from rekindle.service.library import POINTER
from tests.adapters.test_replay_command import Deployed, deployed
from tests.shops.payloads import SHOP
from tests.support.build import CART, playbook
from tests.support.worlds import START

__all__ = ["deployed"]

DAY = "2026-03-02"


def test_it_shows_tables_json_and_a_page(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    book = playbook(CART)
    book = replace(book, shops={SHOP: replace(book.shops["tea"], id=SHOP)})
    deployed.ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
    deployed.ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash, "published_at": START}))
    mail = Label(DAY, "cart-abandonment", "cart-reminder-1")
    counts = [
        Count(mail, "sent", Decimal(40)),
        Count(mail, "delivered", Decimal(39)),
        Count(mail, "orders", Decimal(3)),
        Count(mail, "revenue:EUR", Decimal("57.00")),
        Count(Label(DAY, "cart-abandonment", "split-1", "split-1=a"), "people", Decimal(20)),
        Count(Label(DAY, "cart-abandonment", "split-1", "split-1=b"), "people", Decimal(20)),
    ]
    deployed.ports.results.add([Counted(mark="m", shop=SHOP, counts=tuple(counts))])
    asked = ["results", "--stack", deployed.stack, "--since", DAY, "--until", DAY]

    assert main(asked) == 0
    table = capsys.readouterr().out
    assert "39 (98 %)" in table
    assert "57.00 EUR" in table
    assert "no winner" in table
    assert main([*asked, "cart-abandonment"]) == 0
    assert "cart-reminder-1" in capsys.readouterr().out
    assert main([*asked, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["figures"]["revenue:EUR"], data["flows"][0]["name"]) == ("57.00", "cart-abandonment")
    page = tmp_path / "results.html"
    assert main([*asked, "--html", str(page)]) == 0
    assert "40 messages brought 57.00 EUR" in page.read_text("utf-8")
    capsys.readouterr()

    for wrong in (["nothing"], ["--days", "3"], ["--shop", "nobody"], ["--until", "2026-03-01"]):
        assert main([*asked, *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["results", "--stack", deployed.stack, "--days", "2"]) == 0
    assert "Nothing was sent" in capsys.readouterr().out
