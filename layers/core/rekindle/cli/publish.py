"""`rekindle publish`: upload a folder of content, and say what became of it; or go back to what was live before."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from mimetypes import guess_type
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import click
import msgspec
from msgspec import Struct

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.queues import SqsFanoutQueue, SqsPublishQueue
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.cli.drafts import folder_files, is_leftover
from rekindle.cli.events import as_json
from rekindle.cli.lint import print_verdict
from rekindle.cli.main import FAILED
from rekindle.cli.options import STACK
from rekindle.content.validate import Verdict, validate
from rekindle.domain.words import counted
from rekindle.ports import Look
from rekindle.service.fanout import SHARDS, last_pass
from rekindle.service.library import Library
from rekindle.service.passes import Passes
from rekindle.service.publish import CONTENT, Report, fingerprint, latest_report, take_back
from rekindle.service.sets import Line, history, pointer

_EVERY_SECONDS = 1.0
#: Two minutes of publish itself, and as much until an upload has been quiet and the queue has come to it.
_PATIENCE_SECONDS = 240.0
_AT_ONCE = 8
_TYPES = {".yaml": "application/yaml", ".mjml": "text/plain", ".json": "application/json"}


class Plan(Struct, frozen=True):
    """What has to happen in the bucket: files to put, paths to delete, and paths that are there only and stay."""

    put: dict[str, bytes]
    drop: tuple[str, ...]
    stay: tuple[str, ...]


@click.command()
@STACK
@click.option(
    "--content",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="The folder to upload (templates/ unless named).",
)
@click.option("--delete", is_flag=True, help="Also delete from the bucket what the folder does not have.")
@click.option("--yes", "sure", is_flag=True, help="Ask nothing.")
@click.option(
    "--rollback",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[HASH]",
    help="Go back to the set that was live before this one, or to the one whose hash begins so.",
)
@click.option("--history", "listed", is_flag=True, help="List what was live when, the newest last.")
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
def publish(
    *,
    stack: str,
    content: Path | None,
    delete: bool,
    sure: bool,
    rollback: str | None,
    listed: bool,
    machine: bool,
) -> int:
    """Upload a folder of content to a stack, wait until it has been judged, and say what became of it.

    It checks here first what the bucket would hold, and uploads only what differs. Twenty seconds after the last file
    the whole set goes live, or stays out and you see why. Exit status 0: it is live; 2: it is not.

    --rollback makes an earlier set live again within half a minute: its flows, segments and mails. The files in the
    bucket stay as they are, so put them right before anything is uploaded again: with the next change there, all of
    them are published. People who are inside a flow go on with the flow as it was when they entered.
    """
    if sum((rollback is not None, listed, content is not None or delete)) > 1:
        raise click.UsageError("choose one: upload a folder, --rollback or --history")
    with explained():
        there = _There(Clients(), stack)
        if listed:
            return _list(there, machine=machine)
        if rollback is not None:
            return _go_back(there, rollback, machine=machine)
        return _upload(there, content or Path("templates"), delete=delete, sure=sure, machine=machine)


class _There:
    """A deployed stack, as far as this command uses it."""

    def __init__(self, clients: Clients, name: str) -> None:
        self.clients = clients
        self.name = name
        self.stack: Stack = read_stack(clients, name)
        self.blobs = S3Blobs(clients, self.stack.output("ContentBucketName"))
        self.clock = clock_for(os.environ.get("CLOCK_OFFSET_FILE"))

    def start_pass(self) -> bool:
        """Start the pass that the live set asks for, if it does; the stack itself would within a minute."""
        last, _ = last_pass(self.blobs)
        passes = Passes(
            blobs=self.blobs,
            library=Library(self.blobs, self.clock),
            queue=SqsFanoutQueue(self.clients, queue_url=self.stack.output("FanoutQueueUrl")),
            clock=self.clock,
            shards=last.shards if last is not None else SHARDS,
        )
        return passes.start_if_due() is not None

    def ask(self) -> None:
        """Have the content judged, whether it was judged before or not."""
        queue = SqsPublishQueue(self.clients, queue_url=self.stack.output("PublishQueueUrl"))
        queue.look(Look(look_at=self.clock.now(), asked_by=self.me()))

    def me(self) -> str:
        """Return who runs this, as AWS knows them; empty where it does not say."""
        sts: Any = self.clients.session.create_client("sts", endpoint_url=self.clients.endpoint_url)
        return str(sts.get_caller_identity().get("Arn", "")).rpartition("/")[2]


# --- uploading -------------------------------------------------------------------------------------------------------


def planned(local: Mapping[str, bytes], remote: Mapping[str, str], *, delete: bool) -> Plan:
    """Return what has to happen so that the bucket (path → tag) holds what the folder holds.

    A file whose tag is not the MD5 of what it should be is uploaded: that is also one whose tag says nothing about it.
    """
    put = {path: raw for path, raw in local.items() if remote.get(path, "").strip('"') != _md5(raw)}
    only = tuple(sorted(path for path in remote if path not in local and not _is_nobodys(path)))
    return Plan(put, only if delete else (), () if delete else only)


def _is_nobodys(path: str) -> bool:
    return path.endswith("/") or is_leftover(path)


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _upload(there: _There, folder: Path, *, delete: bool, sure: bool, machine: bool) -> int:
    if not folder.is_dir():
        raise click.ClickException(f"there is no folder {folder}: name one with --content")
    local = folder_files(folder)
    if not local:
        raise click.ClickException(f"{folder} holds no files")
    plan = planned(local, _remote(there), delete=delete)
    verdict = validate({**_kept(there, plan.stay), **local})
    if verdict.published is None:
        return _refused_here(verdict, plan, machine=machine)
    if plan.drop and not sure:
        for path in plan.drop:
            click.echo(f"delete {path}", err=True)
        click.confirm(f"Delete {counted(len(plan.drop), 'file')} from the bucket?", abort=True, err=True)
    before = latest_report(there.blobs)
    changed = len(plan.put) + len(plan.drop)
    if changed:
        _carry_out(there, plan)
    elif before is not None and _holds(there, before):
        return _tell(before, machine=machine)
    elif before is not None and before.outcome == "rolled_back" and not sure:
        click.echo(before.headline(), err=True)
        click.confirm("Publish what is in content/ again?", abort=True, err=True)
    # What is there was judged before, and the verdict is not the last word: nobody would look at it by themselves.
    asked = before is not None and before.content == _fingerprint(there) and not _holds(there, before)
    if asked or not changed:
        there.ask()
    waiting = "waiting until it has been judged …"
    click.echo(f"{counted(changed, 'file')} uploaded; {waiting}" if changed else "waiting …", err=True)
    return _tell(_await(there, other_than=before if asked else None), machine=machine)


def _remote(there: _There) -> dict[str, str]:
    return {key.removeprefix(CONTENT): tag for key, tag in there.blobs.list(CONTENT).items()}


def _kept(there: _There, paths: Sequence[str]) -> dict[str, bytes]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = zip(paths, pool.map(lambda path: there.blobs.get(CONTENT + path), paths), strict=True)
        return {path: raw for path, raw in found if raw is not None}


def _refused_here(verdict: Verdict, plan: Plan, *, machine: bool) -> int:
    if machine:
        click.echo(as_json({"outcome": "not_uploaded", "problems": [_plain(one) for one in verdict.problems]}))
        return FAILED
    print_verdict(verdict)
    elsewhere = sorted({one.file for one in verdict.problems if one.file in plan.stay} - {None}, key=str)
    if elsewhere:
        told = ", ".join(str(path) for path in elsewhere)
        click.echo(f"Only in the bucket, not in the folder: {told}. --delete removes such files.", err=True)
    click.echo("Nothing was uploaded.", err=True)
    return FAILED


def _plain(error: Any) -> dict[str, Any]:
    return {"file": error.file, "line": error.line, "message": error.message, "hint": error.hint}


def _carry_out(there: _There, plan: Plan) -> None:
    """Put and delete, what is new first: a set that is half there is refused, never published."""

    def put(file: tuple[str, bytes]) -> None:
        path, raw = file
        kind = _TYPES.get(Path(path).suffix) or guess_type(path)[0] or "application/octet-stream"
        there.blobs.put(CONTENT + path, raw, kind)

    with _bar(len(plan.put) + len(plan.drop)) as advance, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(put, plan.put.items()):
            advance()
        for path in plan.drop:
            there.blobs.delete(CONTENT + path)
            advance()


def _fingerprint(there: _There) -> str:
    return fingerprint(there.blobs.list(CONTENT))


def _holds(there: _There, report: Report) -> bool:
    """Whether the report is of the very files that are in the bucket, and they are what is live."""
    live, _ = pointer(there.blobs)
    well = report.outcome in ("published", "unchanged") and live is not None and report.hash == live.hash
    return well and report.content == _fingerprint(there)


def _await(there: _There, *, other_than: Report | None) -> Report:
    """Return the report on what is in the bucket now, as soon as there is one."""
    deadline = monotonic() + _PATIENCE_SECONDS
    while monotonic() < deadline:
        report = latest_report(there.blobs)
        if report is not None and report != other_than and report.content == _fingerprint(there):
            return report
        sleep(_EVERY_SECONDS)
    bucket = there.stack.output("ContentBucketName")
    raise click.ClickException(f"no verdict yet: look at reports/latest.txt in {bucket} later, or at publish's log")


def _tell(report: Report, *, machine: bool) -> int:
    if machine:
        click.echo(as_json(report))
    else:
        for line in report.lines():
            click.echo(line)
        click.echo(report.headline(), err=report.outcome == "refused")
    return FAILED if report.outcome == "refused" else 0


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """Show a progress bar on stderr, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("uploading", total=total)
        yield lambda: bars.advance(task)


# --- going back ------------------------------------------------------------------------------------------------------


def _go_back(there: _There, to: str, *, machine: bool) -> int:
    done = take_back(there.blobs, there.clock, to=to, by=there.me())
    started = there.start_pass()
    if machine:
        click.echo(as_json({"before": done.before, "live": done.line, "differing": done.differing, "pass": started}))
        return 0
    click.echo(f"{done.line.hash[:8]} is live again instead of {done.before[:8]}: {done.line.counts.text()}.")
    click.echo("New runs and all mails take it within half a minute; runs under way go on with the flow they began.")
    if started:
        click.echo("Segments or dates differ, so everybody is looked at anew: rekindle rollout shows how far that is.")
    click.echo("The files in content/ are as they were. With the next change there, all of them are published.")
    if done.differing:
        click.echo("Put these right first, for they are not as in the set that is live now:")
        for path in done.differing:
            click.echo(f"    {path}")
    return 0


def _list(there: _There, *, machine: bool) -> int:
    lines = history(there.blobs)
    if machine:
        click.echo(as_json([msgspec.to_builtins(line) for line in lines]))
        return 0
    if not lines:
        click.echo("Nothing has been published yet.")
    for number, line in enumerate(lines, start=1):
        click.echo(_history_line(line, live=number == len(lines)))
    return 0


def _history_line(line: Line, *, live: bool) -> str:
    when: datetime = line.at
    how = "rolled back" if line.how == "rollback" else "published"
    by = f" by {line.by}" if line.by else ""
    return f"{line.hash[:8]}  {when:%Y-%m-%d %H:%M} UTC  {line.counts.text()}  {how}{by}{'  (live)' if live else ''}"
