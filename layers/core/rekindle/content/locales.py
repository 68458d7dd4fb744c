"""What Babel knows of locales and currencies, as publish needs it: is it known, and the frozen `Format` for `send`.

Publish only: imports Babel.
"""

from __future__ import annotations

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import list_currencies

from rekindle.content.formats import Format

#: Stands in where CLDR writes "at three in the afternoon": such day periods have rules of their own.
_TIME = "HH:mm"


def known_locale(code: str) -> bool:
    """Whether CLDR knows this BCP 47 locale."""
    return _locale(code) is not None


def known_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code."""
    return code in list_currencies()


def freeze(code: str) -> Format:
    """Return how this locale writes. Raises `ValueError` for a locale that CLDR does not know."""
    locale = _locale(code)
    if locale is None:
        raise ValueError(code)
    pattern = locale.currency_formats["standard"]
    marks = locale.number_symbols["latn"]
    months = locale.months["format"]
    days = locale.days["format"]
    periods = locale.day_periods["format"]
    time = str(locale.time_formats["short"].pattern)
    patterns = {style: str(locale.date_formats[style].pattern) for style in ("short", "medium", "long", "full")}
    halves = periods.get("abbreviated") or periods["wide"]
    return Format(
        locale=code,
        language=locale.language,
        rtl=locale.text_direction == "rtl",
        positive=(pattern.prefix[0], pattern.suffix[0]),
        negative=(pattern.prefix[1], pattern.suffix[1]),
        decimal=marks["decimal"],
        group=marks["group"],
        minus=marks["minusSign"],
        grouping=pattern.grouping,
        symbols={
            currency: symbol
            for currency, symbol in sorted(locale.currency_symbols.items())
            if symbol != currency and currency in _currencies()
        },
        digits={
            currency: rule[0]
            for currency, rule in sorted(get_global("currency_fractions").items())
            if currency in _currencies() and rule[0] != 2  # noqa: PLR2004  # two is what `Format.digits` leaves out
        },
        months=tuple(months["wide"][number] for number in range(1, 13)),
        months_short=tuple(months["abbreviated"][number] for number in range(1, 13)),
        days=tuple(days["wide"][number] for number in range(7)),
        days_short=tuple(days["abbreviated"][number] for number in range(7)),
        periods=(halves["am"], halves["pm"]),
        era=locale.eras["abbreviated"][1],
        patterns={**patterns, "time": time if "B" not in time and "b" not in time else _TIME},
        countries={name: text for name, text in sorted(locale.territories.items()) if len(name) == 2},  # noqa: PLR2004
    )


def _currencies() -> set[str]:
    return list_currencies()


def _locale(code: str) -> Locale | None:
    try:
        return Locale.parse(code, sep="-")
    except (ValueError, UnknownLocaleError):
        return None
