"""POST /collect/{shop}: what the shop's site tells of a visit. GET /site/{shop}/{file}: the script that tells it."""

from __future__ import annotations

import base64
import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.limits import DynamoLimits
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.domain.errors import RequestError
from rekindle.service.collect import Collector
from rekindle.service.sign_up import caller_of
from rekindle.service.sites import Scripts, Sites
from rekindle.settings import Collect

settings = Collect.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock = clock_for(settings.clock_offset_file)
sites = Sites(S3Blobs(clients, settings.content_bucket), clock)
scripts = Scripts(sites)
collector = Collector(
    intake=DynamoIntake(clients, Tables.of(settings)),
    secrets=CachedSecrets(clients, settings.secrets_prefix),
    sites=sites,
    clock=clock,
    limits=DynamoLimits(clients, Tables.of(settings)),
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer 204 when the batch is safe, or nobody's; a 4xx when it can never be accepted."""
    headers = event.get("headers") or {}
    shop = event["pathParameters"]["shop"]
    try:
        if event["requestContext"]["http"]["method"] == "GET":
            return _script(shop, event["pathParameters"]["file"], headers)
        return _collect(shop, event, headers)
    except RequestError as refused:
        logger.warning("refused", extra={"shop": ascii(shop[:64])[1:-1], "why": str(refused)})
        metrics.add_metric("CollectRefused", MetricUnit.Count, 1)
        return {"statusCode": refused.status, "headers": {"cache-control": "no-store"}, "body": str(refused)}


def _script(shop: str, name: str, headers: dict[str, str]) -> dict[str, Any]:
    served = scripts.get(shop, name)
    metrics.add_metric("ScriptServed", MetricUnit.Count, 1)
    if served.tag in headers.get("if-none-match", ""):
        return {"statusCode": 304, "headers": served.headers}
    if "gzip" not in headers.get("accept-encoding", ""):
        return {"statusCode": 200, "headers": served.headers, "body": served.text}
    packed = base64.b64encode(served.packed).decode()
    return {
        "statusCode": 200,
        "headers": {**served.headers, "content-encoding": "gzip"},
        "body": packed,
        "isBase64Encoded": True,
    }


def _collect(shop: str, event: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    ip = caller_of(event["requestContext"]["http"].get("sourceIp", ""), headers, settings.cdn_mark)
    told = collector.receive(shop, headers, raw, ip)
    logger.info(told.what, extra={"shop": shop, "events": told.events, "delivery_id": told.delivery_id})
    metrics.add_metric(f"Collect{told.what.title()}", MetricUnit.Count, 1)
    origin = headers.get("origin")
    shared = {"access-control-allow-origin": origin, "vary": "origin"} if origin else {}
    return {"statusCode": 204, "headers": {"cache-control": "no-store", **shared}}
