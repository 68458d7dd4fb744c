"""Why did, or didn't, this person get this mail? The ledger of one person, in order and in plain words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from rekindle.domain.errors import RekindleError
from rekindle.domain.outcome import Decision
from rekindle.domain.profile import Profile
from rekindle.ports import Message, State, Vault
from rekindle.service.people import alias_key, follow

_PAGE = 100


class NobodyError(RekindleError):
    """Nobody is known by that address in that shop."""


class Line(Struct, frozen=True, kw_only=True):
    """One decision in words, and as it was written down."""

    at: datetime
    words: str
    decision: Decision
    outcome: str | None = None
    """of a planned mail: what became of it"""


class Explanation(Struct, frozen=True, kw_only=True):
    """What the ledger says of one person, oldest first, up to 400 days back."""

    profile: Profile
    lines: tuple[Line, ...]


def explain(
    shop: str,
    email: str,
    *,
    state: State,
    vault: Vault,
    key: bytes,
    flow: str | None = None,
    until: datetime | None = None,
) -> Explanation:
    """Return the decisions about the person with this (canonical) address; of one flow, up to a moment, if asked.

    Raises `NobodyError`.
    """
    alias = alias_key(key, shop, "email", email)
    owners, shared = vault.owners([alias])
    profile = follow(state.profile, owners[alias]) if alias in owners else None
    if profile is None:
        many = ": more than five customers share it, so it identifies nobody" if alias in shared else ""
        raise NobodyError(f"nobody is known by this address in {shop}{many}")
    decisions = sorted(
        (decision for each in (profile.id, *profile.was) for decision in _ledger(vault, each)),
        key=lambda decision: decision.at,
    )
    wanted = [
        decision
        for decision in decisions
        if (flow is None or decision.flow == flow) and (until is None or decision.at <= until)
    ]
    messages = vault.messages(tuple({decision.message_id for decision in wanted if decision.message_id}))
    return Explanation(profile=profile, lines=tuple(_line(decision, messages) for decision in wanted))


#: decision → how a person would say it
PHRASES = {
    "entered": "entered {flow}, because {because}",
    "not_entered": "did not enter {flow}: {because}",
    "restarted": "started {flow} anew: it was triggered again before anything was sent",
    "waiting": "waits in {flow} until {until} UTC",
    "heard": "what {flow} waited for has come: {because}",
    "branched": "went on in {flow}, because {because}",
    "split": "was sent the way “{rule}” in {flow} ({share})",
    "planned": "is to get the mail {template}",
    "skipped": "does not get the mail {template}: {rule}",
    "ended": "left {flow} ({as}): {rule}",
    "said": "is now {rule}, by {source}",
    "ignored": "{event} changed nothing: {rule}",
    "merged": "turned out to be one person with profile {profile}: {rule}",
    "error": "a condition failed and counted as false: {rule}",
}


def words(decision: Decision) -> str:
    """Return one decision as a person would say it."""
    values = dict(decision.values)
    if "until" in values:
        values["until"] = str(values["until"])[:16].replace("T", " ")
    known = {"flow": decision.flow, "rule": decision.rule, "because": _because(decision)}
    phrase = PHRASES.get(decision.what, decision.what.replace("_", " ") + ": {because}")
    return phrase.format_map(defaultdict(str, {**values, **known}))


def _because(decision: Decision) -> str:
    read = ", ".join(f"{name} = {value if value is not None else 'nothing'}" for name, value in decision.values.items())
    return f"{decision.rule} [{read}]" if read else decision.rule


def _line(decision: Decision, messages: dict[str, Message]) -> Line:
    message = messages.get(decision.message_id or "")
    return Line(
        at=decision.at,
        words=words(decision),
        decision=decision,
        outcome=_outcome(message) if message is not None else None,
    )


def _outcome(message: Message) -> str:
    told: list[str] = [message.state]
    if message.opened_at is not None:
        told.append("opened")
    if message.links:
        told.append(f"clicked {len(message.links)} link{'s' if len(message.links) > 1 else ''}")
    return ", ".join(told) + (f": {message.why}" if message.why and message.state != "delivered" else "")


def _ledger(vault: Vault, profile_id: str) -> Iterator[Decision]:
    after = ""
    while page := vault.ledger(profile_id, after, _PAGE):
        for entry in page:
            yield from entry.decisions
        after = page[-1].at
