"""/u/{token}: the unsubscribe page, and one-click unsubscribe (RFC 8058). Reading changes nothing; only a POST acts."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.content.links import BadLinkError, preferences_of, read_unsubscribe, sign_preferences
from rekindle.content.pages import layout, texts
from rekindle.content.pages import unsubscribe as page
from rekindle.content.pages.settings import PageSettings
from rekindle.service.pages import PageLibrary
from rekindle.service.unsubscribe import unsubscribe
from rekindle.settings import Links

settings = Links.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
secrets = CachedSecrets(clients, settings.secrets_prefix)
intake = DynamoIntake(clients, Tables.of(settings))
library = PageLibrary(S3Blobs(clients, settings.content_bucket), clock)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Show the page to a GET; unsubscribe on a POST, whether from the page's button or from the mail client."""
    accept = (event.get("headers") or {}).get("accept-language")
    try:
        keys = secrets.link_keys()
        claim = read_unsubscribe(keys, event["pathParameters"]["token"])
    except BadLinkError as refused:
        metrics.add_metric("LinkRefused", MetricUnit.Count, 1)
        return layout.answer(refused.status, layout.bad_link(texts.language(accept)))
    acts = event["requestContext"]["http"]["method"] == "POST"
    if acts:
        source = "page" if "page=1" in (event.get("rawQueryString") or "") else "one-click"
        done = unsubscribe(claim, intake=intake, clock=clock, address_key=secrets.address_key(), source=source)
        told = {"shop": claim.shop, "message_id": claim.message, "source": source, "delivery_id": done.delivery_id}
        logger.info("unsubscribed", extra=told)
    metrics.add_metric("Unsubscribed" if acts else "PageShown", MetricUnit.Count, 1)
    published = _published()
    look = layout.look_of(published.brand, published.shops.get(claim.shop))
    spoken = texts.language(accept, claim.locale)
    rather = f"../p/{sign_preferences(keys, preferences_of(claim))}"
    return layout.answer(200, (page.done if acts else page.ask)(spoken, look, rather))


def _published() -> PageSettings:
    """Return what is published; nothing of it where it cannot be read: nobody stays subscribed for want of a logo."""
    try:
        return library.newest()
    except Exception:
        logger.exception("the published set cannot be read")
        return PageSettings(hash="")
