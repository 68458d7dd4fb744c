"""Makes the codes that messages give, and sends these on; every quarter of an hour it counts what pools have left."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.coupons import DynamoCoupons
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.queues import SqsSendQueues, opened
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.tables import Tables
from rekindle.outside.codes import OutsideShopCodes
from rekindle.outside.http import Http
from rekindle.ports import Parcel
from rekindle.service.library import Library
from rekindle.service.mint import Mint, Minted
from rekindle.settings import Mint as Settings

settings = Settings.read(os.environ)
logger, metrics, clients = Logger(), Metrics(), Clients()
clock, keys = clock_for(settings.clock_offset_file), CachedSecrets(clients, settings.secrets_prefix)
blobs, tables = S3Blobs(clients, settings.content_bucket), Tables.of(settings)
mint = Mint(
    coupons=DynamoCoupons(clients, tables),
    codes=OutsideShopCodes(keys, Http()),
    outbox=DynamoOutbox(clients, tables),
    intake=DynamoIntake(clients, tables),
    send=SqsSendQueues(
        clients, transactional_url=settings.transactional_queue_url, marketing_url=settings.marketing_queue_url
    ),
    mint=SqsSendQueues(
        clients,
        transactional_url=settings.transactional_mint_queue_url,
        marketing_url=settings.marketing_mint_queue_url,
    ),
    library=Library(blobs, clock),
    blobs=blobs,
    clock=clock,
    address_key=keys.address_key(),
)


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Make the coupon of each message by itself; what failed comes back. Without messages: count what is left."""
    if "Records" not in event:
        stocks = mint.stocks()
        for stock in stocks:
            told = {"shop": stock.shop, "offer": stock.offer, "left": stock.left}
            (logger.warning if stock.low else logger.info)("few codes are left" if stock.low else "stock", extra=told)
        metrics.add_metric("CouponPoolsLow", MetricUnit.Count, sum(stock.low for stock in stocks))
        return {"batchItemFailures": []}
    received = opened(event["Records"], Parcel)
    failed = [{"itemIdentifier": message_id} for message_id in received.unreadable]
    found = mint.batch([parcel for _, parcel, _ in received.messages])
    for (record, parcel, _), minted in zip(received.messages, found, strict=True):
        if not isinstance(minted, Minted):
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        told = {"message_id": parcel.message_id, "profile_id": parcel.profile_id, "reason": minted.why}
        told |= {"shop": minted.shop, "offer": minted.offer}
        logger.info(minted.how, extra=told)
        names = {"made": "CouponMade", "passed": "CouponPassed", "waiting": "CouponWaiting"}
        metrics.add_metric(names[minted.how], MetricUnit.Count, 1)
    return {"batchItemFailures": failed}
