"""The contact sheet: one page with every message in every language.

Mails on a phone and a desk, in the light and the dark; texts and push messages as a phone shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from markupsafe import Markup

from rekindle.cli.phone import WIDTH, costs
from rekindle.content.previews import Preview, Short, in_scheme

#: CSS pixels: a narrow phone, and what a mail program on a desk gives a mail.
WIDTHS = (360, 640)
SCHEMES = ("light", "dark")

# Nothing in a mail that is looked at may tell anybody that it was.
_QUIET = (
    '<meta http-equiv="content-security-policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'\">"
)

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --back: #eceef3; --card: #fff; --ink: #1a2133; --muted: #5d677c; --line: #d5dae5; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --back: #11141c; --card: #1a1f2b; --ink: #e9ecf4; --muted: #9aa5ba; --line: #2d3546; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 32px 28px 80px; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
h1 {{ margin: 0; font-size: 28px; letter-spacing: -.02em; }}
header p {{ margin: 4px 0 16px; color: var(--muted); }}
nav {{ display: flex; flex-wrap: wrap; gap: 8px; }}
nav a {{ padding: 4px 12px; border: 1px solid var(--line); border-radius: 999px; background: var(--card);
  color: inherit; text-decoration: none; font-size: 14px; }}
section {{ margin-top: 44px; }}
h2 {{ margin: 0; font-size: 20px; }}
h2 small {{ margin-inline-start: 8px; color: var(--muted); font-size: 14px; font-weight: 400; }}
.line {{ margin: 2px 0 0; max-width: 100ch; }}
.line b {{ font-weight: 600; }}
.line span {{ color: var(--muted); }}
.row {{ display: flex; align-items: flex-start; gap: 18px; margin-top: 14px; overflow-x: auto; zoom: {zoom}; }}
figure {{ flex: none; margin: 0; }}
figcaption {{ margin-bottom: 8px; color: var(--muted); font-size: calc(13px / {zoom}); }}
iframe {{ display: block; height: 900px; border: 1px solid var(--line); border-radius: 14px; background: #fff; }}
iframe.phone {{ height: 470px; border-radius: 28px; }}
</style>
</head>
<body>
<header><h1>{title}</h1><p>{said}</p><nav>{links}</nav></header>
{sections}
<script>
for (const frame of document.querySelectorAll("iframe:not(.phone)")) {{
  const fit = () => {{
    const page = frame.contentDocument && frame.contentDocument.documentElement;
    if (page) frame.style.height = page.scrollHeight + 2 + "px";
  }};
  frame.addEventListener("load", fit);
  fit();
}}
</script>
</body>
</html>
""")

_SECTION = Markup("""<section id="{key}">
<h2>{name} <small>{language}</small></h2>
<p class="line" dir="auto"><b>{subject}</b> <span>{preheader}</span></p>
<div class="row">{frames}</div>
</section>
""")

# Without scripts, and on the page's own ground, which is what lets the page see how high a mail is.
_FRAME = Markup(
    '<figure><figcaption>{width} px, {scheme}</figcaption><iframe width="{outer}" sandbox="allow-same-origin" '
    'title="{name}, {width} px, {scheme}" srcdoc="{page}"></iframe></figure>'
)


_PHONES = Markup("""<section id="{key}">
<h2>{name}</h2>
<div class="row">{frames}</div>
</section>
""")
_PHONE = Markup(
    '<figure><figcaption>{language}, {said}</figcaption><iframe class="phone" width="{outer}" '
    'sandbox="allow-same-origin" title="{name}, {language}" srcdoc="{page}"></iframe></figure>'
)


def contact_sheet(
    mails: Sequence[tuple[Preview, str]],
    shorts: Sequence[tuple[Short, str]] = (),
    *,
    title: str,
    said: str,
    zoom: float = 0.6,
) -> str:
    """Return the page. Each message comes with its HTML as it is to be shown: with pictures that need no network."""
    first: dict[str, str] = {}
    for mail, _ in mails:
        first.setdefault(mail.name, _key(mail))
    for short, _ in shorts:
        first.setdefault(str(short.named), _key(short))
    links = (Markup('<a href="#{}">{}</a>').format(key, name) for name, key in first.items())
    return str(
        _PAGE.format(
            title=title,
            said=said,
            zoom=zoom,
            links=Markup("").join(links),
            sections=Markup("").join((*_sections(mails), *_phones(shorts))),
        )
    )


def _sections(mails: Sequence[tuple[Preview, str]]) -> Iterable[Markup]:
    for mail, page in mails:
        frames = (
            _FRAME.format(
                width=width, outer=width + 2, scheme=scheme, name=mail.name, page=quiet(in_scheme(page, scheme))
            )
            for scheme in SCHEMES
            for width in WIDTHS
        )
        yield _SECTION.format(
            key=_key(mail),
            name=mail.name,
            language=mail.locale,
            subject=mail.rendered.subject,
            preheader=mail.preheader,
            frames=Markup("").join(frames),
        )


def _phones(shorts: Sequence[tuple[Short, str]]) -> Iterable[Markup]:
    """Yield a section for each text and push message, its languages side by side."""
    for named, group in groupby(shorts, key=lambda pair: pair[0].named):
        there = list(group)
        frames = (
            _PHONE.format(
                name=str(named),
                language=short.locale,
                said=costs(short) if short.push is None else "a push message",
                outer=WIDTH + 2,
                page=quiet(page),
            )
            for short, page in there
        )
        yield _PHONES.format(key=_key(there[0][0]), name=str(named), frames=Markup("").join(frames))


def quiet(page: str) -> str:
    """Return the mail so that it fetches nothing from anywhere."""
    head = page.find("<head>")
    return page[: head + 6] + _QUIET + page[head + 6 :] if head >= 0 else _QUIET + page


def _key(one: Preview | Short) -> str:
    name = one.name if isinstance(one, Preview) else f"{one.named.root}-{one.named.name}"
    return f"{name}.{one.locale}"
