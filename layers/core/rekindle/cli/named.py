"""Commands that are imported when they are named: each pays for what it needs alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Named(click.Group):
    """A group whose commands are modules of one package, each with a click command of the same name.

    `listed` is command → what it is for; `modules` names those that are called otherwise, as words of Python are.
    """

    def __init__(self, *, package: str, listed: Mapping[str, str], modules: Mapping[str, str], **more: Any) -> None:
        super().__init__(**more)
        self._package, self._listed, self._modules = package, listed, modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        del ctx
        return list(self._listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now. Raises `click.NoSuchCommand`, which names those that are written alike."""
        if cmd_name not in self._listed:
            raise click.NoSuchCommand(cmd_name, possibilities=self._listed, ctx=ctx)
        name = self._modules.get(cmd_name, cmd_name.replace("-", "_"))
        command = getattr(importlib.import_module(f"{self._package}.{name}"), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._listed.items()))
