"""Telling those who looked at a product that it got cheaper, came back, or is nearly gone.

For each of them it is accepted like anything that happens outside, under an id of its own: so it is told once, however
often it is tried, stands in the ledger, and can be replayed in a simulation.
"""

from __future__ import annotations

import msgspec

from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event
from rekindle.ports import Clock, Intake, Interests, News, ProfilePage
from rekindle.service.library import Library

#: So many are told by one task, and the next one comes after so many seconds.
TOLD_AT_ONCE, TOLD_SECONDS = 200, 5


class ProductHerald:
    """Tells news of products."""

    def __init__(self, *, interests: Interests, intake: Intake, library: Library, clock: Clock) -> None:
        self._interests = interests
        self._intake = intake
        self._library = library
        self._clock = clock

    def awaited(self, news: News) -> bool:
        """Whether a flow that is on in this shop names such news anywhere, or a condition asks for it."""
        playbook = self._library.newest()
        shop = playbook.shops.get(news.shop)
        if shop is None:
            return False
        on = [flow for name, flow in playbook.flows.items() if shop.flows.get(name, flow.enabled)]
        # As a trigger, a goal, something to wait for, or in a condition: wherever it stands, it stands there in full.
        named = any(news.event.encode() in msgspec.json.encode(flow) for flow in on)
        return named or any(ask.event == news.event for ask in playbook.asks.values())

    def tell(self, news: News, cursor: str | None) -> ProfilePage:
        """Accept the news for each of the next who looked at the product; return who that was."""
        change = news.change
        page = self._interests.interested(news.shop, change.product_id, cursor, limit=TOLD_AT_ONCE)
        now = self._clock.now()
        for profile_id in page.ids:
            parts = (news.shop, news.event, change.product_id, change.at.isoformat(), profile_id)
            event = Event(
                id=ids.digest("event", *parts),
                shop=news.shop,
                type=news.event,
                occurred_at=change.at,
                received_at=now,
                data=change,
                profile_id=profile_id,
            )
            delivery = Delivery(
                id=ids.digest("delivery", *parts),
                shop=news.shop,
                source="catalogue",
                topic=news.event,
                received_at=now,
                events=(event,),
            )
            self._intake.accept(delivery)
        return page
