"""The fault-free replays that a world is compared with (`check` says why these two, and what is equal)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.flow.program import Playbook
from rekindle.memory import World
from rekindle.ports import Wake
from rekindle.service.journey import Journey
from rekindle.service.library import Library
from rekindle.service.people import alias_key
from tests.simulation.bare import bare
from tests.simulation.story import SHOP, T0, books, who

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: Whatever changes only what a worker read of the clock, not what it decided.
_SLOW = frozenset({"slow_before", "slow_after"})

Stored = Profile | Signpost | Tombstone | None


class _Clock:
    """A clock that shows what it is told, also if that is earlier."""

    moment = T0

    def now(self) -> datetime:
        """Return the moment."""
        return self.moment


class _Library(Library):
    """A library whose newest playbook is the one that the worker had."""

    def __init__(self, world: World, clock: _Clock) -> None:
        super().__init__(world.blobs, clock)
        self.wanted = ""

    def newest(self, **how: bool) -> Playbook:
        """Return the playbook that is wanted."""
        del how
        return _books()[self.wanted]


class _Nobody:
    """Takes whatever is handed over."""

    def ring(self, *_: object) -> None:
        """Set no alarm."""

    wake = enqueue = ask = ring


def in_commit_order(simulation: Simulation) -> dict[str, tuple[Stored, Stored]]:
    """Do the commits again, one after the other; return profile id → (as it is, as it should be) where they differ."""
    watch = simulation.watch
    world, clock = World(T0), _Clock()
    world.files.update({key: content for key, content in simulation.world.files.items() if key.startswith("flows/")})
    library = _Library(world, clock)
    state, intake = bare(world.state), bare(world.intake)
    journey = Journey(
        state=state,
        alarms=_Nobody(),  # type: ignore[arg-type]  # only takes
        queues=_Nobody(),
        privacy=_Nobody(),
        catalogue=_Nobody(),
        library=library,
        clock=clock,
        address_key=world.secret_address_key,
    )
    for delivery, keys in watch.accepted.values():
        intake.accept(delivery, (), keys)
    for step in watch.steps:
        clock.moment, library.wanted, world.messages = step.at, step.playbook, step.read
        if step.parts:
            # Into which parts matters to nobody: each finds out by itself, when it is applied, whom it concerns.
            state.split(world.pending[step.pending_id or ""], step.parts)
        elif step.pending_id is None:
            journey.wake(Wake(profile_id=step.profile_id, campaign=step.campaign))
        elif step.pending_id in world.pending:
            moved = {key: owner for key, owner in world.owners.items() if step.owners.get(key, owner) != owner}
            world.owners.update({key: step.owners[key] for key in moved})
            journey.apply(world.pending[step.pending_id])
            world.owners.update({key: owner for key, owner in moved.items() if world.owners[key] == step.owners[key]})
    timeless = any(choice.kind in _SLOW for choice in simulation.choices.taken)
    differing = {}
    for profile_id in {**simulation.world.profiles, **world.profiles}:
        if simulation.world.profiles.get(profile_id) == world.profiles.get(profile_id):
            continue
        found, wanted = simulation.world.profile(profile_id), world.profile(profile_id)
        if timeless and isinstance(found, Profile) and isinstance(wanted, Profile):
            found, wanted = replace(found, created_at=None), replace(wanted, created_at=None)
        if found != wanted:
            differing[profile_id] = (found, wanted)
    # As `Simulation.close`: or the collector would have to.
    vars(world).clear()
    return differing


def facts(simulation: Simulation) -> dict[str, dict[str, Any]]:
    """Return what is known, in the end, of everybody who has an address: all that may not depend on any order."""
    world = simulation.world
    known = {}
    # What SES or a link tells is said when it is told, and that depends on everything; a list's word of tomorrow counts
    # from when it was read.
    shop_alone = all(
        delivery.source == "shopify" or delivery.topic in ("email.opened", "email.clicked")
        for delivery, _ in simulation.watch.accepted.values()
    )
    for person in ("ada", "bob", "carol"):
        owner = world.owners.get(alias_key(world.secret_address_key, SHOP, "email", who(person).email or ""))
        profile = simulation.watch.living(owner) if owner is not None else None
        if profile is not None:
            known[person] = {
                "email": profile.email,
                "shop_customer_id": profile.shop_customer_id,
                "consent": {key: (act.state, act.at) for key, act in profile.consent.items() if shop_alone},
                "orders": _plain(profile.orders),
                "tags": profile.tags,
                "baskets": {key: basket.completed_at is None for key, basket in profile.baskets.items()},
                "shipments": profile.shipments,
                "aliases": sorted(profile.aliases),
                "erased": profile.erased_at,
            }
    return known


def difference(found: Stored, wanted: Stored) -> str:
    """Return, for people, in which fields two profiles differ."""
    if isinstance(found, Profile) and isinstance(wanted, Profile):
        return unlike(asdict(found), asdict(wanted))
    return f"{found}, not {wanted}"


def unlike(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return, for people, what two mappings say differently."""
    if all(isinstance(value, dict) for value in (*found.values(), *wanted.values())):
        found = {f"{one} {name}": value for one, known in found.items() for name, value in known.items()}
        wanted = {f"{one} {name}": value for one, known in wanted.items() for name, value in known.items()}
    fields = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return "; ".join(f"{name} is {found.get(name)}, not {wanted.get(name)}" for name in fields)


def _plain(orders: Mapping[str, Any]) -> dict[str, Any]:
    return {key: replace(mark, events=tuple(sorted(mark.events))) for key, mark in orders.items()}


@cache
def _books() -> dict[str, Playbook]:
    return {book.hash: book for book in books()}
