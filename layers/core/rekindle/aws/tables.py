"""The names of the tables. A function is told only those that it may touch; the others stay empty."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from rekindle.settings import Settings


class Tables(Struct, frozen=True, kw_only=True):
    """Table names, as deployed."""

    deliveries: str = ""
    pending: str = ""
    profiles: str = ""
    aliases: str = ""
    suppressions: str = ""
    messages: str = ""
    ledger: str = ""
    products: str = ""
    shelves: str = ""
    interests: str = ""
    counters: str = ""
    results: str = ""
    coupons: str = ""
    limits: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the tables that these settings name."""
        return cls(**{name: getattr(settings, f"{name}_table", "") for name in cls.__struct_fields__})
