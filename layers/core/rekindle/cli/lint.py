"""`rekindle lint`: what publishing would say of a folder of content, without publishing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rekindle.cli.drafts import folder_files
from rekindle.cli.events import as_json
from rekindle.content.validate import Verdict, validate
from rekindle.domain.errors import ContentError
from rekindle.service.sets import Counts

WRONG = 1


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option(
    "--content",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The same, as other commands have it.",
)
@click.option("--json", "machine", is_flag=True, help="Print JSON: problems and warnings with file, line and hint.")
def lint(*, folder: Path | None, content: Path | None, machine: bool) -> int:
    """Check FOLDER (templates/ unless named) as `publish` does: flows, segments, mails, shops and all else, as one.

    Each problem is one line with its file, its line and the cure; warnings follow. It reads files only: no account, no
    network. In a pipeline, put it before the upload.

    The exit status is 0 when the set could be published, 1 when something is wrong, 2 when there is nothing to check.
    """
    if folder is not None and content is not None:
        raise click.UsageError("FOLDER and --content say the same: give one of them")
    folder = folder or content or Path("templates")
    if not folder.is_dir():
        raise click.UsageError(f"there is no folder {folder} here: name the one that marketers edit")
    files = folder_files(folder)
    if not files:
        raise click.ClickException(f"{folder} holds no files")
    verdict = validate(files)
    if machine:
        told = {"problems": [_plain(one) for one in verdict.problems]}
        click.echo(as_json(told | {"warnings": [_plain(one) for one in verdict.warnings]}))
    else:
        print_verdict(verdict)
    return WRONG if verdict.problems else 0


def print_verdict(verdict: Verdict) -> None:
    """Print each problem and warning as a line, then what it comes to."""
    for problem in verdict.problems:
        click.echo(str(problem))
    for warning in verdict.warnings:
        click.echo(f"warning: {warning}")
    if verdict.published is None:
        count = len(verdict.problems)
        click.echo(f"{count} {'thing is' if count == 1 else 'things are'} wrong; nothing would be published.", err=True)
        return
    counts = Counts.of(verdict.published.playbook, verdict.published.mails)
    click.echo(f"All good: {counts.text()}.")


def _plain(error: ContentError) -> dict[str, Any]:
    return {"file": error.file, "line": error.line, "message": error.message, "hint": error.hint}
