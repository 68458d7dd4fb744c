"""SES v2 on loopback: takes `SendEmail` as SES does, keeps every mail whole, and tells what became of it.

The emulator's own SES drops headers and tags and publishes no events (LOCAL.md, 3). This one keeps to a sending rate
and a daily quota, and can refuse, hang and lose its answer on demand. Knows nothing of Rekindle.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any, Literal

from local.emulator import REGION
from local.server import Clock, NotifyingServer, Reply, Request

Fault = Literal["throttle", "quota", "paused", "reject", "fail", "hang", "lose_answer", "slow"]
Kind = Literal["Send", "Delivery", "Bounce", "Complaint", "Open", "Click", "Unsubscribe", "Reply"]

_ACCOUNT = "000000000000"
_JSON = {"Content-Type": "application/json"}

#: What SES answers (API reference of SendEmail; Developer Guide, Errors related to the sending quotas): status, error,
#: message. Of a quota that is used up only the message tells.
_REFUSALS: dict[str, tuple[int, str, str]] = {
    "throttle": (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "quota": (429, "TooManyRequestsException", "Daily message quota exceeded."),
    "paused": (400, "SendingPausedException", "Sending paused for this account."),
    "reject": (400, "MessageRejected", "The message can't be sent because it contains invalid content."),
    "fail": (500, "InternalServiceErrorException", "Internal failure."),
}
#: What SES gives notice of (template.yaml). Who opens and clicks it is not asked to count: that goes through our links.
_DETAIL_TYPES: dict[str, str] = {
    "Delivery": "Email Delivered",
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
}


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


class LocalSes(NotifyingServer[Fault]):
    """The endpoint (`url`: `AWS_ENDPOINT_URL_SESV2`) and its inbox. Notices are in EventBridge's envelope.

    `plan` makes the next attempts fail in a chosen way, `weather` any that come.
    """

    def __init__(self, clock: Clock, port: int = 0, *, limits: Limits | None = None) -> None:
        super().__init__(port)
        self._clock = clock
        self.limits = limits or Limits()
        self._mails: list[InboxMail] = []
        self.slow_seconds = 0.5
        """how long a slow attempt takes"""
        self.attempts: list[str] = []
        """the message that each request was about, by its `message` tags and subject, accepted or not"""
        self.history: list[Attempt] = []
        """every request, in order"""

    @property
    def mails(self) -> list[InboxMail]:
        """Return every accepted mail, in order."""
        with self.lock:
            return list(self._mails)

    def happen(self, number: int, kind: Kind, link: str | None = None) -> None:
        """Let something become of a mail now, and give the notice that SES gives. Raises `LookupError` for no mail."""
        with self.lock:
            mail = next((mail for mail in self._mails if mail.number == number), None)
            if mail is None:
                raise LookupError(f"no mail {number}")
            self._note(mail, kind, link)

    def _note(self, mail: InboxMail, kind: Kind, link: str | None = None) -> None:
        happening = Happening(kind, self._clock.now(), link)
        mail.happenings.append(happening)
        if kind in _DETAIL_TYPES:
            self.notify(envelope(mail, happening, len(mail.happenings)))

    def _take(self, raw: bytes) -> InboxMail:
        """Accept one `SendEmail` request; its address says what becomes of it, as with SES's mailbox simulator."""
        request = json.loads(raw)
        content = request["Content"]["Simple"]
        destination = request["Destination"]["ToAddresses"][0]
        with self.lock:
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

    def respond(self, request: Request) -> Reply | None:
        """Take a mail, or say how the account stands."""
        match request.method, request.path:
            case "POST", "/v2/email/outbound-emails":
                return self._send(request.body)
            case "GET", "/v2/email/account":
                return Reply(200, self._account(), _JSON)
            case _:
                return _refusal(404, "NotFoundException", f"no {request.path} here")

    def _send(self, raw: bytes) -> Reply | None:
        with self.lock:
            self.attempts.append(_named(raw))
            fault = self.next_fault() or self._limit()
            self.history.append(Attempt(_tags(raw), fault))
        if fault == "slow":
            self.rest(self.slow_seconds)
        if fault in _REFUSALS:
            return _refusal(*_REFUSALS[str(fault)])
        if fault == "hang":
            self.rest()
            return None
        try:
            mail = self._take(raw)
        except (ValueError, KeyError, IndexError, TypeError) as problem:
            return _refusal(400, "BadRequestException", repr(problem))
        return None if fault == "lose_answer" else Reply(200, {"MessageId": mail.vendor_id}, _JSON)

    def _limit(self) -> Fault | None:
        if self._sent_today() >= self.limits.quota:
            return "quota"
        return None if self.limits.allows(time.monotonic()) else "throttle"

    def _sent_today(self) -> int:
        since = self._clock.now() - timedelta(hours=24)
        return sum(mail.at > since for mail in self._mails)

    def _account(self) -> dict[str, Any]:
        """Return what `GetAccount` answers (API reference)."""
        with self.lock:
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


def _refusal(status: int, error: str, message: str) -> Reply:
    return Reply(status, {"message": message}, {"x-amzn-ErrorType": error, **_JSON})


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
