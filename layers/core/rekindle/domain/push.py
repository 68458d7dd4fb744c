"""What a browser hands over when somebody allows push messages (Push API, `PushSubscription.toJSON`), and what holds.

The endpoint is an address that we post to, given by whoever sits at the browser: so it must be one of the services that
browsers really use. Standard library only.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from rekindle.domain import ids

#: The push services of the browsers there are, each with whose it is. Whoever could name another host could make us
#: post to it: into our own network too, were it a private one.
SERVICES = {
    "fcm.googleapis.com": "Chrome, Edge on Android, Opera, Samsung Internet and all others built on Chromium",
    "updates.push.services.mozilla.com": "Firefox",
    "push.services.mozilla.com": "Firefox, its other hosts",
    "web.push.apple.com": "Safari on macOS, and home-screen apps on iOS and iPadOS",
    "notify.windows.com": "Edge on Windows: a host for each data centre below it",
}
#: Of these the hosts below them count too.
_FAMILIES = ("push.services.mozilla.com", "push.apple.com", "notify.windows.com")

MAX_ENDPOINT = 1_000
_PUBLIC_KEY, _UNCOMPRESSED, _SECRET = 65, 4, 16


def browser_key(endpoint: str) -> str:
    """Return what names a subscription where its endpoint must not stand: who knows that can reach the browser."""
    return ids.digest("push", endpoint)


def endpoint_fault(endpoint: object) -> str | None:
    """Return what is wrong with an endpoint, if anything is."""
    if not isinstance(endpoint, str) or not 0 < len(endpoint) <= MAX_ENDPOINT:
        return "not an address"
    if not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint or "\\" in endpoint:
        return "not an address"
    try:
        found = urlsplit(endpoint)
        port = found.port
    except ValueError:
        return "not an address"
    if found.scheme != "https" or found.username is not None or found.password is not None or port not in (None, 443):
        return "not https, or with more than a host"
    host = found.hostname or ""
    if host not in SERVICES and not any(host.endswith(f".{family}") for family in _FAMILIES):
        return "not one of the push services"
    return None


def subscription_fault(endpoint: object, p256dh: object, auth: object) -> str | None:
    """Return what is wrong with a subscription, if anything is: its endpoint, its key (P-256) or its secret (16 bytes).

    RFC 8291, 2.1; base64url without padding, as browsers write it.
    """
    key, secret = from_base64url(p256dh), from_base64url(auth)
    if key is None or len(key) != _PUBLIC_KEY or key[0] != _UNCOMPRESSED:
        return "p256dh is no public key"
    if secret is None or len(secret) != _SECRET:
        return "auth is no secret of 16 bytes"
    return endpoint_fault(endpoint)


def from_base64url(value: Any) -> bytes | None:
    """Return what base64url text says; `None` for what is none."""
    if not isinstance(value, str) or len(value) > 200 or not value.isascii():  # noqa: PLR2004 - the key has 87
        return None
    plain = value.rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
