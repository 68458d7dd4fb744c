"""POST /webhooks/{platform}/{shop}: a shop's webhook in; verified, normalised, stored in one transaction, then 2xx."""

from __future__ import annotations

import base64
import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.domain.errors import RequestError
from rekindle.service.webhook import Webhooks
from rekindle.settings import Webhook

settings = Webhook.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
webhooks = Webhooks(
    intake=DynamoIntake(clients, Tables.of(settings), raw_bucket=settings.raw_bucket),
    secrets=CachedSecrets(clients, settings.secrets_prefix),
    clock=clock_for(settings.clock_offset_file),
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer 200 when the delivery is safe, a 4xx when it can never be accepted; anything else makes the shop retry."""
    platform = event["routeKey"].split("/")[2]
    shop = event["pathParameters"]["shop"]
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    try:
        answer = webhooks.receive(platform, shop, event["headers"], raw)
    except RequestError as refused:
        # Anybody can type a path: of what is no shop, the log gets the beginning, in ASCII.
        logger.warning("refused", extra={"shop": ascii(shop[:64])[1:-1], "platform": platform, "why": str(refused)})
        metrics.add_metric("WebhookRefused", MetricUnit.Count, 1)
        return {"statusCode": refused.status, "body": str(refused)}
    told = {"shop": shop, "topic": answer.topic, "delivery_id": answer.delivery_id}
    # rekindle shop rotate-secret looks for this before it drops the old one (rekindle.aws.watch).
    logger.info(answer.what, extra={**told, "old_secret": True} if answer.old_secret else told)
    metrics.add_metric("WebhookAccepted" if answer.what == "accepted" else "WebhookRepeated", MetricUnit.Count, 1)
    return {"statusCode": 200, "body": ""}
