"""What an operator sees of the deployed template."""

from __future__ import annotations

import json

import boto3.session
import pytest

from local.world import World

pytestmark = pytest.mark.xdist_group("e2e-live")


def test_the_dashboard_names_what_was_deployed(live: World) -> None:
    session = boto3.session.Session()
    cloudwatch = session.client("cloudwatch", **live.emulator.client_settings())  # type: ignore[call-overload]
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    body = cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    assert "${" not in body
    alarms = {alarm["AlarmArn"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert set(widgets[0]["properties"]["alarms"]) == alarms
    drawn = {row[3] for widget in widgets for row in widget["properties"].get("metrics", ()) if len(row) >= 4}
    assert set(live.stack.tables.values()) <= drawn
