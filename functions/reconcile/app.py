"""Every quarter of an hour: asks each shop what was changed, and accepts what no webhook brought."""

from __future__ import annotations

import os
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.bulk import DynamoBulkIntake
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.known import DynamoKnown
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.outside.http import Deadline
from rekindle.outside.lists import OutsideShopLists
from rekindle.service.library import Library
from rekindle.service.reconcile import Reconciler
from rekindle.settings import RECONCILE_SECONDS
from rekindle.settings import Reconcile as Settings

settings = Settings.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock, keys = clock_for(settings.clock_offset_file), CachedSecrets(clients, settings.secrets_prefix)
blobs, tables = S3Blobs(clients, settings.content_bucket), Tables.of(settings)
library = Library(blobs, clock)
reconciler = Reconciler(
    lists=OutsideShopLists(keys),
    known=DynamoKnown(clients, tables),
    intake=DynamoBulkIntake(clients, tables, raw_bucket=settings.raw_bucket),
    secrets=keys,
    blobs=blobs,
    clock=clock,
)


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Look at every shop once. A shop that gives no answer is told of, and holds up no other."""
    deadline = Deadline(RECONCILE_SECONDS, time.monotonic)
    found = reconciler.all([shop.id for shop in library.shops()], deadline.left)
    counts = {
        "ReconcileMissing": sum(len(looked.missing) for looked in found),
        "ReconcileRefused": sum(looked.how == "refused" for looked in found),
        "ReconcileFailed": sum(looked.how == "failed" for looked in found),
        "WebhooksOff": sum(bool(looked.silent) for looked in found),
    }
    for looked in found:
        told = {
            "shop": looked.shop,
            "reason": looked.why,
            "seen": looked.seen,
            "missing": [f"{one.resource} {one.id}" for one in looked.missing],
            "delivery_ids": [one.delivery_id for one in looked.missing],
            "webhooks_off": looked.silent,
        }
        fine = looked.how in ("looked", "skipped") and not looked.silent
        (logger.info if fine else logger.warning)(looked.how, extra=told)
    for name, count in counts.items():
        # A metric costs by the hour in which it is counted, and there is mostly nothing wrong.
        if count or name == "ReconcileMissing":
            metrics.add_metric(name, MetricUnit.Count, count)
    return counts
