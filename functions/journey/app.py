"""Applies what was accepted, and rings alarms: from the stream of Pending, and from the wake queue."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.alarms import SchedulerAlarms
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.pending import parse_pending
from rekindle.aws.queues import SqsCatalogueQueue, SqsPrivacyQueue, SqsSendQueues
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.state import DynamoState
from rekindle.aws.tables import Tables
from rekindle.ports import Wake
from rekindle.service.journey import Applied, Journey
from rekindle.service.library import Library
from rekindle.settings import Journey as Settings

settings = Settings.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock = clock_for(settings.clock_offset_file)
wakes = msgspec.json.Decoder(Wake)


def noted(applied: Applied) -> None:
    """Write down what was applied, by ids: so a mail can be followed back to the webhook that led to it."""
    told = msgspec.to_builtins(applied)
    what, log = told.pop("what"), logger.debug if applied.is_quiet else logger.info
    log(what, extra=told)


journey = Journey(
    state=DynamoState(clients, Tables.of(settings), raw_bucket=settings.raw_bucket),
    alarms=SchedulerAlarms(
        clients,
        clock,
        queue_url=settings.wake_queue_url,
        queue_arn=settings.wake_queue_arn,
        group=settings.schedule_group,
        role_arn=settings.scheduler_role_arn,
    ),
    queues=SqsSendQueues(
        clients, transactional_url=settings.transactional_queue_url, marketing_url=settings.marketing_queue_url
    ),
    privacy=SqsPrivacyQueue(clients, queue_url=settings.privacy_queue_url),
    catalogue=SqsCatalogueQueue(clients, queue_url=settings.catalogue_queue_url),
    library=Library(S3Blobs(clients, settings.content_bucket), clock),
    clock=clock,
    address_key=CachedSecrets(clients, settings.secrets_prefix).address_key(),
    note=noted,
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take each record by itself; only a wake that failed comes back, never a record of the stream."""
    failed = []
    metrics.add_metric("JourneyRecords", MetricUnit.Count, len(event["Records"]))
    for record in event["Records"]:
        if record["eventSource"] == "aws:dynamodb":
            if not journey.from_stream(parse_pending(record["dynamodb"]["NewImage"])):
                metrics.add_metric("ApplyFailed", MetricUnit.Count, 1)
            continue
        told = {"sqs_message": record["messageId"]}
        try:
            wake = wakes.decode(record["body"])
            told |= {"profile_id": wake.profile_id, "pending_id": wake.pending_id}
            journey.wake(wake)
        except Exception:
            logger.exception("not done, the queue brings it again", extra=told)
            metrics.add_metric("WakeFailed", MetricUnit.Count, 1)
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
