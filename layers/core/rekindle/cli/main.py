"""The group of commands: finds the one that is asked for, and turns what it cannot do into one line and exit 2."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rekindle.cli.named import Named
from rekindle.domain.errors import RekindleError

#: command → its module here, which has a click command of the same name
COMMANDS = {
    "audit": "Check a live installation, and mend what is safe to mend.",
    "campaign": "List campaigns; try one; pause, resume or cancel one.",
    "cost": "Show what the last days cost, and what is to come will.",
    "diff": "Show what publishing a folder would change, and for whom.",
    "explain": "Say why somebody got, or did not get, a mail.",
    "export": "Write a shop's stored events to a file, one a line.",
    "import": "Take over customers, orders and consent from before.",
    "lint": "Check a folder of flows, mails and shops as publishing would.",
    "members": "List who is in a segment now.",
    "normalise": "Print the events that a webhook's body tells.",
    "preview": "Show a mail as somebody would get it, or all on one page.",
    "privacy": "Hand out or erase what is stored about somebody; show receipts.",
    "publish": "Upload content and say what became of it; go back; list.",
    "push-key": "Print the key by which a shop's site asks for push messages.",
    "reconcile": "Find and apply what no webhook of a shop brought.",
    "redrive": "Put back what functions gave up on: dead letters, stuck events.",
    "replay": "Read a shop's stored webhooks again, with today's code.",
    "reputation": "Show bounce and complaint rates, and resume a paused shop.",
    "results": "Show what messages have brought, and what comparisons say.",
    "rollout": "Show how far what was published has reached everybody.",
    "schema": "Print the JSON Schema of flows and the rest, for editors.",
    "shop": "Add, connect and check shops; rotate a secret; list them.",
    "simulate": "Try flows on real events: who gets what, when, and why not.",
    "site": "Print what to paste into the shop for its own site.",
    "start": "Start a flow for one person, by hand.",
    "trace": "Show what led to a message, or what came of a webhook.",
}

#: What Python would not let a module be called.
_NAMES = {"import": "imports"}

#: Cannot be done as asked; what grep and diff use for it too.
FAILED = 2


_ROOT = Path(__file__).resolve().parents[4]


def _tell(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the version: of pyproject.toml, and as `make deploy` calls it, which `bin/rekindle` has asked git for."""
    if not asked:
        return
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    click.echo(f"rekindle {project['version']} ({os.environ.get('REKINDLE_CHECKOUT', 'unnamed')})")
    ctx.exit()


@click.group(
    cls=Named,
    package="rekindle.cli",
    listed=COMMANDS,
    modules=_NAMES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell, help="Print this checkout's version."
)
def rekindle() -> None:
    """Look into Rekindle from a laptop.

    `rekindle COMMAND --help` says what a command reads, prints and changes. Whatever cannot be done as asked is one
    line on stderr, and exit status 2.
    """


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status: 0, what the command itself says, or 2 with one line on stderr."""
    try:
        status: Any = rekindle.main(list(arguments), prog_name="rekindle", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return FAILED
    except click.Abort:
        return _fail("stopped")
    except click.UsageError as error:
        # What click says is short, and does not say of which command.
        more = f" ({error.ctx.command_path} --help)" if error.ctx is not None else ""
        return _fail(f"{error.format_message()}{more}")
    except click.ClickException as error:
        return _fail(error.format_message())
    except RekindleError as error:
        return _fail(str(error))
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    click.echo(f"rekindle: {' '.join(message.split())}", err=True)
    return FAILED
