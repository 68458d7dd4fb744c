"""What Babel knows of locales and currencies, as publish needs it: is it known, and the frozen `Format` for `send`.

Publish only: imports Babel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.localedata import locale_identifiers
from babel.numbers import list_currencies
from babel.plural import to_gettext

from rekindle.content import languages
from rekindle.content.formats import Change, Format

#: Stands in where CLDR writes "at three in the afternoon": such day periods have rules of their own.
_TIME = "HH:mm"


def known_locale(code: str) -> bool:
    """Whether CLDR knows this BCP 47 locale."""
    return _locale(code) is not None


def known_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code."""
    return code in list_currencies()


def direction(code: str) -> str:
    """Return `rtl` or `ltr`. Raises `ValueError` for a locale that CLDR does not know."""
    return "rtl" if _known(code).text_direction == "rtl" else "ltr"


def name(code: str) -> str:
    """Return the language's name in English, as in "Traditional Chinese". Raises `ValueError` for an unknown one."""
    return _known(code).get_display_name("en") or code


def own_name(code: str) -> str:
    """Return the language's name in itself, as in "Français". Raises `ValueError` for an unknown one."""
    locale = _known(code)
    name = locale.languages.get(str(locale)) or locale.get_display_name() or code
    return name[:1].upper() + name[1:]


@lru_cache(maxsize=64)
def plural_rules(code: str) -> tuple[tuple[str, str], ...]:
    """Return form → when it holds, as a condition on the whole number `count`; what none holds for is `other`.

    Raises `ValueError` for a locale that CLDR does not know.
    """
    # "nplurals=2; plural=((n == 1) ? 0 : 1);": Babel's way to say a rule in another language, for whole numbers.
    rule = _known(code).plural_form
    tags = [tag for tag in ("zero", "one", "two", "few", "many", "other") if tag in {*rule.tags, "other"}]
    said = to_gettext(rule).partition("plural=(")[2].removesuffix(");")
    found = []
    for part in said.split(" : ")[:-1]:
        condition, _, number = part.rpartition(" ? ")
        for sign, word in (("&&", "and"), ("||", "or"), ("!(", "not (")):
            condition = condition.replace(sign, word)
        # `e` is the exponent of numbers in short form, "1M": a whole number has none.
        found.append((tags[int(number)], re.sub(r"\be\b", "0", re.sub(r"\bn\b", "count", condition))))
    return tuple(found)


@lru_cache(maxsize=64)
def plural_forms(code: str) -> tuple[str, ...]:
    """Return the forms in which this locale counts up to a thousand. Raises `ValueError` for an unknown one."""
    rule = _known(code).plural_form
    met = {rule(number) for number in range(1_000)}
    return tuple(tag for tag in ("zero", "one", "two", "few", "many", "other") if tag in {*met, "other"})


@lru_cache(maxsize=64)
def freeze_language(code: str) -> Format:
    """Return how this language (`en`, `zh-Hant`) writes, and what each of its regions does otherwise.

    Raises `ValueError` for a language that CLDR does not know.
    """
    general = freeze(code)
    known = (tag.replace("_", "-") for tag in locale_identifiers())
    regions = {
        languages.region(tag): change
        for tag in sorted(known)
        if languages.base(tag) == languages.base(code)
        and languages.region(tag)
        and tag.count("-") == code.count("-") + 1
        if (change := _change(general, freeze(tag))) != Change()
    }
    return msgspec.structs.replace(general, regions=regions)


def _change(general: Format, own: Format) -> Change:
    found: dict[str, object] = {}
    for field in Change.__struct_fields__:
        one, other = getattr(general, field), getattr(own, field)
        if isinstance(one, dict):
            # A currency that a region writes by its code has no symbol there.
            found[field] = {key: other.get(key, key) for key in sorted(one | other) if one.get(key) != other.get(key)}
        elif one != other:
            found[field] = other
    return Change(**found)  # type: ignore[arg-type]  # the fields of one are those of the other


def freeze(code: str) -> Format:
    """Return how this locale writes. Raises `ValueError` for a locale that CLDR does not know."""
    locale = _known(code)
    pattern = locale.currency_formats["standard"]
    share = locale.percent_formats[None]
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
        countries={place: text for place, text in sorted(locale.territories.items()) if len(place) == 2},  # noqa: PLR2004
        percent=(_signed(share.prefix[0], marks), _signed(share.suffix[0], marks)),
        lists=(_between(locale, "middle"), _between(locale, "end"), _between(locale, "2")),
    )


def _signed(affix: str, marks: Mapping[str, str]) -> str:
    return affix.replace("%", marks["percentSign"])


def _between(locale: Locale, part: str) -> str:
    pattern = str(locale.list_patterns["standard"][part])
    return pattern[3:-3] if pattern.startswith("{0}") and pattern.endswith("{1}") else ", "


def _known(code: str) -> Locale:
    locale = _locale(code)
    if locale is None:
        raise ValueError(code)
    return locale


def _currencies() -> set[str]:
    return list_currencies()


def _locale(code: str) -> Locale | None:
    try:
        return Locale.parse(code, sep="-")
    except (ValueError, UnknownLocaleError):
        return None
