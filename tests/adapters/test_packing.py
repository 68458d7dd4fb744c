"""What is stored of JSON comes back as it was, also what was stored in other ways, and takes little room."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.aws import packing
from rekindle.aws.packing import DELIVERIES, STATE, pack, pack_text, unpack, unpack_text
from tests.shops.payloads import shopify_order
from tests.support.build import ROOT

#: Of each word list: what was packed with it can be read with this very one alone.
LISTS = {
    DELIVERIES: "a1881306c76efb5136317f8a517d1a259ff38260b686f0082f16f51a3198ef72",
    2: "e4dc9d025eea5a73384ce01a115539fb3c1ca0f859dcb9d41b71e01ff738014d",
    STATE: "213ac0d26d7048c64dda2f2e76dc7a930cf145258b6e78478baf0392dc0b7cae",
}


@given(st.binary(max_size=2_000), st.sampled_from(sorted(LISTS)), st.binary(max_size=2_000))
def test_what_is_packed_comes_back(content: bytes, words: int, beside: bytes) -> None:
    assert unpack(pack(content, words, beside), beside) == content


def test_what_is_longer_than_the_window_of_deflate_comes_back() -> None:
    events = json.dumps([shopify_order(id=number) for number in range(60)]).encode()
    assert len(events) > 2**15
    body = events[::-1]
    assert unpack(pack(body, DELIVERIES, beside=events), beside=events) == body


def test_what_was_stored_before_can_be_read() -> None:
    content = json.dumps(shopify_order()).encode()
    assert unpack({"S": content.decode()}) == content
    for level in (1, 6, 9):
        assert unpack({"B": zlib.compress(content, level)}) == content


def test_a_streams_event_shows_what_is_packed_in_base64() -> None:
    """As Lambda hands a record of a DynamoDB stream over: JSON, in which bytes are text."""
    packed = pack(b"{}", STATE)
    assert unpack({"B": base64.b64encode(packed["B"]).decode()}) == b"{}"


def test_what_must_be_a_string_comes_back_too() -> None:
    content = b'[[["2026-03-02","cart","mail-1","",""],"sent","1"]]'
    packed = pack_text(content, STATE)
    assert len(packed["S"]) < len(content)
    assert unpack_text(packed) == content
    assert unpack_text({"S": content.decode()}) == content


def test_a_word_list_never_changes() -> None:
    for words, known in LISTS.items():
        (file,) = (Path(packing.__file__).parent / "words").glob(f"{words}-*.txt")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == known, file.name


@pytest.mark.parametrize("sample", ["checkouts-update", "orders-create"])
def test_a_body_takes_two_thirds_of_the_room_at_most(sample: str) -> None:
    said = json.loads((ROOT / f"events/shopify/{sample}.json").read_text("utf-8"))["body"]
    body = json.dumps(said, separators=(",", ":")).encode()  # as Shopify writes it
    assert len(pack(body, DELIVERIES)["B"]) < len(zlib.compress(body, 9)) * 2 / 3
