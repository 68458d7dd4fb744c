"""What a stack used, from CloudWatch's metrics (moto), and what `rekindle cost` says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from moto import mock_aws

from rekindle.aws.clients import Clients
from rekindle.aws.usage import CloudWatchUsage, NoMetricsError, Resource
from rekindle.cli import cost as command
from rekindle.cli.main import main
from rekindle.service.costs import MAILS
from tests.adapters.test_replay_command import Deployed, deployed
from tests.support.worlds import AwsPorts, elsewhere

__all__ = ["deployed"]

NOW = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
YESTERDAY = NOW - timedelta(days=1)
STACK = "rekindle-test"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients(elsewhere())


@pytest.fixture
def resources(clients: Clients) -> list[Resource]:
    """What a small stack is made of, as CloudFormation lists it."""
    ports = AwsPorts(clients, "u")
    iam: Any = clients.session.create_client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName=f"r-{uuid4().hex}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions: Any = clients.session.create_client("lambda")
    functions.create_function(
        FunctionName="u-webhook", Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": b"x"},
        MemorySize=512, Architectures=["arm64"],
    )  # fmt: skip
    clients.secrets.create_secret(Name=f"rekindle/{STACK}/address-key", SecretString="k")
    clients.secrets.create_secret(Name="rekindle/another/address-key", SecretString="k")
    return [
        Resource("WebhookFunction", "AWS::Lambda::Function", "u-webhook"),
        Resource("MessagesTable", "AWS::DynamoDB::Table", ports.installation.tables.messages),
        Resource("WakeQueue", "AWS::SQS::Queue", ports.installation.queue_urls["wake"]),
        Resource("HttpApi", "AWS::ApiGatewayV2::Api", "api1"),
        Resource("AlarmSchedules", "AWS::Scheduler::ScheduleGroup", "u-alarms"),
        Resource("WebhookLog", "AWS::Logs::LogGroup", "/aws/lambda/u-webhook"),
        Resource("WakeDeadAlarm", "AWS::CloudWatch::Alarm", "u-wake"),
        Resource("AlarmTopic", "AWS::SNS::Topic", "u-topic"),
    ]


def told(clients: Clients, namespace: str, metric: str, amount: float, at: datetime = YESTERDAY, **named: Any) -> None:
    cloudwatch: Any = clients.session.create_client("cloudwatch")
    dimensions = [{"Name": name, "Value": value} for name, value in named.items()]
    data = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": at, "Value": amount}
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[data])


def tell_all(clients: Clients) -> None:
    told(clients, "AWS/Lambda", "Invocations", 1_000, FunctionName="u-webhook")
    told(clients, "AWS/Lambda", "Invocations", 500, YESTERDAY - timedelta(days=1), FunctionName="u-webhook")
    told(clients, "AWS/Lambda", "Invocations", 9, NOW, FunctionName="u-webhook")  # today is not over
    told(clients, "AWS/Lambda", "Invocations", 9, FunctionName="somebody-elses")
    told(clients, "AWS/Lambda", "Duration", 40_000, FunctionName="u-webhook")
    told(clients, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", 3_000, TableName="u-messages")
    index: dict[str, Any] = {"TableName": "u-messages", "GlobalSecondaryIndexName": "open"}
    told(clients, "AWS/DynamoDB", "ConsumedWriteCapacityUnits", 700, **index)
    told(clients, "AWS/SQS", "NumberOfEmptyReceives", 600, QueueName="u-wake")
    told(clients, "AWS/ApiGateway", "Count", 1_000, ApiId="api1")
    told(clients, "AWS/Scheduler", "InvocationAttemptCount", 80, ScheduleGroup="u-alarms")
    told(clients, "AWS/Logs", "IncomingBytes", 2**30, LogGroupName="/aws/lambda/u-webhook")
    told(clients, "Rekindle", "MailSent", 200, service=f"{STACK}-send")
    told(clients, "Rekindle", "WebhookAccepted", 900, service=f"{STACK}-webhook")
    told(clients, "Rekindle", "MailSent", 7, service="another-send")
    told(clients, "Rekindle", "MailSent", 7, service=f"{STACK}-two-send")


def test_metrics_of_whole_days_become_what_is_billed(clients: Clients, resources: list[Resource]) -> None:
    tell_all(clients)
    found = CloudWatchUsage(clients).read(STACK, resources, NOW, 3)
    assert {(one.line, one.what): one.amount for one in found.used} == {
        ("lambda_request", "webhook"): 1_500,
        ("lambda_arm64", "webhook"): 20,  # 40 seconds at half a gigabyte
        ("dynamodb_write", "messages"): 3_000,
        ("dynamodb_write", "messages, index open"): 700,
        ("sqs", "wake queue, looked at in vain"): 600,
        ("http_api", "requests"): 1_000,
        ("scheduler", "alarms"): 80,
        ("logs", "webhook"): 1,
        (MAILS, "sent"): 200,
    }
    assert (found.mails, found.events) == (200, 900)
    assert found.days == 3
    months = Decimal(3) / (Decimal(730) / 24)
    standing = {one.line: one.amount for one in found.standing}
    assert (standing["alarms"], standing["secrets"]) == (months, months)
    assert standing["metrics"] == 2 * months
    assert standing["dynamodb_storage"] == 0


def test_a_stack_of_which_nothing_is_known_says_what_to_look_at(clients: Clients, resources: list[Resource]) -> None:
    told(clients, "Rekindle", "MailSent", 7, service="another-send")
    with pytest.raises(NoMetricsError, match=r"no figures of rekindle-test .* its region\? --days looks further back"):
        CloudWatchUsage(clients).read(STACK, resources, NOW, 7)


@pytest.fixture
def stack(clients: Clients, resources: list[Resource], monkeypatch: pytest.MonkeyPatch) -> Clients:
    """The command finds this stack."""
    tell_all(clients)
    monkeypatch.setattr(CloudWatchUsage, "resources", lambda _self, _stack: resources)
    monkeypatch.setattr(command, "Clients", lambda: clients)
    monkeypatch.setattr(command, "read_stack", lambda _clients, _stack: None)
    return clients


def test_the_command_says_what_it_cost_and_of_what(stack: Clients, capsys: pytest.CaptureFixture[str]) -> None:
    del stack
    assert main(["cost", "--stack", STACK, "--days", "3", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    lines = {(line["line"], line["what"]): Decimal(line["cost"]) for line in data["lines"]}
    assert lines["dynamodb_write", "messages"] == Decimal("0.001875")
    assert lines[MAILS, "sent"] == Decimal("0.02")
    assert Decimal(data["cost"]) == sum(lines.values())
    assert Decimal(data["beside_ses"]) == sum(lines.values()) - Decimal("0.02")
    assert Decimal(data["per_thousand_mails"]) == Decimal(data["beside_ses"]) * 5
    assert (data["mails"], data["events"]) == (200, 900)
    assert main(["cost", "--stack", STACK, "--days", "3"]) == 0
    shown = capsys.readouterr().out
    assert "beside SES for each thousand of 900 events" in shown
    assert "metric-months" in shown
    assert "AWS's bill has the last word" in shown


def test_a_growth_lets_grow_what_is_used_and_leaves_what_stands(
    stack: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    del stack
    costs = []
    for factor in ("1", "3"):
        assert main(["cost", "--stack", STACK, "--forecast", f"growth:{factor}", "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        costs.append({(line["line"], line["what"]): Decimal(line["cost"]) for line in data["lines"]})
    once, thrice = costs
    own = "metrics", "functions' own"
    assert float(thrice["http_api", "requests"]) == pytest.approx(3 * float(once["http_api", "requests"]))
    assert float(thrice[own]) == pytest.approx(float(once[own])) == pytest.approx(0.60)


def test_a_month_of_so_many_profiles_needs_no_stack(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["cost", "--profiles", "50000", "--mails-per-profile", "4", "--json"]
    assert main(asked) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["mails"] == 200_000 + 5_000 + 5_000
    assert whole["of_the_ses_price"] > 0
    assert "alarms" in {line["line"] for line in whole["lines"]}
    file = tmp_path / "mine.json"
    file.write_text('{"of": "2026-11-01", "region": "eu-central-1", "currency": "EUR", "discount": "0.5"}', "utf-8")
    assert main([*asked, "--prices", str(file)]) == 0
    mine = json.loads(capsys.readouterr().out)
    assert (mine["currency"], mine["region"], mine["prices_of"]) == ("EUR", "eu-central-1", "2026-11-01")
    assert float(mine["cost"]) == pytest.approx(float(whole["cost"]) / 2)


def test_a_campaign_costs_what_its_plan_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_planned", lambda *_: (1_000, "sale of 2026-12-01T10:00 (tea)"))
    assert main(["cost", "--stack", STACK, "--forecast", "campaign:sale", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["of"], data["mails"]) == ("sale of 2026-12-01T10:00 (tea)", 1_000)
    assert Decimal(data["cost"]) - Decimal(data["beside_ses"]) == Decimal("0.1")


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--stack", STACK, "--forecast", "growth:-1"],
        ["--stack", STACK, "--forecast", "growth:many"],
        ["--stack", STACK, "--forecast", "sale"],
        ["--stack", STACK, "--profiles", "5"],
        ["--profiles", "5", "--prices", "{bad}"],
        ["--stack", STACK, "--days", "0"],
    ],
)
def test_what_cannot_be_done_is_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"of": "yesterday"}', "utf-8")
    assert main(["cost", *(str(bad) if word == "{bad}" else word for word in wrong)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_over_a_deployed_stack_it_reads_what_that_is_made_of(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """On MiniStack, whose metrics nobody has told anything."""
    (found,) = CloudWatchUsage(deployed.ports.clients).resources(deployed.stack)
    assert (found.logical, found.type) == ("Topic", "AWS::SNS::Topic")
    for stack, why in ((deployed.stack, "CloudWatch has no figures"), ("nobodys", "nobodys")):
        assert main(["cost", "--stack", stack]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert why in line
