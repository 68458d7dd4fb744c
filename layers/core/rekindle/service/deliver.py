"""Sending: verify → lease → one attempt → record (DESIGN §6). The only caller of the delivery channels.

SES has no idempotency token, so the right to attempt a message is a lease that can be had once, and an attempt whose
outcome nobody knows is never repeated: it is `unknown`, listed and alarmed.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import (
    AddressGoneError,
    AnswerLostError,
    ContentError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
    NothingToSayError,
    RekindleError,
)
from rekindle.domain.labels import Label
from rekindle.domain.offers import coupon_id
from rekindle.domain.profile import Channel, Planned, Profile, Run, Signpost
from rekindle.flow.wishes import refused
from rekindle.ports import (
    MAX_DELAY,
    REPEATABLE,
    Clock,
    Lease,
    LeaseAnswer,
    Mail,
    Mailer,
    Message,
    MessageState,
    Outbox,
    Parcel,
    SendQueues,
)
from rekindle.service.coupons import Never, Wallet
from rekindle.service.guard import Guard, Herald, rest
from rekindle.service.pace import Pacer
from rekindle.service.people import ADDRESS_KINDS, address_hash, follow
from rekindle.service.stops import Stopping, Stops

#: Message state only moves forward: what each state may be reached from. A lease is taken from nothing or `reopened`.
FORWARD: Mapping[MessageState, tuple[MessageState, ...]] = {
    "unknown": ("leased",),
    "sent": ("leased", "unknown"),
    "delivered": ("leased", "unknown", "sent"),
    "failed": ("leased", "unknown", "sent"),
    "bounced": ("leased", "unknown", "sent", "delivered"),
    "complained": ("leased", "unknown", "sent", "delivered", "bounced"),
}

#: How long a parcel may wait for the commit that plans its message before it is taken for one that never came.
COMMIT_PATIENCE = timedelta(minutes=15)
#: Seconds between looks, growing.
LOOKS = (2, 5, 10, 20, 40, 80, 160, 300)
#: Seconds that a refused message rests: SES's rate recovers within seconds, a quota or a pause within hours.
REST = {"throttled": 15, "not_connected": 30, "quota": 900, "paused": 900, "not_allowed": 900, "uncertain": 60}
_VERIFICATIONS = 3
#: What the record of a message says that was not worth sending any more.
TOO_LATE = "too late"
#: What the record of a word to a shop names as its template.
PAUSED = "paused"
#: Runs that ended so take what they planned for the person with them; one that simply reached its end does not.
_TAKES_BACK = frozenset({"converted", "exited"})

_log = logging.getLogger(__name__)


class Done(Struct, frozen=True):
    """Nothing is left to do for this parcel.

    `how` is a state, `dropped`, `held` where another parcel waits in its place, `minting` where that waits for a
    coupon, `told` where a shop was told that it is paused, or `done` where it was settled before.
    """

    how: str
    why: str | None = None
    """of `reopened`: the reason, as `MailRefusedError` gives it"""


class LookAgain(Struct, frozen=True):
    """The parcel must come back in `delay` seconds."""

    delay: int


Verdict = Done | LookAgain


class _Taken(Struct, frozen=True):
    """The lease is taken, and the attempt is to be made together with others."""

    parcel: Parcel
    message: Message
    joint: Joint


class _HoldBack(Struct, frozen=True):
    """The message may not go for `delay` seconds or more (manners, guard, pace): the parcel is to be queued anew.

    Or its coupon is not there: then it goes to those who make it (`mint`), and comes back from them.
    """

    delay: int
    coupon: str = ""
    """which one, where one has to be made"""


#: A message that its profile holds as planned, with its run; and why it must not go, if anything forbids it.
_Verified = tuple[Profile, Planned, Run, str | None]


class Joint(Struct, frozen=True):
    """What all attempts of a batch that have this `key` do by one call: `make`, of their parts, as `Attempt.make`."""

    key: tuple[str, ...]
    part: Any
    make: Callable[[Sequence[Any]], str]


class Answer(Struct, frozen=True):
    """What came of an attempt: the vendor's id, or the error that it ended with.

    `gone`: the addresses of which the channel said that they take nothing any more, as `Message.gone` has them.
    """

    outcome: str | RekindleError
    gone: tuple[str, ...] = ()


class Attempt(Struct, frozen=True):
    """A message that is ready to go: `make` hands it to the channel, once, and returns the vendor's id.

    `address` is where it goes, `targets` where its links lead, by index (`Message.targets`). `make` raises
    `MailRefusedError`, `MailRejectedError` or `MailUncertainError`; where there is more to say, it returns an `Answer`.
    """

    address: str
    make: Callable[[], str | Answer]
    targets: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    """further channels and addresses (keyed hashes) whose refusals forbid it"""
    joint: Joint | None = None
    """for what is done better together with others of a batch"""


#: Makes a planned message of one channel ready. Raises `ContentError` when that cannot be done, `NothingToSayError`
#: when what it was to tell is no longer so.
Ready = Callable[[str, Profile, Planned, Run], Attempt]
#: Hears that one of the addresses of this message (`Message.gone`) takes nothing any more; raises where it could not.
Hear = Callable[[Message, str], None]


class Builder(Protocol):
    """Makes mails."""

    def prepare(self, wanted: Sequence[tuple[Profile, Planned, Run]]) -> None:
        """Read, in as few calls as can be, what these planned mails will show."""
        ...

    def build(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Mail:
        """Return the mail for this planned message. Raises `ContentError` when it cannot be made."""
        ...


class Deliver:
    """Delivers parcels: each message at most once."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        queues: SendQueues,
        mailer: Mailer,
        builder: Builder,
        clock: Clock,
        address_key: bytes,
        new_token: Callable[[], str],
        lease_life: timedelta,
        guard: Guard | None = None,
        herald: Herald | None = None,
        pacer: Pacer | None = None,
        channels: Mapping[Channel, Ready] | None = None,
        wallet: Wallet | None = None,
        mint: SendQueues | None = None,
        stops: Stops | None = None,
        gone: Hear | None = None,
    ) -> None:
        """Take the ports. `lease_life` is how long a lease may be open: twice the function's time-out.

        Without a `guard` nothing is counted and nobody is paused; without a `herald` no shop is told that it is;
        without a `pacer` mails go as fast as they can. `channels` is what can be sent beside mails. `wallet` knows what
        messages give, and `mint` are the queues of those who make coupons: without both nothing that gives an offer is
        sent, for the `builder` refuses it. `gone` hears what channels say of addresses: without it nobody does.
        Without `stops` no campaign can be stopped.
        """
        self._outbox = outbox
        self._queues = queues
        self._mailer = mailer
        self._builder = builder
        #: What this installation can send. Messages of every other channel are skipped.
        self._channels: Mapping[Channel, Ready] = {"email": self._mail, **(channels or {})}
        self._clock = clock
        self._key = address_key
        self._new_token = new_token
        self._lease_life = lease_life
        self._guard = guard
        self._herald = herald
        self._pacer = pacer
        self._wallet = wallet
        self._mint = mint
        self._stops = stops
        self._gone = gone

    def batch(self, parcels: Sequence[tuple[Parcel, int]]) -> list[Verdict | Exception]:
        """Deliver parcels, each with how often it was received before; return what became of each, in order.

        One parcel's failure never touches another: it stands in the list as the exception that it was. With a pacer it
        takes as long as the mails may take; what the batch has no time left for is queued anew.
        """
        if self._pacer is not None:
            self._pacer.begin()
        pairs = [(parcel.message_id, parcel.profile_id) for parcel, _ in parcels]
        messages, profiles = self._outbox.read(pairs)
        self._prepare(parcels, messages, profiles)
        first: list[Verdict | _HoldBack | _Taken | Exception] = []
        for parcel, looks in parcels:
            try:
                message = messages.get(parcel.message_id)
                if message is not None:
                    self._hear_again(message)
                if parcel.paused:
                    first.append(self._word(parcel, looks, message))
                else:
                    first.append(self._one(parcel, looks, message, profiles))
            except Exception as error:  # noqa: BLE001 - handed to the caller, who lets the queue bring it again
                _log.exception("not delivered", extra={"message_id": parcel.message_id})
                first.append(error)
        found = self._together(first)
        self._count(parcels, found, profiles)
        said = self._hold_back(parcels, found)
        if self._pacer is not None:
            self._pacer.end()
        return said

    def _together(
        self, first: Sequence[Verdict | _HoldBack | _Taken | Exception]
    ) -> list[Verdict | _HoldBack | Exception]:
        """Make the attempts that wait for one another, each kind by one call; return what became of all."""
        kinds: dict[tuple[str, ...], list[Joint]] = {}
        for each in first:
            if isinstance(each, _Taken):
                kinds.setdefault(each.joint.key, []).append(each.joint)
        answers: dict[tuple[str, ...], Answer | Exception] = {}
        for key, joints in kinds.items():
            try:
                answers[key] = _answer(partial(joints[0].make, [joint.part for joint in joints]))
            except Exception as error:  # noqa: BLE001 - theirs alone: what else was in the batch is done
                _log.exception("not asked", extra={"shop": key[0]})
                answers[key] = error
        found: list[Verdict | _HoldBack | Exception] = []
        for each in first:
            if not isinstance(each, _Taken):
                found.append(each)
                continue
            answer = answers[each.joint.key]
            if isinstance(answer, Exception):
                found.append(answer)
                continue
            try:
                found.append(self._made(each.parcel, each.message, answer))
            except Exception as error:  # noqa: BLE001 - as above: the queue brings it again
                _log.exception("not recorded", extra={"message_id": each.parcel.message_id})
                found.append(error)
        return found

    def _count(
        self,
        parcels: Sequence[tuple[Parcel, int]],
        found: Sequence[Verdict | _HoldBack | Exception],
        profiles: Mapping[str, Profile | Signpost],
    ) -> None:
        """Tell the guard how many mails went out, in one call for each shop of the batch.

        Of somebody who was merged meanwhile the shop is not known without another call: a rate can do without them.
        """
        if self._guard is None:
            return
        sent: Counter[str] = Counter()
        for (parcel, _), verdict in zip(parcels, found, strict=True):
            profile = profiles.get(parcel.profile_id)
            if verdict == Done("sent") and isinstance(profile, Profile):
                planned = profile.planned.get(parcel.message_id)
                if planned is None or _counts(planned):
                    sent[profile.shop] += 1
        self._guard.sent(sent)

    def _hold_back(
        self, parcels: Sequence[tuple[Parcel, int]], found: Sequence[Verdict | _HoldBack | Exception]
    ) -> list[Verdict | Exception]:
        """Queue what must wait anew, in one call for each delay; say of it what happened, of the rest what is said.

        A new message instead of the old one made invisible: a night has more looks than the queue allows receives, and
        a queue takes only so many messages that are received and not deleted. It comes last in a batch: a function that
        dies in an attempt must not leave a second parcel of each message behind whenever the queue brings them again.
        """
        held: dict[tuple[bool, int], list[Parcel]] = {}
        for (parcel, _), verdict in zip(parcels, found, strict=True):
            if isinstance(verdict, _HoldBack):
                anew = replace(parcel, coupon=verdict.coupon) if verdict.coupon else parcel
                held.setdefault((bool(verdict.coupon), verdict.delay), []).append(anew)
        said: dict[tuple[bool, int], Verdict | Exception] = {}
        for (minting, delay), waiting in held.items():
            queues = self._mint if minting and self._mint is not None else self._queues
            try:
                queues.enqueue(list(dict.fromkeys(waiting)), delay)
                said[minting, delay] = Done("minting" if minting else "held")
            except Exception as error:  # noqa: BLE001 - the old parcels come again; some may be there twice then
                _log.exception("not held back", extra={"message_ids": [parcel.message_id for parcel in waiting]})
                said[minting, delay] = error
        return [
            said[bool(verdict.coupon), verdict.delay] if isinstance(verdict, _HoldBack) else verdict
            for verdict in found
        ]

    def _prepare(
        self,
        parcels: Sequence[tuple[Parcel, int]],
        messages: Mapping[str, Message],
        profiles: Mapping[str, Profile | Signpost],
    ) -> None:
        wanted = []
        now = self._clock.now()
        for parcel, _ in parcels:
            profile = profiles.get(parcel.profile_id)
            if not isinstance(profile, Profile) or parcel.message_id in messages:
                continue
            planned = profile.planned.get(parcel.message_id)
            if planned is None or planned.channel not in self._channels or self._paused_for(profile.shop, planned, now):
                continue
            if _quiet_for(planned, now) is None:
                wanted += [(profile, planned, run) for run in profile.runs if run.id == planned.run]
        if self._wallet is not None:
            self._wallet.prepare([(planned, run) for _, planned, run in wanted])
        if wanted:
            self._builder.prepare(wanted)

    def _one(
        self, parcel: Parcel, looks: int, message: Message | None, profiles: Mapping[str, Profile | Signpost]
    ) -> Verdict | _HoldBack | _Taken:
        if message is not None and message.state != "reopened":
            return self._seen_before(message, looks)
        found = profiles.get(parcel.profile_id)
        profile = self._follow(found) if found is not None else None
        for _ in range(_VERIFICATIONS):
            verdict = self._in_turn(parcel, profile, looks)
            if not isinstance(verdict, tuple):
                return verdict
            profile, planned, run, why = verdict
            now = self._clock.now()
            if why:
                return self._skip(parcel, profile, planned, why, now)
            try:
                attempt = self._channels[planned.channel](parcel.message_id, profile, planned, run)
            except (ContentError, NothingToSayError) as error:
                return self._unmade(parcel, profile, planned, error, now)
            taken = replace(
                _record(parcel, profile, planned, self._hashed(planned, attempt.address)),
                state="leased",
                token=self._new_token(),
                leased_at=now,
                targets=attempt.targets,
            )
            covers = ("everything", "marketing") if planned.category == "marketing" else ("everything",)
            answer = self._take(
                Lease(
                    message=taken,
                    profile_id=profile.id,
                    profile_version=profile.version,
                    covers=covers,
                    also=attempt.also,
                )
            )
            if answer == "taken":
                return self._attempt(parcel, taken, attempt)
            if answer == "suppressed":
                return self._skip(parcel, profile, planned, "suppressed", now)
            if answer == "held":
                return LookAgain(_step(looks))
            if answer == "lost":
                return self._give_up(taken, looks)
            profile = self._reload(parcel)
        return LookAgain(_step(looks))

    # --- 1. what the record says

    def _seen_before(self, message: Message, looks: int) -> Verdict:
        if message.state != "leased":
            return Done("done")
        now = self._clock.now()
        if message.leased_at is not None and now - message.leased_at < self._lease_life:
            return LookAgain(max(_step(looks), 5))
        if message.channel in REPEATABLE:
            self._outbox.record(replace(message, state="reopened", at=now), token=message.token)
            return LookAgain(1)
        return self._close(message, "unknown", "the worker that held the lease never came back")

    # --- 2. what the profile says

    def _in_turn(self, parcel: Parcel, profile: Profile | None, looks: int) -> Verdict | _HoldBack | _Verified:
        """Verify the message; where it may go, wait for its turn and verify it again: a few seconds may have passed."""
        now = self._clock.now()
        verdict = self._verify(parcel, profile, looks, now)
        if isinstance(verdict, tuple) and self._crossed(verdict[0], verdict[1], now):
            return LookAgain(_step(looks))
        if self._pacer is None or not isinstance(verdict, tuple):
            return verdict
        _, planned, _, why = verdict
        if why is not None:
            return verdict
        if planned.channel != "email":
            # No rate of SES's; but phone networks and push services that hang must not run the worker out of its time.
            return _HoldBack(1) if self._pacer.over else verdict
        later = self._pacer.turn(planned.category, now - planned.planned_at)
        if later is not None:
            return _HoldBack(_at_most(later, planned.not_after - now))
        return self._verify(parcel, profile, looks, self._clock.now())

    def _verify(
        self, parcel: Parcel, profile: Profile | None, looks: int, now: datetime
    ) -> Verdict | _HoldBack | _Verified:
        moved = profile is not None and profile.id != parcel.profile_id
        if profile is None or (not moved and profile.version < parcel.version):
            waited = now - parcel.since if parcel.since else timedelta(0)
            return LookAgain(_step(looks)) if waited < COMMIT_PATIENCE else Done("dropped")
        planned = profile.planned.get(parcel.message_id)
        if planned is None:
            # Handed over for a decision that was never committed, or settled since.
            return Done("dropped")
        run = next((run for run in profile.runs if run.id == planned.run), None if planned.run else _nobodys(planned))
        if run is None:
            return Done("dropped")
        why = self._refusal(profile, parcel.message_id, planned, run, now)
        if why is None and self._stop(profile.shop, planned) == "cancelled":
            why = "the campaign was cancelled"
        wait = self._rests(profile.shop, planned, now)
        if why == TOO_LATE and parcel.no_coupon:
            why = f"{TOO_LATE}: its coupon could not be made ({parcel.no_coupon})"
        if why is None and wait is not None:
            return _HoldBack(wait)
        if why is None and self._wallet is not None and self._mint is not None:
            given = self._wallet.coupon(parcel.message_id, profile, planned, run, now)
            if given == "wanted":
                return _HoldBack(0, coupon=coupon_id(run.id, planned.offer))
            why = given.why if isinstance(given, Never) else None
        return profile, planned, run, why

    def _crossed(self, profile: Profile, planned: Planned, now: datetime) -> bool:
        """Whether the opposite is just being asked of the same list: whichever came last there would stay.

        Once this is planned the other gets no lease any more, so to look is enough.
        """
        if planned.channel != "audience":
            return False
        other = [
            (message, "")
            for message, each in profile.planned.items()
            if (each.channel, each.template) == ("audience", planned.template) and each.action != planned.action
        ]
        found = self._outbox.read(other)[0] if other else {}
        return any(
            message.state == "leased" and (message.leased_at or now) > now - self._lease_life
            for message in found.values()
        )

    def _paused_for(self, shop: str, planned: Planned, now: datetime) -> int | None:
        """Return how many seconds this message must rest because the guard has paused its shop; `None`: it may go."""
        if self._guard is None or planned.category != "marketing" or not _counts(planned):
            return None
        if self._guard.pause_of(shop) is None:
            return None
        return _at_most(rest(now - planned.planned_at), planned.not_after - now)

    def _rests(self, shop: str, planned: Planned, now: datetime) -> int | None:
        """Return how many seconds this message must rest: at night, in a pause of its shop or of its campaign."""
        quiet = _quiet_for(planned, now) or self._paused_for(shop, planned, now)
        if quiet is None and self._stop(shop, planned) == "paused":
            return _at_most(rest(now - planned.planned_at), planned.not_after - now)
        return quiet

    def _stop(self, shop: str, planned: Planned) -> Stopping | None:
        """Return whether the campaign that this message is of was stopped, and how."""
        if self._stops is None or planned.label is None or not planned.label.occurrence:
            return None
        return self._stops.of(shop, planned.flow, planned.label.occurrence)

    def _refusal(self, profile: Profile, message_id: str, planned: Planned, run: Run, now: datetime) -> str | None:
        """Return why this planned message must not go, if anything forbids it by now."""
        # Whoever has left still has to be taken off the list, and what the shop was to be told has happened.
        mine = planned.to == "person" and planned.action != "remove"
        if mine and run.status in _TAKES_BACK:
            return f"the run ended: {run.ended_by}"
        if planned.not_after <= now:
            return TOO_LATE
        if planned.channel not in self._channels:
            return f"{planned.channel} is not connected"
        if planned.to == "claimed":
            return None if planned.step in profile.sign_ups else "nobody asks for it any more"
        if planned.to == "shop":
            return None
        if planned.channel == "audience":
            return _unlisted(profile, planned)
        if profile.address(planned.channel) is None:
            return f"no address for {planned.channel}"
        if planned.category == "marketing" and not profile.consented(planned.channel):
            return f"no consent to marketing {planned.channel}"
        return refused(profile, message_id, planned, now)

    def _reload(self, parcel: Parcel) -> Profile | None:
        _, profiles = self._outbox.read([(parcel.message_id, parcel.profile_id)])
        found = profiles.get(parcel.profile_id)
        return self._follow(found) if found is not None else None

    def _follow(self, found: Profile | Signpost) -> Profile | None:
        if isinstance(found, Profile):
            return found

        def load(profile_id: str) -> Profile | Signpost | None:
            return self._outbox.read([("", profile_id)])[1].get(profile_id)

        return follow(load, found.to)

    # --- 3. the lease

    def _take(self, lease: Lease) -> LeaseAnswer | str:
        try:
            return self._outbox.lease(lease)
        except AnswerLostError:
            pass
        try:
            return self._outbox.lease(lease)
        except AnswerLostError:
            return "lost"

    # --- 4. and 5. the attempt, and its record

    def _mail(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        mail = self._builder.build(message_id, profile, planned, run)
        return Attempt(mail.to, partial(self._mailer.send, mail), mail.targets)

    def _attempt(self, parcel: Parcel, taken: Message, attempt: Attempt) -> Verdict | _Taken:
        if attempt.joint is not None:
            return _Taken(parcel, taken, attempt.joint)
        return self._alone(parcel, taken, attempt)

    def _alone(self, parcel: Parcel, taken: Message, attempt: Attempt) -> Verdict:
        pacer = self._pacer if taken.channel == "email" else None
        if pacer is not None:
            pacer.goes(parcel.category)
        answer = _answer(attempt.make)
        if pacer is not None and isinstance(answer.outcome, MailRefusedError):
            pacer.refused(parcel.category, answer.outcome.reason)
        return self._made(parcel, taken, answer)

    def _made(self, parcel: Parcel, taken: Message, answer: Answer) -> Verdict:
        """Record what came of the attempt, and hear what the channel said of addresses.

        Heard first: if recording fails, the message is `unknown`, and the address is off all the same. And recorded
        whether or not it could be heard: the record holds what is still to be told, and a parcel comes back for it.
        """
        told = answer.gone
        if isinstance(answer.outcome, AddressGoneError) and not told:
            told = (taken.address,)
        unheard = self._unheard(taken, told)
        verdict = self._recorded(parcel, replace(taken, gone=tuple(unheard)), answer.outcome)
        if unheard and verdict.how != "reopened":
            raise next(iter(unheard.values()))
        return verdict

    def _hear_again(self, message: Message) -> None:
        """Hear what could not be stored when the channel said it, or raise again: for that the parcel came back."""
        for error in self._unheard(message, message.gone).values():
            raise error

    def _unheard(self, message: Message, addresses: Sequence[str]) -> dict[str, Exception]:
        """Hear that these addresses are gone; return those of which that could not be stored, each with the reason."""
        unheard: dict[str, Exception] = {}
        for address in addresses:
            try:
                if self._gone is not None:
                    self._gone(message, address)
            except Exception as error:  # noqa: BLE001 - raised when the message's own fate is recorded
                unheard[address] = error
        return unheard

    def _recorded(self, parcel: Parcel, taken: Message, outcome: str | RekindleError) -> Done:
        if isinstance(outcome, MailRefusedError):
            # Reopened before it is queued again: in the other order another worker could find the lease and stop.
            reopened = replace(taken, state="reopened", why=outcome.reason, at=self._clock.now())
            # A word to a shop comes again by itself, with the next `announce`.
            if self._outbox.record(reopened, token=taken.token) and not parcel.paused:
                self._queues.enqueue([parcel], min(outcome.after or REST[outcome.reason], MAX_DELAY))
            return Done("reopened", outcome.reason)
        if isinstance(outcome, MailRejectedError):
            return self._close(taken, "failed", str(outcome))
        if isinstance(outcome, RekindleError):
            return self._close(taken, "unknown", str(outcome))
        return self._close(replace(taken, vendor_id=outcome), "sent", None)

    def _give_up(self, taken: Message, looks: int) -> Verdict:
        """Nobody knows whether the lease was taken. No attempt was made: it shows as unknown, or is absent still."""
        if taken.channel in REPEATABLE:
            return LookAgain(_step(looks))
        lost = replace(taken, state="unknown", why="the lease's answer was lost; no attempt was made")
        written = self._outbox.record(replace(lost, at=self._clock.now()), token=taken.token)
        return Done("unknown") if written else LookAgain(_step(looks))

    def _close(self, message: Message, state: MessageState, why: str | None) -> Done:
        closed = replace(message, state=state, why=why, at=self._clock.now())
        # Not written means that a delivery notice came first and knows more.
        self._outbox.record(closed, token=message.token)
        return Done(state)

    # --- the guard's word to a shop

    def _word(self, parcel: Parcel, looks: int, message: Message | None) -> Verdict:
        """Tell a shop that it is paused: under a lease and with a record as any message, but about no profile."""
        herald = self._herald
        pause = herald.pause(parcel) if herald is not None else None
        if herald is None or pause is None:
            return Done("done")
        if message is not None and message.state != "reopened":
            verdict = self._seen_before(message, looks)
        else:
            mail = herald.mail(pause)
            if mail is None:
                return Done("done")
            verdict = self._say(parcel, mail, looks)
        if not isinstance(verdict, Done) or verdict.how == "reopened":
            return verdict
        herald.told(pause)
        if verdict.how in ("failed", "unknown"):
            _log.error("the shop may not have been told", extra={"shop": pause.shop, "message_id": parcel.message_id})
        return Done("told") if verdict.how == "sent" else verdict

    def _say(self, parcel: Parcel, mail: Mail, looks: int) -> Verdict:
        now = self._clock.now()
        taken = Message(
            id=parcel.message_id,
            shop=parcel.paused,
            state="leased",
            token=self._new_token(),
            leased_at=now,
            to="shop",
            address=address_hash(self._key, "email", mail.to),
            template=PAUSED,
        )
        # What customers' addresses forbid does not matter here: this is about the shop's own.
        answer = self._take(Lease(message=taken))
        if answer == "lost":
            return self._give_up(taken, looks)
        if answer != "taken":
            return LookAgain(_step(looks))
        return self._alone(parcel, taken, Attempt(mail.to, partial(self._mailer.send, mail)))

    def _settled(self, parcel: Parcel, profile: Profile, planned: Planned) -> Message:
        """Return the record of a message that was never made ready: the shop's own address is not known then."""
        address = None if planned.to == "shop" else profile.address(planned.channel)
        if planned.to == "claimed" and planned.step in profile.sign_ups:
            address = profile.sign_ups[planned.step].email
        return _record(parcel, profile, planned, self._hashed(planned, address))

    def _hashed(self, planned: Planned, address: str | None) -> str:
        return address_hash(self._key, ADDRESS_KINDS[planned.channel], address) if address else ""

    def _skip(self, parcel: Parcel, profile: Profile, planned: Planned, why: str, now: datetime) -> Verdict:
        record = replace(self._settled(parcel, profile, planned), state="skipped", why=why, at=now)
        return Done("skipped" if self._outbox.record(record) else "done")

    def _unmade(
        self, parcel: Parcel, profile: Profile, planned: Planned, error: ContentError | NothingToSayError, now: datetime
    ) -> Verdict:
        if isinstance(error, NothingToSayError):
            return self._skip(parcel, profile, planned, str(error), now)
        return self._fail(parcel, profile, planned, f"template: {error}", now)

    def _fail(self, parcel: Parcel, profile: Profile, planned: Planned, why: str, now: datetime) -> Verdict:
        record = replace(self._settled(parcel, profile, planned), state="failed", why=why, at=now)
        return Done("failed" if self._outbox.record(record) else "done")


def _answer(make: Callable[[], str | Answer]) -> Answer:
    """Return what came of an attempt, whichever way it was said."""
    try:
        said = make()
    except (MailRefusedError, MailRejectedError, MailUncertainError) as error:
        return Answer(error)
    return said if isinstance(said, Answer) else Answer(said)


def _quiet_for(planned: Planned, now: datetime) -> int | None:
    """Return how many seconds, at most as many as a queue delays, this message must rest; `None`: it may go."""
    if planned.quiet_from is None or planned.quiet_until is None or not planned.quiet_from <= now < planned.quiet_until:
        return None
    # Rounded up, or it would come a moment too early. What is too late by then is to be recorded when it is.
    rest = min(planned.quiet_until, planned.not_after) - now
    return min(math.ceil(rest.total_seconds()), MAX_DELAY)


def _at_most(seconds: int, left: timedelta) -> int:
    """Return this delay, or what is left until the message is too late if that is less: when it is, is recorded."""
    return min(seconds, max(1, math.ceil(left.total_seconds())))


def _nobodys(planned: Planned) -> Run:
    """Return what stands for the run of a message that no flow has planned."""
    return Run(
        id="",
        flow=planned.flow,
        version="",
        playbook="",
        entered_at=planned.planned_at,
        expires_at=planned.not_after,
    )


def _unlisted(profile: Profile, planned: Planned) -> str | None:
    """Return why the person must not be put on a list, or taken off it, if anything forbids it by now."""
    mark = profile.audiences.get(planned.template)
    if planned.action == "remove":
        return "put on the list again since" if mark is not None and mark.on else None
    if mark is None or not mark.on:
        return "taken off the list since"
    return None if any(profile.listed_by(planned.template)) else "no consent to marketing"


def _counts(planned: Planned) -> bool:
    """Whether what becomes of this message says something about the shop's mails: its own people's say nothing."""
    return planned.channel == "email" and planned.to == "person"


def _record(parcel: Parcel, profile: Profile, planned: Planned, address: str) -> Message:
    # What was planned before there were labels, and what is no message to a person, counts as nothing.
    label = planned.label or Label("")
    return Message(
        id=parcel.message_id,
        profile_id=profile.id,
        shop=profile.shop,
        state="leased",
        channel=planned.channel,
        to=planned.to if planned.to in {"shop", "claimed"} else "",
        address=address,
        flow=planned.flow,
        step=planned.step,
        template=planned.template,
        category=planned.category,
        day=label.day,
        ways=label.ways,
        occurrence=label.occurrence,
    )


def _step(looks: int) -> int:
    return LOOKS[min(looks, len(LOOKS) - 1)]
