"""What SES says of a mail, by either road (EventBridge's `detail`, or the same object through SNS), as one shape.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rekindle.domain.errors import MalformedBodyError
from rekindle.service.machines import machine

#: The e-mail tag, and the header, by which a notice finds its message (DESIGN §6, step 4).
MESSAGE_TAG = "rekindle_message"
MESSAGE_HEADER = "X-Rekindle-Message"

NoticeKind = Literal["sent", "delivered", "opened", "clicked", "bounced", "complained", "failed", "delayed", "other"]

_KINDS: Mapping[str, NoticeKind] = {
    "Send": "sent",
    "Delivery": "delivered",
    "Open": "opened",
    "Click": "clicked",
    "Bounce": "bounced",
    "Complaint": "complained",
    "Reject": "failed",
    "Rendering Failure": "failed",
    "DeliveryDelay": "delayed",
}
#: Where SES puts what it has to say, where that is not the kind in lower case.
_BODIES = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
#: Only words of SES's own vocabulary: a diagnostic text may quote the address.
_WORDS = ("bounceType", "bounceSubType", "complaintFeedbackType", "complaintSubType", "delayType", "reason")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Notice(Struct, frozen=True, kw_only=True):
    """One thing that happened to one message. `message_id` is ours, from the tag or the header, if there is any."""

    kind: NoticeKind
    message_id: str | None
    vendor_id: str
    at: datetime
    permanent: bool = False
    """of a bounce: the address does not exist; of a complaint: it is one, not a `not-spam`"""
    machine: bool = False
    """of an open or a click: no human did it"""
    link: str | None = None
    about: str = ""
    """of a click: the category that the link leads to, where its mail said so"""
    detail: str | None = None


def read_notice(body: object) -> Notice:
    """Return the notice in an EventBridge event, an SNS message's JSON, or the bare SES object.

    Raises `MalformedBodyError`.
    """
    if isinstance(body, (str, bytes)):
        try:
            body = msgspec.json.decode(body)
        except (ValueError, RecursionError) as error:
            raise MalformedBodyError("the notice is not JSON") from error
    if not isinstance(body, dict):
        raise MalformedBodyError("the notice is not an object")
    said = body.get("detail", body)
    mail = said.get("mail") if isinstance(said, dict) else None
    if not isinstance(mail, dict) or not isinstance(mail.get("messageId"), str):
        raise MalformedBodyError("the notice does not say which mail it is about")
    type_ = str(said.get("eventType") or said.get("notificationType") or "")
    part = said.get(_BODIES.get(type_, type_.lower()))
    part = part if isinstance(part, dict) else {}
    return Notice(
        kind=_KINDS.get(type_, "other"),
        message_id=_tag(mail),
        vendor_id=mail["messageId"],
        at=_moment(part.get("timestamp") or mail.get("timestamp") or body.get("time")),
        permanent=_permanent(type_, part),
        machine=_machine(type_, part),
        link=part.get("link") if isinstance(part.get("link"), str) else None,
        detail=_detail(part),
    )


def _tag(mail: Mapping[str, Any]) -> str | None:
    tags = mail.get("tags")
    values = tags.get(MESSAGE_TAG) if isinstance(tags, dict) else None
    if isinstance(values, list) and values and isinstance(values[0], str):
        return ours(values[0])
    headers = mail.get("headers")
    for header in headers if isinstance(headers, list) else ():
        if isinstance(header, dict) and str(header.get("name", "")).lower() == MESSAGE_HEADER.lower():
            return ours(str(header.get("value")))
    return None


def ours(message_id: str) -> str | None:
    """Return what may be an id of ours: it becomes a key, and stands in logs."""
    return message_id if _ID.fullmatch(message_id) else None


def _permanent(type_: str, part: Mapping[str, Any]) -> bool:
    if type_ == "Bounce":
        return part.get("bounceType") == "Permanent"
    # `not-spam` is somebody taking a complaint back (CONTRACTS): it must not suppress.
    return type_ == "Complaint" and part.get("complaintFeedbackType") != "not-spam"


def _machine(type_: str, part: Mapping[str, Any]) -> bool:
    if type_ not in ("Open", "Click"):
        return False
    if any(part.get(flag) in (True, "true", "True") for flag in ("isBot", "isAutomated", "machine", "botDetected")):
        return True
    # Without an agent SES has not told us: that says nothing.
    agent = part.get("userAgent")
    return isinstance(agent, str) and bool(machine(agent, "opened" if type_ == "Open" else "clicked"))


def _detail(part: Mapping[str, Any]) -> str | None:
    words = [part.get(name) for name in _WORDS]
    return " ".join(str(word) for word in words if word) or None


def _moment(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedBodyError("the notice does not say when") from error
