"""Sending: verify → lease → one attempt → record (DESIGN §6). The only caller of the delivery channels.

SES has no idempotency token, so the right to attempt a message is a lease that can be had once, and an attempt whose
outcome nobody knows is never repeated: it is `unknown`, listed and alarmed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import (
    AnswerLostError,
    ContentError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
)
from rekindle.domain.profile import Planned, Profile, Run, Signpost
from rekindle.ports import Clock, Lease, LeaseAnswer, Mail, Mailer, Message, MessageState, Outbox, Parcel, SendQueues
from rekindle.service.people import address_hash, follow

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
REST = {"throttled": 15, "not_connected": 30, "quota": 900, "paused": 900, "not_allowed": 900}
_VERIFICATIONS = 3
#: Runs that ended so take their planned mails with them; one that simply reached its end does not.
_TAKES_BACK = frozenset({"converted", "exited"})

_log = logging.getLogger(__name__)


class Done(Struct, frozen=True):
    """Nothing is left to do for this parcel: `how` is a state, `dropped`, or `done` where it was settled before."""

    how: str


class LookAgain(Struct, frozen=True):
    """The parcel must come back in `delay` seconds."""

    delay: int


Verdict = Done | LookAgain


class Builder(Protocol):
    """Makes mails."""

    def prepare(self, wanted: Sequence[tuple[Profile, Run]]) -> None:
        """Read, in as few calls as can be, what the mails of these runs will show."""
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
    ) -> None:
        """Take the ports. `lease_life` is how long a lease may be open: twice the function's time-out."""
        self._outbox = outbox
        self._queues = queues
        self._mailer = mailer
        self._builder = builder
        self._clock = clock
        self._key = address_key
        self._new_token = new_token
        self._lease_life = lease_life

    def batch(self, parcels: Sequence[tuple[Parcel, int]]) -> list[Verdict | Exception]:
        """Deliver parcels, each with how often it was received before; return what became of each, in order.

        One parcel's failure never touches another: it stands in the list as the exception that it was.
        """
        pairs = [(parcel.message_id, parcel.profile_id) for parcel, _ in parcels]
        messages, profiles = self._outbox.read(pairs)
        self._prepare(parcels, messages, profiles)
        verdicts: list[Verdict | Exception] = []
        for parcel, looks in parcels:
            try:
                verdicts.append(self._one(parcel, looks, messages.get(parcel.message_id), profiles))
            except Exception as error:  # noqa: BLE001 - handed to the caller, who lets the queue bring it again
                _log.exception("not delivered", extra={"message_id": parcel.message_id})
                verdicts.append(error)
        return verdicts

    def _prepare(
        self,
        parcels: Sequence[tuple[Parcel, int]],
        messages: Mapping[str, Message],
        profiles: Mapping[str, Profile | Signpost],
    ) -> None:
        wanted = []
        for parcel, _ in parcels:
            profile = profiles.get(parcel.profile_id)
            planned = profile.planned.get(parcel.message_id) if isinstance(profile, Profile) else None
            if isinstance(profile, Profile) and planned is not None and parcel.message_id not in messages:
                wanted += [(profile, run) for run in profile.runs if run.id == planned.run]
        if wanted:
            self._builder.prepare(wanted)

    def _one(
        self, parcel: Parcel, looks: int, message: Message | None, profiles: Mapping[str, Profile | Signpost]
    ) -> Verdict:
        if message is not None and message.state != "reopened":
            return self._seen_before(message, looks)
        found = profiles.get(parcel.profile_id)
        profile = self._follow(found) if found is not None else None
        for _ in range(_VERIFICATIONS):
            now = self._clock.now()
            verdict = self._verify(parcel, profile, looks, now)
            if isinstance(verdict, (Done, LookAgain)):
                return verdict
            profile, planned, run, why = verdict
            if why:
                return self._skip(parcel, profile, planned, why, now)
            try:
                mail = self._builder.build(parcel.message_id, profile, planned, run)
            except ContentError as error:
                return self._fail(parcel, profile, planned, f"template: {error}", now)
            taken = replace(
                _record(parcel, profile, planned, self._key), state="leased", token=self._new_token(), leased_at=now
            )
            answer = self._take(taken, profile, planned)
            if answer == "taken":
                return self._attempt(parcel, taken, mail)
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
        return self._close(message, "unknown", "the worker that held the lease never came back")

    # --- 2. what the profile says

    def _verify(
        self, parcel: Parcel, profile: Profile | None, looks: int, now: datetime
    ) -> Verdict | tuple[Profile, Planned, Run, str | None]:
        moved = profile is not None and profile.id != parcel.profile_id
        if profile is None or (not moved and profile.version < parcel.version):
            waited = now - parcel.since if parcel.since else timedelta(0)
            return LookAgain(_step(looks)) if waited < COMMIT_PATIENCE else Done("dropped")
        planned = profile.planned.get(parcel.message_id)
        if planned is None:
            # Handed over for a decision that was never committed, or settled since.
            return Done("dropped")
        run = next((run for run in profile.runs if run.id == planned.run), None)
        if run is None:
            return Done("dropped")
        return profile, planned, run, _refusal(profile, planned, run, now)

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

    def _take(self, taken: Message, profile: Profile, planned: Planned) -> LeaseAnswer | str:
        covers = ("everything", "marketing") if planned.category == "marketing" else ("everything",)
        lease = Lease(message=taken, profile_id=profile.id, profile_version=profile.version, covers=covers)
        try:
            return self._outbox.lease(lease)
        except AnswerLostError:
            pass
        try:
            return self._outbox.lease(lease)
        except AnswerLostError:
            return "lost"

    # --- 4. and 5. the attempt, and its record

    def _attempt(self, parcel: Parcel, taken: Message, mail: Mail) -> Verdict:
        try:
            vendor_id = self._mailer.send(mail)
        except MailRefusedError as refused:
            # Reopened before it is queued again: in the other order another worker could find the lease and stop.
            reopened = replace(taken, state="reopened", why=refused.reason, at=self._clock.now())
            if self._outbox.record(reopened, token=taken.token):
                self._queues.enqueue([parcel], REST[refused.reason])
            return Done("reopened")
        except MailRejectedError as rejected:
            return self._close(taken, "failed", str(rejected))
        except MailUncertainError as uncertain:
            return self._close(taken, "unknown", str(uncertain))
        return self._close(replace(taken, vendor_id=vendor_id), "sent", None)

    def _give_up(self, taken: Message, looks: int) -> Verdict:
        """Nobody knows whether the lease was taken. No attempt was made: it shows as unknown, or is absent still."""
        lost = replace(taken, state="unknown", why="the lease's answer was lost; no attempt was made")
        written = self._outbox.record(replace(lost, at=self._clock.now()), token=taken.token)
        return Done("unknown") if written else LookAgain(_step(looks))

    def _close(self, message: Message, state: MessageState, why: str | None) -> Verdict:
        closed = replace(message, state=state, why=why, at=self._clock.now())
        # Not written means that a delivery notice came first and knows more.
        self._outbox.record(closed, token=message.token)
        return Done(state)

    def _skip(self, parcel: Parcel, profile: Profile, planned: Planned, why: str, now: datetime) -> Verdict:
        record = replace(_record(parcel, profile, planned, self._key), state="skipped", why=why, at=now)
        return Done("skipped" if self._outbox.record(record) else "done")

    def _fail(self, parcel: Parcel, profile: Profile, planned: Planned, why: str, now: datetime) -> Verdict:
        record = replace(_record(parcel, profile, planned, self._key), state="failed", why=why, at=now)
        return Done("failed" if self._outbox.record(record) else "done")


def _refusal(profile: Profile, planned: Planned, run: Run, now: datetime) -> str | None:
    """Return why this planned message must not go, if anything forbids it by now."""
    if run.status in _TAKES_BACK:
        return f"the run ended: {run.ended_by}"
    if planned.not_after <= now:
        return "too late"
    if profile.address(planned.channel) is None:
        return f"no address for {planned.channel}"
    if planned.category == "marketing" and not profile.consented(planned.channel):
        return f"no consent to marketing {planned.channel}"
    return None


def _record(parcel: Parcel, profile: Profile, planned: Planned, key: bytes) -> Message:
    address = profile.address(planned.channel)
    kind = "email" if planned.channel == "email" else "phone"
    return Message(
        id=parcel.message_id,
        profile_id=profile.id,
        shop=profile.shop,
        state="leased",
        channel=planned.channel,
        address=address_hash(key, kind, address) if address else "",
        flow=planned.flow,
        step=planned.step,
        template=planned.template,
    )


def _step(looks: int) -> int:
    return LOOKS[min(looks, len(LOOKS) - 1)]
