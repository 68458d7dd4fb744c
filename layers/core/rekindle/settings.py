"""What each function is told by its environment: one frozen model a function, read from a mapping.

The names are the environment's; `template.yaml` sets exactly these (tests/architecture). Only `app.py` passes the
environment in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import msgspec
from msgspec import Struct

#: How long a lease may be open: twice `send`'s time-out of 60 s (template.yaml; tests/architecture compares them).
LEASE_LIFE_SECONDS = 120
#: So long reconcile looks at shops; its time-out also holds what one batch takes at most (the same).
RECONCILE_SECONDS = 180


class Settings(Struct, frozen=True, kw_only=True, rename="upper"):
    """What every function has."""

    clock_offset_file: str | None = None
    """seconds to add to the system clock, in a file: set by the local run only, never by the template"""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings. Raises `msgspec.ValidationError` naming the first one that is missing or wrong."""
        return msgspec.convert(dict(environment), cls, strict=False)


class Webhook(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/webhook."""

    deliveries_table: str
    pending_table: str
    suppressions_table: str
    raw_bucket: str
    secrets_prefix: str


class Journey(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/journey."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    aliases_table: str
    suppressions_table: str
    messages_table: str
    ledger_table: str
    products_table: str
    interests_table: str
    raw_bucket: str
    content_bucket: str
    wake_queue_url: str
    wake_queue_arn: str
    marketing_queue_url: str
    transactional_queue_url: str
    privacy_queue_url: str
    catalogue_queue_url: str
    schedule_group: str
    scheduler_role_arn: str
    secrets_prefix: str


class Send(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/send."""

    aliases_table: str
    deliveries_table: str
    pending_table: str
    profiles_table: str
    messages_table: str
    suppressions_table: str
    products_table: str
    shelves_table: str
    counters_table: str
    coupons_table: str
    content_bucket: str
    marketing_queue_url: str
    transactional_queue_url: str
    marketing_mint_queue_url: str
    transactional_mint_queue_url: str
    configuration_set: str
    sms_configuration_set: str
    """empty where the stack has no SMS"""
    push_service_url: str | None = None
    """where push messages go instead of to the push services: set by the local run only, never by the template"""
    graph_url: str | None = None
    """what is asked instead of Meta's Graph API: the same"""
    link_base: str
    secrets_prefix: str
    marketing_senders: int
    """how many workers take marketing mails from their queue at once"""
    transactional_senders: int
    transactional_share: int
    """per cent of the account's rate that are transactional mails' alone"""

    def queue_url(self, category: str) -> str:
        """Return the queue that messages of this category come from."""
        return self.transactional_queue_url if category == "transactional" else self.marketing_queue_url


class Mint(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/mint."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    suppressions_table: str
    messages_table: str
    coupons_table: str
    content_bucket: str
    marketing_queue_url: str
    transactional_queue_url: str
    marketing_mint_queue_url: str
    transactional_mint_queue_url: str
    secrets_prefix: str


class Reconcile(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/reconcile."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    aliases_table: str
    suppressions_table: str
    products_table: str
    raw_bucket: str
    content_bucket: str
    secrets_prefix: str


class Feedback(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/feedback."""

    deliveries_table: str
    pending_table: str
    suppressions_table: str
    messages_table: str
    counters_table: str
    content_bucket: str
    secrets_prefix: str


class Links(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/links."""

    deliveries_table: str
    pending_table: str
    suppressions_table: str
    content_bucket: str
    secrets_prefix: str


class Collect(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/collect."""

    deliveries_table: str
    pending_table: str
    suppressions_table: str
    limits_table: str
    content_bucket: str
    secrets_prefix: str
    cdn_mark: str = ""
    """what CloudFront before the link domain sends along; empty where there is none"""


class Pages(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/pages."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    suppressions_table: str
    content_bucket: str
    secrets_prefix: str


class Signup(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/signup."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    suppressions_table: str
    limits_table: str
    content_bucket: str
    secrets_prefix: str
    cdn_mark: str = ""
    """what CloudFront before the link domain sends along; empty where there is none"""


class Track(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/track."""

    messages_table: str
    content_bucket: str
    reactions_queue_url: str
    hold_seconds: int
    """for so long what somebody does soon after a mail went out waits to be decided on (`rekindle.service.tracks`)"""
    secrets_prefix: str


class Assets(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/assets."""

    content_bucket: str


class Publish(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/publish."""

    content_bucket: str
    publish_queue_url: str
    quiet_seconds: int
    """for so long an upload must have been quiet before it is judged"""
    configuration_set: str
    fanout_queue_url: str
    fanout_shards: int
    """in how many parts everybody is reached (`rekindle.service.fanout`)"""


class Campaign(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/campaign."""

    profiles_table: str
    interests_table: str
    deliveries_table: str
    pending_table: str
    content_bucket: str
    wake_queue_url: str
    marketing_queue_url: str
    fanout_queue_url: str
    fanout_shards: int
    wake_workers: int
    marketing_senders: int


class Privacy(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/privacy."""

    deliveries_table: str
    pending_table: str
    profiles_table: str
    aliases_table: str
    suppressions_table: str
    messages_table: str
    ledger_table: str
    products_table: str
    coupons_table: str
    shelves_table: str
    interests_table: str
    raw_bucket: str
    content_bucket: str
    privacy_queue_url: str
    secrets_prefix: str
    graph_url: str | None = None
    """as of send"""


class Catalogue(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/catalogue."""

    products_table: str
    shelves_table: str
    catalogue_queue_url: str
    fanout_queue_url: str


class Tally(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/tally."""

    results_table: str


class Sweep(Settings, frozen=True, kw_only=True, rename="upper"):
    """functions/sweep."""

    pending_table: str
    profiles_table: str
    messages_table: str
    counters_table: str
    wake_queue_url: str
    transactional_queue_url: str
