"""/sign-up/{shop}/{form}: a sign-up form as a page. /confirm/{token}: what its mail leads to. Only a POST acts."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.desk import DynamoDesk
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.limits import DynamoLimits
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.content.links import BadLinkError, read_confirm
from rekindle.content.pages import layout, sign_up, texts
from rekindle.content.pages.forms import FormError, read_form
from rekindle.service.confirm import ConfirmDesk, SignUpPage
from rekindle.service.pages import PageLibrary
from rekindle.service.sign_up import SignUps
from rekindle.service.sites import Sites
from rekindle.service.visits import Answer
from rekindle.settings import Signup

settings = Signup.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock, secrets = clock_for(settings.clock_offset_file), CachedSecrets(clients, settings.secrets_prefix)
tables, blobs = Tables.of(settings), S3Blobs(clients, settings.content_bucket)
intake = DynamoIntake(clients, tables, raw_bucket=settings.raw_bucket)
desk, library, sites = DynamoDesk(clients, tables), PageLibrary(blobs, clock), Sites(blobs, clock)
sign_ups = SignUps(limits=DynamoLimits(clients, tables), secrets=secrets, clock=clock)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Show the page to a GET, do what it asks for on a POST."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    spoken, path = headers.get("accept-language"), event["pathParameters"]
    try:
        answer, shop = _confirm(event, spoken) if "token" in path else _sign_up(event, headers)
    except BadLinkError as refused:
        metrics.add_metric("LinkRefused", MetricUnit.Count, 1)
        return layout.answer(refused.status, layout.bad_link(texts.language(spoken)))
    except FormError as refused:
        metrics.add_metric("FormRefused", MetricUnit.Count, 1)
        return layout.answer(refused.status, sign_up.refused(texts.language(spoken)))
    logger.info("sign-up", extra={"shop": shop, "what": answer.what})
    metrics.add_metric(f"SignUp{answer.what.title()}", MetricUnit.Count, 1)
    return layout.answer(answer.status, answer.page)


def _confirm(event: dict[str, Any], spoken: str | None) -> tuple[Answer, str]:
    claim = read_confirm(secrets.link_keys(), event["pathParameters"]["token"])
    counter = ConfirmDesk(desk=desk, intake=intake, clock=clock, address_key=secrets.address_key())
    return (counter.confirm if _posted(event) else counter.show)(claim, library.newest(), spoken), claim.shop


def _sign_up(event: dict[str, Any], headers: dict[str, str]) -> tuple[Answer, str]:
    shop, form = event["pathParameters"]["shop"], event["pathParameters"]["form"]
    spoken = headers.get("accept-language")
    site = sites.of(shop)
    if site is None or form not in site.forms or secrets.shop(shop) is None:
        raise BadLinkError("no such form")
    key, published = secrets.address_key(), library.newest()
    page = SignUpPage(sign_ups=sign_ups, intake=intake, clock=clock, address_key=key, published=published)
    if not _posted(event):
        wanted = (event.get("queryStringParameters") or {}).get("lang")
        return page.show(site, form, spoken, wanted), shop
    ip = event["requestContext"]["http"].get("sourceIp", "")
    kind = headers.get("content-type")
    posted = read_form(event.get("body"), encoded=bool(event.get("isBase64Encoded")), content_type=kind)
    return page.send(site, form, posted, ip=ip, accept_language=spoken), shop


def _posted(event: dict[str, Any]) -> bool:
    return bool(event["requestContext"]["http"]["method"] == "POST")
