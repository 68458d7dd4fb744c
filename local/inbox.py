"""The inbox page: every delivered mail, text and push message, as its reader sees it, and what became of it.

Serves on loopback only. A mail is foreign HTML: it is shown in a sandboxed frame under a policy of its own, which lets
it load the demo's pictures and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from local.emulator import HOST, PortInUseError, port_in_use
from local.phones import PhoneText
from local.pushes import Shown
from local.ses import InboxMail, Kind
from local.shops import (
    BELL,
    BIKES,
    DARJEELING,
    PLANT,
    TEA,
    TEAPOT,
    Person,
    shopify_checkout,
    with_local_pictures,
    woocommerce_order,
)
from local.timeline import Timeline
from local.world import PICTURES, World
from rekindle.content.texts import length
from rekindle.domain.words import counted

DEFAULT_PORT = 8025

M = TypeVar("M", InboxMail, PhoneText, Shown)

_PAGE = Path(__file__).resolve().parent / "page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
#: What SES can be made to say of a mail by hand. Opening, clicking and unsubscribing go through the real endpoints.
_ACTS: dict[str, Kind] = {"bounce": "Bounce", "complaint": "Complaint"}
#: The most telling thing that became of a mail, first.
_STATES: tuple[tuple[Kind, str], ...] = (
    ("Complaint", "complained"),
    ("Bounce", "bounced"),
    ("Unsubscribe", "unsubscribed"),
    ("Reply", "answered"),
    ("Click", "clicked"),
    ("Open", "opened"),
    ("Delivery", "delivered"),
)
#: A page on another site cannot send this header here without being asked for, and is then refused.
_GUARD = "X-Inbox"


@dataclass
class Controls:
    """What the page may ask the runner for."""

    skip: threading.Event
    next_due: Callable[[], datetime | None]


class InboxServer:
    """Serves the page for one world."""

    def __init__(self, world: World, timeline: Timeline, controls: Controls, port: int | None = DEFAULT_PORT) -> None:
        require_free(port)
        self.world = world
        self.timeline = timeline
        self.controls = controls
        self._samples = 0
        self._templates: dict[tuple[type, int], str] = {}
        self._server = _Server(self, port or 0)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="inbox", daemon=True)

    @property
    def url(self) -> str:
        """Return where the page is."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[InboxServer]:
        """Serve for the length of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    # --- what the page reads

    def state(self) -> dict[str, Any]:
        """Return everything that the page shows at a glance."""
        due = self.controls.next_due()
        return {
            "now": self.world.clock.now().isoformat(),
            "next": due.isoformat() if due else None,
            "mails": [self._summary(mail) for mail in reversed(self.world.ses.mails)],
            "texts": [self._text(text) for text in reversed(self.world.phones.texts)],
            "pushes": [self._push(push) for push in reversed(self.world.pushes.shown)],
            "timeline": [
                {"at": line.at.isoformat(), "what": line.what, "text": line.text, "ok": line.ok}
                for line in self.timeline.lines
            ],
        }

    def _summary(self, mail: InboxMail) -> dict[str, Any]:
        kinds = [happening.kind for happening in mail.happenings]
        return {
            "number": mail.number,
            "at": mail.at.isoformat(),
            "to": mail.address,
            "from": mail.sender,
            "subject": mail.subject,
            "template": self.world.template_of(mail),
            "state": _state(kinds),
        }

    def _text(self, text: PhoneText) -> dict[str, Any]:
        return {
            "number": text.number,
            "at": text.at.isoformat(),
            "to": text.to,
            "from": text.sender,
            "subject": text.body,
            "template": self._template(text),
            "state": _state([happening.kind for happening in text.happenings]),
        }

    def _push(self, push: Shown) -> dict[str, Any]:
        service, _, browser = push.endpoint.removeprefix("https://").partition("/")
        return {
            "number": push.number,
            "at": push.at.isoformat(),
            "to": browser.rpartition("/")[2],
            "from": service,
            "subject": push.title,
            "template": self._template(push),
            "state": "clicked" if push.opened else "delivered",
        }

    def _template(self, message: PhoneText | Shown) -> str:
        """Return a message's template. It never changes, and the page asks every second."""
        key = type(message), message.number
        if not self._templates.get(key):
            self._templates[key] = self.world.template_of(message)
        return self._templates[key]

    def text(self, number: int) -> dict[str, Any]:
        """Return one text whole, with what was answered. Raises `LookupError`."""
        text = _numbered(self.world.phones.texts, number, "text")
        size = length(text.body)
        return {
            **self._text(text),
            "body": text.body,
            "length": f"{counted(size.segments, 'segment')} of {size.alphabet}, {counted(size.units, 'character')}",
            "kind": text.kind.lower(),
            "request": text.request,
            "happenings": [
                {"kind": each.kind, "at": each.at.isoformat(), "said": each.link} for each in text.happenings
            ],
        }

    def push(self, number: int) -> dict[str, Any]:
        """Return one push message whole. Raises `LookupError`."""
        push = _numbered(self.world.pushes.shown, number, "push message")
        return {
            **self._push(push),
            "body": push.body,
            "image": push.message["notification"].get("image", ""),
            "leads": push.leads,
            "request": json.dumps(push.message, indent=2, ensure_ascii=False),
            "happenings": [
                {"kind": "Delivery", "at": push.at.isoformat(), "said": None},
                *({"kind": "Click", "at": at.isoformat(), "said": None} for at in push.opened),
            ],
        }

    def detail(self, number: int) -> dict[str, Any]:
        """Return one mail whole. Raises `LookupError`."""
        mail = self.mail(number)
        return {
            **self._summary(mail),
            "to": mail.to,
            "reply_to": mail.reply_to,
            "vendor_id": mail.vendor_id,
            "configuration_set": mail.configuration_set,
            "headers": list(mail.headers),
            "tags": sorted(mail.tags.items()),
            "text": mail.text,
            "html": mail.html,
            "request": mail.request,
            "can_unsubscribe": mail.unsubscribe_url is not None,
            "happenings": [
                {"kind": each.kind, "at": each.at.isoformat(), "link": each.link} for each in mail.happenings
            ],
        }

    def rendered(self, number: int, scheme: str) -> str:
        """Return the mail's HTML with the demo's pictures, in the light or dark form that its own styles define."""
        never, always = "(max-width: 0)", "(min-width: 0)"
        page = with_local_pictures(self.mail(number).html, f"{self.url}/pictures/")
        page = re.sub(r"\(prefers-color-scheme:\s*dark\)", always if scheme == "dark" else never, page)
        page = re.sub(r"\(prefers-color-scheme:\s*light\)", never if scheme == "dark" else always, page)
        return re.sub(r"<head[^>]*>", lambda found: found[0] + '<base target="_blank">', page, count=1)

    def mail(self, number: int) -> InboxMail:
        """Return one mail. Raises `LookupError`."""
        return _numbered(self.world.ses.mails, number, "mail")

    def sample(self, kind: str, email: str) -> dict[str, Any]:
        """Return a fresh webhook body for the `curl` lines, as of this virtual moment. Raises `LookupError`."""
        self._samples += 1
        now = self.world.clock.now().replace(microsecond=0)
        person = Person(500 + self._samples, "Robin", "Fields", email, "Hove", "BN3 2FP")
        if kind == "checkout":
            return shopify_checkout(person, [(TEAPOT, 1), (DARJEELING, 2)], now)
        if kind == "order":
            return woocommerce_order(person, [(BELL, 1), (PLANT, 2)], "processing", now, now)
        raise LookupError(f"no sample {kind}")

    # --- what the page does

    def act(self, number: int, act: str) -> None:
        """Let something become of a mail. Raises `LookupError`."""
        mail = self.mail(number)
        now = self.world.clock.now()
        if act == "unsubscribe":
            status = self.world.unsubscribe(mail)
            self.timeline.add(now, "person", f"{mail.address} unsubscribes (POST) → {status}")
            return
        if act == "open":
            status = self.world.open(mail)
            self.timeline.add(now, "person", f"{mail.address} opens “{mail.subject}” (GET) → {status}")
            return
        if act == "click":
            status, leads = self.world.click(mail)
            self.timeline.add(now, "person", f"{mail.address} clicks in “{mail.subject}” (GET → {status}): {leads}")
            return
        kind = _ACTS.get(act)
        if kind is None:
            raise LookupError(f"nobody can {act} a mail")
        self.world.ses.happen(number, kind)
        self.timeline.add(now, "person", f"{mail.address}: {kind.lower()} of “{mail.subject}”")

    def act_on_text(self, number: int, act: str) -> None:
        """Let somebody open a text's link, or answer it. Raises `LookupError`."""
        text, now = _numbered(self.world.phones.texts, number, "text"), self.world.clock.now()
        said = {"stop": "STOP", "start": "START", "question": "Do you still have it?"}.get(act)
        if said is not None:
            self.world.phones.reply(number, said)
            self.timeline.add(now, "person", f"{text.to} answers “{said}” to {text.sender}")
        elif act == "click":
            status, leads = self.world.click_text(text)
            self.timeline.add(now, "person", f"{text.to} opens the link of a text (GET → {status}): {leads}")
        else:
            raise LookupError(f"nobody can {act} a text")

    def act_on_push(self, number: int, act: str) -> None:
        """Let somebody tap a push message. Raises `LookupError`."""
        push = _numbered(self.world.pushes.shown, number, "push message")
        if act != "click":
            raise LookupError(f"nobody can {act} a push message")
        status, leads = self.world.tap(push)
        self.timeline.add(self.world.clock.now(), "person", f"“{push.title}” is tapped (GET → {status}): {leads}")


def _state(kinds: Sequence[str]) -> str:
    return next((state for kind, state in _STATES if kind in kinds), "sent")


def _numbered(messages: Sequence[M], number: int, what: str) -> M:
    found = next((one for one in messages if one.number == number), None)
    if found is None:
        raise LookupError(f"no {what} {number}")
    return found


def require_free(port: int | None) -> None:
    """Raise `PortInUseError`, which says what to do, when somebody else has this port."""
    if port is not None and port_in_use(port):
        raise PortInUseError(
            f"port {port} is in use: stop what listens there, or choose another one: make run INBOX_PORT={port + 1}"
        )


def curl_lines(server: InboxServer) -> list[tuple[str, str]]:
    """Return, for each demo shop, what to paste into a shell to post a signed webhook."""
    shopify = (
        f"body=$(curl -fsS '{server.url}/sample/checkout?email=robin@example.com')",
        f"curl -isS '{server.world.stack.webhook_url(TEA)}' \\",
        "  -H 'Content-Type: application/json' -H 'X-Shopify-Topic: checkouts/create' \\",
        f"  -H 'X-Shopify-Shop-Domain: {TEA.domain}' \\",
        f'  -H "X-Shopify-Hmac-Sha256: {_signature(TEA.secret)}" \\',
        '  --data-binary "$body"',
    )
    woocommerce = (
        f"body=$(curl -fsS '{server.url}/sample/order?email=robin@example.com')",
        f"curl -isS '{server.world.stack.webhook_url(BIKES)}' \\",
        "  -H 'Content-Type: application/json' -H 'X-WC-Webhook-Topic: order.updated' \\",
        "  -H 'X-WC-Webhook-Resource: order' -H 'X-WC-Webhook-Event: updated' \\",
        f"  -H 'X-WC-Webhook-Source: https://{BIKES.domain}/' \\",
        "  -H 'X-WC-Webhook-ID: 7' -H \"X-WC-Webhook-Delivery-ID: $(date +%s)\" \\",
        f'  -H "X-WC-Webhook-Signature: {_signature(BIKES.secret)}" \\',
        '  --data-binary "$body"',
    )
    return [
        ("A Shopify checkout, left behind", "\n".join(shopify)),
        ("A WooCommerce order, paid", "\n".join(woocommerce)),
    ]


def _signature(secret: str) -> str:
    return f"$(printf %s \"$body\" | openssl dgst -sha256 -hmac '{secret}' -binary | base64)"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, inbox: InboxServer, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.inbox = inbox


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def inbox(self) -> InboxServer:
        return self.server.inbox

    def do_GET(self) -> None:
        self._route(_GET)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if _GUARD not in self.headers:
            self._send(403, "text/plain", b"only the page may do that")
        else:
            self._route(_POST)

    def _route(self, routes: Mapping[str, Callable[[_Handler, str, dict[str, list[str]]], None]]) -> None:
        # Another name for this address means that a foreign page had its own name resolved to us.
        if self.headers.get("Host", "").partition(":")[0] not in (HOST, "localhost"):
            self._send(403, "text/plain", b"wrong host")
            return
        target = urlsplit(self.path)
        for pattern, answer in routes.items():
            found = re.fullmatch(pattern, target.path)
            if found:
                try:
                    answer(self, found[1], parse_qs(target.query))
                except LookupError as missing:
                    self._send(404, "text/plain; charset=utf-8", str(missing).encode())
                return
        self._send(404, "text/plain; charset=utf-8", f"no {target.path} here".encode())

    def page(self, path: str, _: dict[str, list[str]]) -> None:
        name, kind = _FILES[path]
        self._send(200, kind, (_PAGE / name).read_bytes(), _PAGE_POLICY)

    def state(self, _: str, __: dict[str, list[str]]) -> None:
        self._json(self.inbox.state())

    def detail(self, number: str, _: dict[str, list[str]]) -> None:
        self._json(self.inbox.detail(int(number)))

    def rendered(self, number: str, query: dict[str, list[str]]) -> None:
        page = self.inbox.rendered(int(number), query.get("scheme", ["light"])[0])
        policy = _mail_policy(self.inbox.url, self.inbox.world.stack.api_url)
        self._send(200, "text/html; charset=utf-8", page.encode(), policy)

    def text(self, number: str, _: dict[str, list[str]]) -> None:
        self._json(self.inbox.text(int(number)))

    def push(self, number: str, _: dict[str, list[str]]) -> None:
        self._json(self.inbox.push(int(number)))

    def eml(self, number: str, _: dict[str, list[str]]) -> None:
        self._send(200, "message/rfc822", self.inbox.mail(int(number)).eml())

    def picture(self, name: str, _: dict[str, list[str]]) -> None:
        file = PICTURES / name
        if not file.is_file():
            raise LookupError(f"no picture {name}")
        self._send(200, "image/png", file.read_bytes())

    def sample(self, kind: str, query: dict[str, list[str]]) -> None:
        self._json(self.inbox.sample(kind, query.get("email", ["robin@example.com"])[0]))

    def skip(self, _: str, __: dict[str, list[str]]) -> None:
        self.inbox.controls.skip.set()
        self._json({"ok": True})

    def act(self, wanted: str, _: dict[str, list[str]]) -> None:
        number, _slash, act = wanted.partition("/")
        self.inbox.act(int(number), act)
        self._json(self.inbox.detail(int(number)))

    def act_on_text(self, wanted: str, _: dict[str, list[str]]) -> None:
        number, _slash, act = wanted.partition("/")
        self.inbox.act_on_text(int(number), act)
        self._json(self.inbox.text(int(number)))

    def act_on_push(self, wanted: str, _: dict[str, list[str]]) -> None:
        number, _slash, act = wanted.partition("/")
        self.inbox.act_on_push(int(number), act)
        self._json(self.inbox.push(int(number)))

    def _json(self, value: object) -> None:
        raw = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        self._send(200, "application/json; charset=utf-8", raw)

    def _send(self, status: int, kind: str, raw: bytes, policy: str = "default-src 'none'") -> None:
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the page has been closed
            self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the terminal shows the timeline."""


_GET: Mapping[str, Callable[[_Handler, str, dict[str, list[str]]], None]] = {
    r"(/|/page\.css|/page\.js|/icon\.svg)": _Handler.page,
    r"(/api/state)": _Handler.state,
    r"/api/mails/(\d+)": _Handler.detail,
    r"/api/texts/(\d+)": _Handler.text,
    r"/api/pushes/(\d+)": _Handler.push,
    r"/mails/(\d+)/html": _Handler.rendered,
    r"/mails/(\d+)/eml": _Handler.eml,
    r"/pictures/([a-z0-9-]+\.png)": _Handler.picture,
    r"/sample/([a-z]+)": _Handler.sample,
}
_POST: Mapping[str, Callable[[_Handler, str, dict[str, list[str]]], None]] = {
    r"(/api/skip)": _Handler.skip,
    r"/api/mails/(\d+/[a-z]+)": _Handler.act,
    r"/api/texts/(\d+/[a-z]+)": _Handler.act_on_text,
    r"/api/pushes/(\d+/[a-z]+)": _Handler.act_on_push,
}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _mail_policy(url: str, api_url: str) -> str:
    """Return what a mail may do: look as it wants, show the demo's pictures and its own, open links in a new tab.

    What counts an opening is no picture of its own: to look at a mail here is not to get it.
    """
    return (
        f"sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        f"img-src {url} {api_url}/a/ data:; font-src 'none'; frame-ancestors {url} http://localhost:{urlsplit(url).port}"
    )
