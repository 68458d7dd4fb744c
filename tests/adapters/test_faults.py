"""What is promised holds when a request or an answer is lost at any call, for one attempt or for all of them.

On MiniStack, which honours the client tokens of transactions as DynamoDB does.
"""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.domain import ids
from rekindle.domain.errors import AnswerLostError, PendingGoneError
from rekindle.domain.facts import Product
from rekindle.ports import Alias, Commit
from tests.support.faults import Loss, failing, losing, throttling, without_backoff
from tests.support.things import ANNA, MAIL, a_decision, a_delivery, a_lease, a_message, a_pending, a_profile, a_refusal
from tests.support.worlds import START, AwsPorts

ALL = 3
D1 = ids.digest("d1")
SENT = a_message("sent", vendor_id="v1", at=START)
COMMIT = Commit(
    pending_id=D1,
    profile=a_profile(),
    aliases=(Alias("tea#email#1", ANNA),),
    decisions=(a_decision(),),
    products=(Product(id="p1", updated_at=START, title="Sencha"),),
)

LOSSES: list[Loss] = ["request", "answer"]


@pytest.fixture
def ports(ministack_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch) -> AwsPorts:
    without_backoff(monkeypatch)
    return ministack_ports


def lose(ports: AwsPorts, operation: str, loss: Loss, attempts: int) -> Any:
    return losing(ports.clients.dynamodb, operation, loss, attempts=attempts)


# --- accept


@pytest.mark.parametrize("loss", LOSSES)
def test_one_loss_while_accepting_is_made_good_within_the_call(ports: AwsPorts, loss: Loss) -> None:
    with lose(ports, "TransactWriteItems", loss, 1) as lost:
        assert ports.intake.accept(a_delivery(), [a_refusal()]) is True
    assert lost.count == 1
    assert ports.pending_ids() == {D1}


@pytest.mark.parametrize("loss", LOSSES)
def test_accepting_says_when_it_does_not_know_and_the_repeat_finds_out(ports: AwsPorts, loss: Loss) -> None:
    with lose(ports, "TransactWriteItems", loss, ALL) as lost, pytest.raises(AnswerLostError):
        ports.intake.accept(a_delivery(), [a_refusal()])
    assert lost.count == ALL
    assert ports.intake.accept(a_delivery(), [a_refusal()]) is (loss == "request")
    assert ports.pending_ids() == {D1}
    ports.state.commit(Commit(profile=a_profile()))
    assert ports.outbox.lease(a_lease()) == "suppressed"


@pytest.mark.parametrize("loss", LOSSES)
def test_the_missing_suppression_of_a_repeat_survives_a_loss(ports: AwsPorts, loss: Loss) -> None:
    ports.intake.accept(a_delivery())
    with lose(ports, "UpdateItem", loss, 1):
        assert ports.intake.accept(a_delivery(), [a_refusal()]) is False
    ports.state.commit(Commit(profile=a_profile()))
    assert ports.outbox.lease(a_lease()) == "suppressed"


# --- commit


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("operation", ["UpdateItem", "TransactWriteItems"])
def test_one_loss_while_committing_is_made_good_within_the_call(ports: AwsPorts, operation: str, loss: Loss) -> None:
    ports.intake.accept(a_delivery())
    with lose(ports, operation, loss, 1) as lost:
        ports.state.commit(COMMIT)
    assert lost.count == 1
    assert_committed_once(ports)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("operation", ["UpdateItem", "TransactWriteItems"])
def test_a_commit_whose_fate_is_unknown_is_found_out_by_the_retry(ports: AwsPorts, operation: str, loss: Loss) -> None:
    ports.intake.accept(a_delivery())
    with lose(ports, operation, loss, ALL), pytest.raises(AnswerLostError):
        ports.state.commit(COMMIT)
    if (operation, loss) == ("TransactWriteItems", "answer"):
        with pytest.raises(PendingGoneError):
            ports.state.commit(COMMIT)
    else:
        ports.state.commit(COMMIT)
    assert_committed_once(ports)


def assert_committed_once(ports: AwsPorts) -> None:
    assert ports.pending_ids() == set()
    assert ports.state.profile(ANNA) == a_profile()
    assert ports.ledger(ANNA) == [(a_decision(),)]
    assert list(ports.outbox.products("tea", ["p1"])) == ["p1"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_split_whose_fate_is_unknown_leaves_each_part_once(ports: AwsPorts, loss: Loss) -> None:
    ports.intake.accept(a_delivery())
    parts = [a_pending("part1"), a_pending("part2")]
    with lose(ports, "TransactWriteItems", loss, 1):
        ports.state.split(a_pending(), parts)
    assert ports.pending_ids() == {part.id for part in parts}


# --- lease


@pytest.mark.parametrize("loss", LOSSES)
def test_one_loss_while_leasing_is_made_good_within_the_call(ports: AwsPorts, loss: Loss) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with lose(ports, "TransactWriteItems", loss, 1) as lost:
        assert ports.outbox.lease(a_lease()) == "taken"
    assert lost.count == 1
    assert ports.outbox.message(MAIL) == a_message()


@pytest.mark.parametrize("loss", LOSSES)
def test_asking_again_after_a_lost_answer_finds_the_lease_ones_own(ports: AwsPorts, loss: Loss) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with lose(ports, "TransactWriteItems", loss, ALL), pytest.raises(AnswerLostError):
        ports.outbox.lease(a_lease())
    assert ports.outbox.lease(a_lease()) == "taken"
    assert ports.outbox.lease(a_lease("t2")) == "held"


def test_a_lease_that_was_taken_unheard_is_held_against_everybody_else(ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with lose(ports, "TransactWriteItems", "answer", ALL), pytest.raises(AnswerLostError):
        ports.outbox.lease(a_lease("t1"))
    assert ports.outbox.lease(a_lease("t2")) == "held"


@pytest.mark.parametrize(("code", "status"), [("InternalServerError", 500), ("ServiceUnavailable", 503)])
def test_a_servers_fault_is_a_lost_answer(ports: AwsPorts, code: str, status: int) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with (
        failing(ports.clients.dynamodb, "TransactWriteItems", code, status=status),
        pytest.raises(AnswerLostError),
    ):
        ports.outbox.lease(a_lease())


def test_a_throttle_is_no_lost_answer(ports: AwsPorts) -> None:
    client = ports.clients.dynamodb
    with (
        failing(client, "TransactWriteItems", "ProvisionedThroughputExceededException"),
        pytest.raises(client.exceptions.ProvisionedThroughputExceededException),
    ):
        ports.outbox.lease(a_lease())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_throttle_after_a_lost_answer_is_a_lost_answer(ports: AwsPorts, loss: Loss) -> None:
    """What was throttled was the retry: the attempt before it may have been the one that wrote."""
    ports.state.commit(Commit(profile=a_profile()))
    client = ports.clients.dynamodb
    with (
        throttling(client, "TransactWriteItems", after=0) as throttled,
        losing(client, "TransactWriteItems", loss, attempts=1),
        pytest.raises(AnswerLostError),
    ):
        ports.outbox.lease(a_lease())
    assert throttled.count == ALL - 1
    assert ports.outbox.lease(a_lease()) == "taken"


# --- record and progress


@pytest.mark.parametrize("loss", LOSSES)
def test_one_loss_while_recording_is_made_good_within_the_call(ports: AwsPorts, loss: Loss) -> None:
    leased(ports)
    with lose(ports, "UpdateItem", loss, 1) as lost:
        assert ports.outbox.record(SENT, token="t1") is True
    assert lost.count == 1
    assert ports.outbox.message(MAIL) == SENT


@pytest.mark.parametrize("loss", LOSSES)
def test_recording_again_after_a_lost_answer_is_true(ports: AwsPorts, loss: Loss) -> None:
    leased(ports)
    with lose(ports, "UpdateItem", loss, ALL), pytest.raises(AnswerLostError):
        ports.outbox.record(SENT, token="t1")
    assert ports.outbox.record(SENT, token="t1") is True
    assert ports.outbox.message(MAIL) == SENT


@pytest.mark.parametrize("loss", LOSSES)
def test_a_skip_survives_a_loss(ports: AwsPorts, loss: Loss) -> None:
    skipped = a_message("skipped", why="no consent", at=START)
    with lose(ports, "UpdateItem", loss, 1):
        assert ports.outbox.record(skipped) is True
    assert ports.outbox.message(MAIL) == skipped


def leased(ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    assert ports.outbox.lease(a_lease()) == "taken"


# --- handing over


@pytest.mark.parametrize("loss", LOSSES)
def test_an_alarm_survives_a_loss(ports: AwsPorts, loss: Loss) -> None:
    at = START.replace(hour=12)
    with losing(ports.clients.scheduler, "CreateSchedule", loss, attempts=1) as lost:
        ports.alarms.ring(ANNA, at, START)
    assert lost.count == 1
    assert [when for when, _ in ports.schedules().values()] == [at]
    assert ports.waiting("wake").visible == []
