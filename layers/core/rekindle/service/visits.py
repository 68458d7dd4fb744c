"""Somebody at a page that a signed link opened: who they are, how the page speaks and looks, telling what they said.

The link is the capability: whoever holds it may answer for its person, and is shown nothing but masked values. Nothing
is told without an answer, and everything that one answer says is told in one accepted delivery.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from rekindle.content.links import Unsubscribe
from rekindle.content.pages import layout, texts
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.layout import Page
from rekindle.content.pages.settings import PageSettings
from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.domain.facts import Consent, Fact
from rekindle.domain.profile import Profile
from rekindle.domain.zones import zone_of
from rekindle.flow.local_time import zone
from rekindle.flow.program import Shop
from rekindle.ports import Clock, Desk, Intake
from rekindle.service.accept import accept
from rekindle.service.people import address_hash, address_hashes, follow

CHANNELS = ("email", "sms", "push")
#: So often in a minute somebody may change their mind.
_TURNS = 8

#: An event type, and the fact that it tells.
Told = tuple[str, Fact]


class Answer(NamedTuple):
    """A page, its status, what happened (`shown`, `saved`, `stopped`, `refused`), and in which delivery it is told."""

    status: int
    page: Page
    what: str
    delivery_id: str | None = None


class Visit(NamedTuple):
    """Somebody at a page: whose link it is, what is known of them, and how the page speaks and looks."""

    claim: Unsubscribe
    profile: Profile | None
    shop: Shop | None
    published: PageSettings
    look: layout.Look
    spoken: str
    now: datetime


class Visits:
    """Receives whoever holds a link, and tells what they said."""

    def __init__(self, *, desk: Desk, intake: Intake, clock: Clock, address_key: bytes) -> None:
        """Take the ports."""
        self.desk = desk
        self._intake = intake
        self._clock = clock
        self._key = address_key

    def come(self, claim: Unsubscribe, published: PageSettings, accept_language: str | None) -> Visit:
        """Return who has come. Changes nothing."""
        found = follow(self.desk.profile, claim.profile)
        profile = found if found is not None and found.shop == claim.shop else None
        shop = published.shops.get(claim.shop)
        chosen = profile.preferences.language if profile is not None else None
        wishes = (chosen.value if chosen is not None else None, claim.locale, profile.locale if profile else None)
        return Visit(
            claim=claim,
            profile=profile,
            shop=shop,
            published=published,
            look=layout.look_of(published.brand, shop),
            spoken=texts.language(accept_language, *wishes),
            now=self._clock.now(),
        )

    def addressed(self, visit: Visit) -> bool:
        """Whether the link was sent to an address that is this person's still: only for that may they agree by it."""
        claim, profile = visit.claim, visit.profile
        return profile is not None and claim.address in address_hashes(self._key, profile, claim.channel)

    def refused(self, profile: Profile, channel: str) -> frozenset[str]:
        """Return what is refused for the person's address of this channel: `marketing`, `everything`."""
        hashes = address_hashes(self._key, profile, channel)
        return frozenset(cover for hashed in hashes for cover in self.desk.refused(profile.shop, channel, hashed))

    def said(self, profile: Profile, channel: str, state: str, now: datetime, source: str) -> Told:
        """Return somebody's word on a channel, for the address that they have now."""
        address = None if channel == "push" else profile.address(channel)
        kind = "email" if channel == "email" else "phone"
        return "consent.changed", Consent(
            channel=channel,  # type: ignore[arg-type]  # one of `CHANNELS`
            state=state,  # type: ignore[arg-type]
            at=now,
            source=source,
            address_key=address_hash(self._key, kind, address) if address is not None else None,
        )

    def stopped(self, visit: Visit, source: str) -> tuple[Told, ...]:
        """Return the refusals of everything: of each channel, and of the address that the link was sent to."""
        claim, profile, now = visit.claim, visit.profile, visit.now
        linked = Consent(
            channel=claim.channel,  # type: ignore[arg-type]  # signed by us: one of our own channels
            state="unsubscribed",
            at=now,
            source=source,
            address_key=claim.address,
        )
        found: list[Told] = [("consent.changed", linked)]
        if profile is not None:
            channels = [channel for channel in CHANNELS if profile.address(channel)]
            found += [self.said(profile, channel, "unsubscribed", now, source) for channel in channels]
        return tuple(dict.fromkeys(found))

    def tell(self, topic: str, visit: Visit, posted: Posted, told: Sequence[Told]) -> str | None:
        """Accept what was said, once, and return the delivery: the same form again within its minute is a repeat.

        The last word holds: what is said in one minute stands in turn, so that who goes back to their first word has
        said a new one.
        """
        if not told:
            return None
        claim, minute = visit.claim, visit.now.strftime("%Y-%m-%dT%H:%M")
        turns = [ids.digest(topic, claim.shop, claim.profile, claim.address, minute, str(n)) for n in range(_TURNS + 1)]
        for turn, following in itertools.pairwise(turns):
            word = ids.digest(turn, posted.whole())
            if accept(_news(topic, visit, told, word, also=(turn,)), self._intake, self._key):
                return word
            if self._intake.known((word, following)) == {word}:
                return word
        # Nobody means so much: whatever else is said in this minute is taken once.
        word = ids.digest(turns[-1], posted.whole())
        accept(_news(topic, visit, told, word), self._intake, self._key)
        return word


def _news(topic: str, visit: Visit, told: Sequence[Told], delivery: str, also: tuple[str, ...] = ()) -> Delivery:
    shop, now = visit.claim.shop, visit.now
    events = tuple(
        Event(
            id=ids.digest("event", delivery, str(place)),
            shop=shop,
            type=kind,
            occurred_at=now,
            received_at=now,
            profile_id=visit.claim.profile,
            data=fact,
        )
        for place, (kind, fact) in enumerate(told)
    )
    return Delivery(id=delivery, shop=shop, source="link", topic=topic, received_at=now, events=events, also=also)


def day_of(visit: Visit, moment: datetime) -> date:
    """Return the day on which a moment was, or will be, where this person lives."""
    known = zone_of(visit.profile) if visit.profile is not None else None
    names = (known[0] if known else None, visit.shop.zone if visit.shop is not None else None, "UTC")
    where = next(found for name in names if name and (found := zone(name)) is not None)
    return moment.astimezone(where).date()
