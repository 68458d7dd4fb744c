"""AWS End User Messaging on loopback: takes `SendTextMessage` as it does, keeps every text, tells what became of it.

Its notices are those of a configuration set whose events go to SNS, and a phone can text back. It can also refuse, hang
and lose its answer on demand. Imports the standard library only; knows nothing of Rekindle.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from local.server import Clock, NotifyingServer, Reply, Request
from local.ses import Happening

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
_TARGET = "PinpointSMSVoiceV2.SendTextMessage"
_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}
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


class LocalPhones(NotifyingServer[Fault]):
    """The endpoint (`url`: `AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2`) and the phones behind it.

    `plan` makes the next attempts fail in a chosen way. Notices are given as SNS hands them to a function.
    """

    def __init__(self, clock: Clock, port: int = 0) -> None:
        super().__init__(port)
        self._clock = clock
        self._texts: list[PhoneText] = []
        self._replies = 0
        self.attempts = 0
        """how many requests came, accepted or not"""

    @property
    def texts(self) -> list[PhoneText]:
        """Return every accepted text, in order."""
        with self.lock:
            return list(self._texts)

    def reply(self, number: int, body: str) -> None:
        """Text back to the sender of a text. Raises `LookupError` for an unknown text."""
        with self.lock:
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
            self.notify(notification(said, self._clock.now()))

    def happen(self, number: int, kind: Literal["Bounce"]) -> None:
        """Let something become of a text now, and give notice of it. Raises `LookupError` for an unknown text."""
        with self.lock:
            self._note(self._found(number), kind)

    def _found(self, number: int) -> PhoneText:
        found = next((text for text in self._texts if text.number == number), None)
        if found is None:
            raise LookupError(f"no text {number}")
        return found

    def _note(self, text: PhoneText, kind: Literal["Send", "Delivery", "Bounce"]) -> None:
        happening = Happening(kind, self._clock.now())
        text.happenings.append(happening)
        self.notify(notification(event(text, kind, happening.at), happening.at))

    def respond(self, request: Request) -> Reply | None:
        """Take a text."""
        if request.headers.get("x-amz-target") != _TARGET:
            return _refusal(400, "UnknownOperationException", "")
        with self.lock:
            self.attempts += 1
            fault = self.next_fault()
        if fault in _REFUSALS:
            return _refusal(*_REFUSALS[str(fault)])
        if fault == "hang":
            self.rest()
            return None
        try:
            asked = json.loads(request.body)
        except ValueError:
            return _refusal(400, "ValidationException", "CANNOT_PARSE")
        if wrong := _wrong(asked):
            return _refusal(400, "ValidationException", "FIELD_VALIDATION_FAILED", wrong)
        text = self._take(asked)
        return None if fault == "lose_answer" else Reply(200, {"MessageId": text.vendor_id}, _HEADERS)

    def _take(self, request: dict[str, Any]) -> PhoneText:
        with self.lock:
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


def _refusal(status: int, error: str, reason: str, message: str = "as told") -> Reply:
    said = {"__type": error, "Message": message, **({"Reason": reason} if reason else {})}
    return Reply(status, said, _HEADERS)


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
