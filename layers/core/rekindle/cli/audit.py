"""`rekindle audit`: what is wrong with a live installation, and mending what is safe to mend."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.counters import DynamoCounters
from rekindle.aws.dead_letters import SqsDeadLetters, dead_letter_queues
from rekindle.aws.mailer import SesAccount
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.queues import SqsFanoutQueue, SqsSendQueues
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.survey import DynamoSurvey
from rekindle.aws.vault import AwsVault
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.service.audit import Audit, Finding
from rekindle.settings import LEASE_LIFE_SECONDS

Progress = Callable[[str, int, int], None]


@click.command()
@STACK
@click.option("--shop", default="", help="Only what is this shop's; dead letters and the pass are everybody's.")
@click.option("--repair", is_flag=True, help="Mend what is safe to mend, and say what was done.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def audit(*, stack: str, shop: str, repair: bool, machine: bool) -> int:
    """Check a live installation, and say of everything that should not be there what it means and what to do.

    It looks for deadlines that passed, events that were not applied, messages without an outcome or without a record,
    contact points and signposts that lead nowhere, missing files, parts of passes and campaigns that stand still, dead
    letters, counters that are off, paused shops, and an account that SES keeps in its sandbox or near its quota. It
    reads all profiles and messages: some minutes for a million. Exit status 0: clean; 1: something was found, mended or
    not; 2: it cannot be done. Account, region and endpoint come from the environment, as for the AWS CLI.
    """
    with explained():
        clients = Clients()
        checked = _audit_of(clients, read_stack(clients, stack))
        with _shown() as progress:
            findings = checked.run(shop=shop, repair=repair, progress=progress)
    if machine:
        click.echo(as_json({"clean": not findings, "findings": findings}).encode())
    else:
        for line in told(findings, repair=repair):
            click.echo(line)
    return 1 if findings else 0


def told(findings: Sequence[Finding], *, repair: bool) -> Iterator[str]:
    """Yield the findings as lines to read."""
    if not findings:
        yield "All good: nothing was found that should not be there."
    for number, finding in enumerate(findings):
        if number:
            yield ""
        yield f"{finding.count:,} {finding.title}"
        more = finding.count - len(finding.examples)
        several = more > 0 and finding.check != "dead letters"
        yield f"    {', '.join(finding.examples)}{', …' if several else ''}"
        yield f"    {finding.means}"
        yield f"    {finding.do}"
        if repair:
            yield f"    Repaired: {finding.repaired:,}." if finding.repaired else "    Left as it is."


def _audit_of(clients: Clients, stack: Stack) -> Audit:
    tables, raw_bucket = stack.tables, stack.output("RawBucketName")
    return Audit(
        survey=DynamoSurvey(clients, tables),
        state=DynamoState(clients, tables, raw_bucket=raw_bucket),
        vault=AwsVault(clients, tables, raw_bucket=raw_bucket, secrets_prefix=stack.output("SecretsPrefix")),
        outbox=DynamoOutbox(clients, tables),
        counters=DynamoCounters(clients, tables),
        dead_letters=SqsDeadLetters(clients, dead_letter_queues(stack)),
        wakes=SqsWakeQueue(clients, queue_url=stack.output("WakeQueueUrl")),
        queues=SqsSendQueues(
            clients,
            transactional_url=stack.output("TransactionalQueueUrl"),
            marketing_url=stack.output("MarketingQueueUrl"),
        ),
        fanout=SqsFanoutQueue(clients, queue_url=stack.output("FanoutQueueUrl")),
        blobs=S3Blobs(clients, stack.output("ContentBucketName")),
        clock=clock_for(os.environ.get("CLOCK_OFFSET_FILE")),
        account=SesAccount(clients, patient=True),
        lease_life=timedelta(seconds=LEASE_LIFE_SECONDS),
    )


@contextmanager
def _shown() -> Iterator[Progress | None]:
    """Show a progress bar on stderr, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def progress(what: str, done: int, of: int) -> None:
            bars.update(task, description=what, completed=done, total=of or None)

        yield progress
