"""Recorded histories: what happened to one person, and everything that the engine decided about it, in readable JSON.

A history names a playbook beside it and tells events; `play` replays them and returns what was decided and handed over,
in order, and the profile as it is stored in the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML

from rekindle.domain.events import Event, Who
from rekindle.domain.facts import Engagement, Fact, Person
from rekindle.domain.outcome import Decision, Effect, Enqueue, LiftSuppression, Outcome, PutSuppression, Refer
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from rekindle.flow.definition import parse_manners
from rekindle.flow.program import Manners, Playbook
from tests.support.build import flow_of, playbook
from tests.support.story import Story

FOLDER = Path(__file__).resolve().parents[1] / "flow" / "histories"


def names() -> list[str]:
    """Return the names of all histories."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    """Return a history as it is recorded."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def write(name: str, history: dict[str, Any]) -> None:
    """Record a history."""
    text = json.dumps(history, indent=2, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def playbook_of(name: str) -> Playbook:
    """Return the playbook of `playbooks/<name>.yaml`: flows and manners as files have them, segments, the shop."""
    said = YAML(typ="safe").load((FOLDER / "playbooks" / f"{name}.yaml").read_text(encoding="utf-8"))
    manners = Manners()
    if said.get("manners"):
        read_manners, problems = parse_manners(said["manners"], file="manners.yaml")
        assert read_manners is not None, problems
        manners = read_manners
    flows = [flow_of(text, flow) for flow, text in said.get("flows", {}).items()]
    shop = {key: tuple(value) if isinstance(value, list) else value for key, value in said.get("shop", {}).items()}
    return playbook(*flows, hash_=name, segments=said.get("segments"), manners=manners, **shop)


def play(history: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what was decided and handed over, event by event, and the stored profile in the end.

    Alarms ring when they are due, unless the history's `alarms` are `told`: then only those ring that it tells.
    """
    known = msgspec.convert(history.get("person", {}), dict[str, Any])
    start = msgspec.json.decode(msgspec.json.encode({"id": "ada", "shop": "tea", **known}), type=Profile)
    story = Recorded(playbook_of(history["playbook"]), start)
    for number, told in enumerate(history["told"]):
        now = datetime.fromisoformat(told["at"])
        if history.get("alarms") != "told":
            story.until(now)
        if "publish" in told:
            story.publish(told["publish"])
        else:
            story.take(_event(story, told, f"event-{number + 1}", now), now)
    if history.get("until"):
        story.until(datetime.fromisoformat(history["until"]))
    return story.then, json.loads(encode_profile(story.profile))


def stored(state: dict[str, Any]) -> Profile:
    """Return the profile that a recorded state means."""
    return decode_profile(json.dumps(state))


class Recorded(Story):
    """A story that writes down everything that is decided and handed over."""

    def __init__(self, book: Playbook, profile: Profile) -> None:
        super().__init__(book, profile)
        self.then: list[dict[str, Any]] = []

    def publish(self, name: str) -> None:
        """Publish another playbook; the flows of the old one stay pinned, as they do until no run needs them."""
        pinned = {flow.version: flow for flow in self.book.flows.values()}
        self.book = msgspec.structs.replace(playbook_of(name), pinned={**self.book.pinned, **pinned})

    def take(self, event: Event, now: datetime) -> Outcome:
        """Play one event, and write down what came of it."""
        outcome = super().take(event, now)
        lines = [*map(_decision, outcome.decisions), *(_effect(one, outcome.profile) for one in outcome.effects)]
        if lines:
            self.then.append({"at": _spoken(now), "because": event.type, "then": lines})
        return outcome


def _event(story: Story, told: dict[str, Any], event_id: str, now: datetime) -> Event:
    data = dict(told.get("data", {"type": "alarm"}))
    if "message" in data:
        # The newest message of that template.
        found = dict(zip((template for template, _ in story.mails), story.messages, strict=True))
        data["message_id"] = found[data.pop("message")]
    fact: Fact = msgspec.convert(data, Fact, strict=False)
    mine = isinstance(fact, Engagement) or told["event"] == "alarm.rang"
    return Event(
        id=event_id,
        shop="tea",
        type=told["event"],
        occurred_at=datetime.fromisoformat(told.get("occurred_at", told["at"])),
        received_at=now,
        data=fact,
        who=msgspec.convert(told.get("who", {}), Who),
        person=msgspec.convert(told["person"], Person) if "person" in told else None,
        profile_id=story.profile.id if mine else None,
        signed=told.get("signed", True),
    )


def _decision(made: Decision) -> str:
    where = "/".join(part for part in (made.flow, made.step) if part)
    parts = [made.what, where and f"[{where}]", made.rule]
    values = json.dumps(msgspec.to_builtins(made.values), ensure_ascii=False) if made.values else ""
    ids = [f"{kind} {value[:8]}" for kind, value in (("run", made.run), ("message", made.message_id)) if value]
    return " · ".join(part for part in (" ".join(part for part in parts if part), values, *ids) if part)


def _effect(effect: Effect, after: Profile) -> str:
    match effect:
        case Enqueue(message_id=message, category=category):
            planned = after.planned[message]
            until = _spoken(planned.not_after)
            return f"→ {category} {planned.channel} '{planned.template}' to the {planned.to}, until {until}"
        case LiftSuppression(channel=channel, granted_at=granted):
            return f"→ {channel} may be sent again, as of {_spoken(granted)}"
        case Refer(referrer=referrer):
            return f"→ tell {referrer} of a friend's order"
        case PutSuppression(channel=channel, reason=reason, since=since):
            return f"→ no more marketing by {channel}, because of {reason}, as of {_spoken(since)}"
        case _:
            return f"→ ring at {_spoken(effect.at)}"


def _spoken(moment: datetime) -> str:
    tick = timedelta(microseconds=moment.microsecond)
    return f"{(moment - tick).strftime('%a %Y-%m-%d %H:%M:%S')}{f' + {tick.microseconds} µs' if tick else ''}"


def steps_and_triggers() -> Iterator[str]:
    """Yield every kind of step and trigger that the recorded playbooks have in them."""
    for path in sorted((FOLDER / "playbooks").glob("*.yaml")):
        for flow in playbook_of(path.stem).flows.values():
            for part in (*flow.steps.values(), *flow.triggers):
                tag = str(part.__struct_config__.tag)
                yield f"{tag} {getattr(part, 'channel', '') or getattr(part, 'event', '')}".strip()
