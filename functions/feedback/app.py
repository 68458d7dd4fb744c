"""What became of mails (SES) and of texts (by SNS), what people text back, and who opened and clicked (by a queue)."""

from __future__ import annotations

import os
from typing import Any

import msgspec
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
from rekindle.ports import Reaction
from rekindle.service import reactions
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
intake = DynamoIntake(clients, tables)
outbox = DynamoOutbox(clients, tables)
guard = Guard(counters=DynamoCounters(clients, tables), clock=clock)
address_key = CachedSecrets(clients, settings.secrets_prefix).address_key()
library = Library(S3Blobs(clients, settings.content_bucket), clock)
reaction_of = msgspec.json.Decoder(Reaction)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any] | None:
    """Take each. What fails is retried, notices by Lambda, reactions by their queue; then it is parked."""
    records = event.get("Records") or [{}]
    if records[0].get("eventSource") == "aws:sqs":
        return {"batchItemFailures": [failed for record in records for failed in _react(record)]}
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
    return None


def _react(record: dict[str, Any]) -> list[dict[str, str]]:
    """Take one reaction; return it as failed, if it did: its queue brings it again, and parks it in the end."""
    try:
        reaction = reaction_of.decode(record["body"])
        done = reactions.take(reaction, outbox=outbox, intake=intake, clock=clock, address_key=address_key)
    except Exception:
        logger.exception("a reaction was not taken", extra={"sqs_message": record["messageId"]})
        metrics.add_metric("ReactionFailed", MetricUnit.Count, 1)
        return [{"itemIdentifier": record["messageId"]}]
    logger.info(done, extra={"message_id": reaction.message_id, "kind": reaction.kind})
    who = "ByMachine" if done.startswith("machine") else ""
    metrics.add_metric(f"Reaction{reaction.kind.title()}{who}", MetricUnit.Count, 1)
    return []
