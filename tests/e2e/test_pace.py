"""A burst through an SES that takes twenty mails a second: the workers keep to it together, each by itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest

from local.ses import Limits
from local.shops import BIKES, PLANT, Person, woocommerce, woocommerce_order
from local.world import World, world
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-pace")

RATE = 20.0
#: All of a burst of orders are transactional mails, which have a share of the rate (template.yaml, TransactionalShare).
SHARE = 0.2
BURST = 24


@pytest.fixture(scope="module")
def slow() -> Iterator[World]:
    """Return a stack whose SES refuses what comes faster than its rate."""
    with world(port=None, limits=Limits(rate=RATE)) as there:
        yield there


def test_a_burst_of_orders_is_confirmed_at_the_accounts_rate_and_hardly_a_mail_is_throttled(slow: World) -> None:
    numbers = count(900)
    people = []
    for number in (next(numbers) for _ in range(BURST)):
        person = Person(number, "Bo", "Burst", f"bo{number}@example.com", "Gent", "9000", country="BE")
        at = slow.clock.now()
        body = woocommerce_order(person, [(PLANT, 1)], "processing", at, at)
        assert slow.post(BIKES, woocommerce("order.created", body, f"burst-{number}")) == 200
        people.append(person)
    eventually(lambda: len(slow.ses.history) > 0, seconds=20)
    began = time.monotonic()
    eventually(lambda: len(slow.ses.mails) >= BURST, seconds=60)
    took = time.monotonic() - began
    assert Counter(mail.address for mail in slow.ses.mails) == {person.email: 1 for person in people}
    refused = sum(attempt.refused for attempt in slow.ses.history)
    assert refused <= 2
    fastest = BURST / (RATE * SHARE)
    assert took >= fastest * 0.7, "they went faster than their share of the rate"
    assert slow.stack.dead_letters() == {}
