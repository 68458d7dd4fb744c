"""While an update shifts, and after going back, an older version works on what a newer one wrote (decision 0032)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from rekindle.domain.profile import FORMAT, encode_profile
from tests.support.build import CART, CONFIRMATION, T0, at, checkout, consent, order, playbook
from tests.support.plant import Plant


def stored(plant: Plant, key: str) -> dict[str, Any]:
    raw = plant.world.profiles[key]
    assert isinstance(raw, bytes)
    written: dict[str, Any] = json.loads(raw)
    return written


def in_a_flow() -> tuple[Plant, str]:
    """Return a world in which somebody has left a basket behind, and their profile as a newer version wrote it."""
    plant = Plant(playbook(CART, CONFIRMATION))
    plant.post(checkout(T0), consent(T0))
    plant.settle()
    key = plant.profile("ada@example.com").id
    newer = {"format": FORMAT + 1, **stored(plant, key), "wishes": {"tea": 3}}
    newer["runs"][0]["mood"] = "patient"
    plant.world.profiles[key] = json.dumps(newer).encode()
    return plant, key


def test_events_and_alarms_that_the_older_version_applies_lose_nothing_of_the_newer_ones() -> None:
    plant, key = in_a_flow()
    plant.until(at(days=2))
    between = stored(plant, key)
    plant.post(order(at(days=2)))
    plant.until(at(days=30))
    after = stored(plant, key)
    assert [template for _, template, _ in plant.mails()] == [
        "cart-reminder-1",
        "cart-reminder-2",
        "order-confirmation",
    ]
    assert (between["wishes"], between["runs"][0]["mood"]) == ({"tea": 3}, "patient")
    assert after["version"] > between["version"]
    assert (after["format"], after["wishes"]) == (FORMAT + 1, {"tea": 3})


def test_both_versions_in_turns_do_what_one_alone_does() -> None:
    """The one that knows less sees the same customer; what only the other knows changes no decision of it."""
    alone = Plant(playbook(CART, CONFIRMATION))
    alone.post(checkout(T0), consent(T0))
    alone.settle()
    alone.until(at(days=10))
    plant, key = in_a_flow()
    for hours in range(1, 240):
        plant.until(T0 + timedelta(hours=hours))
        if hours % 3 == 0:  # the newer one was there in between
            plant.world.profiles[key] = json.dumps({**stored(plant, key), "seen": hours}).encode()
    plant.until(at(days=10))
    assert plant.mails() == alone.mails()
    assert stored(plant, key)["seen"] == 237
    known = plant.profile("ada@example.com")
    assert json.loads(encode_profile(known))["wishes"] == {"tea": 3}
    assert known.runs == alone.profile("ada@example.com").runs


def test_what_the_older_version_cannot_read_waits_and_is_applied_by_the_newer_one() -> None:
    plant, key = in_a_flow()
    readable = plant.world.profiles[key]
    assert isinstance(readable, bytes)
    plant.world.profiles[key] = readable.replace(b'"status"', b'"was"').replace(
        b'"mood"', b'"status": "frozen", "mood"'
    )
    plant.post(order(at(minutes=5)))
    assert plant.journey.from_stream(plant.world.stream.popleft()) is False
    assert stored(plant, key)["runs"][0]["status"] == "frozen", "nothing was written over it"
    assert len(plant.world.pending) == 1
    plant.world.profiles[key] = readable  # as the newer one reads it
    plant.until(at(hours=1))
    assert plant.world.pending == {}
    assert "o1" in plant.profile("ada@example.com").orders
