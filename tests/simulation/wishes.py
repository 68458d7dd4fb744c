"""What must come of it when somebody asks to be told of a product: they are told of it, once, and nobody else is.

What is news is told here from how the catalogue stands before and after each commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from rekindle.domain.events import Event
from rekindle.domain.facts import Alert, Consent, Product, ProductChange
from rekindle.domain.profile import Profile
from rekindle.memory import Sent
from rekindle.ports import Commit
from tests.simulation.story import ALERTS, SHOP

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: Somebody who was just told of a product is not told again so soon, and what comes while they wait joins in.
_AGAIN = timedelta(hours=1, minutes=10)


class Due(Struct, frozen=True):
    """That somebody who had asked for it is to be told: what they wanted, when they had said so, and what is news."""

    profile_id: str
    product: str
    wanted: str
    asked_at: datetime | None
    at: datetime


class Wishes:
    """Watches products, where the story is about them."""

    def __init__(self, simulation: Simulation) -> None:
        self._watch = simulation.watch
        self._world = simulation.world
        self._due: list[Due] = []
        self._any = simulation.story.book == ALERTS
        if self._any:
            self._commits = self._watch.calls["state.commit"]
            self._watch.calls["state.commit"] = self._commit

    def _commit(self, method: Callable[..., None], commit: Commit) -> None:
        before = {product.id: self._world.product(SHOP, product.id) for product in commit.products}
        self._commits(method, commit)
        for name, known in before.items():
            now = self._world.product(SHOP, name)
            if known is not None and now is not None and now != known:
                self._note(known, now)

    def _note(self, before: Product, now: Product) -> None:
        """Note who is to be told of this change."""
        news = {
            "price": before.price is not None and now.price is not None and now.price < before.price,
            "stock": before.in_stock is False and bool(now.in_stock),
        }
        if not now.in_stock:
            return
        for profile in self._watch.people():
            known = profile.interests.get(now.id)
            if known is None or (known.asked_at is not None and known.asked_at > now.updated_at):
                continue
            self._due += [
                Due(profile.id, now.id, wanted, known.asked_at, now.updated_at)
                for wanted in known.asked
                if news[wanted]
            ]

    def final(self) -> None:
        """Whoever was to be told was, and nobody oftener than they had asked."""
        if not self._any or self._watch.erased:
            return
        told = [event for delivery, _ in self._watch.accepted.values() for event in delivery.events]
        self._once([event for event in told if isinstance(event.data, Alert)])
        if len(self._watch.published) > 1:
            # In a playbook without the flow nobody waits for it.
            return
        said = {event.data.at for event in told if isinstance(event.data, (Alert, Consent))}
        heard = {(event.profile_id, event.data.at) for event in told if isinstance(event.data, ProductChange)}
        for due in self._due:
            profile = self._watch.living(due.profile_id)
            if profile is None:
                continue
            if not any((one, due.at) in heard for one in (due.profile_id, *profile.was, profile.id)):
                self._watch.wrong("news of a product reaches whoever asked", f"{due}")
            elif not self._is_told(due, profile, said):
                self._watch.wrong("whoever asked to be told of a product is told", f"{due}")

    def _is_told(self, due: Due, profile: Profile, said: Collection[datetime]) -> bool:
        """Whether they are told of it, or have said something else since."""
        known = profile.interests.get(due.product)
        news = {each.at for each in self._due if each.product == due.product} - {*said}
        if known is not None and known.asked_at not in (due.asked_at, *news):
            return True
        return any(
            decision.flow == "alert" and decision.what == "entered" and decision.at > due.at - _AGAIN
            for line in self._world.ledger
            for decision in line.decisions
            if self._watch.living(line.profile_id) == profile
        )

    def _once(self, asked: Sequence[Event]) -> None:
        # Whoever moves takes along what they have asked for.
        mails = Counter(sent.mail.to.partition(".")[0].partition("@")[0] for sent in self._mails())
        wishes = Counter[str]()
        for event in asked:
            wishes[(event.who.email or "").partition("@")[0]] += len(getattr(event.data, "wants", ()))
        if not mails <= wishes:
            self._watch.wrong("whoever asked is told of a product once", f"{mails} for {wishes}")

    def _mails(self) -> Sequence[Sent]:
        return [sent for sent in self._world.inbox if sent.mail.subject == "alert"]
