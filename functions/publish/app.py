"""Turns what marketers uploaded into a playbook, or into a report that says what is wrong and where."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.mailer import SesMailer
from rekindle.aws.queues import SqsFanoutQueue, SqsPublishQueue
from rekindle.service.library import Library
from rekindle.service.passes import Passes
from rekindle.service.publish import Publisher
from rekindle.service.tell import Teller
from rekindle.settings import Publish

settings = Publish.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
blobs = S3Blobs(clients, settings.content_bucket)
clock = clock_for(settings.clock_offset_file)
library = Library(blobs, clock)
publisher = Publisher(
    blobs=blobs,
    queue=SqsPublishQueue(clients, queue_url=settings.publish_queue_url),
    clock=clock,
    quiet=timedelta(seconds=settings.quiet_seconds),
)
teller = Teller(blobs=blobs, mailer=SesMailer(clients, configuration_set=settings.configuration_set), library=library)
passes = Passes(
    blobs=blobs,
    library=library,
    queue=SqsFanoutQueue(clients, queue_url=settings.fanout_queue_url),
    clock=clock,
    shards=settings.fanout_shards,
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Look at the content once for the whole batch of uploads: it is always judged as a whole."""
    asked = [asked_by for record in event["Records"] if (asked_by := json.loads(record["body"]).get("asked_by"))]
    report = publisher.look(asked[-1] if asked else "")
    metrics.add_metric("PublishFailed", MetricUnit.Count, int(report is not None and report.outcome == "refused"))
    if report is None:
        logger.info("nothing to judge, or not yet")
        return {"batchItemFailures": []}
    told = teller.tell(report)
    logger.info(
        report.outcome, extra={"playbook": report.hash, "problems": len(report.problems), "marketers_told": told}
    )
    started = passes.start_if_due()
    if started is not None:
        logger.info("a pass over everybody begins", extra={"playbook": started.hash, "fanout": started.id})
    return {"batchItemFailures": []}
