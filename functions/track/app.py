"""/c/{token}/{index} and /o/{image}: a link of a message leads on, its picture shows nothing; both are told of."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.queues import SqsReactions
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.content.links import BadLinkError
from rekindle.content.pages import layout, texts
from rekindle.content.redirects import picture, redirect
from rekindle.service.library import Library
from rekindle.service.tracks import Request, Tracks
from rekindle.settings import Track

settings = Track.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
tracks = Tracks(
    outbox=DynamoOutbox(clients, Tables.of(settings)),
    reactions=SqsReactions(clients, queue_url=settings.reactions_queue_url),
    library=Library(S3Blobs(clients, settings.content_bucket), clock),
    secrets=CachedSecrets(clients, settings.secrets_prefix),
    clock=clock,
    hold=settings.hold_seconds,
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer a GET or a HEAD. What is no link of ours gets a page that says so; a picture shows nothing either way."""
    http = event["requestContext"]["http"]
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    request = Request(method=http["method"], host=headers.get("host", ""), headers=headers)
    parameters = event.get("pathParameters") or {}
    image = parameters.get("image")
    try:
        if image is not None:
            _count("opened", tracks.opened(image.removesuffix(".gif"), request))
            return picture(200)
        followed = tracks.follow(parameters.get("token", ""), parameters.get("index", ""), request)
    except BadLinkError as refused:
        metrics.add_metric("LinkRefused", MetricUnit.Count, 1)
        return picture(refused.status) if image is not None else _page(refused.status, headers)
    _count("clicked", followed.told)
    if followed.address is None:
        return _page(404, headers)
    return redirect(followed.address)


def _count(kind: str, told: str) -> None:
    metrics.add_metric(f"{kind.title()}{told.title()}", MetricUnit.Count, 1)
    if told == "lost":
        metrics.add_metric("ReactionLost", MetricUnit.Count, 1)


def _page(status: int, headers: dict[str, str]) -> dict[str, Any]:
    return layout.answer(status, layout.bad_link(texts.language(headers.get("accept-language"))))
