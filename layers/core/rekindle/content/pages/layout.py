"""The document that every page is, in the shop's look, and the headers that it is answered with.

Readable on a phone, in light and dark, without scripts and with nothing from elsewhere but the shop's own logo. The
colours are the brand's. Publishing has checked the pairs that mails show; every other part takes the first colour that
can be read where it stands.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from markupsafe import Markup
from msgspec import Struct

from rekindle.content.brand import DARK, LIGHT, Brand, Colors, legible
from rekindle.content.media import placed
from rekindle.content.pages.texts import RTL, plain, say
from rekindle.flow.program import Shop

#: What WCAG asks of the parts of a control that are no words (1.4.11).
_SHAPE = 3.0
_RED, _PINK = "#b3261e", "#ffb4ab"
_FONT = re.compile(r"[\w ,'\-]+\Z")
_LOGO_HEIGHT = 40


class Look(Struct, frozen=True, kw_only=True):
    """How a shop's pages look. Without a `name` the shop is not known, and its texts name none."""

    name: str | None = None
    url: str | None = None
    logo: str | None = None
    light: Colors = LIGHT
    dark: Colors = DARK
    font: str = Brand().font
    heading_font: str = ""
    radius: int = Brand().radius


class Page(NamedTuple):
    """A whole HTML document, and the only addresses from which it shows pictures."""

    html: str
    pictures: tuple[str, ...] = ()


def look_of(brand: Brand, shop: Shop | None) -> Look:
    """Return the look of this shop's pages: the brand's, with the shop's own logo where it has one."""
    fonts = [font if _FONT.match(font) else Brand().font for font in (brand.font, brand.heading_font or brand.font)]
    return Look(
        name=shop.name if shop is not None else None,
        url=shop.url if shop is not None else None,
        # A file of ours is served beside the page (/u/…, /a/…), on whatever domain that is.
        logo=placed(shop.logo or brand.logo, "..") if shop is not None else None,
        light=brand.colors,
        dark=brand.dark,
        font=fonts[0],
        heading_font=fonts[1],
        radius=brand.radius,
    )


def document(spoken: str, look: Look, title: Markup, *parts: Markup, heading: Markup | None = None) -> Page:
    """Return the page with this title (words only) and, as its heading, the same or `heading`."""
    source = _source_of(look.logo)
    return Page(
        str(
            _PAGE.format(
                lang=spoken,
                dir="rtl" if spoken in RTL else "ltr",
                title=title,
                heading=title if heading is None else heading,
                light=_colors(look.light),
                dark=_colors(look.dark),
                font=Markup(look.font),  # noqa: S704 - `look_of` let nothing but names of fonts through
                heading_font=Markup(look.heading_font or look.font),  # noqa: S704 - the same
                radius=look.radius,
                header=_header(look, shows_logo=source is not None),
                parts=Markup("\n").join(parts),
            )
        ),
        (source,) if source is not None else (),
    )


def notice(spoken: str, look: Look, title: str, *texts: str) -> Page:
    """Return a page that only says something: the texts of these names, one paragraph each."""
    said = [paragraph(say(spoken, text, shop=look.name)) for text in texts]
    return document(
        spoken, look, plain(spoken, title, shop=look.name), *said, heading=say(spoken, title, shop=look.name)
    )


def bad_link(spoken: str) -> Page:
    """Return the page for a link that is not one of ours, or was cut on its way."""
    return notice(spoken, Look(), "bad", "bad.said")


def paragraph(text: Markup) -> Markup:
    """Return a paragraph."""
    return Markup("<p>{}</p>").format(text)


def link(url: str, text: Markup) -> Markup:
    """Return a paragraph that is a link to another page of ours."""
    return Markup('<p class="more"><a href="{}">{}</a></p>').format(url, text)


def answer(status: int, page: Page) -> dict[str, Any]:
    """Return the page as API Gateway wants it: nobody may keep it, frame it, or learn the link from it."""
    policy = [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if page.pictures:
        policy.append(f"img-src {' '.join(page.pictures)}")
    return {
        "statusCode": status,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": "; ".join(policy),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        },
        "body": page.html,
    }


def _source_of(address: str | None) -> str | None:
    """Return the source expression of Content Security Policy that allows exactly this picture, if there can be one.

    A query is no part of such an expression, and what separates expressions is written otherwise (CSP 3, 2.3.1).
    """
    if address is not None and address.startswith("../"):
        return "'self'"
    try:
        parts = urlsplit(address or "")
        host = (parts.hostname or "").encode("idna").decode()
        port = f":{parts.port}" if parts.port else ""
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in {"https", "http"} or not re.fullmatch(r"[a-z0-9.-]+", host):
        return None
    return f"{parts.scheme}://{host}{port}{quote(parts.path, safe='/%:@!$&=+*~.-_()')}"


def _header(look: Look, *, shows_logo: bool) -> Markup:
    if look.name is None:
        return Markup("")
    inside = Markup('<span class="wordmark"><bdi>{}</bdi></span>').format(look.name)
    if shows_logo:
        inside = Markup('<img class="logo" src="{}" alt="{}" height="{}">').format(look.logo, look.name, _LOGO_HEIGHT)
    return Markup('<header><a class="home" href="{}" rel="noopener">{}</a></header>\n').format(look.url or "#", inside)


def _colors(of: Colors) -> Markup:
    return Markup(
        "--ground: {}; --paper: {}; --ink: {}; --soft: {}; --line: {}; --accent: {}; --on-accent: {}; "
        "--name: {}; --tick: {}; --wrong: {};"
    ).format(
        of.background,
        of.surface,
        of.text,
        of.muted,
        of.line,
        of.accent,
        of.on_accent,
        legible(of.background, of.text, of.muted),
        legible(of.surface, of.accent, of.text, least=_SHAPE),
        legible(of.surface, _RED, _PINK, of.text),
    )


_PAGE = Markup("""<!doctype html>
<html lang="{lang}" dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; min-height: 100vh; padding: 24px 16px 48px; background: var(--ground); color: var(--ink);
  font: 17px/1.5 {font}; overflow-wrap: anywhere; }}
header, main {{ width: 100%; max-width: 560px; margin: 0 auto; }}
header {{ padding: 8px 0 24px; text-align: center; }}
.home {{ display: inline-block; padding: 4px 8px; border-radius: {radius}px; color: var(--name);
  text-decoration: none; }}
.wordmark {{ font: 700 20px/1.3 {heading_font}; }}
.logo {{ display: block; height: 40px; width: auto; max-width: 240px; object-fit: contain; }}
main {{ padding: 28px 20px; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); }}
h1, h2 {{ margin: 0 0 12px; font-family: {heading_font}; line-height: 1.25; }}
h1 {{ font-size: 26px; }}
h2 {{ font-size: 20px; }}
p {{ margin: 0 0 20px; color: var(--soft); }}
main > p:last-child, section > p:last-child {{ margin-bottom: 0; }}
a {{ color: inherit; }}
.more a {{ display: inline-block; padding: 10px 0; }}
form + p, form + .more {{ margin-top: 20px; }}
blockquote {{ margin: 0 0 24px; padding: 4px 16px; border-inline-start: 4px solid var(--line); color: var(--soft);
  font-size: 15px; }}
section {{ margin-top: 36px; padding-top: 28px; border-top: 1px solid var(--line); }}
fieldset, .field {{ min-width: 0; margin: 0 0 28px; padding: 0; border: 0; }}
legend, .label {{ display: block; padding: 0; margin: 0 0 4px; font-weight: 700; }}
.hint, .error {{ margin: 0 0 8px; font-size: 15px; color: var(--soft); }}
.error {{ color: var(--wrong); font-weight: 600; }}
.choice {{ display: flex; gap: 12px; align-items: flex-start; padding: 10px 0; cursor: pointer; }}
.choice input {{ flex: none; width: 22px; height: 22px; margin: 2px 0 0; accent-color: var(--tick); }}
.choice small {{ display: block; font-size: 15px; color: var(--soft); }}
.row {{ display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-end; }}
.row .field {{ flex: 1 1 72px; margin-bottom: 12px; }}
.row .field:has(select) {{ flex: 2 1 124px; }}
.row .field .label {{ font-size: 15px; font-weight: 400; }}
input.line, textarea.line, select {{ width: 100%; min-height: 48px; padding: 10px 12px; border: 1px solid var(--soft);
  border-radius: {radius}px; background: var(--paper); color: var(--ink); font: inherit; }}
[aria-invalid=true] {{ border: 2px solid var(--wrong) !important; }}
button {{ width: 100%; min-height: 52px; padding: 12px 20px; border: 2px solid var(--accent); border-radius: {radius}px;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer; }}
.stars {{ color: var(--tick); letter-spacing: 2px; white-space: nowrap; }}
.stars i {{ font-style: normal; opacity: 0.35; }}
.code {{ margin: 0 0 20px; padding: 18px; border: 2px dashed var(--soft); border-radius: {radius}px; color: var(--ink);
  font: 700 22px/1.4 ui-monospace, Menlo, Consolas, monospace; text-align: center; overflow-wrap: anywhere; }}
a.go {{ display: block; padding: 14px 20px; border-radius: {radius}px; background: var(--accent);
  color: var(--on-accent); font-weight: 600; text-align: center; text-decoration: none; }}
.choices form + form {{ margin-top: 12px; }}
button.quiet {{ border-color: var(--soft); background: var(--paper); color: var(--ink); }}
.said {{ margin: 0 0 24px; padding: 14px 16px; border: 2px solid var(--tick); border-radius: {radius}px; }}
.said.wrong {{ border-color: var(--wrong); }}
.said p, .said ul {{ margin: 4px 0 0; color: inherit; }}
.said ul {{ padding-inline-start: 20px; }}
.said strong {{ display: block; }}
:focus-visible {{ outline: 3px solid var(--ink); outline-offset: 3px; }}
.trap {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }}
.trap input {{ width: 1px; padding: 0; border: 0; }}
@media (min-width: 600px) {{ body {{ padding-top: 40px; }} main {{ padding: 40px; }} }}
@media (prefers-color-scheme: dark) {{
  .logo {{ padding: 8px 12px; height: 56px; border-radius: 8px; background: #fff; color: #1d1d1f; }}
}}
</style>
</head>
<body>
{header}<main>
<h1>{heading}</h1>
{parts}
</main>
</body>
</html>
""")
