"""What a shop has and no webhook tells of, or a late one; and the look every quarter of an hour that finds it.

Times at which no look would find anything are left out: what they would move, the next one moves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from rekindle.domain.facts import Customer, Order, Product
from rekindle.memory import Crash
from rekindle.ports import RESOURCES, Record, Resource
from rekindle.service.reconcile import EVERY, SETTLE, Looked, Mark, Marks, Reconciler, place_of
from tests.simulation.imports import customer, order
from tests.simulation.story import SHOP, T0, UNHEARD, Happening

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: In so many seconds a look must have ended: so few, that a slow answer leaves something for the next one.
_SECONDS = 40
#: So late comes the webhook of a late order: before it is looked for, when it has been found, and long after.
_LATE = (500, 1000, 4000)
_SECOND = timedelta(seconds=1)
MARKS = place_of(SHOP)
_clause = "a mark moves when what is missing has been accepted"


def _account(person: str, number: int, at: datetime) -> dict[str, Any]:
    """Return an account; of every second one the shop knows that it wants no mails any more."""
    consent = {"state": "unsubscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at.isoformat()}
    return {
        **customer(person),
        "updated_at": at.isoformat(),
        **({} if number % 2 else {"email_marketing_consent": consent}),
    }


def _product(_: str, number: int, at: datetime) -> dict[str, Any]:
    return {"id": f"p{number}", "title": "Tea", "updated_at": at.isoformat(), "variants": []}


_THINGS: dict[str, tuple[Resource, str, Callable[[str, int, datetime], dict[str, Any]]]] = {
    "order": ("orders", "orders/updated", lambda who, n, at: {**order(who, n), "updated_at": at.isoformat()}),
    "account": ("customers", "customers/update", _account),
    "product": ("products", "products/update", _product),
}


class Unheard:
    """The shop's own API, and who asks it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._watch = simulation.watch
        self.looked_at: datetime | None = None
        self.any = any(happening.what in UNHEARD for happening in simulation.story.happenings)
        if self.any:
            # A shop that has been looked at for long.
            marks: dict[str, Mark] = {resource: Mark(T0) for resource in RESOURCES}
            self._world.files[MARKS] = msgspec.json.encode(Marks(marks, T0))
            self._watch.calls["blobs.put"] = self._put

    def happen(self, happening: Happening) -> bool:
        """Let the shop have something now, and tell of it at once, late, or never; return whether this is such."""
        if happening.what not in UNHEARD:
            return False
        how, what = happening.what.split("_")
        now = self._world.clock.now()
        resource, topic, body_of = _THINGS[what]
        body = body_of(happening.who, happening.number, now)
        record = Record(topic=topic, body=msgspec.json.encode(body))
        self._world.shop_things.setdefault((SHOP, resource), {})[body["id"]] = now, record
        if how == "told":
            self._simulation.deliver(happening)
        elif how == "late":
            self._simulation.after(_LATE[happening.number % len(_LATE)], lambda: self._simulation.deliver(happening))
        return True

    # --- looking

    def next_look(self) -> datetime | None:
        """Return when the next look comes that would find anything, if any would."""
        wanted = []
        now = self._world.clock.now()
        marks = _marks(self._world.files[MARKS])
        for resource, mark in marks.items():
            if mark.until is not None:
                wanted.append(now)
            things = self._world.shop_things.get((SHOP, resource), {})
            wanted += [at + SETTLE + _SECOND for at, _ in things.values() if at >= mark.since]
        if not wanted:
            return None
        earliest = max(min(wanted), now)
        if self.looked_at is not None:
            earliest = max(earliest, self.looked_at + _SECOND)
        return T0 - (T0 - earliest) // EVERY * EVERY

    def look(self) -> None:
        """As functions/reconcile, called by the clock."""
        self.looked_at = self._world.clock.now()
        choice = self._simulation.road("look")
        if choice is not None and choice.kind == "lost":
            return
        if choice is not None:
            self._simulation.after(choice.amount, lambda: self._simulation.start("reconcile", self._look))
        self._simulation.due.append(lambda: self._simulation.start("reconcile", self._look))

    def _look(self) -> None:
        ports, clock = self._simulation.ports, self._world.clock
        known, over = self._known(), clock.now() + timedelta(seconds=_SECONDS)

        def left() -> float:
            return (over - clock.now()).total_seconds()

        reconciler = Reconciler(
            lists=ports["lists"],
            known=ports["known"],
            intake=ports["bulk"],
            secrets=ports["secrets"],
            blobs=ports["blobs"],
            clock=clock,
        )
        try:
            (looked,) = reconciler.all([SHOP], left)
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - the next one comes in a quarter of an hour
            self._watch.failed(error)
            return
        # An order that its customer's erasure met on its way is known to nobody, and fetched to be thrown away.
        if self._watch.calm and not self._watch.erased:
            self._undisturbed(looked, known)

    def _undisturbed(self, looked: Looked, known: set[tuple[str, datetime]]) -> None:
        if looked.how != "looked":
            self._watch.wrong("a look that nothing disturbs sees everything", f"{looked.how}: {looked.why}")
        for one in looked.missing:
            if (one.id, one.at) in known:
                self._watch.wrong("what a webhook brought is not fetched", one.id)

    # --- what must hold

    def _known(self) -> set[tuple[str, datetime]]:
        """Return of what it was accepted how it stood when: id and moment."""
        told = [event.data for delivery, _ in self._watch.accepted.values() for event in delivery.events]
        return {(data.id, data.updated_at) for data in told if isinstance(data, (Order, Customer, Product))}

    def _put(self, method: Callable[..., None], key: str, content: bytes, *args: Any) -> None:
        method(key, content, *args)
        if key != MARKS or self._watch.erased:
            return
        known = self._known()
        for resource, mark in _marks(content).items():
            for name, (at, _) in self._world.shop_things.get((SHOP, resource), {}).items():
                passed = at < mark.since or (mark.cursor is not None and f"{at.isoformat()}|{name}" <= mark.cursor)
                if passed and not any(one == name and when >= at for one, when in known):
                    self._watch.wrong(_clause, f"{name} of {at}: {mark}")

    def final(self) -> None:
        """Whatever the shop has is known in the end, and each order is confirmed once, whichever way it came."""
        if not self.any or self._watch.erased:
            return
        people = self._watch.people()
        orders = {name: mark.updated_at for each in people for name, mark in each.orders.items()}
        accounts = {each.shop_customer_id: each.customer_at for each in people}
        products = {name: product.updated_at for (_, name), product in self._world.catalogue.items()}
        stands: dict[Resource, dict[Any, datetime | None]] = {
            "orders": {**orders},
            "customers": {**accounts},
            "products": {**products},
        }
        for (_, resource), things in self._world.shop_things.items():
            for name, (at, _) in things.items():
                found = stands[resource].get(name)
                if found is None or found < at:
                    self._watch.wrong("what a shop has is known in the end", f"{name} of {at}: {found}")
        mails = sum(sent.mail.subject == "confirmation" for sent in self._world.inbox)
        if mails > len(orders):
            self._watch.wrong("an order is confirmed once, whichever way it came", f"{mails} mails, {sorted(orders)}")


@lru_cache(maxsize=256)
def _marks(raw: bytes) -> dict[Resource, Mark]:
    marks = msgspec.json.decode(raw, type=Marks).marks
    return {resource: marks[resource] for resource in RESOURCES}
