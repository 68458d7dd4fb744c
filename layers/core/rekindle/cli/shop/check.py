"""`rekindle shop check`: every link between a shop and its customers, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from rekindle.aws.mail_desk import SesDesk
from rekindle.aws.mailer import SesAccount
from rekindle.aws.stack import explained
from rekindle.aws.watch import alarm_receivers
from rekindle.cli.events import as_json
from rekindle.cli.options import STACK
from rekindle.cli.shop.there import API, JSON, There, shown
from rekindle.content.sources import parse_shop
from rekindle.outside.door import Dns
from rekindle.ports import Allowance
from rekindle.service.connecting import Progress, check_shop_id
from rekindle.service.shop_check import OWN_MAILS, Checking, Installation, Link
from rekindle.service.shop_files import path_of, with_own_mails

_MISSING = 1
_DEFAULT = Path("templates")
_SIGNS = {"ok": "ok       ", "missing": "MISSING  ", "unknown": "?        "}
_SAID = {"on": True, "off": False}


class _Answers(click.ParamType[dict[str, bool]]):
    """`off`, `on`, or one kind alone: `carts=off`."""

    name = "ANSWER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, bool]:
        """Return kind → whether the shop sends its own."""
        if isinstance(value, dict):
            return value
        kind, separator, said = str(value).rpartition("=")
        if said not in _SAID or (separator and kind not in OWN_MAILS):
            self.fail("write off, on, orders=off or carts=off", param, ctx)
        return dict.fromkeys([kind] if separator else OWN_MAILS, _SAID[said])


class _Account(SesAccount):
    """What SES says of the account, or why it does not say it."""

    @explained()
    def allowance(self) -> Allowance:
        """Return it. Raises `StackError`."""
        return super().allowance()


@click.command()
@click.argument("name")
@STACK
@click.option("--repair", is_flag=True, help="Register webhooks that are missing or off; make the sender known to SES.")
@click.option(
    "--own-mails",
    "answers",
    type=_Answers(),
    multiple=True,
    help="Say whether the shop still sends mails of its own: off, on, orders=off, carts=off. Written into its file.",
)
@click.option(
    "--content",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=None,
    help="The folder whose shops/NAME.yaml gets that answer; templates/ if the file is there, else the bucket.",
)
@click.option("--resolver", default="", metavar="HOST", help="Ask this DNS server, and not this machine's own.")
@API
@JSON
def check(
    *,
    name: str,
    stack: str,
    repair: bool,
    answers: tuple[dict[str, bool], ...],
    content: Path | None,
    resolver: str,
    webhooks_at: str | None,
    machine: bool,
) -> int:
    """Look at every link between the shop NAME and its customers, and say what is missing and what to do.

    That is: the shop's file, its secret, its API and our rights there, its webhooks, a signed and a forged webhook to
    our own door (the signed one is stored and changes nothing), the sender in SES with DKIM, MAIL FROM, SPF and DMARC,
    the sandbox, the configuration set, the pace, the link domain, who is told of alarms, and whether the shop's own
    order and cart mails are off before ours go on. On a terminal it asks for that; scripts give --own-mails.

    Exit status 0: nothing is missing; 1: something is; 2: it could not be done. What nobody can tell counts as neither.
    """
    check_shop_id(name)
    with explained():
        there = There(stack, webhooks_at=webhooks_at)
        said = {kind: value for answer in answers for kind, value in answer.items()}
        written = _write(there, name, said, content) if said else []
        with shown() as progress:
            links = _checking(there, resolver, progress).run(name, repair=repair)
        if not said and not machine and sys.stdin.isatty():
            written = _write(there, name, _asked(there, name), content)
    if machine:
        missing = any(link.state == "missing" for link in links)
        click.echo(as_json({"shop": name, "complete": not missing, "links": list(links), "written": written}).encode())
    else:
        for line in (*told(links), *written):
            click.echo(line)
    return _MISSING if any(link.state == "missing" for link in links) else 0


def told(links: Sequence[Link]) -> Iterator[str]:
    """Yield the links as lines to read."""
    for link in links:
        yield f"{_SIGNS[link.state]}{link.name}: {link.told}{' (repaired)' if link.repaired else ''}"
        yield from (f"             {line}" for line in link.cure.splitlines())
    missing = sum(link.state == "missing" for link in links)
    yield ""
    yield f"{missing} of {len(links)} links are missing." if missing else "Nothing is missing."


def _checking(there: There, resolver: str, progress: Progress) -> Checking:
    senders = there.stack.parameters.get("MarketingSenders", "")
    return Checking(
        connecting=there.connecting(progress),
        book=there.library.newest,
        desk=SesDesk(there.clients),
        account=_Account(there.clients, patient=True),
        names=Dns(resolver),
        receivers=explained()(lambda: alarm_receivers(there.clients, there.stack.output("AlarmTopicArn"))),
        installation=Installation(
            configuration_set=there.stack.output("ConfigurationSetName"),
            link_base=there.stack.outputs.get("LinkBase", there.api_url),
            marketing_senders=int(senders) if senders.isdigit() else None,
        ),
    )


def _asked(there: There, name: str) -> dict[str, bool]:
    """Ask somebody whose shop is published and has not said that its own mails are off."""
    shop = there.library.newest().shops.get(name)
    if shop is None:
        return {}
    answers = {}
    for kind, what in OWN_MAILS.items():
        if shop.own_mails.get(kind) is not False:
            off = click.confirm(f"Are the shop's own {what} switched off?", default=False, err=True)
            if off or kind not in shop.own_mails:
                answers[kind] = not off
    return answers


def _write(there: There, name: str, answers: Mapping[str, bool], folder: Path | None) -> list[str]:
    """Write the answers into the shop's file, in the folder or in the bucket; return what was done, as lines."""
    if not answers:
        return []
    path = path_of(name)
    if folder is None and (_DEFAULT / path).is_file():
        folder = _DEFAULT
    if folder is not None:
        file = folder / path
        if not file.is_file():
            raise click.ClickException(f"there is no {file}: rekindle shop add {name} writes it")
        changed = _changed(file.read_text("utf-8"), answers, path)
        file.write_text(changed, "utf-8")
        return [f"Written: {file}. rekindle publish makes it live."]
    found = there.blobs.tagged(f"content/{path}")
    if found is None:
        raise click.ClickException(f"there is no content/{path} in the bucket: rekindle shop add {name}, then publish")
    changed = _changed(found[0].decode("utf-8"), answers, path)
    if not there.blobs.swap(f"content/{path}", changed.encode(), expected=found[1]):
        raise click.ClickException(f"somebody else has just written content/{path}: try again")
    return [f"Written: content/{path} in the bucket. It goes live within a minute, if all that is there is right."]


def _changed(text: str, answers: Mapping[str, bool], path: str) -> str:
    """Return the file with the answers in it. Raises `ContentError` where it would be wrong after, or is now."""
    shop, problems = parse_shop(text, file=path)
    if shop is None:
        raise problems[0]
    both = {"orders": True, "carts": True, **shop.own_mails, **answers}
    changed = with_own_mails(text, both)
    found, problems = parse_shop(changed, file=path)
    if found is None or found != msgspec.structs.replace(shop, own_mails=both):
        raise problems[0] if problems else click.ClickException(f"{path}: write own_mails by hand")
    return changed
