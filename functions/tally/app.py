"""Adds up what the ledger and the messages' records tell of results: from the streams of both tables."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.results import DynamoResults, line_counts, message_change
from rekindle.aws.tables import Tables
from rekindle.ports import Counted
from rekindle.service.tally import Tally, of_message
from rekindle.settings import Tally as Settings

settings = Settings.read(os.environ)
logger = Logger()
metrics = Metrics()
tally = Tally(DynamoResults(Clients(), Tables.of(settings), clock_for(settings.clock_offset_file)))


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Add a batch of either stream. What fails comes again whole: what was added of it is not added twice."""
    records = event["Records"]
    added = tally.heard(_counted(record["dynamodb"]) for record in records)
    metrics.add_metric("ResultsCounted", MetricUnit.Count, added)
    return {"batchItemFailures": []}


def _counted(record: dict[str, Any]) -> Counted | None:
    if "id" in record["Keys"]:
        change = message_change(record)
        return of_message(*change) if change is not None else None
    return line_counts(record["NewImage"]) if "NewImage" in record else None
