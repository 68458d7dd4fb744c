"""A shop's own lists, as an import reads them: the same people, of whom webhooks tell meanwhile.

An operator imports, as with `rekindle import`: what failed or was killed is begun again, and goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from rekindle.ports import Page, Record
from rekindle.service.imports import Importer, Job
from tests.simulation.story import SHOP, T0, Happening, who

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: So many deliveries may wait to be applied, and so many seconds pass between two looks whether fewer do.
_BACKLOG, _LOOK = 2, 60
#: When what is on the lists was said; and a row that claims to be of now, which still allows nothing that was refused.
_BEFORE = T0 - timedelta(days=1)


def customer(person: str) -> dict[str, Any]:
    """Return what the shop's API shows of an account, but for what it agreed to."""
    return {"id": f"id-{person}", "email": who(person).email, "tags": "club", "updated_at": _BEFORE.isoformat()}


def _customer(person: str) -> tuple[str, dict[str, Any]]:
    consent = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": _BEFORE.isoformat()}
    return "customers/update", {**customer(person), "email_marketing_consent": consent}


def order(person: str, number: int) -> dict[str, Any]:
    """Return what the shop's API shows of an order."""
    return {
        "id": f"order-{person}-{number}",
        "email": who(person).email,
        "customer": {"id": f"id-{person}", "email": who(person).email},
        "created_at": T0.isoformat(),
        "processed_at": T0.isoformat(),
        "updated_at": T0.isoformat(),
        "financial_status": "pending",
        "line_items": [{"product_id": "p1", "title": "Sencha", "quantity": 1, "price": "19.00"}],
        "total_price": "19.00",
        "currency": "EUR",
        "cart_token": who(person).cart_token,
        "checkout_token": who(person).checkout_token,
    }


def _row(person: str, number: int) -> tuple[str, dict[str, Any]]:
    at = (T0 + timedelta(days=number)).isoformat()
    consent = {"channel": "email", "state": "subscribed", "at": at, "by": "a list"}
    return "list.row", {"email": who(person).email, "at": at, "consents": [consent]}


class Lists:
    """A source: two pages, of somebody's account and order, then what a file and an order say of somebody else."""

    def __init__(self, person: str, number: int) -> None:
        other = "bob" if person == "ada" else "ada"
        self._pages: Sequence[Sequence[tuple[str, dict[str, Any]]]] = (
            (_customer(person), ("orders/updated", order(person, number))),
            (_row(other, number % 2), ("orders/updated", order(other, 1))),
        )

    def page(self, cursor: str | None) -> Page:
        """Return a page."""
        place = int(cursor or 0)
        records = [Record(topic=topic, body=msgspec.json.encode(body)) for topic, body in self._pages[place]]
        return Page(records=records, cursor=str(place + 1) if place + 1 < len(self._pages) else None)

    def records(self) -> list[bytes]:
        """Return the bodies of all records."""
        return [msgspec.json.encode(body) for page in self._pages for _, body in page]

    def total(self) -> int:
        """Return how many records there are."""
        return sum(map(len, self._pages))


def run_import(simulation: Simulation, happening: Happening, tries: int = 1) -> None:
    """Import somebody's lists beside whatever else happens."""

    def wait(_: float) -> None:
        worker = simulation.current
        assert worker is not None
        simulation.sleep(worker, _LOOK)

    def body() -> None:
        ports = simulation.ports
        importer = Importer(
            intake=ports["bulk"],
            blobs=ports["blobs"],
            secrets=ports["secrets"],
            clock=simulation.clock,
            sleep=wait,
            backlog=_BACKLOG,
        )
        job = Job(shop=SHOP, key=str(happening), label="customers, orders, a list")
        lists = Lists(happening.who, happening.number)
        for step in importer.run(lists, job):
            if step.unusable:
                simulation.watch.wrong("what is on a list can be used", str(step.unusable))
        simulation.watch.imported(lists.records())

    simulation.insist(
        "import", body, lambda: run_import(simulation, happening, tries + 1), tries, f"of {happening.who}"
    )
