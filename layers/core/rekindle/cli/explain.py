"""`rekindle explain`: why somebody got, or did not get, a mail."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import SystemClock
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.stack import explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK, Moment
from rekindle.service.explain import Explanation, Line, Standing
from rekindle.service.explain import explain as explain_person
from rekindle.service.library import Library
from rekindle.service.wording import choices, moment
from rekindle.shops import contact

_KNOWN_FROM = {
    "told": "as their browser or the shop says",
    "region": "by their region",
    "country": "by their country",
    "shop": "the shop's: nothing is known of theirs",
}


@click.command()
@STACK
@click.option("--shop", required=True, help="The shop's id.")
@click.option("--email", required=True, help="The person's address.")
@click.option("--flow", help="Only this flow; also why it was never entered.")
@click.option("--at", type=Moment(), help="How it stood at this moment (UTC), and only what had been decided by then.")
@click.option("--json", "machine", is_flag=True, help="Print JSON, each decision with its rule and values.")
def explain(*, stack: str, shop: str, email: str, flow: str | None, at: datetime | None, machine: bool) -> None:
    """Say in plain words what was decided about a person, by which rule, on which values.

    It reads the ledger, which is kept for 400 days: what they entered and did not enter and why, what they waited for,
    which messages were planned, skipped, sent, opened and clicked, which coupon they gave, until when it works and
    whether it was used, or why it could not be made, and why they left; run by run, on the person's own
    clock, with UTC beside. Nothing is changed. Account, region and endpoint come from the environment, as for the AWS
    CLI.
    """
    address, problem = contact.email(email)
    if address is None:
        raise click.ClickException(f"--email {problem or 'is empty'}")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        raw_bucket = deployed.output("RawBucketName")
        prefix = deployed.output("SecretsPrefix")
        explanation = explain_person(
            shop,
            address,
            state=DynamoState(clients, deployed.tables, raw_bucket=raw_bucket),
            vault=AwsVault(clients, deployed.tables, raw_bucket=raw_bucket, secrets_prefix=prefix),
            library=Library(S3Blobs(clients, deployed.output("ContentBucketName")), SystemClock()),
            key=CachedSecrets(clients, prefix).address_key(),
            flow=flow,
            until=at,
        )
    if machine:
        click.echo(as_json(as_data(explanation, at)).encode())
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in told(explanation, flow, at, width=width):
        click.echo(line)


def told(
    explanation: Explanation, flow: str | None = None, at: datetime | None = None, *, width: int | None = None
) -> Iterator[str]:
    """Yield the explanation as lines to read: run by run, then what concerns no run, then how it stands.

    `width` is how many characters a line may have; `None`: any number.
    """
    where = explanation.zone
    profile = explanation.profile
    yield f"Profile {profile.id} in {profile.shop}"
    yield f"Times are of {where} ({_KNOWN_FROM[explanation.zone_from]}), with UTC beside."
    for title, lines in _groups(explanation):
        yield ""
        yield title
        for line in lines:
            times = f"  {_times(line.at, explanation)} "
            words = line.words + (f" → {line.outcome}" if line.outcome else "")
            yield times + words if width is None else _folded(times, words, width)
    if not explanation.lines:
        yield ""
        yield "Nothing has been decided about this person" + (f" in {flow}." if flow else ".")
    yield from explanation.never
    standing = tuple(_standing(explanation.standing, explanation))
    if standing:
        yield ""
        yield "Now:" if at is None else f"At {moment(at, where)}:"
        yield from (f"  {line}" for line in standing)


def as_data(explanation: Explanation, at: datetime | None = None) -> dict[str, Any]:
    """Return the explanation as plain data. `local` is `at` on the person's clock."""
    standing = explanation.standing
    return {
        "profile_id": explanation.profile.id,
        "shop": explanation.profile.shop,
        "zone": {"name": str(explanation.zone), "from": explanation.zone_from},
        "standing": {
            "at": at,
            "inside": [
                {"flow": inside.flow, "run": inside.run, "since": inside.since, "until": inside.until}
                for inside in standing.inside
            ],
            "segments": standing.segments,
            "said": standing.said,
            "chose": standing.chose,
        },
        "decisions": [
            {
                "local": line.at.astimezone(explanation.zone),
                "words": line.words,
                "outcome": line.outcome,
                "coupon": line.coupon,
                "decision": line.decision,
            }
            for line in explanation.lines
        ],
        "never": explanation.never,
    }


def _groups(explanation: Explanation) -> Iterator[tuple[str, Sequence[Line]]]:
    """Yield the lines of each run, then of each flow outside of any run, then the others, each group with its title."""
    groups: dict[tuple[int, str], list[Line]] = {}
    for line in explanation.lines:
        decision = line.decision
        place = (0, decision.run) if decision.run else (1, decision.flow) if decision.flow else (2, "")
        groups.setdefault(place, []).append(line)
    for (rank, name), lines in sorted(groups.items(), key=lambda group: group[0][0]):
        flow = lines[0].decision.flow or ""
        yield (_run_title(flow, lines, explanation) if rank == 0 else flow if name else "The person"), lines


def _run_title(flow: str, lines: Sequence[Line], explanation: Explanation) -> str:
    first, last = lines[0].decision, lines[-1].decision
    entered = f", entered {moment(first.at, explanation.zone)}" if first.what == "entered" else ""
    ended = str(last.values.get("as", "ended")).replace("_", " ") if last.what == "ended" else "under way"
    return f"{flow}{entered}, {ended}"


def _times(at: datetime, explanation: Explanation) -> str:
    local, world = at.astimezone(explanation.zone), at.astimezone(UTC)
    day = "" if local.date() == world.date() else f"{world:%d} "
    return f"{local:%Y-%m-%d %H:%M} ({day}{world:%H:%M}Z)".ljust(28)


def _folded(start: str, words: str, width: int) -> str:
    return textwrap.fill(
        words,
        max(width, 2 * len(start)),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _standing(standing: Standing, explanation: Explanation) -> Iterator[str]:
    where = explanation.zone
    for inside in standing.inside:
        waits = f", waits until {moment(inside.until, where)}" if inside.until else ""
        yield f"in {inside.flow} since {moment(inside.since, where)}{waits}"
    for name, since in standing.segments.items():
        yield f"in the segment {name} since {moment(since, where)}"
    for channel, state in standing.said.items():
        yield f"{state.replace('_', ' ')} ({channel})"
    if standing.chose:
        yield f"chose {', '.join(choices(standing.chose, where))}"
