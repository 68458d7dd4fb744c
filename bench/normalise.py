"""Reading a webhook: verify, parse and normalise a 20 KB order, over the least that anybody could do with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from bench.figures import Figure, measure
from rekindle.shops import intake
from tests.shops.payloads import (
    DOMAIN,
    RECEIVED,
    SECRET,
    SHOP,
    bag,
    shopify_line,
    shopify_order,
    shopify_request,
    woo_line,
    woo_order,
    woo_request,
)

BUDGET = 2.5
_SIZE = range(19_000, 21_500)
_ROUNDS = 60
_A_ROUND = 40


@measure
def normalising() -> Iterator[Figure]:
    """Verify, parse and normalise a 20 KB order, over HMAC and orjson."""
    orders: tuple[tuple[str, intake.Platform, Any], ...] = (
        ("shopify", "shopify", shopify_request("orders/create", _compact(a_shopify_order()), event_id="e1")),
        ("woocommerce", "woocommerce", woo_request("order.created", _compact(a_woo_order()))),
        # As many lines as 20 KB can hold, three times what a shop sends: shown, not judged. The work goes with the
        # lines and the yardstick with the bytes, so there is always an order dense enough to exceed any ratio.
        ("dense woocommerce", "woocommerce", woo_request("order.created", _compact(a_dense_woo_order()))),
    )
    for name, platform, (headers, body) in orders:
        if len(body) not in _SIZE:
            raise AssertionError(f"the {name} order has {len(body)} bytes, which are not 20 KB")
        yield from _measured(name, platform, headers, body, None if name.startswith("dense") else BUDGET)


def _measured(
    name: str, platform: intake.Platform, headers: dict[str, str], body: bytes, budget: float | None
) -> Iterator[Figure]:
    claimed = headers["X-Shopify-Hmac-Sha256" if platform == "shopify" else "X-WC-Webhook-Signature"].encode()

    def ours() -> object:
        return intake.parse(
            platform, headers, body, shop=SHOP, domain=DOMAIN, secrets=(SECRET,), received_at=RECEIVED
        ).events

    def least() -> object:
        expected = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256))
        if not hmac.compare_digest(expected, claimed):
            raise AssertionError("the body is not signed")
        return orjson.loads(body)

    if not ours() or not least():
        raise AssertionError("nothing was read")
    # Side by side in each round, so that what else the machine does meets both.
    rounds = [(_seconds(ours), _seconds(least)) for _ in range(_ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in rounds)
    took = statistics.median(mine for mine, _ in rounds)
    yield Figure(f"verify, parse and normalise a 20 KB {name} order ÷ (HMAC + orjson)", ratio, "", budget)
    yield Figure(f"20 KB {name} orders read, on one core of this machine", 1 / took, "/s")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_A_ROUND):
        work()
    return (time.perf_counter() - start) / _A_ROUND


def _compact(order: dict[str, Any]) -> bytes:
    return json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()


def a_shopify_order() -> dict[str, Any]:
    """Return an order of twelve lines with all that Shopify sends beside what is read: sets, taxes, allocations."""
    taxes = [
        {
            "channel_liable": False,
            "price": "1.45",
            "price_set": bag("1.45"),
            "rate": 0.05,
            "title": "GST",
        }
    ]
    lines = [
        shopify_line(
            id=9007199254740995 + number,
            admin_graphql_api_id=f"gid://shopify/LineItem/{9007199254740995 + number}",
            attributed_staffs=[],
            fulfillable_quantity=2,
            fulfillment_service="manual",
            fulfillment_status=None,
            gift_card=False,
            grams=100,
            product_exists=True,
            properties=[{"name": "Gift wrap", "value": "no"}],
            requires_shipping=True,
            sales_line_item_group_id=None,
            taxable=True,
            variant_inventory_management="shopify",
            vendor="Northwind Tea",
            tax_lines=taxes,
            duties=[],
            discount_allocations=[
                {"amount": "1.00", "amount_set": bag("1.00"), "discount_application_index": 0},
            ],
        )
        for number in range(12)
    ]
    sums = ("current_subtotal_price", "current_total_discounts", "current_total_price", "current_total_tax")
    totals = dict.fromkeys(sums, "38.42") | {f"{name}_set": bag("38.42") for name in sums}
    order = shopify_order(
        line_items=lines,
        tax_lines=taxes,
        shipping_lines=[
            {
                "id": 369256396,
                "code": "Standard",
                "discounted_price": "5.00",
                "discounted_price_set": bag("5.00"),
                "price": "5.00",
                "price_set": bag("5.00"),
                "tax_lines": taxes,
                "title": "Standard",
            }
        ],
        admin_graphql_api_id="gid://shopify/Order/450789469",
        client_details={"browser_ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) " + "x" * 60},
        landing_site="/collections/green-tea?utm_source=newsletter&utm_medium=email",
        note_attributes=[{"name": "delivery_date", "value": "2026-03-04"}],
        payment_gateway_names=["shopify_payments"],
        referring_site="https://www.example.com/search?q=jasmine",
        tags="subscriber, spring",
        total_line_items_price="29.00",
        total_line_items_price_set=bag("29.00"),
        discount_codes=[{"code": "SPRING", "amount": "9.00", "type": "fixed_amount"}],
        buyer_accepts_marketing=True,
        **totals,
    )
    return {**order, "billing_address": order["shipping_address"]}


def a_woo_order() -> dict[str, Any]:
    """Return an order of eighteen lines with the meta data that plugins leave on all of them."""
    lines = [
        woo_line(
            id=315 + number,
            name=f"Sencha No. {number} - 50 g",
            parent_name=f"Sencha No. {number}",
            tax_class="",
            taxes=[{"id": 75, "total": "2", "subtotal": "2"}],
            meta_data=[
                {"id": 2095, "key": "pa_size", "value": "50-g", "display_key": "Size", "display_value": "50 g"},
                {"id": 2096, "key": "_reduced_stock", "value": "2", "display_key": "_reduced_stock"},
                *(
                    {"id": 3000 + each, "key": f"_plugin_field_{each}", "value": "4.1000", "display_value": "4.1000"}
                    for each in range(5)
                ),
            ],
        )
        for number in range(18)
    ]
    meta = [
        {"id": 13106 + number, "key": f"_wc_order_attribution_{number}", "value": "organic / (none)"}
        for number in range(30)
    ]
    return woo_order(
        line_items=lines,
        meta_data=meta,
        customer_user_agent="Mozilla/5.0 (X11; Linux x86_64) " + "x" * 60,
        tax_lines=[{"id": 318, "rate_code": "SE-MOMS-1", "rate_id": 75, "label": "Moms", "tax_total": "2.50"}],
        _links={"self": [{"href": "https://northwind-tea.example.com/wp-json/wc/v3/orders/727"}]},
    )


def a_dense_woo_order() -> dict[str, Any]:
    """Return an order of many short lines without plugins' meta data, their names written with HTML's entities."""
    lines = [
        woo_line(id=315 + number, name=f"Tea &amp; Leaf No. {number} &ndash; 50 g", meta_data=[], taxes=[])
        for number in range(58)
    ]
    return woo_order(line_items=lines)
