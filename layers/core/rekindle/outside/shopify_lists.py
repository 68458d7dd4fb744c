"""What a Shopify shop has: customers, products, orders, each read whole, in the shape of its webhook.

The words of the questions stand here, those of the answers in `rekindle.shops.shopify.graph`: what is asked for is what
is read. A list of what changed is asked for ids only, since most of it is known already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from rekindle.domain.errors import ShopUncertainError
from rekindle.outside.shopify import Shopify
from rekindle.ports import Changed, ChangedPage, Record, Resource
from rekindle.shops.reading import Body, moment
from rekindle.shops.shopify import graph

#: How many ids one question asks for. Shopify allows 250, and a question may cost no more than a thousand points.
PAGE = 100
#: So many pages of lines, or of variants, one thing can have.
_MOST_PAGES = 1_000

#: An order that was paid no longer than this before it was changed last is told as paid; of an older payment the shop's
#: list says no more than of any other change, and it would be told as of now.
_JUST_PAID = timedelta(days=1)

_MONEY = "shopMoney { amount currencyCode } presentmentMoney { amount currencyCode }"
_ADDRESS = (
    "name firstName lastName company address1 address2 city province provinceCode zip country countryCodeV2 phone"
)
_ACCOUNT = "id firstName lastName createdAt"
_CONSENT = "marketingState marketingOptInLevel marketingUpdatedAt"
_CUSTOMER = f"""{_ACCOUNT} updatedAt tags locale defaultAddress {{ {_ADDRESS} }}
  defaultEmailAddress {{ emailAddress {_CONSENT} }} defaultPhoneNumber {{ phoneNumber {_CONSENT} }}"""
_ORDER = f"""id name email phone note customAttributes {{ key value }} tags cartToken checkoutToken
  customerAcceptsMarketing customerLocale createdAt processedAt updatedAt cancelledAt
  currencyCode presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus test statusPageUrl discountCodes
  subtotalPriceSet {{ {_MONEY} }} totalDiscountsSet {{ {_MONEY} }} totalShippingPriceSet {{ {_MONEY} }}
  totalTaxSet {{ {_MONEY} }} totalPriceSet {{ {_MONEY} }}
  customer {{ {_ACCOUNT} defaultAddress {{ {_ADDRESS} }} defaultEmailAddress {{ emailAddress }}
    defaultPhoneNumber {{ phoneNumber }} }}
  shippingAddress {{ {_ADDRESS} }} billingAddress {{ {_ADDRESS} }}
  fulfillments(first: 20) {{ id createdAt }}
  refunds(first: 20) {{ id createdAt processedAt note totalRefundedSet {{ {_MONEY} }} }}
  transactions(first: 20) {{ kind status processedAt }}"""
_LINE = f"""id title name variantTitle sku quantity currentQuantity product {{ id }} variant {{ id }}
  originalUnitPriceSet {{ {_MONEY} }} discountAllocations {{ allocatedAmountSet {{ {_MONEY} }} }}"""
_PRODUCT = """id title handle productType category { name } vendor status createdAt publishedAt updatedAt tags
  featuredMedia { alt preview { image { url altText } } }"""
_VARIANT = "id title price compareAtPrice sku inventoryPolicy inventoryQuantity inventoryItem { tracked }"


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of thing in a shop: what it is called in the API, what is asked of it, and how it is read."""

    name: Resource
    one: str
    gid: str
    topic: str
    fields: str
    body: Callable[[Body], Body]
    inner: str = ""
    """the list within it …"""
    inner_fields: str = ""
    """… what is asked of each row there …"""
    rows: int = 25
    """… and how many rows one question asks for: each line of an order costs about nine points"""

    def whole(self) -> str:
        """Return the question for one of them with its list, page by page (`$id`, `$first`, `$after`)."""
        head = f"query one($id: ID!{', $first: Int, $after: String' if self.inner else ''})"
        return f"{head} {{ {self.one}(id: $id) {{ {self.fields} {self._page()} }} }}"

    def rest(self) -> str:
        """Return the question for a further page of its list."""
        head = "query more($id: ID!, $first: Int, $after: String)"
        return f"{head} {{ {self.one}(id: $id) {{ id {self._page()} }} }}"

    def bulk(self, query: str) -> str:
        """Return the question for all of them that a search finds, as a bulk operation asks it."""
        found = f'(query: "{query}", sortKey: UPDATED_AT)' if query else "(sortKey: UPDATED_AT)"
        inner = f" {self.inner} {{ edges {{ node {{ {self.inner_fields} }} }} }}" if self.inner else ""
        return f"{{ {self.name}{found} {{ edges {{ node {{ {self.fields}{inner} }} }} }} }}"

    def record(self, node: Body) -> Record:
        """Return a node, its list in it, as the webhook of it."""
        return Record(topic=self.topic, body=msgspec.json.encode(self.body(node)))

    def _page(self) -> str:
        if not self.inner:
            return ""
        page = f"nodes {{ {self.inner_fields} }} pageInfo {{ hasNextPage endCursor }}"
        return f"{self.inner}(first: $first, after: $after) {{ {page} }}"


#: Products before the orders that name them, customers before what they bought.
KINDS: Mapping[Resource, Kind] = {
    "products": Kind(
        name="products",
        one="product",
        gid="Product",
        topic="products/update",
        fields=_PRODUCT,
        body=graph.product_body,
        inner="variants",
        rows=100,
        inner_fields=_VARIANT,
    ),
    "customers": Kind(
        name="customers",
        one="customer",
        gid="Customer",
        topic="customers/update",
        fields=_CUSTOMER,
        body=graph.customer_body,
    ),
    "orders": Kind(
        name="orders",
        one="order",
        gid="Order",
        topic="orders/updated",
        fields=_ORDER,
        body=graph.order_body,
        inner="lineItems",
        inner_fields=_LINE,
    ),
}


class ShopifyLists:
    """What changed in one shop, and the things themselves."""

    def __init__(self, api: Shopify) -> None:
        self._api = api

    def changed(self, resource: Resource, since: datetime, until: datetime, cursor: str | None = None) -> ChangedPage:
        """Return a page of what was changed last from `since` on and before `until`, oldest first."""
        question = f"""query changed($first: Int, $after: String, $query: String) {{
          {resource}(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
            nodes {{ id updatedAt }} pageInfo {{ hasNextPage endCursor }} }} }}"""
        asked = {"first": PAGE, "after": cursor, "query": between(since, until)}
        found = self._api.ask(question, asked, repeatable=True).get(resource)
        nodes, info = _list_of(found)
        changed = []
        for node in nodes:
            number, at = graph.number_of(node.get("id")), moment(node.get("updatedAt"))
            if number is None or at is None:
                raise ShopUncertainError(f"the shop's list of {resource} has a row without an id or a time")
            changed.append(Changed(str(number), at))
        following = info.get("endCursor") if info.get("hasNextPage") else None
        return ChangedPage(tuple(changed), following if isinstance(following, str) else None)

    def read(self, resource: Resource, number: str) -> Record | None:
        """Return one of them as its webhook tells it; `None` when it is there no more."""
        kind = KINDS[resource]
        name = f"gid://shopify/{kind.gid}/{number}"
        asked: dict[str, Any] = {"id": name, **({"first": kind.rows, "after": None} if kind.inner else {})}
        node = self._api.ask(kind.whole(), asked, repeatable=True).get(kind.one)
        if not isinstance(node, dict):
            return None
        if kind.inner:
            node = {**node, kind.inner: self._inner(kind, name, node.get(kind.inner))}
        record = kind.record(node)
        return Record(topic="orders/paid", body=record.body) if resource == "orders" and just_paid(node) else record

    def _inner(self, kind: Kind, name: str, page: object) -> list[Body]:
        rows, info = _list_of(page)
        for _ in range(_MOST_PAGES):
            if not info.get("hasNextPage"):
                return rows
            asked = {"id": name, "first": kind.rows, "after": info.get("endCursor")}
            node = self._api.ask(kind.rest(), asked, repeatable=True).get(kind.one)
            more, info = _list_of(node.get(kind.inner) if isinstance(node, dict) else None)
            rows = [*rows, *more]
        raise ShopUncertainError("the shop's list does not end")


def between(since: datetime | None, until: datetime | None) -> str:
    """Return the search for what was changed last from `since` on and before `until`."""
    bounds = ((">=", since), ("<", until))
    return " AND ".join(f"updated_at:{sign}'{_zulu(at)}'" for sign, at in bounds if at is not None)


def just_paid(node: Body) -> bool:
    """Whether an order was paid shortly before it was changed last, and not cancelled."""
    paid, changed = graph.paid_at(node), moment(node.get("updatedAt"))
    return paid is not None and changed is not None and changed - paid <= _JUST_PAID and not node.get("cancelledAt")


def _list_of(found: object) -> tuple[list[Body], Body]:
    nodes = found.get("nodes") if isinstance(found, dict) else None
    info = found.get("pageInfo") if isinstance(found, dict) else None
    if not isinstance(nodes, list) or not isinstance(info, dict):
        raise ShopUncertainError("the shop's answer has no list where one was asked for")
    return [node for node in nodes if isinstance(node, dict)], info


def _zulu(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
