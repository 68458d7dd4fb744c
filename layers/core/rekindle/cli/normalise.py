"""`rekindle normalise`: what events does this body give? Needs no shop, no account and no network."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import click
import msgspec
from msgspec import Struct

from rekindle.cli.events import as_json, shown
from rekindle.cli.options import Moment
from rekindle.domain.ids import digest
from rekindle.shops import intake, shopify, signature, woocommerce
from rekindle.shops.reading import CONSENT_KEYS, Arrival

_HEADERS: dict[str, intake.Platform] = {
    "x-shopify-topic": "shopify",
    "shopify-topic": "shopify",
    "x-wc-webhook-topic": "woocommerce",
}


class _Wrapped(Struct):
    """A delivery that was written down whole."""

    headers: dict[str, Any]
    body: msgspec.Raw
    topic: str | None = None


@click.command()
@click.option(
    "--platform", type=click.Choice(get_args(intake.Platform)), help="Whose webhook it is; a delivery's headers say it."
)
@click.option(
    "--topic", help="The webhook's topic, such as orders/create or order.updated; a delivery's headers say it."
)
@click.option("--shop", default="shop", show_default=True, help="The shop's id, as it stands in events.")
@click.option("--domain", help="The shop's domain: products get their addresses, and compliance requests are checked.")
@click.option("--currency", help="The shop's currency (ISO 4217), for bodies that name none.")
@click.option("--region", help="The country (ISO 3166) of phone numbers that name none.")
@click.option(
    "--consent-key",
    "consent_keys",
    multiple=True,
    help=f"A WooCommerce order's meta key of the marketing box; may be repeated. [default: {', '.join(CONSENT_KEYS)}]",
)
@click.option("--received-at", type=Moment(), help="When it came, for bodies that say no time. [default: now]")
@click.argument("file")
def normalise(
    file: str,
    *,
    platform: intake.Platform | None,
    topic: str | None,
    shop: str,
    domain: str | None,
    currency: str | None,
    region: str | None,
    consent_keys: tuple[str, ...],
    received_at: datetime | None,
) -> None:
    """Print the events that a webhook's body tells, as a JSON array.

    FILE holds the body as the shop sent it, or a delivery with its headers: {"headers": {…}, "body": {…}}. `-` reads
    from stdin. Nothing is verified, stored or sent.

    Each event has id, type, shop, occurred_at, who (email, phone, shop_customer_id, cart_token, checkout_token and
    browser_id, null where the body names none) and data; and person and problems, where there are any. A problem is
    what was unusable in the body and was left out. A topic that is not known gives delivery.unknown. Ids are made from
    what is given here: they are not those of the deployed shop.

    \b
    rekindle normalise --platform shopify --topic orders/create order.json
    rekindle normalise events/woocommerce/order-created.json
    """  # noqa: D301 - click reads the control character
    raw = _read(file)
    headers = signature.lower({})
    wrapped = _unwrap(raw)
    if wrapped is not None:
        headers = signature.lower({name: str(value) for name, value in wrapped.headers.items()})
        topic = topic or wrapped.topic
        raw = _body(wrapped.body)
    platform = platform or next((known for name, known in _HEADERS.items() if name in headers), None)
    if platform is None:
        raise click.UsageError("whose webhook is it? Say --platform shopify or --platform woocommerce")
    reader = shopify if platform == "shopify" else woocommerce
    topic = topic or reader.topic_of(headers)
    if not topic:
        raise click.UsageError("which topic is it? Say --topic, such as orders/create or order.updated")
    arrival = Arrival(
        shop=shop,
        delivery_id=digest("normalise", platform, shop, topic, raw),
        received_at=received_at or datetime.now(UTC),
        triggered_at=reader.triggered_at(headers),
        domain=domain,
        region=region,
        currency=currency,
        consent_keys=consent_keys or CONSENT_KEYS,
    )
    events = intake.normalise(platform, topic, intake.read(platform, topic, raw), arrival)
    click.echo(as_json([shown(event) for event in events]).encode())


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise click.FileError(file, error.strerror or "cannot be read") from error


def _unwrap(raw: bytes) -> _Wrapped | None:
    """Return the delivery, if it is one. No shop's body has both `headers` and `body`."""
    try:
        return msgspec.json.decode(raw, type=_Wrapped)
    except (ValueError, RecursionError):
        return None


def _body(body: msgspec.Raw) -> bytes:
    """Return the body's bytes as they stand there: as JSON, or as the text of it."""
    raw = bytes(body)
    return cast("str", msgspec.json.decode(raw)).encode() if raw.startswith(b'"') else raw
