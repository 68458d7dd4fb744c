"""What a WooCommerce shop has, page by page: `ports.Source` over its REST API, in the shape of its webhooks.

Lists are read by id, the oldest first, so that what is new comes at their end. What is deleted meanwhile moves the rest
forward: then the total that the shop tells is smaller than before, and so many are read again. A shop that does not
manage a page of a hundred within its time is asked for smaller ones.

The REST API has no limit of its own; hosts and firewalls in front of it have, and say so with 429 and `Retry-After`,
which `Http` keeps to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from rekindle.domain.errors import ShopUncertainError
from rekindle.outside.http import Http
from rekindle.outside.woocommerce import PAGE, Listed, WooCommerce
from rekindle.outside.woocommerce_changes import TOPICS
from rekindle.ports import Page, Record, Resource

#: Seconds that a page may take, with its tries and the pauses that the shop asks for. PHP itself mostly gives up
#: after 30 to 120.
BUDGET, READ, TRIES = 600.0, 120.0, 6
#: Sizes of pages, each a part of the one before: so every page begins where a larger one could have.
SIZES = (PAGE, 50, 25, 5)

#: Roles: whoever has an account may have bought, the shop's own people too.
_PARAMETERS: dict[Resource, dict[str, str]] = {
    "customers": {"role": "all"},
    "orders": {"status": "any"},
    "products": {},
}
_CHANGED = "date_modified_gmt"


class _Place(Struct, frozen=True, array_like=True):
    what: Resource
    at: int
    """how many objects of this list come before"""
    size: int = PAGE
    total: int | None = None
    """what the shop said before"""


class WooCommerceSource:
    """One shop's customers, orders and products, in the order in which they are wanted."""

    def __init__(self, client: WooCommerce, what: Sequence[Resource], *, since: datetime | None = None) -> None:
        """`since`: only what changed at that moment or later. Of customers all are asked for, to find those."""
        self._client = client
        self._what = tuple(what)
        self._since = since

    def page(self, cursor: str | None) -> Page:
        """Return the page that begins at this cursor. Raises as `WooCommerce.get` does."""
        place = msgspec.json.decode(cursor, type=_Place) if cursor else _Place(self._what[0], 0)
        listed, place = self._listed(place)
        if place.total is not None and listed.total is not None and listed.total < place.total:
            back = max(0, place.at - (place.total - listed.total))
            if back < place.at:
                return Page(cursor=_cursor(_Place(place.what, back - back % place.size, place.size, listed.total)))
        records = [
            record
            for number, found in enumerate(listed.objects)
            if (record := self._record(place, number, found)) is not None
        ]
        return Page(records=records, cursor=self._after(place, listed))

    def total(self) -> int | None:
        """Return how many records there are, as the shop counts them; of customers all, whatever `since` says."""
        counts = [self._client.page(what, self._parameters(what), page=1, size=1).total for what in self._what]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def _listed(self, place: _Place) -> tuple[Listed, _Place]:
        """Return the page; a smaller one where the shop does not manage this."""
        sizes = [size for size in SIZES if size <= place.size]
        for size in sizes:
            try:
                listed = self._client.page(
                    place.what, self._parameters(place.what), page=place.at // size + 1, size=size
                )
            except ShopUncertainError:
                if size == sizes[-1]:
                    raise
            else:
                return listed, _Place(place.what, place.at, size, place.total)
        raise AssertionError("unreachable")  # pragma: no cover

    def _parameters(self, what: Resource) -> dict[str, str]:
        asked = {"orderby": "id", "order": "asc", **_PARAMETERS[what]}
        if self._since is not None and what != "customers":
            # Customers cannot be asked for by when they changed, and WooCommerce before 5.8 ignores it: see `_record`.
            after = self._since.astimezone(UTC) - timedelta(seconds=1)  # its own moment is left out (WP_Date_Query)
            asked |= {"modified_after": f"{after:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"}
        return asked

    def _record(self, place: _Place, number: int, found: dict[str, msgspec.Raw]) -> Record | None:
        if self._since is not None and _before(found.get(_CHANGED), self._since):
            return None
        body = msgspec.json.encode({name: value for name, value in found.items() if name != "_links"})
        return Record(topic=TOPICS[place.what], body=body, where=f"{place.what}, {_nth(place.at + number, found)}")

    def _after(self, place: _Place, listed: Listed) -> str | None:
        at = place.at + place.size
        # A page may be short and not the last: what the key may not read is left out of it.
        over = at // place.size >= listed.pages if listed.pages is not None else len(listed.objects) < place.size
        if not over:
            return _cursor(_Place(place.what, at, place.size, listed.total))
        following = self._what[self._what.index(place.what) + 1 :]
        return _cursor(_Place(following[0], 0)) if following else None


def _cursor(place: _Place) -> str:
    return msgspec.json.encode(place).decode()


def _nth(number: int, found: dict[str, msgspec.Raw]) -> str:
    given = bytes(found.get("id", b""))
    return f"id {given.decode()}" if given.isdigit() else f"number {number + 1} by id"


def _before(changed: msgspec.Raw | None, since: datetime) -> bool:
    """Whether this is a moment before that one. What names none is taken."""
    try:
        read: Any = msgspec.json.decode(changed) if changed is not None else None
        return read is not None and datetime.fromisoformat(read).replace(tzinfo=UTC) < since
    except (TypeError, ValueError):
        return False


def source(
    *,
    url: str,
    key: str,
    secret: str,
    what: Sequence[Resource],
    since: datetime | None = None,
    http: Http | None = None,
) -> WooCommerceSource:
    """Return the source of the shop at this address."""
    client = WooCommerce(http or Http(budget=BUDGET, read=READ, tries=TRIES), url=url, key=key, secret=secret)
    return WooCommerceSource(client, what, since=since)
