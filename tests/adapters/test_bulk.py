"""Accepting by the thousand: many in one transaction, each as if it had come alone."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rekindle.aws.bulk import DynamoBulkIntake
from rekindle.domain import ids
from rekindle.domain.events import Delivery, Suppression
from rekindle.ports import Accepting, Commit
from tests.support.faults import failing, losing, refuse_transactions, without_backoff
from tests.support.things import ANNA, a_delivery, a_lease, a_profile, a_refusal
from tests.support.worlds import START, AwsPorts, Ports


def many(*deliveries: Delivery, refusals: tuple[Suppression, ...] = ()) -> list[Accepting]:
    """Return them, ready to be accepted; the last with what it forbids."""
    ready = [Accepting(delivery=delivery, keys=["tea#email#h1"]) for delivery in deliveries]
    ready[-1] = Accepting(delivery=deliveries[-1], suppressions=refusals)
    return ready


def test_more_than_one_transaction_holds_are_all_accepted_each_with_its_own(ports: Ports) -> None:
    deliveries = [a_delivery(f"d{number}", body=f'{{"id": {number}}}'.encode()) for number in range(55)]
    assert ports.bulk.accept_all(many(*deliveries)) == (True,) * 55
    assert ports.pending_ids() == {delivery.id for delivery in deliveries}
    assert ports.body(ids.digest("d54")) == b'{"id": 54}'
    pending = ports.state.pending(ids.digest("d3"))
    assert pending is not None
    assert pending.keys == ("tea#email#h1",)


def test_what_is_known_already_keeps_nothing_else_out(ports: Ports) -> None:
    ports.intake.accept(a_delivery("d2", body=b"first"))
    ports.intake.accept(a_delivery("d4", also=(ids.digest("mark"),)))
    ports.state.commit(Commit(pending_id=ids.digest("d4")))
    new = ports.bulk.accept_all(
        many(
            a_delivery("d1"),
            a_delivery("d2", body=b"second"),
            a_delivery("d3"),
            a_delivery("d5", also=(ids.digest("mark"),)),
        )
    )
    assert new == (True, False, True, False)
    assert ports.body(ids.digest("d2")) == b"first"
    assert ports.pending_ids() == {ids.digest(name) for name in ("d1", "d2", "d3")}


def test_the_same_twice_in_one_call_is_new_once(ports: Ports) -> None:
    assert ports.bulk.accept_all(many(a_delivery("d1"), a_delivery("d1"), a_delivery("d2"))) == (True, False, True)


def test_all_of_them_again_are_repeats(ports: Ports) -> None:
    deliveries = [a_delivery(f"d{number}") for number in range(52)]
    ports.bulk.accept_all(many(*deliveries))
    assert ports.bulk.accept_all(many(*deliveries)) == (False,) * 52


def test_a_refusal_is_in_force_at_once_also_with_a_repeat_and_never_keeps_a_delivery_out(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    new = ports.bulk.accept_all(many(a_delivery("d1"), a_delivery("d2"), refusals=(a_refusal(),)))
    assert new == (True, True)
    assert ports.outbox.lease(a_lease()) == "suppressed"
    older = a_refusal(START.replace(year=2030))
    assert ports.bulk.accept_all(many(a_delivery("d3"), a_delivery("d4"), refusals=(older, older))) == (True, True)
    assert ports.state.profile(ANNA) is not None


def test_large_bodies_go_to_the_bucket_and_the_rest_beside_them(ports: Ports) -> None:
    large = secrets.token_bytes(400_000)
    assert ports.bulk.accept_all(many(a_delivery("d1"), a_delivery("d2", body=large), a_delivery("d3"))) == (True,) * 3
    assert ports.body(ids.digest("d2")) == large


def test_bodies_that_no_transaction_holds_together_go_in_several(ports: Ports) -> None:
    bodies = [secrets.token_bytes(250_000) for _ in range(17)]
    ready = many(*(a_delivery(f"d{number}", body=body) for number, body in enumerate(bodies)))
    assert ports.bulk.accept_all(ready) == (True,) * 17
    assert ports.body(ids.digest("d16")) == bodies[16]


def test_what_waits_is_counted_up_to_a_point(ports: Ports) -> None:
    assert ports.bulk.waiting(10) == 0
    ports.bulk.accept_all(many(*(a_delivery(f"d{number}") for number in range(7))))
    assert ports.bulk.waiting(10) == 7
    assert ports.bulk.waiting(5) == 5


def test_it_takes_a_call_for_each_fifty(moto_ports: AwsPorts) -> None:
    writes: list[int] = []
    events = moto_ports.clients.dynamodb.meta.events
    hook = "before-parameter-build.dynamodb.TransactWriteItems"

    def count(params: dict[str, Any], **_: Any) -> None:
        writes.append(len(params["TransactItems"]))

    events.register(hook, count)
    moto_ports.bulk.accept_all(many(*(a_delivery(f"d{number}") for number in range(51))))
    events.unregister(hook, count)
    assert writes == [100, 2]


def test_all_of_them_again_cost_no_call_for_each(moto_ports: AwsPorts) -> None:
    deliveries = many(*(a_delivery(f"d{number}") for number in range(20)))
    moto_ports.bulk.accept_all(deliveries)
    writes: list[str] = []
    events = moto_ports.clients.dynamodb.meta.events
    hook = "before-parameter-build.dynamodb.*"

    def count(model: Any, **_: Any) -> None:
        writes.append(model.name)

    events.register(hook, count)
    assert moto_ports.bulk.accept_all(deliveries) == (False,) * 20
    events.unregister(hook, count)
    assert writes == ["TransactWriteItems"]


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_table_that_is_too_small_yet_is_waited_for(moto_ports: AwsPorts, reason: str) -> None:
    rests: list[float] = []
    bulk = patient(moto_ports, rests)
    with refuse_transactions(moto_ports.clients, [reason, "None", "None", "None"], times=3):
        assert bulk.accept_all(many(a_delivery("d1"), a_delivery("d2"))) == (True, True)
    assert rests == [0.5, 1.0, 2.0]


def test_a_lost_answer_is_asked_for_again_and_stores_nothing_twice(
    moto_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_backoff(monkeypatch)
    rests: list[float] = []
    with losing(moto_ports.clients.dynamodb, "TransactWriteItems", "answer", attempts=4):
        patient(moto_ports, rests).accept_all(many(a_delivery("d1"), a_delivery("d2")))
    assert moto_ports.pending_ids() == {ids.digest("d1"), ids.digest("d2")}


def test_what_is_no_throttling_is_told(moto_ports: AwsPorts) -> None:
    with (
        failing(moto_ports.clients.dynamodb, "TransactWriteItems", "AccessDeniedException"),
        pytest.raises(ClientError),
    ):
        moto_ports.bulk.accept_all(many(a_delivery("d1")))


def patient(ports: AwsPorts, rests: list[float]) -> DynamoBulkIntake:
    """Return an intake that notes how long it would rest."""
    made = ports.installation
    return DynamoBulkIntake(ports.clients, made.tables, raw_bucket=made.raw_bucket, sleep=rests.append)
