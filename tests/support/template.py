"""The tables of the real `template.yaml`, so that what is tested has the keys and indexes that are deployed."""

from __future__ import annotations

from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from tests.support.build import ROOT

_CREATE = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Return table (`deliveries`, `pending` …) → the properties that the template gives it."""
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    return {
        name.removesuffix("Table").lower(): resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


def create_table(table: str, name: str) -> dict[str, Any]:
    """Return the arguments of CreateTable for one of them, under another name."""
    properties = tables()[table]
    arguments = {key: properties[key] for key in _CREATE if key in properties}
    if stream := properties.get("StreamSpecification"):
        arguments["StreamSpecification"] = {**stream, "StreamEnabled": True}
    return {**arguments, "TableName": name}
