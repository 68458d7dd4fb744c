"""WooCommerce: verify a webhook, name it, and read its body (REST v3) into events.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`. `topics` says which function reads
which topic.

Times come from the `…_gmt` fields, which are UTC without saying so. Prices and line totals include the tax where the
shop shows its prices with tax (`prices_include_tax`). Names can hold HTML entities, as WordPress stores them.
"""

from rekindle.shops.woocommerce.request import is_ping, plain_secret, topic_of, triggered_at, unique_ids, verify
from rekindle.shops.woocommerce.topics import SHAPED, TOPICS, normalise

__all__ = [
    "SHAPED",
    "TOPICS",
    "is_ping",
    "normalise",
    "plain_secret",
    "topic_of",
    "triggered_at",
    "unique_ids",
    "verify",
]
