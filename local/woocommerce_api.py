"""WooCommerce's REST API on loopback, as its source has it: coupons, webhooks, Basic auth, JSON errors, pages.

What bites on a real server bites here: codes are kept in lower case, `date_expires_gmt` is shown and not taken, errors
have a code and a 400; a webhook's secret is never shown, one that is made is active and pings its address, whatever
comes back, and two may be the same. What else the shop has is in `woocommerce_lists`.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from local.server import Reply, Request
from local.shop_server import ShopServer
from local.woocommerce_lists import ShopData

_ROOT = "/wp-json/wc/v3/"
#: Property → the type that its schema gives (class-wc-rest-coupons-v2-controller.php), and its default.
_SCHEMA: Mapping[str, tuple[type, Any]] = {
    "code": (str, ""),
    "amount": (str, "0.00"),
    "discount_type": (str, "fixed_cart"),
    "description": (str, ""),
    "date_expires": (str, None),
    "individual_use": (bool, False),
    "product_ids": (list, []),
    "excluded_product_ids": (list, []),
    "usage_limit": (int, None),
    "usage_limit_per_user": (int, None),
    "limit_usage_to_x_items": (int, None),
    "free_shipping": (bool, False),
    "product_categories": (list, []),
    "minimum_amount": (str, "0.00"),
    "email_restrictions": (list, []),
    "meta_data": (list, []),
}
_TYPES = ("percent", "fixed_cart", "fixed_product")
_PRICES = ("amount", "minimum_amount")
_MOST = 100
_STATUSES = ("active", "paused", "disabled")
_RESOURCES = ("coupon", "customer", "order", "product")
_EVENTS = ("created", "updated", "deleted", "restored")
_PING_SECONDS = 10.0
_NO_ROUTE = "No route was found matching the URL and request method."
_GENERAL = {
    "woocommerce_currency": "EUR",
    "woocommerce_default_country": "BE",
    "woocommerce_store_address": "Kouter 21",
    "woocommerce_store_address_2": "",
    "woocommerce_store_city": "Gent",
    "woocommerce_store_postcode": "9000",
}
_MAILS = {"woocommerce_email_from_address": "hello@local.example.org", "woocommerce_email_from_name": "Local shop"}


class LocalWooCommerce(ShopServer):
    """One shop. `coupons` is code, in lower case → the coupon as the API shows it; `webhooks` is id → the webhook.

    `pings` are the answers to the pings of webhooks that were made, 0 where there was none.
    """

    def __init__(self, *, key: str = "ck_local", secret: str = "cs_local", port: int = 0) -> None:  # noqa: S107
        super().__init__(port)
        self.coupons: dict[str, dict[str, Any]] = {}
        self.data = ShopData()
        self.webhooks = self.data.things["webhooks"]
        self.secrets: dict[int, str] = {}
        """of the webhooks, by their ids"""
        self.pings: list[int] = []
        self._made = 0
        self._token = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()

    def taken(self, code: str) -> None:
        """Let somebody else have this code."""
        self._put({"code": code, "description": "Spring sale"})

    def answer(self, request: Request) -> Reply:
        """Answer a request."""
        if request.path == "/wp-json/":
            told = {"name": "Local shop", "home": "https://local.example.org", "timezone_string": "Europe/Brussels"}
            return Reply(200, told, {})
        if not request.path.startswith(_ROOT):
            return _error(404, "rest_no_route", _NO_ROUTE)
        if request.headers.get("authorization") != self._token:
            return self.denied(request)
        path = request.path.removeprefix(_ROOT)
        if request.method == "GET" and (listed := self.data.answer(path, request.query)) is not None:
            return listed
        what, _, which = path.partition("/")
        match what, which:
            case "coupons", "":
                with self.lock:
                    return self._create(request) if request.method == "POST" else self._list(request)
            case "webhooks", "":
                return self._make_hook(request)
            case "webhooks", _ if which.isdigit():
                return self._one_hook(request, int(which))
            case "settings", ("general" | "email"):
                values = _GENERAL if which == "general" else _MAILS
                return Reply(200, [{"id": name, "value": value} for name, value in values.items()], {})
            case "system_status", "":
                return Reply(200, {"environment": {"language": "nl_BE"}}, {})
            case _:
                return _error(404, "rest_no_route", _NO_ROUTE)

    def throttled(self, request: Request) -> Reply:
        """Say, as a firewall in front of the shop does, that it is too much."""
        del request
        return Reply(429, {"message": "Too Many Requests"}, {"Retry-After": "0"})

    def denied(self, request: Request) -> Reply:
        """Say that the key is not known, or may only read."""
        if request.method == "POST":
            return _error(401, "woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
        return _error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")

    def _create(self, request: Request) -> Reply:
        try:
            given = json.loads(request.body)
        except ValueError:
            return _error(400, "rest_invalid_json", "Invalid JSON body passed.")
        if not isinstance(given, dict) or not given.get("code"):
            return _error(400, "woocommerce_rest_empty_coupon_code", "The coupon code cannot be empty.")
        for name, (kind, _) in _SCHEMA.items():
            if name in given and not _fits(name, given[name], kind):
                return _error(400, "rest_invalid_param", f"Invalid parameter(s): {name}")
        if given["code"].lower() in self.coupons:
            return _error(400, "woocommerce_rest_coupon_code_already_exists", "The coupon code already exists")
        return Reply(201, self._put(given), {})

    def _put(self, given: Mapping[str, Any]) -> dict[str, Any]:
        coupon = {name: given.get(name, default) for name, (_, default) in _SCHEMA.items()}
        coupon |= {name: f"{float(coupon[name]):.2f}" for name in _PRICES}
        ends = coupon["date_expires"]
        moment = None if ends is None else datetime.fromisoformat(ends).astimezone(UTC)
        stamped = None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}"
        code = given["code"].lower()
        coupon |= {"id": 501 + len(self.coupons), "code": code, "status": "publish", "usage_count": 0}
        coupon |= {"date_expires": stamped, "date_expires_gmt": stamped}
        self.coupons[code] = coupon
        return coupon

    def _list(self, request: Request) -> Reply:
        asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
        if "code" in asked:
            found = self.coupons.get(asked["code"].lower())
            return Reply(200, [found] if found is not None else [], {"X-WP-Total": "1", "X-WP-TotalPages": "1"})
        many, page = int(asked.get("per_page", 10)), int(asked.get("page", 1))
        if not 0 < many <= _MOST:
            return _error(400, "rest_invalid_param", "Invalid parameter(s): per_page")
        every = list(self.coupons.values())
        total = -(-len(every) // many)
        shown = every[(page - 1) * many : page * many]
        return Reply(200, shown, {"X-WP-Total": str(len(every)), "X-WP-TotalPages": str(total)})

    # --- webhooks

    def hooked(self, topic: str, url: str, secret: str = "", status: str = "active") -> dict[str, Any]:
        """Let there be this webhook already."""
        with self.lock:
            self._made += 1
            hook = {"id": self._made, "name": "Webhook", "status": status, "topic": topic, "delivery_url": url}
            self.webhooks[self._made] = hook
            self.secrets[self._made] = secret
            return hook

    def fail(self, number: int) -> None:
        """Switch a webhook off, as WooCommerce does after more than five failures in a row."""
        self.webhooks[number]["status"] = "disabled"

    def _make_hook(self, request: Request) -> Reply:
        given = _object(request)
        refused = _hook_fault(given, making=True)
        if refused is not None:
            return refused
        hook = self.hooked(given["topic"], given["delivery_url"], given.get("secret") or "made up by WooCommerce")
        hook["name"] = given.get("name") or "Webhook created on today"
        self.pings.append(_ping(hook))
        return Reply(201, hook, {})

    def _one_hook(self, request: Request, number: int) -> Reply:
        with self.lock:
            hook = self.webhooks.get(number)
            if hook is None:
                status = 404 if request.method == "DELETE" else 400
                return _error(status, "woocommerce_rest_shop_webhook_invalid_id", "ID is invalid.")
            if request.method == "DELETE":
                if "force=true" not in request.query:
                    return _error(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
                del self.webhooks[number]
            elif request.method != "GET":
                given = _object(request)
                refused = _hook_fault(given, making=False)
                if refused is not None:
                    return refused
                self.secrets[number] = given.get("secret") or self.secrets[number]
                hook |= {name: given[name] for name in ("topic", "delivery_url", "status", "name") if given.get(name)}
            return Reply(200, hook, {})


def _object(request: Request) -> dict[str, Any]:
    given = json.loads(request.body)
    return given if isinstance(given, dict) else {}


def _hook_fault(given: Mapping[str, Any], *, making: bool) -> Reply | None:
    topic, url, status = given.get("topic"), given.get("delivery_url"), given.get("status")
    resource, _, event = str(topic or "").partition(".")
    if (topic or making) and not (resource == "action" or (resource in _RESOURCES and event in _EVENTS)):
        return _error(400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic must be valid.")
    if (url or making) and not str(url or "").startswith(("http://", "https://")):
        said = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        return _error(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", said)
    if status and status not in _STATUSES:
        return _error(400, "woocommerce_rest_shop_webhook_invalid_status", "Webhook status must be valid.")
    return None


def _ping(hook: Mapping[str, Any]) -> int:
    """Ask whether anybody is there, unsigned, as `WC_Webhook::deliver_ping` does; return the answer's status."""
    body = urlencode({"webhook_id": hook["id"]}).encode()
    request = urllib.request.Request(hook["delivery_url"], body, method="POST")  # noqa: S310 - loopback in tests
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PING_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0


def _fits(name: str, value: Any, kind: type) -> bool:
    if value is None or not _is(value, kind):
        return value is None
    match name:
        case "discount_type":
            return value in _TYPES
        case "product_ids" | "excluded_product_ids" | "product_categories":
            return all(isinstance(one, int) for one in value)
        case "date_expires":
            return _is_moment(value)
        case "amount" | "minimum_amount":
            return bool(value.replace(".", "", 1).isdigit())
        case _:
            return True


def _is(value: Any, kind: type) -> bool:
    return type(value) is kind


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"code": code, "message": message, "data": {"status": status}}, {})
