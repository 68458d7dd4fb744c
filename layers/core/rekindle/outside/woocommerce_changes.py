"""What changed in a WooCommerce shop, and the things themselves: what its API shows is what its webhooks send.

Lists are sorted by when a thing was changed, and go on from the last one's moment instead of by page numbers: what is
changed while they are read moves to the end, and all behind it one place to the front, over the edge of a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rekindle.domain.errors import ShopUncertainError
from rekindle.outside.woocommerce import PAGE, WooCommerce
from rekindle.ports import Changed, ChangedPage, Record, Resource
from rekindle.shops.reading import identifier, moment_gmt

TOPICS: Mapping[Resource, str] = {
    "products": "product.updated",
    "customers": "customer.updated",
    "orders": "order.updated",
}
_MOST_PAGES = 1_000


class WooCommerceChanges:
    """One shop's changes."""

    def __init__(self, api: WooCommerce) -> None:
        self._api = api

    def changed(self, resource: Resource, since: datetime, until: datetime, cursor: str | None = None) -> ChangedPage:
        """Return a page of what was changed last from `since` on and before `until`, oldest first."""
        if resource == "customers":
            return self._registered(since, until)
        start, page = _place(cursor) if cursor is not None else (since, 1)
        asked = {
            # Both bounds are left out themselves, and a zone would be turned into the shop's own (WP_Date_Query).
            "modified_after": _naive(start - timedelta(seconds=1)),
            "modified_before": _naive(until),
            "dates_are_gmt": "true",
            "orderby": "modified",
            "order": "asc",
            "per_page": str(PAGE),
            "page": str(page),
            "_fields": "id,date_modified_gmt",
        }
        rows = self._list(resource, asked)
        changed = [_changed(row, "date_modified_gmt") for row in rows]
        if len(rows) < PAGE:
            return ChangedPage(tuple(changed))
        last = changed[-1].at
        # A whole page of one second: only then its number says where to go on.
        following = (last, 1) if last > start else (start, page + 1)
        return ChangedPage(tuple(changed), f"{following[0].isoformat()}#{following[1]}")

    def _registered(self, since: datetime, until: datetime) -> ChangedPage:
        """Return the customers who were registered in that time: their API knows no search by change."""
        found: list[Changed] = []
        for page in range(1, _MOST_PAGES + 1):
            asked = {
                "orderby": "registered_date",
                "order": "desc",
                "per_page": str(PAGE),
                "page": str(page),
                "_fields": "id,date_created_gmt",
            }
            rows = [_changed(row, "date_created_gmt") for row in self._list("customers", asked)]
            found += [row for row in rows if since <= row.at < until]
            if len(rows) < PAGE or rows[-1].at < since:
                break
        return ChangedPage(tuple(sorted(dict.fromkeys(found), key=lambda one: (one.at, one.id))))

    def read(self, resource: Resource, ids: Sequence[str]) -> list[Record]:
        """Return these, as many as there are of up to a hundred, in the shape of their webhooks."""
        rows = self._list(resource, {"include": ",".join(ids), "per_page": str(PAGE), "orderby": "include"})
        return [Record(topic=TOPICS[resource], body=msgspec.json.encode(row)) for row in rows]

    def _list(self, path: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        found = self._api.get(path, asked)
        if not isinstance(found, list):
            raise ShopUncertainError("the shop's answer is no list")
        return [row for row in found if isinstance(row, dict)]


def _changed(row: Mapping[str, Any], name: str) -> Changed:
    number, at = identifier(row.get("id")), moment_gmt(row.get(name))
    if number is None or at is None:
        raise ShopUncertainError("the shop's list has a row without an id or a time")
    return Changed(number, at)


def _naive(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _place(cursor: str) -> tuple[datetime, int]:
    at, _, page = cursor.partition("#")
    return datetime.fromisoformat(at), int(page)
