"""Links that a mail carries: signed, bound to one purpose, with nothing in them that names a person.

A token holds what is needed to act on it, so an unsubscribe link works for ever, whatever became of the message. It
names the key that signed it; keys are added, and old ones kept, when they rotate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from rekindle.domain.errors import RequestError

_MAX_TOKEN = 1_000
_SIGNATURE = 16


class BadLinkError(RequestError):
    """The link was not made here, or not for this purpose, or was cut on its way."""

    status = 404


class Unsubscribe(Struct, frozen=True, array_like=True):
    """Who must not get marketing any more: an address of a shop, by its keyed hash. `message` is the mail it was in.

    `locale` is what that was written in; links from before it was noted have none.
    """

    shop: str
    channel: str
    address: str
    message: str
    profile: str
    locale: str = ""


def sign_unsubscribe(keys: Mapping[str, bytes], claim: Unsubscribe) -> str:
    """Return the token, at most a few hundred URL-safe characters, signed with the current (first) key."""
    name, key = next(iter(keys.items()))
    payload = msgspec.msgpack.encode(claim)
    body = name.encode() + b"." + _encode(payload)
    return (body + b"." + _encode(_mac(key, "unsubscribe", body))).decode()


def read_unsubscribe(keys: Mapping[str, bytes], token: str) -> Unsubscribe:
    """Return what the token claims. Raises `BadLinkError` for anything that was not signed here for this purpose."""
    try:
        raw = token.encode("ascii")
        body, _, signature = raw.rpartition(b".")
        name, _, payload = body.partition(b".")
        key = keys[name.decode()]
        if len(raw) > _MAX_TOKEN or not hmac.compare_digest(signature, _encode(_mac(key, "unsubscribe", body))):
            raise BadLinkError("the signature does not match")
        return msgspec.msgpack.decode(_decode(payload), type=Unsubscribe)
    except (KeyError, ValueError, UnicodeError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadLinkError("not a link of ours") from error


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    # Each purpose has a key of its own, so that a token of one can never serve another.
    own = hmac.new(key, b"rekindle link " + purpose.encode(), hashlib.sha256).digest()
    return hmac.new(own, body, hashlib.sha256).digest()[:_SIGNATURE]


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
