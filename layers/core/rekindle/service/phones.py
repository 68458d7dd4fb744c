"""What comes back from phones: what became of a text (AWS's events), and what somebody texts (two-way SMS). Pure.

Both come by one SNS topic, which only AWS End User Messaging may publish to: so what a phone says is signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.replies import wish_of
from rekindle.service.notices import Notice, NoticeKind, ours, read_notice

#: The entry of a text's `Context` by which a notice finds its message.
MESSAGE_CONTEXT = "rekindle_message"

#: What AWS tells of texts (user guide, Event types for SMS, MMS, and voice).
_KINDS: Mapping[str, NoticeKind] = {
    "TEXT_QUEUED": "sent",
    "TEXT_PENDING": "sent",
    "TEXT_SENT": "sent",
    "TEXT_SUCCESSFUL": "sent",
    "TEXT_DELIVERED": "delivered",
    "TEXT_INVALID": "bounced",
    "TEXT_INVALID_MESSAGE": "failed",
    "TEXT_UNREACHABLE": "failed",
    "TEXT_CARRIER_UNREACHABLE": "failed",
    "TEXT_BLOCKED": "failed",
    "TEXT_CARRIER_BLOCKED": "failed",
    "TEXT_SPAM": "failed",
    "TEXT_TTL_EXPIRED": "failed",
    "TEXT_PROTECT_BLOCKED": "failed",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The longest text that anybody can send us, in characters, and the longest number or id.
_MAX_TEXT, _MAX_WORD = 1_600, 64
_NUMBER = re.compile(r"\+?[1-9]\d{2,14}")
#: What SES puts on a topic that an event destination, or an identity, is given: whether it may, and no news of a mail.
_GREETING = re.compile(
    r'Successfully validated SNS topic\b|\s*\{\s*"notificationType"\s*:\s*"AmazonSnsSubscriptionSucceeded"'
)


class Incoming(Struct, frozen=True, kw_only=True):
    """A text from somebody's phone."""

    id: str
    sender: str
    """the phone's number, E.164"""
    to: str
    """the number of ours that it came to"""
    text: str
    at: datetime

    @property
    def wish(self) -> Literal["stop", "start", "other"]:
        """What the text as a whole asks for."""
        return wish_of(self.text)


def read_phone(said: Mapping[str, Any], told_at: object) -> Notice | Incoming:
    """Return what a message of the topic says; `told_at` is when SNS had it. Raises `MalformedBodyError`."""
    if "inboundMessageId" in said:
        return _incoming(said, told_at)
    vendor_id = said.get("messageId")
    if not isinstance(vendor_id, str) or not 0 < len(vendor_id) <= _MAX_WORD:
        raise MalformedBodyError("the notice does not say which text it is about")
    type_ = str(said.get("eventType"))
    kind: NoticeKind = _KINDS.get(type_, "other")
    if type_ == "TEXT_SUCCESSFUL" and said.get("isFinal") is True:
        # In some countries this is all that carriers ever tell.
        kind = "delivered"
    context = said.get("context")
    named = context.get(MESSAGE_CONTEXT) if isinstance(context, dict) else None
    return Notice(
        kind=kind,
        message_id=ours(named) if isinstance(named, str) else None,
        vendor_id=vendor_id,
        at=_milliseconds(said.get("eventTimestamp")),
        permanent=type_ == "TEXT_INVALID",
        # A word of AWS's own list: the description may quote the number.
        detail=type_ if kind in ("bounced", "failed") else None,
    )


def _incoming(said: Mapping[str, Any], told_at: object) -> Incoming:
    parts = [said.get(name) for name in ("inboundMessageId", "originationNumber", "destinationNumber", "messageBody")]
    if not all(isinstance(part, str) for part in parts):
        raise MalformedBodyError("the text does not say who sent what to whom")
    id_, sender, to, text = (str(part) for part in parts)
    if not 0 < len(id_) <= _MAX_WORD or not _NUMBER.fullmatch(sender) or len(to) > _MAX_WORD:
        raise MalformedBodyError("the text does not come from a phone")
    try:
        read = datetime.fromisoformat(str(told_at))
        at = read.astimezone(UTC) if read.tzinfo is not None else None
    except (ValueError, OverflowError) as error:
        raise MalformedBodyError("the text does not say when it came") from error
    if at is None:
        raise MalformedBodyError("the text does not say when it came")
    return Incoming(
        id=id_,
        sender=sender if sender.startswith("+") else f"+{sender}",
        to=to,
        text=text[:_MAX_TEXT],
        at=at,
    )


def _milliseconds(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedBodyError("the notice does not say when")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError as error:
        raise MalformedBodyError("the notice does not say when") from error


def heard(event: Mapping[str, Any]) -> Iterator[Notice | Incoming]:
    """Yield everything that an event of Lambda's tells, by EventBridge or SNS. Raises `MalformedBodyError`.

    With what SES says when it is shown the topic nothing is told: of that there is nothing.
    """
    records = event.get("Records")
    if not isinstance(records, list):
        yield _read(event, None)
        return
    for record in records:
        sns = record.get("Sns") if isinstance(record, dict) else None
        if not isinstance(sns, dict):
            raise MalformedBodyError("a record holds no notification")
        message = sns.get("Message")
        if isinstance(message, str) and _GREETING.match(message):
            continue
        yield _read(message, sns.get("Timestamp"))


def _read(body: object, told_at: object) -> Notice | Incoming:
    said = body
    if isinstance(body, (str, bytes)):
        try:
            said = msgspec.json.decode(body)
        except (ValueError, RecursionError) as error:
            raise MalformedBodyError("the notice is not JSON") from error
    if isinstance(said, dict) and ("inboundMessageId" in said or str(said.get("eventType", "")).startswith("TEXT_")):
        return read_phone(said, told_at)
    return read_notice(said)
