"""Sends planned messages: verify, lease, one attempt, record. Two queues, transactional and marketing, one handler."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.mailer import SesMailer
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.queues import look_again, opened
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.ports import Allowance, Parcel
from rekindle.service.compose import Composer
from rekindle.service.deliver import Deliver, Done, LookAgain
from rekindle.service.guard import Guard, Herald
from rekindle.service.library import Library
from rekindle.service.stops import Stops
from rekindle.settings import LEASE_LIFE_SECONDS, Send
from rekindle.wiring import channels, gone, pacer, purse, recommender

settings = Send.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock, keys = clock_for(settings.clock_offset_file), CachedSecrets(clients, settings.secrets_prefix)
blobs, tables = S3Blobs(clients, settings.content_bucket), Tables.of(settings)
outbox, counters = DynamoOutbox(clients, tables), DynamoCounters(clients, tables)
library, mailer = Library(blobs, clock), SesMailer(clients, configuration_set=settings.configuration_set)
REFUSED = {"not_allowed": "SendNotAllowed", "throttled": "MailThrottled"}


def noted(allowance: Allowance) -> None:
    """Tell how much the account may send."""
    metrics.add_metric("MailRateAllowed", MetricUnit.CountPerSecond, allowance.rate)
    metrics.add_metric("MailQuotaUsed", MetricUnit.Percent, allowance.percent_used)


queues, mint, wallet = purse(settings=settings, clients=clients, tables=tables, library=library)
composer = Composer(
    library=library, blobs=blobs, outbox=outbox, secrets=keys, link_base=settings.link_base, wallet=wallet,
    recommender=recommender(clients, tables, clock),
)  # fmt: skip
deliver = Deliver(
    outbox=outbox, queues=queues, mailer=mailer, builder=composer, clock=clock, wallet=wallet, mint=mint,
    address_key=keys.address_key(), new_token=lambda: secrets.token_urlsafe(12),
    lease_life=timedelta(seconds=LEASE_LIFE_SECONDS),
    guard=Guard(counters=counters, clock=clock), stops=Stops(blobs, clock),
    herald=Herald(counters=counters, library=library, clock=clock),
    pacer=pacer(settings=settings, clients=clients, noted=noted),
    channels=channels(settings=settings, clients=clients, keys=keys, composer=composer, library=library, clock=clock),
    gone=gone(settings=settings, clients=clients, keys=keys, clock=clock),
)  # fmt: skip


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Deliver each parcel by itself; what must be looked at again, or failed, comes back."""
    received = opened(event["Records"], Parcel)
    failed = [{"itemIdentifier": message_id} for message_id in received.unreadable]
    for (record, parcel, _), verdict in zip(received.messages, deliver.batch(received.values), strict=True):
        if isinstance(verdict, Done):
            told = {"message_id": parcel.message_id, "profile_id": parcel.profile_id, "why": verdict.why}
            logger.info(verdict.how, extra=told)
            metrics.add_metric(f"Mail{verdict.how.title()}", MetricUnit.Count, 1)
            if verdict.why in REFUSED:
                metrics.add_metric(REFUSED[verdict.why], MetricUnit.Count, 1)
            continue
        metrics.add_metric("SendFailed" if isinstance(verdict, Exception) else "MailLookedAgain", MetricUnit.Count, 1)
        if isinstance(verdict, LookAgain):
            look_again(clients, settings.queue_url(parcel.category), record["receiptHandle"], verdict.delay)
        failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
