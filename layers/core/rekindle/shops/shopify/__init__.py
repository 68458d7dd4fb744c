"""Shopify: verify a webhook, name it, and read its body into events.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`. `topics` says which function reads
which topic; API versions 2024-10 to 2026-04.

Money is in the shop's currency (`…_set.shop_money`) wherever Shopify sends both. A checkout has plain amounts only, and
those are in the buyer's currency (`presentment_currency`), which is then the basket's.
"""

from rekindle.shops.shopify.request import topic_of, triggered_at, unique_ids, verify
from rekindle.shops.shopify.topics import SHAPED, TOPICS, normalise

__all__ = ["SHAPED", "TOPICS", "normalise", "topic_of", "triggered_at", "unique_ids", "verify"]
