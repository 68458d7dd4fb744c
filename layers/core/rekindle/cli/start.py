"""`rekindle start`: start a flow for one person, by hand."""

from __future__ import annotations

import os

import click

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.intake import DynamoIntake
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.options import STACK
from rekindle.service.library import Library
from rekindle.service.start import start_flow
from rekindle.shops import contact


@click.command()
@click.argument("flow")
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--email", required=True, help="The person's address.")
@click.option("--reference", help="What this start is called: a second one of the same name changes nothing.")
def start(*, flow: str, stack: str, shop: str, email: str, reference: str | None) -> None:
    """Start FLOW for one person, by hand.

    The flow must have a `manual` trigger and be on in the shop, and the person must be known there. Its own rules still
    decide whether they enter; `rekindle explain` tells. Without --reference every call is a start of its own. Account,
    region and endpoint come from the environment, as for the AWS CLI.
    """
    address, problem = contact.email(email)
    if address is None:
        raise click.ClickException(f"--email {problem or 'is empty'}")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        raw_bucket = deployed.output("RawBucketName")
        prefix = deployed.output("SecretsPrefix")
        clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        new = start_flow(
            flow,
            shop,
            address,
            reference or clock.now().isoformat(),
            by="rekindle start",
            playbook=Library(S3Blobs(clients, deployed.output("ContentBucketName")), clock).newest(),
            state=DynamoState(clients, deployed.tables, raw_bucket=raw_bucket),
            vault=AwsVault(clients, deployed.tables, raw_bucket=raw_bucket, secrets_prefix=prefix),
            intake=DynamoIntake(clients, deployed.tables, raw_bucket=raw_bucket),
            clock=clock,
            key=CachedSecrets(clients, prefix).address_key(),
        )
    click.echo("accepted" if new else "started already under this reference: nothing changes")
