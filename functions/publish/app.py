"""Turns what marketers uploaded into a playbook, or into a report that says what is wrong and where."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.service.publish import publish
from rekindle.settings import Publish

settings = Publish.read(os.environ)
logger = Logger()
metrics = Metrics()
blobs = S3Blobs(Clients(), settings.content_bucket)
clock = clock_for(settings.clock_offset_file)


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Publish once for the whole batch of uploads: it always takes the content as a whole."""
    report = publish(blobs, clock)
    logger.info(report.outcome, extra={"playbook": report.hash, "problems": len(report.problems)})
    metrics.add_metric("PublishFailed", MetricUnit.Count, int(report.outcome == "refused"))
    return {"batchItemFailures": []}
