"""The way back to a version that ran before: what is kept of each deploy, and what is deployed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local import releases

STACK = "rekindle-staging"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def template(*resources: str) -> str:
    """Return a template as `sam deploy` leaves it, short tags and all."""
    kinds = {"Topic": "AWS::SNS::Topic", "Pages": "AWS::S3::Bucket", "Jobs": "AWS::SQS::Queue"}
    made = "".join(f"  {name}:\n    Type: {kinds[name]}\n" for name in ("Topic", *resources))
    return (
        "Parameters:\n  Release: {Type: String}\n  AlarmEmail: {Type: String, Default: ''}\n"
        "  Stage: {Type: String, Default: dev}\n"
        f"Resources:\n{made}Outputs:\n  Version:\n    Value: !Ref Release\n"
    )


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


class CloudFormation:
    """As much of it as is asked: stacks with their template as it was given, their parameters and outputs."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}

    def put(self, name: str, body: str, parameters: dict[str, str], outputs: dict[str, str]) -> None:
        self.stacks[name] = {
            "StackName": name,
            "StackStatus": "UPDATE_COMPLETE",
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            "Body": body,
        }

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - as AWS calls it
        if StackName not in self.stacks:
            told = {"Error": {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}}
            raise ClientError(told, "DescribeStacks")  # type: ignore[arg-type]
        return {"Stacks": [self.stacks[StackName]]}

    def get_template(self, *, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803 - as AWS calls it
        assert TemplateStage == "Original"
        return {"TemplateBody": self.stacks[StackName]["Body"]}


class Account:
    """An account with the SAM CLI's bucket, into which versions are deployed."""

    def __init__(self) -> None:
        self.cloudformation = CloudFormation()
        self.s3 = boto3.client("s3", region_name="us-east-1")
        # Other tests of this process may hold moto open, and what lies in its buckets.
        bucket = f"sam-{uuid4().hex}"
        self.s3.create_bucket(Bucket=bucket)
        self.cloudformation.put("aws-sam-cli-managed-default", "", {}, {"SourceBucket": bucket})
        self.releases = releases.Releases(STACK, self.cloudformation, self.s3)  # type: ignore[arg-type]

    def client(self, name: str, **_: Any) -> Any:
        """Return a client, as a session does."""
        return {"cloudformation": self.cloudformation, "s3": self.s3}[name]

    def deploy(self, version: str, *resources: str, minutes: int, **parameters: str) -> None:
        """Keep what runs and deploy a version, as `make deploy` does."""
        self.releases.keep(at(minutes))
        given = {"Release": version, "Stage": "staging", "AlarmEmail": "", **parameters}
        self.cloudformation.put(STACK, template(*resources), given, {"Version": version})

    def run(self, *arguments: str, folder: Path) -> int:
        """Run the command."""
        session: Any = self
        return releases.main([*arguments, "--stage", "staging"], now=lambda: at(9), folder=folder, session=session)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Account()


def test_a_first_deploy_has_nothing_to_keep(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account.run("keep", folder=tmp_path) == 0
    assert capsys.readouterr().out == f"{STACK} is new\n"
    assert account.run("list", folder=tmp_path) == 0
    assert f"no version of {STACK} was kept yet" in capsys.readouterr().out
    assert account.releases.kept() == []


def test_the_way_back_leads_to_what_ran_before_with_its_parameters(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.deploy("v1", minutes=0, AlarmEmail="ops@example.com")
    account.deploy("v2", "Pages", minutes=1)
    account.deploy("v3", "Pages", "Jobs", minutes=2)
    assert account.run("list", folder=tmp_path) == 0
    assert capsys.readouterr().out == "2026-03-02 09:02:00Z  v2\n2026-03-02 09:01:00Z  v1\n"
    assert account.run("back", "--yes", folder=tmp_path) == 0
    assert capsys.readouterr().out == f"{STACK} goes back to v2, which ran until 2026-03-02 09:02Z\n"
    assert (tmp_path / "template.yaml").read_text() == template("Pages")
    assert account.run("back", "--to", "v1", "--yes", folder=tmp_path) == 0
    assert (tmp_path / "template.yaml").read_text() == template()
    told = 'AlarmEmail="ops@example.com" Release="v1" Stage="staging"'
    assert (tmp_path / "parameters").read_text() == told


def test_whoever_went_back_can_go_forward_again(account: Account) -> None:
    account.deploy("v1", minutes=0)
    account.deploy("v2", "Pages", minutes=1)
    older, left = account.releases.back(at(2))
    assert (older.version, left) == ("v1", ["Pages"])
    account.deploy(older.version, minutes=3)
    newer, left = account.releases.back(at(4))
    assert (newer.version, left) == ("v2", [])


def test_a_parameter_can_be_gone_back_on_and_a_deploy_that_failed_is_no_version(account: Account) -> None:
    account.deploy("v1", minutes=0)
    account.deploy("v1", minutes=1, AlarmEmail="ops@example.com")
    account.releases.keep(at(2))  # and then the deploy failed: the same still runs
    before, _ = account.releases.back(at(3))
    assert (before.version, before.parameters["AlarmEmail"]) == ("v1", "")


def test_a_way_back_that_leaves_data_behind_is_asked_about(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.deploy("v1", minutes=0)
    account.deploy("v2", "Pages", "Jobs", minutes=1)
    assert account.run("back", folder=tmp_path / "back") == 2
    assert "v1 knows nothing of Jobs, Pages" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(("to", "told"), [("", "no earlier version"), ("v9", "no v9")])
def test_where_nothing_was_kept_it_says_what_there_is(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, told: str
) -> None:
    account.deploy("v1", minutes=0)
    assert account.run("back", "--to", to, folder=tmp_path) == 2
    assert f"{told} of {STACK} was kept; there are: none" in capsys.readouterr().err


def test_no_stack_and_no_such_stage_are_one_line(
    account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account.run("back", folder=tmp_path) == 2
    assert capsys.readouterr().err == f"releases: there is no stack {STACK} in this account and region\n"
    session: Any = account
    assert releases.main(["keep", "--stage", "moon"], folder=tmp_path, session=session) == 2
    assert capsys.readouterr().err == "releases: samconfig.toml has no stage moon; it has dev, staging, prod\n"
    assert account.releases.kept() == []
