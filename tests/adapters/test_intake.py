"""Accepting: one transaction, once, with the suppressions that belong to it (DESIGN §6)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import ConflictError
from rekindle.domain.events import Suppression
from rekindle.domain.facts import Item, Order, Proof, SignUp
from rekindle.ports import Commit, LeaseAnswer
from tests.support.faults import refuse_transactions
from tests.support.things import ANNA, a_delivery, a_lease, a_pending, a_profile, a_refusal, an_event
from tests.support.worlds import START, AwsPorts, Ports

LATER = START + timedelta(hours=1)
LATEST = START + timedelta(hours=2)


def lease_answer(ports: Ports, *, covers: tuple[str, ...] = ("everything", "marketing")) -> LeaseAnswer:
    """Ask for a lease of a mail to the address `a1`: the only way to see a suppression that all worlds share."""
    if ports.state.profile(ANNA) is None:
        ports.state.commit(Commit(profile=a_profile()))
    return ports.outbox.lease(a_lease(covers=covers))


def test_an_accepted_delivery_is_pending_with_its_events_body_and_keys(ports: Ports) -> None:
    delivery = a_delivery(body=b'{"id": 1}')
    assert ports.intake.accept(delivery, (), ["tea#email#h1", "tea#email#h2", "tea#email#h1"]) is True
    pending = a_pending(keys=("tea#email#h1", "tea#email#h2"))
    assert ports.state.pending(delivery.id) == pending
    work = ports.state.work(pending)
    assert work is not None
    assert (work.pending, work.events, work.owners) == (pending, delivery.events, {})
    assert ports.body(delivery.id) == b'{"id": 1}'


def test_a_repeat_stores_nothing(ports: Ports) -> None:
    assert ports.intake.accept(a_delivery(body=b"first")) is True
    assert ports.intake.accept(a_delivery(body=b"second", received_at=LATER)) is False
    assert ports.body(ids.digest("d1")) == b"first"
    stored = ports.state.pending(ids.digest("d1"))
    assert stored is not None
    assert stored.accepted_at == START


def test_a_repeat_after_it_was_applied_does_not_come_back(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    ports.state.commit(Commit(pending_id=ids.digest("d1")))
    assert ports.intake.accept(a_delivery()) is False
    assert ports.state.pending(ids.digest("d1")) is None


@pytest.mark.parametrize(
    ("second", "also"),
    [("d2", ("body-hash",)), ("body-hash", ()), ("d2", ("d2", "body-hash", "body-hash"))],
    ids=["another id, the same mark", "an id that is a mark", "marks given twice"],
)
def test_a_delivery_is_a_repeat_by_any_of_its_ids(ports: Ports, second: str, also: tuple[str, ...]) -> None:
    first = a_delivery(also=(ids.digest("body-hash"),))
    assert ports.intake.accept(first) is True
    assert ports.intake.accept(a_delivery(second, also=tuple(map(ids.digest, also)))) is False
    assert ports.pending_ids() == {first.id}


def test_which_ids_are_taken_can_be_asked(ports: Ports) -> None:
    mark = ids.digest("mark")
    ports.intake.accept(a_delivery(also=(mark,)))
    assert ports.intake.known((ids.digest("d1"), mark, ids.digest("d2"))) == {ids.digest("d1"), mark}


def test_deliveries_with_nothing_in_common_are_both_new(ports: Ports) -> None:
    assert ports.intake.accept(a_delivery("d1", also=("m1",))) is True
    assert ports.intake.accept(a_delivery("d2", also=("m2",))) is True
    assert ports.pending_ids() == {ids.digest("d1"), ids.digest("d2")}


def test_a_delivery_without_body_or_events_is_accepted_too(ports: Ports) -> None:
    assert ports.intake.accept(a_delivery(body=b"", events=())) is True
    work = ports.state.work(a_pending())
    assert work is not None
    assert work.events == ()


@pytest.mark.parametrize(
    "body",
    [secrets.token_bytes(250_000), secrets.token_bytes(700_000), b"x" * 3_000_000],
    ids=["on the item", "in the bucket", "small once compressed"],
)
def test_a_body_of_any_size_is_kept_as_it_came(ports: Ports, body: bytes) -> None:
    assert ports.intake.accept(a_delivery(body=body)) is True
    assert ports.body(ids.digest("d1")) == body


def test_events_too_large_for_an_item_are_found_again(ports: Ports) -> None:
    items = tuple(Item(title=secrets.token_hex(400), sku=str(number)) for number in range(700))
    order = replace(an_event("e1"), type="order.placed", data=Order(id="1", updated_at=START, items=items))
    large = a_delivery(events=(order, an_event("e2")), body=secrets.token_bytes(250_000))
    assert ports.intake.accept(large) is True
    work = ports.state.work(a_pending())
    assert work is not None
    assert work.events == large.events
    assert ports.body(large.id) == large.body


# --- suppressions


def test_a_suppression_is_in_force_from_the_moment_its_delivery_is_accepted(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal()])
    assert lease_answer(ports) == "suppressed"


def test_a_suppression_of_marketing_lets_transactional_mail_through(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal(covers="marketing")])
    assert lease_answer(ports, covers=("everything",)) == "taken"


def test_a_suppression_of_everything_stops_transactional_mail_too(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal(covers="everything", reason="bounced")])
    assert lease_answer(ports, covers=("everything",)) == "suppressed"


@pytest.mark.parametrize("field", ["shop", "channel", "address"])
def test_a_suppression_concerns_one_address_of_one_channel_of_one_shop(ports: Ports, field: str) -> None:
    other = {"shop": "tea", "channel": "email", "address": "a1", field: "other"}
    refusal = Suppression(**other, covers="marketing", reason="unsubscribed", since=START)
    ports.intake.accept(a_delivery(), [refusal])
    assert lease_answer(ports) == "taken"


def test_a_repeat_writes_the_suppression_that_is_missing(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    assert ports.intake.accept(a_delivery(), [a_refusal()]) is False
    assert lease_answer(ports) == "suppressed"


def test_the_same_refusal_twice_in_one_delivery_is_one(ports: Ports) -> None:
    assert ports.intake.accept(a_delivery(), [a_refusal(), a_refusal(LATER)]) is True
    assert lease_answer(ports) == "suppressed"


@pytest.mark.parametrize("known_since", [START, LATER], ids=["older", "newer"])
def test_a_known_suppression_does_not_keep_a_delivery_out(ports: Ports, known_since: datetime) -> None:
    ports.intake.accept(a_delivery("d1"), [a_refusal(LATER)])
    assert ports.intake.accept(a_delivery("d2"), [a_refusal(known_since), a_refusal(covers="everything")]) is True
    assert ports.state.pending(ids.digest("d2")) is not None
    assert lease_answer(ports, covers=("everything",)) == "suppressed"


def test_a_grant_lifts_what_was_refused_before_it(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal(START)])
    ports.state.lift("tea", "email", "a1", LATER)
    ports.state.lift("tea", "email", "a1", LATER)
    assert lease_answer(ports) == "taken"


@pytest.mark.parametrize("since", [LATER, LATEST], ids=["at the same moment", "later"])
def test_a_grant_does_not_lift_what_was_refused_since(ports: Ports, since: datetime) -> None:
    ports.intake.accept(a_delivery("d1"), [a_refusal(START)])
    ports.intake.accept(a_delivery("d2"), [a_refusal(since)])
    ports.state.lift("tea", "email", "a1", LATER)
    assert lease_answer(ports) == "suppressed"


def test_an_older_refusal_that_arrives_late_does_not_weaken_a_newer_one(ports: Ports) -> None:
    ports.intake.accept(a_delivery("d1"), [a_refusal(LATEST)])
    ports.intake.accept(a_delivery("d2"), [a_refusal(START)])
    ports.state.lift("tea", "email", "a1", LATER)
    assert lease_answer(ports) == "suppressed"


def test_a_lifted_refusal_stays_lifted_when_its_delivery_is_repeated(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal(START)])
    ports.state.lift("tea", "email", "a1", LATER)
    assert ports.intake.accept(a_delivery(), [a_refusal(START)]) is False
    assert lease_answer(ports) == "taken"


def test_a_refusal_that_arrives_after_a_later_grant_has_no_effect(ports: Ports) -> None:
    ports.state.lift("tea", "email", "a1", LATER)
    assert ports.intake.accept(a_delivery(), [a_refusal(START)]) is True
    assert lease_answer(ports) == "taken"


def test_a_refusal_after_a_grant_is_in_force_again(ports: Ports) -> None:
    ports.intake.accept(a_delivery("d1"), [a_refusal(START)])
    ports.state.lift("tea", "email", "a1", LATER)
    ports.intake.accept(a_delivery("d2"), [a_refusal(LATEST)])
    ports.state.lift("tea", "email", "a1", LATER)
    assert lease_answer(ports) == "suppressed"


def test_a_grant_never_lifts_a_suppression_of_everything(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), [a_refusal(covers="everything", reason="bounced")])
    ports.state.lift("tea", "email", "a1", LATER)
    assert lease_answer(ports) == "suppressed"


@pytest.mark.parametrize("overruled", ["marketing", "everything"])
def test_of_two_refusals_in_one_delivery_each_stands_for_itself(ports: Ports, overruled: str) -> None:
    """They share an item, and what is known later of one of them keeps only that one out."""
    both = [a_refusal(START, covers, "said") for covers in ("marketing", "everything")]
    ports.intake.accept(a_delivery("d1"), [a_refusal(LATER, overruled, "known")])
    assert ports.intake.accept(a_delivery("d2"), both) is True
    assert ports.intake.accept(a_delivery("d2"), both) is False
    found = {one.covers: (one.reason, one.since) for one in ports.vault.suppressions("tea", "email", "a1")}
    assert found.pop(overruled) == ("known", LATER)
    assert list(found.values()) == [("said", START)]


def test_a_grant_between_two_refusals_of_one_delivery_lifts_marketing_alone(ports: Ports) -> None:
    ports.state.lift("tea", "email", "a1", LATER)
    ports.intake.accept(a_delivery(), [a_refusal(START), a_refusal(START, "everything", "bounced")])
    assert [one.covers for one in ports.vault.suppressions("tea", "email", "a1")] == ["everything"]


# --- the items


def test_a_delivery_expires_after_400_days_its_further_ids_after_28_and_neither_carries_an_address(
    moto_ports: AwsPorts,
) -> None:
    delivery = a_delivery(also=("mark",))
    moto_ports.intake.accept(delivery, [a_refusal()])
    for key, days in ((delivery.id, 400), ("mark", 28)):
        item = moto_ports.item("deliveries", key)
        assert item is not None
        assert item["expires"] == {"N": str(int((START + timedelta(days=days)).timestamp()))}
    assert moto_ports.item("suppressions", "tea#email#a1") == {
        "key": {"S": "tea#email#a1"},
        "marketing_reason": {"S": "unsubscribed"},
        "marketing_since": {"S": "2035-03-05T09:00:00.000000Z"},
    }


def test_small_and_large_bodies_lie_where_they_should(moto_ports: AwsPorts) -> None:
    moto_ports.intake.accept(a_delivery("small"))
    moto_ports.intake.accept(a_delivery("large", body=secrets.token_bytes(300_001)))
    small, large = (moto_ports.item("deliveries", ids.digest(name)) for name in ("small", "large"))
    assert small is not None
    assert large is not None
    assert ("body" in small, "body_ref" in small) == (True, False)
    assert ("body" in large, "body_ref" in large) == (False, True)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_acceptance_that_meets_another_transaction_is_asked_for_again(moto_ports: AwsPorts, place: int) -> None:
    codes = ["None", "None", "None"]
    codes[place] = "TransactionConflict"
    with refuse_transactions(moto_ports.clients, codes, times=2) as refused:
        assert moto_ports.intake.accept(a_delivery(), [a_refusal()]) is True
    assert refused.count == 2
    assert lease_answer(moto_ports) == "suppressed"


def test_an_acceptance_that_keeps_meeting_others_is_a_conflict(moto_ports: AwsPorts) -> None:
    with (
        refuse_transactions(moto_ports.clients, ["TransactionConflict", "None"], times=9),
        pytest.raises(ConflictError),
    ):
        moto_ports.intake.accept(a_delivery())


def test_a_throttled_acceptance_is_no_repeat_and_no_success(moto_ports: AwsPorts) -> None:
    error = moto_ports.clients.dynamodb.exceptions.TransactionCanceledException
    with refuse_transactions(moto_ports.clients, ["ThrottlingError", "None"], times=9), pytest.raises(error):
        moto_ports.intake.accept(a_delivery())
    assert moto_ports.intake.accept(a_delivery()) is True


def test_what_nobody_signed_is_kept_for_as_long_as_a_visitor_is_remembered(moto_ports: AwsPorts) -> None:
    seen = [replace(event, signed=False) for event in a_delivery().events]
    moto_ports.intake.accept(replace(a_delivery(), events=tuple(seen)))
    item = moto_ports.item("deliveries", a_delivery().id)
    assert item is not None
    assert item["expires"] == {"N": str(int((START + timedelta(days=90)).timestamp()))}


def test_what_holds_a_sign_up_is_kept_no_longer_than_the_request_by_which_it_is_found(moto_ports: AwsPorts) -> None:
    asked = SignUp(id="s1", email="cleo@example.com", at=START, proof=Proof(form="newsletter", asked_at=START))
    told = replace(a_delivery().events[0], type="sign_up.requested", data=asked, profile_id="p" * 32, signed=False)
    moto_ports.intake.accept(replace(a_delivery(), events=(told, *a_delivery().events)))
    item = moto_ports.item("deliveries", a_delivery().id)
    assert item is not None
    assert item["expires"] == {"N": str(int((START + sign_ups.KEPT).timestamp()))}
