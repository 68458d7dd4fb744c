"""One call of `advance` while it lasts: the profile as it changes, the events still to be told, what is gathered.

Pure. The modules beside this one (`live`, `runs`, `steps`) are what happens in a turn; here is what they share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from rekindle.domain.errors import ConditionError, RekindleError
from rekindle.domain.events import Event
from rekindle.domain.facts import Fact
from rekindle.domain.outcome import Decision, Effect
from rekindle.domain.profile import Profile, Run
from rekindle.domain.results import Count
from rekindle.domain.zones import zone_of
from rekindle.flow.conditions import condition
from rekindle.flow.library import Library
from rekindle.flow.local_time import zone
from rekindle.flow.program import Flow, Playbook, Send
from rekindle.flow.view import ProfileView, coupon_view, run_view

#: What is less late than this counts as if it had happened when it was due, so that minutes do not add up. After a
#: longer outage it counts from now, so that the mails of three days do not go out together.
LATENESS = timedelta(hours=1)


class Turn:
    """What one event does to one profile. `at` is the moment that is being worked on: `now`, or a little earlier."""

    def __init__(self, profile: Profile, event: Event, playbook: Playbook, now: datetime) -> None:
        self.before = profile
        self.profile = profile
        self.event = event
        self.playbook = playbook
        self.now = now
        self.at = now
        self.effects: list[Effect] = []
        self.decisions: list[Decision] = []
        self.counts: list[Count] = []
        self.untold: deque[Event] = deque()
        self.silent = False
        """whether what happens now is the doing of an import that lets nobody into a flow"""
        self.shop = playbook.shops.get(profile.shop)
        self._viewed: tuple[Profile, ProfileView] | None = None
        self._library: tuple[Profile, datetime, Library] | None = None

    # --- the profile

    def change(self, **fields: Any) -> None:
        """Change fields of the profile."""
        self.profile = replace(self.profile, **fields)

    def active(self) -> tuple[Run, ...]:
        """Return the runs that go on."""
        return tuple(run for run in self.profile.runs if run.status == "active")

    def put(self, run: Run) -> None:
        """Put a changed run in its place."""
        self.change(runs=tuple(run if known.id == run.id else known for known in self.profile.runs))

    def flow_of(self, run: Run) -> Flow:
        """Return the flow at the version that the run is pinned to."""
        flow = self.playbook.version(run.flow, run.version)
        if flow is None:
            raise RekindleError(f"flow {run.flow} at version {run.version} was not loaded")
        return flow

    def enabled(self, flow: Flow) -> bool:
        """Whether people of this shop may enter the flow."""
        return self.playbook.enabled(flow, self.profile.shop)

    def where(self) -> ZoneInfo:
        """Return the zone that this person lives in, as far as is known; else the shop's; else UTC."""
        known = zone_of(self.profile)
        names = (known[0] if known else None, self.shop.zone if self.shop else None, "UTC")
        found = (zone(name) for name in names if name)
        return next(where for where in found if where is not None)

    def offer_of(self, step: Send, run: Run) -> str:
        """Return the name of the offer that a message gives to this run, where the shop gives it now; else nothing."""
        if not step.offer or self.playbook.offer(step.offer, self.profile.shop) is None:
            return ""
        return step.offer if self.true(step.offer_if, self.names(run.trigger, run), run=run) else ""

    # --- telling

    def tell(self, told: Event) -> None:
        """Let flows know of this event, after those that wait to be told already; remember it if a condition asks."""
        for ask in self.playbook.asked_of.get(told.type, ()) if not told.again else ():
            if not ask.when or self.true(ask.when, self.names(told.data)):
                known = self.profile.recent.get(ask.key, ())
                newest = tuple(sorted((*known, told.occurred_at), reverse=True)[: ask.keep])
                if newest != known:
                    self.change(recent={**self.profile.recent, ask.key: newest})
        self.untold.append(told)

    def own_event(self, kind: str, data: Fact, when: datetime, id_: str) -> Event:
        """Return an event that the engine itself tells of this person."""
        return Event(
            id=id_,
            shop=self.profile.shop,
            type=kind,
            occurred_at=when,
            received_at=self.now,
            data=data,
            profile_id=self.profile.id,
            imported="silent" if self.silent else None,
        )

    # --- conditions

    @property
    def library(self) -> Library:
        """What `since`, `count` and their like compute from, at this moment."""
        known = self._library
        if known is None or known[0] is not self.profile or known[1] != self.at:
            known = self._library = self.profile, self.at, Library(self.profile, self.at)
        return known[2]

    def names(self, data: Fact | None, run: Run | None = None) -> dict[str, Any]:
        """Return what a condition may read: the person as they are now, and this event and run."""
        if self._viewed is None or self._viewed[0] is not self.profile:
            # Of everything only the history takes time, with many orders; and they seldom change within a turn.
            known = self._viewed[1] if self._viewed is not None else None
            same = known is not None and known.profile.orders is self.profile.orders
            past = known.past_if_read if known is not None and same else None
            self._viewed = self.profile, ProfileView(self.profile, self.shop, past, self.playbook.topics)
        return {
            "profile": self._viewed[1],
            "event": data,
            "shop": self.shop,
            "run": run and run_view(run),
            "coupon": run and coupon_view(run),
            "library": self.library,
        }

    def true(self, when: str, names: Mapping[str, Any], *, run: Run | None = None, flow: Flow | None = None) -> bool:
        """Return whether the condition holds; an empty one does. One that fails is false, and a decision says so."""
        if not when:
            return True
        try:
            return condition(when).holds(names)
        except ConditionError as error:
            self.decide("error", str(error), run=run, flow=flow)
            return False

    def read(self, when: str, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the condition read, for the ledger."""
        return condition(when).values(names) if when else {}

    # --- the ledger

    def decide(
        self,
        what: str,
        rule: str,
        *,
        run: Run | None = None,
        flow: Flow | None = None,
        message: str | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        """Write one line of the ledger."""
        self.decisions.append(
            Decision(
                at=self.now,
                what=what,
                rule=rule,
                flow=run.flow if run else flow.name if flow else None,
                run=run.id if run else None,
                step=run.step if run else None,
                message_id=message,
                event_id=self.event.id,
                playbook=self.playbook.hash,
                values=values or {},
            )
        )
