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
from rekindle.content.pages.forms import read_form
from rekindle.domain.errors import RequestError
from rekindle.service.confirm import ConfirmDesk, SignUpPage
from rekindle.service.pages import PageLibrary
from rekindle.service.sign_up import SignUps, caller_of, is_form
from rekindle.service.sites import Sites
from rekindle.service.visits import Answer
from rekindle.settings import Signup

settings = Signup.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock, secrets = clock_for(settings.clock_offset_file), CachedSecrets(clients, settings.secrets_prefix)
tables, blobs = Tables.of(settings), S3Blobs(clients, settings.content_bucket)
intake = DynamoIntake(clients, tables)
desk, library, sites = DynamoDesk(clients, tables), PageLibrary(blobs, clock), Sites(blobs, clock)
sign_ups = SignUps(limits=DynamoLimits(clients, tables), secrets=secrets, clock=clock)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Show the page to a GET, do what it asks for on a POST."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    spoken, path = headers.get("accept-language"), event["pathParameters"]
    try:
        answer, shop = _confirm(event, spoken) if "token" in path else _sign_up(event, headers)
    except RequestError as refused:
        metrics.add_metric("SignUpRefused", MetricUnit.Count, 1)
        page = layout.bad_link if isinstance(refused, BadLinkError) else sign_up.refused
        return layout.answer(refused.status, page(texts.language(spoken)))
    logger.info("sign-up", extra={"shop": shop, "what": answer.what, "delivery_id": answer.delivery_id})
    metrics.add_metric(f"SignUp{answer.what.title()}", MetricUnit.Count, 1)
    return layout.answer(answer.status, answer.page)


def _confirm(event: dict[str, Any], spoken: str | None) -> tuple[Answer, str]:
    claim = read_confirm(secrets.link_keys(), event["pathParameters"]["token"])
    counter = ConfirmDesk(desk=desk, intake=intake, clock=clock, address_key=secrets.address_key())
    posted = event["requestContext"]["http"]["method"] == "POST"
    pressed = ("stop" if "stop" in _query(event) else "yes") if posted else ""
    return counter.answer(claim, library.newest(), spoken, pressed=pressed), claim.shop


def _sign_up(event: dict[str, Any], headers: dict[str, str]) -> tuple[Answer, str]:
    shop, form = event["pathParameters"]["shop"], event["pathParameters"]["form"]
    spoken = headers.get("accept-language")
    site = sites.of(shop)
    if site is None or not is_form(site, form) or secrets.shop(shop) is None:
        raise BadLinkError("no such form")
    page = SignUpPage(sign_ups, intake, clock, address_key=secrets.address_key(), published=library.newest())
    if event["requestContext"]["http"]["method"] != "POST":
        return page.show(site, form, _query(event), spoken), shop
    ip = caller_of(event["requestContext"]["http"].get("sourceIp", ""), headers, settings.cdn_mark)
    encoded, kind = bool(event.get("isBase64Encoded")), headers.get("content-type")
    posted = read_form(event.get("body"), encoded=encoded, content_type=kind)
    return page.send(site, form, posted, ip=ip, accept_language=spoken), shop


def _query(event: dict[str, Any]) -> dict[str, str]:
    return event.get("queryStringParameters") or {}
