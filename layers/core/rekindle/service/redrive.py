"""Putting back what a function gave up on: dead letters, and accepted events that were tried too often.

A letter is first queued anew and then deleted, so that a crash in between repeats it and never loses it; everything
that lies on a queue is safe to do twice (DESIGN §6). What feedback could not do has no queue to go back to: its notices
are taken here, by the same code. Nothing but ids is told of a letter: a body may hold anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rekindle.domain.errors import MalformedBodyError
from rekindle.ports import Clock, DeadLetter, DeadLetters, State, Wake, WakeQueue
from rekindle.service.notices import Notice
from rekindle.service.phones import Incoming, heard
from rekindle.service.sweep import MAX_TRIES

#: The queue whose letters are notices, handed to a function and not to a queue.
FEEDBACK = "feedback"
#: Not a queue: accepted events that the sweep has stopped trying.
PENDING = "pending"

_LIMIT = 5_000
#: What is told of a letter, by the names that the queues' messages have.
_IDS = (
    "profile_id",
    "pending_id",
    "message_id",
    "delivery_id",
    "index",
    "fanout",
    "kind",
    "shard",
    "paused",
    "order",
    "product_id",
)
_STREAM_NOTE = "DDBStreamBatchInfo"


class Redriven(Struct, frozen=True, kw_only=True):
    """One letter: its id, what it is about (ids), why it lies there if that is known, and what was done with it."""

    id: str
    about: Mapping[str, str]
    why: str = ""
    received: int = 0
    sent_at: datetime | None = None
    done: Literal["put back", "taken", "left", "failed"] = "left"


class Selected(Struct, frozen=True):
    """Which letters are meant: those with any of these ids, their own or one that they are about (none: all)."""

    ids: frozenset[str] = frozenset()
    limit: int | None = None

    def has(self, letter_id: str, about: Mapping[str, str]) -> bool:
        """Whether this letter is meant."""
        return not self.ids or not self.ids.isdisjoint({letter_id, *about.values()})


class Redrive:
    """Puts dead letters back."""

    def __init__(self, *, letters: DeadLetters, take: Callable[[Notice | Incoming], object]) -> None:
        """Take the ports. `take` does what a notice asks for (`service.feedback.take_any`)."""
        self._letters = letters
        self._take = take

    def run(self, queue: str, selected: Selected, *, dry_run: bool = False) -> Iterator[Redriven]:
        """Yield each letter that is meant, after putting it back. The others, and all of a dry run, stay.

        What is not put back is held for as long as this runs and let go at the end.
        """
        kept: list[DeadLetter] = []
        seen: set[str] = set()
        left = selected.limit
        try:
            while left is None or left > 0:
                batch = [letter for letter in self._letters.receive(queue) if letter.id not in seen]
                if not batch:
                    return
                seen.update(letter.id for letter in batch)
                meant: list[tuple[DeadLetter, Redriven]] = []
                for letter in batch:
                    told = describe(queue, letter)
                    wanted = selected.has(letter.id, told.about) and (left is None or len(meant) < left)
                    if wanted:
                        meant.append((letter, told))
                    if dry_run or not wanted:
                        kept.append(letter)
                left = None if left is None else left - len(meant)
                yield from (told for _, told in meant) if dry_run else self._put_back(queue, meant, kept)
        finally:
            self._letters.release(queue, kept)

    def _put_back(
        self, queue: str, meant: list[tuple[DeadLetter, Redriven]], kept: list[DeadLetter]
    ) -> Iterator[Redriven]:
        if queue == FEEDBACK:
            for letter, told in meant:
                yield self._take_notice(letter, told, kept)
        elif meant:
            batch = [letter for letter, _ in meant]
            self._letters.put_back(queue, batch)
            self._letters.delete(queue, batch)
            yield from (msgspec.structs.replace(told, done="put back") for _, told in meant)

    def _take_notice(self, letter: DeadLetter, told: Redriven, kept: list[DeadLetter]) -> Redriven:
        try:
            for notice in _notices(letter.body):
                self._take(notice)
        except MalformedBodyError as error:
            kept.append(letter)
            return msgspec.structs.replace(told, done="failed", why=str(error))
        self._letters.delete(FEEDBACK, [letter])
        return msgspec.structs.replace(told, done="taken")


def redrive_pending(
    selected: Selected, *, state: State, wakes: WakeQueue, clock: Clock, dry_run: bool = False
) -> Iterator[Redriven]:
    """Yield each accepted event that was tried too often, after setting its tries back and bringing it again."""
    done = 0
    for pending in state.stale_pending(clock.now(), _LIMIT):
        about = {"pending_id": pending.id, "delivery_id": pending.delivery_id, "shop": pending.shop}
        if pending.tries < MAX_TRIES or not selected.has(pending.id, about):
            continue
        if selected.limit is not None and done >= selected.limit:
            return
        done += 1
        told = Redriven(
            id=pending.id, about=about, why="tried too often", received=pending.tries, sent_at=pending.accepted_at
        )
        if not dry_run and state.reset_tries(pending.id):
            # After the reset: if this is lost, the sweep brings it within five minutes.
            wakes.wake([Wake(pending_id=pending.id)])
            told = msgspec.structs.replace(told, done="put back")
        yield told


def describe(queue: str, letter: DeadLetter) -> Redriven:
    """Return what may be told of a letter: ids, and a reason of which we know the vocabulary."""
    body = _decoded(letter.body)
    why = ""
    if queue == FEEDBACK:
        about, why = _about_notices(letter.body), _failure(body)
    elif queue == "publish":
        about = _about_upload(body)
    elif _STREAM_NOTE in body:
        about, why = {}, "a note of the stream's reader: the events are pending still, and the sweep brings them"
    else:
        about = {name: str(body[name]) for name in _IDS if isinstance(body.get(name), (str, int))}
        campaign = body.get("campaign")
        if isinstance(campaign, dict):
            about |= {"flow": str(campaign.get("flow")), "occurrence": str(campaign.get("occurrence"))}
    if not about and not why:
        why = "not readable"
    return Redriven(id=letter.id, about=about, why=why, received=letter.received, sent_at=letter.sent_at)


def choices(letters: DeadLetters) -> Collection[str]:
    """Return the names that can be redriven."""
    return (*letters.names(), PENDING)


def _decoded(body: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _notices(body: str) -> Iterator[Notice | Incoming]:
    """Yield the notices in what Lambda or EventBridge parked, whatever each has wrapped around the event."""
    event = _decoded(body)
    payload = event.get("requestPayload")
    event = payload if isinstance(payload, dict) else event
    yield from heard(event)


def _about_notices(body: str) -> dict[str, str]:
    try:
        notices = list(_notices(body))
    except MalformedBodyError:
        return {}
    kinds = ["text" if isinstance(notice, Incoming) else notice.kind for notice in notices]
    ids = [notice.message_id for notice in notices if isinstance(notice, Notice) and notice.message_id]
    return {"notice": " ".join(kinds), **({"message_id": ids[0]} if ids else {})}


def _failure(body: Mapping[str, Any]) -> str:
    """Return Lambda's or EventBridge's own word for what failed; the message of an error may quote what it met."""
    context, response = body.get("requestContext"), body.get("responsePayload")
    words = [
        context.get("condition") if isinstance(context, dict) else None,
        response.get("errorType") if isinstance(response, dict) else None,
    ]
    return " ".join(str(word) for word in words if word)


def _about_upload(body: Mapping[str, Any]) -> dict[str, str]:
    detail = body.get("detail")
    uploaded = detail.get("object") if isinstance(detail, dict) else None
    key = uploaded.get("key") if isinstance(uploaded, dict) else None
    return {"file": str(key)} if key else {}
