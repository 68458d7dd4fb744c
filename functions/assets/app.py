"""/a/{hash}/{name}: the pictures in mails, where no CloudFront stands before them. Their addresses never change."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.content import media
from rekindle.settings import Assets

settings = Assets.read(os.environ)
logger = Logger()
metrics = Metrics()
blobs = S3Blobs(Clients(), settings.content_bucket)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer with the file, to be kept for ever; whoever has it is told so without a look into the bucket."""
    wanted, headers = event["pathParameters"], event.get("headers") or {}
    key = media.key_of(wanted["hash"], wanted["name"])
    if key is None:
        metrics.add_metric("AssetMissing", MetricUnit.Count, 1)
        return media.missing()
    if media.unchanged(wanted["hash"], headers.get("if-none-match")):
        metrics.add_metric("AssetUnchanged", MetricUnit.Count, 1)
        return media.answer(wanted["hash"], wanted["name"], None)
    content = blobs.get(key)
    if content is None:
        metrics.add_metric("AssetMissing", MetricUnit.Count, 1)
        logger.info("no such file", extra={"hash": wanted["hash"]})
        return media.missing()
    metrics.add_metric("AssetServed", MetricUnit.Count, 1)
    encodings = headers.get("accept-encoding")
    return media.answer(wanted["hash"], wanted["name"], content, accept_encoding=encodings)
