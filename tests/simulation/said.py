"""What must come of what people do at pages and links: watched where it is answered, and checked at the end.

Whoever was told that their click or choice is taken finds it applied, once; what was refused has changed nothing; and
what nobody signed makes nobody agree, joins no two people, and brings at most the mail that asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rekindle.domain import ids
from rekindle.domain.events import Delivery
from rekindle.domain.facts import Form, PreferencesTold, Review, SignUp
from rekindle.domain.profile import Planned, Profile
from rekindle.domain.sign_ups import A_DAY, ALERT_TEMPLATE, TEMPLATE
from rekindle.ports import Commit, Message, Pending, Reaction
from rekindle.service import sign_up
from rekindle.service.tracks import Followed
from tests.simulation.story import TARGETS

if TYPE_CHECKING:
    from tests.simulation.check import Watch

#: As docs/architecture.md tells it: so soon nobody has read a mail, and whoever follows two links at once is a machine.
_TOO_SOON, _SWEEP = timedelta(seconds=2), timedelta(seconds=10)
#: Whoever is asked answers within so long.
_ANSWERS = timedelta(seconds=10)
#: The mails that ask whether it was oneself.
ASKING = frozenset({TEMPLATE, ALERT_TEMPLATE})
_UNSIGNED = frozenset({"onsite", "page"})
#: What a page answers when it has taken what was posted.
_TAKEN = frozenset({"saved", "stopped", "confirmed", "repeated", "accepted"})


class Said:
    """What was said at pages and links in one simulation."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.wrong = watch.wrong
        self._reactions: list[Reaction] = []
        """what is on the reactions queue, or was"""
        self._unsigned: set[str] = set()
        """deliveries in which nobody signed anything"""
        self._asked: dict[str, set[str]] = {}
        """profile of a sign-up → the mails that asked it"""
        self._chosen: dict[tuple[str, str], list[tuple[datetime, object]]] = {}
        """profile and what it chose about → when, and what"""
        self._knocks: list[tuple[datetime, str]] = []
        """when somebody tried to sign up, and from where"""
        watch.calls["reactions.put"] = self._put

    # --- as it happens

    def accepted(self, delivery: Delivery, *, new: bool) -> None:
        """Look at what is accepted now, or was before."""
        self._did(delivery.id)
        unsigned = delivery.source in _UNSIGNED
        if unsigned and not any(event.signed for event in delivery.events):
            self._unsigned.add(delivery.id)
        for event in delivery.events:
            told = event.data
            if unsigned and event.signed and event.type != "browser.recognised":
                self.wrong("what nobody signed is not taken for signed", f"{event.id}: {event.type}")
            if new and isinstance(told, (PreferencesTold, Form, Review)) and event.profile_id is not None:
                for about, choice in _made(told).items():
                    if choice is not None:
                        self._chosen.setdefault((event.profile_id, about), []).append((told.at, choice))

    def committed(self, commit: Commit, pending: Pending | None, before: object) -> None:
        """Look at what came of something that nobody signed."""
        if pending is None or pending.delivery_id not in self._unsigned or commit.profile is None:
            return
        if commit.merged:
            self.wrong("nothing unsigned makes two people one", pending.id)
        known: Mapping[str, Any] = before.consent if isinstance(before, Profile) else {}
        if any(known.get(key) != act for key, act in commit.profile.consent.items() if not key.startswith("push")):
            self.wrong("nothing unsigned makes anybody agree", pending.id)

    def leased(self, message: str, planned: Planned, profile: Profile) -> None:
        """Look at who is to be written to: to an address that somebody typed goes what asks it, a few times a day."""
        if not profile.sign_ups:
            return
        asked = self._asked.setdefault(profile.id, set())
        asked.add(message)
        if planned.template not in ASKING or planned.to != "claimed" or len(asked) > A_DAY:
            self.wrong("what nobody signed brings only the mail that asks", f"{planned.template}, {len(asked)}")

    def _put(self, method: Callable[..., None], reaction: Reaction, delay: int = 0) -> None:
        method(reaction, delay)
        self._reactions.append(reaction)
        self._did(f"{reaction.kind} {reaction.message_id}")

    def _did(self, what: str) -> None:
        worker = self._watch.simulation.current
        if worker is not None:
            worker.did.append(what)

    # --- as it is answered

    def answered(self, what: str, *, visited: bool = False) -> None:
        """Look at what a page says that it has done."""
        worker = self._watch.simulation.current
        assert worker is not None
        if what in _TAKEN and not worker.did:
            self.wrong("what was answered as taken is accepted", f"{worker.name}: {what}")
        if what == "refused" or visited:
            self.refused()

    def knocked(self, seat: str) -> None:
        """Note that somebody begins to sign up from there."""
        self._knocks.append((self._watch.world.clock.now(), seat))

    def turned_away(self, seat: str) -> None:
        """Look at who was told that too many sign up: so many did, from there or in all, and nothing came of it."""
        self.refused()
        worker = self._watch.simulation.current
        assert worker is not None
        since = _stretch(worker.started_at) - _ANSWERS
        tried = [each for at, each in self._knocks if at >= since]
        # What is counted twice is counted twice: it is a limit, not a ledger.
        again = self._watch.simulation.exercised["limits.take", "repeat"]
        if tried.count(seat) + again <= sign_up.FROM_ONE and len(tried) + again <= sign_up.FOR_ONE:
            self.wrong("whoever is under a limit is let in", f"{worker.name}: {tried} since {since}")

    def followed(self, message: str, followed: Followed) -> None:
        """Look at where a link led, and at what is said of it."""
        if followed.address is None or not followed.address.startswith("https://tea.example"):
            self.wrong("a link of ours leads on", f"{message}: {followed.address}")
        self.told(message, followed.told)

    def told(self, message: str, what: str) -> None:
        """Look at what `track` says became of telling."""
        worker = self._watch.simulation.current
        assert worker is not None
        if what in ("noted", "held") and not any(did.endswith(message) for did in worker.did):
            self.wrong("a click that is told of is on the queue", f"{message}: {what}")
        if what == "lost" and self._watch.calm:
            self.wrong("a click is lost only where its queue fails", message)

    def refused(self) -> None:
        """Look at who was refused, or came to look: nothing came of it."""
        worker = self._watch.simulation.current
        assert worker is not None
        if worker.did:
            self.wrong("what was refused changes nothing", f"{worker.name}: {worker.did}")

    # --- at the end

    def final(self) -> None:
        """Check that everything that was taken is applied, and no more than the limits let through."""
        if self._knocks:
            self._limited()
        if self._watch.erased:
            return
        if self._reactions:
            self._reacted()
        if self._chosen:
            self._holds()

    def _holds(self) -> None:
        """Of each thing that somebody chose about, the latest choice holds."""
        people: dict[tuple[str, str], tuple[Profile, list[tuple[datetime, object]]]] = {}
        for (profile_id, about), told in self._chosen.items():
            profile = self._watch.living(profile_id)
            if profile is not None:
                people.setdefault((profile.id, about), (profile, []))[1].extend(told)
        for (_, about), (profile, told) in people.items():
            latest = max(at for at, _ in told)
            choices = [choice for at, choice in told if at == latest]
            if _choice(profile, about) not in choices:
                self.wrong("what somebody chose last holds", f"{about}: {_choice(profile, about)}, not {choices}")

    def _limited(self) -> None:
        taken = Counter[tuple[datetime, str]]()
        for delivery, _ in self._watch.accepted.values():
            for event in delivery.events:
                if isinstance(event.data, SignUp):
                    taken.update([(_stretch(event.data.at), event.data.proof.ip), (_stretch(event.data.at), "all")])
        for (since, seat), times in taken.items():
            if times > (sign_up.FOR_ONE if seat == "all" else sign_up.FROM_ONE):
                self.wrong("a limit lets no more through", f"{times} sign-ups of {seat} in the hour from {since} on")

    def _reacted(self) -> None:
        """A human's click is an event and in the record; a machine's is neither."""
        world, accepted = self._watch.world, self._watch.accepted
        maybe = set()
        for reaction in self._reactions:
            message = world.messages[reaction.message_id]
            link = TARGETS[reaction.index] if reaction.kind == "clicked" else ""
            parts = (f"email.{reaction.kind}", message.id, *([link] if link else []))
            told = ids.digest("feedback", *parts)
            if not reaction.machine:
                maybe.add(told)
            if not _surely_human(reaction, message, self._reactions):
                continue
            if told not in accepted:
                self.wrong("a click of a human is told", f"{message.id} {link} at {reaction.at}")
            if link and link not in message.links:
                self.wrong("a click of a human is in the record", f"{message.id} {link} at {reaction.at}")
        for delivery, _ in accepted.values():
            data = delivery.events[0].data if delivery.topic == "email.clicked" else None
            if getattr(data, "link", None) in TARGETS and delivery.id not in maybe:
                self.wrong("what a machine did is no event", delivery.id)


def _stretch(at: datetime) -> datetime:
    return at.replace(minute=0, second=0)


def _made(told: PreferencesTold | Form | Review) -> Mapping[str, object]:
    """Return what was said, by what it is about."""
    if isinstance(told, Form):
        return {f"trait {name}": answer for name, answer in told.answers.items() if told.name == "survey"}
    if isinstance(told, Review):
        return {f"review {told.order_id or ''}": told.rating}
    return {**told.topics, "frequency": told.frequency, "pause": told.paused_until}


def _choice(profile: Profile, about: str) -> object:
    kind, _, name = about.partition(" ")
    if kind in ("trait", "review"):
        stored: Mapping[str, Any] = profile.traits if kind == "trait" else profile.reviews
        return getattr(stored.get(name), "value" if kind == "trait" else "rating", None)
    chosen = profile.preferences
    known = {"frequency": chosen.frequency, "pause": chosen.pause}.get(about) or chosen.topics.get(about)
    return getattr(known, "value", getattr(known, "on", getattr(known, "until", None)))


def _surely_human(reaction: Reaction, message: Message, others: Sequence[Reaction]) -> bool:
    """Whether nobody could take this for a machine's: late enough, and no other link of its mail followed around it."""
    if reaction.machine or (message.leased_at is not None and reaction.at - message.leased_at < _TOO_SOON):
        return False
    return all(
        other.message_id != message.id or other.index == reaction.index or abs(other.at - reaction.at) > _SWEEP
        for other in others
        if other.kind == "clicked"
    )
