"""The pages of whoever holds a signed link: /p/{token}, the preference page, and the forms, each under its own name.

Reading changes nothing; only a POST acts.
"""

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
from rekindle.content.links import BadLinkError
from rekindle.content.pages import layout, texts
from rekindle.content.pages.forms import FormError, read_form
from rekindle.service.desks import Desks
from rekindle.service.pages import PageLibrary
from rekindle.settings import Pages

settings = Pages.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
secrets = CachedSecrets(clients, settings.secrets_prefix)
library = PageLibrary(S3Blobs(clients, settings.content_bucket), clock)
desks = Desks(
    desk=DynamoDesk(clients, Tables.of(settings)),
    intake=DynamoIntake(clients, Tables.of(settings)),
    clock=clock,
    secrets=secrets,
    new_nonce=chance.token_urlsafe,
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Show the page to a GET, save on a POST."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    spoken = headers.get("accept-language")
    name = event["routeKey"].split("/")[1]
    try:
        claim, desk = desks.of(name, event["pathParameters"]["token"])
    except BadLinkError as refused:
        metrics.add_metric("LinkRefused", MetricUnit.Count, 1)
        return layout.answer(refused.status, layout.bad_link(texts.language(spoken)))
    published = library.newest()
    if event["requestContext"]["http"]["method"] != "POST":
        answer = desk.show(claim, published, spoken, event.get("queryStringParameters") or {})
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
        answer = desk.save(claim, posted, published, spoken)
    form = "preferences" if name == "p" else name
    told = {"shop": claim.shop, "message_id": claim.message, "what": answer.what, "delivery_id": answer.delivery_id}
    logger.info(form, extra=told)
    metrics.add_metric(f"{form.title()}{answer.what.title()}", MetricUnit.Count, 1)
    return layout.answer(answer.status, answer.page)
