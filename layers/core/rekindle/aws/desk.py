"""What the preference page reads of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.items import Wanted, batch_get, text
from rekindle.aws.profiles import parse_profile
from rekindle.domain.profile import Profile, Signpost, Tombstone

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables


class DynamoDesk:
    """`ports.Desk`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def profile(self, profile_id: str) -> Profile | Signpost | Tombstone | None:
        """Return the profile, its signpost or its tombstone."""
        wanted = Wanted(self._tables.profiles, [{"id": text(profile_id)}])
        items = batch_get(self._clients.dynamodb, [wanted])[self._tables.profiles]
        return parse_profile(items[0]) if items else None

    def refused(self, shop: str, channel: str, address: str) -> frozenset[str]:
        """Return what is in force, in one call."""
        wanted = Wanted(self._tables.suppressions, [suppression_items.key(shop, channel, address)])
        items = batch_get(self._clients.dynamodb, [wanted])[self._tables.suppressions]
        found = [one for item in items for one in suppression_items.in_force(item, shop, channel, address)]
        return frozenset(one.covers for one in found)
