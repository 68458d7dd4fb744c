"""The proof that both platforms use: base64 of HMAC-SHA256 over the raw body, under a secret shared with the shop.

Pure: imports the standard library and `rekindle.domain`.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Mapping

from rekindle.domain.errors import BadSignatureError

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Headers(dict[str, str]):
    """Headers under lower-case names."""


def lower(headers: Mapping[str, str]) -> Headers:
    """Return the headers under lower-case names: they are case-insensitive, and proxies rewrite them (RFC 9110)."""
    if type(headers) is Headers:
        return headers
    return Headers({name.lower(): value for name, value in headers.items()})


def check(claimed: str | None, body: bytes, secrets: Iterable[str]) -> bytes:
    """Return the body's mark; raise `BadSignatureError` unless `claimed` is its signature under a live secret.

    Compares in constant time. An empty secret never signs: anybody could.

    The mark is the body's HMAC under the first live secret, whichever secret signed: equal bodies of a shop have equal
    marks, nobody can make two bodies of one mark, and it costs nothing, being computed anyway. (After a rotation it
    changes. A captured request is refused by then, and what the shop sends again then is an upsert.)
    """
    if not claimed:
        raise BadSignatureError("the request is not signed")
    given = claimed.strip().encode("utf-8", "replace")
    mark = None
    for secret in secrets:
        if not secret:
            continue
        expected = b2a_base64(hmac.digest(secret.encode(), body, hashlib.sha256), newline=False)
        mark = mark or expected
        if hmac.compare_digest(expected, given):
            return mark
    raise BadSignatureError("the signature matches no live secret of the shop")


def site(url: str) -> str:
    """Return what names a site in a domain or URL: host, port unless it is the default, path; lower case."""
    scheme, separator, rest = url.strip().lower().partition("://")
    if not separator:
        scheme, rest = "https", scheme
    rest = rest.partition("?")[0].partition("#")[0].rstrip("/")
    host, slash, path = rest.partition("/")
    return host.removesuffix(_DEFAULT_PORTS.get(scheme, "")) + slash + path
