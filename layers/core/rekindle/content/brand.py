"""How an installation's mails look: colours, font, logo, contact. What `brand.yaml` says, with good defaults."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct


class Colors(Struct, frozen=True, kw_only=True):
    """Hex colours by their part in a mail. `accent` is the button and links, `on_accent` what stands on it."""

    background: str
    surface: str
    text: str
    muted: str
    line: str
    accent: str
    on_accent: str


LIGHT = Colors(
    background="#f4f3f0",
    surface="#ffffff",
    text="#1d1d1f",
    muted="#63636b",
    line="#e6e4df",
    accent="#1f4d3f",
    on_accent="#ffffff",
)
DARK = Colors(
    background="#121214",
    surface="#1c1c1f",
    text="#f2f1ee",
    muted="#a8a8b0",
    line="#34343a",
    accent="#8fd0b6",
    on_accent="#0f241d",
)


class Social(Struct, frozen=True, kw_only=True):
    """A profile elsewhere, linked in the footer of marketing mails."""

    name: str
    url: str


class Brand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The look of every mail. Lengths are CSS pixels."""

    colors: Colors = LIGHT
    dark: Colors = DARK
    font: str = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    heading_font: str = ""
    """as `font` where it is empty"""
    radius: int = 8
    """of buttons and pictures"""
    logo: str | None = None
    logo_width: int = 140
    tagline: str = ""
    social: tuple[Social, ...] = ()
    email: str | None = None
    phone: str | None = None
    help_url: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as the dict that templates see. It is shared: nobody changes it."""
        return _plain(self)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two hex colours, 1 to 21 (WCAG 2.2, 1.4.3)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def legible(ground: str, *colors: str, least: float = 4.5) -> str:
    """Return the first of these colours that can be read on that ground; the last where none can."""
    return next((color for color in colors if contrast(color, ground) >= least), colors[-1])


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) > 4 else "".join(digit * 2 for digit in color[1:])  # noqa: PLR2004  # "#abc" is short
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004  # sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(maxsize=8)
def _plain(brand: Brand) -> dict[str, Any]:
    return {
        "colors": msgspec.structs.asdict(brand.colors),
        "dark": msgspec.structs.asdict(brand.dark),
        "font": brand.font,
        "heading_font": brand.heading_font or brand.font,
        "radius": brand.radius,
        "logo": brand.logo,
        "logo_width": brand.logo_width,
        "tagline": brand.tagline,
        "social": [{"name": one.name, "url": one.url} for one in brand.social],
        "contact": {"email": brand.email, "phone": brand.phone, "url": brand.help_url},
    }
