"""`rekindle push-key`: the public key by which a shop's site asks for push messages."""

from __future__ import annotations

import click

from rekindle.aws.clients import Clients
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.outside.webpush import public_key


@click.command("push-key")
@click.option("--stack", required=True, help="The name of the deployed stack, such as rekindle-prod.")
def push_key(*, stack: str) -> None:
    """Print the stack's public key for push messages.

    It belongs into shops/<id>.yaml: site: {push: {key: …}} (docs/site.md). It is no secret, and stays the same for as
    long as the stack lives.
    """
    clients = Clients()
    with explained():
        prefix = read_stack(clients, stack).output("SecretsPrefix")
        secret = CachedSecrets(clients, prefix).push_secret()
    click.echo(public_key(secret))
