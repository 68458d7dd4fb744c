"""What an attacker sends: values and bytes that have broken parsers, and ways to put them into a real sample."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

LONG = 1_000_000
_RAW = "@@raw{}@@"

#: What no JSON library writes, and a body may hold all the same.
RAW = (
    b"NaN",
    b"-Infinity",
    b"1e999999999999999999999",
    b"-1.5E-999999999999999999999",
    b"9" * 4_000,
    b"9" * 30_000,
    b"0." + b"3" * 100_000,
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\xff\xfe"',
    b'"\xc3\x28"',
    b'"\xed\xa0\x80"',
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"[" * 500 + b"]" * 500,
    b"[" + b"{}," * 40_000 + b"{}]",
    b'{"id": 1, "id": 2, "id": "3"}',
    b"'single'",
    b"undefined",
    b"",
)

#: What text may do to whoever shows, logs, mails, stores or computes with it.
TEXTS = (
    "",
    " ",
    "\x00",
    "\r\nBcc: victim@example.org",
    "a\nb\rc\x0b\x0c\x85\u2028\u2029d",
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% for a in b %}",
    '=cmd|"/c calc"!A1',
    "\u202egnp.exe",
    "\ufeff\u200b\u200e",
    "🙂" * 300,
    "&#" + "9" * 5_000 + ";",
    "&" * 5_000,
    "é" * 5_000,
    "ada@" + "a." * 5_000,
    "+" + "1" * 5_000,
    "a" * 3_000,
    "x" * LONG,
    "../../../../etc/passwd",
    "gid://shopify/Customer/",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
    "2026-02-30T25:61:61Z",
    "1e400",
    "NaN",
    "Infinity",
    "-0",
    "1_000",
    "١٢٣",
    "0x" + "f" * 5_000,
    "true",
    "null",
)

#: Values of another kind than the field's.
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**64,
    10**400,
    -(10**30),
    0.1,
    1e308,
    [],
    {},
    [[]],
    [None, 1, "a", {}],
    {"": {"": {"": ""}}},
    {"id": {"id": 1}},
    [{"id": -1}] * 200,
    *TEXTS,
)


def paths(value: Any, prefix: Path = ()) -> Iterator[Path]:
    """Yield where every value inside a JSON value stands."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


@st.composite
def mutated(draw: st.DrawFn, samples: tuple[Any, ...]) -> Any:
    """Draw a sample in which up to four places are taken out, doubled, or hold what does not belong there."""
    value = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        places = list(paths(value))
        if not places:
            break
        *above, key = draw(st.sampled_from(places))
        holder = value
        for step in above:
            holder = holder[step]
        match draw(st.integers(0, 6)):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [copy.deepcopy(holder[key])] * draw(st.integers(0, 30))
            case 2:
                holder[key] = {"id": holder[key]}
            case 3:
                holder[key] = _RAW.format(draw(st.integers(0, len(RAW) - 1)))
            case 4:
                holder[key] = draw(st.text(max_size=30) | st.integers() | st.floats())
            case _:
                holder[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return value


def as_bytes(value: Any) -> bytes:
    """Return the JSON of a mutated value, with what no library would write in its places."""
    body = json.dumps(value, ensure_ascii=True).encode()
    for number, raw in enumerate(RAW):
        body = body.replace(f'"{_RAW.format(number)}"'.encode(), raw)
    return body


@st.composite
def spoilt(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes as they came, or cut, flipped, packed, or in another encoding."""
    body = draw(bodies)
    place = draw(st.integers(0, max(0, len(body) - 1)))
    match draw(st.integers(0, 12)):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + bytes([draw(st.integers(0, 255))]) + body[place + 1 :]
        case 2:
            return body[:place] + draw(st.binary(max_size=8)) + body[place:]
        case 3:
            return gzip.compress(body, mtime=0)
        case 4:
            return zlib.compress(b" " * LONG + body)
        case 5:
            return b"\xef\xbb\xbf" + body
        case 6:
            return body.decode("utf-8", "replace").encode("utf-16")
        case 7:
            return body + body
        case _:
            return body


def bodies(*samples: Any) -> st.SearchStrategy[bytes]:
    """Return what draws a hostile JSON body out of samples."""
    return spoilt(mutated(samples).map(as_bytes))


@st.composite
def edited(draw: st.DrawFn, samples: tuple[str, ...], chunks: tuple[str, ...]) -> str:
    """Draw a text in which up to four stretches are replaced by chunks of hostile text, or by each other."""
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 40))
        chunk = draw(st.sampled_from(chunks) | st.text(max_size=8))
        text = text[:start] + chunk + text[start + length :]
    return text
