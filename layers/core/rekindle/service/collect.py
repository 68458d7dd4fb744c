"""Collecting what the shop's own site sends: whose page is it, is it a visitor, what does it say? Then it is accepted.

Nobody signed it, so it never consents, mails or makes two people one (DESIGN §6). What is no person's is dropped
without a word; a batch that cannot be read is refused, and nothing of it is kept. The address of a caller is read where
somebody signs up, to count how many do from there, and kept as a keyed hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from rekindle.content.links import BadLinkError, read_visit
from rekindle.content.sites import Site
from rekindle.domain.errors import BodyTooLargeError, ForeignOriginError, UnknownSiteError
from rekindle.ports import Clock, Intake, Limits, Secrets
from rekindle.service.accept import accept
from rekindle.service.sign_up import SignUps, asked_by_page
from rekindle.service.sites import Sites
from rekindle.shops import onsite


class Collected(Struct, frozen=True):
    """`accepted`, `repeated`, `empty` (nothing in it could be used) or `robot`, and how many events it was."""

    what: str
    events: int = 0
    delivery_id: str = ""


class Collector:
    """Takes batches for every published shop."""

    def __init__(self, *, intake: Intake, secrets: Secrets, sites: Sites, clock: Clock, limits: Limits) -> None:
        self._intake = intake
        self._secrets = secrets
        self._sites = sites
        self._clock = clock
        self._sign_ups = SignUps(limits=limits, secrets=secrets, clock=clock)

    def site(self, shop: str, origin: str | None) -> Site:
        """Return the site, if a page of this origin may send for it.

        Raises:
            UnknownSiteError: the shop is not published, not connected, or has left.
            ForeignOriginError: the page is somebody else's.
        """
        site = self._sites.of(shop)
        known = self._secrets.shop(shop) if site is not None else None
        if site is None or known is None:
            raise UnknownSiteError("no such shop")
        if not onsite.is_welcome(origin, {*site.hosts, known.domain}, site.platform):
            raise ForeignOriginError("this page is not the shop's: its hosts are in shops/<id>.yaml, url and domains")
        return site

    def receive(self, shop: str, headers: Mapping[str, str], body: bytes, ip: str = "") -> Collected:
        """Store what a visit says. `headers` are in lower case; `ip` is where it comes from, which only sign-ups count.

        Raises a `RequestError` for what is refused.
        """
        if len(body) > onsite.BODY_LIMIT:
            raise BodyTooLargeError(f"the body is over {onsite.BODY_LIMIT} bytes")
        site = self.site(shop, headers.get("origin"))
        if onsite.is_robot(headers.get("user-agent", "")):
            return Collected("robot")
        now = self._clock.now()
        batch = onsite.read(
            body,
            shop=shop,
            platform=site.platform,
            url=site.url,
            hosts=site.hosts,
            currency=site.currency,
            received_at=now,
        )
        profile = self._led_here(batch.visit, shop, now)
        delivery = onsite.recognised(batch, profile) if profile is not None else batch.delivery
        delivery = asked_by_page(delivery, site, self._sign_ups, ip)
        if not delivery.events:
            return Collected("empty")
        new = accept(delivery, self._intake, self._secrets.address_key())
        return Collected("accepted" if new else "repeated", len(delivery.events), delivery.id)

    def _led_here(self, token: str | None, shop: str, now: datetime) -> str | None:
        """Return whose mail led to this visit, if the token says so and is still good; the rest of it counts anyway."""
        if token is None:
            return None
        try:
            claim = read_visit(self._secrets.link_keys(), token)
        except BadLinkError:
            return None
        return claim.profile if claim.shop == shop and now.timestamp() < claim.until else None
