"""Applying: load, advance, hand over, commit; only then is the event let go (DESIGN §6).

The only writer of profiles. Everything handed over before the commit has a deterministic name and is safe to repeat; if
the commit never comes, it is ignored, because the profile is the truth.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError, PendingGoneError
from rekindle.domain.events import Event
from rekindle.domain.facts import Alarm, Consent, Engagement, PrivacyRequest, Product
from rekindle.domain.outcome import Decision, Effect, Enqueue, LiftSuppression, RingAt
from rekindle.domain.profile import Profile
from rekindle.flow.engine import advance, forget_planned
from rekindle.flow.merge import merge
from rekindle.ports import (
    Alarms,
    Clock,
    Commit,
    Merged,
    Parcel,
    Pending,
    PrivacyQueue,
    PrivacyTask,
    SendQueues,
    State,
    Wake,
    Work,
)
from rekindle.service.graves import buried, remembering
from rekindle.service.library import Library
from rekindle.service.people import Load, Share, address_hash, follow, share_out, shared_addresses

#: How often a lost race is run again before the wake queue takes over.
RACES = 4
#: How long, in seconds, the wake queue holds what could not be applied at once.
RETRY_DELAY = 30
#: An anonymous visitor is forgotten after so long (DESIGN §4).
ANONYMOUS_LIFE = timedelta(days=90)

#: What `send` or a delivery notice has settled for good.
SETTLED = frozenset({"sent", "delivered", "bounced", "complained", "failed", "skipped"})

_log = logging.getLogger(__name__)


class Advanced(Struct, frozen=True):
    """Some events taken by one profile: what it became, what is to be done, and why."""

    profile: Profile
    effects: tuple[Effect, ...]
    decisions: tuple[Decision, ...]


class Journey:
    """Applies pending events and alarms to profiles."""

    def __init__(
        self,
        *,
        state: State,
        alarms: Alarms,
        queues: SendQueues,
        privacy: PrivacyQueue,
        library: Library,
        clock: Clock,
        address_key: bytes,
    ) -> None:
        self._state = state
        self._privacy = privacy
        self._alarms = alarms
        self._queues = queues
        self._library = library
        self._clock = clock
        self._key = address_key

    # --- the two ways in

    def from_stream(self, pending: Pending) -> None:
        """Apply what was just accepted. Never fails: what cannot be applied now goes to the wake queue."""
        try:
            self.apply(pending)
        except Exception:  # noqa: BLE001
            # Whatever it was, it is logged here and tried again there: the stream would stand still behind one bad
            # record, the wake queue tries again and then parks it (DESIGN §6).
            _log.exception("not applied, handed to the wake queue", extra={"pending_id": pending.id})
            self._alarms.wake([Wake(pending_id=pending.id)], RETRY_DELAY)

    def wake(self, wake: Wake) -> None:
        """Do what a message on the wake queue says. Raises where the queue should bring it again."""
        if wake.pending_id is not None:
            pending = self._state.pending(wake.pending_id)
            if pending is not None:
                self.apply(pending)
        if wake.profile_id is not None:
            self.ring(wake.profile_id)

    # --- a pending item

    def apply(self, pending: Pending) -> None:
        """Apply a pending item once, however often this is called. Raises `ConflictError` when every race was lost."""
        for race in range(RACES):
            try:
                self._apply_once(pending)
            except PendingGoneError:
                return
            except ConflictError:
                if race == RACES - 1:
                    raise
            else:
                return

    def _apply_once(self, pending: Pending) -> None:
        work = self._state.work(pending)
        if work is None:
            return
        now = self._clock.now()
        load = functools.cache(self._state.profile)
        events = self._without_private(pending, work, load)
        shares, nobody = share_out(work, events, load, self._key, now)
        shares = remembering(shares, load)
        for alias, customer in shared_addresses(events, shares, self._key):
            self._state.share_address(alias, customer)
        products = tuple(event.data for event in nobody if isinstance(event.data, Product))
        if len(shares) > 1:
            self._split(pending, work.events, shares, products)
        elif shares:
            self._commit(pending, shares[0], products)
        else:
            self._state.commit(Commit(shop=pending.shop, pending_id=pending.id, products=products))

    def _without_private(self, pending: Pending, work: Work, load: Load) -> tuple[Event, ...]:
        """Return the events that are for this item, after handing to privacy what no profile may ever take.

        That is what asks for privacy, and what was said of people before they were erased (docs/privacy.md).
        """
        places = [place for place in pending.only or range(len(work.events)) if place < len(work.events)]
        owners = {key: owner for key, owner in work.owners.items() if key not in work.quarantined}
        private = [
            place
            for place in places
            if isinstance(work.events[place].data, PrivacyRequest)
            or buried(work.events[place], owners, load, self._key)
        ]
        if private:
            self._privacy.ask([PrivacyTask(delivery_id=pending.delivery_id, index=place) for place in private])
        return tuple(work.events[place] for place in places if place not in private)

    def _split(
        self, pending: Pending, events: Sequence[Event], shares: Sequence[Share], products: tuple[Product, ...]
    ) -> None:
        """Give each person's events a pending item of their own, so that each commits with one profile."""
        place = {event.id: index for index, event in enumerate(events)}
        parts = [
            replace(
                pending,
                id=f"{pending.id}#{share.profile.id}",
                only=tuple(place[event.id] for event in share.events),
                tries=0,
            )
            for share in shares
        ]
        if products:
            self._state.commit(Commit(shop=pending.shop, products=products))
        self._state.split(pending, parts)

    def _commit(self, pending: Pending, share: Share, products: tuple[Product, ...]) -> None:
        now = self._clock.now()
        stored = share.profile
        for other in share.absorbed:
            stored = merge(stored, other, now)
        advanced = self._advance(stored, share.events)
        profile = advanced.profile
        profile = replace(
            profile,
            version=share.profile.version + 1,
            aliases=tuple(dict.fromkeys((*profile.aliases, *(alias.key for alias in share.aliases)))),
        )
        self._hand_over(profile, advanced.effects)
        self._state.commit(
            Commit(
                shop=pending.shop,
                pending_id=pending.id,
                profile=profile,
                aliases=share.aliases,
                merged=tuple(Merged(other.id, other.version) for other in share.absorbed),
                at=now,
                decisions=(*(_merged(share, other, now) for other in share.absorbed), *advanced.decisions),
                products=products,
                expires_at=now + ANONYMOUS_LIFE if profile.anonymous else None,
            )
        )

    # --- an alarm

    def ring(self, profile_id: str) -> None:
        """Do what is due for this profile and set its next alarm. Raises `ConflictError` when every race was lost."""
        for race in range(RACES):
            stored = follow(self._state.profile, profile_id)
            if stored is None:
                return
            now = self._clock.now()
            event = Event(
                id=ids.digest("alarm", stored.id, now.isoformat()),
                shop=stored.shop,
                type="alarm.rang",
                occurred_at=now,
                received_at=now,
                data=Alarm(),
                profile_id=stored.id,
            )
            advanced = self._advance(stored, (event,))
            if advanced.profile == stored:
                self._hand_over(stored, advanced.effects)
                return
            profile = replace(advanced.profile, version=stored.version + 1)
            self._hand_over(profile, advanced.effects)
            try:
                self._state.commit(Commit(shop=profile.shop, profile=profile, at=now, decisions=advanced.decisions))
            except ConflictError:
                if race == RACES - 1:
                    raise
            else:
                return

    # --- what both share

    def _advance(self, stored: Profile, events: Sequence[Event]) -> Advanced:
        profile = stored
        now = self._clock.now()
        if profile.planned:
            records = self._state.messages(tuple(profile.planned))
            settled = [message for message, record in records.items() if record.state in SETTLED]
            profile = forget_planned(profile, settled, now)
        effects: list[Effect] = []
        decisions: list[Decision] = []
        playbook = self._library.for_profile(profile)
        for event in events:
            outcome = advance(profile, self._addressed(event, profile), playbook, now)
            profile = outcome.profile
            effects += outcome.effects
            decisions += outcome.decisions
        return Advanced(profile, tuple(effects), tuple(decisions))

    def _addressed(self, event: Event, profile: Profile) -> Event:
        """Give what came by a link or a channel its address, known there only as a hash, if it is still theirs."""
        data = event.data
        if isinstance(data, (Consent, Engagement)) and data.address is None and data.address_key is not None:
            address = profile.address(data.channel)
            kind = "email" if data.channel == "email" else "phone"
            if address and address_hash(self._key, kind, address) == data.address_key:
                return replace(event, data=replace(data, address=address))
        return event

    def _hand_over(self, profile: Profile, effects: Sequence[Effect]) -> None:
        now = self._clock.now()
        rings = [effect for effect in effects if isinstance(effect, RingAt)]
        if rings and profile.deadline is not None:
            self._alarms.ring(profile.id, profile.deadline, now)
        parcels = [
            Parcel(
                message_id=effect.message_id,
                profile_id=profile.id,
                version=profile.version,
                category=effect.category,
                since=now,
            )
            for effect in effects
            if isinstance(effect, Enqueue)
        ]
        if parcels:
            self._queues.enqueue(parcels)
        for effect in effects:
            if isinstance(effect, LiftSuppression):
                kind = "email" if effect.channel == "email" else "phone"
                hashed = address_hash(self._key, kind, effect.address)
                self._state.lift(profile.shop, effect.channel, hashed, effect.granted_at)


def _merged(share: Share, other: Profile, now: datetime) -> Decision:
    why = "seen before the person was known" if other.anonymous else "one customer with one address, signed by the shop"
    event = share.events[0]
    return Decision(at=now, what="merged", rule=why, event_id=event.id, values={"profile": other.id})
