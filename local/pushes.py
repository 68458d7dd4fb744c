"""Browsers' push services, and browsers, on loopback: takes a message as RFC 8030 says, and opens it as a browser does.

It checks who sends (RFC 8292) and decrypts (RFC 8291) by code of its own. It can also refuse, forget a browser, hang
and lose its answer on demand. Knows nothing of Rekindle.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.server import Clock, LocalServer, Reply, Request

Fault = Literal["gone", "not_found", "throttle", "too_large", "denied", "odd", "fail", "hang", "lose_answer"]

_STATUS: dict[str, int] = {
    "gone": 410, "not_found": 404, "throttle": 429, "too_large": 413, "denied": 403, "odd": 418, "fail": 503,
}  # fmt: skip
RETRY_AFTER = 120


@dataclass
class BrowserHere:
    """A browser in which push is allowed: what it tells the page, and what it keeps."""

    endpoint: str
    p256dh: str
    auth: str
    key: ec.EllipticCurvePrivateKey


@dataclass
class Shown:
    """A message that a browser got, opened."""

    number: int
    vendor_id: str
    at: datetime
    endpoint: str
    headers: Mapping[str, str]
    claims: dict[str, Any]
    message: dict[str, Any] = field(default_factory=dict)
    opened: list[datetime] = field(default_factory=list)
    """when it was tapped"""

    @property
    def title(self) -> str:
        """Return what it says first."""
        return str(self.message["notification"]["title"])

    @property
    def body(self) -> str:
        """Return what it says then."""
        return str(self.message["notification"].get("body", ""))

    @property
    def leads(self) -> str:
        """Return where a tap leads."""
        return str(self.message["notification"]["navigate"])


class LocalPushes(LocalServer[Fault]):
    """The services behind all endpoints; `url` is for `PUSH_SERVICE_URL`. `plan` makes the next attempts fail."""

    def __init__(self, clock: Clock, port: int = 0) -> None:
        super().__init__(port)
        self._clock = clock
        self._browsers: dict[str, BrowserHere] = {}
        self._shown: list[Shown] = []
        self.attempts = 0
        """how many requests came, taken or not"""
        self.problems: list[str] = []
        """why messages were refused for what they were"""

    @property
    def shown(self) -> list[Shown]:
        """Return every message that a browser opened, in order."""
        with self.lock:
            return list(self._shown)

    def browser(self, name: str, host: str = "fcm.googleapis.com") -> BrowserHere:
        """Allow push in a new browser."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = BrowserHere(
            f"https://{host}/send/{name}", _text(_point(key.public_key())), _text(name.encode()[:16].ljust(16)), key
        )
        with self.lock:
            self._browsers[f"/{host}/send/{name}"] = made
        return made

    def respond(self, request: Request) -> Reply | None:
        """Take a message, and open it as its browser does."""
        with self.lock:
            self.attempts += 1
            fault = self.next_fault()
            browser = self._browsers.get(request.path)
        if fault in _STATUS:
            wait = {"Retry-After": str(RETRY_AFTER)} if fault == "throttle" else {}
            return Reply(_STATUS[str(fault)], headers=wait)
        if fault == "hang":
            self.rest()
            return None
        if browser is None:
            return Reply(404)
        try:
            claims = _claims(request.headers["authorization"], browser.endpoint, self._clock.now())
            message = json.loads(_opened(request.body, browser))
        except (ValueError, KeyError, InvalidSignature, InvalidTag) as problem:
            self.problems.append(repr(problem))
            return Reply(400)
        with self.lock:
            number = len(self._shown) + 1
            vendor_id = f"{number:06d}"
            self._shown.append(
                Shown(number, vendor_id, self._clock.now(), browser.endpoint, request.headers, claims, message)
            )
        if fault == "lose_answer":
            return None
        return Reply(201, headers={"Location": f"{browser.endpoint}/m/{vendor_id}"})


def _claims(authorization: str, endpoint: str, now: datetime) -> dict[str, Any]:
    """Return what a VAPID header claims. Raises `ValueError`, `KeyError`, `InvalidSignature`."""
    scheme, _, rest = authorization.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    said, _, signature = parts["t"].rpartition(".")
    raw = _bytes(signature)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(parts["k"]))
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    theirs.verify(der, said.encode(), ec.ECDSA(SHA256()))
    head, _, body = said.partition(".")
    claims: dict[str, Any] = json.loads(_bytes(body))
    left = claims["exp"] - now.timestamp()
    right = (
        scheme == "vapid"
        and json.loads(_bytes(head)) == {"typ": "JWT", "alg": "ES256"}
        and endpoint.startswith(f"{claims['aud']}/")
        and 0 < left <= 86_400  # noqa: PLR2004
        and claims["sub"].startswith(("mailto:", "https:"))
    )
    if not right:
        raise ValueError(f"not who it says: {claims}")
    return claims


def _opened(raw: bytes, browser: BrowserHere) -> bytes:
    """Return the plain text (RFC 8188, 2; RFC 8291, 3.4)."""
    salt, size, length = raw[:16], int.from_bytes(raw[16:20], "big"), raw[20]
    sender = raw[21 : 21 + length]
    sealed = raw[21 + length :]
    if not 18 <= len(sealed) <= size:  # noqa: PLR2004
        raise ValueError("not one record")
    shared = browser.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    info = b"WebPush: info\0" + _point(browser.key.public_key()) + sender
    material = HKDF(SHA256(), 32, _bytes(browser.auth), info).derive(shared)
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(material)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(material)
    plain = AESGCM(key).decrypt(nonce, sealed, None)
    text, _, padding = plain.rpartition(b"\x02")
    if padding.strip(b"\0"):
        raise ValueError("no delimiter")
    return text


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
