"""How a new version takes over, and what an update may do to what is stored (docs/operating.md#upgrading)."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from local.at_once import at_once
from tests.architecture.template import ROOT, functions, metrics_of, named, resources, template

FUNCTIONS = functions()
#: Whoever waits for an answer, and those whose mistakes nobody can take back: what they do to customers.
WAITED_FOR = {name for name, one in FUNCTIONS.items() if any(e["Type"] == "HttpApi" for e in one["Events"].values())}
SHIFTED = (WAITED_FOR - {"assets"}) | {"journey", "send"}
"""assets reads files that never change, and a picture that fails is asked for again"""


def deployed(layer: str, *, plain: bool = False) -> dict[str, Any]:
    """Return the resources that AWS makes of the template with this layer, by the translator that AWS uses."""
    given = copy.deepcopy(template())
    if plain:
        at_once(given, "http://emulator.example")
    for name, resource in given["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": name}
    given["Resources"]["CoreLayer"]["Properties"]["ContentUri"] = f"s3://artifacts/{layer}"
    session = boto3.session.Session(region_name="eu-west-1")
    made: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(given, {"Stage": "prod"})
    return dict(made["Resources"])


def of_kind(made: dict[str, Any], kind: str) -> set[str]:
    """Return the logical names of this type."""
    return {name for name, resource in made.items() if resource["Type"] == kind}


def test_what_people_wait_for_and_what_acts_on_customers_changes_by_and_by() -> None:
    assert {name for name, one in FUNCTIONS.items() if "AutoPublishAlias" in one} == SHIFTED
    for name in SHIFTED:
        preference = FUNCTIONS[name]["DeploymentPreference"]
        assert preference["Type"] == {"Fn::If": ["IsProd", "Canary10Percent10Minutes", "AllAtOnce"]}, name
        alarms = list(map(named, preference["Alarms"]["Fn::If"][1]))
        assert alarms == ["NewVersionAlarm", "RolloutAlarm"], name


def test_new_code_is_a_new_version_of_every_function_that_has_versions() -> None:
    """The code is in the layer: SAM makes a new version for that only where it is told to, twice."""
    one, other = (of_kind(deployed(layer), "AWS::Lambda::Version") for layer in ("one", "two"))
    assert len(one) == len(SHIFTED)
    assert not one & other
    assert of_kind(deployed("one"), "AWS::Lambda::Version") == one, "the same code is no new version"


def test_everything_that_calls_a_function_with_versions_calls_its_alias() -> None:
    made = deployed("one")
    aliases = {named(made[name]["Properties"]["FunctionName"]) for name in of_kind(made, "AWS::Lambda::Alias")}
    assert {name.removesuffix("Function").lower() for name in aliases} == SHIFTED
    for name in of_kind(made, "AWS::Lambda::EventSourceMapping") | of_kind(made, "AWS::Lambda::Permission"):
        assert named(made[name]["Properties"]["FunctionName"]) not in aliases, name
    for path, operations in made["HttpApi"]["Properties"]["Body"]["paths"].items():
        for operation in operations.values():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            assert not any(f"${{{name}.Arn}}" in uri for name in aliases), path


def test_the_stack_stays_within_what_aws_takes() -> None:
    """No emulator counts (CloudFormation, IAM, Lambda and CloudWatch: quotas); here there is room to grow."""
    made = deployed("one")
    assert len(made) <= 450, "of 500 resources"
    assert len(template()["Outputs"]) <= 180, "of 200 outputs"
    assert len(json.dumps(made)) <= 800_000, "of a megabyte of template"
    for name, resource in made.items():
        properties = _resolved(resource.get("Properties", {}))
        match resource["Type"]:
            case "AWS::IAM::Role":
                policies = [each["PolicyDocument"] for each in properties.get("Policies", [])]
                size = sum(len(json.dumps(policy, separators=(",", ":"))) for policy in policies)
                assert size <= 9_000, f"{name}: of 10,240 characters of inline policies"
            case "AWS::Lambda::Function":
                variables = properties["Environment"]["Variables"].items()
                size = sum(len(key) + len(str(value)) for key, value in variables)
                assert size <= 3_500, f"{name}: of 4 KB of environment"
            case "AWS::CloudWatch::Alarm":
                assert len(properties.get("Metrics", ())) <= 10, f"{name}: of 10 metrics in an alarm"
            case _:
                pass


def _resolved(value: Any) -> Any:
    """Return a value with names and ARNs about as long as they get, in the place of what AWS fills in."""
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("Fn::If", [_, on, _])]:
            return _resolved(on)
        case [("Fn::Sub", [str(text), _] | str(text))]:
            return re.sub(r"\$\{([^}]+)\}", lambda one: "x" * (100 if one[1].endswith("Arn") else 40), text)
        case [("Ref" | "Fn::GetAtt", _)]:
            return "x" * 100
    return {key: _resolved(each) for key, each in value.items()}


def test_where_there_is_no_codedeploy_nothing_asks_for_it() -> None:
    made = deployed("one", plain=True)
    assert not [one["Type"] for one in made.values() if "CodeDeploy" in one["Type"]]
    assert not of_kind(made, "AWS::Lambda::Alias")
    for name in of_kind(made, "AWS::Lambda::EventSourceMapping"):
        source = made[name]["Properties"]
        copies = source.get("ScalingConfig", {}).get("MaximumConcurrency", 1), source.get("ParallelizationFactor", 1)
        assert all(isinstance(each, int) for each in copies), name
    waits = {name: one["DependsOn"] for name, one in made.items() if "DependsOn" in one}
    assert {"FeedbackTopicPolicy"} <= {
        each for names in waits.values() for each in ([names] if isinstance(names, str) else names)
    }
    named_by = json.dumps(made)
    assert not re.findall(r"Aliaslive|NewVersionAlarm|RolloutAlarm|\.Version", named_by)
    assert made.keys() > template()["Resources"].keys() - {"NewVersionAlarm", "RolloutAlarm", "CoreLayer"}


def test_the_alarm_on_the_new_version_watches_the_new_version_of_each() -> None:
    alarm = resources("AWS::CloudWatch::Alarm")["NewVersionAlarm"]
    watched = {}
    for metric in metrics_of(alarm):
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        function = named(dimensions["FunctionName"])
        assert dimensions["Resource"] == {"Fn::Sub": f"${{{function}}}:live"}
        assert dimensions["ExecutedVersion"] == {"Fn::GetAtt": [function, "Version.Version"]}
        watched[function.removesuffix("Function").lower()] = metric["MetricName"]
    assert watched == dict.fromkeys(SHIFTED, "Errors")
    assert len(alarm["Metrics"]) <= 10, "an alarm looks at ten metrics at most"


def test_what_stops_a_new_version_is_quicker_than_the_shift() -> None:
    for name in ("NewVersionAlarm", "RolloutAlarm"):
        alarm = resources("AWS::CloudWatch::Alarm")[name]
        periods = {part["MetricStat"]["Period"] for part in alarm["Metrics"] if "MetricStat" in part}
        assert max(periods) * alarm["EvaluationPeriods"] <= 300, name


def test_who_makes_playbooks_is_new_only_when_all_are_who_read_them() -> None:
    readers = {name for name in SHIFTED if "CONTENT_BUCKET" in FUNCTIONS[name]["Environment"]["Variables"]}
    waits = template()["Resources"]["PublishFunction"]["DependsOn"]
    assert set(waits) == {f"{name.title()}FunctionAliaslive" for name in readers}


def test_who_starts_passes_is_new_only_when_all_of_journey_is() -> None:
    """A new version may see another shape in a playbook: whom the old one tells would keep the old shape."""
    starters = {name for name, one in FUNCTIONS.items() if "FANOUT_SHARDS" in one["Environment"]["Variables"]}
    assert starters == {"publish", "campaign"}
    for name in starters:
        waits = template()["Resources"][f"{name.title()}Function"]["DependsOn"]
        assert "JourneyFunctionAliaslive" in waits, name


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"])
def test_what_holds_data_can_be_replaced_beside_what_it_replaces(kind: str) -> None:
    """A name of its own would make CloudFormation fail half-way, and two stacks of one account fight."""
    for name, properties in resources(kind).items():
        assert not {"TableName", "BucketName", "QueueName"} & properties.keys(), name


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket"])
def test_what_an_update_replaces_is_kept_all_the_same(kind: str) -> None:
    for name in resources(kind):
        resource = template()["Resources"][name]
        assert resource["UpdateReplacePolicy"] == "Retain", name
        assert resource["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}, name


def test_every_stage_deploys_into_a_stack_of_its_own_and_prod_asks() -> None:
    stages = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    stages.pop("version")
    stages.pop("default")
    told = {stage: config["deploy"]["parameters"] for stage, config in stages.items()}
    assert told.keys() == {"dev", "staging", "prod"}
    for stage, parameters in told.items():
        assert parameters["stack_name"] == f"rekindle-{stage}"
        assert f"Stage={stage}" in parameters["parameter_overrides"]
        assert parameters["confirm_changeset"] is (stage == "prod")
