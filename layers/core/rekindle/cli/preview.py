"""`rekindle preview`: mails, texts and push messages as people would get them, from files on a laptop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import msgspec

from rekindle.aws.blobs import S3Blobs
from rekindle.aws.clients import Clients
from rekindle.aws.clock import SystemClock
from rekindle.aws.mailer import SesMailer
from rekindle.aws.outbox import DynamoOutbox
from rekindle.aws.secrets import CachedSecrets
from rekindle.aws.shelves import DynamoShelves
from rekindle.aws.stack import Stack, explained, read_stack
from rekindle.aws.state import DynamoState
from rekindle.aws.vault import AwsVault
from rekindle.cli.contact_sheet import contact_sheet
from rekindle.cli.drafts import folder_files
from rekindle.cli.phone import costs, phone
from rekindle.content import languages, media, previews
from rekindle.content.context import product_ids
from rekindle.content.mails import MailTemplate
from rekindle.content.previews import Drafts, Named, Preview, Short, drafts, names_in
from rekindle.content.samples import Sample, parse_sample
from rekindle.content.trial import SHOWN_BODY, SHOWN_TITLE
from rekindle.content.validate import CLIPPED
from rekindle.domain.errors import ContentError, MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.domain.facts import Product
from rekindle.domain.ids import digest
from rekindle.domain.offers import Coupon
from rekindle.domain.profile import Profile, Run
from rekindle.domain.words import counted
from rekindle.flow.program import Shop
from rekindle.ports import Mail
from rekindle.service.compose import sender_of
from rekindle.service.people import alias_key, follow
from rekindle.service.recommend import Recommender, wish_of
from rekindle.shops import contact

#: A subject that is longer is cut off on most phones.
_LONG_SUBJECT = 60
#: So many signs are named that make a text dear.
_ODD = 10
_TEST_HEADER = "X-Rekindle-Test"
_NOT_ALLOWED = " (is the sender verified in SES, and the recipient while SES is in its sandbox? May you send?)"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    content: Path
    out: Path
    locale: str | None
    shop: str | None
    profile: Path | None
    stack: str | None
    email: str | None
    pictures: Path | None


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything in all languages, on one page: the contact sheet.")
@click.option(
    "--content",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("templates"),
    show_default=True,
    help="The folder that marketers edit.",
)
@click.option("--locale", help="The language, as in ar or zh-TW; else that of the person, the shop, English.")
@click.option("--shop", help="The shop, by its file in shops/; else the folder's first, or one that is made up.")
@click.option(
    "--profile",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Whom and what to try it with, written as sample.json is.",
)
@click.option("--stack", help="The deployed stack whose customer to try it with, or that sends the test.")
@click.option("--email", help="The customer's address there: their name, language and last basket or order.")
@click.option("--send-to", metavar="ADDRESS", help="Send it there through SES, marked as a test. Needs --stack.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/preview"),
    show_default=True,
    help="Where the files go.",
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="PNG files that stand in for addresses that end in their names.",
)
@click.option("--open", "opened", is_flag=True, help="Show it in the browser.")
def preview(
    *,
    name: str | None,
    everything: bool,
    content: Path,
    locale: str | None,
    shop: str | None,
    profile: Path | None,
    stack: str | None,
    email: str | None,
    send_to: str | None,
    out: Path,
    pictures: Path | None,
    opened: bool,
) -> None:
    """Show the message NAME as somebody would get it.

    A mail: HTML, text, and a file that mail programs open. A text: as a phone shows it, how long it is in segments and
    in which alphabet, its links as long as those that go out. A push message: as a phone shows it. Where several are
    called NAME, write the folder before it: emails/cart, sms/cart, push/cart.

    It is made as publishing and sending make it, from the files of a folder, also while other messages there are
    broken. Whom it is for: the message's sample.json, in the language's folder if there is one; another file
    (--profile); or a customer of a live shop, with the basket or order of their last run (--stack, --shop and --email).
    Pictures of sample addresses, which end in .example, are drawn.

    \b
    rekindle preview cart-reminder-1 --locale ar --open
    rekindle preview sms/parcel --shop acme
    rekindle preview --all --open
    rekindle preview cart-reminder-1 --stack rekindle-prod --shop acme --email ann@example.com
    rekindle preview cart-reminder-1 --stack rekindle-prod --send-to me@acme.example

    A test mail says [Test] in its subject and X-Rekindle-Test in its headers, is counted nowhere, and its unsubscribe
    link leads nowhere. Account, region and endpoint come from the environment, as for the AWS CLI.
    """  # noqa: D301 - click reads the control character
    asked = _Asked(
        content=content, out=out, locale=locale, shop=shop, profile=profile, stack=stack, email=email, pictures=pictures
    )
    _check(name, asked, everything=everything, send_to=send_to)
    files = folder_files(content)
    there = names_in(files)
    if not there:
        said = "there is no folder emails/, sms/ or push/ in it, or nothing in them"
        raise click.ClickException(f"{content} holds no messages: {said}")
    named = None if name is None else _named(name, there, content)
    if named is not None and named.root != "emails" and send_to is not None:
        raise click.ClickException(f"--send-to is for mails, and {named} is none")
    found = drafts(files, there if named is None else (named,))
    if named is None:
        _show(_sheet(found, asked), opened=opened)
        return
    if found.problems:
        first, *more = found.problems
        rest = f" (and {len(more)} more: rekindle lint {content} lists them)" if more else ""
        raise click.ClickException(f"{first}{rest}")
    about = _about(found, named, asked)
    if named.root != "emails":
        _show(_written_short(_short(found, about), asked), opened=opened)
        return
    mail = _mail(found, about)
    _report(mail)
    page = _written(mail, asked)
    if send_to is not None:
        _send(mail, send_to, asked.stack or "")
    _show(page, opened=opened)


def _named(name: str, there: Sequence[Named], content: Path) -> Named:
    """Return which message is meant. Raises `click.ClickException`."""
    found = [named for named in there if name in (named.name, str(named))]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.ClickException(f"several are called {name}: say which, {' or '.join(map(str, found))}")
    known = ", ".join(named.name if named.root == "emails" else str(named) for named in there)
    raise click.ClickException(f"{content} has no message '{name}': there are {known}")


def _check(name: str | None, asked: _Asked, *, everything: bool, send_to: str | None) -> None:
    if everything == (name is not None):
        raise click.ClickException("name a message, or write --all" if name is None else "--all takes no name")
    if asked.email is not None and (asked.stack is None or asked.shop is None):
        raise click.ClickException("--email needs --stack and --shop: where the customer is known")
    if asked.email is not None and asked.profile is not None:
        raise click.ClickException("--email and --profile each say whom it is for: choose one")
    if asked.stack is not None and asked.email is None and send_to is None:
        raise click.ClickException("--stack is for --email or --send-to")
    if send_to is not None and (asked.stack is None or name is None):
        raise click.ClickException("--send-to needs --stack, and one mail")
    if asked.locale is not None and not languages.canonical(asked.locale):
        raise click.ClickException(f"--locale {asked.locale}: write a language, as in ar, en-GB or zh-Hant")


# --- one message -----------------------------------------------------------------------------------------------------


class _Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Which message it is, for whom, and what it is about."""

    named: Named
    locale: str
    shop: Shop
    profile: Profile
    run: Run
    products: Mapping[str, Product]
    recommend: Mapping[str, Sequence[Product]]
    coupon: Coupon | None


def _about(found: Drafts, named: Named, asked: _Asked) -> _Reader:
    locales = found.locales_of(named)
    chosen = languages.pick(locales, asked.locale) if asked.locale else None
    if asked.locale and chosen is None:
        there = ", ".join(locales)
        raise click.ClickException(f"{named.name} is not written in {asked.locale}: there is {there}")
    shop = found.shop(asked.shop)
    given = parse_sample(asked.profile.read_text("utf-8"), str(asked.profile)) if asked.profile is not None else None
    like = given or found.sample(named, chosen or locales[0])
    if asked.email is not None:
        template = found.mails.templates[named.name] if named.root == "emails" else None
        person, run, products, offers = _customer(like, template, asked)
    else:
        known = given or found.sample(named, chosen or _first(locales, shop, None))
        person, run, products, offers = known.person(shop), known.trip("draft"), known.products, known.recommended()
    if asked.locale is not None and languages.region(asked.locale):
        person = msgspec.structs.replace(person, person=msgspec.structs.replace(person.person, locale=asked.locale))
    return _Reader(
        named=named,
        locale=chosen or _first(locales, shop, person.locale),
        shop=shop,
        profile=person,
        run=run,
        products=products,
        recommend=offers,
        coupon=found.coupon(named, like, shop),
    )


def _mail(found: Drafts, about: _Reader) -> Preview:
    return previews.preview(
        found,
        about.named.name,
        locale=about.locale,
        shop=about.shop,
        profile=about.profile,
        run=about.run,
        products=about.products,
        recommend=about.recommend,
        coupon=about.coupon,
    )


def _short(found: Drafts, about: _Reader) -> Short:
    return previews.preview_short(
        found,
        about.named,
        locale=about.locale,
        shop=about.shop,
        profile=about.profile,
        run=about.run,
        products=about.products,
        coupon=about.coupon,
    )


def _first(locales: tuple[str, ...], shop: Shop, reader: str | None) -> str:
    return languages.pick(locales, reader, shop.locale, "en") or locales[0]


def _customer(
    sample: Sample, template: MailTemplate | None, asked: _Asked
) -> tuple[Profile, Run, Mapping[str, Product], Mapping[str, Sequence[Product]]]:
    """Return the customer with this address, their newest run that is about what the sample is about, and its products.

    Last what the mail would recommend to them now: to who did not agree to marketing, in a transactional mail, nothing.
    Raises `click.ClickException` where nobody has it.
    """
    address, problem = contact.email(asked.email or "")
    if address is None:
        raise click.ClickException(f"--email {problem or 'is empty'}")
    shop = asked.shop or ""
    with explained():
        clients = Clients()
        deployed = read_stack(clients, asked.stack or "")
        raw_bucket, prefix = deployed.output("RawBucketName"), deployed.output("SecretsPrefix")
        state = DynamoState(clients, deployed.tables, raw_bucket=raw_bucket)
        vault = AwsVault(clients, deployed.tables, raw_bucket=raw_bucket, secrets_prefix=prefix)
        alias = alias_key(CachedSecrets(clients, prefix).address_key(), shop, "email", address)
        owners, _ = vault.owners([alias])
        profile = follow(state.profile, owners[alias]) if alias in owners else None
        if profile is None:
            raise click.ClickException(f"nobody is known by this address in {shop}")
        run = _newest_about(profile, sample)
        if run is None:
            click.echo(
                "They are in no flow that is about what this mail is about: the sample's event is shown.", err=True
            )
            return profile, sample.trip("draft"), sample.products, sample.recommended()
        clock = SystemClock()
        wish = wish_of(template, profile, run) if template is not None else None
        recommender = Recommender(DynamoShelves(clients, deployed.tables, clock), clock)
        offers = recommender.picks(wish) if wish is not None else {}
        return profile, run, DynamoOutbox(clients, deployed.tables).products(shop, product_ids(run)), offers


def _newest_about(profile: Profile, sample: Sample) -> Run | None:
    alike = [run for run in profile.runs if sample.event is None or type(run.trigger) is type(sample.event)]
    return max(alike, key=lambda run: run.entered_at, default=None)


def _report(mail: Preview) -> None:
    subject, size = mail.rendered.subject, previews.size_of(mail.rendered)
    click.echo(f"{mail.name} in {mail.locale}, for {mail.to}, from {mail.shop.name}")
    click.echo(f"  subject    {subject}")
    click.echo(f"  preheader  {mail.preheader or '–'}")
    click.echo(f"  size       {size / 1000:.1f} KB of the {CLIPPED // 1000} KB that Gmail shows")
    if len(subject) > _LONG_SUBJECT:
        click.echo(
            f"  The subject has {len(subject)} characters: phones show about {_LONG_SUBJECT // 2} to {_LONG_SUBJECT}."
        )
    if size > CLIPPED:
        click.echo("  Gmail will hide the end of it, with the unsubscribe link: show fewer items.")


def _written(mail: Preview, asked: _Asked) -> Path:
    """Write the three files; return the one that a browser shows."""
    shown = previews.with_pictures(mail.page, _pictures(asked.pictures), everywhere=False)
    return _files(asked, f"{mail.name}.{mail.locale}", html=shown, txt=mail.rendered.text, eml=mail.eml())


def _written_short(short: Short, asked: _Asked) -> Path:
    """Tell of a text or a push message, and write two files; return the one that a browser shows."""
    what = "text" if short.push is None else "push message"
    click.echo(f"{short.named.name}, a {what} in {short.locale}, for {short.to}, from {short.shop.name}")
    if short.push is None:
        click.echo(f"  says       {short.text}")
        click.echo(f"  length     {costs(short)}")
        if short.length.odd and short.length.alphabet == "UCS-2" and not short.rtl:
            click.echo(f"  because of {' '.join(short.length.odd[:_ODD])}, which phones do not write in one byte")
    else:
        click.echo(f"  title      {short.push.title}")
        click.echo(f"  body       {short.push.body}")
        click.echo(f"  leads to   {short.push.url or '–'}")
        for part, said, most in (("title", short.push.title, SHOWN_TITLE), ("body", short.push.body, SHOWN_BODY)):
            if len(said) > most:
                click.echo(f"  The {part} has {counted(len(said), 'character')}: screens show about {most}.")
    base = f"{short.named.root}.{short.named.name}.{short.locale}"
    page = previews.with_pictures(phone(short), _pictures(asked.pictures), everywhere=False)
    return _files(asked, base, html=page, txt=f"{short.text}\n")


def _files(asked: _Asked, base: str, **written: str | bytes) -> Path:
    """Write a file for each ending and name it; return the first."""
    asked.out.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in written.items():
        paths.append(path := asked.out / f"{base}.{suffix}")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        click.echo(f"  {path}")
    return paths[0]


# --- all of them -----------------------------------------------------------------------------------------------------


def _sheet(found: Drafts, asked: _Asked) -> Path:
    """Write the contact sheet and return where; messages that are broken are named and left out."""
    for problem in found.problems:
        click.echo(f"left out: {problem}", err=True)
    mails: list[tuple[Preview, str]] = []
    shorts: list[tuple[Short, str]] = []
    for about in _everything(found, asked):
        try:
            if about.named.root == "emails":
                mail = _mail(found, about)
                mails.append((mail, _offline(mail.page, asked)))
            else:
                short = _short(found, about)
                shorts.append((short, _offline(phone(short), asked)))
        except ContentError as error:
            click.echo(f"left out: {error}", err=True)
    if not mails and not shorts:
        why = f"no message is written in {asked.locale}" if asked.locale else "no message can be shown"
        raise click.ClickException(why if not found.problems else f"{why}: {found.problems[0]}")
    asked.out.mkdir(parents=True, exist_ok=True)
    page = asked.out / "index.html"
    kinds = {
        "mail": len({mail.name for mail, _ in mails}),
        "text": len({short.named for short, _ in shorts if short.push is None}),
        "push message": len({short.named for short, _ in shorts if short.push is not None}),
    }
    spoken = sorted({*(mail.locale for mail, _ in mails), *(short.locale for short, _ in shorts)})
    there = ", ".join(counted(many, kind) for kind, many in kinds.items() if many)
    said = f"{there} in {', '.join(spoken)}, for {found.shop(asked.shop).name}"
    page.write_text(contact_sheet(mails, shorts, title="Contact sheet", said=said), "utf-8")
    click.echo(f"{said}\n  {page}")
    return page


def _everything(found: Drafts, asked: _Asked) -> Iterator[_Reader]:
    for named in found.names:
        for locale in found.locales_of(named):
            if asked.locale is not None and languages.pick({locale}, asked.locale) is None:
                continue
            try:
                yield _about(found, named, msgspec.structs.replace(asked, locale=locale, email=None))
            except ContentError as error:
                click.echo(f"left out: {error}", err=True)


def _offline(page: str, asked: _Asked) -> str:
    return previews.with_pictures(page, _pictures(asked.pictures), everywhere=True)


def _pictures(folder: Path | None) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))} if folder is not None else {}


# --- to a mailbox ----------------------------------------------------------------------------------------------------


def _send(mail: Preview, to: str, stack: str) -> None:
    """Send it once, through the stack's SES account and outside everything that counts, tracks or remembers mails."""
    address, problem = contact.email(to)
    if address is None:
        raise click.ClickException(f"--send-to {problem or 'is empty'}")
    with explained():
        clients = Clients()
        deployed = read_stack(clients, stack)
        test = Mail(
            message_id=digest("test", mail.name, SystemClock().now().isoformat()),
            sender=sender_of("", mail.shop),
            to=address,
            subject=f"[Test] {mail.rendered.subject}",
            html=_served(mail, deployed, clients),
            text=mail.rendered.text,
            headers={_TEST_HEADER: re.sub(r"[^a-z0-9-]", "", mail.name)},
            tags={},
            reply_to=mail.shop.reply_to,
        )
        try:
            SesMailer(clients, configuration_set=None).send(test)
        except MailRefusedError as refused:
            hint = _NOT_ALLOWED if refused.reason == "not_allowed" else ""
            raise click.ClickException(f"SES does not take it now: {refused.reason}{hint}") from refused
        except MailRejectedError as rejected:
            raise click.ClickException(f"SES refuses it: {rejected}") from rejected
        except MailUncertainError as uncertain:
            raise click.ClickException(f"it may have been sent or not: {uncertain}") from uncertain
    click.echo(f"  sent to {address}, as a test")


def _served(mail: Preview, deployed: Stack, clients: Clients) -> str:
    """Return the HTML with the addresses at which its files are served, and say which of them are not there yet."""
    if not mail.assets:
        return mail.rendered.html
    blobs = S3Blobs(clients, deployed.output("ContentBucketName"))
    for address in mail.assets:
        hash_, name = address.split("/")[-2:]
        if blobs.get(f"{media.PUBLIC}{hash_}/{name}") is None:
            click.echo(f"  {name} is not published yet: the mail will show a gap in its place", err=True)
    domain = mail.shop.link_domain
    return mail.rendered.html.replace(media.HOST, f"https://{domain}" if domain else deployed.output("LinkBase"))


def _show(page: Path, *, opened: bool) -> None:
    if opened:
        click.launch(page.resolve().as_uri())
