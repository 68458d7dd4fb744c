"""Links that a mail carries: signed, bound to one purpose, with nothing in them that names a person.

A token holds what is needed to act on it, so an unsubscribe link works for ever, whatever became of the message. It
names the key that signed it; keys are added, and old ones kept, when they rotate.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec
from msgspec import Struct

from rekindle.domain.errors import RequestError

_MAX_TOKEN = 1_000
_SIGNATURE = 16
#: For what acts on nobody's consent, so that a link stays short: 96 bits (RFC 2104, 5, wants 80 at least).
_SHORT_SIGNATURE = 12

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

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


class Track(Struct, frozen=True):
    """Which message somebody clicked in, or looked at: its id, which is a hash. Who got it, only its record says."""

    message: str


#: The name of the parameter, in the query of an address in the shop.
VISIT_PARAMETER = "rk_visit"
#: Seconds from the click.
VISIT_LIFE = 2 * 3600


class Preferences(Unsubscribe, frozen=True, array_like=True):
    """Whose preference page this opens: the one of `profile`. The link was sent to `address`, a keyed hash."""


#: What forms are called that only their own links open: in the page's address, in a template's `links`, in the token.
FORMS = ("stay", "review", "survey", "friend")


class FormLink(Unsubscribe, frozen=True, array_like=True):
    """Whose answers a form takes: those of `profile`. The link was sent to `address`, a keyed hash.

    `form` is which (one of `FORMS`); `about` what it asks about, where it is something of several: an order's id.
    """

    form: str = ""
    about: str = ""


class Confirm(Struct, frozen=True, array_like=True):
    """Which sign-up this confirms: `request`, which the profile `profile` holds; until `until`, in seconds since 1970.

    The link was sent to the address that had been typed in, and so proves that it is read by whoever follows it.
    """

    shop: str
    profile: str
    request: str
    until: int
    locale: str = ""


def sign_confirm(keys: Mapping[str, bytes], claim: Confirm) -> str:
    """Return the token, as `sign_unsubscribe` does."""
    return _sign(keys, "confirm", claim)


def read_confirm(keys: Mapping[str, bytes], token: str) -> Confirm:
    """Return what the token claims, however old. Raises `BadLinkError` as `read_unsubscribe` does."""
    return _read(keys, "confirm", token, Confirm)


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


def sign_track(keys: Mapping[str, bytes], claim: Track) -> str:
    """Return the token of a message's links and of its picture: 42 characters where the key's name has two.

    Which of the links it was stands beside the token and is looked up in the message's record: one signature is enough
    for a mail, and no link can lead where the mail did not. Raises `ValueError` for what is no message's id.
    """
    return _signed(keys, "track", bytes.fromhex(claim.message), _SHORT_SIGNATURE)


def read_track(keys: Mapping[str, bytes], token: str) -> Track:
    """Return which message a token is of. Raises `BadLinkError` as `read_unsubscribe` does."""
    return Track(_verified(keys, "track", token, _SHORT_SIGNATURE).hex())


def preferences_of(claim: Unsubscribe) -> Preferences:
    """Return the claim to the preference page of whoever holds this one: both were sent to the same address."""
    return Preferences(claim.shop, claim.channel, claim.address, claim.message, claim.profile, claim.locale)


def sign_preferences(keys: Mapping[str, bytes], claim: Preferences) -> str:
    """Return the token, as `sign_unsubscribe` does."""
    return _sign(keys, "preferences", claim)


def read_preferences(keys: Mapping[str, bytes], token: str) -> Preferences:
    """Return what the token claims. Raises `BadLinkError` as `read_unsubscribe` does."""
    return _read(keys, "preferences", token, Preferences)


def sign_form(keys: Mapping[str, bytes], claim: FormLink) -> str:
    """Return the token of the link to a form, and to no other, as `sign_unsubscribe` does."""
    return _sign(keys, "form", claim)


def read_form(keys: Mapping[str, bytes], token: str) -> FormLink:
    """Return what the token claims. Raises `BadLinkError` as `read_unsubscribe` does. Whoever asks looks at `form`."""
    return _read(keys, "form", token, FormLink)


def form_of(claim: Unsubscribe, form: str, about: str = "") -> FormLink:
    """Return the claim to a form of whoever holds this one: both were sent to the same address."""
    return FormLink(claim.shop, claim.channel, claim.address, claim.message, claim.profile, claim.locale, form, about)


def _sign(keys: Mapping[str, bytes], purpose: str, claim: Struct) -> str:
    return _signed(keys, purpose, msgspec.msgpack.encode(claim), _SIGNATURE)


def _read(keys: Mapping[str, bytes], purpose: str, token: str, kind: type[_Claim]) -> _Claim:
    try:
        return msgspec.msgpack.decode(_verified(keys, purpose, token, _SIGNATURE), type=kind)
    except msgspec.MsgspecError as error:
        raise BadLinkError("not a link of ours") from error


def _signed(keys: Mapping[str, bytes], purpose: str, payload: bytes, length: int) -> str:
    name, key = next(iter(keys.items()))
    body = name.encode() + b"." + _encode(payload)
    return (body + b"." + _encode(_mac(key, purpose, body)[:length])).decode()


def _verified(keys: Mapping[str, bytes], purpose: str, token: str, length: int) -> bytes:
    """Return the payload of a token that was signed here for this purpose. Raises `BadLinkError` for every other."""
    try:
        raw = token.encode("ascii")
        body, _, signature = raw.rpartition(b".")
        name, _, payload = body.partition(b".")
        own = _encode(_mac(keys[name.decode()], purpose, body)[:length])
        if len(raw) > _MAX_TOKEN or not hmac.compare_digest(signature, own):
            raise BadLinkError("the signature does not match")
        return _decode(payload)
    except (KeyError, ValueError, UnicodeError, binascii.Error) as error:
        raise BadLinkError("not a link of ours") from error


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(_own_key(key, purpose), body, "sha256")


@lru_cache(maxsize=32)
def _own_key(key: bytes, purpose: str) -> bytes:
    # Each purpose has a key of its own, so that a token of one can never serve another.
    return hmac.digest(key, b"rekindle link " + purpose.encode(), "sha256")


def _encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=")


def _decode(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
