"""Published texts of the short channels: what an SMS and a push message say, as Jinja2 sources.

They are written in the language of mails (`rekindle.content.sandbox`), without escaping: neither is HTML.
"""

from __future__ import annotations

from msgspec import Struct

#: The longest SMS that AWS End User Messaging takes (SendTextMessage, MessageBody), in characters.
MAX_SMS = 1_600
#: What fits on a phone's lock screen, and more than most show.
MAX_PUSH_TITLE, MAX_PUSH_BODY = 120, 500


class SmsTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text message."""

    name: str
    text: str


class PushTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One push message. `url` is where a tap leads, `image` the address of a picture; both may be empty."""

    name: str
    title: str
    body: str
    url: str = ""
    image: str = ""
