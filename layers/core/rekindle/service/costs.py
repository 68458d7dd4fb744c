"""What was used, and what that costs: the lines of `rekindle cost` and of the benchmark. Pure; for tools."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

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
