"""A shop's past on the deployed template: `rekindle import` from its API, applied by journey, and not one mail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from local.shops import BIKES
from local.stack import STACK_NAME
from local.world import World
from rekindle.cli.main import main
from tests.shops.payloads import woo_customer, woo_order
from tests.support.terminal import reach

pytestmark = pytest.mark.xdist_group("e2e-live")

PEOPLE = 12


def test_a_shop_s_past_is_known_and_nobody_gets_a_mail(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each placed an order an hour ago, which is young enough for every flow."""
    reach(monkeypatch, live.emulator.url)
    stamp = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    dates = {f"date_{what}_gmt": stamp for what in ("created", "modified", "paid")}
    for number in range(1, PEOPLE + 1):
        email = f"past-{number}@example.com"
        live.woocommerce.data.put("customers", woo_customer(id=7000 + number, email=email))
        billing = {**woo_order()["billing"], "email": email, "phone": ""}
        order = woo_order(id=8000 + number, customer_id=7000 + number, billing=billing, **dates)
        live.woocommerce.data.put("orders", order)
    command = [
        "import",
        "woocommerce",
        "--stack",
        STACK_NAME,
        "--shop",
        BIKES.id,
        "--what",
        "customers,orders",
        "--json",
    ]

    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["accepted"], told["unusable"]) == (2 * PEOPLE, 0)
    live.runner.wait_until_idle()
    assert live.messages("past-7@example.com") == []
    assert "not_entered: imported" in live.reasons("past-7@example.com")
    assert not [mail for mail in live.ses.mails if "past-" in str(mail.to)]

    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["known_already"] == 2 * PEOPLE
    assert live.stack.dead_letters() == {}
