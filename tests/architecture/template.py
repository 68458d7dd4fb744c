"""`template.yaml` as the rules read it: plain data, intrinsics in their long form."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def template() -> dict[str, Any]:
    """Return the whole template."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    return parsed


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return logical name → properties of every resource of this type."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template()["Resources"].items()
        if resource["Type"] == kind
    }


def functions() -> dict[str, dict[str, Any]]:
    """Return webhook, journey … → properties."""
    found = resources("AWS::Serverless::Function")
    return {name.removesuffix("Function").lower(): properties for name, properties in found.items()}


def named(value: Any) -> str:
    """Return the logical name that a `Ref` or a `Fn::GetAtt` is about; what a parameter switches on counts as on."""
    if "Fn::If" in value:
        return named(value["Fn::If"][1])
    if "Ref" in value:
        return str(value["Ref"])
    target = value["Fn::GetAtt"]
    return str(target[0] if isinstance(target, list) else target.split(".")[0])


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm looks at: itself, or the parts of its sum."""
    if "Metrics" not in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def queue_sources() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield function, queue and the event source's properties for every queue that a function reads."""
    for function, properties in functions().items():
        for event in properties["Events"].values():
            if event["Type"] == "SQS":
                yield function, named(event["Properties"]["Queue"]), event["Properties"]


def statements(role: str) -> Iterator[dict[str, Any]]:
    """Yield every statement of a role's policies, actions and resources as lists."""
    for policy in resources("AWS::IAM::Role")[role].get("Policies", []):
        for given in policy["PolicyDocument"]["Statement"]:
            # What a parameter switches on counts as on.
            statement = given["Fn::If"][1] if "Fn::If" in given else given
            yield {**statement, "Action": _listed(statement["Action"]), "Resource": _listed(statement["Resource"])}


def policy_statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every statement of a resource's policy, also those that a condition puts there."""
    found = properties["PolicyDocument"]["Statement"]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in found]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.cache
def widgets() -> list[dict[str, Any]]:
    """Return the dashboard's widgets, with what a parameter switches on."""
    text, values = resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value["Fn::If"][1]["Fn::Sub"])
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found
