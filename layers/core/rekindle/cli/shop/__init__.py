"""`rekindle shop`: shops of an installation, from the first to the tenth: add, connect, check, rotate, list."""

from __future__ import annotations

import importlib
from typing import Any

import click

#: command → what it is for; each is a module here with a click command of the same name, but for these
COMMANDS = {
    "add": "Write a shop's file for the content.",
    "check": "Look at every link between a shop and its customers.",
    "connect": "Store a shop's secret and register its webhooks.",
    "list": "List the shops that are connected or published.",
    "rotate-secret": "Change the secret that signs a shop's webhooks, and lose none.",
}
_MODULES = {"list": "listing"}


class _Commands(click.Group):
    """Commands that are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name) or cmd_name.replace("-", "_")
        command: Any = getattr(importlib.import_module(f"rekindle.cli.shop.{name}"), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands)
def shop() -> None:
    """Connect shops to an installation, and see that every link of the chain holds.

    From nothing to the first webhook: rekindle shop connect shopify NAME …, then rekindle shop add NAME, rekindle
    publish, and rekindle shop check NAME, which says what is still missing. Everything may be done twice: what is there
    is left as it is. One installation takes many shops; each has its own secret, and none sees another's.
    """
