"""What the commands of this folder have in common: the stack, the shops' APIs, secrets from wherever they are given."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.connections import SecretConnections
from rekindle.aws.stack import Stack, read_stack
from rekindle.outside.admin import admin_of
from rekindle.outside.door import OutsideDoor
from rekindle.outside.http import Http
from rekindle.service.connecting import Connecting, Progress
from rekindle.service.library import Library

#: Somebody waits, and nothing waits behind them: a slow shop may take its time.
_BUDGET_SECONDS = 60.0
_READ_SECONDS = 20.0
_TRIES = 5

API = click.option(
    "--webhooks-at",
    default=None,
    metavar="URL",
    help="Where the shops reach this installation, if not at the stack's own ApiUrl.",
)
CONTENT = click.option(
    "--content",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="The folder of content that holds shops/ (templates/ unless named).",
)
JSON = click.option("--json", "machine", is_flag=True, help="Print JSON.")


class There:
    """A deployed stack, as these commands use it."""

    def __init__(self, stack: str, *, webhooks_at: str | None = None) -> None:
        self.name = stack
        self.clients = Clients()
        self.stack: Stack = read_stack(self.clients, stack)
        self.http = Http(budget=_BUDGET_SECONDS, read=_READ_SECONDS, tries=_TRIES)
        self.api_url = (webhooks_at or self.stack.output("ApiUrl")).rstrip("/")
        self.clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))
        self.connections = SecretConnections(self.clients, self.stack.output("SecretsPrefix"))

    @cached_property
    def blobs(self) -> S3Blobs:
        """The content bucket."""
        return S3Blobs(self.clients, self.stack.output("ContentBucketName"))

    @cached_property
    def library(self) -> Library:
        """What is published."""
        return Library(self.blobs, self.clock)

    def connecting(self, progress: Progress) -> Connecting:
        """Return what connects shops."""
        return Connecting(
            connections=self.connections,
            admin=lambda known: admin_of(self.http, known),
            door=OutsideDoor(self.http),
            api_url=self.api_url,
            # Nothing in it that WooCommerce would take for HTML.
            make_secret=lambda: secrets.token_urlsafe(36),
            clock=self.clock,
            sleep=time.sleep,
            progress=progress,
        )


def secret_option(name: str, variable: str, help_: str) -> Callable[[Any], Any]:
    """Return an option that holds a secret: as it is, or from a variable; `-` for a line of stdin."""
    said = f"{help_} Better not here, where ps shows it: leave it out to be asked, set {variable}, or - reads a line."
    return click.option(name, default=None, envvar=variable, metavar="SECRET", help=said)


def secret_of(value: str | None, what: str, *, needed: bool = True) -> str | None:
    """Return a secret as it was given; where it was not, ask for it, unseen. Raises `click.UsageError`."""
    if value == "-":
        value = sys.stdin.readline()
    elif value is None and needed and sys.stdin.isatty():
        value = click.prompt(what, hide_input=True, err=True)
    value = (value or "").strip()
    if not value and needed:
        raise click.UsageError(f"{what} is missing: give it by its option, by its variable, or as a line on stdin")
    if any(not character.isprintable() or character.isspace() for character in value):
        raise click.UsageError(f"{what} holds characters that no secret has: copy it again")
    return value or None


@contextmanager
def shown() -> Iterator[Progress]:
    """Show on stderr what is being done, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    with Bars(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def progress(what: str, done: int, of: int) -> None:
            bars.update(task, description=what, completed=done, total=of or None)

        yield progress
