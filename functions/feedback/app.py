"""What became of mails (SES events, by EventBridge or SNS) and of texts (by SNS), and what people text back."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.service.feedback import take_any
from rekindle.service.guard import Guard
from rekindle.service.library import Library
from rekindle.service.phones import Incoming, heard
from rekindle.settings import Feedback

settings = Feedback.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
tables = Tables.of(settings)
intake = DynamoIntake(clients, tables, raw_bucket=settings.raw_bucket)
outbox = DynamoOutbox(clients, tables)
guard = Guard(counters=DynamoCounters(clients, tables), clock=clock)
address_key = CachedSecrets(clients, settings.secrets_prefix).address_key()
library = Library(S3Blobs(clients, settings.content_bucket), clock)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> None:
    """Take each notice. What fails is retried by Lambda, which is safe, and then parked in the dead-letter queue."""
    for found in heard(event):
        done = take_any(
            found,
            outbox=outbox,
            intake=intake,
            clock=clock,
            address_key=address_key,
            guard=guard,
            shops=library.shops,
        )
        if isinstance(found, Incoming):
            logger.info(done, extra={"inbound_id": found.id})
            metrics.add_metric(f"Text{done.title()}", MetricUnit.Count, 1)
        else:
            logger.info(done, extra={"message_id": found.message_id, "kind": found.kind})
            metrics.add_metric(f"Notice{found.kind.title()}", MetricUnit.Count, 1)
