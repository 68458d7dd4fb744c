"""What is known already of what a shop has: read, never written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rekindle.aws.items import Wanted, batch_get, moment, text
from rekindle.aws.products import product_key
from rekindle.aws.profiles import parse_profile
from rekindle.domain.profile import Profile, Signpost, Tombstone

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.tables import Tables

#: A batch's answer holds 16 MB, and a profile at most 400 KB.
_PROFILES = 40
#: As many signposts as anybody follows (`service.people`).
_ROUNDS = 10


class DynamoKnown:
    """`ports.Known`."""

    def __init__(self, clients: Clients, tables: Tables) -> None:
        self._clients = clients
        self._tables = tables

    def people(self, keys: Sequence[str]) -> dict[str, Profile | Tombstone]:
        """Return whom the aliases lead to: a call for the aliases, and one for each forty profiles."""
        wanted = Wanted(self._tables.aliases, [{"key": text(key)} for key in dict.fromkeys(keys)])
        aliases = batch_get(self._clients.dynamodb, [wanted])[self._tables.aliases]
        leads = {item["key"]["S"]: item["profile_id"]["S"] for item in aliases if "profile_id" in item}
        found: dict[str, Profile | Tombstone] = {}
        for _ in range(_ROUNDS):
            stored = self._profiles(sorted(set(leads.values())))
            onward: dict[str, str] = {}
            for key, profile_id in leads.items():
                whose = stored.get(profile_id)
                if isinstance(whose, Signpost):
                    onward[key] = whose.to
                elif whose is not None:
                    found[key] = whose
            if not onward:
                break
            leads = onward
        return found

    def products(self, shop: str, ids: Sequence[str]) -> dict[str, datetime]:
        """Return how new the catalogue's knowledge is, in one call for each hundred."""
        keys = {f"{shop}#{name}": name for name in ids}
        wanted = Wanted(self._tables.products, [product_key(shop, name) for name in keys.values()], _DATED)
        items = batch_get(self._clients.dynamodb, [wanted])[self._tables.products]
        return {keys[item["key"]["S"]]: moment(newest) for item in items if (newest := _newest(item))}

    def _profiles(self, ids: Sequence[str]) -> dict[str, Profile | Signpost | Tombstone]:
        found = {}
        for start in range(0, len(ids), _PROFILES):
            wanted = Wanted(self._tables.profiles, [{"id": text(one)} for one in ids[start : start + _PROFILES]])
            for item in batch_get(self._clients.dynamodb, [wanted])[self._tables.profiles]:
                found[item["id"]["S"]] = parse_profile(item)
        return found


_DATED = ("key", "updated_at", "deleted_at")


def _newest(item: Mapping[str, Any]) -> str:
    return max(item[name]["S"] if name in item else "" for name in _DATED[1:])
