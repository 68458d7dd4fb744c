"""Browsers' push services, and browsers, on loopback: takes a message as RFC 8030 says, and opens it as a browser does.

It checks who sends (RFC 8292) and decrypts (RFC 8291) by code of its own. It can also refuse, forget a browser, hang
and lose its answer on demand. Knows nothing of Rekindle.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.emulator import HOST
from local.ses import Clock

Fault = Literal["gone", "not_found", "throttle", "too_large", "denied", "odd", "fail", "hang", "lose_answer"]

_STATUS: dict[str, int] = {
    "gone": 410, "not_found": 404, "throttle": 429, "too_large": 413, "denied": 403, "odd": 418, "fail": 503,
}  # fmt: skip
_HANG_SECONDS = 120.0
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
    at: datetime
    endpoint: str
    headers: dict[str, str]
    claims: dict[str, Any]
    message: dict[str, Any] = field(default_factory=dict)


class LocalPushes:
    """The services behind all endpoints. `plan` makes the next attempts fail in a chosen way."""

    def __init__(self, clock: Clock, port: int = 0) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._browsers: dict[str, BrowserHere] = {}
        self._shown: list[Shown] = []
        self._faults: deque[Fault | None] = deque()
        self._stopping = threading.Event()
        self.attempts = 0
        """how many requests came, taken or not"""
        self.problems: list[str] = []
        """why messages were refused for what they were"""
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="pushes", daemon=True)

    @property
    def url(self) -> str:
        """Return where messages go instead of to the services: `PUSH_SERVICE_URL`."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def shown(self) -> list[Shown]:
        """Return every message that a browser opened, in order."""
        with self._lock:
            return list(self._shown)

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalPushes]:
        """Serve for the length of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()

    def plan(self, *faults: Fault | None) -> None:
        """Let the next attempts end like this, one each (`None`: well), before all is well again."""
        with self._lock:
            self._faults.extend(faults)

    def browser(self, name: str, host: str = "fcm.googleapis.com") -> BrowserHere:
        """Allow push in a new browser."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = BrowserHere(
            f"https://{host}/send/{name}", _text(_point(key.public_key())), _text(name.encode()[:16].ljust(16)), key
        )
        with self._lock:
            self._browsers[f"/{host}/send/{name}"] = made
        return made

    def _answer(self, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, dict[str, str]] | None:
        """Return status and headers for one request; `None` closes the connection without an answer."""
        with self._lock:
            self.attempts += 1
            fault = self._faults.popleft() if self._faults else None
            browser = self._browsers.get(path)
        if fault in _STATUS:
            return _STATUS[str(fault)], {"Retry-After": str(RETRY_AFTER)} if fault == "throttle" else {}
        if fault == "hang":
            self._stopping.wait(_HANG_SECONDS)
            return None
        if browser is None:
            return 404, {}
        try:
            claims = _claims(headers["authorization"], browser.endpoint, self._clock.now())
            message = json.loads(_opened(raw, browser))
        except (ValueError, KeyError, InvalidSignature, InvalidTag) as problem:
            self.problems.append(repr(problem))
            return 400, {}
        with self._lock:
            number = len(self._shown) + 1
            self._shown.append(Shown(number, self._clock.now(), browser.endpoint, headers, claims, message))
        return None if fault == "lose_answer" else (201, {"Location": f"{browser.endpoint}/m/{number:06d}"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pushes = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                named = {name.lower(): value for name, value in self.headers.items()}
                answer = pushes._answer(self.path, named, raw)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers = answer
                self.send_response(HTTPStatus(status))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: the inbox is the log."""

        return Handler


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
