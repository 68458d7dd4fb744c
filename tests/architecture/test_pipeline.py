"""The pipeline that docs/pipeline shows as an example: it could run, and could do no more than it should."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.releases import stack_of
from tests.architecture.template import ROOT

PIPELINE = ROOT / "docs/pipeline/github-actions.yml"
JOBS: dict[str, Any] = yaml_parse(PIPELINE.read_text("utf-8"))["jobs"]
ROLES: dict[str, Any] = yaml_parse((ROOT / "docs/pipeline/roles.yaml").read_text("utf-8"))
COMMANDS = [(job, step["run"]) for job, told in JOBS.items() for step in told["steps"] if "run" in step]
DEPLOYING = sorted(job for job, told in JOBS.items() if "environment" in told)


@pytest.mark.parametrize(("job", "command"), COMMANDS)
def test_what_a_job_runs_is_a_target_of_the_makefile(job: str, command: str) -> None:
    target, *given = command.removeprefix("make ").split(" ", 1)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), job
    for variable in re.findall(r"([A-Z_]+)=", " ".join(given)):
        assert f"$({variable})" in makefile or f"{variable} ?=" in makefile, variable
    for stage in re.findall(r"STAGE=(\w+)", command):
        assert stack_of(stage) == f"rekindle-{stage}"


def test_prod_comes_after_staging_and_staging_after_the_tests() -> None:
    assert (JOBS["staging"]["needs"], JOBS["prod"]["needs"]) == ("check", "staging")
    assert [JOBS[job]["environment"] for job in ("staging", "prod")] == ["staging", "prod"]
    assert [command for job, command in COMMANDS if job == "check"] == ["make check", "make test"]


@pytest.mark.parametrize("job", DEPLOYING)
def test_every_deploy_is_looked_at(job: str) -> None:
    commands = [command for of, command in COMMANDS if of == job]
    assert commands[-1].startswith("make smoke STAGE=")
    assert all("CONFIRM=no" in command for command in commands[:-1]), "nobody is there to ask"


def test_only_who_deploys_can_prove_to_aws_who_it_is() -> None:
    text = PIPELINE.read_text("utf-8")
    assert yaml_parse(text)["permissions"] == {"contents": "read"}
    assert sorted(job for job, told in JOBS.items() if "id-token" in told.get("permissions", {})) == DEPLOYING
    assert "secrets." not in text
    assert not re.search(r"AKIA|aws-access-key", text)


def test_what_somebody_types_in_cannot_become_a_command() -> None:
    text = PIPELINE.read_text("utf-8")
    inputs = yaml_parse(text)[True]["workflow_dispatch"]["inputs"]  # YAML takes `on` for true
    assert set(re.findall(r"\$\{\{ inputs\.(\w+) \}\}", text)) == inputs.keys()
    assert all(each["type"] == "choice" for each in inputs.values())
    assert "github.event.pull_request" not in text


def test_the_role_is_one_environments_of_one_repository() -> None:
    (trust,) = ROLES["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    asked = trust["Condition"]["StringEquals"]
    assert trust["Condition"].keys() == {"StringEquals"}, "nothing that could match more"
    sub = asked["token.actions.githubusercontent.com:sub"]["Fn::Sub"]
    assert sub == "repo:${Repository}:environment:${Stage}"
    assert asked["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


def test_the_pipeline_reads_nothing_of_any_customer() -> None:
    (policy,) = ROLES["Resources"]["DeployRole"]["Properties"]["Policies"]
    actions = [action for each in policy["PolicyDocument"]["Statement"] for action in _listed(each["Action"])]
    assert {action.partition(":")[0] for action in actions} == {"cloudformation", "s3", "iam"}
    assert not [action for action in actions if "*" in action]
    touched = json.dumps([each["Resource"] for each in policy["PolicyDocument"]["Statement"]])
    assert stack_of("prod").replace("prod", "${Stage}") in touched
    buckets = re.findall(r"s3:::([\w*-]+)", touched)
    assert buckets == ["aws-sam-cli-managed-default-*"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
