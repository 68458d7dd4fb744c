"""The decoder skips what is not read: whatever a body looks like, the events must be those of the whole body."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Event
from rekindle.shops import intake, shopify, woocommerce
from tests.shops.payloads import (
    arrival,
    shopify_line,
    shopify_order,
    shopify_refund,
    woo_line,
    woo_order,
)

MODULES: dict[intake.Platform, ModuleType] = {"shopify": shopify, "woocommerce": woocommerce}
TOPICS: dict[intake.Platform, str] = {"shopify": "orders/updated", "woocommerce": "order.updated"}
ORDERS: dict[intake.Platform, dict[str, Any]] = {
    "shopify": shopify_order(
        refunds=[shopify_refund()],
        fulfillments=[{"created_at": "2026-03-02T06:00:00-05:00", "line_items": [shopify_line()]}],
        fulfillment_status="fulfilled",
        line_items=[shopify_line(discount_allocations=[{"amount": "1.00"}]), shopify_line(total_discount="2.00")],
        discount_codes=[{"code": "SPRING"}],
        buyer_accepts_marketing=True,
    ),
    "woocommerce": woo_order(
        refunds=[{"id": 1, "total": "-5.00", "reason": "Dented"}],
        coupon_lines=[{"code": "spring"}],
        meta_data=[{"key": "_rekindle_consent", "value": "yes"}],
        line_items=[woo_line()],
    ),
}


ODD: list[Any] = [None, "3.00", []]


def names(platform: intake.Platform) -> list[str]:
    """Return every text that could name a field in the platform's modules: all that any function there reads."""
    package = MODULES[platform]
    found: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for node in ast.walk(ast.parse(Path(loaded.__file__ or "").read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                found.add(node.value)
    return sorted(found)


def told(platform: intake.Platform, raw: bytes, *, shaped: bool) -> tuple[Event, ...] | str:
    """Return the events of a body, or the refusal."""
    topic = TOPICS[platform]
    try:
        body = intake.read(platform, topic, raw) if shaped else intake.decode(raw)
        return intake.normalise(platform, topic, body, arrival())
    except MalformedBodyError as error:
        return str(error)


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
def test_the_usual_order_is_read_by_its_shape(platform: intake.Platform) -> None:
    """And loses nothing but what nobody reads."""
    raw = json.dumps({**ORDERS[platform], "nobody_reads_this": {"a": 1}}).encode()
    assert "nobody_reads_this" not in intake.read(platform, TOPICS[platform], raw)
    events = told(platform, raw, shaped=True)
    assert events == told(platform, raw, shaped=False)
    assert not isinstance(events, str)
    assert len(events) == 2


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
def test_taking_away_or_changing_any_part_changes_both_readings_alike(platform: intake.Platform) -> None:
    """Every field in turn, wherever it stands: a field that is read and not in the shape would show here."""
    whole = ORDERS[platform]
    for path in paths(whole):
        for value in ODD:
            raw = json.dumps(changed(whole, path, value)).encode()
            assert told(platform, raw, shaped=True) == told(platform, raw, shaped=False), path


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where every value below `value` stands."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, part in parts for path in ((*at, key), *paths(part, (*at, key)))]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    """Return a copy with `to` at this place."""
    if not path:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], to)
    return copy


_LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10**20)
    | st.text(max_size=6)
    | st.sampled_from(["19.90", "2026-03-02T04:50:00-05:00", "2026-03-02T04:50:00", "ann@example.com", "CA", "EUR"])
    | st.sampled_from(["refund", "success", "fulfilled", "paid", "processing", "yes", "subscribed", "+16135550142"])
)


def bodies(platform: intake.Platform) -> st.SearchStrategy[dict[str, Any]]:
    """Return orders in which any field that is read anywhere holds anything."""
    fields = st.sampled_from(names(platform))
    value: st.SearchStrategy[Any] = st.recursive(
        _LEAF, lambda part: st.lists(part, max_size=3) | st.dictionaries(fields, part, max_size=6), max_leaves=15
    )
    return st.builds(
        lambda base, more: {**base, **more},
        st.sampled_from([ORDERS[platform], {"id": 7}, {}]),
        st.dictionaries(fields, value, max_size=15),
    )


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
@given(data=st.data())
def test_any_body_tells_the_same_by_its_shape_as_read_whole(platform: intake.Platform, data: st.DataObject) -> None:
    """One that does not have the shape is read whole."""
    raw = json.dumps(data.draw(bodies(platform))).encode()
    assert told(platform, raw, shaped=True) == told(platform, raw, shaped=False)
