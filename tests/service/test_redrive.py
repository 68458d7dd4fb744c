"""`service/redrive`: dead letters are shown by ids alone, put back selectively, repeated rather than lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from rekindle.domain import ids
from rekindle.domain.facts import Campaign
from rekindle.memory import Crash, Queued, World
from rekindle.ports import DeadLetter, Parcel, ShardTask, Wake
from rekindle.service.notices import Notice
from rekindle.service.phones import Incoming
from rekindle.service.redrive import Redrive, Redriven, Selected, choices, describe, redrive_pending
from tests.support.build import ROOT, T0
from tests.support.things import a_delivery

WAKES = [Wake(profile_id=f"p{number}") for number in range(25)]


@pytest.fixture
def world() -> World:
    """A world in which the alarms of 25 people could not be rung."""
    world = World(T0)
    for number, wake in enumerate(WAKES):
        world.wake_queue.dead.append(
            Queued(id=number, body=msgspec.json.encode(wake), sent_at=T0, visible_at=T0, receives=8)
        )
    return world


def redrive(
    world: World, selected: Selected | None = None, *, queue: str = "wake", dry_run: bool = False
) -> list[Redriven]:
    worker = Redrive(letters=world.dead_letters, take=lambda _: None)
    return list(worker.run(queue, selected or Selected(), dry_run=dry_run))


def dead(world: World) -> list[str]:
    return [json.loads(letter.body)["profile_id"] for letter in world.wake_queue.dead]


def back(world: World) -> list[str | None]:
    return [wake.profile_id for wake in world.wake_queue.values()]


def test_everything_goes_back_to_where_it_came_from(world: World) -> None:
    told = redrive(world)
    assert [each.done for each in told] == ["put back"] * 25
    assert world.wake_queue.values() == WAKES
    assert world.wake_queue.dead == []


def test_what_is_told_is_ids_how_often_and_since_when(world: World) -> None:
    first, *_ = redrive(world, dry_run=True)
    assert (first.about, first.received, first.sent_at, first.done) == ({"profile_id": "p0"}, 9, T0, "left")


def test_a_dry_run_leaves_everything_for_others_to_receive(world: World) -> None:
    assert len(redrive(world, dry_run=True)) == 25
    assert back(world) == []
    assert len(world.dead_letters.receive("wake", 10)) == 10


@pytest.mark.parametrize("wanted", [{"p3", "p21"}, {"3", "21"}, {"p3", "21", "nobodys"}])
def test_only_what_is_named_goes_back(world: World, wanted: set[str]) -> None:
    """By the letter's own id, or by any that it is about."""
    assert len(redrive(world, Selected(frozenset(wanted)))) == 2
    assert back(world) == ["p3", "p21"]
    assert len(dead(world)) == 23
    assert len(world.dead_letters.receive("wake", 10)) == 10


@pytest.mark.parametrize("limit", [1, 10, 12, 25, 99])
def test_a_limit_is_kept(world: World, limit: int) -> None:
    assert len(redrive(world, Selected(limit=limit))) == min(limit, 25)
    assert len(back(world)) == min(limit, 25)
    assert len(dead(world)) == 25 - min(limit, 25)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["dead_letters.receive", "dead_letters.put_back", "dead_letters.delete"])
@pytest.mark.parametrize("place", [1, 2])
def test_killed_anywhere_it_repeats_and_never_loses(world: World, call: str, moment: str, place: int) -> None:
    left = [place]

    def hook(name: str, when: str) -> None:
        if (name, when) == (call, moment):
            left[0] -= 1
            if left[0] == 0:
                raise Crash(call)

    world.hook = hook
    with pytest.raises(Crash):
        redrive(world)
    world.hook = None
    world.clock.advance(minutes=5)
    redrive(world)
    assert set(back(world)) == {wake.profile_id for wake in WAKES}
    assert dead(world) == []


def test_what_somebody_else_holds_is_left_to_them(world: World) -> None:
    world.dead_letters.receive("wake", 10)
    assert len(redrive(world)) == 15


# --- what is told of each queue's letters ----------------------------------------------------------------------------


def letter(body: Any) -> DeadLetter:
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return DeadLetter(id="l1", body=text, sent_at=T0, received=1, receipt="r")


NOTICE = json.loads((ROOT / "events/ses/complained.json").read_text("utf-8"))
PARKED = {
    "requestContext": {"condition": "RetriesExhausted"},
    "requestPayload": NOTICE,
    "responsePayload": {"errorType": "TimeoutError", "errorMessage": "could not reach ada@example.com"},
}
BY_SNS = {"Records": [{"Sns": {"Message": json.dumps(NOTICE["detail"])}}]}


@pytest.mark.parametrize(
    ("queue", "body", "about", "why"),
    [
        ("wake", Wake(pending_id="d1"), {"pending_id": "d1"}, ""),
        (
            "wake",
            Wake(profile_id="p1", campaign=Campaign(flow="letter", at=T0, occurrence="o1")),
            {"profile_id": "p1", "flow": "letter", "occurrence": "o1"},
            "",
        ),
        ("wake", {"DDBStreamBatchInfo": {}, "requestContext": {}}, {}, "a note of the stream's reader"),
        (
            "marketing",
            Parcel(message_id="m1", profile_id="p1", version=3),
            {"message_id": "m1", "profile_id": "p1"},
            "",
        ),
        (
            "fanout",
            ShardTask(fanout="f1", kind="pass", started_at=T0, shard=0, of=4),
            {"fanout": "f1", "kind": "pass", "shard": "0"},
            "",
        ),
        ("feedback", NOTICE, {"notice": "complained", "message_id": "m1"}, ""),
        ("feedback", BY_SNS, {"notice": "complained", "message_id": "m1"}, ""),
        ("feedback", PARKED, {"notice": "complained", "message_id": "m1"}, "RetriesExhausted TimeoutError"),
        ("publish", {"detail": {"object": {"key": "content/brand.yaml"}}}, {"file": "content/brand.yaml"}, ""),
        ("wake", "no json, ada@example.com", {}, "not readable"),
        ("wake", '["ada@example.com"]', {}, "not readable"),
        ("feedback", "{}", {}, "not readable"),
        ("publish", "{}", {}, "not readable"),
    ],
)
def test_a_letter_is_told_by_what_it_is_about(queue: str, body: Any, about: dict[str, str], why: str) -> None:
    told = describe(queue, letter(body))
    assert told.about == about
    assert told.why.startswith(why)
    assert "@" not in repr(told)


# --- notices ---------------------------------------------------------------------------------------------------------


class Letters:
    """A dead-letter queue of feedback."""

    def __init__(self, *bodies: Any) -> None:
        self.there = {
            str(place): msgspec.structs.replace(letter(body), id=str(place)) for place, body in enumerate(bodies)
        }
        self.held: set[str] = set()

    def names(self) -> Sequence[str]:
        return ("feedback",)

    def depth(self, queue: str) -> int:
        del queue
        return len(self.there)

    def receive(self, queue: str, limit: int = 10) -> Sequence[DeadLetter]:
        del queue
        free = [letter for key, letter in self.there.items() if key not in self.held][:limit]
        self.held |= {letter.id for letter in free}
        return free

    def put_back(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        raise AssertionError(queue, letters)

    def delete(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        del queue
        for each in letters:
            del self.there[each.id]
            self.held.discard(each.id)

    def release(self, queue: str, letters: Sequence[DeadLetter]) -> None:
        del queue
        self.held -= {letter.id for letter in letters}


def test_what_feedback_could_not_do_is_done_here_and_what_is_no_notice_stays() -> None:
    letters, taken = Letters(NOTICE, PARKED, BY_SNS, {"something": "else"}), list[Notice | Incoming]()
    told = list(Redrive(letters=letters, take=taken.append).run("feedback", Selected()))
    assert [each.done for each in told] == ["taken", "taken", "taken", "failed"]
    assert [notice.kind for notice in taken if isinstance(notice, Notice)] == ["complained"] * 3
    assert list(letters.there) == ["3"]
    assert letters.held == set()


def test_a_notice_that_cannot_be_taken_stays() -> None:
    def fail(_notice: Notice | Incoming) -> None:
        raise ConnectionError("throttled")

    letters = Letters(NOTICE)
    with pytest.raises(ConnectionError):
        list(Redrive(letters=letters, take=fail).run("feedback", Selected()))
    assert len(letters.there) == 1


# --- accepted events -------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck() -> World:
    """A world in which two accepted events were tried too often, and one is tried still."""
    world = World(T0)
    for name, tries in (("d1", 5), ("d2", 7), ("d3", 4)):
        world.intake.accept(a_delivery(name, received_at=T0))
        for _ in range(tries):
            world.state.count_try(ids.digest(name))
    world.clock.advance(minutes=1)
    return world


def redrive_stuck(world: World, selected: Selected | None = None, *, dry_run: bool = False) -> list[Redriven]:
    return list(
        redrive_pending(
            selected or Selected(), state=world.state, wakes=world.alarms, clock=world.clock, dry_run=dry_run
        )
    )


def test_what_was_tried_too_often_is_tried_again_from_none(stuck: World) -> None:
    told = redrive_stuck(stuck)
    assert [(each.id, each.received, each.done) for each in told] == [
        (ids.digest("d1"), 5, "put back"),
        (ids.digest("d2"), 7, "put back"),
    ]
    assert [stuck.pending[ids.digest(name)].tries for name in ("d1", "d2", "d3")] == [0, 0, 4]
    assert [wake.pending_id for wake in stuck.wake_queue.values()] == [ids.digest("d1"), ids.digest("d2")]
    assert redrive_stuck(stuck) == []


def test_of_what_is_stuck_only_what_is_named_is_tried_again(stuck: World) -> None:
    (told,) = redrive_stuck(stuck, Selected(frozenset({ids.digest("d2")})))
    assert told.id == ids.digest("d2")
    assert [stuck.pending[ids.digest(name)].tries for name in ("d1", "d2")] == [5, 0]


def test_a_dry_run_and_a_limit_hold_for_what_is_stuck_too(stuck: World) -> None:
    assert [each.done for each in redrive_stuck(stuck, dry_run=True)] == ["left", "left"]
    assert len(redrive_stuck(stuck, Selected(limit=1))) == 1
    assert len(redrive_stuck(stuck)) == 1


def test_what_has_been_applied_meanwhile_is_left(stuck: World) -> None:
    def hook(call: str, _moment: str) -> None:
        if call == "state.reset_tries":
            stuck.pending.pop(ids.digest("d1"), None)

    stuck.hook = hook
    assert [each.done for each in redrive_stuck(stuck)] == ["left", "put back"]


def test_every_queue_of_the_world_can_be_redriven_and_what_is_pending() -> None:
    world = World(T0)
    sending = {"transactional", "marketing", "transactionalmint", "marketingmint"}
    queues = {"wake", *sending, "privacy", "fanout", "reactions", "catalogue"}
    assert set(choices(world.dead_letters)) == {*queues, "pending"}
