"""Contact points have one form each, and what is unusable is said, never guessed."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from rekindle.shops import contact

_EMAILS = [
    ("ann@example.com", "ann@example.com"),
    ("  Ann.Ivory+Tea@Example.COM\u200b ", "ann.ivory+tea@example.com"),
    ("anna@bücher.example.com", "anna@xn--bcher-kva.example.com"),
    ("anna@XN--bcher-kva.example.com", "anna@xn--bcher-kva.example.com"),
    ("o'hara@example.com", "o'hara@example.com"),
]
_NO_EMAILS = [
    "ann",
    "ann@",
    "ann@example",
    "ann@@example.com",
    "ann@shop.local",
    "ann@shop.test",
    "ann..ivory@example.com",
    "用戶@example.com",
    "ann@example.com\r\nBcc: all@example.com",
    "a" * 65 + "@example.com",
    "ann@" + "a" * 64 + ".com",
    "ann@" + "a.b" * 90 + ".com",
    42,
    ["ann@example.com"],
]


@pytest.mark.parametrize(("written", "address"), _EMAILS)
def test_an_email_has_one_canonical_form(written: str, address: str) -> None:
    """Lower case, Punycode, no space around; and that form is its own."""
    assert contact.email(written) == (address, None)
    assert contact.email(address) == (address, None)


@pytest.mark.parametrize("written", _NO_EMAILS)
def test_an_unusable_email_is_a_problem_that_does_not_repeat_it(written: object) -> None:
    """The text names what is wrong; the address itself must not reach a log."""
    address, problem = contact.email(written)
    assert address is None
    assert problem
    assert str(written) not in problem


@pytest.mark.parametrize(
    "read",
    [contact.email, contact.phone, contact.country, contact.locale, contact.currency],
    ids=lambda read: read.__name__,
)
@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_nothing_sent_is_no_problem(read: object, nothing: object) -> None:
    """A missing contact point is not a defect of the body."""
    assert read(nothing) == (None, None)  # type: ignore[operator]


_ATOM = st.text("abcXYZ019_+-.%'!", min_size=1, max_size=12)
_LABEL = st.text("abzXZ09-ü", min_size=1, max_size=12)


@given(local=_ATOM, labels=st.lists(_LABEL, min_size=1, max_size=4))
def test_the_short_way_judges_emails_as_the_library_does(local: str, labels: list[str]) -> None:
    """Most addresses are read without email-validator, and no verdict differs for it."""
    written = f"{local}@{'.'.join(labels)}"
    try:
        expected = validate_email(written, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError:
        expected = None
    assert contact.email(written)[0] == (expected.lower() if expected else None)


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("+1 (613) 555-0142", None, "+16135550142"),
        ("613-555-0142", "CA", "+16135550142"),
        ("0912 345 678", "TW", "+886912345678"),
        ("+886 912 345 678", "DE", "+886912345678"),
        ("070-174 06 05", "SE", "+46701740605"),
        ("٠٥٠ ١٢٣ ٤٥٦٧", "AE", "+971501234567"),
        ("00 46 70 174 06 05", "DE", "+46701740605"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
    ],
)
def test_a_phone_number_becomes_e164(written: str, region: str | None, number: str) -> None:
    """Whatever its spelling; a number without a country code is taken to be of the region."""
    assert contact.phone(written, region) == (number, None)


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("613-555-0142", None),
        ("000 000 0000", "CA"),
        ("555-555-5555", "US"),
        ("+1 555", None),
        ("call me", "US"),
        ("+" + "9" * 300, None),
        (6135550142, "CA"),
    ],
)
def test_an_unusable_phone_number_is_a_problem(written: object, region: str | None) -> None:
    """No country to assume, a placeholder, a wrong length, or no number at all."""
    number, problem = contact.phone(written, region)
    assert number is None
    assert problem


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("en", "en"),
        ("EN-ca", "en-CA"),
        ("zh-TW", "zh-TW"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de_DE_formal", "de-DE"),
        ("ar.UTF-8", "ar"),
        ("fil", "fil"),
    ],
)
def test_a_locale_is_bcp_47(written: str, tag: str) -> None:
    """Language, script and region in canonical case; nothing is added."""
    assert contact.locale(written) == (tag, None)


@pytest.mark.parametrize("written", ["e", "english", "12", "中文", {"locale": "en"}, "-"])
def test_an_unusable_locale_is_a_problem(written: object) -> None:
    """A language is two or three letters."""
    tag, problem = contact.locale(written)
    assert tag is None
    assert problem


def test_a_country_is_its_code() -> None:
    """Codes in any case; names are not codes; what ISO never gave out is refused."""
    assert contact.country("ca") == ("CA", None)
    assert contact.country("Canada")[0] is None
    assert contact.country("ZZ")[0] is None
    assert contact.country(7)[1]


def test_every_country_that_has_phones_is_known() -> None:
    """The table of countries lacks none that the phone library knows (but two that share another's code)."""
    from phonenumbers import SUPPORTED_REGIONS

    unknown = {region for region in SUPPORTED_REGIONS if contact.country(region)[0] is None}
    assert unknown <= {"AC", "TA"}


def test_a_currency_is_three_letters() -> None:
    """ISO 4217, upper case."""
    assert contact.currency("eur") == ("EUR", None)
    assert contact.currency("€")[0] is None
    assert contact.currency(["EUR"])[1]
