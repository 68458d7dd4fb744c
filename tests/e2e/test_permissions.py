"""Each function does its work with the rights that the template gives it, and leaves nobody's particulars behind.

The demo's day, an upload, a campaign and a customer's privacy requests, on the deployed template with `AUTH=true`:
the emulator then checks every call against the calling function's own role. SES is the local one, which checks
nothing: what `send` may do there is in tests/architecture/test_permissions.py alone.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

import local.world
from local.demo import Day, judge, opening, play
from local.emulator import Emulator, emulator
from local.shops import BIKES, TEA, shopify
from local.stack import ROOT, StackError
from local.timeline import Timeline
from local.world import World, world
from tests.e2e.test_everybody import LETTER
from tests.e2e.test_preferences import browse
from tests.e2e.test_site import visit
from tests.support import needles, shopify_nodes
from tests.support.content import demo_content
from tests.support.needles import NEEDLES, anywhere
from tests.support.pictures import svg
from tests.support.template import tables
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-permissions")

#: What the emulator asks for in place of, or beside, what AWS asks for. IAM has no actions of these names: a batch is
#: allowed by the right to its single call (SQS developer guide, API permissions).
_BATCHES = {"sqs:SendMessage": "sqs:SendMessageBatch", "sqs:DeleteMessage": "sqs:DeleteMessageBatch"}


GUEST = "gina.guest@example.com"
CAMPAIGN = {
    "segments/buyers.yaml": b"when: profile.orders > 0\n",
    "flows/letter.yaml": (
        b"enabled: on\ntrigger:\n  schedule: {cron: '0 10 * * *', segment: buyers}\nsteps:\n  - email: letter\n"
    ),
}


PICTURE = {
    "assets/dot.svg": svg(),
    "emails/letter/body.html": LETTER["emails/letter/body.html"].replace(
        b"<p>", b'<p><img src="assets/dot.svg" alt="" width="4">'
    ),
}


def denials(log: str) -> list[str]:
    """Return every refusal that the emulator or a function told of."""
    return sorted({line for line in log.splitlines() if "not authorized to perform" in line or "AccessDenied" in line})


def everything_said(there: World) -> str:
    """Return all that the functions and the emulator printed: some of it is in its log, some in CloudWatch's."""
    logs = boto3.session.Session().client("logs", **there.emulator.client_settings())  # type: ignore[call-overload]
    said = [there.emulator.log.read_text("utf-8", "replace")]
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        said += [event["message"] for page in pages for event in page["events"]]
    return "\n".join(said)


def for_the_emulator(folder: Path) -> Path:
    """Return a root whose template says what the real one says, in the emulator's terms.

    It speaks HTTP, so the statements that refuse everything without TLS go; it looks for every schedule in the default
    group; and it takes batches for actions of their own.
    """
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    for name, resource in list(template["Resources"].items()):
        properties = resource.get("Properties", {})
        if resource["Type"] in {"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"}:
            document = properties["PolicyDocument"]
            document["Statement"] = [each for each in document["Statement"] if each.get("Sid") != "TlsOnly"]
            if not document["Statement"]:
                del template["Resources"][name]
        elif resource["Type"] == "AWS::IAM::Role":
            for policy in properties["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    _translate(statement["Fn::If"][1] if "Fn::If" in statement else statement)
    (folder / "template.yaml").write_text(json.dumps(template, default=str), encoding="utf-8")
    for shared in ("functions", "layers", "templates"):
        (folder / shared).symlink_to(ROOT / shared)
    return folder


def _translate(statement: dict[str, Any]) -> None:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    statement["Action"] = actions + [_BATCHES[action] for action in actions if action in _BATCHES]
    if "scheduler:CreateSchedule" in actions:
        ours = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/default/*"
        statement["Resource"] = [statement["Resource"], {"Fn::Sub": ours}]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Play everything once, on a stack that checks who may do what."""

    @contextlib.contextmanager
    def checking(port: int | None) -> Iterator[Emulator]:
        with emulator(port, environment={"AUTH": "true"}) as running:
            yield running

    first_day = opening(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local.world, "emulator", checking)
        root = for_the_emulator(tmp_path_factory.mktemp("root"))
        content = demo_content()
        with world(port=None, start=first_day + timedelta(hours=8), content=content, root=root) as there:
            day = Day(there, Timeline(Console(quiet=True)), first_day)
            play(day)
            yield day


@pytest.fixture(scope="module")
def there(day: Day) -> World:
    """Return the stack after everything else that functions do has been done on it, too."""
    there = day.world
    before = there.stack.published()
    there.stack.upload(LETTER | CAMPAIGN | PICTURE)
    there.stack.await_playbook(before)
    at = there.clock.now()
    for topic, body in (
        ("checkouts/create", needles.checkout_body((at - timedelta(minutes=30)).isoformat())),
        ("orders/create", needles.order_body(at.isoformat())),
    ):
        assert there.post(TEA, shopify(topic, body, there.clock.now())) == 200
    there.runner.run_until(at + timedelta(days=2))
    there.runner.wait_until_idle()
    customer = {"id": 4_711_001, "email": NEEDLES["email"], "phone": NEEDLES["phone"]}
    asked = {"shop_id": 1, "shop_domain": TEA.domain, "customer": customer}
    for topic, more in (
        ("customers/data_request", {"orders_requested": [880_001], "data_request": {"id": 1}}),
        ("customers/redact", {"orders_to_redact": [880_001]}),
    ):
        assert there.post(TEA, shopify(topic, asked | more, there.clock.now())) == 200
        there.runner.wait_until_idle()
    assert visit(there, {"type": "product.viewed", "id": "1", "seconds": 5}) == 204
    assert (
        browse(f"{there.stack.api_url}/sign-up/{BIKES.id}/newsletter", [("email", GUEST), ("shown_in", "en")])[0] == 200
    )
    there.runner.wait_until_idle()
    (asked_back,) = [mail.html for mail in there.ses.mails if mail.address == GUEST]
    assert browse(html.unescape(re.findall(r'href="(https?://[^"]+/confirm/[^"]+)"', asked_back)[0]), [])[0] == 200
    there.runner.wait_until_idle()
    (page, *_) = (
        found for mail in there.ses.mails for found in re.findall(r'href="(https?://[^"]+/p/[^"]+)"', mail.html)
    )
    assert browse(html.unescape(page), [("act", "save")])[0] == 200
    letter = next(mail.html for mail in there.ses.mails if mail.subject == "letter")
    assert browse(re.findall(r'src="(https?://[^"]+dot\.svg)"', letter)[0])[0] == 200
    there.runner.wait_until_idle()
    there.stack.invoke("mint", {})
    there.stack.invoke("sweep", {})
    lose_a_webhook(there)
    return there


def lose_a_webhook(there: World) -> None:
    """Let the shop have an order and a product of which it sent no word, and look for such things."""
    there.stack.invoke("reconcile", {})
    now = there.clock.now()
    changed = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    there.shopify.data.put("orders", shopify_nodes.order(990_001, updatedAt=changed))
    there.shopify.data.put("products", shopify_nodes.product(990_002, updatedAt=changed))
    there.runner.run_until(now + timedelta(minutes=30))
    there.stack.invoke("reconcile", {})
    there.runner.wait_until_idle()


def test_the_day_goes_as_it_does_without_checks(day: Day) -> None:
    verdict = judge(day)
    assert list(verdict.problems) == []
    assert day.world.stack.dead_letters() == {}


def test_what_no_webhook_brought_was_found(there: World) -> None:
    said = everything_said(there)
    assert "orders 990001" in said
    assert "products 990002" in said


def test_nobody_is_refused_anything(there: World) -> None:
    """And every function has worked: a right that nothing used would prove nothing."""
    log = everything_said(there)
    assert denials(log) == []
    assert there.stack.dead_letters() == {}
    assert [each for each in there.stack.functions if f'"service":"rekindle-local-{each}"' not in log] == []
    assert NEEDLES["email"] in {mail.address for mail in there.ses.mails}
    assert "letter" in {mail.subject for mail in there.ses.mails}


def test_what_is_not_granted_is_refused(there: World) -> None:
    """Else the test above could not fail: without its policy, the sweep can do nothing."""
    iam = boto3.session.Session().client("iam", **there.emulator.client_settings())  # type: ignore[call-overload]
    (role,) = [each["RoleName"] for each in iam.list_roles()["Roles"] if "SweepRole" in each["RoleName"]]
    kept = iam.get_role_policy(RoleName=role, PolicyName="sweep")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="sweep")
    try:
        with pytest.raises(StackError, match=r"AccessDenied|not authorized"):
            eventually(lambda: there.stack.invoke("sweep", {}) is None, seconds=20)
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="sweep", PolicyDocument=json.dumps(kept))


def test_logs_metrics_and_keys_give_nobody_away(there: World) -> None:
    """Everything that the functions printed, and everything by which something is found."""
    log = everything_said(there)
    assert log.count('"_aws"') > 50
    assert anywhere([log]) == []
    assert anywhere(_names(there)) == []


def _names(there: World) -> Iterator[str]:
    stack = there.stack
    for table, properties in tables().items():
        schemas = [
            properties["KeySchema"],
            *(index["KeySchema"] for index in properties.get("GlobalSecondaryIndexes", ())),
        ]
        keys = {part["AttributeName"] for schema in schemas for part in schema}
        for page in stack.dynamodb.get_paginator("scan").paginate(TableName=stack.tables[table.title()]):
            yield from (repr({name: item[name] for name in keys if name in item}) for item in page["Items"])
    for bucket in (stack.outputs["RawBucketName"], stack.content_bucket):
        for files in stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from (listed["Key"] for listed in files.get("Contents", []))
    yield from (
        schedule["Name"] for schedule in stack.scheduler.list_schedules(GroupName=stack.schedule_group)["Schedules"]
    )
    yield from stack.queues.values()
