"""`rekindle import`: take over what a shop, or its former mailing service, knows already."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.bulk import DynamoBulkIntake
from rekindle.aws.clients import Clients
from rekindle.aws.clock import clock_for
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK, Moment
from rekindle.domain.errors import RekindleError, ShopRefusedError, UnknownShopError
from rekindle.ports import RESOURCES, Resource, ShopSecrets, Source, Unusable
from rekindle.service.imports import Importer, Job, Progress, Step
from rekindle.service.lists import FIELDS, ListError, ListFile, Reading, State

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

#: So many of what cannot be used are shown where nobody asked for a file of them.
_SHOWN = 20


@click.group("import")
def imports() -> None:
    """Take over customers, orders, products and consent from before Rekindle.

    Everything is read by the same rules as webhooks, and becomes part of profiles, segments and what conditions know.
    Nobody enters a flow by it, and nobody gets a mail, unless --trigger allows it. An import that was stopped goes on
    where it was when the same command is run again, and what is known already is not written twice. docs/importing.md
    says what comes over and how long it takes.
    """


def _shared(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            STACK,
            click.option("--shop", required=True, help="The shop's id."),
            click.option("--dry-run", is_flag=True, help="Read and count, say what cannot be used; write nothing."),
            click.option(
                "--resume/--anew",
                default=True,
                show_default=True,
                help="Go on where the same import was stopped, or begin anew.",
            ),
            click.option(
                "--trigger",
                is_flag=True,
                help="Let it start flows, as far as each one's max_age allows. Think before: people get mails by it.",
            ),
            click.option(
                "--rejects",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Write what cannot be used to this CSV file: where it stands, and why.",
            ),
            click.option("--json", "machine", is_flag=True, help="Print the outcome as JSON."),
        )
    ):
        command = option(command)
    return command


def _of_a_shop(gather: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command the options of a shop's import; it gathers so many things, unless told otherwise."""
    options = (
        click.option(
            "--what",
            default=",".join(RESOURCES),
            show_default=True,
            callback=lambda _context, _option, value: _resources(value),
            help="Which things, in which order.",
        ),
        click.option("--since", type=Moment(), help="Only what was changed at this moment (UTC) or later."),
        click.option(
            "--gather",
            type=click.IntRange(min=1),
            default=gather,
            show_default=True,
            help="Read so many things before they are taken over, to apply what is about one person together. So many"
            " are read again where it is stopped in between.",
        ),
    )

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return _shared(command)

    return decorated


def _resources(value: str) -> tuple[Resource, ...]:
    named = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    unknown = [name for name in named if name not in RESOURCES]
    if unknown or not named:
        wrong = f"{unknown[0]} is none of them" if unknown else "it names nothing"
        raise click.BadParameter(f"{wrong}: say some of {','.join(RESOURCES)}")
    return cast("tuple[Resource, ...]", named)


@imports.command(short_help="Import from a WooCommerce shop.")
@_of_a_shop(gather=10_000)
def woocommerce(*, what: tuple[Resource, ...], since: datetime | None, **how: Any) -> None:
    """Import from a WooCommerce shop, by its REST API.

    The shop's secret needs a REST API key that may read (api_key, api_secret). A shop that answers slowly is asked for
    smaller pages, and left alone for as long as it asks to be.
    """
    from rekindle.outside.woocommerce_lists import source

    def made(known: ShopSecrets) -> Source:
        if known.platform != "woocommerce":
            raise RekindleError(f"{known.shop} is no WooCommerce shop: rekindle import {known.platform}")
        if not known.api_key or not known.api_secret:
            raise ShopRefusedError("no_access", "store a REST API key and its secret in the shop's secret")
        url = known.api_url or f"https://{known.domain}"
        return source(url=url, key=known.api_key, secret=known.api_secret, what=what, since=since)

    _import(made, _named("woocommerce", what, since), "woocommerce " + ", ".join(what), **how)


@imports.command(short_help="Import from a Shopify shop.")
@_of_a_shop(gather=50_000)
def shopify(*, what: tuple[Resource, ...], since: datetime | None, **how: Any) -> None:
    """Import from a Shopify shop, by bulk operations of its Admin API.

    The shop's secret needs access to an app with the scopes read_customers, read_products and read_orders, and
    read_all_orders for what is older than 60 days. Shopify works for a while before the first thing comes.
    """
    from rekindle.outside.http import Http
    from rekindle.outside.shopify import shopify_of
    from rekindle.outside.shopify_bulk import ShopifyBulk

    def made(known: ShopSecrets) -> Source:
        if known.platform != "shopify":
            raise RekindleError(f"{known.shop} is no Shopify shop: rekindle import {known.platform}")
        if not known.access_token and not known.client_id:
            raise ShopRefusedError("no_access", "store an Admin API access token in the shop's secret")
        http = Http(budget=_BUDGET, read=_READ)
        return ShopifyBulk(shopify_of(http, known), http, resources=what, since=since)

    _import(made, _named("shopify", what, since), "shopify " + ", ".join(what), **how)


#: Seconds for one request of an import, with all its tries; and for one answer.
_BUDGET, _READ = 300.0, 60.0


def _named(platform: str, what: Sequence[Resource], since: datetime | None) -> str:
    return f"{platform} {','.join(what)} {since.isoformat() if since is not None else ''}"


_FIELDS = "\n".join(
    ("\b", "Fields:", *(f"  {name:<18}{what}" for name, what in FIELDS.items()), "  trait:NAME        anything else")
)


@imports.command("csv", epilog=_FIELDS, short_help="Import a list of people, such as Klaviyo's or Mailchimp's.")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--map", "mapped", metavar="COLUMN=FIELD", multiple=True, help="What a column is. Can be given often.")
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of such pairs, one a line.",
)
@click.option(
    "--consent",
    type=click.Choice(["subscribed", "unsubscribed", "cleaned"]),
    help="What everybody in the list said about e-mail. For subscribed you must be able to show that they did.",
)
@click.option("--consented-at", type=Moment(), help="When, for rows that do not say so.")
@click.option("--consent-source", help="By which way they agreed, for the record.  [default: the file's name]")
@click.option("--as-of", type=Moment(), help="When the list was written.  [default: when the file was]")
@click.option("--encoding", help="Such as cp1252.  [default: UTF-8 if it is, else cp1252]")
@click.option("--delimiter", help="What divides the fields.  [default: found out]")
@_shared
def from_csv(
    *,
    path: Path,
    mapped: Sequence[str],
    mapping: Path | None,
    consent: State | None,
    consented_at: datetime | None,
    consent_source: str | None,
    as_of: datetime | None,
    encoding: str | None,
    delimiter: str | None,
    **how: Any,
) -> None:
    """Import a list of people: Klaviyo's and Mailchimp's exports, or any other CSV file.

    Klaviyo's and Mailchimp's columns are known; others are named by --map, as in --map "E-post=email" --map
    "Favourite=trait:favourite". Run it with --dry-run first: it says which columns are taken.

    Nobody may be written to whom no column, and no --consent, says to have agreed, and when. Refusals (an unsubscribed
    or cleaned list of Mailchimp's, suppressions of Klaviyo's) are always taken, and nothing in a list ever lifts one.
    """
    columns = _mapping(mapping, mapped)
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    reading = Reading(
        as_of=as_of or written,
        columns=columns,
        consent=consent,
        consent_at=consented_at,
        consent_source=consent_source or path.name,
        encoding=encoding or "",
        delimiter=(delimiter or "").replace("\\t", "\t"),
    )
    with path.open("rb") as file:
        listed = ListFile(file, reading)
        said = [*sorted(columns.items()), consent or "", consented_at or "", reading.consent_source, as_of or ""]
        machine = how["machine"]
        if not machine:
            _about(listed)
        about = {"columns": dict(zip(listed.header, listed.fields, strict=True)), "encoding": listed.encoding}
        how["rejects"] = how["rejects"] or (None if how["dry_run"] else path.with_name(f"{path.name}.rejects.csv"))
        _import(lambda _: listed, f"csv {listed.digest} {said}", f"csv {path.name}", about=about, **how)


def _mapping(file: Path | None, mapped: Sequence[str]) -> dict[str, str]:
    try:
        pairs = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()] if file else []
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(f"{file} cannot be read as UTF-8") from error
    columns = {}
    for pair in (*(line for line in pairs if not line.lstrip().startswith("#")), *mapped):
        name, divided, field = pair.rpartition("=")
        if not divided or not name.strip() or not field.strip():
            raise ListError(f"{pair.strip()} is no COLUMN=FIELD")
        columns[name.strip()] = field.strip()
    return columns


def _about(listed: ListFile) -> None:
    taken = [f"{name} → {field}" for name, field in zip(listed.header, listed.fields, strict=True) if field]
    click.echo(f"takes {', '.join(taken)}", err=True)
    if listed.unused:
        click.echo(f"leaves {', '.join(listed.unused)}", err=True)
    if not listed.states_consent:
        cure = "if they did, say --consent subscribed, and --consented-at where no column says when"
        click.echo(f"nobody agrees to anything by this list: {cure}", err=True)


# --- what all have in common


def _import(
    made: Callable[[ShopSecrets], Source],
    key: str,
    label: str,
    *,
    stack: str,
    shop: str,
    dry_run: bool,
    resume: bool,
    trigger: bool,
    rejects: Path | None,
    machine: bool,
    gather: int = 1,
    about: Mapping[str, Any] | None = None,
) -> None:
    job = Job(shop=shop, key=key, label=label, imported="telling" if trigger else "silent")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        secrets = CachedSecrets(clients, deployed.output("SecretsPrefix"))
        known = secrets.shop(shop)
        if known is None:
            raise UnknownShopError(f"no shop {shop} is connected")
        intake = DynamoBulkIntake(clients, deployed.tables, raw_bucket=deployed.output("RawBucketName"))
        importer = Importer(
            intake=intake,
            blobs=S3Blobs(clients, deployed.output("ContentBucketName")),
            secrets=secrets,
            clock=clock_for(os.environ.get("CLOCK_OFFSET_FILE")),
            sleep=time.sleep,
            gather=gather,
        )
        source = made(known)
        before = importer.progress(job) if resume and not dry_run else None
        going_on = before is not None and not before.done
        if before is not None and going_on and not machine:
            click.echo(f"goes on after {before.records} of {before.begun_at:%Y-%m-%d %H:%M} UTC", err=True)
        started, last = time.monotonic(), None
        with _rejected(rejects, keep=going_on) as reject, _shown(label) as show:
            try:
                for step in importer.run(source, job, resume=resume, dry_run=dry_run):
                    reject(step.unusable)
                    show(step)
                    last = step.progress
            except RekindleError as error:
                done = last.records if last is not None else 0
                raise RekindleError(f"{error} ({done} read; run it again, and it goes on there)") from error
        seconds = time.monotonic() - started
        if last is None:
            return
        done_before = before.records if before is not None and going_on else 0
        told = _outcome(last, last.records - done_before, seconds, dry_run=dry_run)
        if machine:
            waiting = 0 if dry_run else intake.waiting(100_000)
            unusable = [{"where": each.where, "why": each.why} for each in reject.kept]
            click.echo(as_json({**told, "waiting": waiting, "rejects": unusable, **(about or {})}))
        else:
            _print(told, reject.kept, reject.count, rejects if reject.count else None)


def _outcome(last: Progress, now: int, seconds: float, *, dry_run: bool) -> dict[str, Any]:
    return {
        "label": last.label,
        "dry_run": dry_run,
        "read": dict(last.read),
        "records": last.records,
        "accepted": last.accepted,
        "known_already": last.repeated,
        "unusable": last.unusable,
        "seconds": round(seconds, 1),
        "per_second": round(now / seconds, 1) if seconds else None,
    }


def _print(told: Mapping[str, Any], shown: Sequence[Unusable], count: int, rejects: Path | None) -> None:
    if rejects is None:
        for each in shown[:_SHOWN]:
            click.echo(f"{each.where}: {each.why}")
        if count > _SHOWN:
            click.echo(f"and {count - _SHOWN} more: --rejects FILE has all")
    else:
        click.echo(f"what could not be used, or not whole, stands in {rejects}")
    kinds = ", ".join(f"{number} {topic}" for topic, number in told["read"].items())
    click.echo(f"{told['records']} read{f' ({kinds})' if kinds else ''} in {told['seconds']:g} s")
    if told["dry_run"]:
        click.echo(f"{told['records'] - told['unusable']} could be taken, {told['unusable']} not; nothing was written")
        return
    click.echo(
        f"{told['accepted']} accepted, {told['known_already']} known already, {told['unusable']} unusable"
        f" ({told['per_second'] or 0:g} a second)"
    )


class _Rejects:
    """Hears of what cannot be used, and remembers the first of it."""

    def __init__(self, write: Callable[[Unusable], None]) -> None:
        self._write = write
        self.kept: list[Unusable] = []
        self.count = 0

    def __call__(self, unusable: Sequence[Unusable]) -> None:
        for each in unusable:
            self.count += 1
            if len(self.kept) < 1_000:  # noqa: PLR2004 - enough for whoever reads JSON; a file has all
                self.kept.append(each)
            self._write(each)


def as_text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


@contextmanager
def _rejected(path: Path | None, *, keep: bool) -> Iterator[_Rejects]:
    """Write to the file, if there is to be one; with `keep` to its end, what stands there only once."""
    if path is None:
        yield _Rejects(lambda _: None)
        return
    known: set[tuple[str, ...]] = set()
    if keep and path.exists():
        with path.open(newline="", encoding="utf-8") as earlier:
            known = {tuple(row) for row in csv.reader(earlier)}
    out = None

    def write(each: Unusable) -> None:
        nonlocal out
        if out is None:
            try:
                out = path.open("a" if known else "w", newline="", encoding="utf-8")
            except OSError as error:
                raise RekindleError(f"{path} cannot be written ({error.strerror}): say --rejects FILE") from error
            if not known:
                csv.writer(out).writerow(("where", "why"))
        row = (as_text(each.where), as_text(each.why))
        if row not in known:
            csv.writer(out).writerow(row)
            out.flush()

    try:
        yield _Rejects(write)
    finally:
        if out is not None:
            out.close()


@contextmanager
def _shown(label: str) -> Iterator[Callable[[Step], None]]:
    """Show on a terminal how far it has come."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.fields[all]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, all="?")
        yield lambda step: _show(bar, task, label, step)


def _show(bar: Bar, task: Any, label: str, step: Step) -> None:
    progress = step.progress
    waits = f"{label}: {step.waiting} are being applied" if step.waiting else label
    about = progress.total if progress.total is not None else "?"
    bar.update(task, description=waits, completed=progress.records, total=progress.total, all=about)
