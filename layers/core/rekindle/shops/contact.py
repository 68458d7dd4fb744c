"""Contact points and places in their one canonical form: e-mail, phone, country, locale, currency.

Pure: imports the standard library at the top; email-validator and phonenumbers only when a value needs them, because
each costs the webhook's cold start tens of milliseconds.

Every function returns `(value, problem)`. Nothing sent (`None`, empty) is no problem: `(None, None)`. Something sent
that cannot be used is `(None, text)`; the text never repeats the value, for it ends in logs and in the ledger.
"""

from __future__ import annotations

import re
from functools import lru_cache

Read = tuple[str | None, str | None]

NOTHING: Read = (None, None)

# What copying and pasting leaves around an address: spaces, no-break and zero-width spaces, direction marks, a BOM.
_BLANK = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

# Plain addresses, about 99 in 100, need no library. Whatever this does not match, email-validator decides; a law in
# the tests says that both agree. A double hyphen may be Punycode, which only the library can judge.
_PLAIN_EMAIL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+)([a-z]{2,63})")
_SPECIAL_USE = frozenset(("arpa", "invalid", "local", "localhost", "onion", "test"))
_LOCAL_PART = 64
_ADDRESS = 254

_E164_DIGITS = 15
# As much as phonenumbers itself looks at.
_PHONE = 250

# ISO 3166-1 alpha-2, and XK, which Kosovo's shops send.
_COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - 249 codes read better so
)

_SUBDIVISION = 3
_LANGUAGE = (2, 3)
_SCRIPT = 4
_REGION = 2
_REGION_NUMBER = 3
_CURRENCY = 3


def email(raw: object) -> Read:
    """Return the address in its canonical form, without asking the DNS.

    The domain is lower-cased and in Punycode, as SES wants it. The local part is lower-cased too: RFC 5321 lets a
    server tell `Ann@` from `ann@`, no mail provider does, and people type both, so for identity they are one. Dots and
    `+tags` stay: what they mean differs from provider to provider. A local part outside ASCII cannot be mailed through
    SES and is a problem, as is a domain that exists for special use only (RFC 6761: `.test`, `.local` …).
    """
    if raw is None or raw == "":
        return NOTHING
    if not isinstance(raw, str):
        return None, "is not text"
    text = raw.strip(_BLANK)
    if not text:
        return NOTHING
    if len(text) > _ADDRESS:
        return None, "is no address that mail can be sent to"
    lowered = text.lower()
    plain = _PLAIN_EMAIL.fullmatch(lowered)
    if (
        plain is not None
        and text.isascii()
        and plain[2] not in _SPECIAL_USE
        and "--" not in plain[1]
        and lowered.index("@") <= _LOCAL_PART
    ):
        return lowered, None
    return _judged_email(text)


@lru_cache(maxsize=512)
def _judged_email(text: str) -> Read:
    from email_validator import EmailNotValidError, validate_email

    try:
        judged = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError:
        return None, "is no address that mail can be sent to"
    address = judged.ascii_email
    if address is None or len(address) > _ADDRESS:
        return None, "is no address that mail can be sent to"
    return address.lower(), None


def phone(raw: object, region: str | None = None) -> Read:
    """Return the number in E.164. `region` (ISO 3166 alpha-2) is where a number without a country code is taken to be.

    A number written with its country code is believed when its length is possible there: numbering plans grow faster
    than any library. One without is believed only when it is valid in the assumed region, because the region is a guess
    and people fill in `000…` and `555…`.
    """
    if raw is None or raw == "":
        return NOTHING
    if not isinstance(raw, str):
        return None, "is not text"
    text = raw.strip(_BLANK)
    if len(text) > _PHONE:
        return None, "is no phone number"
    return _judged_phone(text, region) if text else NOTHING


# An order's number comes back with each of its webhooks, and judging one costs as much as all the rest of the order.
@lru_cache(maxsize=512)
def _judged_phone(text: str, region: str | None) -> Read:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region, keep_raw_input=True)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and not text.startswith("+"):
            return None, "has no country code, and no country to assume is known"
        return None, "is no phone number"
    international = number.country_code_source != phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY
    believed = phonenumbers.is_possible_number(number) if international else phonenumbers.is_valid_number(number)
    if not believed:
        return None, "is no phone number"
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return (e164, None) if len(e164) <= _E164_DIGITS + 1 else (None, "is no phone number")


def country(raw: object) -> Read:
    """Return the ISO 3166-1 alpha-2 code, upper case. Names of countries are not codes and are a problem."""
    if raw is None or raw == "":
        return NOTHING
    if isinstance(raw, str):
        code = raw.strip(_BLANK).upper()
        if code in _COUNTRIES:
            return code, None
        if not code:
            return NOTHING
    return None, "is no ISO 3166 country code"


def region(raw: object, country: str | None) -> str | None:
    """Return what follows the country in ISO 3166-2 (`CA`, `NSW`, `13`), upper case.

    WooCommerce writes the country before some (`JP13`, `TH-10`), and where it has no list of codes, whatever the buyer
    typed: that is no code, and nothing was promised, so it is no problem either.
    """
    if not isinstance(raw, str) or country is None:
        return None
    code = raw.strip(_BLANK).upper()
    if len(code) > _REGION and code.startswith(country):
        code = code.removeprefix(country).removeprefix("-")
    return code if code.isascii() and code.isalnum() and len(code) <= _SUBDIVISION else None


def locale(raw: object) -> Read:
    """Return the BCP 47 tag with language, script and region, in canonical case (`zh-Hant-TW`, `de-DE`, `es-419`).

    Underscores are read as hyphens (WordPress, POSIX); variants, extensions and encodings (`_formal`, `.UTF-8`) are
    dropped. Nothing is added: `zh-TW` stays `zh-TW`.
    """
    if raw is None or raw == "":
        return NOTHING
    if not isinstance(raw, str) or not raw.isascii():
        return None, "is no BCP 47 locale"
    language, *rest = raw.strip().partition(".")[0].partition("@")[0].replace("_", "-").split("-")
    if not language.isalpha() or len(language) not in _LANGUAGE:
        return NOTHING if not raw.strip() else (None, "is no BCP 47 locale")
    tag = language.lower()
    if rest and len(rest[0]) == _SCRIPT and rest[0].isalpha():
        tag = f"{tag}-{rest[0].title()}"
        rest = rest[1:]
    if rest and (
        (len(rest[0]) == _REGION and rest[0].isalpha()) or (len(rest[0]) == _REGION_NUMBER and rest[0].isdigit())
    ):
        tag = f"{tag}-{rest[0].upper()}"
    return tag, None


def currency(raw: object) -> Read:
    """Return the three letters of ISO 4217, upper case."""
    if raw is None or raw == "":
        return NOTHING
    if isinstance(raw, str):
        code = raw.strip(_BLANK).upper()
        if len(code) == _CURRENCY and code.isascii() and code.isalpha():
            return code, None
        if not code:
            return NOTHING
    return None, "is no ISO 4217 currency"
