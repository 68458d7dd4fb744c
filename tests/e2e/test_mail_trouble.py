"""SES in trouble: nothing is lost that surely was not sent, and nothing is tried twice that may have been."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from local.shops import BIKES, PLANT, Person, woocommerce, woocommerce_order
from local.world import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-live")

_numbers = count(700)


@pytest.fixture
def order(live: World) -> Callable[[], Person]:
    """Return what places a paid order of somebody new, which is confirmed by mail: the only one under way."""
    live.runner.wait_until_idle()

    def place() -> Person:
        number = next(_numbers)
        person = Person(number, "Timo", "Trouble", f"timo{number}@example.com", "Gent", "9000", country="BE")
        at = live.clock.now()
        body = woocommerce_order(person, [(PLANT, 1)], "processing", at, at)
        assert live.post(BIKES, woocommerce("order.created", body, f"order-{number}")) == 200
        return person

    return place


def _mails(live: World, person: Person) -> int:
    return sum(mail.address == person.email for mail in live.ses.mails)


def _attempts(live: World, person: Person) -> int:
    return sum(attempt.startswith(f"{person.email} ") for attempt in live.ses.attempts)


def _states(live: World, person: Person) -> list[str]:
    return [state for _, state, _ in live.messages(person.email)]


def test_a_throttled_mail_is_sent_later_and_once(live: World, order: Callable[[], Person]) -> None:
    live.ses.plan("throttle")
    person = order()
    eventually(lambda: _mails(live, person) == 1, seconds=40)
    live.runner.wait_until_idle()
    assert (_mails(live, person), _attempts(live, person)) == (1, 2)


def test_a_mail_whose_answer_is_lost_is_not_sent_again_and_its_notice_settles_it(
    live: World, order: Callable[[], Person]
) -> None:
    live.ses.plan("lose_answer")
    person = order()
    eventually(lambda: _states(live, person) == ["delivered"], seconds=20)
    live.runner.wait_until_idle()
    assert (_mails(live, person), _attempts(live, person)) == (1, 1)


def test_a_mail_on_which_ses_hangs_is_unknown_and_never_tried_again(live: World, order: Callable[[], Person]) -> None:
    live.ses.plan("hang")
    person = order()
    eventually(lambda: _states(live, person) == ["unknown"], seconds=40)
    live.runner.wait_until_idle()
    assert (_mails(live, person), _attempts(live, person)) == (0, 1)


def test_a_refused_mail_has_failed_and_is_not_tried_again(live: World, order: Callable[[], Person]) -> None:
    live.ses.plan("reject")
    person = order()
    eventually(lambda: _states(live, person) == ["failed"], seconds=20)
    live.runner.wait_until_idle()
    assert (_mails(live, person), _attempts(live, person)) == (0, 1)


def test_a_notice_of_another_configuration_set_reaches_nobody(live: World, order: Callable[[], Person]) -> None:
    person = order()
    eventually(lambda: _states(live, person) == ["delivered"], seconds=20)
    mail = next(mail for mail in live.ses.mails if mail.address == person.email)
    foreign: dict[str, Any] = {
        "version": "0",
        "id": "foreign",
        "detail-type": "Email Bounced",
        "source": "aws.ses",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventType": "Bounce",
            "mail": {
                "timestamp": "2026-01-01T00:00:00Z",
                "messageId": mail.vendor_id,
                "destination": [mail.address],
                "tags": {"ses:configuration-set": ["another"], **{name: [value] for name, value in mail.tags.items()}},
            },
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": mail.address}],
                "timestamp": "2026-01-01T00:00:00Z",
            },
        },
    }
    live.stack.put_aws_event(foreign)
    live.runner.wait_until_idle()
    assert _states(live, person) == ["delivered"]
