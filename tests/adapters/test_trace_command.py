"""`rekindle trace`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

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


def test_no_id_is_one_line_and_exit_2(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", " ", "--stack", deployed.stack]) == 2
    assert "name a delivery or a message" in capsys.readouterr().err


def test_logs_that_are_not_there_are_one_line_and_exit_2(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery = deployed.deliveries()[0]
    assert main(["trace", delivery.id, "--stack", deployed.stack, "--logs"]) == 2
    assert "no log group" in capsys.readouterr().err


def test_what_the_logs_say_is_shown_oldest_first_and_nothing_of_others(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery, other = (each.id for each in deployed.deliveries())
    clients = deployed.ports.clients
    logs: Any = clients.session.create_client("logs", endpoint_url=clients.endpoint_url)
    at = int(deployed.deliveries()[0].received_at.timestamp() * 1000)
    written = (
        ("journey", "applied", delivery, 2),
        ("webhook", "accepted", delivery, 1),
        ("webhook", "accepted", other, 0),
        ("two-webhook", "of the stack beside", delivery, 0),
    )
    for function, message, about, second in written:
        group = f"/aws/lambda/{deployed.stack}-{function}"
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="s")
        line = json.dumps({"level": "INFO", "message": message, "service": f"x-{function}", "delivery_id": about})
        event = {"timestamp": at + second * 1000, "message": line}
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
    assert main(["trace", delivery, "--stack", deployed.stack, "--logs"]) == 0
    shown = capsys.readouterr().out.partition("In the logs")[2].splitlines()[1:]
    assert [line.split()[2:4] for line in shown] == [["webhook", "accepted"], ["journey", "applied"]]
    assert all(f"delivery_id={delivery}" in line for line in shown)


def test_logs_of_a_local_run_are_found_though_its_clock_has_moved_ahead(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    delivery = deployed.deliveries()[1]
    ahead = timedelta(days=3)
    (tmp_path / "offset").write_text(str(ahead.total_seconds()))
    monkeypatch.setenv("CLOCK_OFFSET_FILE", str(tmp_path / "offset"))
    clients = deployed.ports.clients
    logs: Any = clients.session.create_client("logs", endpoint_url=clients.endpoint_url)
    group = f"/aws/lambda/{deployed.stack}-clocked"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    line = json.dumps({"level": "INFO", "message": "then", "service": "x-clocked", "delivery_id": delivery.id})
    event = {"timestamp": int((delivery.received_at - ahead).timestamp() * 1000), "message": line}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
    assert main(["trace", delivery.id, "--stack", deployed.stack, "--logs"]) == 0
    assert "clocked   then" in capsys.readouterr().out
