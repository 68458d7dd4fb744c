"""What is stored of JSON, in a third of the room: a write is billed by the kilobyte, and what is kept by the month.

JSON as short as ours packs badly by itself, because most of it is names that it says once. So both sides know a text
beforehand that holds the names: a *word list* of `words/`, in which deflate finds them (RFC 1951; zlib's preset
dictionary). A word list never changes, because what was packed with it can be read with it alone: a better one gets a
number of its own, and the old one stays.

The first byte of what is stored says how: the number of its word list; or an `x`, with which zlib's own format begins,
as it is in the bucket.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rekindle.aws.items import octets

#: What shops send, and the events that it becomes.
DELIVERIES = 1
#: Profiles, and the decisions about them: the second list of it, which knows orders too.
STATE = 3

_FILES = {DELIVERIES: "1-deliveries.txt", 2: "2-state.txt", STATE: "3-state.txt"}
_LEVEL = 9
#: Neither header nor checksum: DynamoDB has its own.
_RAW = -15
_ZLIB = 0x78


def pack(content: bytes, words: int, beside: bytes = b"") -> dict[str, Any]:
    """Return the attribute that holds this. `beside` is what a reader has read before, and is worth knowing too."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, 9, zlib.Z_DEFAULT_STRATEGY, _known(words) + beside)
    return {"B": bytes([words]) + packer.compress(content) + packer.flush()}


def unpack(attribute: Mapping[str, Any], beside: bytes = b"") -> bytes:
    """Return what an attribute holds: packed with a word list, by zlib, or not at all; a stream's event's too."""
    if "S" in attribute:
        written: str = attribute["S"]
        return written.encode()
    stored = octets(attribute)
    if stored[0] == _ZLIB:
        return zlib.decompress(stored)
    return zlib.decompressobj(_RAW, _known(stored[0]) + beside).decompress(stored[1:])


def pack_text(content: bytes, words: int) -> dict[str, str]:
    """Return a string attribute that holds this, for where a stream is filtered by its being a string."""
    return {"S": base64.b64encode(pack(content, words)["B"]).decode()}


def unpack_text(attribute: Mapping[str, Any]) -> bytes:
    """Return what a string attribute holds: packed, or JSON as it is, which no base64 begins like."""
    written: str = attribute["S"]
    return written.encode() if written.startswith(("[", "{")) else unpack({"B": base64.b64decode(written)})


@cache
def _known(words: int) -> bytes:
    return (Path(__file__).with_name("words") / _FILES[words]).read_bytes()
