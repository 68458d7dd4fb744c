"""Turns what marketers uploaded into a playbook, or into a report that says what is wrong and where."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.queues import SqsFanoutQueue
from rekindle.service.library import Library
from rekindle.service.passes import Passes
from rekindle.service.publish import publish
from rekindle.settings import Publish

settings = Publish.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
blobs = S3Blobs(clients, settings.content_bucket)
clock = clock_for(settings.clock_offset_file)
passes = Passes(
    blobs=blobs,
    library=Library(blobs, clock),
    queue=SqsFanoutQueue(clients, queue_url=settings.fanout_queue_url),
    clock=clock,
    shards=settings.fanout_shards,
)


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Publish once for the whole batch of uploads: it always takes the content as a whole."""
    report = publish(blobs, clock)
    logger.info(report.outcome, extra={"playbook": report.hash, "problems": len(report.problems)})
    metrics.add_metric("PublishFailed", MetricUnit.Count, int(report.outcome == "refused"))
    started = passes.start_if_due()
    if started is not None:
        logger.info("a pass over everybody begins", extra={"playbook": started.hash, "fanout": started.id})
    return {"batchItemFailures": []}
