"""How a body is read that did not come as a webhook: one rule for whatever reads a shop's bodies again. Pure."""

from __future__ import annotations

from datetime import datetime

from rekindle.ports import ShopSecrets
from rekindle.shops.reading import CONSENT_KEYS, Arrival


def arrival_at(known: ShopSecrets, delivery_id: str, received_at: datetime, triggered_at: datetime | None) -> Arrival:
    """Return the arrival as the shop's webhooks have it."""
    return Arrival(
        shop=known.shop,
        delivery_id=delivery_id,
        received_at=received_at,
        triggered_at=triggered_at,
        domain=known.domain,
        region=known.region,
        currency=known.currency,
        consent_keys=known.consent_keys or CONSENT_KEYS,
    )
