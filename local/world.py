"""Everything that the local run is made of, up and running for the length of a `with` block."""

from __future__ import annotations

import contextlib
import html
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.session import Session

from local.clock import OffsetClock
from local.emulator import CREDENTIALS, REGION, Emulator, emulator
from local.graph import LocalGraph
from local.idle import IdleRunner
from local.phones import LocalPhones, PhoneText
from local.pushes import LocalPushes, Shown
from local.ses import Happening, InboxMail, Limits, LocalSes
from local.shopify_api import LocalShopify
from local.shops import BIKES, META_TOKEN, TEA, Person, Webhook
from local.stack import ROOT, Shop, Stack, content_files, deploy, upgrade
from local.woocommerce_api import LocalWooCommerce
from rekindle.aws.clients import Clients
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.messages import parse_message
from rekindle.aws.packing import unpack
from rekindle.aws.profiles import parse_profile
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import PushSubscription
from rekindle.domain.profile import Profile
from rekindle.ports import Message
from rekindle.service.accept import accept

#: The demo's shop files are laid over `templates/`, as a shop lays its own over what ships.
DEMO_CONTENT = Path(__file__).resolve().parent / "content"
PICTURES = Path(__file__).resolve().parent / "pictures"

#: The e-mail tag by which a notice, and we, find a mail's message (DESIGN §6, sending, step 4).
MESSAGE_TAG = "rekindle_message"

_HTTP_SECONDS = 30.0
#: What people read their mail with.
_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
_LINK = re.compile(r'<a\b[^>]*?\shref="(https?://[^"]+/c/[^"]+)"[^>]*>')
#: A full stop behind an address is no part of it.
_ADDRESS = re.compile(r"https?://\S*[^\s.,;:!?)]")
_PIXEL = re.compile(r'<img\b[^>]*?\ssrc="(https?://[^"]+/o/[^"]+)"')


@dataclass(frozen=True)
class World:
    """A deployed stack with its clock, its mail system and two connected shops."""

    emulator: Emulator
    stack: Stack
    clock: OffsetClock
    ses: LocalSes
    shopify: LocalShopify
    woocommerce: LocalWooCommerce
    phones: LocalPhones
    pushes: LocalPushes
    graph: LocalGraph
    runner: IdleRunner
    services: Mapping[str, str]
    """what stands in for what is neither in the emulator nor ours: variable of the functions → address"""

    def upgrade(self, root: Path) -> None:
        """Bring the stack to the code and the template in `root`, while it works. Raises `StackError`."""
        upgrade(self.emulator, clock_file=self.clock.file, services=self.services, root=root)

    def post(self, shop: Shop, webhook: Webhook) -> int:
        """Post a webhook to the shop's real endpoint; return the status."""
        return self.post_to(self.stack.webhook_url(shop), webhook)

    def post_to(self, url: str, webhook: Webhook) -> int:
        """Post to any URL; return the status, whatever it is."""
        request = urllib.request.Request(url, webhook.body, dict(webhook.headers), method="POST")  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_HTTP_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    def open(self, mail: InboxMail) -> int:
        """Do what a mail program does when a mail is opened: load the picture that counts. Returns the status."""
        status, _ = self._get_as_a_person(main_of(_PIXEL.findall(mail.html), "picture"))
        self.ses.happen(mail.number, "Open")
        return status

    def click(self, mail: InboxMail) -> tuple[int, str]:
        """Press the mail's button, or its first link where it has none; return the status, and where it leads."""
        links = list(_LINK.finditer(mail.html))
        buttons = [found[1] for found in links if "button-link" in found[0]]
        status, leads = self._get_as_a_person(main_of(buttons or [found[1] for found in links], "link"))
        self.ses.happen(mail.number, "Click", leads)
        return status, leads

    def _get_as_a_person(self, url: str) -> tuple[int, str]:
        """Return the status and the address that it leads to, which is not followed: the demo's shops have no site."""
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT})  # noqa: S310 - loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
        try:
            with opener.open(request, timeout=_HTTP_SECONDS) as answer:
                return int(answer.status), ""
        except urllib.error.HTTPError as answered:
            with answered:
                return answered.code, answered.headers.get("Location", "")

    def unsubscribe(self, mail: InboxMail) -> int:
        """Do what a mail program does when "unsubscribe" is clicked: the one-click POST of RFC 8058."""
        url = mail.unsubscribe_url
        if url is None:
            raise LookupError("this mail offers no unsubscribe")
        body = (mail.header("List-Unsubscribe-Post") or "").encode()
        status = self.post_to(url, Webhook({"Content-Type": "application/x-www-form-urlencoded"}, body))
        self.ses.happen(mail.number, "Unsubscribe")
        return status

    def tap(self, push: Shown) -> tuple[int, str]:
        """Tap a push message; return the status, and where it leads."""
        push.opened.append(self.clock.now())
        return self._get_as_a_person(push.leads)

    def click_text(self, text: PhoneText) -> tuple[int, str]:
        """Open the first link of a text; return the status, and where it leads."""
        status, leads = self._get_as_a_person(main_of(_ADDRESS.findall(text.body), "link"))
        text.happenings.append(Happening("Click", self.clock.now(), leads))
        return status, leads

    def allow_push(self, shop: Shop, person: Person) -> None:
        """Let somebody allow push messages in a browser, and have the shop's site tell what the browser tells it."""
        browser, now = self.pushes.browser(person.browser), self.clock.now()
        subscribed = PushSubscription(endpoint=browser.endpoint, p256dh=browser.p256dh, auth=browser.auth, at=now)
        told = Event(
            id=f"push-{person.browser}",
            shop=shop.id,
            type="push.subscribed",
            occurred_at=now,
            received_at=now,
            who=Who(email=person.email, browser_id=person.browser),
            data=subscribed,
        )
        delivery = Delivery(id=told.id, shop=shop.id, source="onsite", topic=told.type, received_at=now, events=(told,))
        session = Session()
        session.set_credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
        session.set_config_variable("region", REGION)
        clients = Clients(session, endpoint_url=self.emulator.url)
        tables = Tables(**{name: self.stack.tables[name.title()] for name in ("deliveries", "pending", "suppressions")})
        key = CachedSecrets(clients, self.stack.outputs["SecretsPrefix"]).address_key()
        accept(delivery, DynamoIntake(clients, tables), key)

    def template_of(self, message: InboxMail | PhoneText | Shown) -> str:
        """Return the name of the template that a message was made from, as its record says; empty if unknown."""
        match message:
            case InboxMail():
                record = self._record(message.tags.get(MESSAGE_TAG, ""))
            case PhoneText():
                record = self._record(message.context.get(MESSAGE_TAG, ""))
            case Shown():
                # Nothing in a push message names its record but what its service called it.
                record = next((each for each in self.records() if each.vendor_id == message.vendor_id), None)
        return record.template if record is not None else ""

    def reasons(self, email: str) -> list[str]:
        """Return why this person did or did not get what: the ledger's lines and the messages' records, in order."""
        found: list[str] = []
        for profile in self._profiles(email):
            decisions = [each for entry in self._ledger(profile) for each in json.loads(unpack(entry["decisions"]))]
            found += [
                " ".join(filter(None, (each.get("step"), f"{each['what']}:", each["rule"]))) for each in decisions
            ]
        return found + [" ".join(message) for message in self.messages(email)]

    def messages(self, email: str) -> list[tuple[str, str, str]]:
        """Return template, state and reason of every message to this person."""
        profiles = self._profiles(email)
        theirs = [each for each in self.records() if each.profile_id in profiles]
        theirs.sort(key=lambda each: each.leased_at or each.at or datetime.min.replace(tzinfo=UTC))
        return [(each.template, each.state, each.why or "") for each in theirs]

    def records(self) -> Iterator[Message]:
        """Yield the records of all messages."""
        return map(parse_message, self._all("Messages"))

    def _profiles(self, email: str) -> list[str]:
        """Return the ids of this person's profiles. It looks at everybody: nothing but a demo may do that."""
        everybody = map(parse_profile, self._all("Profiles"))
        return [found.id for found in everybody if isinstance(found, Profile) and found.email == email]

    def _ledger(self, profile: str) -> Iterator[dict[str, Any]]:
        pages = self.stack.dynamodb.get_paginator("query").paginate(
            TableName=self.stack.tables["Ledger"],
            KeyConditionExpression="profile_id = :id",
            ExpressionAttributeValues={":id": {"S": profile}},
        )
        for page in pages:
            yield from page["Items"]

    def _all(self, table: str) -> Iterator[dict[str, Any]]:
        pages = self.stack.dynamodb.get_paginator("scan").paginate(
            TableName=self.stack.tables[table], ConsistentRead=True
        )
        for page in pages:
            yield from page["Items"]

    def _record(self, message_id: str) -> Message | None:
        if not message_id:
            return None
        item = self.stack.dynamodb.get_item(
            TableName=self.stack.tables["Messages"], Key={"id": {"S": message_id}}, ConsistentRead=True
        ).get("Item")
        return parse_message(item) if item else None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return no request: the answer is taken as it came."""


def main_of(found: list[str], what: str) -> str:
    """Return the first address of a mail of this kind. Raises `LookupError` where it has none."""
    if not found:
        raise LookupError(f"this mail has no {what} that counts")
    return html.unescape(found[0])


@contextlib.contextmanager
def world(
    *,
    port: int | None,
    start: datetime | None = None,
    content: dict[str, bytes] | None = None,
    root: Path = ROOT,
    progress: Callable[[str], None] = lambda _: None,
    limits: Limits | None = None,
) -> Iterator[World]:
    """Start everything, connect the demo shops and publish `content` (default: `templates/` and the demo's shops).

    `start` moves the clock there first; without it the clock shows the system's time. `port` `None` takes a free one.
    `limits` are those of the SES account.
    """
    progress("starting MiniStack")
    with emulator(port) as emulated:
        clock = OffsetClock(emulated.folder / "clock-offset")
        if start is not None:
            clock.move_to(start)
        with (
            LocalSes(clock, limits=limits).running() as ses,
            LocalPhones(clock).running() as phones,
            LocalPushes(clock).running() as pushes,
            LocalGraph(META_TOKEN).running() as graph,
            LocalShopify(token=TEA.access["access_token"]).running() as shopify,
            LocalWooCommerce(key=BIKES.access["api_key"], secret=BIKES.access["api_secret"]).running() as woocommerce,
        ):
            services = {
                "AWS_ENDPOINT_URL_SESV2": ses.url,
                "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": phones.url,
                "PUSH_SERVICE_URL": pushes.url,
                "GRAPH_URL": graph.url,
            }
            stack = deploy(emulated, clock_file=clock.file, services=services, root=root, progress=progress)
            ses.connect(stack.put_aws_event)
            phones.connect(stack.put_notification)
            progress("connecting the demo shops")
            for shop, api in ((TEA, shopify), (BIKES, woocommerce)):
                stack.connect(shop, api.url)
            progress("publishing the content")
            stack.upload(content_files(root / "templates", DEMO_CONTENT) if content is None else content)
            stack.await_playbook()
            # Its first tick says from when on campaigns count.
            stack.invoke("campaign", {})
            runner = IdleRunner(stack, clock, (ses, phones))
            runner.wait_until_idle()
            yield World(emulated, stack, clock, ses, shopify, woocommerce, phones, pushes, graph, runner, services)
