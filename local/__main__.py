"""`python -m local run` and `python -m local demo`: what `make run` and `make demo` start."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from local import season, season_page
from local.demo import Day, Verdict, judge, opening, play, show, write_out
from local.emulator import CREDENTIALS, DEFAULT_PORT, EmulatorError
from local.idle import IdleRunner, StuckError
from local.inbox import DEFAULT_PORT as INBOX_PORT
from local.inbox import Controls, InboxServer, curl_lines, require_free
from local.season import SEASON
from local.shops import SHOPS, TEA
from local.stack import ROOT, STACK_NAME, StackError
from local.timeline import Timeline, span
from local.world import World, world
from rekindle.cli.demo_month import Span

_OUT = Path("out") / "demo"
#: What a shell says of a program that Ctrl-C ended.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 all well, 1 not what must come of it, 2 it could not start."""
    options = _parser().parse_args(arguments)
    # Off a terminal nobody knows the width: lines and tables keep their own.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    # Also where it is started in the background, with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options, console) if options.command == "run" else _demo(options, console)
    except (EmulatorError, StackError, StuckError) as problem:
        console.print(f"✗ {problem}", style="red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("Stopped.", style="dim")
        return _INTERRUPTED if options.command == "demo" else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="Rekindle on one machine: no AWS, no Docker.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play the demo day, then keep serving until Ctrl-C")
    run.add_argument(
        "--inbox-port",
        type=int,
        default=os.environ.get("INBOX_PORT", INBOX_PORT),
        help="the inbox page's port, 0: any (%(default)s; INBOX_PORT in the environment)",
    )
    run.add_argument("--no-story", action="store_true", help="start with an empty inbox instead of the demo day")
    run.add_argument("--open", action="store_true", help="open the inbox page in a browser")
    run.add_argument(
        "--grace", type=float, default=8.0, metavar="SECONDS", help="idle time is skipped after so long (%(default)s)"
    )
    demo = commands.add_parser(
        "demo",
        help="play the demo day and a season, write every mail and a report to a folder, and judge the result",
    )
    demo.add_argument("--out", type=Path, default=_OUT, help="where mails and report go; emptied first (%(default)s)")
    for command in (run, demo):
        command.add_argument(
            "--port",
            type=int,
            default=os.environ.get("PORT", DEFAULT_PORT),
            help="MiniStack's port, 0: any (%(default)s; PORT in the environment, so: make run PORT=4570)",
        )
    return parser


def _demo(options: argparse.Namespace, console: Console) -> int:
    timeline = Timeline(console)
    with _set_up(options, console, timeline) as (there, day):
        verdict = _play(day, console)
        write_out(day, options.out)
        console.print(f"{len(there.ses.mails)} mails, as .eml and .html, and the timeline: {options.out}/")
    silent = season_of(options.out / "season.html", console)
    return 0 if verdict.good and not silent else 1


def season_of(out: Path, console: Console, span: Span = SEASON) -> Sequence[str]:
    """Play the season through the engine and write its page; return the shipped flows that sent nothing."""
    began = time.monotonic()
    with console.status("… a season of the two shops, through the engine"):
        played = season.play(season.content(ROOT / "templates"), season.PEOPLE, span)
        out.write_text(season_page.render(played), "utf-8")
    found = played.findings
    console.print(
        f"\nA season: {season_page.headline(played)}, {len(played.residents)} customers, {len(found.flows)} flows"
        f" ({time.monotonic() - began:.0f} s)"
    )
    for told in played.reports.values():
        console.print(f"  {told.name}: {season_page.summary(told)}", soft_wrap=True, markup=False)
    if played.silent:
        console.print(f"✗ sent nothing, though they should: {', '.join(played.silent)}", style="bold red", markup=False)
    else:
        console.print("[green]✓ every flow that ships sent something[/]")
    console.print(f"The flows with their counts, the mails, the money, the people: {out}", style="bold", soft_wrap=True)
    return played.silent


def _run(options: argparse.Namespace, console: Console) -> int:
    require_free(options.inbox_port or None)
    timeline = Timeline(console)
    with _set_up(options, console, timeline) as (there, day):
        keeper = Keeper(there, timeline, options.grace)
        controls = Controls(skip=keeper.asked, next_due=keeper.next_due)
        with InboxServer(there, timeline, controls, options.inbox_port or None).running() as inbox:
            console.print(f"Inbox: {inbox.url}", style="bold")
            if options.open:
                webbrowser.open(inbox.url)
            verdict = None if options.no_story else _play(day, console)
            _explain(inbox, console)
            keeper.keep(told=len(day.mails))
    return 0 if verdict is None or verdict.good else 1


def _play(day: Day, console: Console) -> Verdict:
    play(day)
    verdict = judge(day)
    console.print()
    show(verdict, day, console)
    good = "[green]✓ every message came in its minute, and no other[/]"
    console.print(good if verdict.good else "[bold red]✗ not as it should be[/]")
    console.print()
    return verdict


@contextlib.contextmanager
def _set_up(options: argparse.Namespace, console: Console, timeline: Timeline) -> Iterator[tuple[World, Day]]:
    """Start the world on the eve of the story, with a progress line."""
    first_day = opening(datetime.now(UTC))
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        with console.status("…") as status:

            def progress(text: str) -> None:
                status.update(text)
                if not console.is_terminal:
                    console.print(f"… {text}", style="dim")

            there = stack.enter_context(
                world(port=options.port or None, start=first_day + timedelta(hours=8), progress=progress)
            )
        console.print(
            f"[green]✓[/] up in {time.monotonic() - began:.1f} s: the real template.yaml on {there.stack.endpoint}"
        )
        yield there, Day(there, timeline, first_day)


def _explain(inbox: InboxServer, console: Console) -> None:
    """Print where to go from here."""
    console.print("Webhook endpoints", style="bold")
    for shop in SHOPS:
        console.print(f"  {inbox.world.stack.webhook_url(shop)}", soft_wrap=True, markup=False)
    for title, line in curl_lines(inbox):
        console.print(f"\n{title}:", style="bold")
        console.print(line, soft_wrap=True, markup=False)
    console.print("\nEvery command, in another terminal:", style="bold")
    for line in terminal_lines(inbox.world):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"\nInbox: {inbox.url}", style="bold")
    console.print("Idle time is skipped: a checkout's reminder comes within seconds. Ctrl-C stops everything.\n")


def terminal_lines(there: World) -> list[str]:
    """Return what to type so that commands find this stack, and its clock; and one to begin with."""
    settings = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": there.stack.endpoint,
        "REKINDLE_STACK": STACK_NAME,
        "CLOCK_OFFSET_FILE": str(there.clock.file),
    }
    return [
        f"export {shlex.join(f'{name}={value}' for name, value in settings.items())}",
        f"bin/rekindle explain --shop {TEA.id} --email ada@example.com",
    ]


class Keeper:
    """Keeps the world going after the story: tells of mails, and skips idle time after a grace."""

    def __init__(self, there: World, timeline: Timeline, grace: float) -> None:
        self._world = there
        self._timeline = timeline
        self._grace = grace
        self._due: datetime | None = None
        self.asked = threading.Event()
        """set by the page: skip now"""

    def next_due(self) -> datetime | None:
        """Return the next moment at which something is due, as last looked up."""
        return self._due

    def keep(self, told: int) -> None:
        """Run until interrupted. `told` mails have been told of already."""
        idle_since: float | None = None
        while True:
            told = self._tell(told)
            if not self._world.runner.idle():
                idle_since = None
                continue
            idle_since = idle_since or time.monotonic()
            self._due = self._next()
            asked = self.asked.wait(0.5)
            if self._due is None or not (asked or time.monotonic() - idle_since >= self._grace):
                self.asked.clear()
                continue
            self._skip(self._world.runner)
            self.asked.clear()
            idle_since = None

    def _next(self) -> datetime | None:
        return min((alarm.at for alarm in self._world.runner.alarms()), default=None)

    def _skip(self, runner: IdleRunner) -> None:
        try:
            skip = runner.skip_to_next()
        except StuckError as problem:
            self._timeline.add(self._world.clock.now(), "note", str(problem), ok=False)
            return
        if skip is not None:
            length = span(timedelta(seconds=skip.seconds))
            self._timeline.add(skip.to, "idle", f"{length} in which nothing was due, skipped")

    def _tell(self, told: int) -> int:
        mails = self._world.ses.mails
        for mail in mails[told:]:
            template = self._world.template_of(mail)
            self._timeline.add(mail.at, "mail", f"{template} to {mail.address}: “{mail.subject}”")
        return len(mails)


if __name__ == "__main__":
    sys.exit(main())
