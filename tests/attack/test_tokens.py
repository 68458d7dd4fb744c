"""Tokens in links: of one purpose, shop, person and key, in one spelling, and of no other.

A new kind of link joins by an entry in `KINDS`; a test fails when one is missing there.
"""

from __future__ import annotations

import ast
import base64
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.content import links
from rekindle.content.links import (
    BadLinkError,
    Confirm,
    Preferences,
    Track,
    Unsubscribe,
    Visit,
    form_of,
    read_confirm,
    read_form,
    read_preferences,
    read_track,
    read_unsubscribe,
    read_visit,
    sign_confirm,
    sign_form,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
    sign_visit,
)

Keys = Mapping[str, bytes]
KEYS: Keys = {"k2": b"second" * 10, "k1": b"first" * 10}


class Kind(NamedTuple):
    """One purpose of a link: how it is signed and read, and a claim of it. `payload` is how a claim is written."""

    sign: Callable[[Keys, Any], str]
    read: Callable[[Keys, str], Any]
    claim: Any
    payload: Callable[[Any], bytes] = msgspec.msgpack.encode


CLAIM = Unsubscribe(shop="tea", channel="email", address="a" * 32, message="m" * 32, profile="p" * 32)
PREFERENCES = Preferences(shop="tea", channel="email", address="a" * 32, message="m" * 32, profile="p" * 32)
CONFIRM = Confirm(shop="tea", profile="p" * 32, request="r" * 32, until=1_772_442_000, locale="en")
KINDS: Mapping[str, Kind] = {
    "unsubscribe": Kind(sign_unsubscribe, read_unsubscribe, CLAIM),
    "visit": Kind(sign_visit, read_visit, Visit(shop="tea", profile="p" * 32, until=1_772_442_000)),
    "track": Kind(sign_track, read_track, Track("0f" * 16), lambda claim: bytes.fromhex(claim.message)),
    "preferences": Kind(sign_preferences, read_preferences, PREFERENCES),
    "form": Kind(sign_form, read_form, form_of(CLAIM, "stay", "900100")),
    "confirm": Kind(sign_confirm, read_confirm, CONFIRM),
}
each = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def refused(kind: Kind, token: str, keys: Keys = KEYS) -> bool:
    try:
        kind.read(keys, token)
    except BadLinkError:
        return True
    return False


def test_every_kind_of_link_is_listed() -> None:
    made = ast.parse(inspect.getsource(links)).body
    named = {node.name for node in made if isinstance(node, ast.FunctionDef)}
    assert {name.removeprefix("sign_") for name in named if name.startswith("sign_")} == KINDS.keys()
    assert {name.removeprefix("read_") for name in named if name.startswith("read_")} == KINDS.keys()


@each
def test_a_token_says_what_was_signed(kind: Kind) -> None:
    token = kind.sign(KEYS, kind.claim)
    assert kind.read(KEYS, token) == kind.claim
    assert len(token) < 400
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@each
def test_a_token_of_another_purpose_is_refused(kind: Kind) -> None:
    """The other kinds that exist, and any that ever will: the same bytes under the key of another purpose."""
    token = kind.sign(KEYS, kind.claim)
    text, _, mark = token.rpartition(".")
    body, length = text.encode(), len(links._decode(mark.encode()))
    own = next(name for name, known in KINDS.items() if known is kind)
    made = {
        purpose: text + "." + links._encode(links._mac(KEYS["k2"], purpose, body)[:length]).decode()
        for purpose in (own, "preferences", "click", "open", "opt-in", "", "rekindle link unsubscribe", *KINDS)
    }
    assert made.pop(own) == token
    for forged in made.values():
        assert refused(kind, forged)
    for other in KINDS.values():
        if other is not kind:
            assert refused(kind, other.sign(KEYS, other.claim))


@each
def test_a_claim_of_another_shop_or_person_needs_a_signature_of_its_own(kind: Kind) -> None:
    """Every field is signed: a claim in which one is changed, under the signature of the first, is refused."""
    name, _, mark = kind.sign(KEYS, kind.claim).split(".")
    for field in kind.claim.__struct_fields__:
        value = getattr(kind.claim, field)
        changed = replace(kind.claim, **{field: value + 1 if isinstance(value, int) else "f" + value[1:]})
        payload = links._encode(kind.payload(changed)).decode()
        assert f"{name}.{payload}.{mark}" != kind.sign(KEYS, kind.claim)
        assert refused(kind, f"{name}.{payload}.{mark}")


@each
def test_every_flipped_bit_is_refused(kind: Kind) -> None:
    token = kind.sign(KEYS, kind.claim).encode()
    for place in range(len(token)):
        for bit in range(7):
            flipped = token[:place] + bytes([token[place] ^ (1 << bit)]) + token[place + 1 :]
            assert refused(kind, flipped.decode("ascii")), (place, bit)


@each
def test_a_token_that_was_cut_or_grew_is_refused(kind: Kind) -> None:
    token = kind.sign(KEYS, kind.claim)
    for place in range(len(token)):
        assert refused(kind, token[:place])
        assert refused(kind, token[place + 1 :])
    for more in ("=", "==", ".", "A", "%3D", "\n", " ", "/", "?page=1", "\x00", "é"):
        assert refused(kind, token + more)
        assert refused(kind, more + token)


@each
def test_another_spelling_of_the_same_bytes_is_refused(kind: Kind) -> None:
    """Base64 spells some bytes in several ways: only ours counts, so nobody gets two tokens out of one."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    name, payload, mark = kind.sign(KEYS, kind.claim).split(".")
    for number, part in ((1, payload), (2, mark)):
        spellings = {
            part + "=" * (-len(part) % 4),
            part.replace("-", "+").replace("_", "/"),
            part[:5] + "\n" + part[5:],
        }
        last = alphabet.index(part[-1])
        unused = {0: 0, 2: 4, 3: 2}[len(part) % 4]
        spellings |= {part[:-1] + alphabet[last ^ other] for other in range(1, 1 << unused)}
        for other in spellings - {part}:
            parts = [name, payload, mark]
            parts[number] = other
            assert refused(kind, ".".join(parts)), other


@each
def test_a_link_works_for_ever_after_a_rotation(kind: Kind) -> None:
    old = kind.sign({"k1": KEYS["k1"]}, kind.claim)
    for keys in (KEYS, {"k9": b"newest", **KEYS}):
        assert kind.read(keys, old) == kind.claim
        assert kind.sign(keys, kind.claim).startswith(next(iter(keys)) + ".")


@each
def test_a_key_that_was_taken_out_and_a_key_of_somebody_elses_sign_nothing(kind: Kind) -> None:
    assert refused(kind, kind.sign({"k1": KEYS["k1"]}, kind.claim), {"k2": KEYS["k2"]})
    assert refused(kind, kind.sign({"k2": b"not ours"}, kind.claim))
    assert refused(kind, kind.sign({"k1": KEYS["k2"]}, kind.claim))


@each
def test_a_token_names_nobody(kind: Kind) -> None:
    """What is in it is no address and no name, in whatever way it is read."""
    payload = kind.sign(KEYS, kind.claim).split(".")[1]
    assert b"@" not in base64.urlsafe_b64decode(payload + "==")
