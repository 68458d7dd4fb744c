"""`rekindle trace`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json

import pytest

from rekindle.cli.main import main
from tests.adapters.test_replay_command import Deployed, deployed

__all__ = ["deployed"]


def test_it_shows_the_chain_and_how_to_find_it_in_the_logs(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery = deployed.deliveries()[0]
    assert main(["trace", delivery.id, "--stack", deployed.stack]) == 0
    shown = capsys.readouterr().out
    assert f"accepted  shopify {delivery.topic}" in shown
    assert f"| filter @message like /{delivery.id}/" in shown
    assert main(["trace", delivery.id, "--stack", deployed.stack, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in told["deliveries"]] == [delivery.id]
    assert told["logs"]["groups"] == f"/aws/lambda/{deployed.stack}-"
    assert told["messages"] == []


def test_an_id_that_nobody_knows_is_one_line_and_exit_2(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "f" * 32, "--stack", deployed.stack]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
