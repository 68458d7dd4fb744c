"""Of many who come at the same moment exactly one wins: proved on MiniStack, for moto is not made for threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError, PendingGoneError
from rekindle.domain.profile import Profile
from rekindle.ports import Alias, Commit
from tests.support.things import ANNA, MAIL, a_decision, a_delivery, a_lease, a_message, a_profile, a_refusal
from tests.support.worlds import START, AwsPorts

Answer = TypeVar("Answer")

CROWD = 50


def at_once(act: Callable[[int], Answer], crowd: int = CROWD) -> list[Answer]:
    """Let so many threads act, all from the same moment on."""
    gate = threading.Barrier(crowd)

    def one(number: int) -> Answer:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(crowd) as pool:
        return list(pool.map(one, range(crowd)))


@pytest.fixture
def ports(ministack_ports: AwsPorts) -> AwsPorts:
    return ministack_ports


def test_one_delivery_that_comes_often_at_once_is_new_once(ports: AwsPorts) -> None:
    answers = at_once(lambda number: ports.intake.accept(a_delivery(body=str(number).encode())))
    assert Counter(answers) == {True: 1, False: CROWD - 1}
    assert ports.pending_ids() == {ids.digest("d1")}


def test_deliveries_that_share_one_mark_are_new_once(ports: AwsPorts) -> None:
    answers = at_once(lambda number: ports.intake.accept(a_delivery(f"d{number}", also=("mark",))))
    assert Counter(answers) == {True: 1, False: CROWD - 1}
    assert len(ports.pending_ids()) == 1


def test_a_lease_is_had_once(ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    answers = at_once(lambda number: ports.outbox.lease(a_lease(f"t{number}")))
    assert Counter(answers) == {"taken": 1, "held": CROWD - 1}
    stored = ports.outbox.message(MAIL)
    assert stored is not None
    assert answers[int(stored.token[1:])] == "taken"


def test_a_lease_and_a_suppression_never_both_win_late(ports: AwsPorts) -> None:
    """Whatever the order, a lease that was asked for after the suppression was accepted is not had."""
    ports.state.commit(Commit(profile=a_profile()))
    accepted = threading.Event()

    def act(number: int) -> str:
        if number == 0:
            ports.intake.accept(a_delivery(), [a_refusal()])
            accepted.set()
            return "accepted"
        before = not accepted.is_set()
        message = a_message(message_id=ids.digest(str(number)), token=str(number))
        answer = ports.outbox.lease(replace(a_lease(), message=message))
        return "fine" if before or answer == "suppressed" else "too late"

    assert set(at_once(act, 20)) <= {"accepted", "fine"}
    assert ports.outbox.lease(a_lease()) == "suppressed"


def test_of_many_commits_on_one_version_one_wins(ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))

    def commit(number: int) -> str:
        try:
            profile = a_profile(2, email=f"{number}@example.com")
            ports.state.commit(Commit(profile=profile, decisions=(a_decision(str(number)),)))
        except ConflictError:
            return "lost"
        return str(number)

    winners = [answer for answer in at_once(commit) if answer != "lost"]
    assert len(winners) == 1
    profile = ports.state.profile(ANNA)
    assert isinstance(profile, Profile)
    assert profile.email == f"{winners[0]}@example.com"
    assert ports.ledger(ANNA) == [(a_decision(winners[0]),)]


def test_one_event_is_applied_once_however_many_workers_hold_it(ports: AwsPorts) -> None:
    ports.intake.accept(a_delivery())

    def commit(number: int) -> str:
        profile_id = ids.digest("profile", str(number))
        try:
            ports.state.commit(Commit(pending_id=ids.digest("d1"), profile=a_profile(profile_id=profile_id)))
        except (PendingGoneError, ConflictError):
            return "lost"
        return "applied"

    assert Counter(at_once(commit)) == {"applied": 1, "lost": CROWD - 1}


def test_an_alias_is_had_by_one(ports: AwsPorts) -> None:
    def claim(number: int) -> bool:
        try:
            ports.state.commit(Commit(aliases=(Alias("tea#email#1", str(number)),)))
        except ConflictError:
            return False
        return True

    assert Counter(at_once(claim)) == {True: 1, False: CROWD - 1}


def test_an_outcome_is_recorded_by_one(ports: AwsPorts) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.outbox.lease(a_lease())
    answers = at_once(
        lambda number: ports.outbox.record(a_message("sent", vendor_id=f"v{number}", at=START), token="t1"), 20
    )
    assert Counter(answers) == {True: 1, False: 19}


def test_the_pointer_is_swapped_by_one(ports: AwsPorts) -> None:
    assert ports.blobs.swap("pointer", b"first", expected=None)
    found = ports.blobs.tagged("pointer")
    assert found is not None
    answers = at_once(lambda number: ports.blobs.swap("pointer", str(number).encode(), expected=found[1]), 10)
    assert Counter(answers) == {True: 1, False: 9}


def test_tries_counted_at_once_are_all_counted(ports: AwsPorts) -> None:
    ports.intake.accept(a_delivery())
    answers = at_once(lambda _: ports.state.count_try(ids.digest("d1")), 20)
    assert sorted(answers) == list(range(1, 21))
