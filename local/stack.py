"""The real `template.yaml` on the emulator: transform, package, deploy, connect shops, publish content.

What differs from AWS is all in here, and each difference names its reason. Nothing of it is in the template.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import json
import marshal
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local import doors
from local.at_once import at_once
from local.emulator import REGION, Emulator

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).resolve().parent.parent
STACK_NAME = "rekindle-local"

_ARTIFACTS = "rekindle-local-artifacts"
_DEPLOY_SECONDS = 60.0
#: So many copies of a function work on one queue at most: each takes a second of a processor to start.
_COPIES = 3
#: Longer than publish itself may take (template.yaml): a busy machine is slow, and not broken.
_PUBLISH_SECONDS = 150.0
#: Lambda retries an asynchronous invocation twice (template.yaml, FeedbackFunction).
_INVOKE_TRIES = 3
_CONTENT_TYPES = {".html": "text/html", ".txt": "text/plain", ".json": "application/json", ".yaml": "application/yaml"}


class StackError(Exception):
    """The stack could not be deployed, or the content not published; the message says why."""


@dataclass(frozen=True)
class Shop:
    """A shop to connect: what its webhooks are proved with."""

    id: str
    platform: str
    domain: str
    secret: str
    currency: str | None = None
    """of bodies that name none"""
    access: Mapping[str, Any] = field(default_factory=dict)
    """what else its secret holds: what opens its own API, and what it calls consent"""


@dataclass
class Stack:
    """The deployed stack, by the names that the template gives its parts."""

    api_url: str
    endpoint: str
    outputs: dict[str, str]
    functions: dict[str, str]
    """webhook, journey, … → the function's name"""
    tables: dict[str, str]
    """Deliveries, Pending, … → the table's name"""
    queues: dict[str, str]
    """WakeQueue, WakeDeadQueue, … → the queue's URL"""
    dynamodb: DynamoDBClient
    sqs: SQSClient
    s3: S3Client
    scheduler: EventBridgeSchedulerClient
    events: EventBridgeClient
    lambdas: LambdaClient
    secrets: SecretsManagerClient

    @property
    def working_queues(self) -> dict[str, str]:
        """Return the queues on which a message means work under way."""
        return {name: url for name, url in self.queues.items() if not name.endswith("DeadQueue")}

    @property
    def dead_queues(self) -> dict[str, str]:
        """Return the queues on which a message means that something could not be done."""
        return {name: url for name, url in self.queues.items() if name.endswith("DeadQueue")}

    @property
    def schedule_group(self) -> str:
        """Return the group of the profiles' alarm clocks."""
        return self.outputs["ScheduleGroup"]

    @property
    def content_bucket(self) -> str:
        """Return the bucket that marketers upload to."""
        return self.outputs["ContentBucketName"]

    def webhook_url(self, shop: Shop) -> str:
        """Return where this shop's platform posts to."""
        return f"{self.api_url}/webhooks/{shop.platform}/{shop.id}"

    def queue_url(self, arn: str) -> str:
        """Return the URL of the queue with this ARN."""
        name = arn.rpartition(":")[2]
        return next(url for url in self.queues.values() if url.rpartition("/")[2] == name)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Call a function and return its answer. Raises `StackError` when it fails."""
        answer = self.lambdas.invoke(FunctionName=self.functions[function], Payload=json.dumps(payload).encode())
        text = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise StackError(f"{function} failed: {text}")
        return json.loads(text) if text else None

    def put_aws_event(self, event: Mapping[str, Any]) -> None:
        """Take an event of an AWS service to the targets of every rule of ours that it matches.

        EventBridge would do this, but lets nobody publish under `aws.*`. The rules are the deployed ones, and the
        service's own `TestEventPattern` judges them. Raises `StackError` when a target fails three times.
        """
        body = json.dumps(event)
        for pattern, targets in self._rules:
            if not self.events.test_event_pattern(EventPattern=pattern, Event=body)["Result"]:
                continue
            for arn in targets:
                self._hand_to(arn, body)

    def put_notification(self, event: Mapping[str, Any]) -> None:
        """Take what SNS would hand to a function to the one that listens. Raises `StackError` as `put_aws_event`."""
        self._hand_to(f":lambda:{self.functions['feedback']}", json.dumps(event))

    @functools.cached_property
    def _rules(self) -> list[tuple[str, list[str]]]:
        return [
            (
                rule["EventPattern"],
                [target["Arn"] for target in self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]],
            )
            for rule in self.events.list_rules()["Rules"]
            if rule.get("EventPattern")
        ]

    def _hand_to(self, arn: str, body: str) -> None:
        if ":lambda:" not in arn:
            self.sqs.send_message(QueueUrl=self.queue_url(arn), MessageBody=body)
            return
        name = arn.rpartition(":")[2]
        for left in reversed(range(_INVOKE_TRIES)):
            answer = self.lambdas.invoke(FunctionName=name, Payload=body.encode())
            text = answer["Payload"].read().decode()
            if not answer.get("FunctionError"):
                return
            if not left:
                raise StackError(f"{name} failed on an event: {text}")

    def connect(self, shop: Shop, api_url: str) -> None:
        """Store the shop's secrets, as the operator does who connects a shop; `api_url` is where its own API is."""
        secret = {
            "platform": shop.platform,
            "domain": shop.domain,
            "webhook_secrets": [shop.secret],
            "currency": shop.currency,
            "api_url": api_url,
            **shop.access,
        }
        self.secrets.create_secret(
            Name=f"{self.outputs['SecretsPrefix']}/shops/{shop.id}", SecretString=json.dumps(secret)
        )

    def upload(self, files: Mapping[str, bytes]) -> None:
        """Put these under `content/`, as a marketer does."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._put, files.items()))

    def _put(self, file: tuple[str, bytes]) -> None:
        name, content = file
        kind = _CONTENT_TYPES.get(Path(name).suffix, "application/octet-stream")
        self.s3.put_object(Bucket=self.content_bucket, Key=f"content/{name}", Body=content, ContentType=kind)

    def read(self, key: str) -> bytes | None:
        """Return a file of the content bucket, or `None`."""
        try:
            return self.s3.get_object(Bucket=self.content_bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None

    def published(self) -> str | None:
        """Return the hash of the playbook that is live, or `None`."""
        pointer = self.read("playbooks/current.json")
        return None if pointer is None else str(json.loads(pointer)["hash"])

    def await_playbook(self, before: str | None = None) -> str:
        """Return the hash of the playbook that `publish` made of what was uploaded, as soon as it is not `before`.

        Raises `StackError` with publish's own report when it refused the content, or did nothing.
        """
        deadline = time.monotonic() + _PUBLISH_SECONDS
        while time.monotonic() < deadline:
            found = self.published()
            if found is not None and found != before:
                return found
            time.sleep(0.1)
        report = self.read("reports/latest.txt")
        raise StackError(f"the content was not published.\n{report.decode() if report else 'There is no report.'}")

    def dead_letters(self) -> dict[str, list[str]]:
        """Return the bodies of everything that could not be done, by queue."""
        found = {}
        for name, url in self.dead_queues.items():
            messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            bodies = [message["Body"] for message in messages.get("Messages", [])]
            if bodies:
                found[name] = bodies
        return found

    def count(self, table: str) -> int:
        """Return how many items a table holds."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.tables[table], Select="COUNT", ConsistentRead=True
        )
        return sum(page["Count"] for page in pages)


def deploy(
    emulator: Emulator,
    *,
    clock_file: Path,
    services: Mapping[str, str],
    root: Path = ROOT,
    progress: Callable[[str], None] = print,
) -> Stack:
    """Deploy `root`'s template and return the stack. Raises `StackError`.

    `services` are what stands in for what is neither in the emulator nor ours: variable of the functions → address.
    """
    session = boto3.session.Session(region_name=REGION)
    make = functools.partial(
        session.client,
        **emulator.client_settings(),
        config=Config(retries={"total_max_attempts": 2}, max_pool_connections=32, proxies={}),
    )
    s3: S3Client = make("s3")
    cloudformation: CloudFormationClient = make("cloudformation")
    lambdas: LambdaClient = make("lambda")

    s3.create_bucket(Bucket=_ARTIFACTS)
    plain = _packaged(
        root, session=session, s3=s3, endpoint=emulator.url, clock_file=clock_file, services=services, progress=progress
    )

    progress("creating the stack")
    cloudformation.create_stack(StackName=STACK_NAME, **_as_told(emulator.url))
    outputs = _await_stack(cloudformation)
    resources = _resources(cloudformation)
    doors.attach(make("apigatewayv2"), lambdas, plain, {name: physical for name, (_, physical) in resources.items()})
    sqs: SQSClient = make("sqs")
    queues = {name: physical for name, (kind, physical) in resources.items() if kind == "AWS::SQS::Queue"}
    sqs.set_queue_attributes(QueueUrl=queues["PublishQueue"], Attributes={"DelaySeconds": "1"})
    return Stack(
        api_url=outputs["ApiUrl"],
        endpoint=emulator.url,
        outputs=outputs,
        functions={
            name.removesuffix("Function").lower(): physical
            for name, (kind, physical) in resources.items()
            if kind == "AWS::Lambda::Function"
        },
        tables={
            name.removesuffix("Table"): physical
            for name, (kind, physical) in resources.items()
            if kind == "AWS::DynamoDB::Table"
        },
        queues=queues,
        dynamodb=make("dynamodb"),
        sqs=sqs,
        s3=s3,
        scheduler=make("scheduler"),
        events=make("events"),
        lambdas=lambdas,
        secrets=make("secretsmanager"),
    )


def upgrade(
    emulator: Emulator,
    *,
    clock_file: Path,
    services: Mapping[str, str],
    root: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Bring the stack that is deployed to what stands in `root`, while it works. Raises `StackError`."""
    session = boto3.session.Session(region_name=REGION)
    make = functools.partial(session.client, **emulator.client_settings())
    cloudformation: CloudFormationClient = make("cloudformation")
    _packaged(
        root,
        session=session,
        s3=make("s3"),
        endpoint=emulator.url,
        clock_file=clock_file,
        services=services,
        progress=progress,
    )
    progress("updating the stack")
    cloudformation.update_stack(StackName=STACK_NAME, **_as_told(emulator.url))
    _await_stack(cloudformation, "UPDATE_COMPLETE")


def _packaged(
    root: Path,
    *,
    session: boto3.session.Session,
    s3: S3Client,
    endpoint: str,
    clock_file: Path,
    services: Mapping[str, str],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Upload code and template; return the template as plain CloudFormation."""
    progress("packaging the functions and the layer")
    template = _load(root)
    at_once(template, endpoint)
    _package(template, root, s3)
    progress("applying the SAM transform")
    plain = _transformed(template, session)
    _make_local(plain, endpoint, clock_file, services)
    s3.put_object(Bucket=_ARTIFACTS, Key="template.json", Body=json.dumps(plain).encode())
    return plain


def _as_told(endpoint: str) -> dict[str, Any]:
    return {
        "TemplateURL": f"{endpoint}/{_ARTIFACTS}/template.json",
        "Parameters": [
            {"ParameterKey": "Architecture", "ParameterValue": "x86_64"},
            {"ParameterKey": "Sms", "ParameterValue": "on"},
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    }


def content_files(*folders: Path) -> dict[str, bytes]:
    """Return every file under these folders by its path inside, later folders winning."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _load(root: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse((root / "template.yaml").read_text("utf-8"))
    return template


def _package(template: dict[str, Any], root: Path, s3: S3Client) -> None:
    """Zip what the template points at, upload it, and point the template there: what `sam package` does.

    The layer holds Rekindle alone. MiniStack runs functions on this interpreter, whose environment has the rest.
    """
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            content, field = _zipped(root / properties["CodeUri"], ""), "CodeUri"
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            package = root / properties["ContentUri"] / "rekindle"
            content, field = _zipped(package, "python/rekindle/"), "ContentUri"
        else:
            continue
        # By its content, as `sam package` names it: so an update sees what has changed.
        key = f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=_ARTIFACTS, Key=key, Body=content)
        properties[field] = {"Bucket": _ARTIFACTS, "Key": key}


def _zipped(folder: Path, prefix: str) -> bytes:
    if not folder.is_dir():
        raise StackError(f"{folder} is missing")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                # Without the hour at which a file was checked out: the same files are the same archive.
                entry = zipfile.ZipInfo(prefix + path.relative_to(folder).as_posix())
                source = path.read_bytes()
                archive.writestr(entry, source)
                if path.suffix == ".py":
                    compiled = zipfile.ZipInfo(importlib.util.cache_from_source(entry.filename))
                    archive.writestr(compiled, _bytecode(source, entry.filename))
    return buffer.getvalue()


@functools.cache
def _bytecode(source: bytes, file: str) -> bytes:
    """Return what Python keeps of a source (PEP 552), to be trusted unchecked, as `make build` ships it.

    Without it every copy of a function compiles everything again. Remembered, so that the same source stays the same
    archive: what `marshal` writes may differ from call to call.
    """
    code = compile(source, file, "exec", dont_inherit=True)
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


def _transformed(template: dict[str, Any], session: boto3.session.Session) -> dict[str, Any]:
    """Return the template as plain CloudFormation, through AWS's own SAM translator."""
    plain: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(template, {})
    return plain


def _make_local(plain: dict[str, Any], endpoint: str, clock_file: Path, services: Mapping[str, str]) -> None:
    """Give every function what only the local run knows: the endpoints, the clock's offset, where links lead."""
    # The emulator sends no texts, and so has no such resource: the local phones take any name of one.
    del plain["Resources"]["SmsConfigurationSet"]
    for resource in plain["Resources"].values():
        scaling = resource.get("Properties", {}).get("ScalingConfig", {})
        if (copies := scaling.get("MaximumConcurrency")) is not None:
            # Each copy is a process here.
            scaling["MaximumConcurrency"] = min(copies, _COPIES)
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        variables |= {
            "CLOCK_OFFSET_FILE": str(clock_file),
            "AWS_ENDPOINT_URL": endpoint,
            **services,
        }
        if "SMS_CONFIGURATION_SET" in variables:
            variables["SMS_CONFIGURATION_SET"] = f"{STACK_NAME}-texts"
        if "QUIET_SECONDS" in variables:
            # An upload from this machine is over in a moment: no need to wait 20 s until it has been quiet.
            variables["QUIET_SECONDS"] = "1"
        if "HOLD_SECONDS" in variables:
            # Nobody here sweeps through a mail's links: a click need not wait half a minute to be taken for one.
            variables["HOLD_SECONDS"] = "1"


def _await_stack(cloudformation: CloudFormationClient, done: str = "CREATE_COMPLETE") -> dict[str, str]:
    deadline = time.monotonic() + _DEPLOY_SECONDS
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        if stack["StackStatus"] == done:
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if not stack["StackStatus"].endswith("_IN_PROGRESS") or "ROLLBACK" in stack["StackStatus"]:
            events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
            reasons = [
                f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
                for event in events
                if event["ResourceStatus"].endswith("_FAILED")
            ]
            raise StackError(f"the stack ended as {stack['StackStatus']}: {'; '.join(reasons) or stack}")
        time.sleep(0.1)
    raise StackError(f"the stack was not there after {_DEPLOY_SECONDS:.0f} s")


def _resources(cloudformation: CloudFormationClient) -> dict[str, tuple[str, str]]:
    """Return logical name → (type, physical id)."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    return {
        each["LogicalResourceId"]: (each["ResourceType"], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
    }
