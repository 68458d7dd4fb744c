"""`rekindle simulate`: what flows would have done with events that have happened."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import Struct

from rekindle.cli import buckets, demo_year
from rekindle.cli.buckets import Progress, Wanted
from rekindle.cli.drafts import only, playbook_of, playbook_with, with_shops
from rekindle.cli.events import as_json
from rekindle.cli.options import Moment
from rekindle.cli.report import words
from rekindle.flow.program import Flow, Playbook, Shop
from rekindle.service.simulation.findings import Change, FlowFindings, Result, changes, findings
from rekindle.service.simulation.replay import RUN_OUT, Scenario
from rekindle.shops import contact

if TYPE_CHECKING:
    from rekindle.cli.deployed import Deployed

PUBLISHED = "published"
_DRAFT, _AGAINST = "draft", "against"
_WHYS = 3


class _Asked(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    flow: tuple[Path, ...]
    every: bool
    content: Path
    events: Path | None
    demo: bool
    stack: str | None
    shop: str | None
    since: datetime | None
    until: datetime | None
    against: str | None
    people: tuple[str, ...]
    jobs: int


class _Played(Struct, frozen=True, kw_only=True):
    """What came of it."""

    result: Result
    flows: dict[str, Flow]
    missing: tuple[str, ...]
    asked_for: tuple[str, ...]
    events: int
    seconds: float
    memory: int


@click.command()
@click.option(
    "--flow",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A flow's file; it counts as switched on. May be given several times.",
)
@click.option("--all", "every", is_flag=True, help="Every flow of --content, on or off as its files say.")
@click.option(
    "--content",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("templates"),
    show_default=True,
    help="The folder with shops, segments and mails.",
)
@click.option(
    "--events",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of events, one a line (`rekindle export` writes it).",
)
@click.option("--demo", is_flag=True, help="An invented year of an invented shop, with every flow on.")
@click.option("--stack", help="The name of a deployed stack, such as rekindle-prod: replay what its shop has stored.")
@click.option("--shop", help="Only this shop's events. Needed with --stack.")
@click.option(
    "--since", type=Moment(), help="What came before only makes people who they are. The first event unless given."
)
@click.option("--until", type=Moment(), help="Only what was received before this moment, where the clock stops too.")
@click.option(
    "--against", metavar="published|DIR", help="Compare with what --stack has published, or with another folder."
)
@click.option(
    "--people",
    multiple=True,
    metavar="WHO",
    help="Tell the whole story of this address or profile id. May be given several times.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the report, one page, to this file.",
)
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=lambda: os.cpu_count() or 1,
    show_default="one for each core",
    help="How many processes replay. The result is the same.",
)
def simulate(
    *,
    flow: tuple[Path, ...],
    every: bool,
    content: Path,
    events: Path | None,
    demo: bool,
    stack: str | None,
    shop: str | None,
    since: datetime | None,
    until: datetime | None,
    against: str | None,
    people: tuple[str, ...],
    html: Path | None,
    machine: bool,
    jobs: int,
) -> None:
    """Replay real events through flows, and say who would have got what, when, and why not.

    It is the engine of production under a virtual clock: every event when it was received, every alarm when it is due.
    Nothing is sent, and nothing is changed. docs/simulate.md says what is exact and what is assumed.

    The exit status is 0, or 2 with one line when it cannot be done.
    """
    asked = _Asked(
        flow=flow,
        every=every,
        content=content,
        events=events,
        demo=demo,
        stack=stack,
        shop=shop,
        since=since,
        until=until,
        against=against,
        people=tuple(contact.email(who)[0] or who for who in people),
        jobs=jobs,
    )
    _check(asked)
    with tempfile.TemporaryDirectory(prefix="rekindle-") as folder, _progress(silent=machine) as progress:
        played = _play(asked, Path(folder), progress)
    if html is not None:
        from rekindle.cli.report import render

        html.write_text(render(played.result, played.flows, missing=played.missing), "utf-8")
    if machine:
        click.echo(as_json(played.result).encode())
        return
    _say(played)
    if html is not None:
        click.echo(f"The report is in {html}.")


def _check(asked: _Asked) -> None:
    if bool(asked.flow) == asked.every:
        raise click.ClickException("say which flows: either --flow FILE, or --all")
    if sum((asked.events is not None, asked.demo, asked.stack is not None)) != 1:
        raise click.ClickException("say which events: one of --events FILE, --stack STACK with --shop, and --demo")
    if asked.stack is not None and (asked.shop is None or asked.since is None):
        raise click.ClickException("--stack needs --shop and --since")
    if asked.against == PUBLISHED and asked.stack is None:
        raise click.ClickException("--against published needs --stack; without one, name a folder")
    if asked.against not in (None, PUBLISHED) and not Path(asked.against or "").is_dir():
        raise click.ClickException(f"--against {asked.against}: there is no such folder")
    if asked.every and not asked.content.is_dir():
        raise click.ClickException(f"--content {asked.content}: there is no such folder")
    if asked.since and asked.until and asked.until <= asked.since:
        raise click.ClickException("--until must be later than --since")


def _play(asked: _Asked, folder: Path, progress: Progress) -> _Played:
    deployed = _deployed(asked.stack)
    published = None if deployed is None else deployed.playbook()
    draft, missing = _draft(asked)
    base = _base(asked, draft, published)
    since = asked.since
    shops: dict[str, Shop] = dict(published.shops) if published is not None else {}
    if asked.demo:
        path = folder / "demo.jsonl"
        demo_year.write(path)
        since = since or demo_year.SINCE
        shops = {demo_year.SHOP.id: msgspec.structs.replace(demo_year.SHOP, flows={})}
        draft, base = demo_year.opened(draft), base and demo_year.opened(base)
    elif deployed is not None:
        path = folder / "stored.jsonl"
        deployed.write_events(path, asked.shop or "", asked.until, progress)
    else:
        path = asked.events or Path()
    draft = with_shops(draft, shops, drafts=not asked.every)
    base = with_shops(base, shops, drafts=not asked.every) if base is not None else None
    started = time.perf_counter()
    index = buckets.read(path, Wanted(shop=asked.shop, until=asked.until), folder, progress)
    _check_shops(index.names, draft, asked)
    if since is not None and since > index.last:
        raise click.ClickException(
            f"--since {since:%Y-%m-%d %H:%M} UTC is after the last event ({index.last:%Y-%m-%d %H:%M} UTC)"
        )
    scenarios = _scenarios(asked, draft, base, max(since or index.first, index.first), index.last)
    names, nobody, events = tuple(index.names), index.nobody, index.events
    replayed = buckets.play(index, scenarios, folder, asked.jobs, progress)
    found = {name: findings(replayed.tallies[name], scenario, names, nobody) for name, scenario in scenarios.items()}
    before = found.get(_AGAINST)
    return _Played(
        result=Result(
            findings=found[_DRAFT],
            against=before,
            against_name=asked.against or "",
            changes=changes(before, found[_DRAFT]) if before is not None else (),
        ),
        flows=dict(draft.flows),
        missing=missing,
        asked_for=asked.people,
        events=events,
        seconds=time.perf_counter() - started,
        memory=replayed.memory,
    )


def _draft(asked: _Asked) -> tuple[Playbook, tuple[str, ...]]:
    if asked.every:
        return playbook_of(asked.content), ()
    return playbook_with(asked.content, asked.flow)


def _base(asked: _Asked, draft: Playbook, published: Playbook | None) -> Playbook | None:
    if asked.against is None:
        return None
    base = playbook_of(Path(asked.against)) if asked.against != PUBLISHED else published
    if base is None or not base.hash:
        raise click.ClickException(f"--against {PUBLISHED}: nothing has been published yet")
    return base if asked.every else only(base, draft.flows)


def _check_shops(names: list[str], draft: Playbook, asked: _Asked) -> None:
    unknown = [name for name in names if name not in draft.shops]
    if unknown:
        raise click.ClickException(
            f"the events are of the shop {unknown[0]}, and there is no {asked.content}/shops/{unknown[0]}.yaml"
            " to say its zone, its currency and what is switched on"
        )
    if not any(draft.enabled(flow, name) for flow in draft.flows.values() for name in names):
        raise click.ClickException(
            f"no flow is switched on for {', '.join(names)}: switch one on in shops/{names[0]}.yaml, or name one with"
            " --flow"
        )


def _scenarios(
    asked: _Asked, draft: Playbook, base: Playbook | None, since: datetime, last: datetime
) -> dict[str, Scenario]:
    until = asked.until or last + RUN_OUT
    found = {
        _DRAFT: Scenario(
            playbook=draft,
            since=since,
            last=last,
            until=until,
            settled=None if base is None else base.segments,
            people=asked.people,
        )
    }
    if base is not None:
        found[_AGAINST] = Scenario(playbook=base, since=since, last=last, until=until)
    return found


def _deployed(stack: str | None) -> Deployed | None:
    if stack is None:
        return None
    from rekindle.cli.deployed import Deployed

    return Deployed(stack)


# --- on the terminal -------------------------------------------------------------------------------------------------


@contextmanager
def _progress(*, silent: bool) -> Iterator[Progress]:
    """Show on a terminal how far it is."""
    if silent or not sys.stderr.isatty():
        yield lambda _stage, _done, _whole: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<10}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def told(stage: str, done: int, whole: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage.capitalize(), total=None)
            bars.update(tasks[stage], completed=done, total=whole or None)  # type: ignore[arg-type]

        yield told


def _say(played: _Played) -> None:
    found = played.result.findings
    shops = ", ".join(found.shops.values())
    click.echo(
        f"{shops}: {found.events:,} events of {found.people:,} people, {found.since:%Y-%m-%d %H:%M} to"
        f" {found.last:%Y-%m-%d %H:%M} UTC; the clock ran on to {found.until:%Y-%m-%d %H:%M}."
    )
    for one in found.flows:
        _say_flow(one)
    click.echo("")
    click.echo(
        f"In all {found.sent:,} messages to {found.reached:,} people, {found.converted:,} goals,"
        f" {words.money(found.cost)} for sending (SES), about {words.money(found.beside)} beside it (rekindle cost)."
    )
    for change in played.result.changes:
        _say_change(change, played.result.against_name)
    for person, lines in found.stories.items():
        click.echo(f"\n{person}")
        for line in lines:
            click.echo(f"  {line}")
    for person in played.asked_for:
        if person not in found.stories:
            click.echo(f"{person} does not appear in these events.")
    if played.missing:
        click.echo(f"Not written yet: {', '.join(played.missing)}.")
    rate = played.events / played.seconds if played.seconds else 0
    click.echo(
        f"Replayed {played.events:,} events in {played.seconds:.1f} s ({rate:,.0f} a second,"
        f" {played.memory / 1e6:,.0f} MB).",
        err=True,
    )


def _say_flow(one: FlowFindings) -> None:
    click.echo("")
    click.echo(
        f"{one.name}: {one.entered:,} entries of {one.people:,} people, {one.sent:,} messages to {one.reached:,},"
        f" {one.goal.converted:,} goals ({words.share(one.goal.converted, one.entered)})"
    )
    for title, whys in (("not entered", one.refused), ("held", one.held), ("not sent", one.skipped)):
        for why in whys[:_WHYS]:
            step = f"{why.step}: " if why.step else ""
            click.echo(f"  {title:<12} {why.times:>9,}  {step}{' '.join(why.rule.split())}")
    for message in one.messages:
        click.echo(f"  {'sent':<12} {message.count:>9,}  {message.step} ({words.CHANNELS[message.channel]})")


def _say_change(change: Change, name: str) -> None:
    before, after = change.before, change.after
    if before is None or after is None:
        click.echo(f"{change.name}: {'new' if before is None else 'gone'}")
    else:
        pairs = (
            ("entries", before.entered, after.entered),
            ("messages", before.sent, after.sent),
            ("goals", before.goal.converted, after.goal.converted),
        )
        told = ", ".join(f"{name} {was:,} → {now:,} ({now - was:+,})" for name, was, now in pairs)
        click.echo(f"{change.name}, {name} → draft: {told}")
    if change.inside:
        click.echo(f"{change.name}: {change.inside:,} are inside that version ({name}) and stay on it")
