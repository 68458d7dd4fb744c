"""What was used, and what that costs: the lines of `rekindle cost` and of the benchmark. Pure; for tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from rekindle.service.prices import Prices

#: What a gigabyte is to AWS's bills.
GIGABYTE = 2**30
#: How many days a month has on AWS's bills (730 hours).
MONTH = Decimal(730) / 24
#: Of this line the price comes from the SES plan, the first of the list.
MAILS = "mails"


class Used(Struct, frozen=True):
    """So many (`amount`, in the unit of the price) of what `line` prices, by `what`."""

    line: str
    what: str
    amount: Decimal


class Line(Struct, frozen=True, kw_only=True):
    """One line of a bill."""

    line: str
    what: str
    amount: Decimal
    unit: str
    cost: Decimal
    confirmed: bool = True


def bill(used: Iterable[Used], prices: Prices) -> list[Line]:
    """Return what all of it costs, one line for each thing of each user of it, the dearest first."""
    amounts: dict[tuple[str, str], Decimal] = {}
    for one in used:
        key = one.line, one.what
        amounts[key] = amounts.get(key, Decimal(0)) + one.amount
    lines = [_line(line, what, amount, prices) for (line, what), amount in amounts.items()]
    return sorted((line for line in lines if line.amount), key=lambda line: (-line.cost, line.line, line.what))


def total(lines: Iterable[Line]) -> Decimal:
    """Return the sum."""
    return sum((line.cost for line in lines), Decimal(0))


def beside_mails(lines: Iterable[Line]) -> list[Line]:
    """Return all but what SES takes for mails."""
    return [line for line in lines if line.line != MAILS]


def _line(line: str, what: str, amount: Decimal, prices: Prices) -> Line:
    if line == MAILS:
        plan = prices.mail[0]
        return Line(line=line, what=what, amount=amount, unit="mails", cost=plan.per_thousand * amount / 1_000)
    price = prices.lines[line]
    return Line(
        line=line, what=what, amount=amount, unit=price.unit, cost=price.each * amount, confirmed=price.confirmed
    )


class Kind(Struct, frozen=True, kw_only=True):
    """What one mail, or one event, of a kind uses beside SES: line → amount, as `bench/cost.py` measured it."""

    name: str
    title: str
    used: dict[str, Decimal]

    def times(self, count: Decimal | int) -> list[Used]:
        """Return what so many of it use."""
        return [Used(line, self.title, amount * count) for line, amount in self.used.items()]


class Measured(Struct, frozen=True, kw_only=True):
    """What the benchmark measured, and when: what forecasts reckon with."""

    of: date
    kinds: tuple[Kind, ...]
    standing: dict[str, Decimal]
    """what an installation of one shop uses in a month in which nothing happens"""

    def kind(self, name: str) -> Kind:
        """Return the kind of this name."""
        return next(kind for kind in self.kinds if kind.name == name)


@cache
def measured() -> Measured:
    """Return what was measured last (`measured.json` beside this file)."""
    return msgspec.json.decode(Path(__file__).with_name("measured.json").read_bytes(), type=Measured)


def forecast(mails: Mapping[str, int], others: Mapping[str, int] | None = None, *, months: int = 0) -> list[Used]:
    """Return what these mails (kind → how many), and what is no mail (kind → how many), will use, SES included.

    With `months`, also what an installation uses in so many, whatever happens.
    """
    reckoned = measured()
    used = [Used(MAILS, reckoned.kind(name).title, Decimal(count)) for name, count in mails.items()]
    for name, count in {**mails, **(others or {})}.items():
        used += reckoned.kind(name).times(count)
    used += [Used(line, "whatever happens", amount * months) for line, amount in reckoned.standing.items()]
    return used


def grown(used: Iterable[Used], standing: Iterable[Used], factor: Decimal) -> list[Used]:
    """Return what is used where so many times as much happens: what stands by itself stays, all else grows."""
    return [*(Used(one.line, one.what, one.amount * factor) for one in used), *standing]
