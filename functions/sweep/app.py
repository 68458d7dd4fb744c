"""Every five minutes: wakes what is overdue, redrives what was left behind, lists what is unknown and who is paused."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.queues import SqsSendQueues
from rekindle.aws.state import DynamoState
from rekindle.aws.tables import Tables
from rekindle.service.guard import announce
from rekindle.service.sweep import sweep
from rekindle.settings import LEASE_LIFE_SECONDS, Sweep

settings = Sweep.read(os.environ)
logger = Logger()
metrics = Metrics()
clients = Clients()
clock = clock_for(settings.clock_offset_file)
tables = Tables.of(settings)


@metrics.log_metrics
def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Sweep once. Two sweeps at once do no harm: what they wake twice finds nothing to do the second time."""
    swept = sweep(
        state=DynamoState(clients, tables),
        queue=SqsWakeQueue(clients, queue_url=settings.wake_queue_url),
        outbox=DynamoOutbox(clients, tables),
        clock=clock,
        lease_life=timedelta(seconds=LEASE_LIFE_SECONDS),
    )
    # Its own word to a shop is transactional: the sweep may put nothing on the marketing queue.
    queues = SqsSendQueues(clients, transactional_url=settings.transactional_queue_url, marketing_url="")
    paused = announce(counters=DynamoCounters(clients, tables), queues=queues, clock=clock)
    counts = {
        "OverdueWoken": swept.woken,
        "PendingRedriven": swept.redriven,
        "PendingStuck": swept.stuck,
        "UnknownMessages": swept.unknown,
        "MarketingPaused": paused,
    }
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    logger.info("swept", extra=counts)
    return counts
