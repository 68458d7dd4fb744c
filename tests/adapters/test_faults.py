"""What is promised holds when a request or an answer is lost at any call, for one attempt or for all of them.

On MiniStack, which honours the client tokens of transactions as DynamoDB does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from rekindle.domain import ids
from rekindle.domain.errors import AnswerLostError, PendingGoneError
from rekindle.domain.facts import Product
from rekindle.domain.profile import Tombstone
from rekindle.domain.shelves import Near, Shelf, Spot
from rekindle.ports import (
    Alias,
    Commit,
    Lease,
    Parcel,
    Pause,
    PrivacyTask,
    Reaction,
    Reshelve,
    ShardTask,
    Tally,
    Wake,
    hit,
)
from tests.support.faults import (
    Loss,
    failing,
    losing,
    refuse_transactions,
    throttling,
    throttling_first,
    without_backoff,
)
from tests.support.things import ANNA, MAIL, a_decision, a_delivery, a_lease, a_message, a_pending, a_profile, a_refusal
from tests.support.worlds import START, AwsPorts, QueueName

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

WAKE = Wake(profile_id=ANNA, due=START)
TASK = ShardTask(fanout="f1", kind="pass", started_at=START, shard=1, of=4)
REACTION = Reaction(message_id=MAIL, kind="clicked", at=START, index=3)
PUTS: dict[QueueName, Callable[[AwsPorts], None]] = {
    "wake": lambda ports: ports.alarms.wake([WAKE]),
    "marketing": lambda ports: ports.queues.enqueue([Parcel(message_id=MAIL, profile_id=ANNA, version=1)]),
    "transactional": lambda ports: ports.queues.enqueue(
        [Parcel(message_id=MAIL, profile_id=ANNA, version=1, category="transactional")]
    ),
    "privacy": lambda ports: ports.privacy.ask([PrivacyTask(delivery_id=D1, index=0)]),
    "fanout": lambda ports: ports.fanout.ask([TASK]),
    "reactions": lambda ports: ports.reactions.put(REACTION),
    "catalogue": lambda ports: ports.catalogue_tasks.ask([Reshelve(shop="tea", product_id="p1")]),
}

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
    with lose(ports, "UpdateItem", loss, 1) as lost:
        assert ports.intake.accept(a_delivery(), [a_refusal()]) is False
    assert lost.count == 1
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
    with lose(ports, "TransactWriteItems", loss, 1) as lost:
        ports.state.split(a_pending(), parts)
    assert lost.count == 1
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


def test_a_record_that_meets_a_transaction_on_its_message_is_written_all_the_same(ports: AwsPorts) -> None:
    """The parcel came twice: another worker asks for the lease while the first one records that the mail went out."""
    leased(ports)
    with throttling_first(ports.clients.dynamodb, "UpdateItem", ALL, "TransactionConflictException") as met:
        assert ports.outbox.record(SENT, token="t1") is True
    assert met.count == ALL
    assert ports.outbox.message(MAIL) == SENT


def test_a_write_that_meets_one_transaction_after_another_gives_up(ports: AwsPorts) -> None:
    leased(ports)
    with (
        throttling_first(ports.clients.dynamodb, "UpdateItem", 100, "TransactionConflictException") as met,
        pytest.raises(AnswerLostError),
    ):
        ports.outbox.record(SENT, token="t1")
    assert met.count == 5


@pytest.mark.parametrize("loss", LOSSES)
def test_a_skip_survives_a_loss(ports: AwsPorts, loss: Loss) -> None:
    skipped = a_message("skipped", why="no consent", at=START)
    with lose(ports, "UpdateItem", loss, 1) as lost:
        assert ports.outbox.record(skipped) is True
    assert lost.count == 1
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


@pytest.mark.parametrize("loss", LOSSES)
def test_an_alarm_that_never_reaches_scheduler_is_left_to_the_sweep(ports: AwsPorts, loss: Loss) -> None:
    at = START.replace(hour=12)
    with losing(ports.clients.scheduler, "CreateSchedule", loss, attempts=ALL) as lost:
        ports.alarms.ring(ANNA, at, START)
    assert lost.count == ALL
    assert [when for when, _ in ports.schedules().values()] == ([] if loss == "request" else [at])
    ports.state.commit(Commit(profile=a_profile(deadline=at)))
    assert ports.state.overdue(at + timedelta(minutes=2), 10) == [(ANNA, at)]


@pytest.mark.parametrize("loss", LOSSES)
def test_wakes_survive_a_loss_and_may_be_there_twice(ports: AwsPorts, loss: Loss) -> None:
    with losing(ports.clients.sqs, "SendMessageBatch", loss, attempts=1) as lost:
        ports.alarms.wake([WAKE])
    assert lost.count == 1
    assert set(map(repr, ports.waiting("wake").visible)) == {repr(WAKE)}


@pytest.mark.parametrize("put", ["wake", "marketing", "transactional", "privacy", "fanout", "reactions", "catalogue"])
def test_what_no_queue_would_take_is_said_so(ports: AwsPorts, put: QueueName) -> None:
    """Whoever hands over does not commit then, and does it all again."""
    with losing(ports.clients.sqs, "SendMessageBatch", "request", attempts=ALL), pytest.raises(ReadTimeoutError):
        PUTS[put](ports)
    assert ports.waiting(put).visible == []
    PUTS[put](ports)
    assert len(ports.waiting(put).visible) == 1


@pytest.mark.parametrize("put", ["wake", "marketing", "transactional", "privacy", "fanout", "reactions", "catalogue"])
def test_a_throttled_queue_is_asked_again_within_the_call(ports: AwsPorts, put: QueueName) -> None:
    with throttling_first(ports.clients.sqs, "SendMessageBatch", ALL - 1) as throttled:
        PUTS[put](ports)
    assert throttled.count == ALL - 1
    assert len(ports.waiting(put).visible) == 1


# --- the catalogue


@pytest.mark.parametrize("loss", LOSSES)
def test_an_order_whose_counting_is_lost_is_counted_once_all_the_same(ports: AwsPorts, loss: Loss) -> None:
    """Within the call where one answer was lost; where all were, the order itself says whether it was."""
    with lose(ports, "TransactWriteItems", loss, 1) as lost:
        ports.shelves.count("tea", ["o1"], {"p1": Near(version=1, sold=1.0)})
    assert lost.count == 1
    with lose(ports, "TransactWriteItems", loss, ALL), pytest.raises(AnswerLostError):
        ports.shelves.count("tea", ["o2"], {"p1": Near(version=2, sold=2.0)})
    found = ports.shelves.shelved("tea", near=["p1"], orders=["o1", "o2"])
    counted = loss == "answer"
    assert found.orders == ({"o1", "o2"} if counted else {"o1"})
    assert found.near["p1"].version == (2 if counted else 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_shelf_whose_writing_is_lost_is_read_again(ports: AwsPorts, loss: Loss) -> None:
    """Its own write, found there after a lost answer, looks like somebody else's: what is read then is right."""
    shelf = Shelf(version=1, spots={"p1": Spot(1.0)})
    with lose(ports, "PutItem", loss, 1):
        assert ports.shelves.put_shelf("tea", "best", shelf) is (loss == "request")
    assert ports.shelves.shelved("tea", shelves=["best"]).shelves == {"best": shelf}


# --- what else writes, and what reads


def a_pause(shop: str = "tea", *, over: bool = False) -> Pause:
    """Return a pause, in force or `over`."""
    return Pause(shop=shop, since=START, why="3 complaints", resumed_at=START + timedelta(days=1) if over else None)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_pause_and_its_end_are_known_for_ones_own_after_a_lost_answer(ports: AwsPorts, loss: Loss) -> None:
    """The call itself tries again, and finds what it has written: that is not somebody else's."""
    with lose(ports, "PutItem", loss, 1) as lost:
        assert ports.counters.pause(a_pause()) is True
    assert lost.count == 1
    with lose(ports, "UpdateItem", loss, 1) as lost:
        assert ports.counters.resume(a_pause(over=True)) is True
    assert lost.count == 1
    assert ports.counters.pauses() == [a_pause(over=True)]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_lease_of_a_word_to_a_shop_survives_a_loss(ports: AwsPorts, loss: Loss) -> None:
    word = Lease(message=a_message(profile_id="", to="shop"))
    with lose(ports, "TransactWriteItems", loss, ALL), pytest.raises(AnswerLostError):
        ports.outbox.lease(word)
    assert ports.outbox.lease(word) == "taken"
    assert ports.outbox.lease(Lease(message=a_message(profile_id="", to="shop", token="t2"))) == "held"


WRITES: dict[str, tuple[str, Callable[[AwsPorts], Any]]] = {
    "a lifted suppression": ("UpdateItem", lambda ports: ports.state.lift("tea", "email", "a1", START)),
    "a shared address": ("UpdateItem", lambda ports: ports.state.share_address("tea#email#1", "c1")),
    "a try": ("UpdateItem", lambda ports: ports.state.count_try(D1)),
    "tries counted anew": ("UpdateItem", lambda ports: ports.state.reset_tries(D1)),
    "a hit": ("UpdateItem", lambda ports: ports.outbox.note_hit(MAIL, hit(0, START))),
    "progress": ("UpdateItem", lambda ports: ports.outbox.progress(SENT, ["leased"])),
    "an alias": ("UpdateItem", lambda ports: ports.vault.point("tea#email#9", ANNA)),
    "a refusal": ("UpdateItem", lambda ports: ports.vault.suppress(a_refusal())),
    "a tombstone": ("PutItem", lambda ports: ports.vault.bury(ANNA, Tombstone(erased_at=START, shop="tea"), 1)),
    "a count": ("UpdateItem", lambda ports: ports.counters.count("tea", START, Tally(sent=1))),
    "a pause": ("PutItem", lambda ports: ports.counters.pause(a_pause())),
    "that nothing is left to say": ("UpdateItem", lambda ports: ports.counters.told(a_pause("coffee"), START)),
    "a word that ends a pause": ("UpdateItem", lambda ports: ports.counters.resume(a_pause("coffee", over=True))),
    "a stripped delivery": ("UpdateItem", lambda ports: ports.vault.strip(D1, START)),
}
"""Every single write beside the transactions, each with the operation that carries it."""

READS: dict[str, tuple[str, Callable[[AwsPorts], Any]]] = {
    "a pending item": ("GetItem", lambda ports: ports.state.pending(D1)),
    "a profile": ("GetItem", lambda ports: ports.state.profile(ANNA)),
    "work": ("BatchGetItem", lambda ports: ports.state.work(a_pending())),
    "messages": ("BatchGetItem", lambda ports: ports.state.messages([MAIL])),
    "what was heard": ("Query", lambda ports: ports.state.heard(ANNA)),
    "overdue profiles": ("Query", lambda ports: ports.state.overdue(START, 10)),
    "stale pending items": ("Scan", lambda ports: ports.state.stale_pending(START, 10)),
    "what a batch of parcels needs": ("BatchGetItem", lambda ports: ports.outbox.read([(MAIL, ANNA)])),
    "open messages": ("Query", lambda ports: ports.outbox.open_messages(START, 10)),
    "everybody": ("Scan", lambda ports: ports.everybody.profile_ids(0, 1)),
    "pauses": ("Query", lambda ports: ports.counters.pauses()),
    "counts": ("Query", lambda ports: ports.counters.tallies("coffee", START)),
    "owners": ("BatchGetItem", lambda ports: ports.vault.owners(["tea#email#1"])),
    "a delivery": ("GetItem", lambda ports: ports.vault.delivery(D1)),
}


@pytest.fixture
def filled(ports: AwsPorts) -> AwsPorts:
    """Return an installation with one of everything that `WRITES` and `READS` are about."""
    ports.intake.accept(a_delivery())
    leased(ports)
    ports.counters.pause(a_pause("coffee"))
    ports.counters.count("coffee", START, Tally(sent=1))
    return ports


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("what", WRITES)
def test_a_write_whose_answer_never_comes_says_so_and_can_be_repeated(filled: AwsPorts, what: str, loss: Loss) -> None:
    operation, write = WRITES[what]
    with lose(filled, operation, loss, ALL) as lost, pytest.raises(AnswerLostError):
        write(filled)
    assert lost.count == ALL
    if (what, loss) == ("a tombstone", "answer"):
        assert filled.state.profile(ANNA) == Tombstone(erased_at=START, shop="tea")
    else:
        write(filled)


@pytest.mark.parametrize("what", WRITES)
def test_a_throttled_write_is_tried_again_within_the_call(filled: AwsPorts, what: str) -> None:
    operation, write = WRITES[what]
    with throttling_first(filled.clients.dynamodb, operation, ALL - 1) as throttled:
        write(filled)
    assert throttled.count == ALL - 1


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("what", READS)
def test_a_read_survives_a_loss(filled: AwsPorts, what: str, loss: Loss) -> None:
    operation, read = READS[what]
    before = read(filled)
    with lose(filled, operation, loss, 1) as lost:
        assert read(filled) == before
    assert lost.count == 1


@pytest.mark.parametrize("what", READS)
def test_a_read_that_stays_throttled_is_never_taken_for_absence(filled: AwsPorts, what: str) -> None:
    operation, read = READS[what]
    throttled = filled.clients.dynamodb.exceptions.ThrottlingException
    with throttling(filled.clients.dynamodb, operation, after=0), pytest.raises(throttled):
        read(filled)


FILES: dict[str, tuple[str, Callable[[AwsPorts], Any]]] = {
    "a file": ("GetObject", lambda ports: ports.blobs.get("a")),
    "a file with its tag": ("GetObject", lambda ports: ports.blobs.tagged("a")),
    "a list": ("ListObjectsV2", lambda ports: ports.blobs.list("")),
    "a put": ("PutObject", lambda ports: ports.blobs.put("a", b"1")),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("what", FILES)
def test_files_survive_a_loss_and_an_outage_is_never_taken_for_absence(ports: AwsPorts, what: str, loss: Loss) -> None:
    operation, use = FILES[what]
    ports.blobs.put("a", b"1")
    before = use(ports)
    with losing(ports.clients.s3, operation, loss, attempts=1) as lost:
        assert use(ports) == before
    assert lost.count == 1
    with losing(ports.clients.s3, operation, loss, attempts=ALL), pytest.raises(ReadTimeoutError):
        use(ports)
    assert ports.blobs.get("a") == b"1"


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_cancelled_by_a_throttle_wrote_nothing_and_can_be_repeated(ports: AwsPorts, code: str) -> None:
    ports.intake.accept(a_delivery())
    cancelled = ports.clients.dynamodb.exceptions.TransactionCanceledException
    with refuse_transactions(ports.clients, [code] + ["None"] * 3, times=1), pytest.raises(cancelled):
        ports.state.commit(
            Commit(pending_id=D1, profile=a_profile(), aliases=COMMIT.aliases, decisions=COMMIT.decisions)
        )
    assert ports.pending_ids() == {D1}
    ports.state.commit(COMMIT)
    assert_committed_once(ports)


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_webhook_in_a_rush_is_accepted_within_the_call(ports: AwsPorts, code: str) -> None:
    """The shop would be answered an error: botocore tries no transaction again that a throttled table cancels."""
    cancelled, client = ("TransactionCanceledException", ["None", code]), ports.clients.dynamodb
    with throttling_first(client, "TransactWriteItems", ALL, *cancelled) as throttled:
        assert ports.intake.accept(a_delivery()) is True
    assert throttled.count == ALL
    assert ports.pending_ids() == {D1}
