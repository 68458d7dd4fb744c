"""`rekindle push-key`: the public key by which a shop's site asks for push messages."""

from __future__ import annotations

import click

from rekindle.aws.clients import Clients
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.options import STACK
from rekindle.outside.webpush import public_key


@click.command("push-key")
@STACK
def push_key(*, stack: str) -> None:
    """Print the key by which a shop's site asks for push messages.

    The key belongs into the shop's file, shops/<id>.yaml: site: {push: {key: …}} (docs/site.md). Browsers then take
    push messages from this stack alone. It is no secret, and stays the same for as long as the stack lives: whoever
    has subscribed by it would be lost with another one.

    It needs the right to read the stack and its secret push-key. For instance: rekindle push-key --stack rekindle-prod
    """
    clients = Clients()
    with explained():
        prefix = read_stack(clients, stack).output("SecretsPrefix")
        secret = CachedSecrets(clients, prefix).push_secret()
    click.echo(public_key(secret))
