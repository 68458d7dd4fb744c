"""`rekindle explain`: why somebody got, or did not get, a mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from rekindle.aws.clients import Clients
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.events import as_json
from rekindle.cli.options import Moment
from rekindle.service.explain import Explanation
from rekindle.service.explain import explain as explain_person
from rekindle.shops import contact


@click.command()
@click.option("--stack", required=True, help="The name of the deployed stack, such as rekindle-prod.")
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--email", required=True, help="The person's address.")
@click.option("--flow", help="Only this flow.")
@click.option("--at", type=Moment(), help="Only what had been decided by this moment (UTC).")
@click.option("--json", "machine", is_flag=True, help="Print JSON, each decision with its rule and values.")
def explain(*, stack: str, shop: str, email: str, flow: str | None, at: datetime | None, machine: bool) -> None:
    """Say in plain words what was decided about a person, by which rule, on which values.

    It reads the ledger, which is kept for 400 days: what they entered and did not enter and why, what they waited for,
    which mails were planned, skipped, sent, opened and clicked, and why they left. Nothing is changed. Account, region
    and endpoint come from the environment, as for the AWS CLI.
    """
    address, problem = contact.email(email)
    if address is None:
        raise click.ClickException(f"--email {problem or 'is empty'}")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        raw_bucket = deployed.output("RawBucketName")
        prefix = deployed.output("SecretsPrefix")
        explanation = explain_person(
            shop,
            address,
            state=DynamoState(clients, deployed.tables, raw_bucket=raw_bucket),
            vault=AwsVault(clients, deployed.tables, raw_bucket=raw_bucket, secrets_prefix=prefix),
            key=CachedSecrets(clients, prefix).address_key(),
            flow=flow,
            until=at,
        )
    if machine:
        click.echo(as_json(_as_data(explanation)).encode())
        return
    for line in explanation.lines:
        click.echo(f"{line.at:%Y-%m-%d %H:%M} UTC  {line.words}" + (f" → {line.outcome}" if line.outcome else ""))
    if not explanation.lines:
        click.echo("Nothing has been decided about this person" + (f" in {flow}." if flow else "."))


def _as_data(explanation: Explanation) -> dict[str, Any]:
    return {
        "profile_id": explanation.profile.id,
        "decisions": [
            {"words": line.words, "outcome": line.outcome, "decision": line.decision} for line in explanation.lines
        ],
    }
