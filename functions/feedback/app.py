"""What became of mails: SES events by EventBridge, or the same by SNS."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.service.feedback import take
from rekindle.service.guard import Guard
from rekindle.service.notices import read_notice
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


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> None:
    """Take each notice. What fails is retried by Lambda, which is safe, and then parked in the dead-letter queue."""
    bodies = [record["Sns"]["Message"] for record in event["Records"]] if "Records" in event else [event]
    for body in bodies:
        notice = read_notice(body)
        done = take(notice, outbox=outbox, intake=intake, clock=clock, address_key=address_key, guard=guard)
        logger.info(done, extra={"message_id": notice.message_id, "kind": notice.kind})
        metrics.add_metric(f"Notice{notice.kind.title()}", MetricUnit.Count, 1)
