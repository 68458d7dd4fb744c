"""A published flow as the engine runs it: a small graph of steps, and the playbook that holds them all.

`rekindle.flow.definition` turns a marketer's YAML into this; `rekindle.flow.engine` walks it. Conditions are kept as
their source text and compiled once per process.
"""

from __future__ import annotations

from functools import cached_property

import msgspec
from msgspec import Struct

from rekindle.domain.ids import digest
from rekindle.domain.profile import Category


class Wait(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait"):
    """Do nothing for `seconds`, counted from when the run came here."""

    id: str
    seconds: int
    next: str | None = None


class WaitUntil(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_until"):
    """Do nothing until the recipient's clock shows `at` (`HH:MM`), on one of `days` (0 is Monday; empty: any day)."""

    id: str
    at: str
    days: tuple[int, ...] = ()
    next: str | None = None


class WaitFor(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_for"):
    """Do nothing until `event` comes for which `when` is true, then go `then`; after `seconds` go `otherwise`."""

    id: str
    event: str
    seconds: int
    when: str = ""
    then: str | None = None
    otherwise: str | None = None


class Way(Struct, frozen=True, omit_defaults=True):
    """One way of a split: its weight against the others', where it goes, and what it is called in the ledger."""

    name: str
    share: int
    to: str | None = None


class Split(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="split"):
    """Send each person one of several ways, by chance but always the same one (a hash decides)."""

    id: str
    ways: tuple[Way, ...]


class Arm(Struct, frozen=True, omit_defaults=True):
    """One way out of a branch: the condition, and the step to go on with (`None`: the end of the flow)."""

    when: str
    to: str | None = None


class Branch(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="branch"):
    """Go on with the first arm whose condition holds, else with `otherwise`."""

    id: str
    arms: tuple[Arm, ...]
    otherwise: str | None = None


class Email(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="email"):
    """Plan one mail. `valid_seconds` after planning it is no longer worth sending."""

    id: str
    template: str
    category: Category
    valid_seconds: int
    next: str | None = None


class Exit(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="exit"):
    """End the run here."""

    id: str
    reason: str = "exit step"


Step = Wait | WaitUntil | WaitFor | Branch | Split | Email | Exit


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event type, and what must be true of it (an empty `when` is always true)."""

    event: str
    when: str = ""


class Flow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one flow. All durations are seconds.

    `again`: `None` never enters a second time under the same key, 0 always, else after so many seconds. `restart`: a
    newer trigger sets a run that has not planned any message back to its first step.
    """

    name: str
    triggers: tuple[Rule, ...]
    first: str | None
    steps: dict[str, Step]
    enabled: bool = False
    title: str = ""
    key: str = ""
    again: int | None = None
    restart: bool = False
    max_age: int = 86_400
    timeout: int = 30 * 86_400
    goal: tuple[Rule, ...] = ()
    exit_on: tuple[Rule, ...] = ()
    priority: int = 0
    version: str = ""


class Shop(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What marketers set for one shop. `flows` switches flows on or off for this shop, whatever their own file says."""

    id: str
    name: str
    platform: str
    url: str
    sender_email: str
    sender_name: str
    postal_address: str
    currency: str
    locale: str
    zone: str
    reply_to: str | None = None
    link_domain: str | None = None
    logo: str | None = None
    flows: dict[str, bool] = {}


class Playbook(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """The published set that `advance` decides by. `pinned` holds older flow versions that runs still follow."""

    hash: str
    flows: dict[str, Flow] = {}
    shops: dict[str, Shop] = {}
    pinned: dict[str, Flow] = {}

    def enabled(self, flow: Flow, shop: str) -> bool:
        """Whether new runs of this flow may start in this shop."""
        known = self.shops.get(shop)
        return known is not None and known.flows.get(flow.name, flow.enabled)

    @cached_property
    def _by_type(self) -> dict[str, tuple[tuple[Flow, Rule], ...]]:
        found: dict[str, list[tuple[Flow, Rule]]] = {}
        for flow in sorted(self.flows.values(), key=lambda flow: (-flow.priority, flow.name)):
            for rule in flow.triggers:
                found.setdefault(rule.event, []).append((flow, rule))
        return {kind: tuple(pairs) for kind, pairs in found.items()}

    def triggered_by(self, event_type: str) -> tuple[tuple[Flow, Rule], ...]:
        """Return the flows that this event type can start, with the rule that says so; higher priority first."""
        return self._by_type.get(event_type, ())

    def version(self, flow: str, version: str) -> Flow | None:
        """Return the flow at the version that a run is pinned to."""
        newest = self.flows.get(flow)
        return newest if newest is not None and newest.version == version else self.pinned.get(version)


def versioned(flow: Flow) -> Flow:
    """Return the flow under its version: the hash of everything that decides how it runs."""
    plain = msgspec.structs.replace(flow, version="", enabled=False, title="")
    return msgspec.structs.replace(flow, version=digest("flow", msgspec.json.encode(plain, order="sorted")))
