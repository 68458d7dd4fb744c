"""Take the pictures of docs/for-marketers.md, docs/mails.md and docs/operating.md anew: the pages say which.

PYTHONPATH=layers/core .venv/bin/python -m tests.browser.pictures

`pictures/mails-….webp` under a chapter shows the mails of all its flows on a phone, in English;
`pictures/flow-….webp` shows that flow as a graph. `pictures/contact-sheet-….webp` shows all mails in that language.
`pictures/dashboard.webp` shows the stack's dashboard, drawn from the template.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rekindle.cli.contact_sheet import quiet
from rekindle.cli.report import graph
from rekindle.content.previews import Named, Preview, drafts, in_scheme, preview, with_pictures
from rekindle.flow.definition import parse_flow
from rekindle.flow.yaml_source import load
from tests.architecture.template import widgets
from tests.browser import chromium, dashboard
from tests.browser.looks import FILES, NAMES
from tests.support.build import ROOT

GUIDE = ROOT / "docs/for-marketers.md"
PICTURES = ROOT / "docs/pictures"
MAILS = ROOT / "docs/mails.md"
#: What a picture may weigh, in bytes: the page must open on a telephone; of all mails at once, on a desk.
MOST, MOST_OF_ALL = 150_000, 900_000
_QUALITY = 82

_STYLE = """
body{margin:0;padding:16px;background:#eceef3;color:#1a2133;font:13px/1.35 "DejaVu Sans",system-ui,sans-serif}
main{display:grid;width:max-content;grid-template-columns:repeat(COLUMNS,198px);gap:18px 16px}
figure{margin:0}figcaption{height:22px;overflow:hidden}figcaption b{display:block}
.phone{width:198px;height:330px;overflow:hidden;border:1px solid #cfd5e2;border-radius:12px;background:#fff}
iframe{width:360px;height:600px;border:0;transform:scale(.55);transform-origin:0 0}
"""
_FIGURE = Markup(
    '<figure><figcaption><b>{}</b></figcaption><div class="phone"><iframe srcdoc="{}"></iframe></div></figure>'
)


def chapters(page: str) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """Yield the picture of mails of each chapter, if it has one, and the flows that it is about."""
    for chapter in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        flows = tuple(re.findall(r"^### .*\(`([a-z-]+)`\)$", chapter, re.MULTILINE))
        if flows:
            picture = re.search(r"\(pictures/(mails-[a-z-]+\.webp)\)", chapter)
            yield picture[1] if picture else None, flows


def mails_of(steps: Any) -> Iterator[str]:
    """Yield the names of the mails in a flow's steps, in their order."""
    if isinstance(steps, list):
        for step in steps:
            yield from mails_of(step)
    elif isinstance(steps, dict):
        for key, value in steps.items():
            if key == "email":
                yield value
            else:
                yield from mails_of(value)


def _shown(name: str, locale: str) -> Preview:
    named = Named("emails", name)
    found = drafts(FILES, (named,))
    shop, sample = found.shop(None), found.sample(named, locale)
    return preview(
        found,
        name,
        locale=locale,
        shop=shop,
        profile=sample.person(shop),
        run=sample.trip("draft"),
        products=sample.products,
        recommend=sample.recommended(),
        coupon=found.coupon(named, sample, shop),
    )


def _sheet(names: Sequence[str], *, locale: str = "en", columns: int = 4) -> str:
    figures = (
        _FIGURE.format(name, quiet(in_scheme(with_pictures(_shown(name, locale).page, {}, everywhere=True), "light")))
        for name in names
    )
    style = _STYLE.replace("COLUMNS", str(columns))
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><main>{Markup('').join(figures)}</main>"


def _graph(name: str) -> str:
    flow, problems = parse_flow(FILES[f"flows/{name}.yaml"].decode(), file=f"{name}.yaml")
    assert flow is not None, problems
    style = f"body{{margin:0;padding:16px;background:#f6f7fb;font-family:'DejaVu Sans',sans-serif}}{graph.STYLE}"
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{graph.draw(flow)}"


def _pages(guide: str, mails_page: str) -> Iterator[tuple[str, str]]:
    for picture, flows in chapters(guide):
        mails = (mail for flow in flows for mail in mails_of(_steps(flow)))
        if picture is not None:
            yield picture, _sheet(tuple(dict.fromkeys(mails)))
    for name in dict.fromkeys(re.findall(r"\(pictures/flow-([a-z-]+)\.webp\)", guide)):
        yield f"flow-{name}.webp", _graph(name)
    for locale in dict.fromkeys(re.findall(r"\(pictures/contact-sheet-([A-Za-z-]+)\.webp\)", mails_page)):
        yield f"contact-sheet-{locale}.webp", _sheet(NAMES, locale=locale, columns=9)
    yield "dashboard.webp", dashboard.page(widgets())


def _steps(flow: str) -> Any:
    return load(FILES[f"flows/{flow}.yaml"].decode(), flow)[0]["steps"]


def main() -> int:
    """Write the pictures, and return 1 where one is too heavy or could not be taken."""
    program = chromium.find()
    if program is None:
        print("there is no Chromium or Chrome on this machine")  # noqa: T201 - a command
        return 1
    heavy = 0
    with tempfile.TemporaryDirectory() as folder, chromium.browser(program, Path(folder)) as page:
        for name, html in _pages(GUIDE.read_text("utf-8"), MAILS.read_text("utf-8")):
            file = Path(folder) / "page.html"
            file.write_text(html, "utf-8")
            whole = name.startswith("contact-sheet-")
            page.look(width=2000 if whole else 1400 if name == "dashboard.webp" else 1200, scheme="light", height=900)
            page.open("about:blank")
            page.open(file.as_uri())
            scale = 1.4 if name.startswith("mails-") else 0.8 if name == "dashboard.webp" else 1.0
            taken = page.picture("main, svg", margin=16, scale=scale, quality=_QUALITY)
            (PICTURES / name).write_bytes(taken)
            heavy += len(taken) > (MOST_OF_ALL if whole else MOST)
            print(f"{name}: {len(taken) / 1000:.0f} KB")  # noqa: T201
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
