"""What an operator sees of the deployed template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3.session
import pytest

from local.shops import CUP, TEA, Person, shopify, shopify_order
from local.stack import STACK_NAME
from local.world import World
from rekindle.cli.main import main
from rekindle.service.notices import MESSAGE_TAG
from tests.support.terminal import reach
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-live")

WANDA = Person(402, "Wanda", "Watched", "wanda.watched@example.com", "Hove", "BN3 2FP")


def client(live: World, service: str) -> Any:
    return boto3.session.Session().client(service, **live.emulator.client_settings())  # type: ignore[call-overload]


def test_the_dashboard_names_what_was_deployed(live: World) -> None:
    cloudwatch = client(live, "cloudwatch")
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    body = cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    assert "${" not in body
    alarms = {alarm["AlarmArn"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert set(widgets[0]["properties"]["alarms"]) == alarms
    drawn = {row[3] for widget in widgets for row in widget["properties"].get("metrics", ()) if len(row) >= 4}
    assert set(live.stack.tables.values()) <= drawn


def test_an_alarm_watches_what_its_function_counts(live: World) -> None:
    """Under the very name and dimension: CloudWatch would wait for ever for another one, and say nothing."""
    watched = {
        (alarm["MetricName"], *(each["Value"] for each in alarm["Dimensions"]))
        for alarm in client(live, "cloudwatch").describe_alarms()["MetricAlarms"]
        if alarm["Namespace"] == "Rekindle"
    }
    for function in ("sweep", "mint"):
        live.stack.invoke(function, {})

    def counted() -> set[tuple[str, str]]:
        found = set()
        for line in lines(live):
            for told in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                assert (told["Namespace"], told["Dimensions"]) == ("Rekindle", [["service"]])
                found |= {(metric["Name"], line["service"]) for metric in told["Metrics"]}
        return found

    at_rest = {each for each in watched if each[1].endswith(("-sweep", "-mint")) and each[0] != "CouponWaiting"}
    assert len(at_rest) >= 4
    eventually(lambda: at_rest <= counted(), seconds=60)


def lines(live: World) -> Iterator[dict[str, Any]]:
    """Yield all that the functions have written down as JSON, wherever the emulator keeps it."""
    logs = client(live, "logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    said = live.emulator.log.read_text("utf-8", "replace").splitlines()
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        said += [line for page in pages for event in page["events"] for line in event["message"].splitlines()]
    for line in said:
        start = next((at for at in (line.find('{"level"'), line.find('{"_aws"')) if at >= 0), -1)
        if start >= 0:
            yield json.loads(line[start:])


def test_a_mail_can_be_followed_back_to_its_webhook_by_ids_in_tables_and_logs(
    live: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reach(monkeypatch, live.emulator.url)
    now = live.clock.now()
    assert live.post(TEA, shopify("orders/create", shopify_order(WANDA, [(CUP, 1)], now), now)) == 200
    live.runner.wait_until_idle()
    (mail,) = [each for each in live.ses.mails if each.address == WANDA.email]
    message = mail.tags[MESSAGE_TAG]
    whole = {("webhook", "accepted"), ("journey", "applied"), ("send", "sent"), ("feedback", "delivered")}

    def chained() -> bool:
        """Whether the tables and every function on the way tell of it under the same ids."""
        assert main(["trace", message, "--stack", STACK_NAME, "--logs", "--json"]) == 0
        printed = capsys.readouterr().out
        assert WANDA.email not in printed
        chain = json.loads(printed)
        (delivery,) = [each["id"] for each in chain["deliveries"] if each["topic"] == "orders/create"]
        ids = {"delivery_id": delivery, "message_id": message, "profile_id": chain["profiles"][0]}
        lines = [line["said"] for line in chain["logs"]["lines"]]
        assert all(any(line.get(key) == ids[key] for key in ("delivery_id", "message_id")) for line in lines)
        return whole <= {(line["service"].rpartition("-")[2], line["message"]) for line in lines}

    eventually(chained, seconds=60)
