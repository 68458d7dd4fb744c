"""What things cost, from a file with a date (`prices.json` beside this one): for tools; no function needs it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

_THOUSAND = 1_000


class Price(Struct, frozen=True):
    """What a thousand mails cost in US dollars under one plan."""

    plan: str
    per_thousand: Decimal

    def of(self, mails: int) -> Decimal:
        """Return what so many mails cost, in US dollars."""
        return (self.per_thousand * mails / _THOUSAND).quantize(Decimal("0.0001"))


class Prices(Struct, frozen=True, kw_only=True):
    """A price list as it was on a day. Plans stand in their order: costs are counted by the first.

    SES: outbound mail, up to 10 million a month, without attachments and monthly fees. Accounts that had sent in the
    year before have the first plan unless they chose another; new ones have the second.
    """

    of: date
    region: str
    currency: str
    source: str
    ses_thousand_mails: dict[str, Decimal]

    @property
    def mail(self) -> tuple[Price, ...]:
        """The plans for mails."""
        return tuple(Price(plan, price) for plan, price in self.ses_thousand_mails.items())


@cache
def prices() -> Prices:
    """Return the price list."""
    return msgspec.json.decode(Path(__file__).with_name("prices.json").read_bytes(), type=Prices)
