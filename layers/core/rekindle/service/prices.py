"""What things cost, from a file with dates (`prices.json` beside this one): for tools; no function needs it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import RekindleError

_THOUSAND = 1_000


class PricesError(RekindleError):
    """A file of prices cannot be used; says why."""


class Price(Struct, frozen=True):
    """What a thousand mails cost in US dollars under one plan."""

    plan: str
    per_thousand: Decimal

    def of(self, mails: int) -> Decimal:
        """Return what so many mails cost, in US dollars."""
        return (self.per_thousand * mails / _THOUSAND).quantize(Decimal("0.0001"))


class LinePrice(Struct, frozen=True, kw_only=True):
    """What so many (`per`) of a thing cost. No tier above the first, and no free one."""

    price: Decimal
    per: int
    unit: str
    source: str
    of: date | None = None
    """the day of the page that quotes it, where it has one"""
    confirmed: bool = True
    """false: from AWS's price page by memory; no page that could be read here quoted it"""

    @property
    def each(self) -> Decimal:
        """The price of one."""
        return self.price / self.per


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
    lines: dict[str, LinePrice]
    """all else, by what is counted (`costs`)"""

    @property
    def mail(self) -> tuple[Price, ...]:
        """The plans for mails."""
        return tuple(Price(plan, price) for plan, price in self.ses_thousand_mails.items())


class OwnPrices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account pays otherwise: another region's prices, a discount of its own, or both."""

    of: date
    region: str
    currency: str = "USD"
    discount: Decimal = Decimal(0)
    """of everything but what stands in this file, 0 to 1"""
    ses_thousand_mails: dict[str, Decimal] = {}
    lines: dict[str, Decimal] = {}
    """the price of as many as `prices.json` names for that line"""


@cache
def prices() -> Prices:
    """Return the price list that ships."""
    return msgspec.json.decode(Path(__file__).with_name("prices.json").read_bytes(), type=Prices)


def own_prices(written: bytes, name: str) -> Prices:
    """Return the price list with what a file (`OwnPrices`, as JSON) says otherwise. Raises `PricesError`."""
    try:
        own = msgspec.json.decode(written, type=OwnPrices)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PricesError(f"{name}: {error}") from error
    shipped = prices()
    unknown = sorted(own.lines.keys() - shipped.lines.keys())
    if unknown:
        raise PricesError(f"{name}: no line is called {', '.join(unknown)}; there are {', '.join(shipped.lines)}")
    numbers = [*own.lines.values(), *own.ses_thousand_mails.values()]
    if not 0 <= own.discount < 1 or any(not number.is_finite() or number < 0 for number in numbers):
        raise PricesError(f"{name}: prices are not below 0, and a discount is from 0 to less than 1")
    rest = 1 - own.discount
    lines = {
        key: replace(line, price=own.lines[key], source=name, of=own.of, confirmed=True)
        if key in own.lines
        else replace(line, price=line.price * rest)
        for key, line in shipped.lines.items()
    }
    mails = {plan: price * rest for plan, price in shipped.ses_thousand_mails.items()}
    return replace(
        shipped,
        of=own.of,
        region=own.region,
        currency=own.currency,
        source=f"{name}, and {shipped.source}",
        ses_thousand_mails=own.ses_thousand_mails or mails,
        lines=lines,
    )
