"""Money, dates and countries as locales write them: against Babel, and where we know better."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from babel.dates import format_date
from babel.numbers import format_currency
from hypothesis import assume, given
from hypothesis import strategies as st

from rekindle.content import formats, locales
from rekindle.content.formats import Format

LOCALES = (
    "en", "en-GB", "en-IN", "en-CH", "de-DE", "de-CH", "fr-FR", "es-ES", "pt-BR", "nl-NL", "da-DK", "sv-SE", "pl-PL",
    "cs-CZ", "tr-TR", "ar", "ar-EG", "he-IL", "fa-IR", "hi-IN", "bn-BD", "ja-JP", "ko-KR", "zh-Hans-CN", "zh-Hant-TW",
)  # fmt: skip
FORMS = {code: locales.freeze(code) for code in LOCALES}


def plain(text: str) -> str:
    """Leave out what may differ: gaps (CLDR's spacing of letters is ours) and the kind of minus sign."""
    for gap in ("\u00a0", "\u202f", " ", "\u200e", "\u200f", "\u061c"):
        text = text.replace(gap, "")
    return text.replace("\u2212", "-")


@given(
    code=st.sampled_from(LOCALES),
    currency=st.sampled_from(("EUR", "USD", "GBP", "JPY", "CHF", "KWD", "TWD", "SEK", "XAF")),
    amount=st.decimals(min_value=-(10**9), max_value=10**9, places=3),
)
def test_amounts_are_what_babel_writes(code: str, currency: str, amount: Decimal) -> None:
    """The frozen facts and the small formatter come to the same as Babel with all of CLDR.

    Only a cent that rounds away differs: Babel writes -€0.00, which no customer wants to read.
    """
    assume(amount == 0 or abs(amount) >= 1)
    assert plain(formats.money(amount, currency, FORMS[code])) == plain(
        format_currency(amount, currency, locale=code.replace("-", "_"))
    )


@given(code=st.sampled_from(LOCALES), moment=st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1)))
@pytest.mark.parametrize("style", ["short", "medium", "long", "full"])
def test_dates_are_what_babel_writes(style: str, code: str, moment: date) -> None:
    """In every style."""
    assert formats.day(moment, style, "UTC", FORMS[code]) == format_date(moment, style, locale=code.replace("-", "_"))


@pytest.mark.parametrize(
    ("value", "currency", "code", "said"),
    [
        ("1234.5", "EUR", "de-DE", "1.234,50\u00a0€"),
        ("1280", "JPY", "ja-JP", "￥1,280"),
        (Decimal("1280.4"), "JPY", "en", "¥1,280"),
        ("0", "EUR", "en", "€0.00"),
        ("12.345", "KWD", "en", "KWD\u00a012.345"),
        ("12", "CHF", "en", "CHF\u00a012.00"),
        ("-3", "EUR", "en", "-€3.00"),
        ("-3", "SEK", "sv-SE", "\u22123,00\u00a0kr"),
        (" 7 ", "eur", "en", "€7.00"),
        (None, "EUR", "en", ""),
        ("", "EUR", "en", ""),
        ("soon", "EUR", "en", ""),
        ("NaN", "EUR", "en", ""),
        ("Infinity", "EUR", "en", ""),
        ("1e999999", "EUR", "en", ""),
        (True, "EUR", "en", ""),
        ({"a": 1}, "EUR", "en", ""),
        ("5", "<b>", "en", "<B>5.00"),
    ],
)
def test_amounts(value: object, currency: str, code: str, said: str) -> None:
    """Text is taken as well as numbers; what is no amount is empty and never an error."""
    form = FORMS.get(code) or locales.freeze(code)
    assert formats.money(value, currency, form) == said


@pytest.mark.parametrize(
    ("value", "style", "zone", "said"),
    [
        ("2026-03-02T23:30:00Z", "long", "Asia/Tokyo", "3 March 2026"),
        ("2026-03-02T23:30:00Z", "time", "America/New_York", "18:30"),
        ("2026-03-02T23:30:00", "long", "UTC", "2 March 2026"),
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "time", "Europe/London", "00:30"),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "time", "Europe/London", "02:30"),
        (None, "long", "UTC", ""),
        ("yesterday", "long", "UTC", ""),
        (12, "long", "UTC", ""),
        ("2026-03-02", "sideways", "UTC", ""),
        ("0001-01-01T00:00:00Z", "long", "America/New_York", ""),
    ],
)
def test_dates(value: object, style: str, zone: str, said: str) -> None:
    """A moment is shown on the clocks of the zone; what is no moment is empty."""
    assert formats.day(value, style, zone, FORMS["en-GB"]) == said


def test_countries_are_named_in_the_language_of_the_locale() -> None:
    """A code that nobody knows stays as it is."""
    assert formats.country("de", FORMS["fr-FR"]) == "Allemagne"
    assert formats.country("QQ", FORMS["fr-FR"]) == "QQ"
    assert formats.country(None, FORMS["fr-FR"]) == ""


def test_a_frozen_format_survives_the_playbook_and_stays_small() -> None:
    """Ten kilobytes a locale instead of Babel's 33 MB."""
    raw = msgspec.json.encode(FORMS["zh-Hant-TW"])
    assert msgspec.json.decode(raw, type=Format) == FORMS["zh-Hant-TW"]
    assert len(raw) < 10_000


def test_every_locale_that_cldr_knows_can_be_frozen_or_refused() -> None:
    """What publish accepts, it can also freeze."""
    assert locales.known_locale("gsw-CH")
    assert not locales.known_locale("xx-YY")
    assert not locales.known_locale("en_GB; DROP")
    with pytest.raises(ValueError, match="xx-YY"):
        locales.freeze("xx-YY")


# --- regions, lists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ar", "zh-Hant", "pt", "de"])
def test_a_region_is_kept_as_what_it_does_otherwise_and_comes_out_whole(language: str) -> None:
    """But for the names of countries, which are the language's."""
    general = locales.freeze_language(language)
    assert len(msgspec.json.encode(general)) < 45_000
    assert general.regions
    for region in general.regions:
        own = locales.freeze(f"{language}-{region}")
        assert general.in_region(region) == msgspec.structs.replace(
            own, countries=general.countries, symbols=symbols(own, general), era=general.era
        )


def symbols(own: Format, general: Format) -> dict[str, str]:
    """Return the symbols as they come out of a change: a currency that the region writes by its code by that code."""
    return {code: code for code in general.symbols} | own.symbols


@pytest.mark.parametrize(
    ("written_in", "readers", "found"),
    [
        ("en", ("en-GB", "de-DE"), "en-GB"),
        ("en", ("de-AT", "en-IE"), "en-IE"),
        ("en", ("de-AT", "fr"), "en"),
        ("ar", ("ar-LB",), "ar-LB"),
        ("zh-Hant", ("zh-HK",), "zh-Hant-HK"),
        ("zh-Hant", ("zh-CN",), "zh-Hant"),
        ("", ("en-AU",), "en-AU"),
        ("fr", ("fr-CH",), None),
    ],
)
def test_dates_and_prices_are_in_the_language_of_the_mail(
    written_in: str, readers: tuple[str, ...], found: str | None
) -> None:
    """In the way of the first reader's region that speaks it."""
    known = {language: locales.freeze_language(language) for language in ("en", "ar", "zh-Hant")}
    form = formats.form_for(known, written_in, *readers)
    assert (form and form.locale) == found


@pytest.mark.parametrize(
    ("locale", "two", "three"),
    [
        ("en-GB", "a and b", "a, b and c"),
        ("en", "a and b", "a, b, and c"),
        ("ar", "a وb", "a وb وc"),
        ("zh-Hant", "a和b", "a、b和c"),
        ("ja", "a、b", "a、b、c"),
    ],
)
def test_a_list_is_written_as_the_locale_does(locale: str, two: str, three: str) -> None:
    form = locales.freeze(locale)
    assert formats.listed([], form) == ""
    assert formats.listed(["a"], form) == "a"
    assert formats.listed(["a", "b"], form) == two
    assert formats.listed(["a", "b", "c"], form) == three


def test_what_is_listed_is_no_pattern() -> None:
    assert formats.listed(["{1}", "{0}"], locales.freeze("en")) == "{1} and {0}"
