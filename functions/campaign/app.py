"""Reaches everybody: starts campaigns whose hour came and passes that are due, and works on shards from a queue."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.everybody import DynamoEverybody
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.interests import DynamoInterests
from rekindle.aws.queues import SqsFanoutQueue, SqsSending
from rekindle.aws.tables import Tables
from rekindle.ports import ShardTask
from rekindle.service.campaigns import Campaigns
from rekindle.service.fanout import Fanout
from rekindle.service.heralds import ProductHerald
from rekindle.service.library import Library
from rekindle.service.passes import Passes
from rekindle.service.stops import Stops
from rekindle.settings import Campaign as Settings

settings = Settings.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock = clock_for(settings.clock_offset_file)
blobs = S3Blobs(clients, settings.content_bucket)
queue = SqsFanoutQueue(clients, queue_url=settings.fanout_queue_url)
library, tables = Library(blobs, clock), Tables.of(settings)
campaigns = Campaigns(blobs=blobs, library=library, queue=queue, clock=clock, shards=settings.fanout_shards)
passes = Passes(blobs=blobs, library=library, queue=queue, clock=clock, shards=settings.fanout_shards)
fanout = Fanout(
    everybody=DynamoEverybody(clients, tables),
    wakes=SqsWakeQueue(clients, queue_url=settings.wake_queue_url),
    queue=queue, blobs=blobs, clock=clock, stops=Stops(blobs, clock),
    sending=SqsSending(clients, queue_url=settings.marketing_queue_url),
    wake_workers=settings.wake_workers, senders=settings.marketing_senders,
    herald=ProductHerald(
        interests=DynamoInterests(clients, tables),
        intake=DynamoIntake(clients, tables),
        library=library,
        clock=clock,
    ),
)  # fmt: skip
tasks = msgspec.json.Decoder(ShardTask)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Work on the shards of a batch, of which what failed comes back; or, called by the clock, tick."""
    return _work(event["Records"]) if "Records" in event else _tick()


def _tick() -> dict[str, Any]:
    counts = {"CampaignsStarted": campaigns.tick(), "PassesStarted": int(passes.start_if_due() is not None)}
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    if any(counts.values()):
        logger.info("started", extra=counts)
    return counts


def _work(records: list[dict[str, Any]]) -> dict[str, Any]:
    failed = []
    for record in records:
        try:
            woken = fanout.work(tasks.decode(record["body"]))
        except Exception:
            logger.exception("not done, the queue brings it again", extra={"sqs_message": record["messageId"]})
            metrics.add_metric("ShardFailed", MetricUnit.Count, 1)
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            metrics.add_metric("ProfilesReached", MetricUnit.Count, woken)
    return {"batchItemFailures": failed}
