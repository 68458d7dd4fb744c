"""One stack for all end-to-end tests of a process: the real template on MiniStack, on the system's own time.

Only the demo's own test skips time, on a stack of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from local.shops import DARJEELING, TEA, Person, shopify, shopify_checkout
from local.world import World, world
from tests.support.content import demo_content

#: One mail, four minutes after a checkout by this one person: near enough for a test to wait for, far enough ahead for
#: a real schedule (a deadline under two minutes ahead goes straight to the wake queue).
PATIENT = Person(90, "Pia", "Patient", "patient@example.com", "Hove", "BN3 2FP")
WAIT = timedelta(minutes=4)
SOON = f"""\
title: Soon
enabled: true
priority: 20    # else it would make room for the shipped flow's reminder, an hour later
trigger:
  event: checkout.updated
  when: event.id == "{PATIENT.cart}"
entry:
  key: event.id
steps:
  - wait: 4m
  - email: cart-reminder-1
"""


@dataclass(frozen=True)
class Appointment:
    """A mail that is due at `due`, because of a checkout of `PATIENT`."""

    due: datetime


@pytest.fixture(scope="package")
def _waiting() -> Iterator[tuple[World, Appointment]]:
    """Start the stack and make the appointment at once: the waiting is done while the other tests run.

    It falls due on the first full minute that is more than two minutes ahead.
    """
    content = demo_content() | {"flows/soon.yaml": SOON.encode()}
    with world(port=None, content=content) as there:
        ahead = datetime.now(UTC) + timedelta(seconds=130)
        due = ahead.replace(second=0, microsecond=0) + timedelta(minutes=1)
        left = due - WAIT
        body = shopify_checkout(PATIENT, [(DARJEELING, 1)], left)
        assert there.post(TEA, shopify("checkouts/create", body, left)) == 200
        there.runner.wait_until_idle()
        yield there, Appointment(due)


@pytest.fixture(scope="package")
def live(_waiting: tuple[World, Appointment]) -> World:
    """Return a stack with both demo shops and the shipped content; nobody moves its clock."""
    return _waiting[0]


@pytest.fixture(scope="package")
def appointment(_waiting: tuple[World, Appointment]) -> Appointment:
    """Return what `PATIENT` waits for."""
    return _waiting[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test that waits for the scheduler last: its waiting is done while the others run."""
    items.sort(key=lambda item: item.path.name == "test_scheduler.py")
