"""Nothing personal where it does not belong: logs, metrics, queues, schedules, names of files, keys of tables.

One person goes through every function, as Lambda calls it, with AWS answered in this process; and again through every
function with each AWS call failing. tests/e2e/test_permissions.py does it once more on the deployed template.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from rekindle.content.links import Unsubscribe, sign_unsubscribe
from rekindle.content.validate import validate
from rekindle.ports import Mail
from rekindle.service.library import POINTER
from rekindle.service.people import address_hash
from tests.attack.targets import headers_of
from tests.functions.conftest import Load
from tests.support import needles
from tests.support.content import some
from tests.support.needles import NEEDLES, anywhere, found_in
from tests.support.template import tables
from tests.support.worlds import AwsPorts, QueueName

_QUEUES: tuple[QueueName, ...] = ("wake", "transactional", "marketing", "privacy", "fanout", "catalogue")
SHOP = b"""\
platform: shopify
name: Tea & Co
url: https://tea.example
sender: {name: Tea & Co, email: hello@tea.example}
postal_address: 1 Leaf Lane, Utrecht
currency: EUR
locale: en
zone: Europe/Amsterdam
flows: {cart-abandonment: on, order-confirmation: on}
"""


class Run:
    """Every function over one installation, and what each of them leaves behind."""

    def __init__(self, load: Load, ports: AwsPorts) -> None:
        self.load, self.ports = functools.cache(lambda name: listened_to(load(name))), ports
        self.bodies: list[str] = []
        self.mails: list[Mail] = []

    def hook(self, topic: str, body: dict[str, Any]) -> dict[str, Any]:
        raw = json.dumps(body).encode()
        headers = headers_of("shopify", topic, raw, "s1") | {"x-shopify-event-id": f"{topic}-{len(raw)}"}
        return {
            "routeKey": "POST /webhooks/shopify/{shop}", "pathParameters": {"shop": "tea"}, "headers": headers,
            "body": raw.decode(), "isBase64Encoded": False,
        }  # fmt: skip

    def post(self, topic: str, body: dict[str, Any]) -> None:
        """Let a webhook in, and journey apply it."""
        assert self.load("webhook").handler(self.hook(topic, body), None)["statusCode"] == 200
        for pending in self.ports.pending_ids():
            self.journey(pending)

    def journey(self, pending: str) -> dict[str, Any]:
        image = self.ports.item("pending", pending)
        record = {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": image}}
        answer: dict[str, Any] = self.load("journey").handler({"Records": [record]}, None)
        return answer

    def drain(self, queue: QueueName) -> list[dict[str, Any]]:
        """Take everything off a queue, as Lambda is handed it; what was on it is kept to be looked at."""
        url = self.ports.installation.queue_urls[queue]
        found = self.ports.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        self.bodies += [message["Body"] for message in found]
        return [
            {
                "eventSource": "aws:sqs", "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"], "attributes": {"ApproximateReceiveCount": "1"},
            }
            for message in found
        ]  # fmt: skip

    def kept(self) -> Iterator[str]:
        """Yield everything by which something is found: keys of tables and indexes, names of files, schedules."""
        clients, installation = self.ports.clients, self.ports.installation
        for table, properties in tables().items():
            schemas = [
                properties["KeySchema"],
                *(index["KeySchema"] for index in properties.get("GlobalSecondaryIndexes", ())),
            ]
            keys = {part["AttributeName"] for schema in schemas for part in schema}
            for item in clients.dynamodb.scan(TableName=getattr(installation.tables, table))["Items"]:
                yield repr({name: item[name] for name in keys if name in item})
        for bucket in (installation.raw_bucket, installation.content_bucket):
            for listed in clients.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
                yield listed["Key"]
        for name, (_, wake) in self.ports.schedules().items():
            yield f"{name} {wake}"
        yield from installation.queue_urls.values()


def listened_to(app: ModuleType) -> ModuleType:
    """Return the function with its logger writing to where this test listens: loggers outlive tests."""
    for handler in app.logger.handlers:
        handler.stream = sys.stdout
    return app


@pytest.fixture
def run(load: Load, ports: AwsPorts) -> Run:
    """Return an installation with the shipped content published."""
    verdict = validate(some("cart-abandonment", "order-confirmation") | {"shops/tea.yaml": SHOP})
    assert verdict.published is not None, verdict.problems
    for key, content in verdict.published.files().items():
        ports.blobs.put(key, content)
    ports.blobs.put(POINTER, msgspec.json.encode({"hash": verdict.published.hash}))
    return Run(load, ports)


def planned(run: Run) -> list[dict[str, Any]]:
    """Let the person leave a checkout and order; return what the queue hands to send."""
    now = run.load("webhook").webhooks._clock.now()
    run.post("checkouts/update", needles.checkout_body((now - timedelta(minutes=30)).isoformat()))
    run.post("orders/create", needles.order_body(now.isoformat()))
    for _, wake in run.ports.schedules().values():
        record = {"eventSource": "aws:sqs", "messageId": "ring", "body": msgspec.json.encode(wake).decode()}
        run.load("journey").handler({"Records": [record]}, None)
    return run.drain("transactional")


def story(run: Run) -> None:
    """Let the person get a mail that bounces, unsubscribe, ask for their data, be erased, and be heard of once more."""
    send = run.load("send")
    vars(send.deliver)["_mailer"] = Took(run.mails)
    send.handler({"Records": planned(run)}, None)
    assert [mail.to for mail in run.mails] == [NEEDLES["email"]]
    bounced = json.loads(
        (needles_root() / "events/ses/bounced.json").read_text("utf-8").replace("ada@example.com", NEEDLES["email"])
    )
    bounced["detail"]["mail"]["tags"]["rekindle_message"] = [run.mails[0].message_id]
    run.load("feedback").handler(bounced, None)
    claim = Unsubscribe(
        shop="tea", channel="email", address=address_hash(run.ports.secrets.address_key(), "email", NEEDLES["email"]),
        message=run.mails[0].message_id, profile="p",
    )  # fmt: skip
    token = sign_unsubscribe(run.ports.secrets.link_keys(), claim)
    for method in ("GET", "POST"):
        event = {
            "headers": {},
            "pathParameters": {"token": token},
            "rawQueryString": "",
            "requestContext": {"http": {"method": method}},
        }
        assert run.load("links").handler(event, None)["statusCode"] == 200
    for pending in run.ports.pending_ids():
        run.journey(pending)
    asked = {
        "shop_id": 1,
        "shop_domain": "tea.myshopify.com",
        "customer": {"id": 4_711_001, "email": NEEDLES["email"], "phone": NEEDLES["phone"]},
    }
    run.post("customers/data_request", {**asked, "orders_requested": [880_001], "data_request": {"id": 1}})
    run.load("privacy").handler({"Records": run.drain("privacy")}, None)
    kept = list(run.kept())
    assert any(key.startswith("exports/") for key in kept)
    assert anywhere(kept) == []
    run.post("customers/redact", {**asked, "orders_to_redact": [880_001]})
    run.load("privacy").handler({"Records": run.drain("privacy")}, None)
    run.post("checkouts/update", needles.checkout_body(run.load("webhook").webhooks._clock.now().isoformat()))
    run.load("sweep").handler({}, None)
    for queue in _QUEUES:
        run.drain(queue)


class Took:
    """A mailer that takes every mail."""

    def __init__(self, mails: list[Mail]) -> None:
        self._mails = mails

    def send(self, mail: Mail) -> str:
        self._mails.append(mail)
        return "vendor-1"


def needles_root() -> Any:
    from tests.support.build import ROOT

    return ROOT


def test_the_needles_are_found_in_every_spelling() -> None:
    """Else the other tests here could not fail."""
    import base64
    from urllib.parse import quote

    for name, needle in NEEDLES.items():
        for written in (
            needle, needle.upper(), quote(needle, safe=""), json.dumps(needle), needle.encode().hex(),
            *(base64.b64encode(b"x" * ahead + needle.encode() + b"xyz").decode() for ahead in range(3)),
        ):  # fmt: skip
            assert any(told.startswith(name) for told in found_in(f"before {written} after")), (name, written)
    assert found_in("nothing about anybody") == []


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_person_goes_through_every_function_and_leaves_no_trace_where_none_belongs(
    run: Run, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    story(run)
    said = capsys.readouterr()
    assert said.out.count('"level":"INFO"') >= 8
    assert said.out.count('"_aws"') >= 8
    assert len(run.bodies) >= 3
    assert anywhere([said.out, said.err, caplog.text]) == []
    assert anywhere(run.bodies) == []
    assert anywhere(run.kept()) == []


@pytest.mark.parametrize("call", ["TransactWriteItems", "BatchGetItem", "GetObject", "CreateSchedule"])
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_what_fails_is_told_without_whom_it_was_about(
    run: Run, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, call: str
) -> None:
    """Whatever is raised, logged or answered while AWS fails, tracebacks included."""
    failed: list[Any] = []

    def fail(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == call and active:
            failed.append(params)
            answer = {
                "Error": {"Code": "InternalServerError", "Message": "refused"},
                "ResponseMetadata": {"HTTPStatusCode": 500},
            }
            raise ClientError(answer, call)  # type: ignore[arg-type]

    active = False
    told: list[str] = []
    apps = {name: run.load(name) for name in ("webhook", "journey", "links", "feedback", "privacy", "send")}
    for app in apps.values():
        for service in ("dynamodb", "s3", "sqs", "scheduler"):
            getattr(app.clients, service).meta.events.register("before-call", fail)
    now = run.load("webhook").webhooks._clock.now().isoformat()
    hooks = [
        run.hook("checkouts/update", needles.checkout_body(now)),
        run.hook("orders/create", needles.order_body(now)),
    ]
    assert apps["webhook"].handler(hooks[0], None)["statusCode"] == 200
    pending = list(run.ports.pending_ids())
    images = [run.ports.item("pending", one) for one in pending]
    active = True
    records = [
        {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": image}} for image in images
    ]
    for name, event in (("webhook", hooks[1]), ("journey", {"Records": records})):
        try:
            told.append(repr(apps[name].handler(event, None)))
        except Exception as error:  # noqa: BLE001 - Lambda prints whatever it is
            import traceback

            told.append("".join(traceback.format_exception(error)))
    said = capsys.readouterr()
    assert failed
    assert anywhere([*told, said.out, said.err, caplog.text]) == []


@pytest.mark.parametrize(
    "code",
    [
        "MessageRejected",
        "MailFromDomainNotVerifiedException",
        "BadRequestException",
        "TooManyRequestsException",
        "InternalFailure",
    ],
)
@pytest.mark.filterwarnings("ignore:No application metrics")
def test_what_ses_says_of_an_address_is_not_passed_on(
    run: Run, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """SES quotes the address that it does not take."""
    records = planned(run)
    app = run.load("send")

    def refuse(**_: Any) -> None:
        message = f"Email address is not verified. The following identities failed the check: {NEEDLES['email']}"
        status = {"TooManyRequestsException": 429, "InternalFailure": 500}.get(code, 400)
        told: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(told, "SendEmail")

    app.clients.ses.meta.events.register("before-call", refuse)
    answer = app.handler({"Records": records}, None)
    said = capsys.readouterr()
    items = run.ports.clients.dynamodb.scan(TableName=run.ports.installation.tables.messages)["Items"]
    assert len(items) == 1
    # Where the mail's links lead stands in its record on purpose, and goes with it: a basket's address among them.
    assert all(item.pop("targets") for item in items)
    assert anywhere([said.out, said.err, caplog.text, answer, items]) == []
