"""Read what marketers write about shops and about the brand: YAML in, checked values out, every error with its line.

Publish only: imports pydantic, and Babel through `rekindle.content.locales`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import available_timezones

import msgspec
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rekindle.content import locales
from rekindle.content.brand import DARK, LIGHT, Brand, Colors, Social
from rekindle.content.context import web
from rekindle.domain.errors import ContentError
from rekindle.flow.program import Shop
from rekindle.flow.yaml_source import Positions, load

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_FONT = re.compile(r"[\w ,'\-]+\Z")
_HOST = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z")


def _line(value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise ValueError("it is empty: write something")
    if any(not char.isprintable() for char in text) or any(mark in text for mark in ("{{", "{%", "{#")):
        raise ValueError("it holds characters that cannot be shown: type it again")
    return text


def _address(value: str) -> str:
    address = web(value)
    if address is None or "{" in address:
        raise ValueError("this is no address on the web: write it whole, with https://")
    return address


def _email(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"this is no e-mail address: {error}") from error
    return found.ascii_email or found.normalized


def _host(value: str) -> str:
    if not _HOST.match(value.lower()):
        raise ValueError("this is no domain: write it as in links.acme.example, without https://")
    return value.lower()


def _currency(value: str) -> str:
    if not locales.known_currency(value):
        raise ValueError("no such currency: write the three letters of ISO 4217, as in EUR")
    return value


def _locale(value: str) -> str:
    if not locales.known_locale(value):
        raise ValueError("no such locale: write language and country, as in en-GB")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("no such time zone: write its IANA name, as in Europe/London")
    return value


def _color(value: str) -> str:
    if not _COLOR.match(value):
        raise ValueError('no such colour: write it as "#1f4d3f", between quotes')
    return value.lower()


def _font(value: str) -> str:
    if not _FONT.match(value):
        raise ValueError("a list of fonts has letters, commas and 'single quotes' only")
    return value


def _switch(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


Line = Annotated[str, AfterValidator(_line), Field(max_length=500)]
Web = Annotated[str, AfterValidator(_address)]
Email = Annotated[str, AfterValidator(_email)]
Color = Annotated[str, AfterValidator(_color)]
Font = Annotated[str, AfterValidator(_font)]
Switch = Annotated[bool, BeforeValidator(_switch)]


M = TypeVar("M", bound=BaseModel)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Sender(_Model):
    name: Line
    email: Email
    reply_to: Email | None = None


class _ShopFile(_Model):
    name: Line
    platform: Literal["shopify", "woocommerce"]
    url: Web
    sender: _Sender
    postal_address: Line
    currency: Annotated[str, AfterValidator(_currency)]
    locale: Annotated[str, AfterValidator(_locale)]
    zone: Annotated[str, AfterValidator(_zone)]
    logo: Web | None = None
    link_domain: Annotated[str, AfterValidator(_host)] | None = None
    flows: dict[str, Switch] = {}


class _Palette(_Model):
    background: Color | None = None
    surface: Color | None = None
    text: Color | None = None
    muted: Color | None = None
    line: Color | None = None
    accent: Color | None = None
    on_accent: Color | None = None


class _Button(_Model):
    radius: Annotated[int, Field(ge=0, le=40)] = 8


class _Logo(_Model):
    url: Web
    width: Annotated[int, Field(ge=40, le=400)] = 140


class _Social(_Model):
    name: Line
    url: Web


class _Contact(_Model):
    email: Email | None = None
    phone: Line | None = None
    url: Web | None = None


class _BrandFile(_Model):
    colors: _Palette = _Palette()
    dark: _Palette = _Palette()
    font: Font = Brand().font
    heading_font: Font = ""
    button: _Button = _Button()
    logo: _Logo | None = None
    tagline: Line | None = None
    social: Annotated[list[_Social], Field(max_length=8)] = []
    contact: _Contact = _Contact()


def parse_shop(text: str, *, file: str) -> tuple[Shop | None, tuple[ContentError, ...]]:
    """Return the shop of `shops/<id>.yaml`, or what is wrong with it."""
    name = file.rpartition("/")[2].rpartition(".")[0]
    found, problems, _ = _read(_ShopFile, text, file)
    if not _ID.match(name):
        hint = "a shop's id is lower-case letters, digits and hyphens: rename the file"
        problems = (*problems, ContentError(f"“{name}” cannot be a shop's id", file=file, line=1, hint=hint))
    if found is None or problems:
        return None, problems
    return Shop(
        id=name,
        name=found.name,
        platform=found.platform,
        url=found.url,
        sender_email=found.sender.email,
        sender_name=found.sender.name,
        reply_to=found.sender.reply_to,
        postal_address=found.postal_address,
        currency=found.currency,
        locale=found.locale,
        zone=found.zone,
        logo=found.logo,
        link_domain=found.link_domain,
        flows=dict(sorted(found.flows.items())),
    ), ()


def parse_brand(text: str, *, file: str) -> tuple[Brand | None, tuple[ContentError, ...]]:
    """Return the brand of `brand.yaml`, or what is wrong with it. What it leaves out keeps its default."""
    found, problems, positions = _read(_BrandFile, text, file)
    if found is None:
        return None, problems
    light, dark = _palette(LIGHT, found.colors), _palette(DARK, found.dark)
    problems = (*_faint(light, "colors", positions, file), *_faint(dark, "dark", positions, file))
    if problems:
        return None, problems
    return Brand(
        colors=light,
        dark=dark,
        font=found.font,
        heading_font=found.heading_font,
        radius=found.button.radius,
        logo=found.logo.url if found.logo else None,
        logo_width=found.logo.width if found.logo else Brand().logo_width,
        tagline=found.tagline or "",
        social=tuple(Social(name=one.name, url=one.url) for one in found.social),
        email=found.contact.email,
        phone=found.contact.phone,
        help_url=found.contact.url,
    ), ()


def _read(model: type[M], text: str, file: str) -> tuple[M | None, tuple[ContentError, ...], Positions]:
    try:
        data, positions = load(text, file)
    except ContentError as error:
        return None, (error,), Positions({})
    if not isinstance(data, dict):
        hint = "see the README beside it for an example"
        return None, (ContentError("this file says nothing", file=file, line=1, hint=hint),), positions
    try:
        return model.model_validate(data), (), positions
    except ValidationError as error:
        problems = tuple(_problem(found, positions, file) for found in error.errors(include_url=False))
        return None, problems, positions


def _problem(found: Any, positions: Positions, file: str) -> ContentError:
    path = tuple(part for part in found["loc"] if part != "[key]")
    name = ".".join(str(part) for part in path)
    line = positions.line(path)
    kind = found["type"]
    if kind == "missing":
        return ContentError(f"{name} is missing", file=file, line=line, hint=f"add a line {path[-1]}: …")
    if kind == "extra_forbidden":
        return ContentError(f"{name} means nothing here", file=file, line=line, hint="check the spelling, or remove it")
    message, _, hint = str(found["msg"]).removeprefix("Value error, ").partition(": ")
    return ContentError(f"{name}: {message}", file=file, line=line, hint=hint or None)


def _palette(default: Colors, given: _Palette) -> Colors:
    return msgspec.structs.replace(default, **given.model_dump(exclude_none=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two hex colours, 1 to 21 (WCAG 2.2, 1.4.3)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) > 4 else "".join(digit * 2 for digit in color[1:])  # noqa: PLR2004  # "#abc" is short
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004  # sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _faint(palette: Colors, key: str, positions: Positions, file: str) -> tuple[ContentError, ...]:
    pairs = (("text", "surface"), ("muted", "surface"), ("muted", "background"), ("on_accent", "accent"))
    return tuple(
        ContentError(
            f"{key}.{front} can hardly be read on {key}.{back}: contrast {ratio:.1f}",
            file=file,
            line=positions.line((key, front)),
            hint="4.5 is the least that most people can read: make one lighter or darker",
        )
        for front, back in pairs
        if (ratio := contrast(getattr(palette, front), getattr(palette, back))) < 4.5  # noqa: PLR2004  # WCAG 1.4.3, level AA
    )
