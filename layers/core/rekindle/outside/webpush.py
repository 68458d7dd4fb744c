"""Web push: a message for one browser, encrypted so that only that browser reads it, posted to its push service once.

RFC 8030 (the request), 8291 and 8188 (encryption), 8292 (VAPID: who we are). Of libraries, pywebpush brings aiohttp and
requests, and http-ece ships no wheel: with `cryptography` at hand these two pages are what is left of them. The RFC's
own example is a test.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rekindle.domain.errors import (
    AddressGoneError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
    ShopRefusedError,
    ShopRejectedError,
    ShopUncertainError,
)
from rekindle.domain.push import endpoint_fault, from_base64url
from rekindle.outside.http import Answer, Http
from rekindle.ports import Clock, PushMessage

#: The largest plain text that a push service must take: 4,096 bytes, less header, tag and delimiter (RFC 8291, 4).
MAX_PLAIN = 3_993
#: How long one push service may take, in seconds: others wait behind it.
_CONNECT, _READ, _BUDGET = 2.0, 4.0, 5.0
#: What a push service may ask us to keep for later (RFC 8030, 5.2): four weeks, as Chrome's and Firefox's do.
_LONGEST = 28 * 86_400
_RECORD = 4_096
#: A signature is good for half a day, and used for less (RFC 8292, 2: at most 24 hours).
_TOKEN_LIFE, _TOKEN_USE = timedelta(hours=12), timedelta(hours=10)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_GONE = frozenset({404, 410})
_TOO_LARGE = 413
_MAX_VENDOR_ID = 200


def key_pair(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the installation's VAPID key, which follows from its secret: so the template can make the secret.

    By FIPS 186-5, A.2.1 (extra random bits): 48 bytes, taken modulo the order of P-256.
    """
    wide = HKDF(algorithm=SHA256(), length=48, salt=None, info=b"rekindle web push").derive(secret)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def public_key(secret: bytes) -> str:
    """Return what a page hands to `pushManager.subscribe` as `applicationServerKey`."""
    return _text(_point(key_pair(secret).public_key()))


class WebPusher:
    """`ports.Pusher`, over HTTP. One attempt a call."""

    def __init__(self, *, secret: bytes, clock: Clock, http: Http | None = None, instead: str = "") -> None:
        """`instead` is where messages go in place of the push services: for the local run and tests."""
        self._key = key_pair(secret)
        self._public = _text(_point(self._key.public_key()))
        self._clock = clock
        self._http = http or Http(tries=1, connect=_CONNECT, read=_READ, budget=_BUDGET)
        self._instead = instead
        self._tokens: dict[tuple[str, str], tuple[datetime, str]] = {}

    def send(self, push: PushMessage) -> str:
        """Make the one attempt."""
        fault = endpoint_fault(push.browser.endpoint)
        if fault is not None:
            raise MailRejectedError(f"the browser's endpoint is {fault}")
        if len(push.payload) > MAX_PLAIN:
            raise MailRejectedError("the message is too large")
        try:
            body = encrypted(push.payload, key=push.browser.p256dh, secret=push.browser.auth)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise MailRejectedError("the browser's key encrypts nothing") from error
        headers = {
            "TTL": str(max(0, min(push.seconds, _LONGEST))),
            "Urgency": "normal" if push.marketing else "high",
            "Topic": push.topic,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": f"vapid t={self._token(push.browser.endpoint, push.contact)}, k={self._public}",
        }
        url = self._url(push.browser.endpoint)
        try:
            answer = self._http.call("POST", url, headers, body, deadline=self._http.deadline(), repeatable=False)
        except ShopRefusedError as refused:
            raise MailRefusedError(refused.reason, None if refused.wait is None else int(refused.wait) + 1) from refused
        except ShopRejectedError as rejected:
            raise MailRejectedError(rejected.message) from rejected
        except ShopUncertainError as uncertain:
            raise MailUncertainError(str(uncertain).replace("the shop", "the push service")) from uncertain
        return _meaning(answer)

    def _url(self, endpoint: str) -> str:
        if not self._instead:
            return endpoint
        there = urlsplit(endpoint)
        return f"{self._instead}/{there.hostname}{there.path}" + (f"?{there.query}" if there.query else "")

    def _token(self, endpoint: str, contact: str) -> str:
        there = urlsplit(endpoint)
        origin = f"https://{there.hostname}"
        now = self._clock.now()
        known = self._tokens.get((origin, contact))
        if known is None or not timedelta(0) <= now - known[0] < _TOKEN_USE:
            known = now, self._signed(origin, contact, now)
            self._tokens[origin, contact] = known
        return known[1]

    def _signed(self, origin: str, contact: str, now: datetime) -> str:
        claims = {"aud": origin, "exp": int((now + _TOKEN_LIFE).timestamp()), "sub": contact}
        said = ".".join(_text(msgspec.json.encode(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        left, right = decode_dss_signature(self._key.sign(said.encode(), ec.ECDSA(SHA256())))
        return f"{said}.{_text(left.to_bytes(32, 'big') + right.to_bytes(32, 'big'))}"


def _meaning(answer: Answer) -> str:
    """Return the vendor's id, or raise what the answer means for the message."""
    status = answer.status
    if answer.fine:
        return (answer.headers.get("location", "").rstrip("/").rpartition("/")[2] or str(status))[:_MAX_VENDOR_ID]
    if status in _GONE:
        raise AddressGoneError("the browser takes no push messages any more")
    if status in (401, 403):
        # About our key, not about the message: what is wrong there must not cost a day's messages (decision 0009).
        raise MailRefusedError("not_allowed")
    if status == _TOO_LARGE:
        raise MailRejectedError("the message is too large")
    raise MailRejectedError(f"the push service answered with {status}")


def encrypted(
    plain: bytes,
    *,
    key: str,
    secret: str,
    salt: bytes | None = None,
    own: Callable[[], ec.EllipticCurvePrivateKey] = lambda: ec.generate_private_key(ec.SECP256R1()),
) -> bytes:
    """Return the body for a browser with this public key and secret, both as it gave them (RFC 8291, 3.4).

    Raises `ValueError` for a key that is no point of the curve. `salt` and `own` are random but for tests.
    """
    theirs, shared = from_base64url(key), from_base64url(secret)
    if theirs is None or shared is None:
        raise ValueError("no key")
    salt = salt or secrets.token_bytes(16)
    private = own()
    ours = _point(private.public_key())
    agreed = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    material = _derived(agreed, shared, b"WebPush: info\0" + theirs + ours, 32)
    content_key = _derived(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(material, salt, b"Content-Encoding: nonce\0", 12)
    # One record, the last: its delimiter is 2 (RFC 8188, 2).
    sealed = AESGCM(content_key).encrypt(nonce, plain + b"\x02", None)
    return salt + _RECORD.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def _derived(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
