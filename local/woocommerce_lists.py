"""What a local WooCommerce shop has: orders, products, customers, webhooks; searched, sorted and paged as its API does.

`modified_after` and `modified_before` leave their own moment out, and compare what they are given, without a zone, with
the column that `dates_are_gmt` names (WP_Date_Query): what bites there bites here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from local.server import Reply

Thing = dict[str, Any]

_MOST = 100
_ORDERS = {"date": "date_created", "modified": "date_modified", "id": "id", "registered_date": "date_created"}
_ALLOWED = {
    "orders": ("date", "id", "include", "title", "slug", "modified"),
    "products": ("date", "id", "include", "title", "slug", "modified", "price", "popularity", "rating", "menu_order"),
    "customers": ("id", "include", "name", "registered_date"),
}


@dataclass
class ShopData:
    """What the shop has, by kind and id, each as the API shows it. `put` is what happens in the shop."""

    things: dict[str, dict[int, Thing]] = field(
        default_factory=lambda: {"orders": {}, "products": {}, "customers": {}, "webhooks": {}}
    )

    hidden: set[int] = field(default_factory=set)
    """ids that the key may not read: they are counted, and left out of their page (get_items)"""
    heavy: int | None = None
    """the largest page that the server manages in its time"""

    def put(self, kind: str, thing: Thing) -> None:
        """Let the shop have this."""
        self.things[kind][thing["id"]] = thing

    def answer(self, path: str, query: str) -> Reply | None:
        """Answer a GET; `None` for what is none of these."""
        kind, _, number = path.partition("/")
        if kind not in self.things:
            return None
        if number:
            found = self.things[kind].get(int(number)) if number.isdigit() else None
            return Reply(200, found, {}) if found is not None else _error(404, f"woocommerce_rest_{kind}_invalid_id")
        return self._list(kind, {name: values[-1] for name, values in parse_qs(query).items()})

    def _list(self, kind: str, asked: Mapping[str, str]) -> Reply:
        by, many, page = asked.get("orderby", "date"), int(asked.get("per_page", 10)), int(asked.get("page", 1))
        allowed = _ALLOWED.get(kind, ("date",))
        if not 0 < many <= _MOST or (kind != "webhooks" and "orderby" in asked and by not in allowed):
            return _error(400, "rest_invalid_param")
        if self.heavy is not None and many > self.heavy:
            return Reply(504, "<h1>504 Gateway Time-out</h1>", {"Content-Type": "text/html"})
        found = [thing for thing in self.things[kind].values() if _fits(kind, thing, asked)]
        key = "id" if kind == "webhooks" else _ORDERS.get(by, "id")
        found.sort(
            key=lambda thing: (str(thing.get(f"{key}_gmt") or ""), thing["id"]) if key != "id" else ("", thing["id"])
        )
        if asked.get("order", "desc") == "desc":
            found.reverse()
        shown = [thing for thing in found[(page - 1) * many : page * many] if thing["id"] not in self.hidden]
        if "_fields" in asked:
            fields = asked["_fields"].split(",")
            shown = [{name: thing[name] for name in fields if name in thing} for thing in shown]
        total = -(-len(found) // many)
        return Reply(200, shown, {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(total)})


def _fits(kind: str, thing: Thing, asked: Mapping[str, str]) -> bool:
    if "include" in asked and str(thing["id"]) not in asked["include"].split(","):
        return False
    if kind == "customers" and asked.get("role", "customer") not in ("all", thing.get("role", "customer")):
        return False
    if kind in ("customers", "webhooks"):
        # Neither can be asked for by when it was changed: what is asked in vain is passed over.
        return asked.get("status", "all") in ("all", thing.get("status"))
    modified = str(thing.get("date_modified_gmt" if asked.get("dates_are_gmt") == "true" else "date_modified"))
    after, before = asked.get("modified_after", ""), asked.get("modified_before", "")
    return (not after or modified > after) and (not before or modified < before)


def _error(status: int, code: str) -> Reply:
    return Reply(status, {"code": code, "message": "Invalid.", "data": {"status": status}}, {})
