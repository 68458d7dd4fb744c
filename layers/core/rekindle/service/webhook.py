"""Receiving a webhook: whose is it, is it true, what does it say? Then it is accepted, and only then answered."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from rekindle.domain.errors import BadSignatureError, UnknownShopError
from rekindle.domain.events import Delivery
from rekindle.ports import Clock, Intake, Secrets, ShopSecrets
from rekindle.service.accept import accept
from rekindle.shops import intake as shops
from rekindle.shops.reading import CONSENT_KEYS


class Answer(Struct, frozen=True):
    """`accepted`, `repeated`, or `ping` (WooCommerce asks once whether anybody is there)."""

    what: str
    topic: str = ""
    delivery_id: str = ""
    old_secret: bool = False
    """the shop has two live secrets, and the older one signed this"""


class Webhooks:
    """Receives webhooks for every connected shop."""

    def __init__(self, *, intake: Intake, secrets: Secrets, clock: Clock) -> None:
        self._intake = intake
        self._secrets = secrets
        self._clock = clock

    def receive(self, platform: str, shop: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Store what the shop says. Raises a `RequestError` for what can never be accepted; nothing is stored then."""
        known = self._secrets.shop(shop)
        if known is None or known.platform != platform:
            raise UnknownShopError("no such shop is connected")
        if shops.is_ping(known.platform, headers, body):
            return Answer("ping")
        try:
            delivery = self._parse(known, headers, body)
        except BadSignatureError:
            # The secret may just have been rotated: look once more, which costs a call at most once a minute.
            fresh = self._secrets.shop(shop, fresh=True)
            if fresh is None or fresh.webhook_secrets == known.webhook_secrets:
                raise
            known = fresh
            delivery = self._parse(known, headers, body)
        new = accept(delivery, self._intake, self._secrets.address_key())
        old = len(known.webhook_secrets) > 1 and not shops.signed_first(
            known.platform, headers, body, domain=known.domain, secrets=known.webhook_secrets
        )
        return Answer("accepted" if new else "repeated", delivery.topic, delivery.id, old)

    def _parse(self, known: ShopSecrets, headers: Mapping[str, str], body: bytes) -> Delivery:
        return shops.parse(
            known.platform,
            headers,
            body,
            shop=known.shop,
            domain=known.domain,
            secrets=known.webhook_secrets,
            received_at=self._clock.now(),
            region=known.region,
            currency=known.currency,
            consent_keys=known.consent_keys or CONSENT_KEYS,
        )
