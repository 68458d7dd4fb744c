"""AWS End User Messaging on loopback: takes `SendTextMessage` as it does, keeps every text, tells what became of it.

Its notices are those of a configuration set whose events go to SNS, and a phone can text back. It can also refuse, hang
and lose its answer on demand. Imports the standard library only; knows nothing of Rekindle.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from local.emulator import HOST
from local.ses import Clock, Happening

Fault = Literal[
    "throttle",
    "spend_limit",
    "denied",
    "no_such_sender",
    "opted_out",
    "sandbox",
    "invalid",
    "fail",
    "hang",
    "lose_answer",
]

#: What AWS answers (API reference, SendTextMessage): status, error, reason.
_REFUSALS: dict[str, tuple[int, str, str]] = {
    "throttle": (400, "ThrottlingException", ""),
    "spend_limit": (400, "ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
    "denied": (400, "AccessDeniedException", "ACCOUNT_DISABLED"),
    "no_such_sender": (400, "ResourceNotFoundException", ""),
    "opted_out": (400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
    "sandbox": (400, "ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
    "invalid": (400, "ValidationException", "COUNTRY_NOT_ENABLED"),
    "fail": (500, "InternalServerException", ""),
}
_HANG_SECONDS = 120.0
_TARGET = "PinpointSMSVoiceV2.SendTextMessage"
#: The kinds of `Happening` → eventType, messageStatus and its description (user guide, Example event data).
_EVENTS: dict[str, tuple[str, str, str]] = {
    "Send": ("TEXT_QUEUED", "QUEUED", "Message is queued"),
    "Delivery": ("TEXT_DELIVERED", "DELIVERED", "Message has been accepted by phone"),
    "Bounce": ("TEXT_INVALID", "INVALID", "Phone number is invalid"),
}


@dataclass
class PhoneText:
    """One accepted text, as it would lie on the phone."""

    number: int
    vendor_id: str
    at: datetime
    sender: str
    to: str
    body: str
    kind: str
    seconds: int
    context: dict[str, str]
    configuration_set: str
    request: str
    happenings: list[Happening] = field(default_factory=list)


class LocalPhones:
    """The endpoint and the phones behind it. `plan` makes the next attempts fail in a chosen way."""

    def __init__(self, clock: Clock, port: int = 0) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._texts: list[PhoneText] = []
        self._faults: deque[Fault | None] = deque()
        self._notices: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._publish: Callable[[dict[str, Any]], None] | None = None
        self._stopping = threading.Event()
        self._replies = 0
        self.attempts = 0
        """how many requests came, accepted or not"""
        self.problems: list[str] = []
        """notices that could not be handed over"""
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self._threads = (
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="phones", daemon=True),
            threading.Thread(target=self._hand_over, name="phone-notices", daemon=True),
        )

    @property
    def url(self) -> str:
        """Return the value for `AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2`."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def texts(self) -> list[PhoneText]:
        """Return every accepted text, in order."""
        with self._lock:
            return list(self._texts)

    @property
    def quiet(self) -> bool:
        """Whether every notice has been handed over."""
        return self._notices.unfinished_tasks == 0

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalPhones]:
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
        """Hand every notice, as SNS hands it to a function, to `publish`; those from before wait for this."""
        self._publish = publish

    def plan(self, *faults: Fault | None) -> None:
        """Let the next attempts end like this, one each (`None`: well), before all is well again."""
        with self._lock:
            self._faults.extend(faults)

    def reply(self, number: int, body: str) -> None:
        """Text back to the sender of a text. Raises `LookupError` for an unknown text."""
        with self._lock:
            text = self._found(number)
            self._replies += 1
            said = {
                "originationNumber": text.to,
                "destinationNumber": text.sender,
                "messageKeyword": "KEYWORD",
                "messageBody": body,
                "inboundMessageId": f"inbound-{self._replies:06d}",
                "previousPublishedMessageId": text.vendor_id,
            }
            text.happenings.append(Happening("Reply", self._clock.now(), body))
            self._notices.put(notification(said, self._clock.now()))

    def happen(self, number: int, kind: Literal["Bounce"]) -> None:
        """Let something become of a text now, and give notice of it. Raises `LookupError` for an unknown text."""
        with self._lock:
            self._note(self._found(number), kind)

    def _found(self, number: int) -> PhoneText:
        found = next((text for text in self._texts if text.number == number), None)
        if found is None:
            raise LookupError(f"no text {number}")
        return found

    def _note(self, text: PhoneText, kind: Literal["Send", "Delivery", "Bounce"]) -> None:
        happening = Happening(kind, self._clock.now())
        text.happenings.append(happening)
        self._notices.put(notification(event(text, kind, happening.at), happening.at))

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
                self.problems.append(repr(problem))
            finally:
                self._notices.task_done()

    def _answer(self, raw: bytes) -> tuple[int, dict[str, str]] | None:
        """Return status and body for one request; `None` closes the connection without an answer."""
        with self._lock:
            self.attempts += 1
            fault = self._faults.popleft() if self._faults else None
        if fault in _REFUSALS:
            return _refusal(*_REFUSALS[str(fault)])
        if fault == "hang":
            self._stopping.wait(_HANG_SECONDS)
            return None
        try:
            request = json.loads(raw)
        except ValueError:
            return _refusal(400, "ValidationException", "CANNOT_PARSE")
        if wrong := _wrong(request):
            return _refusal(400, "ValidationException", "FIELD_VALIDATION_FAILED", wrong)
        text = self._take(request)
        return None if fault == "lose_answer" else (200, {"MessageId": text.vendor_id})

    def _take(self, request: dict[str, Any]) -> PhoneText:
        with self._lock:
            number = len(self._texts) + 1
            text = PhoneText(
                number=number,
                vendor_id=f"00000000-0000-4000-8000-{number:012d}",
                at=self._clock.now(),
                sender=request["OriginationIdentity"],
                to=request["DestinationPhoneNumber"],
                body=request["MessageBody"],
                kind=request["MessageType"],
                seconds=request["TimeToLive"],
                context=request["Context"],
                configuration_set=request.get("ConfigurationSetName", ""),
                request=json.dumps(request, indent=2, ensure_ascii=False),
            )
            self._texts.append(text)
            self._note(text, "Send")
            self._note(text, "Delivery")
        return text

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        phones = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                known = self.headers.get("X-Amz-Target") == _TARGET
                answer = phones._answer(raw) if known else _refusal(400, "UnknownOperationException", "")
                if answer is None:
                    self.close_connection = True
                    return
                status, body = answer
                said = json.dumps(body).encode()
                self.send_response(HTTPStatus(status))
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: the inbox is the log."""

        return Handler


def _refusal(status: int, error: str, reason: str, message: str = "as told") -> tuple[int, dict[str, str]]:
    return status, {"__type": error, "Message": message, **({"Reason": reason} if reason else {})}


def _wrong(request: Any) -> str:
    """Return which field is not as the API reference has it, if any is not."""
    if not isinstance(request, dict):
        return "body"
    context = request.get("Context")
    rules: dict[str, bool] = {
        "DestinationPhoneNumber": bool(
            re.fullmatch(r"\+?[1-9][0-9]{1,18}", str(request.get("DestinationPhoneNumber")))
        ),
        "OriginationIdentity": bool(re.fullmatch(r"[A-Za-z0-9_:/+-]{1,256}", str(request.get("OriginationIdentity")))),
        "MessageBody": bool(re.fullmatch(r"(?!\s*$)[\s\S]{1,1600}", str(request.get("MessageBody", "")))),
        "MessageType": request.get("MessageType") in {"TRANSACTIONAL", "PROMOTIONAL"},
        "TimeToLive": isinstance(request.get("TimeToLive"), int) and 5 <= request["TimeToLive"] <= 259_200,  # noqa: PLR2004
        "Context": isinstance(context, dict) and len(context) <= 5,  # noqa: PLR2004
    }
    return next((name for name, right in rules.items() if not right), "")


def event(text: PhoneText, kind: str, at: datetime) -> dict[str, Any]:
    """Return what a configuration set tells of a text (user guide, Example event data)."""
    type_, status, description = _EVENTS[kind]
    milliseconds = int(at.timestamp() * 1000)
    return {
        "eventType": type_,
        "eventVersion": "1.0",
        "eventTimestamp": milliseconds,
        "isFinal": kind != "Send",
        "originationPhoneNumber": text.sender,
        "destinationPhoneNumber": text.to,
        "isoCountryCode": "GB",
        "mcc": "234",
        "mnc": "10",
        "messageId": text.vendor_id,
        "messageRequestTimestamp": milliseconds,
        "messageEncoding": "GSM" if text.body.isascii() else "Unicode",
        "messageType": text.kind,
        "messageStatus": status,
        "messageStatusDescription": description,
        "context": dict(text.context),
        "totalMessageParts": 1,
        "totalMessagePrice": 0.04,
        "totalCarrierFee": 0.0,
    }


def notification(said: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Return the event that SNS hands to a function."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": said.get("inboundMessageId") or said.get("messageId"),
                    "TopicArn": "arn:aws:sns:us-east-1:000000000000:feedback",
                    "Message": json.dumps(said),
                    "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
                },
            }
        ]
    }
