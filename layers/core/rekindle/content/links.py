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
from typing import TypeVar

import msgspec
from msgspec import Struct

from rekindle.domain.errors import RequestError

_MAX_TOKEN = 1_000
_SIGNATURE = 16

_Claim = TypeVar("_Claim", bound=Struct)


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


class Visit(Struct, frozen=True, array_like=True):
    """Whose mail a visit to the shop came from: what a click may add to the shop's address, as `VISIT_PARAMETER`.

    The site script hands it back with its browser's id, and that browser then belongs to this profile. `until` is in
    seconds since 1970, a few hours after the click (`VISIT_LIFE`): an address that is passed on soon says nothing more.
    """

    shop: str
    profile: str
    until: int


#: The name of the parameter, in the query of an address in the shop.
VISIT_PARAMETER = "rk_visit"
#: Seconds from the click.
VISIT_LIFE = 2 * 3600


def sign_unsubscribe(keys: Mapping[str, bytes], claim: Unsubscribe) -> str:
    """Return the token, at most a few hundred URL-safe characters, signed with the current (first) key."""
    return _sign(keys, "unsubscribe", claim)


def read_unsubscribe(keys: Mapping[str, bytes], token: str) -> Unsubscribe:
    """Return what the token claims. Raises `BadLinkError` for anything that was not signed here for this purpose."""
    return _read(keys, "unsubscribe", token, Unsubscribe)


def sign_visit(keys: Mapping[str, bytes], claim: Visit) -> str:
    """Return the token, some 130 URL-safe characters, signed with the current (first) key."""
    return _sign(keys, "visit", claim)


def read_visit(keys: Mapping[str, bytes], token: str) -> Visit:
    """Return what the token claims, however old. Raises `BadLinkError` as `read_unsubscribe` does."""
    return _read(keys, "visit", token, Visit)


def _sign(keys: Mapping[str, bytes], purpose: str, claim: Struct) -> str:
    name, key = next(iter(keys.items()))
    payload = msgspec.msgpack.encode(claim)
    body = name.encode() + b"." + _encode(payload)
    return (body + b"." + _encode(_mac(key, purpose, body))).decode()


def _read(keys: Mapping[str, bytes], purpose: str, token: str, kind: type[_Claim]) -> _Claim:
    try:
        raw = token.encode("ascii")
        body, _, signature = raw.rpartition(b".")
        name, _, payload = body.partition(b".")
        key = keys[name.decode()]
        if len(raw) > _MAX_TOKEN or not hmac.compare_digest(signature, _encode(_mac(key, purpose, body))):
            raise BadLinkError("the signature does not match")
        return msgspec.msgpack.decode(_decode(payload), type=kind)
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
