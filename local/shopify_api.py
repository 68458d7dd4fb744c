"""Shopify's GraphQL Admin API on loopback, as documented: schema, costs, throttling, user errors, bulk operations.

Questions are judged by an excerpt of the documented schema (`shopify.graphql`) with a real GraphQL implementation, so
that a field that Shopify does not have is an error here too. Discounts and webhooks live in memory; codes compare in
any case. What else the shop has is in `shopify_lists`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from graphql import DocumentNode, GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate

from local import shopify_costs
from local.server import Reply, Request
from local.shop_server import ShopServer
from local.shopify_lists import ShopData

API_VERSION = "2026-07"
#: What the standard plan has: points in the bucket, and how many it gains a second (shopify.dev, "API rate limits").
BUCKET, RATE = 2_000.0, 100.0
#: What a mutation costs.
_MUTATION = 10.0
_MOST_TITLE = 255
#: The beginning of a topic → the right that it asks for (shopify.dev, "Webhooks").
_RIGHTS = {
    "CARTS_": "read_orders",
    "CHECKOUTS_": "read_orders",
    "ORDERS_": "read_orders",
    "REFUNDS_": "read_orders",
    "FULFILLMENT": "read_fulfillments",
    "CUSTOMER": "read_customers",
    "PRODUCTS_": "read_products",
    "VARIANTS_": "read_products",
    "COLLECTIONS_": "read_products",
}
ALL_SCOPES = frozenset((*_RIGHTS.values(), "write_discounts", "read_all_orders", "read_locales"))
_UNKNOWN_TOPIC = "Invalid topic specified. Topics allowed: app/uninstalled, shop/update"


@dataclass(frozen=True)
class Discount:
    """A code discount as it stands in the shop."""

    id: str
    kind: str
    code: str
    title: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Subscription:
    """A webhook as the app asked for it."""

    id: str
    topic: str
    """as GraphQL names it"""
    uri: str


class LocalShopify(ShopServer):
    """One shop. `discounts` is code, in lower case → discount; `products` are those that it sells (empty: any).

    `subscriptions` is id → webhook. `client` are the app's id and secret, by which it may fetch its token.
    """

    def __init__(
        self,
        *,
        token: str = "shpat_local",  # noqa: S107 - it opens nothing
        currency: str = "GBP",
        client: tuple[str, str] = ("client-local", "shpss_local"),
        bucket: float = BUCKET,
        rate: float = RATE,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.token = token
        self.currency = currency
        self.discounts: dict[str, Discount] = {}
        self.products: frozenset[str] = frozenset()
        self.data = ShopData()
        self._schema = _schema()
        self.client = client
        self.granted: frozenset[str] = ALL_SCOPES
        self.subscriptions: dict[str, Subscription] = {}
        self.webhooks_version = "2026-04"
        self._made = 0
        self._bucket, self._rate = bucket, rate
        self._level, self._filled_at = bucket, time.monotonic()
        self.slowest_lookup = 0
        """so many look-ups by code find nothing yet: what finds codes lags behind what makes them"""

    def taken(self, code: str, title: str = "Spring sale") -> None:
        """Let somebody else have this code."""
        self._put("DiscountCodeBasic", {"code": code, "title": title, "startsAt": "2026-01-01T00:00:00Z"})

    def answer(self, request: Request) -> Reply:
        """Answer a question, or a request for a file or a token."""
        if request.path.startswith("/bulk/"):
            return self.data.file(request)
        if request.path == "/admin/oauth/access_token":
            return self._grant(request)
        if request.path != f"/admin/api/{API_VERSION}/graphql.json":
            return Reply(404, {"errors": "Not Found"}, {})
        if request.method != "POST":
            return Reply(405, {"errors": "Method Not Allowed"}, {})
        if request.headers.get("x-shopify-access-token") != self.token:
            return self.denied(request)
        return self._ask(request)

    def _ask(self, request: Request) -> Reply:
        try:
            asked = json.loads(request.body)
            document, problems = _judged(asked["query"])
        except (ValueError, KeyError, TypeError, GraphQLError):
            return self._reply({"errors": [{"message": "syntax error"}]})
        if problems:
            errors = [{"message": one.message, "extensions": {"code": "undefinedField"}} for one in problems]
            return self._reply({"errors": errors})
        cost = shopify_costs.price(self._schema, document, asked.get("variables") or {})
        if cost > shopify_costs.MOST:
            said = (
                f"Query cost is {cost:.0f}, which exceeds the single query max cost limit ({shopify_costs.MOST:.0f})."
            )
            return self._reply({"errors": [{"message": said, "extensions": {"code": "MAX_COST_EXCEEDED"}}]})
        with self.lock:
            if not self._pay(cost):
                return self._throttled(cost)
            done = execute_sync(
                self._schema,
                document,
                root_value=_Root(self),
                variable_values=asked.get("variables") or {},
                type_resolver=lambda value, *_: value.get("__typename", "MediaImage"),
            )
            actual = min(cost, shopify_costs.spent(done.data))
            self._level += cost - actual
        told: dict[str, Any] = {"data": done.data} if done.data is not None else {}
        if done.errors:
            told["errors"] = [{"message": one.message, "extensions": {"code": _code(one)}} for one in done.errors]
        return self._reply({**told, "extensions": {"cost": self._cost(cost, actual)}})

    def throttled(self, request: Request) -> Reply:
        """Say that the bucket is empty; it is full again in a moment. The store of files has its own word for it."""
        if request.path.startswith("/bulk/"):
            return Reply(429, "<Error><Code>SlowDown</Code></Error>", {"Content-Type": "application/xml"})
        return self._throttled(_MUTATION)

    def denied(self, request: Request) -> Reply:
        """Say that the token is not known."""
        del request
        said = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return Reply(401, {"errors": said}, {})

    def _grant(self, request: Request) -> Reply:
        asked = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if asked.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"}, {})
        if (asked.get("client_id"), asked.get("client_secret")) != self.client:
            return Reply(400, {"error": "invalid_client", "error_description": "Client authentication failed"}, {})
        scope = ",".join(sorted(self.granted))
        return Reply(200, {"access_token": self.token, "scope": scope, "expires_in": 86_399}, {})

    # --- the bucket

    def _pay(self, cost: float) -> bool:
        now = time.monotonic()
        self._level = min(self._bucket, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._level < cost:
            return False
        self._level -= cost
        return True

    def _throttled(self, cost: float) -> Reply:
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        return self._reply({"errors": [error], "extensions": {"cost": self._cost(cost, None)}})

    def _cost(self, asked: float, actual: float | None) -> dict[str, Any]:
        status = {"maximumAvailable": self._bucket, "currentlyAvailable": int(self._level), "restoreRate": self._rate}
        return {"requestedQueryCost": asked, "actualQueryCost": actual, "throttleStatus": status}

    def _reply(self, content: Any) -> Reply:
        return Reply(200, content, {"X-Shopify-API-Version": API_VERSION})

    # --- webhooks

    def subscribed(self, topic: str, uri: str) -> Subscription:
        """Let the app have this webhook already."""
        self._made += 1
        made = Subscription(f"gid://shopify/WebhookSubscription/{1_400_000_000_000 + self._made}", topic, uri)
        self.subscriptions[made.id] = made
        return made

    def subscribe(self, topic: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Make a webhook, or say what is wrong with it."""
        fault = self._fault_of(topic, given.get("uri"))
        made = None if fault is not None else self.subscribed(topic, given["uri"])
        return _hooked(made, fault)

    def resubscribe(self, id: str, given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - Shopify's name
        """Change a webhook, or say what is wrong with it."""
        known = self.subscriptions.get(id)
        if known is None:
            return _hooked(None, ("id", "Webhook subscription does not exist"))
        fault = self._fault_of(known.topic, given.get("uri"), besides=id)
        if fault is None:
            known = self.subscriptions[id] = replace(known, uri=given["uri"])
        return _hooked(known if fault is None else None, fault)

    def unsubscribe(self, id: str) -> dict[str, Any]:  # noqa: A002 - Shopify's name
        """Delete a webhook."""
        if self.subscriptions.pop(id, None) is None:
            error = {"field": ["id"], "message": "Webhook subscription does not exist"}
            return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
        return {"deletedWebhookSubscriptionId": id, "userErrors": []}

    def _fault_of(self, topic: str, uri: str | None, besides: str = "") -> tuple[str, str] | None:
        right = next((right for begins, right in _RIGHTS.items() if topic.startswith(begins)), None)
        if right is not None and right not in self.granted:
            return "topic", _UNKNOWN_TOPIC
        if not uri or not uri.startswith(("https://", "http://127.0.0.1")):
            return "callbackUrl", "Address protocol http:// is not supported"
        taken = ((one.topic, one.uri) for one in self.subscriptions.values() if one.id != besides)
        return ("callbackUrl", "Address for this topic has already been taken") if (topic, uri) in taken else None

    # --- discounts

    def create(self, kind: str, given: Mapping[str, Any], argument: str) -> dict[str, Any]:
        """Create a discount, or say what is wrong with it. Raises nothing for what a caller did wrong."""
        errors = [
            {"field": [argument, *field], "code": code, "message": message}
            for field, code, message in self._faults_of(kind, given)
        ]
        if errors:
            return {"codeDiscountNode": None, "userErrors": errors}
        return {"codeDiscountNode": _node(self._put(kind, given)), "userErrors": []}

    def _put(self, kind: str, given: Mapping[str, Any]) -> Discount:
        number = 1_000_000_000_001 + len(self.discounts)
        found = Discount(f"gid://shopify/DiscountCodeNode/{number}", kind, given["code"], given["title"], dict(given))
        self.discounts[found.code.casefold()] = found
        return found

    def _faults_of(self, kind: str, given: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str, str]]:
        found: list[tuple[tuple[str, ...], str, str]] = [
            ((name,), "BLANK", f"{name} can't be blank")
            for name in ("title", "code", "startsAt")
            if not given.get(name)
        ]
        if found:
            return found
        if len(given["title"]) > _MOST_TITLE or len(given["code"]) > _MOST_TITLE:
            found.append((("title",), "TOO_LONG", "is too long (maximum is 255 characters)"))
        if given["code"].casefold() in self.discounts:
            said = "Code must be unique. Please try a different code."
            found.append((("code",), "TAKEN", said))
        begins, ends = _moment(given["startsAt"]), _moment(given.get("endsAt"))
        if begins is not None and ends is not None and ends <= begins:
            found.append((("endsAt",), "END_DATE_BEFORE_START_DATE", "Ends at needs to be after starts_at"))
        if not given.get("context"):
            found.append((("context",), "BLANK", "context can't be blank"))
        if kind == "DiscountCodeBasic":
            found += self._gets_faults(given.get("customerGets") or {})
        return found

    def _gets_faults(self, gets: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str, str]]:
        value, items = gets.get("value") or {}, gets.get("items") or {}
        found: list[tuple[tuple[str, ...], str, str]] = []
        percentage, amount = value.get("percentage"), (value.get("discountAmount") or {}).get("amount")
        if (percentage is None) == (amount is None):
            found.append((("customerGets", "value"), "INVALID", "Value is invalid"))
        if percentage is not None and not 0 < percentage <= 1:
            said = "Value must be between 0.0 and 1.0"
            found.append((("customerGets", "value", "percentage"), "VALUE_OUTSIDE_RANGE", said))
        if amount is not None and not _positive(amount):
            said = "Amount must be greater than 0"
            found.append((("customerGets", "value", "discountAmount"), "VALUE_OUTSIDE_RANGE", said))
        chosen = [name for name in ("all", "products", "collections") if items.get(name)]
        if len(chosen) != 1:
            said = "Items selection is conflicting" if chosen else "Items can't be blank"
            found.append((("customerGets", "items"), "CONFLICT" if chosen else "BLANK", said))
        wanted = (items.get("products") or {}).get("productsToAdd") or ()
        if self.products and any(one.rpartition("/")[2] not in self.products for one in wanted):
            said = "Product with id: is invalid"
            found.append((("customerGets", "items", "products", "productsToAdd"), "INVALID", said))
        return found

    def find(self, code: str) -> dict[str, Any] | None:
        """Return the node of a code."""
        if self.slowest_lookup:
            self.slowest_lookup -= 1
            return None
        found = self.discounts.get(code.casefold())
        return None if found is None else _node(found)

    def page(self, first: int, after: str | None) -> dict[str, Any]:
        """Return a page of all discounts."""
        shown, info = _page(list(self.discounts.values()), first, after)
        return {"nodes": [_node(one) for one in shown], "pageInfo": info}


@cache
def _schema() -> GraphQLSchema:
    return build_schema((Path(__file__).parent / "shopify.graphql").read_text("utf-8"))


@lru_cache(maxsize=256)
def _judged(question: str) -> tuple[DocumentNode, list[GraphQLError]]:
    """Return a question as it was understood, and what is wrong with it; few differ."""
    document = parse(question)
    return document, validate(_schema(), document)


class _Root:
    """What the schema's roots resolve to."""

    def __init__(self, shop: LocalShopify) -> None:
        self._shop = shop

    def shop(self, _info: Any) -> dict[str, Any]:
        return {
            "name": "Local shop",
            "myshopifyDomain": "local.myshopify.com",
            "currencyCode": self._shop.currency,
            "ianaTimezone": "Europe/London",
            "contactEmail": "hello@local.example.com",
            "primaryDomain": {"host": "local.example.com", "url": "https://local.example.com"},
            "shopAddress": {
                "company": "Local Ltd",
                "address1": "7 Harbour Row",
                "zip": "CT5 1AB",
                "city": "Whitstable",
                "country": "United Kingdom",
                "countryCodeV2": "GB",
            },
        }

    def order(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        return self._shop.data.one("orders", id)

    def orders(self, _info: Any, **asked: Any) -> dict[str, Any]:
        return self._shop.data.page("orders", **asked)

    def ordersCount(self, _info: Any, **asked: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.data.count("orders", **asked)

    def customer(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        return self._shop.data.one("customers", id)

    def customers(self, _info: Any, **asked: Any) -> dict[str, Any]:
        return self._shop.data.page("customers", **asked)

    def customersCount(self, _info: Any, **asked: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.data.count("customers", **asked)

    def product(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        return self._shop.data.one("products", id)

    def products(self, _info: Any, **asked: Any) -> dict[str, Any]:
        return self._shop.data.page("products", **asked)

    def productsCount(self, _info: Any, **asked: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.data.count("products", **asked)

    def bulkOperation(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002, N802
        return self._shop.data.operation(id)

    def bulkOperations(self, _info: Any, **asked: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.data.listed(**asked)

    def bulkOperationRunQuery(self, info: Any, query: str, groupObjects: bool) -> dict[str, Any]:  # noqa: N802, N803
        return self._shop.data.run(info.schema, self, query, grouped=groupObjects, url=self._shop.url)

    def currentAppInstallation(self, _info: Any) -> dict[str, Any]:  # noqa: N802
        return {"accessScopes": [{"handle": name, "description": name} for name in sorted(self._shop.granted)]}

    def shopLocales(self, _info: Any, published: bool | None = None) -> list[dict[str, Any]]:  # noqa: N802
        del published
        if "read_locales" not in self._shop.granted:
            raise PermissionError("Access denied for shopLocales field. Required access: `read_locales` access scope.")
        return [{"locale": "en-GB", "name": "English", "primary": True, "published": True}]

    def webhookSubscriptions(  # noqa: N802
        self, _info: Any, first: int = 10, after: str | None = None, **_: Any
    ) -> dict[str, Any]:
        shown, info = _page(list(self._shop.subscriptions.values()), first, after)
        return {"nodes": [_hook(one, self._shop.webhooks_version) for one in shown], "pageInfo": info}

    def webhookSubscriptionCreate(self, _info: Any, **given: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.subscribe(given["topic"], given["webhookSubscription"])

    def webhookSubscriptionUpdate(self, _info: Any, **given: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.resubscribe(given["id"], given["webhookSubscription"])

    def webhookSubscriptionDelete(self, _info: Any, **given: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.unsubscribe(given["id"])

    def codeDiscountNodeByCode(self, _info: Any, code: str) -> dict[str, Any] | None:  # noqa: N802 - Shopify's name
        return self._shop.find(code)

    def codeDiscountNodes(self, _info: Any, first: int = 10, after: str | None = None) -> dict[str, Any]:  # noqa: N802
        return self._shop.page(first, after)

    def discountCodeBasicCreate(self, _info: Any, **given: Any) -> dict[str, Any]:  # noqa: N802
        return self._shop.create("DiscountCodeBasic", given["basicCodeDiscount"], "basicCodeDiscount")

    def discountCodeFreeShippingCreate(self, _info: Any, **given: Any) -> dict[str, Any]:  # noqa: N802
        name = "freeShippingCodeDiscount"
        return self._shop.create("DiscountCodeFreeShipping", given[name], name)


def _page(every: list[Any], first: int, after: str | None) -> tuple[list[Any], dict[str, Any]]:
    start = next((place + 1 for place, one in enumerate(every) if one.id == after), 0)
    shown = every[start : start + first]
    info = {
        "hasNextPage": start + len(shown) < len(every),
        "hasPreviousPage": start > 0,
        "startCursor": shown[0].id if shown else None,
        "endCursor": shown[-1].id if shown else None,
    }
    return shown, info


def _hook(one: Subscription, version: str = "") -> dict[str, Any]:
    known = {"displayName": version, "handle": version, "supported": True}
    return {"id": one.id, "topic": one.topic, "uri": one.uri, "format": "JSON", "apiVersion": known}


def _hooked(one: Subscription | None, fault: tuple[str, str] | None) -> dict[str, Any]:
    errors = [] if fault is None else [{"field": ["webhookSubscription", fault[0]], "message": fault[1]}]
    return {"webhookSubscription": None if one is None else _hook(one), "userErrors": errors}


def _node(discount: Discount) -> dict[str, Any]:
    return {"id": discount.id, "codeDiscount": {"__typename": discount.kind, **discount.input}}


def _code(error: GraphQLError) -> str:
    return "ACCESS_DENIED" if isinstance(error.original_error, PermissionError) else "INVALID_VARIABLE"


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _positive(amount: Any) -> bool:
    try:
        return Decimal(str(amount)) > 0
    except InvalidOperation:
        return False
