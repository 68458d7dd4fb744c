"""SES v2 on loopback: takes `SendEmail` as SES does, keeps every mail whole, and tells what became of it.

The emulator's own SES drops headers and tags and publishes no events (LOCAL.md, 3). This one keeps to a sending rate
and a daily quota, and can refuse, hang and lose its answer on demand. Imports the standard library and `local.clock`'s
idea of time; knows nothing of Rekindle.
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol

from local.emulator import HOST, REGION

Fault = Literal["throttle", "quota", "paused", "reject", "fail", "hang", "lose_answer", "slow"]
Kind = Literal["Send", "Delivery", "Bounce", "Complaint", "Open", "Click", "Unsubscribe", "Reply"]

_ACCOUNT = "000000000000"
_SEND_PATH = "/v2/email/outbound-emails"
_ACCOUNT_PATH = "/v2/email/account"
_HANG_SECONDS = 120.0

#: What SES answers (CONTRACTS, SES v2; API reference of SendEmail): status, error, message.
_REFUSALS: dict[str, tuple[int, str, str]] = {
    "throttle": (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "quota": (400, "LimitExceededException", "Daily message quota exceeded."),
    "paused": (400, "SendingPausedException", "Sending paused for this account."),
    "reject": (400, "MessageRejected", "Email address is not verified."),
    "fail": (500, "InternalServiceErrorException", "Internal failure."),
}
#: What SES gives notice of. Who opens and clicks it is not asked to count (template.yaml): that goes through our links.
_DETAIL_TYPES: dict[str, str] = {
    "Send": "Email Sent",
    "Delivery": "Email Delivered",
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
}


class Clock(Protocol):
    """What time it is for the shops and their customers."""

    def now(self) -> datetime:
        """Return the current moment, UTC."""
        ...


@dataclass(frozen=True)
class Happening:
    """Something that became of a mail."""

    kind: Kind
    at: datetime
    link: str | None = None


@dataclass
class InboxMail:
    """One accepted mail, whole, as it would lie in the recipient's inbox."""

    number: int
    vendor_id: str
    at: datetime
    sender: str
    to: str
    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...]
    tags: dict[str, str]
    configuration_set: str
    reply_to: str
    request: str
    happenings: list[Happening] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return the bare address of the recipient."""
        return parseaddr(self.to)[1]

    def header(self, name: str) -> str | None:
        """Return the value of a header of the request, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def unsubscribe_url(self) -> str | None:
        """Return where the one-click unsubscribe is posted to (RFC 8058), if the mail offers it."""
        value = self.header("List-Unsubscribe") or ""
        urls = [part.strip().strip("<>") for part in value.split(",")]
        return next((url for url in urls if url.startswith("http")), None)

    def eml(self) -> bytes:
        """Return the mail as a file that any mail program opens (RFC 5322)."""
        # RFC 5322 allows 998: folded at 78, a long link in a header would be cut into encoded words.
        message = EmailMessage(policy=SMTP.clone(max_line_length=998))
        message["From"] = _address(self.sender)
        message["To"] = _address(self.to)
        message["Subject"] = self.subject
        message["Date"] = format_datetime(self.at)
        message["Message-ID"] = f"<{self.vendor_id}@email.amazonses.com>"
        if self.reply_to:
            message["Reply-To"] = _address(self.reply_to)
        for name, value in self.headers:
            message[name] = value
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        return message.as_bytes()


def _address(text: str) -> Address:
    name, bare = parseaddr(text)
    return Address(display_name=name, addr_spec=bare)


@dataclass(frozen=True)
class Attempt:
    """One request: the e-mail tags that it carried, and what was done to it."""

    tags: dict[str, str]
    fault: Fault | None

    @property
    def refused(self) -> bool:
        """Whether the answer said that the mail was surely not taken."""
        return self.fault in _REFUSALS and self.fault != "fail"


@dataclass
class Limits:
    """What the account may send: `rate` mails a second (as many again at once), `quota` in 24 hours."""

    rate: float = 200.0
    quota: float = 1_000_000.0
    sandbox: bool = False
    _left: float = field(default=0.0, init=False)
    _since: float = field(default=float("-inf"), init=False)

    def allows(self, now: float) -> bool:
        """Whether a mail at this moment (seconds, monotonic) is within the rate; if so, it is counted."""
        self._left = min(max(self.rate, 1.0), self._left + (now - self._since) * self.rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class LocalSes:
    """The endpoint and its inbox. `plan` makes the next attempts fail in a chosen way, `weather` any that come."""

    def __init__(self, clock: Clock, port: int = 0, *, limits: Limits | None = None) -> None:
        self._clock = clock
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._mails: list[InboxMail] = []
        self._faults: deque[Fault | None] = deque()
        self._notices: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._publish: Callable[[dict[str, Any]], None] | None = None
        self._stopping = threading.Event()
        self.weather: Callable[[], Fault | None] = lambda: None
        """decides about each attempt for which nothing is planned"""
        self.slow_seconds = 0.5
        """how long a slow attempt takes"""
        self.attempts: list[str] = []
        """the message that each request was about, by its `message` tags and subject, accepted or not"""
        self.history: list[Attempt] = []
        """every request, in order"""
        self.problems: list[str] = []
        """notices that could not be handed over"""
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self._threads = (
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="ses", daemon=True),
            threading.Thread(target=self._hand_over, name="ses-notices", daemon=True),
        )

    @property
    def url(self) -> str:
        """Return the value for `AWS_ENDPOINT_URL_SESV2`."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def mails(self) -> list[InboxMail]:
        """Return every accepted mail, in order."""
        with self._lock:
            return list(self._mails)

    @property
    def quiet(self) -> bool:
        """Whether every notice has been handed over. A request under way shows as a message in flight on its queue."""
        return self._notices.unfinished_tasks == 0

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalSes]:
        """Serve for the length of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._notices.put(None)
            self._server.shutdown()
            self._server.server_close()
            self._threads[1].join()

    def connect(self, publish: Callable[[dict[str, Any]], None]) -> None:
        """Hand every notice, in EventBridge's envelope, to `publish`; those from before wait for this."""
        self._publish = publish

    def plan(self, *faults: Fault | None) -> None:
        """Let the next attempts end like this, one each (`None`: well), before all is well again."""
        with self._lock:
            self._faults.extend(faults)

    def happen(self, number: int, kind: Kind, link: str | None = None) -> None:
        """Let something become of a mail now, and give the notice that SES gives. Raises `LookupError` for no mail."""
        with self._lock:
            mail = next((mail for mail in self._mails if mail.number == number), None)
            if mail is None:
                raise LookupError(f"no mail {number}")
            self._note(mail, kind, link)

    def _note(self, mail: InboxMail, kind: Kind, link: str | None = None) -> None:
        happening = Happening(kind, self._clock.now(), link)
        mail.happenings.append(happening)
        if kind in _DETAIL_TYPES:
            self._notices.put(envelope(mail, happening, len(mail.happenings)))

    def _hand_over(self) -> None:
        """Give the notices to whoever is connected, one by one, in order."""
        while True:
            notice = self._notices.get()
            try:
                if notice is None:
                    return
                while self._publish is None and not self._stopping.wait(0.05):
                    pass
                if self._publish is not None and not self._stopping.is_set():
                    self._publish(notice)
            except Exception as problem:  # noqa: BLE001
                self.problems.append(f"{notice and notice['detail-type']}: {problem!r}")
            finally:
                self._notices.task_done()

    def _take(self, raw: bytes) -> InboxMail:
        """Accept one `SendEmail` request; its address says what becomes of it, as with SES's mailbox simulator."""
        request = json.loads(raw)
        content = request["Content"]["Simple"]
        destination = request["Destination"]["ToAddresses"][0]
        with self._lock:
            number = len(self._mails) + 1
            mail = InboxMail(
                number=number,
                vendor_id=f"0100local-{number:06d}",
                at=self._clock.now(),
                sender=request["FromEmailAddress"],
                to=destination,
                subject=content["Subject"]["Data"],
                html=content["Body"].get("Html", {}).get("Data", ""),
                text=content["Body"].get("Text", {}).get("Data", ""),
                headers=tuple((each["Name"], each["Value"]) for each in content.get("Headers", [])),
                tags={each["Name"]: each["Value"] for each in request.get("EmailTags", [])},
                configuration_set=request.get("ConfigurationSetName", ""),
                reply_to=next(iter(request.get("ReplyToAddresses", [])), ""),
                request=json.dumps(request, indent=2, ensure_ascii=False),
            )
            self._mails.append(mail)
            local_part = mail.address.partition("@")[0].partition("+")[0].lower()
            self._note(mail, "Send")
            self._note(mail, "Bounce" if local_part == "bounce" else "Delivery")
            if local_part == "complaint":
                self._note(mail, "Complaint")
        return mail

    def _answer(self, raw: bytes) -> tuple[int, dict[str, str], dict[str, str]] | None:
        """Return status, headers and body for one request; `None` closes the connection without an answer."""
        with self._lock:
            self.attempts.append(_named(raw))
            fault = (self._faults.popleft() if self._faults else self.weather()) or self._limit()
            self.history.append(Attempt(_tags(raw), fault))
        if fault == "slow":
            self._stopping.wait(self.slow_seconds)
        if fault in _REFUSALS:
            status, error, message = _REFUSALS[str(fault)]
            return status, {"x-amzn-ErrorType": error}, {"message": message}
        if fault == "hang":
            self._stopping.wait(_HANG_SECONDS)
            return None
        try:
            mail = self._take(raw)
        except (ValueError, KeyError, IndexError, TypeError) as problem:
            return 400, {"x-amzn-ErrorType": "BadRequestException"}, {"message": repr(problem)}
        return None if fault == "lose_answer" else (200, {}, {"MessageId": mail.vendor_id})

    def _limit(self) -> Fault | None:
        if self._sent_today() >= self.limits.quota:
            return "quota"
        return None if self.limits.allows(time.monotonic()) else "throttle"

    def _sent_today(self) -> int:
        since = self._clock.now() - timedelta(hours=24)
        return sum(mail.at > since for mail in self._mails)

    def _account(self) -> dict[str, Any]:
        """Return what `GetAccount` answers (API reference)."""
        with self._lock:
            sent = self._sent_today()
        return {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": not self.limits.sandbox,
            "SendingEnabled": True,
            "SendQuota": {
                "Max24HourSend": self.limits.quota,
                "MaxSendRate": self.limits.rate,
                "SentLast24Hours": float(sent),
            },
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ses = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                if len(raw) < length:
                    # Whoever sent it died half way: to SES that is no request.
                    self.close_connection = True
                    return
                if self.path.partition("?")[0] != _SEND_PATH:
                    self._reply(404, {"x-amzn-ErrorType": "NotFoundException"}, {"message": f"no {self.path} here"})
                    return
                answer = ses._answer(raw)
                if answer is None:
                    self.close_connection = True
                    return
                self._reply(*answer)

            def do_GET(self) -> None:
                if self.path.partition("?")[0] == _ACCOUNT_PATH:
                    self._reply(200, {}, ses._account())
                else:
                    self._reply(404, {"x-amzn-ErrorType": "NotFoundException"}, {"message": f"no {self.path} here"})

            def _reply(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
                raw = json.dumps(body).encode()
                self.send_response(HTTPStatus(status))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: the inbox is the log."""

        return Handler


def _named(raw: bytes) -> str:
    """Return by what a test can tell one attempt from another: recipient and subject."""
    try:
        request = json.loads(raw)
        return f"{request['Destination']['ToAddresses'][0]} · {request['Content']['Simple']['Subject']['Data']}"
    except (ValueError, KeyError, IndexError, TypeError):
        return "unreadable"


def _tags(raw: bytes) -> dict[str, str]:
    try:
        return {each["Name"]: each["Value"] for each in json.loads(raw).get("EmailTags", [])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def envelope(mail: InboxMail, happening: Happening, serial: int) -> dict[str, Any]:
    """Return what SES puts on the default event bus (CONTRACTS, SES v2, EventBridge)."""
    at = _stamp(happening.at)
    name, sender = parseaddr(mail.sender)
    details: dict[str, dict[str, Any]] = {
        "Send": {},
        "Delivery": {
            "timestamp": at,
            "processingTimeMillis": 412,
            "recipients": [mail.address],
            "smtpResponse": "250 2.0.0 OK",
            "reportingMTA": "a1-1.smtp-out.amazonses.com",
        },
        "Bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": mail.address,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": at,
            "feedbackId": f"{mail.vendor_id}-bounce",
            "reportingMTA": "dns; a1-1.smtp-out.amazonses.com",
        },
        "Complaint": {
            "complainedRecipients": [{"emailAddress": mail.address}],
            "timestamp": at,
            "feedbackId": f"{mail.vendor_id}-complaint",
            "complaintFeedbackType": "abuse",
            "userAgent": "Amazon SES Mailbox Simulator",
            "arrivalDate": at,
        },
    }
    tags = {
        "ses:configuration-set": [mail.configuration_set],
        "ses:operation": ["SendEmail"],
        "ses:from-domain": [sender.partition("@")[2]],
        "ses:source-ip": ["192.0.2.10"],
        "ses:caller-identity": ["rekindle"],
        **{name: [value] for name, value in mail.tags.items()},
    }
    common = {"from": [mail.sender], "to": [mail.to], "messageId": mail.vendor_id, "subject": mail.subject}
    headers = [("From", mail.sender), ("To", mail.to), ("Subject", mail.subject), *mail.headers]
    return {
        "version": "0",
        "id": base64.b32encode(f"{mail.vendor_id}/{serial}".encode()).decode("ascii").rstrip("="),
        "detail-type": _DETAIL_TYPES[happening.kind],
        "source": "aws.ses",
        "account": _ACCOUNT,
        "time": at,
        "region": REGION,
        "resources": [f"arn:aws:ses:{REGION}:{_ACCOUNT}:configuration-set/{mail.configuration_set}"],
        "detail": {
            "eventType": happening.kind,
            "mail": {
                "timestamp": _stamp(mail.at),
                "source": f"{name} <{sender}>" if name else sender,
                "sendingAccountId": _ACCOUNT,
                "messageId": mail.vendor_id,
                "destination": [mail.address],
                "headersTruncated": False,
                "headers": [{"name": name, "value": value} for name, value in headers],
                "commonHeaders": common,
                "tags": tags,
            },
            happening.kind.lower(): details[happening.kind],
        },
    }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
