"""When the world outside is slower than we are: everything waits its turn, nothing is dropped, nobody has to help."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from rekindle.domain.events import Who
from rekindle.memory import Fate
from rekindle.ports import Mail
from tests.support.build import CART, CONFIRMATION, T0, at, checkout, consent, order, playbook
from tests.support.plant import Plant

CROWD = 500
#: What SES takes in a moment.
RATE = 50


def leave(plant: Plant, people: int) -> None:
    """Let so many people leave a basket behind, at once."""
    for number in range(people):
        who = Who(email=f"p{number}@example.com", cart_token=f"c{number}", checkout_token=f"k{number}")
        plant.post(checkout(T0, who=who), consent(T0, who=who))
    plant.settle()


class Limited:
    """An SES that takes `RATE` mails in a moment and refuses the others."""

    def __init__(self, plant: Plant, refusal: Fate) -> None:
        self._clock = plant.world.clock
        self._refusal = refusal
        self.taken: Counter[datetime] = Counter()

    def __call__(self, _mail: Mail) -> Fate:
        """Decide about the next mail."""
        now = self._clock.now()
        if self.taken[now] == RATE:
            return self._refusal
        self.taken[now] += 1
        return "accept"


@pytest.mark.parametrize("refusal", ["throttled", "quota"])
def test_a_crowd_that_ses_cannot_take_at_once_is_mailed_in_full_and_a_confirmation_does_not_stand_behind_it(
    refusal: Fate,
) -> None:
    plant = Plant(playbook(CART, CONFIRMATION))
    leave(plant, CROWD)
    plant.world.decide_fate = Limited(plant, refusal)
    plant.until(at(hours=1))
    assert len(plant.world.inbox) == RATE
    bob = Who(email="bob@example.com", cart_token="c-bob", checkout_token="k-bob")
    plant.until(at(hours=1, seconds=1))
    plant.post(order(at(hours=1, seconds=1), who=bob))
    plant.settle()
    assert len(plant.world.send_queues["marketing"].messages) == CROWD - RATE
    assert [mail for mail in plant.mails() if mail[0] == bob.email] == [
        (bob.email, "order-confirmation", at(hours=1, seconds=1))
    ]
    plant.until(at(hours=20))
    reminded = Counter(to for to, template, _ in plant.mails() if template == "cart-reminder-1")
    assert reminded == {f"p{number}@example.com": 1 for number in range(CROWD)}
    assert {message.state for message in plant.world.messages.values()} == {"sent"}
    for queue in plant.world.send_queues.values():
        assert (queue.messages, queue.dead) == ([], [])


def test_a_day_without_ses_is_made_good_by_itself() -> None:
    """The account is paused for a day; what is still worth sending then goes out, in the hour in which it can."""
    plant = Plant(playbook(CART, CONFIRMATION))
    leave(plant, 3)
    back = at(days=1)
    plant.world.decide_fate = lambda _mail: "paused" if plant.world.clock.now() < back else "accept"
    bob = Who(email="bob@example.com", cart_token="c-bob", checkout_token="k-bob")
    plant.post(order(T0, who=bob))
    plant.until(back - timedelta(seconds=1))
    assert plant.mails() == []
    plant.until(back + timedelta(hours=1))
    confirmed = [when for to, template, when in plant.mails() if (to, template) == (bob.email, "order-confirmation")]
    assert len(confirmed) == 1
    assert back <= confirmed[0] <= back + timedelta(minutes=15)
    assert all(queue.dead == [] for queue in plant.world.send_queues.values())
