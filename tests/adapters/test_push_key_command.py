"""`rekindle push-key`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import pytest

from rekindle.cli.main import main
from rekindle.content.sources import parse_shop
from rekindle.outside.webpush import public_key
from tests.adapters.test_replay_command import Deployed, deployed

__all__ = ["deployed"]

SHOP = """
name: Tea
platform: shopify
url: https://tea.example
sender: {{name: Tea, email: hello@tea.example}}
postal_address: 1 Leaf Lane
currency: EUR
locale: en
zone: Europe/Amsterdam
site: {{push: {{key: {key}}}}}
"""


def test_it_prints_the_key_that_send_signs_with_as_the_shops_file_wants_it(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push-key", "--stack", deployed.stack]) == 0
    key = capsys.readouterr().out.strip()
    assert key == public_key(deployed.ports.secrets.push_secret())
    shop, problems = parse_shop(SHOP.format(key=key), file="shops/tea.yaml")
    assert (problems, shop.push_key if shop is not None else "") == ((), key)
    assert parse_shop(SHOP.format(key=key[:-1]), file="shops/tea.yaml")[0] is None


@pytest.mark.usefixtures("deployed")
def test_a_stack_that_there_is_not_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push-key", "--stack", "no-such-stack"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
