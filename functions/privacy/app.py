"""Privacy requests: export, erase a person, erase a shop; and what is heard of erased people too late."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.queues import SqsPrivacyQueue
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.state import DynamoState
from rekindle.aws.tables import Tables
from rekindle.aws.vault import AwsVault
from rekindle.ports import PrivacyTask
from rekindle.service.privacy import Privacy
from rekindle.settings import LEASE_LIFE_SECONDS
from rekindle.settings import Privacy as Settings
from rekindle.wiring import unlisting

settings = Settings.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
tables = Tables.of(settings)
tasks = msgspec.json.Decoder(PrivacyTask)
privacy = Privacy(
    vault=AwsVault(
        clients,
        tables,
        raw_bucket=settings.raw_bucket,
        secrets_prefix=settings.secrets_prefix,
        content_bucket=settings.content_bucket,
    ),
    state=DynamoState(clients, tables),
    files=S3Blobs(clients, settings.raw_bucket),
    queue=SqsPrivacyQueue(clients, queue_url=settings.privacy_queue_url),
    clock=clock,
    address_key=CachedSecrets(clients, settings.secrets_prefix).address_key(),
    lease_life=timedelta(seconds=LEASE_LIFE_SECONDS),
    unlist=unlisting(settings=settings, clients=clients, clock=clock),
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Do each task as far as one go comes; what failed comes back."""
    failed = []
    for record in event["Records"]:
        try:
            receipt = privacy.handle(tasks.decode(record["body"]))
        except Exception:
            logger.exception("not done, the queue brings it again", extra={"sqs_message": record["messageId"]})
            metrics.add_metric("PrivacyFailed", MetricUnit.Count, 1)
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        if receipt is None:
            metrics.add_metric("PrivacyLateDropped", MetricUnit.Count, 1)
            continue
        done = receipt.done_at is not None
        logger.info(
            "done" if done else "goes on",
            extra={
                "wish": receipt.wish,
                "shop": receipt.shop,
                "delivery_id": receipt.delivery_id,
                "receipt": receipt.key,
                "erased": receipt.counts(),
            },
        )
        metrics.add_metric("PrivacyDone" if done else "PrivacyGoesOn", MetricUnit.Count, 1)
    return {"batchItemFailures": failed}
