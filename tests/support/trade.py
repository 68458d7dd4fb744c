"""Two shops of thousands, as their APIs and their webhooks show them: what happens in one happens in both.

Everybody has an account; two of three have ordered, some twice; every second one agreed to mails. `happens` is an order
that the API has, `told` what its webhook says of it, signed by what connecting made.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from tests.shops import payloads
from tests.shops.payloads import sign
from tests.support import shopify_nodes as nodes

_SECONDS = 30.0
#: When people did what is history: long enough ahead of any test.
_PAST = datetime(2025, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Hook:
    """A webhook, ready to be posted: where to, and with what."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def post(self) -> int:
        """Post it; return the status."""
        return self._post()[0]

    def text(self) -> str:
        """Post it; return what is answered."""
        return self._post()[1]

    def _post(self) -> tuple[int, str]:
        request = urllib.request.Request(self.url, self.body, dict(self.headers), method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - on loopback
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()


class Trade(Protocol):
    """A shop in which things happen."""

    shop: str
    people: int

    def email(self, number: int) -> str:
        """Return the address of one of its people."""
        ...

    def happens(self, number: int, order: int, at: datetime) -> None:
        """Let this person place an order, which the API shows from then on."""
        ...

    def told(self, order: int) -> Hook:
        """Return the webhook of that order, as the shop would sign it now."""
        ...


def orders_of(number: int) -> Iterator[tuple[int, datetime]]:
    """Yield the numbers of somebody's past orders, and when they were placed."""
    for each in range(number % 3):
        yield 1_000_000 + 10 * number + each, _PAST + timedelta(hours=number % 4_000, days=40 * each)


class North:
    """The Shopify shop."""

    def __init__(self, api: LocalShopify, shop: str, people: int) -> None:
        self.api, self.shop, self.people = api, shop, people
        self._webhooks: dict[int, dict[str, Any]] = {}
        api.data.put("products", nodes.product())
        for number in range(people):
            api.data.put("customers", self._customer(number))
            for order, at in orders_of(number):
                self.happens(number, order, at)

    def email(self, number: int) -> str:
        """Return the address of one of its people."""
        return f"north-{number}@example.com"

    def happens(self, number: int, order: int, at: datetime) -> None:
        """Let this person place an order, which the API shows from then on."""
        email, when = self.email(number), f"{at:%Y-%m-%dT%H:%M:%SZ}"
        moments = {"createdAt": when, "processedAt": when, "updatedAt": when}
        tokens = {"cartToken": f"cart-{order}", "checkoutToken": f"checkout-{order}"}
        node = nodes.order(order, email=email, customer=self._customer(number), name=f"#{order}", **moments, **tokens)
        self.api.data.put("orders", node)
        customer = payloads.shopify_customer(id=10_000 + number, email=email, updated_at=when)
        self._webhooks[order] = payloads.shopify_order(
            id=order, name=f"#{order}", email=email, contact_email=email, customer=customer, created_at=when,
            processed_at=when, updated_at=when, cart_token=f"cart-{order}", checkout_token=f"checkout-{order}",
        )  # fmt: skip

    def told(self, order: int) -> Hook:
        """Return the webhook of that order, as the shop would sign it now."""
        body = json.dumps(self._webhooks[order]).encode()
        url = next(one.uri for one in self.api.subscriptions.values() if one.topic == "ORDERS_CREATE")
        headers = {
            "Content-Type": "application/json", "X-Shopify-Topic": "orders/create",
            "X-Shopify-Shop-Domain": f"{self.shop}.myshopify.com", "X-Shopify-API-Version": "2026-07",
            "X-Shopify-Webhook-Id": f"hook-{order}", "X-Shopify-Event-Id": f"event-{order}",
            "X-Shopify-Hmac-Sha256": sign(body, self.api.client[1]),
        }  # fmt: skip
        return Hook(url, headers, body)

    def _customer(self, number: int) -> nodes.Node:
        agreed = "SUBSCRIBED" if number % 2 else "NOT_SUBSCRIBED"
        when = f"{_PAST:%Y-%m-%dT%H:%M:%SZ}"
        mail = {
            "emailAddress": self.email(number), "marketingState": agreed, "marketingOptInLevel": "SINGLE_OPT_IN",
            "marketingUpdatedAt": when,
        }  # fmt: skip
        gid = f"gid://shopify/Customer/{10_000 + number}"
        return nodes.customer(id=gid, defaultEmailAddress=mail, createdAt=when, updatedAt=when)


class South:
    """The WooCommerce shop."""

    def __init__(self, api: LocalWooCommerce, shop: str, people: int) -> None:
        self.api, self.shop, self.people = api, shop, people
        api.data.put("products", payloads.woo_product())
        for number in range(people):
            when = f"{_PAST:%Y-%m-%dT%H:%M:%S}"
            account = payloads.woo_customer(
                id=20_000 + number, email=self.email(number), role="customer", date_created_gmt=when,
                date_modified_gmt=when,
            )  # fmt: skip
            api.data.put("customers", account)
            for order, at in orders_of(number):
                self.happens(number, order, at)

    def email(self, number: int) -> str:
        """Return the address of one of its people."""
        return f"south-{number}@example.com"

    def happens(self, number: int, order: int, at: datetime) -> None:
        """Let this person place an order, which the API shows from then on."""
        when = f"{at:%Y-%m-%dT%H:%M:%S}"
        moments = {"date_created_gmt": when, "date_modified_gmt": when, "date_paid_gmt": when}
        billing = payloads.woo_order()["billing"] | {"email": self.email(number)}
        placed = payloads.woo_order(
            id=order, number=str(order), customer_id=20_000 + number, billing=billing, date_created=when,
            date_modified=when, **moments,
        )  # fmt: skip
        self.api.data.put("orders", placed)

    def told(self, order: int) -> Hook:
        """Return the webhook of that order, as the shop would sign it now."""
        body = json.dumps(self.api.data.things["orders"][order]).encode()
        hooks = self.api.data.things["webhooks"].values()
        hook = next(one for one in hooks if one["topic"] == "order.created")
        headers = {
            "Content-Type": "application/json", "X-WC-Webhook-Source": "https://local.example.org/",
            "X-WC-Webhook-Topic": "order.created", "X-WC-Webhook-Resource": "order", "X-WC-Webhook-Event": "created",
            "X-WC-Webhook-ID": str(hook["id"]), "X-WC-Webhook-Delivery-ID": f"delivery-{order}",
            "X-WC-Webhook-Signature": sign(body, self.api.secrets[hook["id"]]),
        }  # fmt: skip
        return Hook(hook["delivery_url"], headers, body)
