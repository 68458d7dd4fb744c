"""Counts what is bought together and keeps the shelves: from a queue, and from the stream of Products."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.products import parse_change
from rekindle.aws.queues import Opened, SqsCatalogueQueue, SqsFanoutQueue, opened
from rekindle.aws.shelves import DynamoShelves
from rekindle.aws.tables import Tables
from rekindle.ports import CatalogueTask
from rekindle.service.catalogue import Catalogue, Change
from rekindle.settings import Catalogue as Settings

settings = Settings.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
catalogue = Catalogue(
    shelves=DynamoShelves(clients, Tables.of(settings), clock_for(settings.clock_offset_file)),
    queue=SqsCatalogueQueue(clients, queue_url=settings.catalogue_queue_url),
    fanout=SqsFanoutQueue(clients, queue_url=settings.fanout_queue_url),
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take a batch of either kind; what failed of a queue's comes back, never a record of the stream."""
    records = event["Records"]
    metrics.add_metric("CatalogueRecords", MetricUnit.Count, len(records))
    if records and records[0]["eventSource"] == "aws:dynamodb":
        changes = [change for record in records if (change := parse_change(record["dynamodb"])) is not None]
        catalogue.heard([Change(*change) for change in changes])
        return {"batchItemFailures": []}
    received: Opened[CatalogueTask] = opened(records, CatalogueTask)  # type: ignore[arg-type]  # a union of tagged kinds
    undone = catalogue.work([task for task, _ in received.values])
    failed = [*received.unreadable, *(received.messages[place][0]["messageId"] for place in sorted(undone))]
    metrics.add_metric("CatalogueFailed", MetricUnit.Count, len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
