"""The request: whose webhook is it, is it true, what is it called, has it been here before?

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from rekindle.domain.errors import UnknownShopError
from rekindle.domain.ids import digest
from rekindle.shops import signature
from rekindle.shops.reading import text

_ENTITY = re.compile(r"&(?:#0*(?:34|38|39|60|62)|#[xX]0*(?:22|26|27|3[cCeE])|amp|quot|lt|gt);")
_ENTITIES = {"&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">"}


def plain_secret(stored: str) -> str:
    """Return the secret as WooCommerce signs with it: `& " ' < >` decoded once from their HTML entities.

    As `wp_specialchars_decode(…, ENT_QUOTES)` does: these five only, in one pass (`&amp;lt;` becomes `&lt;`).
    """
    return _ENTITY.sub(_decoded, stored) if "&" in stored else stored


def _decoded(entity: re.Match[str]) -> str:
    written = entity[0]
    if not written.startswith("&#"):
        return _ENTITIES[written]
    number = written[2:-1]
    return chr(int(number[1:], 16) if number[0] in "xX" else int(number))


def verify(headers: Mapping[str, str], body: bytes, *, domain: str, secrets: tuple[str, ...]) -> bytes:
    """Return the body's mark (`signature.check`) if the request is this shop's.

    The source header is the shop's home URL; a `domain` without a path stands for the host, whatever the path.

    Raises:
        UnknownShopError: the source header is missing or another shop's.
        BadSignatureError: no live secret signed the body.
    """
    headers = signature.lower(headers)
    source = signature.site(headers.get("x-wc-webhook-source") or "")
    expected = signature.site(domain)
    if not source or expected not in (source, source.partition("/")[0]):
        raise UnknownShopError("the source header is not this shop's")
    return signature.check(headers.get("x-wc-webhook-signature"), body, [plain_secret(secret) for secret in secrets])


def unique_ids(headers: Mapping[str, str], mark: bytes, *, shop: str) -> tuple[str, ...]:
    """Return every id under which this delivery must not be accepted twice: one, of webhook id, delivery id and body.

    `mark` is what `verify` returned for the body. WooCommerce's delivery id is a hash of webhook and second, so two
    orders of one second share it; the body alone would drop a repeated `action.*` (CONTRACTS, delivery id).
    """
    headers = signature.lower(headers)
    webhook = headers.get("x-wc-webhook-id") or ""
    delivery = headers.get("x-wc-webhook-delivery-id") or ""
    return (digest("delivery", "woocommerce", shop, webhook, delivery, mark),)


def topic_of(headers: Mapping[str, str]) -> str:
    """Return the topic that the request claims; empty when it claims none."""
    return text(headers.get("x-wc-webhook-topic")) or ""


def triggered_at(_headers: Mapping[str, str]) -> datetime | None:
    """Return `None`: WooCommerce does not say when it was."""
    return None


def is_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is the unsigned `webhook_id=N` that WooCommerce posts when a webhook is saved; answer it 200.

    It proves nothing and stores nothing. Anything with an X-WC header is no ping.
    """
    name, _, number = body.strip().partition(b"=")
    return (
        name == b"webhook_id"
        and number.isdigit()
        and not any(header.lower().startswith("x-wc-webhook-") for header in headers)
    )
