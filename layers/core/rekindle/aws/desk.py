"""What the preference page reads of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rekindle.aws import suppressions as suppression_items
from rekindle.aws.items import Wanted, batch_get, optional, text
from rekindle.aws.profiles import parse_profile
from rekindle.domain.profile import Profile, Signpost, Tombstone

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

_COVERS = ("marketing", "everything")


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
        keys = [suppression_items.key(shop, channel, address, cover) for cover in _COVERS]
        items = batch_get(self._clients.dynamodb, [Wanted(self._tables.suppressions, keys)])[self._tables.suppressions]
        return frozenset(item["key"]["S"].rpartition("#")[2] for item in items if _in_force(item))


def _in_force(item: dict[str, object]) -> bool:
    since, lifted = optional(item, "since"), optional(item, "lifted_at")
    return since is not None and (lifted is None or lifted <= since)
