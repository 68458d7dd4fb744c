"""What new conditions need to know of the past: the answers to asks, from the events that were told then. Pure.

From its first event on, the engine itself writes down what is asked (`rekindle.flow.turn.Turn.tell`). A profile that is
older than a question has the answer in its deliveries: told again in their order, they tell what they told then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rekindle.domain.absorb import absorb
from rekindle.domain.errors import ConditionError
from rekindle.domain.events import Event
from rekindle.domain.profile import Profile
from rekindle.flow.conditions import condition
from rekindle.flow.program import Ask


def recall(profile: Profile, events: Iterable[Event], asks: Iterable[Ask]) -> dict[str, tuple[datetime, ...]]:
    """Return the key of each ask → when such events were, newest first, as `Profile.recent` holds them.

    `events` are those of this person, in the order in which they were applied. What the engine itself tells (a segment
    entered, a day that came) is in no delivery: it is known from the day on which it is first asked for.
    """
    asked: dict[str, list[Ask]] = {}
    for ask in asks:
        asked.setdefault(ask.event, []).append(ask)
    found: dict[str, list[datetime]] = {}
    # As if nothing were known yet: so every fact tells once, when it was news.
    then = Profile(id=profile.id, shop=profile.shop)
    for event in events:
        absorbed = absorb(then, event, event.received_at)
        then = absorbed.profile
        for told in absorbed.told:
            for ask in asked.get(told.type, ()) if not told.again else ():
                if _holds(ask, told):
                    found.setdefault(ask.key, []).append(told.occurred_at)
    return {
        ask.key: tuple(sorted(found[ask.key], reverse=True)[: ask.keep])
        for several in asked.values()
        for ask in several
        if ask.key in found
    }


def _holds(ask: Ask, told: Event) -> bool:
    """Whether this is one of those that are asked for. What an ask says of them, it says of the event alone."""
    if not ask.when:
        return True
    try:
        return condition(ask.when).holds({"profile": {}, "event": told.data, "shop": None, "run": None})
    except ConditionError:
        return False
