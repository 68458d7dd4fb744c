"""Applying: load, advance, hand over, commit; only then is the event let go (DESIGN §6).

The only writer of profiles. Everything handed over before the commit has a deterministic name and is safe to repeat; if
the commit never comes, it is ignored, because the profile is the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import ConflictError, PendingGoneError
from rekindle.domain.events import Event, Suppression
from rekindle.domain.facts import Alarm, Campaign, Consent, Engagement, PrivacyRequest, Product, Referral, VariantStock
from rekindle.domain.outcome import Decision, Effect, Enqueue, LiftSuppression, PutSuppression, Refer, RingAt
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.domain.results import Count, changes
from rekindle.flow.engine import advance, forget_planned
from rekindle.flow.merge import MERGED, unite
from rekindle.ports import (
    Alarms,
    CatalogueQueue,
    CatalogueTask,
    Clock,
    Commit,
    Merged,
    Parcel,
    Pending,
    PrivacyQueue,
    PrivacyTask,
    SendQueues,
    State,
    Stocked,
    Wake,
    Work,
    label_of,
)
from rekindle.service.graves import buried, remembering, risen
from rekindle.service.interests import noted
from rekindle.service.library import Library
from rekindle.service.memories import filled, missing
from rekindle.service.people import (
    ADDRESS_KINDS,
    Load,
    Share,
    address_hash,
    address_hashes,
    follow,
    share_out,
    shared_addresses,
)
from rekindle.service.purchases import purchases
from rekindle.service.referrals import referred

#: How often a lost race is run again before the wake queue takes over.
RACES = 4
#: Seconds after which it is looked again whether a referral was committed: together longer than a worker may be at it.
_LOOKS = (2, 5, 10, 20, 40, 80)
#: How long, in seconds, the wake queue holds what could not be applied at once.
RETRY_DELAY = 30
#: An anonymous visitor is forgotten after so long (DESIGN §4).
ANONYMOUS_LIFE = timedelta(days=90)

#: What `send` or a delivery notice has settled for good.
SETTLED = frozenset({"sent", "delivered", "bounced", "complained", "failed", "skipped"})
#: Of these, what never went out: it counts against no cap.
UNSENT = frozenset({"failed", "skipped"})

_log = logging.getLogger(__name__)


class Advanced(Struct, frozen=True):
    """Some events taken by one profile: what it became, what is to be done, and why."""

    profile: Profile
    effects: tuple[Effect, ...]
    decisions: tuple[Decision, ...]
    counts: tuple[Count, ...] = ()


class Traced(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision about a run or a message, by its ids."""

    what: str
    flow: str | None = None
    run: str | None = None
    step: str | None = None
    message_id: str | None = None


class Applied(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one pending item, or of one alarm: ids only, for whoever follows a message to what led to it."""

    what: str
    """`applied`, `split`, `nobody` where it is about nobody or not to be kept; of what no delivery brought its type"""
    delivery_id: str | None = None
    profile_id: str | None = None
    profiles: tuple[str, ...] = ()
    """of what was split: the people whom it is about"""
    about: tuple[str, ...] = ()
    """the messages that it tells of, such as one that was opened"""
    decided: tuple[Traced, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether it has nothing to do with a message: then the ledger's line of it is enough."""
        return not (self.decided or self.about or self.profiles)


#: So many decisions are traced of one item: a busy person has fewer.
_TRACED = 20


class Journey:
    """Applies pending events and alarms to profiles."""

    def __init__(
        self,
        *,
        state: State,
        alarms: Alarms,
        queues: SendQueues,
        privacy: PrivacyQueue,
        catalogue: CatalogueQueue,
        library: Library,
        clock: Clock,
        address_key: bytes,
        note: Callable[[Applied], None] = lambda _: None,
    ) -> None:
        """Take the ports; `note` is told of each thing that was applied, after its commit."""
        self._note = note
        self._state = state
        self._privacy = privacy
        self._catalogue = catalogue
        self._alarms = alarms
        self._queues = queues
        self._library = library
        self._clock = clock
        self._key = address_key

    # --- the two ways in

    def from_stream(self, pending: Pending) -> bool:
        """Apply what was just accepted; return whether it was. What cannot be applied now goes to the wake queue.

        Never fails for the sake of one item.
        """
        try:
            self.apply(pending)
        except Exception:  # noqa: BLE001
            # Whatever it was, it is logged here and tried again there: the stream would stand still behind one bad
            # record, the wake queue tries again and then parks it (DESIGN §6).
            _log.exception("not applied, handed to the wake queue", extra={"pending_id": pending.id})
            self._alarms.wake([Wake(pending_id=pending.id)], RETRY_DELAY)
            return False
        return True

    def wake(self, wake: Wake) -> None:
        """Do what a message on the wake queue says. Raises where the queue should bring it again."""
        if wake.pending_id is not None:
            pending = self._state.pending(wake.pending_id)
            if pending is not None:
                self.apply(pending)
        if wake.profile_id is not None and wake.campaign is not None:
            self.call(wake.profile_id, wake.campaign)
        elif wake.profile_id is not None and wake.referral is not None:
            self.refer(wake.profile_id, wake.referral, wake)
        elif wake.profile_id is not None:
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
        load = _once(self._state.profile)
        events = self._without_private(pending, work, load)
        named = {event.id: event.profile_id for event in events if event.profile_id is not None}
        shares, nobody = share_out(work, risen(events, load), load, self._key, now)
        shares = remembering(shares, load, named)
        for alias, customer in shared_addresses(events, shares, self._key):
            # Of one that enough share no more are counted: a till's would outgrow its item.
            if alias not in work.quarantined:
                self._state.share_address(alias, customer)
        products = tuple(event.data for event in nobody if isinstance(event.data, Product))
        self._tell_catalogue(
            [Stocked(shop=pending.shop, stock=event.data) for event in nobody if isinstance(event.data, VariantStock)]
        )
        if len(shares) > 1:
            self._split(pending, work.events, shares, products)
        elif shares:
            self._commit(pending, referred(shares[0], work.owners, load, self._key), products)
        else:
            self._state.commit(Commit(shop=pending.shop, pending_id=pending.id, products=products))
            self._note(Applied(what="nobody", delivery_id=pending.delivery_id))

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
        people = tuple(share.profile.id for share in shares)
        self._note(Applied(what="split", delivery_id=pending.delivery_id, profiles=people))

    def _commit(self, pending: Pending, share: Share, products: tuple[Product, ...]) -> None:
        now = self._clock.now()
        stored = share.profile
        for other in share.absorbed:
            stored = unite(stored, other, now)
        advanced = self._advance(stored, share.events)
        profile, interests = noted(advanced.profile)
        profile = replace(
            profile,
            version=share.profile.version + 1,
            aliases=tuple(dict.fromkeys((*profile.aliases, *(alias.key for alias in share.aliases)))),
        )
        self._hand_over(profile, advanced.effects)
        self._tell_catalogue(purchases(stored, profile, share.events, now))
        self._state.commit(
            Commit(
                shop=pending.shop,
                pending_id=pending.id,
                profile=profile,
                aliases=share.aliases,
                merged=tuple(Merged(other.id, other.version) for other in share.absorbed),
                graves=share.graves,
                at=now,
                decisions=(*_merged(share, stored, now), *advanced.decisions),
                products=products,
                interests=interests,
                suppressions=self._forbidden(profile, advanced.effects),
                counts=(*advanced.counts, *changes((share.profile, *share.absorbed), profile)),
                expires_at=_expiry(profile, now),
            )
        )
        about = tuple(event.message_id for event in share.events if event.message_id is not None)
        self._note(
            Applied(
                what="applied",
                delivery_id=pending.delivery_id,
                profile_id=profile.id,
                about=about,
                decided=_traced(advanced.decisions),
            )
        )

    # --- an alarm, a campaign

    def ring(self, profile_id: str) -> None:
        """Do what is due for this profile and set its next alarm. Raises `ConflictError` when every race was lost."""
        self._tell(profile_id, _rang)

    def call(self, profile_id: str, campaign: Campaign) -> None:
        """Tell this profile that a campaign came. A repeat changes nothing. Raises as `ring` does."""
        self._tell(profile_id, lambda stored, now: _came(stored, campaign, now))

    def refer(self, profile_id: str, referral: Referral, wake: Wake) -> None:
        """Tell this profile that somebody whom it sent has ordered. A repeat changes nothing. Raises as `ring` does.

        Word of it is handed over before it is committed, and a race may be lost in between: the friend's profile is the
        truth. Where it does not say so yet it is looked at again for as long as a commit may take, and then no more.
        """
        if wake.friend_id is not None and not self._has_sent(profile_id, wake.friend_id):
            if wake.tries < len(_LOOKS):
                self._alarms.wake([replace(wake, tries=wake.tries + 1)], _LOOKS[wake.tries])
            return
        self._tell(profile_id, lambda stored, now: _made(stored, referral, now))

    def _has_sent(self, profile_id: str, friend_id: str) -> bool:
        friend = follow(self._state.profile, friend_id)
        if friend is None or friend.referred_by is None:
            return False
        if friend.referred_by == profile_id:
            return True
        one, two = (follow(self._state.profile, each) for each in (friend.referred_by, profile_id))
        return one is not None and two is not None and one.id == two.id

    def _tell(self, profile_id: str, event_for: Callable[[Profile, datetime], Event]) -> None:
        """Apply an event that no delivery brought, and write only what it changes."""
        for race in range(RACES):
            stored = follow(self._state.profile, profile_id)
            if stored is None:
                return
            now = self._clock.now()
            event = event_for(stored, now)
            advanced = self._advance(stored, (event,))
            worth_telling = [decision for decision in advanced.decisions if not _goes_without_saying(decision)]
            # Under another shape the same segments and moments are no news: the next change brings the shape along.
            if replace(advanced.profile, shape=stored.shape) == stored and not worth_telling:
                self._hand_over(stored, advanced.effects)
                return
            profile = replace(advanced.profile, version=stored.version + 1)
            counts = (*advanced.counts, *changes((stored,), profile))
            self._hand_over(profile, advanced.effects)
            try:
                self._state.commit(
                    Commit(
                        shop=profile.shop,
                        profile=profile,
                        at=now if counts else None,
                        decisions=advanced.decisions,
                        suppressions=self._forbidden(profile, advanced.effects),
                        counts=counts,
                        expires_at=_expiry(profile, now),
                    )
                )
            except ConflictError:
                if race == RACES - 1:
                    raise
            else:
                decided = _traced(advanced.decisions)
                self._note(Applied(what=event.type, profile_id=profile.id, decided=decided))
                return

    # --- what both share

    def _advance(self, stored: Profile, events: Sequence[Event]) -> Advanced:
        profile = stored
        now = self._clock.now()
        if profile.planned:
            records = self._state.messages(tuple(profile.planned))
            settled = [message for message, record in records.items() if record.state in SETTLED]
            unsent = [message for message in settled if records[message].state in UNSENT]
            profile = forget_planned(profile, settled, now, unsent=unsent)
        effects: list[Effect] = []
        decisions: list[Decision] = []
        counts: list[Count] = []
        playbook = self._library.for_profile(profile)
        asks = missing(profile, playbook)
        if asks:
            profile = filled(
                profile,
                asks,
                playbook=playbook,
                state=self._state,
                key=self._key,
                now=now,
                addressed=self._addressed,
            )
        for event in events:
            outcome = advance(profile, self._addressed(event, profile), playbook, now)
            profile = outcome.profile
            effects += outcome.effects
            decisions += outcome.decisions
            counts += outcome.counts
        return Advanced(profile, tuple(effects), _each_once(decisions), tuple(counts))

    def _addressed(self, event: Event, profile: Profile) -> Event:
        """Give what came by a link or a channel its address, known there only as a hash, if it is still theirs.

        Who unsubscribes by a message's link counts as that message's: its record says under what.
        """
        data = event.data
        if event.message_id is not None:
            by = self._state.messages((event.message_id,)).get(event.message_id)
            event = replace(event, label=label_of(by) if by is not None else None)
        if isinstance(data, (Consent, Engagement)) and data.address is None and data.address_key is not None:
            address = profile.address(data.channel)
            if address and data.address_key in address_hashes(self._key, profile, data.channel):
                return replace(event, data=replace(data, address=address))
        return event

    def _tell_catalogue(self, tasks: Sequence[CatalogueTask]) -> None:
        """Hand over what the catalogue must know. It knows an order again that it hears of twice."""
        if tasks:
            self._catalogue.ask(tasks)

    def _forbidden(self, profile: Profile, effects: Sequence[Effect]) -> tuple[Suppression, ...]:
        """Return what flows have decided that nobody may send any more: written with the decision, or not at all."""
        return tuple(
            Suppression(
                shop=profile.shop,
                channel=effect.channel,
                address=address_hash(self._key, ADDRESS_KINDS[effect.channel], effect.address),
                covers="marketing",
                reason=effect.reason,
                since=effect.since,
            )
            for effect in effects
            if isinstance(effect, PutSuppression)
        )

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
        sent = [
            Wake(profile_id=effect.referrer, referral=effect.referral, friend_id=profile.id)
            for effect in effects
            if isinstance(effect, Refer)
        ]
        if sent:
            self._alarms.wake(sent)
        for effect in effects:
            if isinstance(effect, LiftSuppression):
                hashed = address_hash(self._key, ADDRESS_KINDS[effect.channel], effect.address)
                self._state.lift(profile.shop, effect.channel, hashed, effect.granted_at)


def _each_once(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Return the decisions, of each flow only once that an import lets nobody in: years of orders come together."""
    kept: list[Decision] = []
    told: set[str | None] = set()
    for decision in decisions:
        if (decision.what, decision.rule) == ("not_entered", "imported"):
            if decision.flow in told:
                continue
            told.add(decision.flow)
        kept.append(decision)
    return tuple(kept)


def _traced(decisions: Iterable[Decision]) -> tuple[Traced, ...]:
    found = (
        Traced(what=each.what, flow=each.flow, run=each.run, step=each.step, message_id=each.message_id)
        for each in decisions
        if each.run is not None or each.message_id is not None
    )
    return tuple(islice(found, _TRACED))


def _expiry(profile: Profile, now: datetime) -> datetime | None:
    """Return when this profile is to be forgotten, if ever: a visitor who stays unknown, a sign-up that was one."""
    if not profile.anonymous:
        return None
    return now + (sign_ups.KEPT if profile.sign_ups else ANONYMOUS_LIFE)


def _once(load: Load) -> Load:
    """Return a `load` that asks for each profile once. As `functools.cache`, which takes longer to make than to use."""
    loaded: dict[str, Profile | Signpost | Tombstone | None] = {}

    def remembered(profile_id: str) -> Profile | Signpost | Tombstone | None:
        if profile_id not in loaded:
            loaded[profile_id] = load(profile_id)
        return loaded[profile_id]

    return remembered


def _merged(share: Share, merged: Profile, now: datetime) -> Iterator[Decision]:
    """Yield who was merged and why, and which runs that ended."""
    event = share.events[0]
    for other in share.absorbed:
        known = "one customer with one address, signed by the shop"
        why = "seen before the person was known" if other.anonymous else known
        yield Decision(at=now, what="merged", rule=why, event_id=event.id, values={"profile": other.id})
    for run in merged.runs if share.absorbed else ():
        if run.ended_by == MERGED and run.ended_at == now:
            yield Decision(
                at=now,
                what="ended",
                rule=MERGED,
                flow=run.flow,
                run=run.id,
                step=run.step,
                event_id=event.id,
                values={"as": run.status},
            )


def _rang(stored: Profile, now: datetime) -> Event:
    return Event(
        id=ids.digest("alarm", stored.id, now.isoformat()),
        shop=stored.shop,
        type="alarm.rang",
        occurred_at=now,
        received_at=now,
        data=Alarm(),
        profile_id=stored.id,
    )


def _came(stored: Profile, campaign: Campaign, now: datetime) -> Event:
    return Event(
        id=ids.digest("campaign", campaign.flow, campaign.occurrence, str(campaign.trigger), stored.id),
        shop=stored.shop,
        type="campaign.came",
        occurred_at=campaign.at,
        received_at=now,
        data=campaign,
        profile_id=stored.id,
    )


def _made(stored: Profile, referral: Referral, now: datetime) -> Event:
    return Event(
        id=ids.digest("referral", referral.order_id, stored.id),
        shop=stored.shop,
        type="referral.made",
        occurred_at=referral.at,
        received_at=now,
        data=referral,
        profile_id=stored.id,
    )


def _goes_without_saying(decision: Decision) -> bool:
    """Whether a decision that changed nothing need not be written down: a campaign comes to everybody.

    Who is not in its segment is not meant by it, and who is told of it again has entered already.
    """
    return decision.what != "not_entered" or (
        decision.rule.startswith("segment: ") or decision.rule in {"already inside", "entered before"}
    )
