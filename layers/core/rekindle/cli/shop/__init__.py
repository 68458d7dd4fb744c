"""`rekindle shop`: shops of an installation, from the first to the tenth: add, connect, check, rotate, list."""

from __future__ import annotations

import click

from rekindle.cli.named import Named

#: command → what it is for; each is a module here with a click command of the same name, but for these
COMMANDS = {
    "add": "Write a shop's file for the content.",
    "check": "Look at every link between a shop and its customers.",
    "connect": "Store a shop's secret and register its webhooks.",
    "list": "List the shops that are connected or published.",
    "rotate-secret": "Change the secret that signs a shop's webhooks, and lose none.",
}
_MODULES = {"list": "listing"}


@click.group(cls=Named, package="rekindle.cli.shop", listed=COMMANDS, modules=_MODULES)
def shop() -> None:
    """Connect shops to an installation, and see that every link of the chain holds.

    From nothing to the first webhook: rekindle shop connect shopify NAME …, then rekindle shop add NAME, rekindle
    publish, and rekindle shop check NAME, which says what is still missing. Everything may be done twice: what is there
    is left as it is. One installation takes many shops; each has its own secret, and none sees another's.
    """
