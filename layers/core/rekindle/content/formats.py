"""Money, dates and countries written as a locale writes them, from CLDR facts that publish froze into the playbook.

Babel holds those facts, weighs 33 MB and costs `send` about 25 ms before its first price; a shop needs six kilobytes
of them. `rekindle.content.locales` picks these with Babel when publishing; here only the standard library is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cached_property, lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from rekindle.content import languages

DateStyle = Literal["short", "medium", "long", "full", "time"]

_NBSP = "\u00a0"
_MAX_MAGNITUDE = Decimal(10) ** 15
_FIELDS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*")


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a region does otherwise than its language: `None`, or of a dict what is left out, is as there."""

    positive: tuple[str, str] | None = None
    negative: tuple[str, str] | None = None
    decimal: str | None = None
    group: str | None = None
    minus: str | None = None
    grouping: tuple[int, int] | None = None
    symbols: dict[str, str] = {}
    months: tuple[str, ...] | None = None
    months_short: tuple[str, ...] | None = None
    days: tuple[str, ...] | None = None
    days_short: tuple[str, ...] | None = None
    periods: tuple[str, str] | None = None
    patterns: dict[str, str] = {}
    lists: tuple[str, str, str] | None = None
    percent: tuple[str, str] | None = None


class Format(Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """How one locale writes. Patterns are CLDR's; in the affixes of an amount `¤` stands for the currency."""

    locale: str
    language: str
    rtl: bool = False
    positive: tuple[str, str] = ("¤", "")
    negative: tuple[str, str] = ("-¤", "")
    decimal: str = "."
    group: str = ","
    minus: str = "-"
    grouping: tuple[int, int] = (3, 3)
    """how many digits the last group has, and the others"""
    symbols: dict[str, str] = {}
    """ISO 4217 → symbol, where it is not the code"""
    digits: dict[str, int] = {}
    """ISO 4217 → minor digits, where these are not two"""
    months: tuple[str, ...] = ()
    months_short: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    """from Monday"""
    days_short: tuple[str, ...] = ()
    periods: tuple[str, str] = ("AM", "PM")
    era: str = ""
    patterns: dict[str, str] = {}
    """date style → pattern"""
    countries: dict[str, str] = {}
    lists: tuple[str, str, str] = (", ", ", ", ", ")
    """what stands between the parts of a list: in its middle, before its last, between two alone"""
    percent: tuple[str, str] = ("", "%")
    """what stands around a percentage"""
    regions: dict[str, Change] = {}
    """of a language alone: what its regions do otherwise"""

    def in_region(self, region: str) -> Format:
        """Return how the language is written in this region; where nothing is known of it, as it is in general."""
        change = self.regions.get(region)
        if change is None:
            return self
        known = self._regional.get(region)
        if known is None:
            found: dict[str, Any] = {}
            for name in change.__struct_fields__:
                value = getattr(change, name)
                if value:
                    found[name] = {**getattr(self, name), **value} if isinstance(value, dict) else value
            known = replace(self, locale=f"{self.locale}-{region}", regions={}, **found)
            self._regional[region] = known
        return known

    @cached_property
    def _regional(self) -> dict[str, Format]:
        return {}

    @cached_property
    def _amounts(self) -> dict[str, tuple[Decimal, tuple[str, str], tuple[str, str]]]:
        return {}

    def around(self, currency: str) -> tuple[Decimal, tuple[str, str], tuple[str, str]]:
        """Return the smallest amount of a currency, and what stands around positive and around negative ones."""
        known = self._amounts.get(currency)
        if known is None:
            symbol = self.symbols.get(currency, currency)
            prefix, suffix = self.negative
            known = self._amounts[currency] = (
                Decimal(1).scaleb(-self.digits.get(currency, 2)),
                (_affix(self.positive[0], symbol, before=True), _affix(self.positive[1], symbol, before=False)),
                (
                    _affix(prefix.replace("-", self.minus), symbol, before=True),
                    _affix(suffix, symbol, before=False),
                ),
            )
        return known


def form_of(formats: Mapping[str, Format], locale: str) -> Format | None:
    """Return how this locale writes, by what was frozen of it or of its language; `None` when nothing was."""
    found = formats.get(locale)
    if found is not None:
        return found
    of_language = formats.get(languages.base(locale))
    return of_language.in_region(languages.region(locale)) if of_language is not None else None


def form_for(formats: Mapping[str, Format], written_in: str, *readers: str | None) -> Format | None:
    """Return how a mail in the language `written_in` writes numbers and dates: as the first reader who speaks it does.

    Somebody in Vienna who gets a mail in English gets English dates in it. Empty: the language is not known, and the
    first reader's way is taken.
    """
    language = languages.base(written_in)
    for reader in readers:
        if reader and (not language or languages.base(reader) == language):
            found = form_of(formats, reader)
            if found is not None:
                return found
    return form_of(formats, written_in) if written_in else None


def listed(values: Sequence[str], form: Format) -> str:
    """Return texts as the locale lists them: "a, b and c"."""
    middle, last, pair = form.lists
    if len(values) <= 2:  # noqa: PLR2004  # a pair has a word of its own between
        return pair.join(values)
    return middle.join(values[:-1]) + last + values[-1]


def money(value: Any, currency: str, form: Format) -> str:
    """Return the amount (major units: a number or its text) in the locale's way; empty for what is no amount."""
    amount = number(value)
    if amount is None:
        return ""
    unit, positive, negative = form.around(currency.upper())
    try:
        amount = amount.quantize(unit, rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        return ""
    whole, _, fraction = f"{abs(amount):f}".partition(".")
    prefix, suffix = negative if amount < 0 else positive
    digits = _grouped(whole, form)
    return f"{prefix}{digits}{form.decimal}{fraction}{suffix}" if fraction else f"{prefix}{digits}{suffix}"


def percent(value: Decimal, form: Format) -> str:
    """Return a percentage (10 is ten per cent) in the locale's way, without zeros that say nothing."""
    whole, _, fraction = f"{value:f}".partition(".")
    fraction = fraction.rstrip("0")
    prefix, suffix = form.percent
    digits = _grouped(whole, form)
    return f"{prefix}{digits}{form.decimal}{fraction}{suffix}" if fraction else f"{prefix}{digits}{suffix}"


def number(value: Any) -> Decimal | None:
    """Return a finite amount of a sensible size, or `None`."""
    if isinstance(value, Decimal):
        amount = value
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    else:
        try:
            amount = Decimal(str(value).strip())
        except InvalidOperation:
            return None
    return amount if amount.is_finite() and abs(amount) < _MAX_MAGNITUDE else None


def day(value: Any, style: str, zone: str, form: Format) -> str:
    """Return a date, or with style `time` the time of day, as the locale writes it on the clocks of `zone`.

    Takes a datetime, a date or ISO 8601 text; empty for anything else. A moment without an offset is taken as UTC.
    """
    moment = _moment(value, zone)
    pattern = form.patterns.get(style)
    if moment is None or pattern is None:
        return ""

    def field(found: re.Match[str]) -> str:
        text = found.group()
        if text.startswith("'"):
            return text[1:-1].replace("''", "'") or "'"
        return _field(text, moment, form)

    return _FIELDS.sub(field, pattern)


def country(code: Any, form: Format) -> str:
    """Return the country's name in the locale's language, else the code as it is."""
    return form.countries.get(code.upper(), code) if isinstance(code, str) else ""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _moment(value: Any, zone: str) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=_zone("UTC"))
        try:
            return moment.astimezone(_zone(zone))
        except (OverflowError, ValueError):
            return None
    return datetime(value.year, value.month, value.day, tzinfo=_zone("UTC")) if isinstance(value, date) else None


def _grouped(whole: str, form: Format) -> str:
    last, others = form.grouping
    if len(whole) <= last or last <= 0:
        return whole
    head, groups = whole[:-last], [whole[-last:]]
    while head:
        groups.insert(0, head[-others:])
        head = head[:-others]
    return form.group.join(groups)


def _affix(affix: str, symbol: str, *, before: bool) -> str:
    # CLDR's currencySpacing: letters next to digits are kept apart ("CHF 12", but "US$12").
    touching = affix.endswith("¤") if before else affix.startswith("¤")
    edge = symbol[-1:] if before else symbol[:1]
    gap = _NBSP if touching and (edge.isalpha() or edge == ".") else ""
    return affix.replace("¤", symbol) + gap if before else gap + affix.replace("¤", symbol)


def _field(text: str, moment: datetime, form: Format) -> str:
    letter, width = text[0], len(text)
    if letter == "y":
        return f"{moment.year % 100:02d}" if width == 2 else str(moment.year)  # noqa: PLR2004  # CLDR: yy is two digits
    if letter in "ML":
        if width <= 2:  # noqa: PLR2004
            return f"{moment.month:0{width}d}"
        return (form.months_short if width == 3 else form.months)[moment.month - 1]  # noqa: PLR2004
    if letter in "Ec":
        return (form.days if width == 4 else form.days_short)[moment.weekday()]  # noqa: PLR2004
    if letter == "d":
        return f"{moment.day:0{width}d}"
    if letter == "H":
        return f"{moment.hour:0{width}d}"
    if letter == "h":
        return f"{moment.hour % 12 or 12:0{width}d}"
    if letter == "m":
        return f"{moment.minute:0{width}d}"
    if letter == "a":
        return form.periods[moment.hour >= 12]  # noqa: PLR2004
    return form.era if letter == "G" else ""
