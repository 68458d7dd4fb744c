"""Read what marketers write about offers: `offers/<name>.yaml`, and the codes beside it. Every error with its line.

Publish only: imports pydantic.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from rekindle.content import languages, locales
from rekindle.content.sources import Model, Switch, shaped
from rekindle.domain.errors import ContentError
from rekindle.domain.ids import digest
from rekindle.domain.offers import DEFAULT_LIFE, Gift, Offer, plain_code
from rekindle.flow.durations import PATTERN, seconds

#: What an offer may be called, and what a code may be: it stands in links, and people type it.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
CODE = r"^[^\s,;\"'<>&?#/\\%+]{3,64}$"

_CODE = re.compile(CODE)
_PREFIX = r"^[A-Za-z0-9]{1,20}$"
#: What else stands in a code, and what to write where one cannot be used.
_SHAPES = {
    CODE: "a code has 3 to 64 characters, without spaces and without what an address would cut off, as in BLACK25",
    _PREFIX: "write up to 20 Latin letters and digits, as in HELLO: the dash behind them comes by itself",
}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%?\Z")
_ID = re.compile(r"\d{1,20}\Z")
_HEADINGS = frozenset({"code", "codes", "coupon", "coupon code", "coupon_code", "discount code", "discount_code"})
#: So many mistakes of one file of codes are told.
_MOST_TOLD = 20
_WORTHS = ("percent", "amount", "free_shipping", "gift")


def _percent(value: object) -> Decimal:
    found = _PERCENT.match(str(value).strip()) if isinstance(value, (str, int, float)) else None
    share = Decimal(found.group(1)) if found is not None and not isinstance(value, bool) else Decimal(0)
    if not 0 < share <= 100:  # noqa: PLR2004
        raise ValueError("this is no percentage: write it as in 10%, more than 0 and at most 100")
    return share


def _money(value: object) -> dict[str, Decimal]:
    if not isinstance(value, dict) or not value:
        raise ValueError("say it for each currency: write it as in {EUR: 5, GBP: 4.50}")
    found = {}
    for currency, written in value.items():
        if not locales.known_currency(str(currency)):
            raise ValueError(f"there is no currency {currency}: write the three letters of ISO 4217, as in EUR")
        try:
            amount = Decimal(str(written)) if isinstance(written, (int, float, str)) else Decimal(0)
        except InvalidOperation:
            amount = Decimal(0)
        if isinstance(written, bool) or not amount.is_finite() or not 0 < amount < 10**9 or amount != round(amount, 3):
            raise ValueError(f"“{written}” is no amount of {currency}: write a number above 0, as in 4.50")
        found[str(currency)] = amount
    return found


def _ids(value: object) -> tuple[str, ...]:
    each = value if isinstance(value, list) else [value]
    found = tuple(str(one).strip() for one in each)
    if not found or not all(_ID.match(one) for one in found):
        raise ValueError("these are no ids: write the numbers by which the shop knows them, as in [7301, 7302]")
    return found


def _id(value: object) -> str:
    return _ids(value)[0]


def _life(value: object) -> int:
    return 0 if value == "none" else seconds(value)


def _day(value: object) -> str:
    text = str(value).strip()
    try:
        return date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else _no_day(text)
    except ValueError as error:
        raise ValueError(f"there is no {text}: write a day of the calendar, as in 2026-12-31") from error


def _no_day(text: str) -> str:
    raise ValueError(text)


def _words(value: object) -> dict[str, str]:
    """Return language → words; one text alone is for every language."""
    told: Mapping[object, object] = value if isinstance(value, dict) else {"": value}
    found = {}
    for language, words in told.items():
        tag = languages.canonical(str(language)) if language else ""
        if not isinstance(words, str) or not words.strip() or not words.isprintable() or "{" in words:
            raise ValueError("this cannot be shown: write one line of plain words")
        if language and (not tag or not locales.known_locale(tag)):
            raise ValueError(f"there is no language {language}: write it as in en, ar or zh-Hant")
        found[tag] = " ".join(words.split())
    return found


_MONEY = WithJsonSchema(
    {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}
)
_ONE_ID = {"type": ["integer", "string"], "pattern": r"^\d{1,20}$"}
_IDS = WithJsonSchema({"type": "array", "minItems": 1, "items": _ONE_ID})
_WORDS = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]})
_PERCENTAGE = WithJsonSchema(
    {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 100}, {"type": "string", "pattern": r"^\d.*%$"}]}
)
Money = Annotated[dict[str, Decimal], BeforeValidator(_money), _MONEY]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids), _IDS]
Life = Annotated[
    int, BeforeValidator(_life), WithJsonSchema({"anyOf": [{"type": "string", "pattern": PATTERN}, {"const": "none"}]})
]
Day = Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"})]
Words = Annotated[dict[str, str], BeforeValidator(_words), _WORDS]


class GiftModel(Model):
    """A product that comes free."""

    model_config = ConfigDict(title="Gift")

    product: Annotated[str, BeforeValidator(_id), WithJsonSchema(_ONE_ID)] = Field(description="Its id in the shop.")
    title: Words = Field(description="What mails call it: one text, or one for each language.")
    worth: Money | None = Field(None, description="Its price in each currency: Shopify takes just so much off.")


def _fitting(pattern: str) -> Callable[[str], str]:
    """Return a validator that says in words what `pattern` says to machines."""

    def fitting(value: str) -> str:
        if re.search(pattern, value) is None:
            raise ValueError(f"'{value}' cannot be used here: {_SHAPES[pattern]}")
        return value

    return fitting


class OfferFile(Model):
    """What a message gives. Its name is the file's."""

    model_config = ConfigDict(title="Offer")

    kind: Literal["fixed", "pool", "unique"] = Field(
        description="fixed: one code for all. pool: each person one of those in the file of codes. "
        "unique: a code of their own, made in the shop."
    )
    title: str = Field("", description="What people call it.")
    enabled: Switch = Field(default=True, description="Whether it is given where a shop's file does not say.")
    percent: Annotated[Decimal, BeforeValidator(_percent), _PERCENTAGE] | None = Field(
        None, description="So much off.", examples=["10%"]
    )
    amount: Money | None = Field(None, description="So much off, in each currency.", examples=[{"EUR": 5, "GBP": 4.5}])
    free_shipping: Literal[True] | None = Field(None, description="true: shipping is free.")
    gift: GiftModel | None = Field(None, description="A product that comes free.")
    minimum: Money | None = Field(None, description="The least that must be ordered, in each currency.")
    products: Ids | None = Field(None, description="unique: only for these products, by their ids in the shop.")
    categories: Ids | None = Field(None, description="unique: only for these categories (Shopify: collections).")
    life: Life | None = Field(
        None, description="How long it works, to the end of that day; 3d unless told otherwise, or none."
    )
    until: Day | None = Field(
        None, description="The last day on which it works, instead of a life.", examples=["2026-12-31"]
    )
    code: Annotated[str, AfterValidator(_fitting(CODE)), WithJsonSchema({"type": "string", "pattern": CODE})] | None = (
        Field(None, description="fixed: the code.")
    )
    prefix: (
        Annotated[str, AfterValidator(_fitting(_PREFIX)), WithJsonSchema({"type": "string", "pattern": _PREFIX})] | None
    ) = Field(None, description="unique: what the codes begin with.", examples=["HELLO"])
    once_per_customer: bool | None = Field(None, description="unique: a code works for one order; true unless told.")
    for_friends: bool | None = Field(
        None, description="unique: for whomever this customer sends; each of them can use the code, once."
    )
    low: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        None, description="pool: an alarm rings when fewer codes are left; 50 unless told otherwise."
    )
    shop: str | None = Field(None, description="The one shop that gives it, where there are several.")
    says: Words | None = Field(None, description="What mails call it, instead of what it is worth.")

    @model_validator(mode="after")
    def _fits(self) -> OfferFile:
        given = [name for name in _WORTHS if getattr(self, name) is not None]
        if len(given) != 1:
            here = f", here are {' and '.join(given)}" if given else ""
            raise ValueError(f"an offer gives one thing{here}: say one of {', '.join(_WORTHS)}")
        if self.life is not None and self.until is not None:
            raise ValueError("it has two ends: say life or until")
        own: dict[str, tuple[str, ...]] = {
            "fixed": ("code",),
            "pool": ("low",),
            "unique": ("prefix", "products", "categories", "once_per_customer", "for_friends"),
        }
        for kind, names in own.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"“{name}” belongs to offers of the kind {kind}: {_CURES[kind]}")
        if self.kind == "fixed" and self.code is None:
            raise ValueError("“code” is missing: a fixed offer has one code, which works in the shop already")
        if self.products is not None and self.categories is not None:
            raise ValueError("a code is for products or for categories: say one of them")
        if (self.free_shipping or self.gift) and (self.products or self.categories):
            raise ValueError("products and categories belong to percent and amount: take them out")
        return self


_CURES = {
    "fixed": "take it out, or write kind: fixed",
    "pool": "take it out, or write kind: pool",
    "unique": "set it in the shop, where the codes come from",
}


def parse_offer(text: str, *, file: str) -> tuple[Offer | None, tuple[ContentError, ...]]:
    """Return the offer of `offers/<name>.yaml`, or what is wrong with it. A pool's codes are put in by `with_codes`."""
    name = file.rpartition("/")[2].rpartition(".")[0]
    found, problems, _ = shaped(OfferFile, text, file)
    if not NAME.match(name):
        hint = "use small letters, digits and dashes in the file name"
        problems = (*problems, ContentError(f"'{name}' cannot name an offer", file=file, line=1, hint=hint))
    if found is None or problems:
        return None, problems
    gift = found.gift
    return Offer(
        name=name,
        kind=found.kind,
        enabled=found.enabled,
        percent=found.percent,
        amount=_sorted(found.amount),
        free_shipping=bool(found.free_shipping),
        gift=None
        if gift is None
        else Gift(product=gift.product, title=dict(sorted(gift.title.items())), worth=_sorted(gift.worth)),
        minimum=_sorted(found.minimum),
        products=found.products or (),
        categories=found.categories or (),
        life=DEFAULT_LIFE if found.life is None else found.life,
        until=found.until or "",
        code=found.code or "",
        prefix=(found.prefix or "").upper(),
        once=found.once_per_customer is not False,
        friends=bool(found.for_friends),
        low=(50 if found.low is None else found.low) if found.kind == "pool" else 0,
        shop=found.shop or "",
        says=dict(sorted((found.says or {}).items())),
    ), ()


def parse_codes(text: str, *, file: str) -> tuple[tuple[str, ...] | None, tuple[ContentError, ...]]:
    """Return the codes of `offers/<name>.csv` or `.txt`, in their order, or what is wrong with them.

    One code a line. Of a table that names its columns the one called “code” is taken, else the first.
    """
    rows = list(_csv_rows(text) if file.endswith(".csv") else _lines(text))
    place = 0
    if rows:
        headings = [cell.strip().strip("\ufeff").lower() for cell in rows[0][1]]
        named = next((at for at, heading in enumerate(headings) if heading in _HEADINGS), None)
        if named is not None:
            place, rows = named, rows[1:]
    problems: list[ContentError] = []
    seen: dict[str, int] = {}
    codes: list[str] = []
    for line, cells in rows:
        code = cells[place].strip() if place < len(cells) else ""
        known = seen.get(plain_code(code))
        if not _CODE.match(code) or not code.isprintable():
            hint = "a code has 3 to 64 characters, without spaces and quotes"
            problems.append(ContentError(f"“{code[:40]}” is no code", file=file, line=line, hint=hint))
        elif known is not None:
            hint = "shops compare codes in any case: keep one of them"
            problems.append(ContentError(f"“{code}” stands on line {known} already", file=file, line=line, hint=hint))
        else:
            seen[plain_code(code)] = line
            codes.append(code)
    if not codes and not problems:
        problems.append(ContentError("there are no codes in it", file=file, line=1, hint="write one code a line"))
    if problems:
        left = len(problems) - _MOST_TOLD
        problems = problems[:_MOST_TOLD]
        if left > 0:
            problems.append(ContentError(f"and {left} more lines like these", file=file, line=problems[-1].line))
        return None, tuple(problems)
    return tuple(codes), ()


def pool_of(codes: tuple[str, ...]) -> str:
    """Return the digest under which these codes are published."""
    return digest("pool", *codes)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, [line]


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    separator = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = ["\x00"]
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


def _sorted(money: Mapping[str, Decimal] | None) -> dict[str, Decimal]:
    return dict(sorted((money or {}).items()))
