"""/p/{token}: the preference page of whoever holds the signed link. Reading changes nothing; only a POST acts."""

from __future__ import annotations

import os
import secrets as chance
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.desk import DynamoDesk
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.content.links import BadLinkError, read_preferences
from rekindle.content.pages import layout, texts
from rekindle.content.pages.forms import FormError, read_form
from rekindle.service.pages import PageLibrary
from rekindle.service.preferences import PreferenceDesk
from rekindle.settings import Pages

settings = Pages.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
secrets = CachedSecrets(clients, settings.secrets_prefix)
intake = DynamoIntake(clients, Tables.of(settings), raw_bucket=settings.raw_bucket)
desk = DynamoDesk(clients, Tables.of(settings))
library = PageLibrary(S3Blobs(clients, settings.content_bucket), clock)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Show the page to a GET, save on a POST."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    spoken = headers.get("accept-language")
    try:
        claim = read_preferences(secrets.link_keys(), event["pathParameters"]["token"])
    except BadLinkError as refused:
        metrics.add_metric("LinkRefused", MetricUnit.Count, 1)
        return layout.answer(refused.status, layout.bad_link(texts.language(spoken)))
    counter = PreferenceDesk(
        desk=desk, intake=intake, clock=clock, address_key=secrets.address_key(), new_nonce=chance.token_urlsafe
    )
    published = library.newest()
    if event["requestContext"]["http"]["method"] != "POST":
        answer = counter.show(claim, published, spoken)
    else:
        try:
            posted = read_form(
                event.get("body"),
                encoded=bool(event.get("isBase64Encoded")),
                content_type=headers.get("content-type"),
            )
        except FormError as refused:
            metrics.add_metric("FormRefused", MetricUnit.Count, 1)
            look = layout.look_of(published.brand, published.shops.get(claim.shop))
            page = layout.notice(texts.language(spoken, claim.locale), look, "refused", "refused.said")
            return layout.answer(refused.status, page)
        answer = counter.save(claim, posted, published, spoken)
    logger.info("preferences", extra={"shop": claim.shop, "message_id": claim.message, "what": answer.what})
    metrics.add_metric(f"Preferences{answer.what.title()}", MetricUnit.Count, 1)
    return layout.answer(answer.status, answer.page)
