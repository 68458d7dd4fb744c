"""The files that marketers put under `assets/`, as mails and browsers get them: where they stand, how they are sent.

A published file has an address of its own content, `/a/<hash>/<name>` on the domain of the links, so it can be kept by
everybody for ever, and an old mail keeps its pictures whatever is uploaded later. In the bucket it stands under
`public/`, which CloudFront may read where there is one; `functions/links` serves it where there is none. Pure, and
imported by functions: no parser here.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

#: Below it in the content bucket, what marketers upload.
FOLDER = "assets/"
#: Where published ones stand in the content bucket. CloudFront reads `public/` and nothing else (template.yaml).
PUBLIC = "public/a/"
#: What a published template holds in place of the host: the shop's own is put in by `send`. No such domain exists.
HOST = "https://assets.invalid"

#: The largest file. A function's answer has at most 6 MB (Lambda, quotas), and base64 takes a third more.
MAX_ASSET = 4_500_000

#: Ending → type. Whatever is sent is sent as what its name says, and browsers are told not to guess.
TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "woff2": "font/woff2",
}
PICTURES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "ico"})
_TEXTS = frozenset({"svg", "js", "css"})
#: Smaller ones gain nothing by being packed.
_WORTH_PACKING = 1_000

_HASH = re.compile(r"[0-9a-f]{32}\Z")
NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(NAME + r"\Z")

#: A year is the longest that HTTP's caches agree on (RFC 9111).
_FOR_EVER = "public, max-age=31536000, immutable"
#: A picture that is opened by itself, SVG above all, runs nothing and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_HEADERS: Mapping[str, str] = {
    "Cache-Control": _FOR_EVER,
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": _POLICY,
    # Mail programs in browsers, and shops' pages, are other origins.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
}


class Asset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A published file: the hash of its content and its name, which make its address, and what is known of it."""

    hash: str
    name: str
    size: int
    width: int = 0
    """of a picture, in pixels; 0 where it has no size of its own"""
    height: int = 0

    @property
    def key(self) -> str:
        """Where it stands in the content bucket."""
        return f"{PUBLIC}{self.hash}/{self.name}"

    @property
    def address(self) -> str:
        """What a published template calls it (`HOST`)."""
        return f"{HOST}/a/{self.hash}/{self.name}"

    @property
    def kind(self) -> str:
        """Its ending, in lower case."""
        return ending(self.name)


def ending(name: str) -> str:
    """Return the ending of a file's name, in lower case, without its dot."""
    return name.rpartition(".")[2].lower()


def key_of(hash_: str, name: str) -> str | None:
    """Return where the file of this address stands in the bucket; `None` where none can."""
    known = _HASH.match(hash_) and _NAME.match(name) and ending(name) in TYPES
    return f"{PUBLIC}{hash_}/{name}" if known else None


def placed(address: str | None, base: str) -> str | None:
    """Return an address with the shop's own host in place of `HOST`, if it is one of these."""
    return base + address.removeprefix(HOST) if address is not None and address.startswith(f"{HOST}/") else address


def unchanged(hash_: str, if_none_match: str | None) -> bool:
    """Whether who asks has this very content already (RFC 9110, If-None-Match, weak comparison)."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in (if_none_match or "").split(",")]
    return hash_ in tags or "*" in tags


def answer(hash_: str, name: str, content: bytes | None, *, accept_encoding: str | None = None) -> dict[str, Any]:
    """Return the answer of an HTTP API for a file; `content` `None`: who asks has it."""
    # Weak: the packed bytes are not the plain ones.
    headers = {**_HEADERS, "Content-Type": TYPES[ending(name)], "ETag": f'W/"{hash_}"'}
    if content is None:
        return {"statusCode": 304, "headers": headers}
    if ending(name) in _TEXTS and len(content) >= _WORTH_PACKING:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in (accept_encoding or ""):
            headers["Content-Encoding"] = "gzip"
            content = gzip.compress(content, mtime=0)
    body = base64.b64encode(content).decode("ascii")
    return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}


def missing() -> dict[str, Any]:
    """Return the answer for a file that is not there. It may come: nobody is to remember this for long."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return {"statusCode": 404, "headers": headers, "body": "There is no such file.\n"}
