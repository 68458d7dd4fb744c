"""The way back: what ran before a deploy is kept, and can be deployed again as it was.

`make deploy` calls `keep` first: it stores the stack's template and parameters, as they run, beside the artifacts that
the template names, in the SAM CLI's bucket. `make rollback` calls `back`: it fetches the newest of these that is not
what runs now. Nothing is built again, so the way back needs neither the old Python nor a package registry.

Nothing here changes a stack: `sam deploy` does that, as always.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from rekindle.aws.stack import StackError, explained

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

#: The stack in which the SAM CLI keeps its bucket (`resolve_s3` in samconfig.toml).
_SAM_STACK = "aws-sam-cli-managed-default"
#: What holds data: if the older version has no such thing, what lies in it stays, and nobody reads it.
_HOLDS_DATA = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SecretsManager::Secret"}
_ROOT = Path(__file__).resolve().parent.parent
_BACK = _ROOT / ".aws-sam" / "back"


class ReleaseError(Exception):
    """There is no way back, or none that is safe; the message says why and what to do."""


class Kept(Struct, frozen=True, kw_only=True):
    """A version as it ran: its name, its template with the addresses of its code, its parameters."""

    version: str
    kept_at: datetime
    template: str
    parameters: dict[str, str]

    def runs_as(self, other: Kept) -> bool:
        """Whether this is the same as another: then going from one to the other changes nothing."""
        return (self.template, self.parameters) == (other.template, other.parameters)


class Releases:
    """The versions of one stack that were kept."""

    def __init__(self, stack: str, cloudformation: CloudFormationClient, s3: S3Client) -> None:
        self._stack = stack
        self._cloudformation = cloudformation
        self._s3 = s3

    def running(self, now: datetime) -> Kept | None:
        """Return what runs now, or `None` where there is no such stack yet."""
        described = self._described(self._stack)
        if described is None or described["StackStatus"] in {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}:
            return None
        template: Any = self._cloudformation.get_template(StackName=self._stack, TemplateStage="Original")
        body = template["TemplateBody"]
        return Kept(
            version=_outputs(described).get("Version", ""),
            kept_at=now,
            template=body if isinstance(body, str) else json.dumps(body),
            parameters={each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", ())},
        )

    def keep(self, now: datetime) -> Kept | None:
        """Store what runs now; return it. Without a stack, or without SAM's bucket, there is nothing to go back to."""
        running, bucket = self.running(now), self._bucket()
        if running is None or bucket is None:
            return None
        name = f"{self._prefix}{now:%Y-%m-%dT%H-%M-%SZ}-{running.version or 'unnamed'}.json"
        self._s3.put_object(Bucket=bucket, Key=name, Body=msgspec.json.encode(running), ContentType="application/json")
        return running

    def kept(self) -> list[Kept]:
        """Return every version that was kept, the newest first."""
        bucket = self._bucket()
        if bucket is None:
            return []
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self._prefix)
        keys = sorted((each["Key"] for page in pages for each in page.get("Contents", ())), reverse=True)
        return [
            msgspec.json.decode(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read(), type=Kept) for key in keys
        ]

    def back(self, now: datetime, to: str = "") -> tuple[Kept, list[str]]:
        """Return the version to go back to, and what of the running one has data and is not in it.

        That is the newest that was kept and is not what runs; `to` names another. Raises `ReleaseError`.
        """
        running = self.running(now)
        if running is None:
            raise ReleaseError(f"there is no stack {self._stack} in this account and region")
        found = [one for one in self.kept() if (one.version == to if to else not one.runs_as(running))]
        if not found:
            names = ", ".join(dict.fromkeys(one.version or "unnamed" for one in self.kept())) or "none"
            raise ReleaseError(f"no {to or 'earlier version'} of {self._stack} was kept; there are: {names}")
        return found[0], sorted(_holding(running.template) - _holding(found[0].template))

    @property
    def _prefix(self) -> str:
        return f"releases/{self._stack}/"

    def _bucket(self) -> str | None:
        described = self._described(_SAM_STACK)
        return None if described is None else _outputs(described).get("SourceBucket")

    def _described(self, stack: str) -> dict[str, Any] | None:
        try:
            (found,) = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        described: Any = found
        return dict(described)


def _outputs(described: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}


def _holding(template: str) -> set[str]:
    """Return the logical names of what holds data in a template."""
    resources = yaml_parse(template)["Resources"]
    return {name for name, resource in resources.items() if resource["Type"] in _HOLDS_DATA}


def stack_of(stage: str, config: Path = _ROOT / "samconfig.toml") -> str:
    """Return the name of a stage's stack. Raises `ReleaseError` for a stage that samconfig.toml does not have."""
    stages = tomllib.loads(config.read_text("utf-8"))
    try:
        name: str = stages[stage]["deploy"]["parameters"]["stack_name"]
    except KeyError as error:
        known = ", ".join(stage for stage, told in stages.items() if isinstance(told, dict) and "deploy" in told)
        raise ReleaseError(f"samconfig.toml has no stage {stage}; it has {known}") from error
    return name


def main(
    arguments: Sequence[str],
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    folder: Path = _BACK,
    session: Session | None = None,
) -> int:
    """Run a command; return its exit status: 0 done, 2 it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m local.releases", description=__doc__)
    parser.add_argument("command", choices=("keep", "list", "back"))
    parser.add_argument("--stage", required=True, help="dev, staging or prod, as in samconfig.toml")
    parser.add_argument("--to", default="", help="the version to go back to (default: the one that ran before)")
    parser.add_argument("--yes", action="store_true", help="go back also where that leaves data behind")
    chosen = parser.parse_args(arguments)
    try:
        stack = stack_of(chosen.stage)
        with explained():
            session, config = session or boto3.session.Session(), Config(retries={"mode": "standard"})
            cloudformation = session.client("cloudformation", config=config)
            releases = Releases(stack, cloudformation, session.client("s3", config=config))
            match chosen.command:
                case "keep":
                    kept = releases.keep(now())
                    print(f"{stack} runs {kept.version or 'an unnamed version'}: kept" if kept else f"{stack} is new")
                case "list":
                    _list(releases, stack)
                case _:
                    _prepare(*releases.back(now(), chosen.to), stack=stack, yes=chosen.yes, folder=folder)
    except (ReleaseError, StackError) as error:
        print(f"releases: {error}", file=sys.stderr)
        return 2
    return 0


def _list(releases: Releases, stack: str) -> None:
    """Print what was kept."""
    found = releases.kept()
    if not found:
        print(f"no version of {stack} was kept yet: each deploy keeps what ran before it")
    for one in found:
        print(f"{one.kept_at:%Y-%m-%d %H:%M:%SZ}  {one.version or 'unnamed'}")


def _prepare(kept: Kept, left: Sequence[str], *, stack: str, yes: bool, folder: Path) -> None:
    """Put template and parameters where `make rollback` finds them. Raises `ReleaseError` where data is left behind."""
    if left and not yes:
        raise ReleaseError(
            f"{kept.version or 'that version'} knows nothing of {', '.join(left)}: what is in there stays, but no "
            f"later version of {stack} will find it again by itself (docs/operating.md#going-back). "
            "If that is meant: make rollback … YES=1"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "template.yaml").write_text(kept.template, "utf-8")
    given = [f'{name}="{value}"' for name, value in sorted(kept.parameters.items()) if value]
    (folder / "parameters").write_text(" ".join(given), "utf-8")
    print(
        f"{stack} goes back to {kept.version or 'an unnamed version'}, which ran until {kept.kept_at:%Y-%m-%d %H:%MZ}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
