"""Connecting a shop: its secret stored, our door open for it, its webhooks registered; any number of times, once.

What a shop's API shows as ours is told by its address alone: the one that we register now, or one that we registered
before, which the shop's secret remembers. Everything else is foreign and stays as it is, also what another installation
of Rekindle has registered in the same shop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from rekindle.domain.errors import ContentError, RekindleError, ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.ports import Clock, Connections, Door, Hook, ShopAdmin, ShopSecrets
from rekindle.shops.registering import path_of, topics_of, trial
from rekindle.shops.signature import site

#: As in the shop's file, its address and the name of its secret.
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_SHOPIFY_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com\Z")
#: Where the secret remembers under which addresses we have registered.
URLS = "webhook_urls"
#: Where it remembers since when two of them are live.
ROTATION = "rotation"
#: A function that has asked for a shop looks again after a minute.
PATIENCE_SECONDS = 75
_PAUSE_SECONDS = 5
#: So many secrets of a shop are live at most.
LIVE = 2

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much (0: nobody knows)."""


class ConnectError(RekindleError):
    """A shop cannot be connected as asked; says why and what to do. Nothing was lost."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What an operator says about a shop. `secret` signs its webhooks: Shopify's app has one; `None`: one of ours.

    `access` is what opens its API, under the names of the shop's secret (`access_token`, `api_key` …).
    """

    platform: Literal["shopify", "woocommerce"]
    domain: str
    access: Mapping[str, str]
    secret: str | None = None
    take_over: bool = False
    """also what another installation has registered for a shop of this name"""


class Registered(Struct, frozen=True, kw_only=True):
    """What became of each topic; `foreign` counts webhooks of another installation for a shop of the same name."""

    kept: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: Mapping[str, str] = {}
    """topic → what the shop says"""
    foreign: int = 0


class Connected(Struct, frozen=True, kw_only=True):
    """A shop is connected: `url` is where its webhooks arrive."""

    shop: str
    url: str
    new: bool
    registered: Registered
    scopes: tuple[str, ...] | None
    """the rights that its API has given us; `None` where it does not say"""


class Plan(Struct, frozen=True, kw_only=True):
    """What has to happen to the webhooks of a shop."""

    keep: tuple[Hook, ...]
    change: tuple[Hook, ...]
    create: tuple[str, ...]
    remove: tuple[Hook, ...]
    foreign: int


class Connecting:
    """Connects shops of one installation. `api_url` is where its API is for the world."""

    def __init__(
        self,
        *,
        connections: Connections,
        admin: Callable[[ShopSecrets], ShopAdmin],
        door: Door,
        api_url: str,
        make_secret: Callable[[], str],
        clock: Clock,
        sleep: Callable[[float], None],
        progress: Progress = lambda _what, _done, _of: None,
    ) -> None:
        self.connections = connections
        self.admin = admin
        self.door = door
        self.make_secret = make_secret
        self.clock = clock
        self.sleep = sleep
        self.progress = progress
        self.api_url = api_url.rstrip("/")

    def url_of(self, platform: str, shop: str) -> str:
        """Return where a shop's webhooks arrive."""
        return self.api_url + path_of(platform, shop)

    def connect(self, shop: str, wanted: Wanted) -> Connected:
        """Connect a shop, or bring one that is up to date.

        Raises `ConnectError`, and as `ShopAdmin` where the shop does not let us; what was done stays, and the next time
        goes on from there. Nothing is stored before the shop's API has answered.
        """
        check_shop_id(shop)
        domain = plain_domain(wanted.platform, wanted.domain)
        stored = self._readable(shop)
        if stored is not None and not _same(stored, wanted.platform, domain):
            said = f"{shop} is connected to {stored.get('domain')} ({stored.get('platform')})"
            raise ConnectError(f"{said}: choose another id for this shop")
        self._keep_apart(shop, domain)
        content = self._merged(stored, wanted, domain)
        known = as_secrets(shop, content)
        admin = self.admin(known)
        self.progress("asking the shop what it has", 0, 0)
        scopes = admin.scopes()
        hooks = admin.webhooks()
        details = admin.details()
        content["currency"] = content.get("currency") or details.currency or None
        if wanted.platform == "woocommerce" and details.url and site(details.url) != domain:
            # Webhooks name the shop by its home address, whatever way leads to its API.
            self._keep_apart(shop, site(details.url))
            content = {"api_url": f"https://{domain}", **content, "domain": site(details.url)}
            known = as_secrets(shop, content)
        url = self.url_of(wanted.platform, shop)
        content[URLS] = list(dict.fromkeys([url, *former_urls(content)]))
        content = {name: value for name, value in content.items() if value is not None}
        if content != stored:
            self.connections.write(shop, content)
        self.await_door(known, url)
        # A secret that was just made up is none that a webhook can have been given.
        fresh = stored is None and wanted.secret is None
        registered = self.register(known, admin, hooks, urls=content[URLS], fresh=fresh, take_over=wanted.take_over)
        return Connected(
            shop=shop,
            url=url,
            new=stored is None,
            registered=registered,
            scopes=None if scopes is None else tuple(sorted(scopes)),
        )

    def await_door(self, known: ShopSecrets, url: str) -> None:
        """Return when a signed request of this shop is accepted. Raises `ConnectError` when it is not within a minute.

        A function that has just been asked for a shop that it did not know looks again after a minute; what a shop
        sends meanwhile would be refused, and WooCommerce sends nothing twice.
        """
        request = trial(known.platform, known.domain, known.webhook_secrets[0])
        for waited in range(0, PATIENCE_SECONDS + 1, _PAUSE_SECONDS):
            self.progress("waiting until webhooks of the shop are let in", waited, PATIENCE_SECONDS)
            status = self.door.knock(url, request.headers, request.body)
            if status == 200:  # noqa: PLR2004
                return
            self.sleep(_PAUSE_SECONDS)
        raise ConnectError(f"{url} answers a signed webhook with {status}: look at the webhook function's log")

    def register(
        self,
        known: ShopSecrets,
        admin: ShopAdmin,
        hooks: Sequence[Hook],
        *,
        urls: Sequence[str],
        fresh: bool = False,
        take_over: bool = False,
    ) -> Registered:
        """Bring the webhooks of a shop up to date; `urls` are ours, the one to be first. `fresh`: their secrets too."""
        url, secret = urls[0], known.webhook_secrets[0]
        plan = planned(hooks, topics_of(known.platform), urls, fresh=fresh, take_over=take_over)
        total, done = len(plan.change) + len(plan.create) + len(plan.remove), 0
        created: list[str] = []
        refused: dict[str, str] = {}
        for hook in plan.change:
            self.progress("registering webhooks", done, total)
            admin.change(hook, url, secret)
            done += 1
        for topic in plan.create:
            self.progress("registering webhooks", done, total)
            try:
                _create(admin, topic, url, secret)
                created.append(topic)
            except ShopRejectedError as rejected:
                refused[topic] = rejected.message
            except ShopRefusedError as error:
                # Shopify may refuse one topic and let us have the others.
                if known.platform != "shopify" or error.reason != "not_allowed":
                    raise
                refused[topic] = error.hint
            done += 1
        for hook in plan.remove:
            self.progress("removing webhooks that are there twice", done, total)
            admin.delete(hook)
            done += 1
        return Registered(
            kept=_topics(plan.keep),
            created=tuple(created),
            changed=_topics(plan.change),
            removed=_topics(plan.remove),
            refused=refused,
            foreign=plan.foreign,
        )

    def _keep_apart(self, shop: str, domain: str) -> None:
        for other in self.connections.names():
            if other != shop and site(str((self._readable(other) or {}).get("domain"))) == site(domain):
                raise ConnectError(f"{domain} is connected already, as {other}: connect that one again")

    def _readable(self, shop: str) -> dict[str, Any] | None:
        """Return what is stored of a shop; `None` also for what nobody can read, which connecting writes anew."""
        try:
            content = self.connections.read(shop)
            if content is not None:
                as_secrets(shop, content)
        except ContentError:
            return None
        return content

    def _merged(self, stored: Mapping[str, Any] | None, wanted: Wanted, domain: str) -> dict[str, Any]:
        live = [str(one) for one in (stored or {}).get("webhook_secrets", ())]
        first = wanted.secret or (live[0] if live else self.make_secret())
        if wanted.platform == "shopify" and not wanted.secret and not live:
            raise ConnectError("Shopify signs webhooks with the app's client secret: give it with --app-secret")
        if wanted.secret and stored is not None and wanted.secret not in live and len(live) >= LIVE:
            raise ConnectError(
                "two secrets of this shop are live: rekindle shop rotate-secret --finish drops the old one"
            )
        # What signed until now may still be under way: the older one stays until it is dropped on purpose.
        secrets = list(dict.fromkeys([first, *live]))[:LIVE]
        began = {ROTATION: {"began": self.clock.now().isoformat(), "registered": self.clock.now().isoformat()}}
        return {
            **(stored or {}),
            **(began if len(secrets) > len(live) > 0 else {}),
            "platform": wanted.platform,
            "domain": domain,
            "webhook_secrets": secrets,
            **{name: value for name, value in wanted.access.items() if value},
        }


def _create(admin: ShopAdmin, topic: str, url: str, secret: str) -> None:
    try:
        admin.create(topic, url, secret)
    except ShopUncertainError:
        # The answer was lost, the webhook perhaps not.
        if not any(hook.topic == topic and hook.url == url for hook in admin.webhooks()):
            raise


def planned(
    hooks: Sequence[Hook], topics: Sequence[str], urls: Sequence[str], *, fresh: bool = False, take_over: bool = False
) -> Plan:
    """Return what has to happen so that each topic goes to the first of `urls`, once; the others were ours before."""
    url = urls[0]
    same_path = {hook.url for hook in hooks if hook.url not in urls and urlsplit(hook.url).path == urlsplit(url).path}
    ours = {*urls, *(same_path if take_over else ())}
    keep: list[Hook] = []
    change: list[Hook] = []
    create: list[str] = []
    remove: list[Hook] = []
    for topic in topics:
        # The best first: what needs nothing, then what is only off, then what goes elsewhere; of equals the oldest.
        mine = sorted(
            (hook for hook in hooks if hook.topic == topic and hook.url in ours),
            key=lambda hook: (hook.url != url, not hook.active, len(hook.id), hook.id),
        )
        if not mine:
            create.append(topic)
            continue
        (keep if mine[0].url == url and mine[0].active and not fresh else change).append(mine[0])
        remove += mine[1:]
    foreign = sum(hook.url in same_path for hook in hooks) if not take_over else 0
    return Plan(keep=tuple(keep), change=tuple(change), create=tuple(create), remove=tuple(remove), foreign=foreign)


def _same(stored: Mapping[str, Any], platform: str, domain: str) -> bool:
    places = (site(str(stored.get("domain"))), site(str(stored.get("api_url") or "")))
    return stored.get("platform") == platform and domain in places


def _topics(hooks: Sequence[Hook]) -> tuple[str, ...]:
    return tuple(hook.topic for hook in hooks)


def former_urls(content: Mapping[str, Any]) -> list[str]:
    """Return under which addresses webhooks of a shop were registered."""
    found = content.get(URLS)
    return [str(url) for url in found] if isinstance(found, list) else []


def as_secrets(shop: str, content: Mapping[str, Any]) -> ShopSecrets:
    """Return a stored secret as the functions read it. Raises `ContentError` where they could not."""
    try:
        return msgspec.convert({**content, "shop": shop}, ShopSecrets)
    except msgspec.ValidationError as error:
        hint = "store it again with rekindle shop connect"
        raise ContentError(f"the secret of {shop} cannot be used: {error}", hint=hint) from error


def check_shop_id(shop: str) -> None:
    """Raise `ConnectError` for what cannot be a shop's id."""
    if not _ID.match(shop):
        raise ConnectError(f"{shop!a} cannot be a shop's id: use lower-case letters, digits and hyphens")


def plain_domain(platform: str, given: str) -> str:
    """Return the domain as webhooks name it: Shopify's own, or the host and path of WooCommerce's home address.

    Raises `ConnectError`.
    """
    domain = site(given)
    if platform == "shopify" and not _SHOPIFY_DOMAIN.match(domain):
        raise ConnectError(f"{given!a} is no Shopify domain: write it as in example.myshopify.com")
    if not domain or any(character.isspace() or not character.isprintable() for character in domain):
        raise ConnectError(f"{given!a} is no address of a shop: write it whole, as in https://example.com")
    return domain
