"""`ports.ShopLists` over both platforms' APIs, by what the shop's secret says of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from rekindle.domain.errors import ShopRefusedError
from rekindle.outside.http import Http
from rekindle.outside.shopify import Shopify, shopify_of
from rekindle.outside.shopify_lists import ShopifyLists
from rekindle.outside.woocommerce import WooCommerce
from rekindle.outside.woocommerce_changes import WooCommerceChanges
from rekindle.ports import ChangedPage, Record, Resource, Secrets, ShopSecrets

Answer = TypeVar("Answer")
Api = ShopifyLists | WooCommerceChanges


class OutsideShopLists:
    """`ports.ShopLists`. One for each process: connections stay open."""

    def __init__(self, secrets: Secrets, http: Http | None = None) -> None:
        self._secrets = secrets
        self._http = http or Http()
        self._shopify: dict[ShopSecrets, Shopify] = {}

    def changed(
        self, shop: str, resource: Resource, since: datetime, until: datetime, cursor: str | None = None
    ) -> ChangedPage:
        """Return a page of what was changed."""
        return self._ask(shop, lambda api: api.changed(resource, since, until, cursor))

    def read(self, shop: str, resource: Resource, ids: Sequence[str]) -> Sequence[Record]:
        """Return these as they are now."""

        def read(api: Api) -> Sequence[Record]:
            if isinstance(api, WooCommerceChanges):
                return api.read(resource, ids)
            return [record for number in ids if (record := api.read(resource, number)) is not None]

        return self._ask(shop, read)

    def silent(self, shop: str) -> Sequence[str]:
        """Return which of our webhooks are switched off."""
        return self._ask(shop, lambda api: api.silent(shop) if isinstance(api, WooCommerceChanges) else ())

    def _ask(self, shop: str, ask: Callable[[Api], Answer]) -> Answer:
        known = self._secrets.shop(shop)
        if known is None:
            raise ShopRefusedError("no_access", "the shop is not connected")
        try:
            return ask(self._api(known))
        except ShopRefusedError as refused:
            # The token may just have been replaced.
            newer = self._secrets.shop(shop, fresh=True) if refused.reason == "not_allowed" else known
            if newer is None or newer == known:
                raise
        return ask(self._api(newer))

    def _api(self, known: ShopSecrets) -> Api:
        if known.platform == "shopify":
            if not known.access_token and not known.client_id:
                raise ShopRefusedError("no_access", "the shop's secret has no Admin API access token")
            # One for each secret: an app that fetches its tokens itself keeps them for a day.
            if known not in self._shopify:
                self._shopify[known] = shopify_of(self._http, known)
            return ShopifyLists(self._shopify[known])
        if not known.api_key or not known.api_secret:
            raise ShopRefusedError("no_access", "the shop's secret has no REST API key and secret")
        url = known.api_url or f"https://{known.domain}"
        return WooCommerceChanges(WooCommerce(self._http, url=url, key=known.api_key, secret=known.api_secret))
