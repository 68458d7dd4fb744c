"""The functions of one installation over moto, with a meter on every call: what the benchmark of costs drives.

Each function is its own `app.py`, called with what AWS would hand it. What lies on queues, streams and schedules is
carried from one to the next here, and what AWS bills for carrying is counted.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import msgspec
from botocore.session import Session
from moto import mock_aws
from msgspec.structs import replace
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from bench.figures import ROOT
from bench.meter import Meter
from local.stack import content_files
from rekindle.aws.clients import Clients
from rekindle.aws.messages import parse_message
from rekindle.aws.profiles import parse_profile, profile_item
from rekindle.content.validate import validate
from rekindle.domain import ids
from rekindle.domain.profile import Profile
from rekindle.ports import ShopSecrets
from rekindle.service.costs import GIGABYTE, MONTH, Used
from rekindle.service.library import POINTER
from tests.support.lambdas import environment, load
from tests.support.template import tables
from tests.support.worlds import AwsPorts, session

SHOP, DOMAIN, SECRET = "northwind", "northwind-tea.myshopify.com", "hush"

#: What Lambda gives a function of so many megabytes: one whole processor ("Configure Lambda function memory").
WHOLE_CPU = 1_769
#: Assumed, not measured: a core of Lambda's Graviton works as fast as one of the machine that this ran on.
GRAVITON = 1.0
#: Assumed: what a call costs our own processor beyond what moto shows, on a whole one (TLS, signing, HTTP), in seconds.
CALL_CPU = 0.001
#: Assumed: how long AWS takes to answer, in seconds. `rekindle cost` measures what it really comes to.
ANSWERS = {
    "dynamodb": 0.005,
    "dynamodb.TransactWriteItems": 0.015,
    "sqs": 0.008,
    "scheduler": 0.025,
    "s3": 0.025,
    "sesv2": 0.060,
}
#: Assumed: one invocation in so many starts cold, and takes so long more on a whole processor, in seconds.
COLD_EVERY, COLD = 200, 0.6
#: CloudWatch Logs counts so many bytes for each line beside the line itself ("PutLogEvents").
LOG_LINE = 26
#: Lambda's own lines of an invocation, START and REPORT in JSON, where the function's system log level lets them pass.
SYSTEM_LINES = {"INFO": 165 + 400, "WARN": 0}
#: One line of the API's access log with the format of the template.
ACCESS_LINE = 330


class Plant:
    """One installation. `used` is what was used since it was last `taken`, beside mails."""

    def __init__(self, ports: AwsPorts, offset: Path) -> None:
        self.ports = ports
        self.meter: Meter
        self.own_seconds: dict[str, list[float]] = defaultdict(list)
        self._offset = offset
        self._apps: dict[str, ModuleType] = {}
        self._properties = _functions()
        self.sent_mails = 0
        self.metrics: set[tuple[str, str]] = set()
        """function and name of each metric that it told of"""

    def session(self) -> Session:
        """Return a session whose calls are counted."""
        made = session()
        self.meter.attach(made)
        return made

    # --- time

    def at(self, moment: datetime) -> None:
        """Move the clock there."""
        self.meter.now = moment
        self._offset.write_text(str((moment - datetime.now(UTC)).total_seconds()), encoding="ascii")

    # --- functions

    def app(self, function: str) -> ModuleType:
        """Return the function, loaded."""
        if function not in self._apps:
            self._apps[function] = app = load(function)
            if function == "send":
                app.deliver._mailer = self  # noqa: SLF001 - where SES is: moto's wants verified identities
                app.deliver._pacer = None  # noqa: SLF001 - a worker that waits for its turn is not what is measured
        return self._apps[function]

    def send(self, mail: object) -> str:
        """Take a mail, as SES does."""
        del mail
        self.sent_mails += 1
        self.meter.calls["sesv2.SendEmail"] += 1
        # as long as SES's ids are
        return f"0100018f2c7a3b4d-5e6f7a8b-9c0d-4e1f-8a2b-{self.sent_mails:012d}-000000"

    def call(self, function: str, event: Any) -> Any:
        """Invoke a function, and count what that is billed as."""
        app, told = self.app(function), io.StringIO()
        before, calls, aws = time.process_time(), Counter(self.meter.calls), self.meter.seconds
        with redirect_stdout(told):
            for handler in app.logger._logger.handlers:  # noqa: SLF001 - it holds the stream of its import
                handler.stream = told
            answer = app.handler(event, None)
        own = time.process_time() - before - (self.meter.seconds - aws)
        self.own_seconds[function].append(own)
        self._bill(function, own, Counter(self.meter.calls) - calls, told.getvalue())
        return answer

    def _bill(self, function: str, own: float, calls: Counter[str], told: str) -> None:
        properties = self._properties[function]
        memory = properties["MemorySize"]
        cpu = (own + CALL_CPU * calls.total()) * GRAVITON + COLD * GRAVITON / COLD_EVERY
        waits = sum(ANSWERS.get(call, ANSWERS.get(call.split(".")[0], 0.0)) * times for call, times in calls.items())
        seconds = cpu * WHOLE_CPU / memory + waits
        self.meter.use("lambda_request", function, 1)
        self.meter.use("lambda_arm64", function, Decimal(seconds) * memory / 1024)
        level = properties.get("LoggingConfig", {}).get("SystemLogLevel", "INFO")
        lines = [line for line in told.splitlines() if line]
        bytes_ = sum(len(line.encode()) + LOG_LINE for line in lines) + SYSTEM_LINES[level]
        self.meter.use("logs", function, Decimal(bytes_) / GIGABYTE)
        for told_line in lines:
            said = json.loads(told_line)
            for group in said["_aws"]["CloudWatchMetrics"] if "_aws" in said else ():
                self.metrics |= {(function, metric["Name"]) for metric in group["Metrics"]}

    # --- what AWS carries

    def webhook(self, topic: str, body: Mapping[str, Any], number: int) -> None:
        """Have the shop tell something, and apply it."""
        raw = json.dumps(body, separators=(",", ":")).encode()
        digest = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
        headers = {
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": DOMAIN,
            "x-shopify-hmac-sha256": digest,
            "x-shopify-webhook-id": f"7f1c2a90-0000-4000-8000-{number:012d}",
            "x-shopify-event-id": f"b81d63e4-0000-4000-8000-{number:012d}",
        }
        self._request("webhook", "POST /webhooks/shopify/{shop}", raw.decode(), headers)
        self.stream()

    def visit(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Have a browser tell of a visit, and apply it."""
        self._request("collect", "POST /collect/{shop}", json.dumps(body), headers)
        self.stream()

    def _request(self, function: str, route: str, body: str, headers: Mapping[str, str]) -> None:
        answer = self.call(
            function,
            {
                "version": "2.0",
                "routeKey": route,
                "rawPath": route.split(" ")[1].replace("{shop}", SHOP),
                "pathParameters": {"shop": SHOP},
                "headers": dict(headers),
                "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.1"}},
                "body": body,
                "isBase64Encoded": False,
            },
        )
        if answer["statusCode"] not in {200, 204}:
            raise AssertionError(answer)
        self.meter.use("http_api", function, 1)
        self.meter.use("logs", "access log", Decimal(ACCESS_LINE + LOG_LINE) / GIGABYTE)

    def follow(self, token: str, index: int) -> None:
        """Have somebody follow a link."""
        answer = self.call(
            "track",
            {
                "version": "2.0",
                "routeKey": "GET /c/{token}/{index}",
                "pathParameters": {"token": token, "index": str(index)},
                "headers": {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Firefox/127.0"},
                "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}},
            },
        )
        if answer["statusCode"] != 302:
            raise AssertionError(answer)
        self.meter.use("http_api", "track", 1)
        self.meter.use("logs", "access log", Decimal(ACCESS_LINE + LOG_LINE) / GIGABYTE)

    def messages(self, flow: str) -> list[str]:
        """Return the messages of a flow."""
        table, client = self.ports.installation.tables.messages, self.ports.clients.dynamodb
        found = map(parse_message, client.scan(TableName=table)["Items"])
        return [message.id for message in found if message.flow == flow]

    def stream(self) -> None:
        """Hand what was put into Pending to journey, one batch for each 25."""
        news = [new for old, new in self.meter.changed.pop("pending", ()) if old is None and new is not None]
        for start in range(0, len(news), 25):
            records = [
                {"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": item}} for item in news[start : start + 25]
            ]
            self.call("journey", {"Records": records})

    def tally(self) -> None:
        """Hand what changed in Messages and in Ledger to tally: each stream one batch, as its window gathers it."""
        for table, key in (("messages", "id"), ("ledger", "profile_id")):
            changes = self.meter.changed.pop(table, ())
            told = [
                (old, new)
                for old, new in changes
                if new is not None and ("day" in new if table == "messages" else "counts" in new and old is None)
            ]
            for start in range(0, len(told), 200):
                records = [
                    {"dynamodb": {"Keys": {key: new[key]}, "NewImage": new, **({"OldImage": old} if old else {})}}
                    for old, new in told[start : start + 200]
                ]
                self.call("tally", {"Records": records})

    def queue(self, name: str, function: str, batch: int = 10) -> int:
        """Hand what lies on a queue to its function; return how many messages that were."""
        bodies = self.meter.sent.pop(self.ports.installation.queue_urls[name], [])  # type: ignore[index]
        for start in range(0, len(bodies), batch):
            records = [
                {
                    "eventSource": "aws:sqs",
                    "messageId": str(place),
                    "receiptHandle": "r",
                    "body": body,
                    "attributes": {"ApproximateReceiveCount": "1"},
                }
                for place, body in enumerate(bodies[start : start + batch])
            ]
            answer = self.call(function, {"Records": records})
            if answer["batchItemFailures"]:
                raise AssertionError(answer)
            self.meter.use("sqs", f"{name} queue, received and deleted", 2)
        return len(bodies)

    def alarm(self) -> datetime | None:
        """Let the earliest schedule ring; return when that was, `None` where there is none."""
        schedules = self.ports.schedules()
        if not schedules:
            return None
        name = min(schedules, key=lambda one: schedules[one][0])
        moment, wake = schedules[name]
        self.ports.clients.scheduler.delete_schedule(GroupName=self.ports.installation.schedule_group, Name=name)
        self.at(moment)
        url = self.ports.installation.queue_urls["wake"]
        self.meter.sent.setdefault(url, []).append(msgspec.json.encode(wake).decode())
        self.meter.use("scheduler", "alarms", 1)
        self.meter.use("sqs", "wake queue, by the alarm", 1)
        self.queue("wake", "journey")
        return moment

    def forget_alarms(self) -> None:
        """Take away what is still to ring."""
        there = self.ports.installation.schedule_group
        for name in self.ports.schedules():
            self.ports.clients.scheduler.delete_schedule(GroupName=there, Name=name)

    def notices(self, kinds: Sequence[str]) -> None:
        """Have SES say of the messages that were just sent what became of them."""
        template = json.loads((ROOT / "events/ses/delivered.json").read_text("utf-8"))
        for message in self.meter.settled("sent"):
            for kind in kinds:
                event = copy.deepcopy(template)
                event["detail"]["eventType"] = kind
                event["detail"][kind.lower()] = event["detail"]["delivery"]
                event["detail"]["mail"]["tags"]["rekindle_message"] = [message]
                event["detail"][kind.lower()]["timestamp"] = self.meter.now.isoformat()
                self.call("feedback", event)

    def multiply(self, times: int) -> int:
        """Put so many more of the people who are there, each with an id and an address of their own; return how many.

        None of them is found by an alias: they are there to be reached.
        """
        table, client = self.ports.installation.tables.profiles, self.ports.clients.dynamodb
        found = [parse_profile(item) for item in client.scan(TableName=table)["Items"]]
        people = [one for one in found if isinstance(one, Profile) and one.email]
        for number in range(times):
            one = people[number % len(people)]
            email = f"reader.{number}@example.com"
            consent = {
                key.replace(one.email or "", email): replace(given, address=email) for key, given in one.consent.items()
            }
            more = replace(one, id=ids.digest("reader", str(number)), email=email, consent=consent)
            client.put_item(TableName=table, Item=profile_item(more, None))
        return len(people) + times

    # --- the sum

    def taken(self) -> list[Used]:
        """Return what was used since this was last called, what is kept until it expires included."""
        found = [Used(line, what, amount) for (line, what), amount in self.meter.used.items()]
        for table, bytes_, indexes, days in self.meter.kept():
            amount, more = (Decimal(part) / GIGABYTE * Decimal(days) / MONTH for part in (bytes_, indexes))
            cold = tables()[table].get("TableClass") == "STANDARD_INFREQUENT_ACCESS"
            found.append(
                Used("dynamodb_ia_storage" if cold else "dynamodb_storage", f"{table}, until it expires", amount + more)
            )
            found.append(Used("dynamodb_recovery", f"{table}, until it expires", amount))
        self.meter.reset()
        self.sent_mails = 0
        return found


@contextmanager
def planted(flows: Sequence[str], extra: Mapping[str, str] | None = None) -> Iterator[Plant]:
    """Yield an installation with all that ships published, and these flows switched on."""
    shop = "\n".join(
        [
            "name: Northwind Tea",
            "platform: shopify",
            "url: https://northwind-tea.example.com",
            "sender: {name: Northwind Tea, email: hello@tea.example}",
            "postal_address: Northwind Tea, 12 Rideau Street, Ottawa, Canada",
            "currency: CAD",
            "locale: en-CA",
            "zone: America/Toronto",
            "flows:",
            *(f"  {flow}: on" for flow in flows),
        ]
    )
    files = content_files(ROOT / "templates")
    files |= {f"shops/{SHOP}.yaml": shop.encode()}
    files |= {name: text.encode() for name, text in (extra or {}).items()}
    verdict = validate(files)
    if verdict.published is None:
        raise AssertionError(verdict.problems)
    with mock_aws(), tempfile.TemporaryDirectory() as folder:
        offset = Path(folder) / "offset"
        offset.write_text("0", encoding="ascii")
        ports = AwsPorts(Clients(session()), "cost")
        ports.connect(ShopSecrets(shop=SHOP, platform="shopify", domain=DOMAIN, webhook_secrets=(SECRET,)))
        for key, content in verdict.published.files().items():
            ports.blobs.put(key, content)
        ports.blobs.put(POINTER, msgspec.json.encode({"hash": verdict.published.hash}))
        kept = dict(os.environ)
        os.environ.update(environment(ports, offset))
        plant = Plant(ports, offset)
        plant.meter = Meter(ports.clients.dynamodb, "cost")
        try:
            with patch("rekindle.aws.clients.Session", plant.session):
                yield plant
        finally:
            os.environ.clear()
            os.environ.update(kept)
            for name in [name for name in sys.modules if name.startswith("app_")]:
                del sys.modules[name]


def template() -> dict[str, Any]:
    """Return the template."""
    read: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    return read


def _functions() -> dict[str, dict[str, Any]]:
    """Return function (`webhook` …) → its properties in the template."""
    shared = template()["Globals"]["Function"]
    return {
        resource["Properties"]["CodeUri"].split("/")[1]: {**shared, **resource["Properties"]}
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def later(moment: datetime, **more: float) -> datetime:
    """Return a moment so much later."""
    return moment + timedelta(**more)
