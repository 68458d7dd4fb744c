"""What watches an installation: dashboard, alarms, runbooks and metrics, all of them as they really are.

A widget that names a metric which nobody counts shows nothing, and an alarm on it never rings: neither is noticed when
it is deployed.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from rekindle.service.notices import NoticeKind
from tests.architecture.template import ROOT, functions, metrics_of, named, queue_sources, resources, template, widgets

ALARMS = resources("AWS::CloudWatch::Alarm")
FUNCTIONS = functions()
QUEUES = resources("AWS::SQS::Queue")
TABLES = resources("AWS::DynamoDB::Table")
STREAMED = sorted(
    name
    for name, properties in FUNCTIONS.items()
    if any(event["Type"] == "DynamoDB" for event in properties["Events"].values())
)

#: namespace → the names of the dimensions of what we look at, and the metrics; AWS's own documentation of each service.
AWS_METRICS: dict[str, tuple[str, set[str]]] = {
    "AWS/ApiGateway": ("ApiId", {"4xx", "5xx", "Latency", "IntegrationLatency", "Count"}),
    "AWS/CertificateManager": ("CertificateArn", {"DaysToExpiry"}),
    "AWS/DynamoDB": ("TableName", {"ReadThrottleEvents", "WriteThrottleEvents"}),
    "AWS/Lambda": ("FunctionName", {"Errors", "Duration", "Invocations", "IteratorAge", "Throttles"}),
    "AWS/SQS": ("QueueName", {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}),
}
#: Those of the whole account: they have no dimension.
OF_THE_ACCOUNT = {
    ("AWS/Lambda", "Throttles"),
    ("AWS/Lambda", "ConcurrentExecutions"),
    ("AWS/SES", "Reputation.BounceRate"),
    ("AWS/SES", "Reputation.ComplaintRate"),
}
#: What a dimension's value must be, by its name.
KINDS = {
    "ApiId": "AWS::Serverless::HttpApi",
    "TableName": "AWS::DynamoDB::Table",
    "FunctionName": "AWS::Serverless::Function",
    "QueueName": "AWS::SQS::Queue",
}


# --- the dashboard ---------------------------------------------------------------------------------------------------


@functools.cache
def shown() -> list[tuple[str, str, dict[str, str]]]:
    """Return namespace, metric and dimensions of everything that the dashboard draws."""
    found = []
    for widget in widgets():
        before: list[str] = []
        for row in widget["properties"].get("metrics", ()):
            if "expression" in row[0]:
                continue
            parts = [part for part in row if isinstance(part, str)]
            before = [before[place] if part == "." else part for place, part in enumerate(parts)]
            found.append((before[0], before[1], dict(zip(before[2::2], before[3::2], strict=True))))
    return found


def test_every_alarm_is_on_the_dashboard() -> None:
    (alarms,) = [widget["properties"]["alarms"] for widget in widgets() if widget["type"] == "alarm"]
    assert sorted(alarms) == sorted(f"${{{name}.Arn}}" for name in ALARMS)


def test_every_widget_says_what_it_shows_and_of_which_region() -> None:
    drawn = [widget for widget in widgets() if widget["type"] == "metric"]
    assert len({widget["properties"]["title"] for widget in drawn}) == len(drawn)
    assert {widget["properties"]["region"] for widget in drawn} == {"${AWS::Region}"}
    assert all(24 % widget["width"] == 0 for widget in widgets())


def test_an_expression_is_made_of_metrics_of_its_widget() -> None:
    for widget in widgets():
        rows = widget["properties"].get("metrics", ())
        ids = {part["id"] for row in rows for part in row if isinstance(part, dict) and "id" in part}
        for row in rows:
            if "expression" in row[0]:
                used = set(re.findall(r"\b[a-z]\w*", row[0]["expression"]))
                assert used
                assert used <= ids


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_that_fails_is_seen(function: str) -> None:
    assert ("AWS/Lambda", "Errors", {"FunctionName": f"${{{function.title()}Function}}"}) in shown()


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_what_waits_on_a_queue_is_seen(queue: str) -> None:
    of = {"QueueName": f"${{{queue}.QueueName}}"}
    assert ("AWS/SQS", "ApproximateNumberOfMessagesVisible", of) in shown()
    if not queue.endswith("DeadQueue"):
        assert ("AWS/SQS", "ApproximateAgeOfOldestMessage", of) in shown()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_that_holds_back_is_seen(table: str) -> None:
    for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
        assert ("AWS/DynamoDB", metric, {"TableName": f"${{{table}}}"}) in shown()


@pytest.mark.parametrize("function", STREAMED)
def test_a_stream_that_is_late_is_seen_and_rings(function: str) -> None:
    assert ("AWS/Lambda", "IteratorAge", {"FunctionName": f"${{{function.title()}Function}}"}) in shown()
    assert alarms_on("IteratorAge", f"{function.title()}Function")


def test_whatever_rings_is_drawn_as_well() -> None:
    drawn = {(namespace, metric) for namespace, metric, _ in shown()}
    by_hand = {
        ("AWS/CertificateManager", "DaysToExpiry"),
        ("AWS/Lambda", "Invocations"),
        ("Rekindle", "SendNotAllowed"),
    }
    ringing = {(one["Namespace"], one["MetricName"]) for alarm in ALARMS.values() for one in metrics_of(alarm)}
    assert ringing - drawn == by_hand


# --- metrics that exist ----------------------------------------------------------------------------------------------


def watched() -> list[tuple[str, str, str, dict[str, str]]]:
    """Return where, namespace, metric and dimensions of all that an alarm or the dashboard looks at."""
    found = [("the dashboard", *each) for each in shown()]
    for name, alarm in ALARMS.items():
        for metric in metrics_of(alarm):
            dimensions = {each["Name"]: as_text(each["Value"]) for each in metric.get("Dimensions", ())}
            if {"Resource", "ExecutedVersion"} <= dimensions.keys():
                # of one version of a function: tests/architecture/test_deploying.py looks at these two
                dimensions = {"FunctionName": dimensions["FunctionName"]}
            found.append((name, metric["Namespace"], metric["MetricName"], dimensions))
    return found


def as_text(value: Any) -> str:
    """Return a dimension's value as `Fn::Sub` writes it."""
    if "Fn::Sub" in value:
        return str(value["Fn::Sub"])
    if "Ref" in value:
        return f"${{{value['Ref']}}}"
    target = value["Fn::GetAtt"]
    return f"${{{target if isinstance(target, str) else '.'.join(target)}}}"


@pytest.mark.parametrize(("where", "namespace", "metric", "dimensions"), [w for w in watched() if w[1] != "Rekindle"])
def test_a_metric_of_awss_that_is_looked_at_exists(
    where: str, namespace: str, metric: str, dimensions: dict[str, str]
) -> None:
    if not dimensions:
        assert (namespace, metric) in OF_THE_ACCOUNT, where
        return
    dimension, metrics = AWS_METRICS[namespace]
    assert metric in metrics, where
    ((name, value),) = dimensions.items()
    assert name == dimension, where
    if name in KINDS:
        logical = re.fullmatch(r"\$\{(\w+)(\.QueueName)?\}", value)
        assert logical, where
        assert template()["Resources"][logical[1]]["Type"] == KINDS[name], where
        assert bool(logical[2]) == (name == "QueueName"), where


@pytest.mark.parametrize(("where", "metric", "dimensions"), [(w[0], *w[2:]) for w in watched() if w[1] == "Rekindle"])
def test_a_metric_of_ours_that_is_looked_at_is_counted(where: str, metric: str, dimensions: dict[str, str]) -> None:
    ((name, value),) = dimensions.items()
    function = value.removeprefix("${AWS::StackName}-")
    assert name == "service"
    assert metric in documented()[function], f"{where}: docs/metrics.md does not say that {function} counts {metric}"


class Counted:
    """The metrics of a function as its `app.py` counts them."""

    def __init__(self, function: str) -> None:
        """Read the source."""
        tree = ast.parse((ROOT / f"functions/{function}/app.py").read_text("utf-8"))
        self.names: set[str] = set()
        self.patterns: list[str] = []
        self.units: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                strings = (each for each in (*node.keys, *node.values) if isinstance(each, ast.Constant))
                self.names |= {str(each.value) for each in strings if _is_name(each.value)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric":
                self._add(node.args[0], ast.unparse(node.args[1]).removeprefix("MetricUnit."))

    def _add(self, name: ast.expr, unit: str) -> None:
        if isinstance(name, ast.JoinedStr):
            parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w*" for part in name.values)
            self.patterns.append("".join(parts))
        for part in ast.walk(name):
            if isinstance(part, ast.Constant) and _is_name(part.value) and not isinstance(name, ast.JoinedStr):
                self.names.add(str(part.value))
                self.units[str(part.value)] = unit


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"([A-Z][a-z]+){2,}|Unsubscribed", value) is not None


@functools.cache
def documented() -> dict[str, dict[str, str]]:
    """Return function → metric → unit, as docs/metrics.md has them."""
    text = (ROOT / "docs/metrics.md").read_text("utf-8")
    found: dict[str, dict[str, str]] = {name: {} for name in FUNCTIONS}
    for function, names, unit in re.findall(r"^\| (\w+) \| ((?:`\w+`,? ?)+) \| ([\w ]+) \|", text, re.MULTILINE):
        found[function] |= dict.fromkeys(re.findall(r"`(\w+)`", names), unit)
    return found


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_metric_is_in_the_docs_and_every_one_in_the_docs_is_counted(function: str) -> None:
    counted, told = Counted(function), documented()[function]
    assert told, "docs/metrics.md does not name it"
    assert counted.names <= told.keys()
    unmade = {name for name in told.keys() - counted.names if not any(re.fullmatch(p, name) for p in counted.patterns)}
    assert unmade == set()
    for pattern in counted.patterns:
        assert any(re.fullmatch(pattern, name) for name in told), pattern


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_metrics_unit_is_the_one_in_the_docs(function: str) -> None:
    units = {"Count": "count", "CountPerSecond": "a second", "Percent": "per cent"}
    for name, unit in Counted(function).units.items():
        assert documented()[function][name] == units[unit]


def test_every_notice_that_ses_can_send_has_its_metric_in_the_docs() -> None:
    assert {f"Notice{kind.title()}" for kind in get_args(NoticeKind)} <= documented()["feedback"].keys()


# --- logs ------------------------------------------------------------------------------------------------------------

SOURCES = sorted([*(ROOT / "functions").glob("*/app.py"), *(ROOT / "layers/core/rekindle").rglob("*.py")])


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield where, and the call, of each line that code of ours writes into a log."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"logger", "_log"}
            ):
                yield f"{source.relative_to(ROOT)}:{node.lineno}", node


def test_what_a_line_of_a_log_says_is_fixed_and_what_it_is_about_stands_in_its_keys() -> None:
    """So it can be searched for, and nothing of a person gets into it by way of a text that is put together."""
    calls = list(log_calls())
    assert len(calls) > 30
    for where, call in calls:
        assert len(call.args) == 1, where
        put_together = [part for part in ast.walk(call.args[0]) if isinstance(part, (ast.JoinedStr, ast.BinOp))]
        assert not put_together, where
        assert {keyword.arg for keyword in call.keywords} <= {"extra", "exc_info"}, where


def test_every_key_of_a_line_is_explained() -> None:
    text = (ROOT / "docs/operating.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`[a-z_]+`,? ?)+)\| ", text.partition("### Logs")[2].partition("\n## ")[0], re.MULTILINE)
    explained = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}
    used = {
        (where, key.value)
        for where, call in log_calls()
        for keyword in call.keywords
        if keyword.arg == "extra"
        for node in ast.walk(keyword.value)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert {(where, key) for where, key in used if key not in explained} == set()


# --- alarms and runbooks ---------------------------------------------------------------------------------------------


def alarms_on(metric: str, resource: str) -> list[str]:
    """Return the alarms on this metric of this resource."""
    return [
        name
        for name, alarm in ALARMS.items()
        if alarm.get("MetricName") == metric
        and any(f"${{{resource}" in as_text(d["Value"]) for d in alarm["Dimensions"])
    ]


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_somebody_is_told_when_what_calls_a_function_gets_nowhere(function: str) -> None:
    """By the way on which it is called: who waits for an answer, a queue, a stream, the clock, an event."""
    name = f"{function.title()}Function"
    dead = {
        queue: QUEUES[queue]["RedrivePolicy"]["deadLetterTargetArn"] for f, queue, _ in queue_sources() if f == function
    }
    for event in FUNCTIONS[function]["Events"].values():
        match event["Type"]:
            case "HttpApi":
                assert alarms_on("5xx", "HttpApi")
            case "SQS":
                queue = named(dead[named(event["Properties"]["Queue"])])
                assert alarms_on("ApproximateNumberOfMessagesVisible", queue)
            case "DynamoDB":
                assert alarms_on("IteratorAge", name)
            case "ScheduleV2":
                assert alarms_on("Errors", name)
            case kind:
                assert kind in ("EventBridgeRule", "SNS")
                parked = named(
                    FUNCTIONS[function]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
                )
                assert alarms_on("ApproximateNumberOfMessagesVisible", parked)


def runbooks() -> dict[str, tuple[str, str]]:
    """Return alarm → the anchor of its runbook and when somebody should get up, as docs/operating.md lists them."""
    text = (ROOT / "docs/operating.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`\w+Alarm`,? ?)+)\| \[[^\]]+\]\(#([\w-]+)\) \| (night|day) \|", text, re.MULTILINE)
    return {alarm: (anchor, when) for names, anchor, when in rows for alarm in re.findall(r"`(\w+)`", names)}


def test_the_list_of_runbooks_names_every_alarm_and_leads_where_the_alarm_leads() -> None:
    led = {name: alarm["AlarmDescription"].partition("docs/operating.md#")[2] for name, alarm in ALARMS.items()}
    assert {name: anchor for name, (anchor, _) in runbooks().items()} == led


def test_the_queues_that_can_be_redriven_are_listed() -> None:
    text = (ROOT / "docs/operating.md").read_text("utf-8")
    listed = re.findall(r"`(\w+)`", text.partition("The queues are ")[2].partition(" for [stuck events]")[0])
    dead = {name.removesuffix("DeadQueue").lower() for name in QUEUES if name.endswith("DeadQueue")}
    assert sorted(listed) == sorted({*dead, "pending"})


def test_who_is_woken_at_night_is_who_the_list_says() -> None:
    urgent = {name for name, alarm in ALARMS.items() if "UrgentTopic" in map(named, alarm["AlarmActions"])}
    assert urgent == {name for name, (_, when) in runbooks().items() if when == "night"}


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_whoever_is_told_of_an_alarm_is_told_of_its_end(alarm: str) -> None:
    assert ALARMS[alarm]["AlarmActions"] == ALARMS[alarm]["OKActions"]
    assert set(map(named, ALARMS[alarm]["AlarmActions"])) <= {"AlarmTopic", "UrgentTopic"}


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_an_alarm_can_ring_and_can_end(alarm: str) -> None:
    """CloudWatch takes a window of a day at most, and only what is told how to treat silence says what it means."""
    properties = ALARMS[alarm]
    parts = [part["MetricStat"] for part in properties.get("Metrics", ()) if "MetricStat" in part] or [properties]
    assert all(part["Period"] * properties["EvaluationPeriods"] <= 86_400 for part in parts)
    assert properties["TreatMissingData"] in {"notBreaching", "breaching", "ignore"}
    assert float(properties["Threshold"]) > 0
