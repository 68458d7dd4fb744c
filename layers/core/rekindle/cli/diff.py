"""`rekindle diff`: what publishing a folder would change, and how many people are inside what changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.survey import DynamoSurvey
from rekindle.cli.changes import Change, changes, senders
from rekindle.cli.drafts import folder_files
from rekindle.cli.events import as_json
from rekindle.cli.lint import print_verdict
from rekindle.cli.main import FAILED
from rekindle.content.playbook import Mails, decode_mails
from rekindle.content.validate import validate
from rekindle.domain.errors import RekindleError
from rekindle.flow.program import Playbook
from rekindle.service.inside import Inside, people_inside
from rekindle.service.library import Library

DIFFERENT = 1
_MARKS = {"added": ("+", "green"), "removed": ("−", "red"), "changed": ("~", "yellow")}
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
Set = tuple[Playbook, Mails]


@click.command()
@click.option("--stack", default=None, help="Compare with what is live in this stack, such as rekindle-prod.")
@click.option("--against", type=_FOLDER, default=None, help="Compare with another folder instead.")
@click.option("--content", type=_FOLDER, default=Path("templates"), help="The folder (templates/ unless named).")
@click.option("--count/--no-count", default=True, help="With --stack: count who is inside what changes.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def diff(*, stack: str | None, against: Path | None, content: Path, count: bool, machine: bool) -> int:
    """Show what publishing a folder of content would change: flows, segments, messages, manners, shops.

    With --stack it also says how many people are inside each flow and segment that changes, and inside the flows that
    send a mail that changes; for that it reads all profiles, some minutes for a million. It changes nothing. Files that
    are only in the bucket count as gone.

    The exit status is 0 when nothing differs, 1 when something does, 2 when it cannot be said.
    """
    if (stack is None) == (against is None):
        raise click.UsageError("say with what to compare: --stack or --against")
    new = _of_folder(content)
    if new is None:
        return FAILED
    inside: Inside | None = None
    if against is not None:
        old = _of_folder(against)
        if old is None:
            return FAILED
        found = changes(old, new)
    else:
        with explained():
            clients = Clients()
            there = read_stack(clients, str(stack))
            old = _of_stack(S3Blobs(clients, there.output("ContentBucketName")))
            found = changes(old, new)
            if count and any(one.how != "added" and one.kind in _COUNTED for one in found):
                with _shown() as progress:
                    inside = people_inside(DynamoSurvey(clients, there.tables), progress)
    told = [(one, _inside(one, old, new, inside)) for one in found]
    if machine:
        click.echo(as_json([{"change": one, "inside": people} for one, people in told]))
    else:
        _print(told, old)
    return DIFFERENT if found else 0


_COUNTED = frozenset({"flow", "segment", "mail", "sms", "push"})
_CHANNELS = {"mail": "email", "sms": "sms", "push": "push"}


def _of_folder(folder: Path) -> Set | None:
    """Return what the folder would publish; say what is wrong where it would not be."""
    files = folder_files(folder)
    if not files:
        raise click.ClickException(f"{folder} holds no files")
    verdict = validate(files)
    if verdict.published is None:
        click.echo(f"{folder}:", err=True)
        print_verdict(verdict)
        return None
    return verdict.published.playbook, verdict.published.mails


def _of_stack(blobs: S3Blobs) -> Set:
    book = Library(blobs, clock_for(os.environ.get("CLOCK_OFFSET_FILE"))).newest()
    if not book.hash:
        return book, Mails(hash="")
    raw = blobs.get(f"playbooks/{book.hash}/mails.json")
    if raw is None:
        raise RekindleError(f"the mails of the published set {book.hash} are not in the bucket")
    return book, decode_mails(raw)


def _inside(one: Change, old: Set, new: Set, inside: Inside | None) -> int | None:
    """Return how many people the change is about who are inside now; `None` where that was not counted."""
    if inside is None or one.how == "added":
        return None
    if one.kind == "flow":
        return inside.flows.get(one.name, 0)
    if one.kind == "segment":
        return inside.segments.get(one.name, 0)
    if one.kind in _CHANNELS:
        return sum(inside.flows.get(flow, 0) for flow in senders((old[0], new[0]), _CHANNELS[one.kind], one.name))
    return None


def _print(told: Sequence[tuple[Change, int | None]], old: Set) -> None:
    if not told:
        click.echo("Nothing differs.")
    for one, people in told:
        mark, color = _MARKS[one.how]
        what = one.kind if one.kind == one.name else f"{one.kind} {one.name}"
        click.secho(f"{mark} {what}", fg=color, nl=False)
        click.echo(f"  {_people(one, people, old)}" if people is not None else "")
        for line in one.details:
            click.echo(f"    {line}")


def _people(one: Change, count: int, old: Set) -> str:
    people = f"{count:,} {'person' if count == 1 else 'people'}"
    if one.kind == "segment":
        return f"{people} in it now"
    if one.kind != "flow":
        return f"{people} inside the flows that send it"
    if one.how == "changed":
        return f"{people} inside, who go on as it was when they entered"
    ends = old[0].flows[one.name].removed == "end"
    return f"{people} inside, who {'are taken out' if ends else 'go on to the end'}"


@contextmanager
def _shown() -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on stderr, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns: tuple[Any, ...] = (TextColumn("counting people"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
