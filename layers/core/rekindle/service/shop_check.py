"""Looking at every link between a shop and its customers: is it there, is it missing, can nobody tell; and the cure.

Nothing is changed without `repair`, and with it only what connecting would do, and what makes a sender's domain known
to SES. Each link is looked at by itself: one that cannot be reached hides none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from rekindle.domain.errors import RekindleError, ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.flow.program import Playbook, Shop
from rekindle.ports import Hook, MailDesk, Names, SenderDomain, SendingAccount, ShopAdmin, ShopSecrets
from rekindle.service.connecting import LIVE, Connecting, as_secrets, former_urls, planned
from rekindle.service.rotating import rotation_of
from rekindle.shops.registering import (
    COMPLIANCE,
    FURTHER_SCOPES,
    OLDEST_VERSION,
    SCOPES,
    WEBHOOKS_VERSION,
    Trial,
    compliance_toml,
    lacking,
    ping,
    topics_of,
    trial,
)

State = Literal["ok", "missing", "unknown"]

#: `send` makes about so many mails a second in each of its copies (docs/operating.md, The pace).
PER_SENDER = 10
#: A path of the link domain that leads nowhere: whoever serves it answers as the API does.
_NOWHERE = "/c/none/0"
_ENVELOPE = "bounce"
_OK, _UNAUTHORIZED = 200, 401
_OWN = {
    "shopify": {
        "orders": "in Shopify, Settings, Notifications, Customer notifications",
        "carts": "in Shopify, Marketing, Automations, the abandoned checkout mails",
    },
    "woocommerce": {
        "orders": "in WooCommerce, Settings, Emails, untick Enable of Processing order, Completed order and the like",
        "carts": "in whatever plugin sends them; WooCommerce itself sends none",
    },
}
#: What own mails are called where people read of them.
OWN_MAILS = {"orders": "order mails", "carts": "cart mails"}


class Link(Struct, frozen=True, kw_only=True):
    """One link: how it is, what was seen, and what to do. `repaired`: it was missing until just now."""

    name: str
    state: State
    told: str
    cure: str = ""
    repaired: bool = False


class Installation(Struct, frozen=True, kw_only=True):
    """What a stack says of itself."""

    configuration_set: str
    link_base: str
    """where links live, of shops without a domain of their own"""
    marketing_senders: int | None = None
    """`None`: not known"""


class Checking:
    """Looks at the shops of one installation."""

    def __init__(
        self,
        *,
        connecting: Connecting,
        book: Callable[[], Playbook],
        desk: MailDesk,
        account: SendingAccount,
        names: Names,
        receivers: Callable[[], tuple[int, int]],
        installation: Installation,
    ) -> None:
        """Take what to ask. `receivers` returns how many who are told of alarms are confirmed, and how many not yet."""
        self._connecting = connecting
        self._book = book
        self._desk = desk
        self._account = account
        self._names = names
        self._receivers = receivers
        self._there = installation

    def run(self, shop: str, *, repair: bool = False) -> tuple[Link, ...]:
        """Return all links, in the order of a mail's way: from the shop to the customer's inbox."""
        return tuple(self._links(shop, repair=repair))

    def _links(self, shop: str, *, repair: bool) -> Iterator[Link]:
        file, link = self._file(shop)
        yield link
        known, content, link = self._secret(shop, file)
        yield link
        if known is not None:
            yield from self._shop(known, content, repair=repair)
            yield from self._door(known)
        if file is not None:
            yield from self._sender(file, repair=repair)
        yield from self._told("sandbox", self._sandbox)
        yield from self._told("configuration set", self._set)
        yield from self._told("pace", self._pace)
        if file is not None:
            yield from self._told("link domain", lambda: self._domain(file))
        yield from self._told("alarms", self._alarms)
        if file is not None:
            yield from self._own_mails(file)

    def _told(self, name: str, look: Callable[[], Link]) -> Iterator[Link]:
        """Look; where nobody answers, that is told of this link alone."""
        try:
            yield look()
        except RekindleError as error:
            yield Link(name=name, state="unknown", told=str(error))

    # --- what is stored

    def _file(self, shop: str) -> tuple[Shop | None, Link]:
        name = "shop file"
        file = self._book().shops.get(shop)
        if file is None:
            cure = f"rekindle shop add {shop}, then rekindle publish"
            return None, Link(name=name, state="missing", told=f"no shops/{shop}.yaml is published", cure=cure)
        return file, Link(name=name, state="ok", told=f"{file.name}, {file.currency}, {file.zone}, is published")

    def _secret(self, shop: str, file: Shop | None) -> tuple[ShopSecrets | None, Mapping[str, Any], Link]:
        name, cure = "secret", "rekindle shop connect"
        try:
            content = self._connecting.connections.read(shop)
            known = as_secrets(shop, content) if content is not None else None
        except RekindleError as error:
            return None, {}, Link(name=name, state="missing", told=str(error), cure=cure)
        if content is None or known is None or not any(known.webhook_secrets):
            return None, {}, Link(name=name, state="missing", told="none is stored", cure=cure)
        if file is not None and file.platform != known.platform:
            told = f"it is of a {known.platform} shop, and shops/{shop}.yaml says {file.platform}"
            return known, content, Link(name=name, state="missing", told=told, cure="put the file's platform right")
        told = f"{known.domain}"
        if len(known.webhook_secrets) >= LIVE:
            rotation = rotation_of(content)
            began = f"{rotation.began:%Y-%m-%d %H:%M} UTC" if rotation is not None else "some time ago"
            told += f", two are live since {began}: rekindle shop rotate-secret --finish drops the old one"
        return known, content, Link(name=name, state="ok", told=told)

    # --- the shop

    def _shop(self, known: ShopSecrets, content: Mapping[str, Any], *, repair: bool) -> Iterator[Link]:
        try:
            admin = self._connecting.admin(known)
            scopes = admin.scopes()
            hooks = admin.webhooks()
        except (ShopRefusedError, ShopRejectedError) as error:
            yield Link(
                name="shop's API", state="missing", told=str(error), cure="rekindle shop connect, with new access"
            )
            yield Link(name="webhooks", state="unknown", told="the shop does not let us look")
            return
        except ShopUncertainError as error:
            yield Link(name="shop's API", state="unknown", told=str(error), cure="try again: the shop may be slow")
            yield Link(name="webhooks", state="unknown", told="the shop does not answer")
            return
        yield Link(name="shop's API", state="ok", told="it lets us in")
        if scopes is not None:
            yield _rights(scopes)
        url = self._connecting.url_of(known.platform, known.shop)
        yield from self._told(
            "webhooks", lambda: self._webhooks(known, admin, hooks, former_urls(content), url, repair=repair)
        )
        if known.platform == "shopify":
            yield from _version([hook for hook in hooks if hook.url == url])
            toml = compliance_toml({known.shop: url})
            told = f"{', '.join(COMPLIANCE)}: Shopify tells nobody whether an app asks for them"
            yield Link(name="compliance topics", state="unknown", told=told, cure=f"in shopify.app.toml:\n{toml}")

    def _webhooks(
        self,
        known: ShopSecrets,
        admin: ShopAdmin,
        hooks: Sequence[Hook],
        former: Sequence[str],
        url: str,
        *,
        repair: bool,
    ) -> Link:
        topics = topics_of(known.platform)
        urls = list(dict.fromkeys([url, *former]))
        plan = planned(hooks, topics, urls)
        others = f"; {plan.foreign} more go to another installation" if plan.foreign else ""
        wrong = len(plan.create) + len(plan.change) + len(plan.remove)
        if not wrong:
            return Link(name="webhooks", state="ok", told=f"all {len(topics)} topics come to {url}{others}")
        told = "; ".join(filter(None, (_named(plan.create, "not registered"), _named_hooks(plan.change, url))))
        told = told or f"{len(plan.remove)} are there twice"
        if not repair:
            return Link(name="webhooks", state="missing", told=told + others, cure="--repair registers what is missing")
        done = self._connecting.register(known, admin, hooks, urls=urls)
        if done.refused:
            said = next(iter(done.refused.values()))
            told = f"the shop refuses {', '.join(done.refused)}: {said}"
            return Link(name="webhooks", state="missing", told=told, cure="give the app the rights that it lacks")
        return Link(name="webhooks", state="ok", told=f"{told}: mended", repaired=True)

    # --- our door

    def _door(self, known: ShopSecrets) -> Iterator[Link]:
        tries = {
            "signed webhook": (trial(known.platform, known.domain, known.webhook_secrets[0]), _OK),
            "forged webhook": (trial(known.platform, known.domain, None), _UNAUTHORIZED),
        }
        if known.platform == "woocommerce":
            tries["ping"] = (ping(), _OK)
        for name, (request, wanted) in tries.items():
            yield from self._told(name, partial(self._knock, known, name, request, wanted))

    def _knock(self, known: ShopSecrets, name: str, request: Trial, wanted: int) -> Link:
        url = self._connecting.url_of(known.platform, known.shop)
        status = self._connecting.door.knock(url, request.headers, request.body)
        if status == wanted:
            told = "is accepted" if wanted == _OK else "is refused"
            return Link(name=name, state="ok", told=f"{told}, with {status}")
        cure = "wait a minute after connecting; else look at the webhook function's log"
        if wanted == _UNAUTHORIZED:
            cure = "anybody could tell us anything: take the installation's API off the net, and look who answers there"
        return Link(name=name, state="missing", told=f"{url} answers with {status}", cure=cure)

    # --- the sender

    def _sender(self, file: Shop, *, repair: bool) -> Iterator[Link]:
        domain = file.sender_email.rpartition("@")[2]
        try:
            found, repaired = self._identity(file.sender_email), False
            if found is None and repair:
                found, repaired = self._desk.introduce(domain), True
        except RekindleError as error:
            yield Link(name="sender", state="unknown", told=str(error))
            return
        if found is None:
            cure = f"--repair makes {domain} known to SES and prints the records for its DNS"
            yield Link(name="sender", state="missing", told=f"SES does not know {file.sender_email}", cure=cure)
            return
        told = (
            f"mails may come from {found.name}"
            if found.verified
            else f"SES has not seen the records of {found.name} yet"
        )
        cure = "" if found.verified else "publish the records for DKIM; SES looks for up to 72 hours"
        state: State = "ok" if found.verified else "missing"
        yield Link(name="sender", state=state, told=told, cure=cure, repaired=repaired and found.verified)
        if "@" in found.name:
            cure = f"verify the domain {domain} in SES: an address alone is not signed in its name"
            yield Link(name="DKIM", state="missing", told=f"SES knows {found.name} alone", cure=cure)
            return
        yield self._dkim(found)
        yield from self._told("MAIL FROM", lambda: self._envelope(found, repair=repair))
        yield from self._told("DMARC", lambda: self._dmarc(domain))
        if found.default_set:
            told = f"{found.name} has the default configuration set {found.default_set}"
            cure = "take it off: every mail names its own"
            yield Link(name="default set", state="missing", told=told, cure=cure)

    def _identity(self, address: str) -> SenderDomain | None:
        """Return the nearest that SES knows: the address's domain, one above it, or the address itself."""
        parts = address.rpartition("@")[2].split(".")
        above = (".".join(parts[start:]) for start in range(len(parts) - 1))
        return next(filter(None, (self._desk.domain(name) for name in (*above, address))), None)

    def _dkim(self, found: SenderDomain) -> Link:
        if found.dkim == "SUCCESS":
            return Link(name="DKIM", state="ok", told=f"signed as {found.name}")
        records = [f"{token}._domainkey.{found.name}. CNAME {token}.dkim.amazonses.com." for token in found.tokens] or [
            "the records that SES shows for it"
        ]
        cure = "\n".join(("in the DNS:", *records))
        return Link(name="DKIM", state="missing", told=f"{found.name}: {found.dkim or 'not started'}", cure=cure)

    def _envelope(self, found: SenderDomain, *, repair: bool) -> Link:
        """Return how the envelope is: with a MAIL FROM domain of its own, SPF speaks for the shop too."""
        wanted, repaired = found.mail_from, False
        if not wanted and repair:
            wanted, repaired = f"{_ENVELOPE}.{found.name}", True
            self._desk.envelope(found.name, wanted)
        if not wanted:
            told = "mails have amazonses.com on their envelope: DKIM alone speaks for the shop"
            return Link(name="MAIL FROM", state="missing", told=told, cure=f"--repair sets {_ENVELOPE}.{found.name}")
        spf = any("v=spf1" in text and "amazonses.com" in text for text in self._names.texts(wanted))
        if found.mail_from_state == "SUCCESS" and spf:
            return Link(name="MAIL FROM", state="ok", told=f"{wanted}, with SPF")
        records = (
            "in the DNS:",
            f"{wanted}. MX 10 feedback-smtp.{self._desk.region}.amazonses.com.",
            f'{wanted}. TXT "v=spf1 include:amazonses.com ~all"',
        )
        told = f"{wanted}: {found.mail_from_state or 'PENDING'}{'' if spf else ', no SPF record'}"
        return Link(name="MAIL FROM", state="missing", told=told, cure="\n".join(records), repaired=repaired)

    def _dmarc(self, domain: str) -> Link:
        parts = domain.split(".")
        for start in range(len(parts) - 1):
            name = "_dmarc." + ".".join(parts[start:])
            if any(text.lower().startswith("v=dmarc1") for text in self._names.texts(name)):
                return Link(name="DMARC", state="ok", told=name)
        cure = f'in the DNS:\n_dmarc.{domain}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        told = f"no record for {domain}: large mailboxes refuse bulk mail without one"
        return Link(name="DMARC", state="missing", told=told, cure=cure)

    # --- the installation

    def _sandbox(self) -> Link:
        allowance = self._account.allowance()
        if allowance.trial:
            told = "SES keeps this account in its sandbox: mails go to verified addresses only, 200 a day"
            return Link(name="sandbox", state="missing", told=told, cure="ask for production access in the SES console")
        return Link(name="sandbox", state="ok", told=f"left; {allowance.rate:g} mails a second")

    def _set(self) -> Link:
        name = self._there.configuration_set
        if self._desk.has_set(name):
            return Link(name="configuration set", state="ok", told=name)
        cure = "deploy the stack again: without it no mail goes out"
        return Link(name="configuration set", state="missing", told=f"{name} is gone", cure=cure)

    def _pace(self) -> Link:
        senders, rate = self._there.marketing_senders, self._account.allowance().rate
        if senders is None:
            return Link(name="pace", state="unknown", told="the stack does not say how many MarketingSenders it has")
        makes = senders * PER_SENDER
        told = f"SES takes {rate:g} mails a second, {senders} MarketingSenders make about {makes}"
        # Twice as many as it needs, so that an account on the edge is not told each day.
        if rate > 2 * makes:
            cure = f"deploy with MarketingSenders={round(rate / PER_SENDER)}"
            return Link(name="pace", state="missing", told=told, cure=cure)
        return Link(name="pace", state="ok", told=told)

    def _domain(self, file: Shop) -> Link:
        base = f"https://{file.link_domain}" if file.link_domain else self._there.link_base.rstrip("/")
        own = self._connecting.api_url
        if base == own:
            return Link(name="link domain", state="ok", told="links lead through the API's own address")
        host = base.partition("//")[2].partition("/")[0].partition(":")[0]
        if not self._names.exists(host):
            cure = f"make a DNS record for {host} that points at the stack's LinkDomainTarget"
            return Link(name="link domain", state="missing", told=f"{host} leads nowhere", cure=cure)
        there = self._connecting.door.knock(base + _NOWHERE, {})
        ours = self._connecting.door.knock(own + _NOWHERE, {})
        if there != ours:
            told = f"{host} answers with {there} where our API answers with {ours}"
            cure = "point it at the stack's LinkDomainTarget; look at its certificate"
            return Link(name="link domain", state="missing", told=told, cure=cure)
        return Link(name="link domain", state="ok", told=host)

    def _alarms(self) -> Link:
        confirmed, waiting = self._receivers()
        if confirmed:
            return Link(name="alarms", state="ok", told=f"{confirmed} are told")
        told = "nobody has confirmed the mail of AWS yet" if waiting else "nobody is told of alarms"
        cure = (
            "press the link in that mail"
            if waiting
            else "deploy with AlarmEmail, and press the link in the mail of AWS"
        )
        return Link(name="alarms", state="missing", told=told, cure=cure)

    def _own_mails(self, file: Shop) -> Iterator[Link]:
        flows = self._book().flows.values()
        for kind, what in OWN_MAILS.items():
            name = f"own {what}"
            ours = sorted(flow.name for flow in flows if flow.replaces == kind)
            on = [flow for flow in ours if file.flows.get(flow, self._book().flows[flow].enabled)]
            where = _OWN[file.platform][kind]
            said = file.own_mails.get(kind)
            if said is False:
                told = f"are off in the shop; ours: {', '.join(on)}" if on else "are off in the shop, and so are ours"
                cure = "" if on else f"switch on {', '.join(ours)} in shops/{file.id}.yaml, under flows" if ours else ""
                yield Link(name=name, state="ok", told=told, cure=cure)
            elif on:
                told = f"{', '.join(on)} is on here, and nobody has said that the shop's own are off"
                yield Link(name=name, state="missing", told=told, cure=f"{where}; then --own-mails {kind}=off")
            else:
                told = (
                    "the shop sends its own, and ours are off"
                    if said
                    else "nobody has said whether the shop sends its own"
                )
                cure = f"to send ours instead: off with them {where}; then --own-mails {kind}=off"
                yield Link(name=name, state="ok" if said else "unknown", told=told, cure=cure)


def _rights(scopes: frozenset[str]) -> Link:
    missing, further = lacking(scopes, SCOPES), lacking(scopes, FURTHER_SCOPES)
    if missing:
        told = "; ".join(f"without {scope}: no {serves}" for scope, serves in missing.items())
        cure = f"give the app {', '.join(missing)}, release that version, and let the shop accept it"
        return Link(name="rights", state="missing", told=told, cure=cure)
    told = "; ".join(f"without {scope}: no {serves}" for scope, serves in further.items())
    return Link(name="rights", state="ok", told=told or "all that Rekindle uses")


def _version(hooks: Sequence[Hook]) -> Iterator[Link]:
    versions = sorted({hook.version for hook in hooks} - {""})
    odd = [version for version in versions if not OLDEST_VERSION <= version <= WEBHOOKS_VERSION]
    if odd:
        told = f"webhooks come as of {', '.join(odd)}, which Rekindle has not been taught"
        cure = f"set the version of webhooks to {WEBHOOKS_VERSION} in the app's configuration"
        yield Link(name="webhook version", state="missing", told=told, cure=cure)
    elif versions:
        yield Link(name="webhook version", state="ok", told=", ".join(versions))


def _named(topics: Sequence[str], what: str) -> str:
    return f"{what}: {', '.join(topics)}" if topics else ""


def _named_hooks(hooks: Sequence[Hook], url: str) -> str:
    off = [hook.topic for hook in hooks if hook.url == url]
    elsewhere = [hook.topic for hook in hooks if hook.url != url]
    return "; ".join(filter(None, (_named(off, "switched off by the shop"), _named(elsewhere, "sent elsewhere"))))
