"""What must be true (DESIGN §6), each clause under its own words: watched at every effect, and checked at the end.

The watch stands outside: it computes what it expects from what was told and from what was written, never by the code
that it checks. "Accepted" below is what the intake holds, whether or not its answer reached the sender.

Equal to a fault-free replay means two things here. *In the order of the commits* (`serial`): the commits, done again
one after the other in a fresh world without faults, each at its moment, with the playbook that its worker had, and
with what it had read of messages, write the very same profiles, versions included. So no race, repeat or crash has
left a trace. *Whatever the order* (`facts`): what the shop said of a person ends the same as in the run of the same
story in which nothing went wrong. Runs and mails are not compared there: they rightly depend on when things were heard;
nor are stories in which an account changes its address, as who is who is decided on what is known at the time.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from rekindle.domain import ids
from rekindle.domain.absorb import LISTED
from rekindle.domain.errors import AddressGoneError, RekindleError
from rekindle.domain.events import Delivery, Event, Suppression, Who, encode_events
from rekindle.domain.facts import Campaign, Consent, Engagement, PrivacyRequest, Product
from rekindle.domain.labels import Label
from rekindle.domain.offers import Coupon, coupon_id, plain_code
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Planned, Profile, Signpost, Tombstone
from rekindle.domain.push import browser_key
from rekindle.domain.results import standing
from rekindle.domain.shelves import BEST_HALF_LIFE, decode_near
from rekindle.flow.program import Playbook
from rekindle.memory import Crash
from rekindle.ports import (
    ALARM_HORIZON,
    Accepting,
    Bought,
    CatalogueTask,
    Commit,
    Lease,
    Mail,
    Merged,
    Message,
    Parcel,
    Pause,
    Pending,
    PrivacyTask,
    PushMessage,
    TextMessage,
    Wake,
    Work,
    label_of,
)
from rekindle.service.deliver import TOO_LATE, Done
from rekindle.service.library import POINTER
from rekindle.service.notices import Notice
from rekindle.service.tally import figures
from tests.simulation.faults import ATTEMPTS, LOSSES, InfrastructureError
from tests.simulation.said import ASKING, Said
from tests.simulation.story import (
    CAMPAIGNS,
    GIVES,
    LETTER_AT,
    LIST,
    LIST_ID,
    OWN_AT,
    POOLED,
    SUBSCRIBERS,
    UNIQUE,
    books,
)

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: From state to state, as DESIGN §6 tells them. Nothing leads from `unknown` back to a lease.
FORWARD: dict[str | None, frozenset[str]] = {
    None: frozenset({"leased", "skipped", "failed"}),
    "reopened": frozenset({"leased", "skipped", "failed"}),
    "leased": frozenset({"sent", "reopened", "failed", "unknown", "delivered", "bounced", "complained"}),
    "unknown": frozenset({"sent", "delivered", "bounced", "complained", "failed"}),
    "sent": frozenset({"delivered", "bounced", "complained", "failed"}),
    "delivered": frozenset({"bounced", "complained"}),
    "bounced": frozenset({"complained"}),
}
_MINUTE = timedelta(minutes=1)
#: What a worker may have decided before its call landed: its time-out, and what a late request takes.
_SLACK = timedelta(seconds=90)
#: Who is paused is asked so often (docs/operating.md); a mail that waits looks again so often; and the sweep, with what
#: it puts on a queue, has told the shop within so long.
_PAUSE_NOTICED, _LONGEST_REST, _TOLD_WITHIN = timedelta(seconds=30), timedelta(seconds=900), timedelta(minutes=6)
#: A campaign that is stopped is known to be within so long; and where nothing goes wrong, people are told within so
#: long of their own hour: ten of them wait for each other, half a minute each.
_STOP_NOTICED, _ON_THE_HOUR = timedelta(seconds=30), timedelta(minutes=10)
_STOPS = "campaigns/stops.json"
#: What a heat loses by each addition.
_ROUNDED = 1e-5
#: The figures that follow from profiles.
_OF_PROFILES = ("orders", "by_", "revenue:", "people", "goals", "buyers", "purchases", "spent:", "squares:")
Figures = defaultdict[tuple[Label, str], Decimal]
_EXPECTED = (Crash, InfrastructureError, RekindleError)


class Violation(Struct, frozen=True):
    """A clause that does not hold, and what shows it."""

    clause: str
    what: str

    def __str__(self) -> str:
        """Return it on one line."""
        return f"[{self.clause}] {self.what}"


class Paused(Struct):
    """A pause of the shop's marketing, as it stood in the tables: from when until when."""

    pause: Pause
    begun_at: datetime
    ended_at: datetime | None = None

    @property
    def word(self) -> str:
        """The id of the message that tells the shop."""
        return ids.digest("pause", self.pause.shop, self.pause.since.isoformat())


class Step(Struct, frozen=True):
    """One commit or split, with everything that decided it: enough to do it again."""

    pending_id: str | None
    profile_id: str | None
    at: datetime
    playbook: str
    read: dict[str, Message]
    owners: Mapping[str, str]
    """as read: an alias that moves on before the commit, to somebody else, leaves what was decided as it was"""
    parts: tuple[Pending, ...] = ()
    campaign: Campaign | None = None


class Watch:
    """Looks at every effect of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.world = simulation.world
        self.violations: list[Violation] = []
        self.deadlines: dict[str, datetime] = {}
        """living profile → its deadline, where it has one"""
        self.accepted: dict[str, tuple[Delivery, Sequence[str]]] = {}
        """delivery → itself, as it was accepted, and its alias keys"""
        self.steps: list[Step] = []
        self.told_counts: Figures = defaultdict(Decimal)
        """what the commits said that they count"""
        self.recorded: dict[str, Message] = {}
        """message → its record as it was written last"""
        self.planned_by: dict[str, str] = {}
        """message → the playbook by which it was decided"""
        self.placed: set[str] = set()
        """orders that a commit told as placed"""
        self.bought: dict[str, Bought] = {}
        """order (hashed) → what the catalogue was told of it, whether or not the commit that told so came"""
        self.consumed: Counter[str] = Counter()
        """pending item → how often it was applied or split"""
        self.attempts: Counter[str] = Counter()
        """message → how often SES could have taken it"""
        self.refused: dict[tuple[str, str, str], datetime] = {}
        """channel, address, cover → the latest accepted refusal"""
        self.granted: dict[tuple[str, str], datetime] = {}
        """channel, address → the latest grant that was accepted, signed"""
        self.excused: set[str] = set()
        """messages whose worker died, or lost an answer, between lease and record: of these `unknown` is honest"""
        self.gone: set[tuple[str, str, str]] = set()
        """channel, message and the address (hashed) of which the channel said, in answer, that it is no more"""
        self.codes: dict[tuple[str, str], str] = {}
        """run and offer → the code that its mails gave"""
        self.given: dict[str, str] = {}
        """code → the run whose mails gave it"""
        self.forgotten: set[str] = set()
        """messages whose record was erased, some while the attempt at them was under way"""
        self.members: dict[str, datetime] = {}
        """profile → since when it has been stored as one of the segment's"""
        self.published: list[tuple[datetime, Playbook]] = []
        """since when which playbook was live"""
        self.stopped: dict[str, datetime] = {}
        """campaign → since when it is paused or cancelled"""
        self.cancelled: set[str] = set()
        self.held = False
        """whether any campaign was ever stopped"""
        self.hours: dict[str, datetime] = {}
        """run of a campaign that comes at everybody's own hour → that hour, where its person lived when they entered"""
        self.lived: dict[str, list[tuple[datetime, str]]] = {}
        """profile → since when it has been stored with which zone"""
        self.pauses: list[Paused] = []
        self.forgiven = 0
        """how many bounces and complaints had been counted when the latest pause ended"""
        self.moved: Counter[str] = Counter()
        """state → how many people's messages came into it"""
        self.taken = 0
        """how many mails to people SES took"""
        self.erased = False
        self.disturbed = False
        """a worker was killed by a deploy"""
        self.private: set[tuple[str, int]] = set()
        """delivery, and the place in it of an event, that privacy was asked to see to"""
        self.calls: dict[str, Callable[..., Any]] = {}
        self.said = Said(self)
        self.calls |= {
            "intake.accept": self._accept,
            "bulk.accept_all": self._accept_all,
            "state.commit": self._commit,
            "state.split": self._split,
            "state.messages": self._messages,
            "state.work": self._work,
            "outbox.lease": self._lease,
            "alarms.wake": self._wake,
            "outbox.record": self._record,
            "outbox.progress": self._record,
            "mailer.send": self._mail,
            "texter.send": self._text,
            "pusher.send": self._push,
            "blobs.swap": self._swap,
            "counters.pause": self._pause,
            "counters.resume": self._resume,
            "catalogue.ask": self._handed_to_catalogue,
            "privacy.ask": self._handed_to_privacy,
            "vault.bury": self._bury,
            "vault.drop": self._drop,
            "vault.forget_messages": self._forget,
        }

    def wrong(self, clause: str, what: str) -> None:
        """Note that a clause does not hold."""
        self.simulation.tell(f"** {clause}:", what)
        self.violations.append(Violation(clause, what))

    @property
    def calm(self) -> bool:
        """Whether nothing has gone wrong on purpose so far: then everything is on time."""
        return self.simulation.choices.faults == 0 and not self.disturbed

    # --- accepting

    def _accept(
        self,
        method: Callable[..., bool],
        delivery: Delivery,
        suppressions: Sequence[Suppression] = (),
        keys: Sequence[str] = (),
    ) -> bool:
        new = method(delivery, suppressions, keys)
        self._is_accepted(delivery, keys, new=new)
        return new

    def _accept_all(self, method: Callable[..., Sequence[bool]], accepting: Sequence[Accepting]) -> Sequence[bool]:
        fresh = method(accepting)
        for each, new in zip(accepting, fresh, strict=True):
            self._is_accepted(each.delivery, each.keys, new=new)
        return fresh

    def _is_accepted(self, delivery: Delivery, keys: Sequence[str], *, new: bool) -> None:
        if new and delivery.id in self.accepted:
            self.wrong("a delivery is accepted once", delivery.id)
        if new:
            self.accepted[delivery.id] = delivery, keys
        self.said.accepted(delivery, new=new)
        for event in delivery.events:
            self._note_refusal(event)
            self._note_grant(event)

    def imported(self, records: Sequence[bytes]) -> None:
        """Check that an import that says that it is done has brought everything that was on the lists."""
        brought = [delivery.body or b"" for delivery, _ in self.accepted.values() if delivery.source == "import"]
        for record in records:
            if not any(record in body for body in brought):
                self.wrong("an import that is done has left nothing out", record.decode())

    def _note_refusal(self, event: Event) -> None:
        data = event.data
        if (isinstance(data, Consent) and data.state == "unsubscribed") or (
            isinstance(data, Engagement) and event.type == "email.complained"
        ):
            cover = "marketing"
        elif isinstance(data, Engagement) and event.type in ("email.bounced", "sms.bounced"):
            cover = "everything"
        else:
            return
        address = data.address_key or self._hash(data.channel, event.who, getattr(data, "address", None))
        key = data.channel, address, cover
        self.refused[key] = max(event.occurred_at, self.refused.get(key, event.occurred_at))
        lifted = self.granted.get(key[:2]) if cover == "marketing" else None
        if not self.world.suppressed(event.shop, *key) and (lifted is None or lifted <= event.occurred_at):
            self.wrong("accepting a refusal suppresses in the same transaction", f"{event.id}: {cover}")

    def _note_grant(self, event: Event) -> None:
        data = event.data
        listed = isinstance(data, Consent) and data.source == LISTED
        if isinstance(data, Consent) and data.state == "subscribed" and event.signed and not listed:
            key = data.channel, data.address_key or self._hash(data.channel, event.who)
            self.granted[key] = max(event.occurred_at, self.granted.get(key, event.occurred_at))

    def _lets_nobody_in(self, pending: Pending) -> None:
        """Check that what an import brings lets nobody into a flow, and so plans nothing."""
        delivery, _ = self.accepted.get(pending.delivery_id, (None, ()))
        if delivery is None or delivery.source != "import":
            return
        for decision in self.world.ledger[-1].decisions:
            if decision.what == "entered":
                self.wrong("an import lets nobody into a flow", f"{decision.flow}, by {delivery.events[0].id}")

    def _note_browsers(self, pending: Pending, profile: Profile) -> None:
        # Allowed anew, in the browser itself, which nobody can sign: whose that is stands with the commit only.
        delivery, _ = self.accepted.get(pending.delivery_id, (None, ()))
        for event in delivery.events if delivery is not None else ():
            if event.type == "push.subscribed":
                key = "push", self._hash("push", profile)
                self.granted[key] = max(event.occurred_at, self.granted.get(key, event.occurred_at))

    def _hash(self, channel: str, known: Who | Profile, named: str | None = None) -> str:
        if channel in ("push", "audience"):
            kind, address = channel, known.id if isinstance(known, Profile) else None
        else:
            kind, address = ("phone", known.phone) if channel == "sms" else ("email", known.email)
        return ids.keyed_hash(self.world.secret_address_key, kind, named or address or "")

    # --- applying

    def _messages(self, method: Callable[..., dict[str, Message]], wanted: Sequence[str]) -> dict[str, Message]:
        found = method(wanted)
        worker = self.simulation.current
        if worker is not None:
            worker.read = {**worker.read, **found}
        return found

    def _work(self, method: Callable[..., Work | None], pending: Pending) -> Work | None:
        found = method(pending)
        worker = self.simulation.current
        if worker is not None and found is not None:
            worker.owners = found.owners
        return found

    def _split(self, method: Callable[..., None], pending: Pending, parts: Sequence[Pending]) -> None:
        before = set(self.world.pending)
        method(pending, parts)
        self._consume(pending.id)
        again = [part.id for part in parts if part.id in before or self.consumed[part.id]]
        if again:
            self.wrong("a delivery is split once, in one transaction", f"{again} were there before")
        worker = self.simulation.current
        at = worker.decided_at if worker is not None else self.world.clock.now()
        self.steps.append(Step(pending.id, None, at, "", {}, {}, tuple(parts)))

    def _consume(self, pending_id: str) -> None:
        self.consumed[pending_id] += 1
        if self.consumed[pending_id] > 1:
            self.wrong("an accepted event is applied once", f"{pending_id} was applied again")

    def _commit(self, method: Callable[..., None], commit: Commit) -> None:
        profile = commit.profile
        before = self.world.profile(profile.id) if profile is not None else None
        lines = len(self.world.ledger)
        pending = self.world.pending.get(commit.pending_id) if commit.pending_id is not None else None
        method(commit)
        self.said.committed(commit, pending, before)
        if pending is not None and profile is not None:
            self._note_browsers(pending, profile)
            self._lets_nobody_in(pending)
        for one in commit.counts:
            self.told_counts[one.label, one.figure] += one.amount
        if commit.pending_id is not None:
            self._consume(commit.pending_id)
        if profile is None:
            return
        known = before.orders if isinstance(before, Profile) else {}
        self.placed |= {
            order
            for order, mark in profile.orders.items()
            if "order.placed" in mark.events and mark.status == "placed" and mark.products and order not in known
        }
        worker = self.simulation.current
        version = before.version if isinstance(before, Profile) else 0
        if isinstance(before, (Signpost, Tombstone)) or profile.version != version + 1:
            self.wrong("a commit meets the version that it was computed from", f"{profile.id}: {version}")
        if commit.pending_id is not None and len(self.world.ledger) != lines + 1:
            self.wrong("what is applied leaves its line in the ledger", commit.pending_id)
        late = self.deadlines.get(profile.id)
        if self.calm and late is not None and self.world.clock.now() - late > _MINUTE:
            self.wrong("nothing waits longer than to the full minute", f"{profile.id} was due {late}")
        self._stands(profile, commit.merged)
        if worker is not None:
            self.planned_by |= dict.fromkeys(profile.planned.keys() - self.planned_by.keys(), worker.playbook)
            owners = worker.owners if commit.pending_id is not None else {}
            self.steps.append(
                Step(
                    commit.pending_id,
                    profile.id,
                    worker.decided_at,
                    worker.playbook,
                    worker.read,
                    owners,
                    campaign=worker.campaign,
                )
            )
            worker.read = {}
            changed = not isinstance(before, Profile) or before.deadline != profile.deadline
            if changed and not worker.troubled and not worker.switched:
                self._expect_alarm(profile, "the alarm is set before the commit")

    def _stands(self, profile: Profile, absorbed: Sequence[Merged]) -> None:
        """Note what is due of the profile, and whether it is one of the segment's."""
        for gone in absorbed:
            self.deadlines.pop(gone.profile_id, None)
            self.members.pop(gone.profile_id, None)
        if profile.deadline is None:
            self.deadlines.pop(profile.id, None)
        else:
            self.deadlines[profile.id] = profile.deadline
        lived = self.lived.setdefault(profile.id, [])
        if not lived or lived[-1][1] != (profile.person.zone or ""):
            lived.append((self.world.clock.now(), profile.person.zone or ""))
        for run in profile.runs:
            if run.flow == "own":
                self.hours.setdefault(run.id, _own_hour(profile.person.zone))
        if SUBSCRIBERS in profile.segments:
            self.members.setdefault(profile.id, self.world.clock.now())
        else:
            self.members.pop(profile.id, None)

    def _expect_alarm(self, profile: Profile, clause: str) -> None:
        now, due = self.world.clock.now(), profile.deadline
        if due is None or due - now > ALARM_HORIZON:
            return
        named = ids.alarm_name(profile.id, ids.minute_up(due)) in self.world.schedules
        if not named and all(wake.profile_id != profile.id for wake in self.world.wake_queue.values()):
            self.wrong(clause, f"{profile.id} is due {due}, and nothing will ring")

    def let_go(self, pending: Pending) -> None:
        """Check, when the stream is done with an item, that it is applied or in other hands."""
        worker = self.simulation.current
        held = self.world.pending.get(pending.id)
        assert worker is not None
        if held is None or worker.switched:
            return
        if all(wake.pending_id != pending.id for wake in self.world.wake_queue.values()):
            self.wrong("what the stream cannot apply goes to the wake queue", pending.id)

    def rang(self, profile_id: str) -> None:
        """Check, when a ring is let go, that the next one is set."""
        worker = self.simulation.current
        assert worker is not None
        if worker.troubled or worker.switched:
            return
        profile = self.living(profile_id)
        if profile is not None:
            self._expect_alarm(profile, "a ring sets the next alarm before it is let go")

    def troubled(self, place: str, kind: str) -> None:
        """Note that something goes wrong at this call of the worker that runs."""
        worker = self.simulation.current
        assert worker is not None
        worker.troubled = True
        lost = place in ("outbox.lease", "outbox.record", "outbox.progress")
        if lost or kind.startswith(("crash", "slow")) or (place in ATTEMPTS and kind in LOSSES):
            self.died()

    def died(self) -> None:
        """Note that the worker that runs dies here, or may."""
        worker = self.simulation.current
        assert worker is not None
        self.disturbed = True
        if worker.function == "sweep":
            # What it had read before may be another lease by now.
            self.excused.update(self.world.messages)
        self.excused.update(worker.messages)

    def failed(self, error: BaseException) -> None:
        """Look at what made a piece of work fail: only what was told, and what is part of the plan, may."""
        if not isinstance(error, _EXPECTED):
            self.wrong("nothing fails by itself", f"{type(error).__name__}: {error}")

    # --- sending

    def _lease(self, method: Callable[..., str], lease: Lease) -> str:
        wanted = lease.message
        before = self.world.messages.get(wanted.id)
        answer = method(lease)
        now = self.world.messages.get(wanted.id)
        if answer != "taken" or now is before:
            return answer
        self._moved(before, now)
        if not lease.profile_id:
            self._word_leased(wanted)
            return answer
        self._planned_lease(lease)
        return answer

    def _planned_lease(self, lease: Lease) -> None:
        wanted = lease.message
        clause = "a lease is only had for what the committed profile plans"
        profile = self.world.profile(lease.profile_id)
        planned = profile.planned.get(wanted.id) if isinstance(profile, Profile) else None
        if not isinstance(profile, Profile) or planned is None:
            self.wrong(clause, f"{wanted.id} is not planned")
            return
        removal = planned.action == "remove"
        status = next(
            (run.status for run in profile.runs if run.id == planned.run), "gone" if planned.run else "nobody's"
        )
        if status in ("gone", *(() if removal else ("converted", "exited"))):
            self.wrong(clause, f"{wanted.id}: its run is {status}")
        if planned.not_after <= self.world.clock.now() - _SLACK:
            self.wrong(clause, f"{wanted.id} was worth sending until {planned.not_after}")
        self.said.leased(wanted.id, planned, profile)
        if planned.flow in CAMPAIGNS:
            self._not_stopped(planned.flow, "a campaign that is stopped sends nothing more")
            if planned.flow == "own":
                self._on_the_hour(planned, profile)
        marketing = planned.category == "marketing"
        if marketing and wanted.channel == "email":
            self._may_go(wanted)
        if not removal:
            self._may_reach(wanted, planned, profile)

    def _may_reach(self, wanted: Message, planned: Planned, profile: Profile) -> None:
        """Check, at the lease, that the person has agreed, has refused nothing, and is reached where they are now."""
        clause = "a lease is only had for what the committed profile plans"
        marketing, listed = planned.category == "marketing", planned.channel == "audience"
        if marketing and not (any(profile.listed_by(LIST)) if listed else profile.consented(planned.channel)):
            self.wrong("consent is verified again at the lease", f"{wanted.id} has no consent")
        if wanted.channel != planned.channel:
            self.wrong(clause, f"{wanted.id} is {wanted.channel}, not {planned.channel}")
        typed = profile.sign_ups[planned.step].email if planned.to == "claimed" else None
        address = self._hash(planned.channel, profile, typed)
        if wanted.address != address:
            self.wrong(clause, f"{wanted.id} goes to another address than the profile's")
        self._unrefused(wanted.id, planned.channel, address, marketing=marketing)
        emails, phones = profile.listed_by(LIST) if listed else ((), ())
        for channel, found in (("email", emails), ("sms", phones)):
            for each in found:
                self._unrefused(wanted.id, channel, self._hash(channel, Who(email=each, phone=each)), marketing=True)

    def _unrefused(self, message: str, channel: str, address: str, *, marketing: bool) -> None:
        for cover in ("everything", "marketing") if marketing else ("everything",):
            since = self.refused.get((channel, address, cover))
            granted = self.granted.get((channel, address)) if cover == "marketing" else None
            if since is not None and (granted is None or granted <= since):
                self.wrong("no lease after a suppression that covers it", f"{message}: {cover} since {since}")

    def _record(self, method: Callable[..., bool], message: Message, *args: Any, **kwargs: Any) -> bool:
        before = self.world.messages.get(message.id)
        written = method(message, *args, **kwargs)
        self._moved(before, self.world.messages.get(message.id))
        if written and message.state == "skipped" and (message.why or "").startswith(TOO_LATE):
            self._too_late(message)
        return written

    def _moved(self, before: Message | None, after: Message | None) -> None:
        if after is not None:
            self.recorded[after.id] = after
        if after is None or (before is not None and before.state == after.state):
            return
        state = before.state if before is not None else None
        if after.state not in FORWARD.get(state, frozenset()):
            self.wrong("a message's state only moves forward", f"{after.id}: {state} → {after.state}")
        if not after.to and after.channel == "email":
            self.moved[after.state] += 1

    def _needs_lease(self, message: str) -> None:
        record = self.world.messages.get(message)
        forgotten = record is None and message in self.forgotten
        if not forgotten and (record is None or record.state not in ("leased", "unknown", "delivered")):
            self.wrong("an attempt needs its lease", f"{message} is {record.state if record else 'absent'}")

    def _text(self, method: Callable[..., str], text: TextMessage) -> str:
        world = self.world
        self._needs_lease(text.message_id)
        fate = world.text_fates[0] if world.text_fates else world.decide_text_fate(text)
        if fate in ("accept", "answer_lost", "hang"):
            self.asked("texter.send", (text,))
        return self.took_text(method, text)

    def took_text(self, method: Callable[..., str], text: TextMessage) -> str:
        """Let the phone network have the text, and say later what becomes of it."""
        left = len(self.world.texts)
        try:
            return method(text)
        except AddressGoneError:
            self.gone.add(("sms", text.message_id, self._hash("sms", Who(phone=text.to))))
            raise
        finally:
            if len(self.world.texts) > left:
                self.simulation.hear_of_text(text, self.world.texts[-1].vendor_id)

    def _push(self, method: Callable[..., str], push: PushMessage) -> str:
        self._needs_lease(push.message_id)
        fates = self.simulation.push_fates
        fate = fates[0] if fates else self.simulation.push_fate(push)
        if fate in ("accept", "answer_lost", "hang"):
            self.asked("pusher.send", (push,))
        return self.took_push(method, push)

    def took_push(self, method: Callable[..., str], push: PushMessage) -> str:
        """Let the push service have the message: of what becomes of it nothing is told."""
        try:
            return method(push)
        except AddressGoneError:
            self.gone.add(("push", push.message_id, browser_key(push.browser.endpoint)))
            raise

    def _mail(self, method: Callable[..., str], mail: Mail) -> str:
        world = self.world
        self._needs_lease(mail.message_id)
        fate = world.fates[0] if world.fates else world.decide_fate(mail)
        if fate in ("accept", "answer_lost", "hang"):
            self.asked("mailer.send", (mail,))
        self._gives(mail)
        return self.took(method, mail)

    def _gives(self, mail: Mail) -> None:
        """A mail that gives an offer has the code that its run has got of it, and that stands where it will be used."""
        offer = GIVES.get(mail.subject)
        if offer is None:
            return
        # One that is still being made has no code yet: no mail has that one.
        coupon = next(
            (one for one in self._coupons() if mail.text and (one.code, one.offer) == (mail.text, offer)), None
        )
        clause = "a mail that needs a code goes with its own"
        if self.erased and mail.text:
            # Which code that was is erased too, also while the attempt is under way.
            return
        if coupon is None and not mail.text and self._was_off(offer, mail.message_id):
            # While an offer is off, its mail goes without (docs/for-marketers.md).
            return
        if coupon is None or coupon.state != "made":
            self.wrong(clause, f"{mail.message_id} has {mail.text or 'none'}")
            return
        known = self.codes.setdefault((coupon.run, offer), coupon.code)
        if known != coupon.code:
            self.wrong("one code for each run and offer", f"{coupon.run}: {known} and {coupon.code}")
        if self.given.setdefault(coupon.code, coupon.run) != coupon.run:
            self.wrong("no code is given to two", coupon.code)
        name = coupon_id(coupon.run, offer)
        stands = self.world.shop_codes.get(("tea", plain_code(coupon.code)))
        if offer == UNIQUE.name and (stands is None or stands.mark != name):
            self.wrong(clause, f"{mail.message_id}: {coupon.code} does not stand in the shop")
        if offer == POOLED.name and self.world.given_codes.get(("tea", plain_code(coupon.code))) != name:
            self.wrong(clause, f"{mail.message_id}: {coupon.code} was not taken from the pool")

    def _was_off(self, offer: str, message: str) -> bool:
        """Whether the playbook by which the message was decided was one without this offer."""
        decided_by = self.planned_by.get(message)
        return any(book.hash == decided_by and offer not in book.offers for book in books())

    def _coupons(self) -> list[Coupon]:
        return [_decode_coupon(raw) for raw in self.world.issued.values()]

    def _issued(self) -> None:
        """What was made is one for each run and offer, and whoever was given it is known to have it."""
        marks = Counter(code.mark for code in self.world.shop_codes.values())
        for mark, times in marks.items():
            if times > 1:
                self.wrong("a shop never holds two discounts for one run", f"{mark}: {times}")
        for coupon in self._coupons():
            if coupon.state != "made" or self.erased:
                continue
            clause = "a code that is given is known to the profile"
            if ids.digest("coupon.issued", coupon_id(coupon.run, coupon.offer)) not in self.accepted:
                self.wrong(clause, f"{coupon.code} was told to nobody")
                continue
            profile = self.living(coupon.profile_id)
            if profile is not None and coupon.code not in {given.code for given in profile.coupons}:
                self.wrong(clause, coupon.code)

    def _listed(self) -> None:
        """On an ads list are only those who are to be there: nobody who refused, bounced, bought or was erased."""
        audience = [message for message in self.world.messages.values() if message.channel == "audience"]
        if any(message.state in ("failed", "unknown") for message in audience):
            # What the network will never do, and what nobody asks any more, is said: it is for people to do.
            return
        if any(b"do it by hand" in raw for key, raw in self.world.raw_files.items() if key.startswith("receipts/")):
            return
        known = self._known().values()
        for address in self.world.audience_members.get(("tea", LIST_ID), set()):
            if not any(_on_list(profile, address) for profile in known):
                self.wrong("nobody stays on a list who is not to be there", address)

    def took(self, method: Callable[..., str], mail: Mail) -> str:
        """Let SES have the mail, and say later what becomes of it."""
        left = len(self.world.inbox)
        try:
            return method(mail)
        finally:
            if len(self.world.inbox) > left:
                # Anybody can type an address into a form: the mail that asks it back says nothing of the shop.
                self.taken += mail.to.endswith("@example.com") and mail.subject not in ASKING
                self.simulation.hear_of(mail, self.world.inbox[-1].vendor_id)

    def asked(self, place: str, args: tuple[Any, ...]) -> None:
        """Note a request whose caller will not learn what became of it. A message could be taken, or may be yet."""
        if place in ATTEMPTS:
            message = args[0]
            whole = message.message_id
            self.attempts[whole] += 1
            if isinstance(message, PushMessage):
                # Each of somebody's browsers is tried once, all under one lease.
                whole = f"{whole}/{message.browser.endpoint}"
                self.attempts[whole] += 1
            if self.attempts[whole] > 1:
                self.wrong("a message is attempted at most once", whole)

    def noticed(self, notice: Notice, done: str) -> None:
        """Check what a notice that was taken must have left behind."""
        if done not in ("bounced", "complained") or notice.message_id is None or self.erased:
            return
        record = self.world.messages.get(notice.message_id)
        cover = "everything" if done == "bounced" else "marketing"
        # What the shop's own people do with the word to them forbids nothing.
        if record is not None and record.to != "shop" and (record.channel, record.address, cover) not in self.refused:
            self.wrong("a hard bounce and a complaint suppress", f"{notice.message_id}: {done}")

    def _bury(self, method: Callable[..., None], profile_id: str, *args: Any) -> None:
        method(profile_id, *args)
        self.erased = True
        self.deadlines.pop(profile_id, None)

    def _drop(self, method: Callable[..., None], pending_id: str) -> None:
        waits = pending_id in self.world.pending
        method(pending_id)
        if waits:
            self._consume(pending_id)

    def _forget(self, method: Callable[..., None], messages: Sequence[str]) -> None:
        # That a mail went out is erased with the rest: an order that is told again afterwards may be confirmed again.
        method(messages)
        self.forgotten.update(messages)
        for message in messages:
            self.attempts.pop(message, None)

    # --- reaching everybody

    def _wake(self, method: Callable[..., None], wakes: Sequence[Wake], delay: int = 0) -> None:
        method(wakes, delay)
        if wakes and wakes[0].campaign is not None:
            self._not_stopped(wakes[0].campaign.flow, "a campaign that is stopped reaches nobody more")

    def _not_stopped(self, flow: str, clause: str) -> None:
        since, slack = self.stopped.get(flow), timedelta(0) if self.calm else _SLACK
        if since is not None and self.world.clock.now() - since > _STOP_NOTICED + slack:
            self.wrong(clause, f"{flow}, since {since}")

    def _on_the_hour(self, planned: Planned, profile: Profile) -> None:
        """Check that a campaign comes at the person's own hour, or at one that they had when everybody was sorted."""
        now, own = self.world.clock.now(), self.hours[planned.run]
        if now < own:
            self.wrong("nobody is told before their own hour", f"{profile.id}, whose is {own}")
        lived = self.lived[profile.id]
        first = max((place for place, (since, _) in enumerate(lived) if since < LETTER_AT), default=0)
        moments = [own, *(_own_hour(zone) for _, zone in lived[first:])]
        undisturbed = self.calm and not self.held and not self.pauses and self.simulation.ses_down is None
        if undisturbed and now > max(moments) + _ON_THE_HOUR:
            self.wrong("everybody is told at their own hour", f"{profile.id}, whose was {max(moments)}")

    def _stops(self, after: bytes) -> None:
        """Note which campaigns are stopped from now on."""
        now, stops = self.world.clock.now(), msgspec.json.decode(after)
        how = {name.split("/")[1]: stop["how"] for name, stop in stops.items()}
        if self.cancelled - {flow for flow, each in how.items() if each == "cancelled"}:
            self.wrong("what is cancelled stays so", f"{how} instead of {self.cancelled}")
        self.cancelled |= {flow for flow, each in how.items() if each == "cancelled"}
        self.held = True
        self.stopped = {flow: self.stopped.get(flow, now) for flow in how}

    def _swap(self, method: Callable[..., bool], key: str, *args: Any, **kwargs: Any) -> bool:
        before = self.world.files.get(key)
        written = method(key, *args, **kwargs)
        if key == _STOPS and self.world.files.get(key) is not before:
            self._stops(self.world.files[key])
        after = self.world.files[key] if key == POINTER else before
        if after is not before:
            self.goes_live(self.world.files[key])
        return written

    def goes_live(self, pointer: bytes) -> None:
        """Note what is published from now on."""
        wanted = msgspec.json.decode(pointer)["hash"]
        self.published.append((self.world.clock.now(), next(book for book in books() if book.hash == wanted)))

    def _looked_at(self) -> None:
        """Everybody is looked at under what is published: a segment that is new has whoever belongs into it."""
        if not self.published[-1][1].segments:
            return
        for one, profile in self._known().items():
            if (SUBSCRIBERS in profile.segments) != profile.consented("email"):
                self.wrong("everybody is looked at under what is published", f"{one}: {profile.segments}")

    def _reached(self, flow: str) -> None:
        """A campaign is told to everybody who is in its segment, and takes in nobody twice."""
        told = Counter(
            (line.profile_id, decision.what)
            for line in self.world.ledger
            for decision in line.decisions
            if decision.flow == flow
        )
        for (one, what), times in told.items():
            if what == "entered" and times > 1:
                self.wrong("a campaign takes everybody in once", f"{one}: {times} times")
        if flow in self.cancelled or not self._stood(flow):
            return
        if not any(key.startswith(f"campaigns/tea/{flow}/") for key in self.world.files):
            self.wrong("a campaign starts when its time comes", "it never did")
        known = self._known()
        for one, since in self.members.items():
            if one in known and since < LETTER_AT and not told[one, "entered"] + told[one, "not_entered"]:
                self.wrong("a campaign leaves nobody out", f"{one}, in its segment since {since}")

    def _stood(self, flow: str) -> bool:
        """Whether this flow was published from before the campaign's time to the end."""
        begun = None
        for since, book in reversed(self.published):
            if flow not in book.flows:
                break
            begun = since
        return begun is not None and begun < LETTER_AT

    def people(self) -> list[Profile]:
        """Return everybody whom a customer's id, an address or anything else leads to."""
        return list(self._known().values())

    def _known(self) -> dict[str, Profile]:
        """Return everybody but who was merged, erased, or is nobody in particular."""
        world = self.world
        stored = {one: world.profile(one) for one in world.profiles if one not in world.profile_expiry}
        return {one: profile for one, profile in stored.items() if isinstance(profile, Profile)}

    # --- the reputation guard

    def _pause(self, method: Callable[..., bool], pause: Pause) -> bool:
        before = self.world.pauses.get(pause.shop)
        written = method(pause)
        if self.world.pauses.get(pause.shop) is before:
            return written
        if before is not None and before.active:
            self.wrong("a pause begins where none is in force", f"{pause.since}: {pause.why}")
        if self._bad() <= self.forgiven:
            self.wrong("a pause begins with a bounce or a complaint", f"{pause.since}: {pause.why}")
        self.pauses.append(Paused(pause, self.world.clock.now()))
        return written

    def _resume(self, method: Callable[..., bool], pause: Pause) -> bool:
        before = self.world.pauses.get(pause.shop)
        written = method(pause)
        if self.world.pauses.get(pause.shop) is not before:
            self.pauses[-1].ended_at = self.world.clock.now()
            # What `less` was counted in is the hour of the word, which may land in the next one.
            word = pause.resumed_at or self.world.clock.now()
            hour = word.replace(minute=0, second=0)
            earlier = (tally for (_, at), tally in self.world.tallies.items() if at < hour)
            self.forgiven = sum(tally.bounced + tally.complained for tally in (*earlier, pause.less))
        return written

    def _may_go(self, message: Message) -> None:
        """Check that a marketing mail whose lease is taken is not one of a paused shop, as far as `send` must know."""
        worker = self.simulation.current
        clause = "no marketing mail goes while its shop is paused"
        if worker is not None and worker.sandbox.guard.paused:
            self.wrong(clause, f"{message.id}: its worker knew")
        latest = self.pauses[-1] if self.pauses else None
        slack = timedelta(0) if self.calm else _SLACK
        now = self.world.clock.now()
        if latest is not None and latest.ended_at is None and now - latest.begun_at > _PAUSE_NOTICED + slack:
            self.wrong(clause, f"{message.id}: since {latest.begun_at}")

    def _word_leased(self, message: Message) -> None:
        # Of two that began in the same second, which have one word, the later.
        known = next((paused for paused in reversed(self.pauses) if paused.word == message.id), None)
        clause = "a shop is told of a pause that is in force"
        # It may end in the very moment between the look at it and the lease.
        slack = timedelta(0) if self.calm else _SLACK
        if known is None:
            self.wrong(clause, f"{message.id} is about none")
        elif known.ended_at is not None and self.world.clock.now() - known.ended_at > slack:
            self.wrong(clause, f"that of {known.begun_at} ended {known.ended_at}")

    def delivered(self, parcel: Parcel, verdict: Done) -> None:
        """Look at what `send` says of a parcel."""
        if verdict.how == "held" and parcel.category == "transactional":
            self.wrong("transactional mail is never held back", parcel.message_id)

    def _too_late(self, message: Message) -> None:
        """Check that what waited for the shop's word went out when that came, if it was worth sending still."""
        profile = self.world.profile(message.profile_id)
        planned = profile.planned.get(message.id) if isinstance(profile, Profile) else None
        if planned is None or not self.calm or self.simulation.ses_down is not None:
            return
        if planned.offer and all(message.id != coupon.message_id for coupon in self._coupons()):
            # It waited for its code, which nobody could make.
            return
        looked = planned.not_after - _LONGEST_REST
        if not any(
            paused.begun_at < planned.not_after and (paused.ended_at is None or paused.ended_at >= looked)
            for paused in self.pauses
        ):
            self.wrong("what waited for the shop's word goes out when it comes", f"{message.id} was left too late")

    def _bad(self) -> int:
        return sum(tally.bounced + tally.complained for tally in self.world.tallies.values())

    def _told(self) -> None:
        """The shop was told once of each pause that lasted, or the record of that mail says what became of it."""
        for paused in self.pauses:
            record = self.world.messages.get(paused.word)
            mails = sum(sent.mail.message_id == paused.word for sent in self.world.inbox)
            clause = "the shop is told of each pause, once"
            if mails > 1:
                self.wrong(clause, f"{paused.pause.since}: {mails} mails")
            if record is None or record.state == "reopened":
                # Who gave the shop's word before SES took mails again knew of it.
                down = self.simulation.ses_down
                begun = paused.begun_at if down is None else max(paused.begun_at, down[1])
                if paused.ended_at is None or (self.calm and paused.ended_at - begun > _TOLD_WITHIN):
                    self.wrong(clause, f"{paused.pause.since}: nobody was told")
            elif record.state in ("sent", "delivered", "bounced") and not mails:
                self.wrong(clause, f"{paused.pause.since}: {record.state}, and no mail went out")
            stored = self.world.pauses[paused.pause.shop]
            if stored.since == paused.pause.since and stored.active and stored.told_at is None:
                self.wrong(clause, f"{paused.pause.since}: it is still to be told")

    def _counts(self) -> None:
        """Counts are those of what happened, but for what a crash lost and what a repeated request added."""
        simulation = self.simulation
        added = 10 * sum(times for (place, _), times in simulation.exercised.items() if place == "counters.count")
        lost = simulation.choices.faults + simulation.killed
        tallies = self.world.tallies.values()
        bad = {"bounced": sum(t.bounced for t in tallies), "complained": sum(t.complained for t in tallies)}
        for state, counted in bad.items():
            if not self.moved[state] - lost <= counted <= self.moved[state] + added:
                self.wrong("each bounce and complaint counts once", f"{counted} {state}, not {self.moved[state]}")
        sent = sum(tally.sent for tally in tallies)
        # Mails of people who were merged since are left out, and a batch that dies takes its count along.
        merged = any(not isinstance(self.world.profile(one), Profile) for one in self.world.profiles)
        least = 0 if lost or merged else self.taken
        if not least <= sent <= self.taken + added:
            self.wrong("each mail that SES took counts once", f"{sent} sent, not {self.taken}")
        if self.calm and self._bad() > self.forgiven:
            latest = self.pauses[-1] if self.pauses else None
            if latest is None or latest.ended_at is not None:
                self.wrong("too many bounces or complaints pause the shop", f"{bad}")

    # --- at the end

    def final(self) -> None:
        """Check, now that nothing is left to do, that everything was done."""
        for clause in (
            self._applied,
            self._kept,
            self._heard,
            self._planned,
            self._quiet,
            self._one_person,
            self._forgotten,
            self._told,
            self._counts,
            self._counted,
            self._figures,
            self._issued,
            self._listed,
            self.said.final,
            self._looked_at,
            self.simulation.unheard.final,
            self.simulation.wishes.final,
        ):
            clause()
        for flow in CAMPAIGNS:
            if any(flow in book.flows for _, book in self.published):
                self._reached(flow)

    def living(self, profile_id: str) -> Profile | None:
        """Return the profile, or the one that it was merged into."""
        found = self.world.profile(profile_id)
        for _ in range(20):
            if not isinstance(found, Signpost):
                break
            found = self.world.profile(found.to)
        return found if isinstance(found, Profile) else None

    def _applied(self) -> None:
        """Every accepted event was applied exactly once: to everybody whom it concerns, by one commit each."""
        world = self.world
        for pending in world.pending.values():
            self.wrong("no accepted event is lost", f"{pending.id} still waits, {pending.tries} tries")
        splits = {step.pending_id: step.parts for step in self.steps if step.parts}
        lines = Counter(line.cause for line in world.ledger)
        told = Counter(step.pending_id for step in self.steps if step.pending_id and not step.parts)
        for delivery, _ in self.accepted.values():
            named = [place for place, event in enumerate(delivery.events) if not isinstance(event.data, Product)]
            self._consumed_once(delivery.id, named, splits)
        for pending_id, times in told.items():
            if not self.erased and lines[pending_id] != times:
                self.wrong("what is applied leaves its line in the ledger", f"{pending_id}: {lines[pending_id]} lines")

    def _consumed_once(
        self, pending_id: str, events: Sequence[int], splits: Mapping[str | None, Sequence[Pending]]
    ) -> None:
        if self.consumed[pending_id] != 1:
            self.wrong("an accepted event is applied once", f"{pending_id}: {self.consumed[pending_id]} times")
        parts = splits.get(pending_id, ())
        given = sorted(place for part in parts for place in part.only)
        # What is about somebody erased is privacy's, and nobody's part.
        delivery = pending_id.partition("#")[0]
        kept = [place for place in events if place in given or (delivery, place) not in self.private]
        if parts and given != kept:
            self.wrong("a split leaves nothing out and gives nothing twice", pending_id)
        for part in parts:
            self._consumed_once(part.id, part.only, splits)

    def _handed_to_privacy(self, method: Callable[..., None], tasks: Sequence[PrivacyTask], delay: int = 0) -> None:
        method(tasks, delay)
        self.private.update((task.delivery_id, task.index) for task in tasks)

    def _handed_to_catalogue(self, method: Callable[..., None], tasks: Sequence[CatalogueTask], delay: int = 0) -> None:
        method(tasks, delay)
        self.bought.update({task.order: task for task in tasks if isinstance(task, Bought)})

    def _counted(self) -> None:
        """Every order that was placed is counted, and each once: a product is as warm as the orders that sold it."""
        world = self.world
        known = {name.removeprefix("order/") for _, name in world.shelved if name.startswith("order/")}
        lost = {order for order in self.placed if ids.digest("order", "tea", order) not in known}
        if lost:
            self.wrong("every order is counted", f"{sorted(lost)} were not")
        heat: dict[str, list[float]] = {}
        for order in known:
            task = self.bought[order]
            for product in task.products:
                heat.setdefault(product, []).append(task.at.timestamp() / BEST_HALF_LIFE.total_seconds())
        for product, sales in heat.items():
            near = decode_near(world.shelved["tea", f"near/{product}"])
            expected = max(sales) + math.log2(sum(2 ** (sale - max(sales)) for sale in sales))
            if near.sold is None or abs(near.sold - expected) > _ROUNDED * len(sales):
                self.wrong(
                    "an order is counted once", f"{product}: {near.sold}, and {len(sales)} orders say {expected}"
                )

    def _figures(self) -> None:
        """Figures are what the ledger's lines and the messages' records say, and what people's profiles stand for."""
        world = self.world
        wanted = defaultdict(Decimal, self.told_counts)
        for message in self.recorded.values():
            if (label := label_of(message)) is not None:
                for figure in figures(message):
                    wanted[label, figure] += 1
        found: Figures = defaultdict(Decimal)
        for (_, label), sums in world.figures.items():
            for figure, amount in sums.items():
                found[label, figure] += amount
        summed, expected = _without_nothing(found), _without_nothing(wanted)
        if summed != expected:
            self.wrong("figures are what the ledger and the records say", f"{summed} instead of {expected}")
        if self.erased:
            return
        stands = self._stand_for()
        told = {key: amount for key, amount in expected.items() if key[1].startswith(_OF_PROFILES)}
        if stands != told:
            self.wrong("a person's share is what their profile says", f"{told} instead of {stands}")

    def _stand_for(self) -> dict[tuple[Label, str], Decimal]:
        """Return the figures that people's profiles stand for, all together."""
        stands: Figures = defaultdict(Decimal)
        for profile_id in self.world.profiles:
            profile = self.world.profile(profile_id)
            for counts in standing(profile).values() if isinstance(profile, Profile) else ():
                for count in counts:
                    stands[count.label, count.figure] += count.amount
        return _without_nothing(stands)

    def _kept(self) -> None:
        """What forbids stays in force, unless a later grant was signed."""
        for (channel, address, cover), since in self.refused.items():
            granted = self.granted.get((channel, address)) if cover == "marketing" else None
            if (granted is None or granted <= since) and not self.world.suppressed("tea", channel, address, cover):
                self.wrong("suppression never lifts but by a later grant", f"{cover} since {since}")

    def _heard(self) -> None:
        """What a channel said of an address was accepted, unless who heard it died, or could not even record it."""
        for channel, message, address in self.gone:
            told = ids.digest("gone", channel, message, address) in self.accepted
            if not told and message not in self.excused and not self.erased:
                self.wrong("what a channel says of an address is heard", message)

    def _planned(self) -> None:
        """Every planned message has a record of its outcome, and every record is closed."""
        world = self.world
        for message in world.messages.values():
            # A word that SES refused for now, of a pause that ended before it was said: nothing is left to say.
            ended = any(paused.word == message.id and paused.ended_at is not None for paused in self.pauses)
            if message.state == "leased" or (message.state == "reopened" and not ended):
                self.wrong("every due step is done, or its message listed as unknown", f"{message.id}: {message.state}")
            if message.state == "unknown" and not self.attempts[message.id] and message.id not in self.excused:
                self.wrong("only what may have been sent, or whose worker died, is unknown", message.id)
        if self.erased:
            return
        for line in world.ledger:
            for decision in line.decisions:
                if decision.what == "planned" and decision.message_id not in world.messages:
                    self.wrong("a planned message has a record of its outcome", self._name(decision))
        decisions = [
            decision for line in world.ledger for decision in line.decisions if decision.flow == "confirmation"
        ]
        done = {decision.run for decision in decisions if decision.what in ("planned", "skipped")}
        for decision in decisions:
            if decision.what == "entered" and decision.run not in done:
                self.wrong(
                    "every due step is done, or its message listed as unknown", f"{decision.run} planned nothing"
                )

    @staticmethod
    def _name(decision: Decision) -> str:
        return f"{decision.message_id} of {decision.flow}, planned {decision.at}"

    def _quiet(self) -> None:
        """Nothing is left on a queue, in a dead-letter queue, or overdue."""
        world = self.world
        for name, queue in self.simulation.queues.items():
            if queue.dead:
                self.wrong("dead-letter queues are empty", f"{name}: {[letter.body for letter in queue.dead]}")
        for profile_id in world.profiles:
            profile = world.profile(profile_id)
            if not isinstance(profile, Profile):
                continue
            if profile.deadline is not None:
                self.wrong("no deadline is overdue", f"{profile_id}: {profile.deadline}")
            if any(run.status == "active" for run in profile.runs):
                self.wrong("a run that goes on has a deadline", profile_id)

    def _one_person(self) -> None:
        """Every alias leads to somebody living, who knows it."""
        world = self.world
        for key, owner in world.owners.items():
            profile = self.living(owner)
            if profile is None and not self.erased:
                self.wrong("an alias leads to a living profile", key)
            elif profile is not None and key not in profile.aliases and owner == profile.id:
                self.wrong("a profile knows its aliases", key)

    def _forgotten(self) -> None:
        """Whoever asked to be erased, and said nothing since, is named nowhere any more."""
        told = [event for delivery, _ in self.accepted.values() for event in delivery.events]
        for request in told:
            if not isinstance(request.data, PrivacyRequest) or request.data.email is None:
                continue
            address, asked = request.data.email, request.data.at
            if any(event.who.email == address and event.occurred_at > asked for event in told):
                continue
            kept = [stored for stored in self.world.profiles.values() if isinstance(stored, bytes)]
            kept += [encode_events(delivery.events) for delivery in self.world.deliveries.values()]
            if any(address.encode() in text for text in kept):
                self.wrong("what was erased is gone everywhere", address)
        for message in self.world.messages.values():
            if isinstance(self.world.profile(message.profile_id), Tombstone):
                self.wrong("what was erased is gone everywhere", f"message {message.id}: {message.state}")


def _own_hour(zone: str | None) -> datetime:
    return OWN_AT.get(zone or "", min(OWN_AT.values()))


_decode_coupon = msgspec.json.Decoder(Coupon).decode


def _on_list(profile: Profile, address: str) -> bool:
    """Whether the person is to be on the list, and by this address: which they may have left since, but not refused."""
    mark = profile.audiences.get(LIST)
    act = profile.consent.get(f"email:{address}") or profile.consent.get(f"sms:{address}")
    stands = mark is not None and mark.on and address in (*mark.emails, *mark.phones)
    return stands and act is not None and act.state == "subscribed"


class Unexpected(logging.Handler):
    """Hands every error that a service logged to the watch of the simulation that runs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.watch: Watch | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look at the error."""
        if self.watch is not None and record.exc_info and isinstance(record.exc_info[1], Exception):
            self.watch.failed(record.exc_info[1])


def _without_nothing(sums: Figures) -> dict[tuple[Label, str], Decimal]:
    return {key: amount for key, amount in sums.items() if amount}
