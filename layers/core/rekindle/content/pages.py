"""The pages behind a mail's links, as whole HTML documents.

Small, readable on a phone, in light and dark, without scripts and without anything from elsewhere.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark;
  --ink: #1d1d1f; --soft: #5c5c66; --paper: #fff; --ground: #f4f3f0; --strong: #1d1d1f; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #f2f2f4; --soft: #b3b3bd; --paper: #1f1f23; --ground: #131316; --strong: #f2f2f4; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--ground);
  color: var(--ink); font: 17px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }}
main {{ width: 100%; max-width: 460px; background: var(--paper); border-radius: 14px; padding: 36px 32px;
  box-shadow: 0 1px 3px rgb(0 0 0 / .08); }}
h1 {{ font-size: 24px; line-height: 1.25; margin: 0 0 12px; }}
p {{ margin: 0 0 20px; color: var(--soft); }}
p:last-child {{ margin-bottom: 0; }}
button {{ font: inherit; font-weight: 600; width: 100%; padding: 14px 20px; border: 0; border-radius: 10px;
  background: var(--strong); color: var(--paper); cursor: pointer; }}
button:focus-visible {{ outline: 3px solid #4c8bf5; outline-offset: 3px; }}
</style>
</head>
<body><main>
<h1>{title}</h1>
{body}
</main></body>
</html>
""")


def ask(shop: str | None) -> str:
    """Return the page that asks; its button posts, so that a scanner that opens every link unsubscribes nobody."""
    whose = _whose(shop)
    return _page(
        f"Unsubscribe from {shop}?" if shop else "Unsubscribe?",
        Markup(
            "<p>You will get no more newsletters and offers{whose}. Mails about your orders still reach you.</p>\n"
            '<form method="post" action="?page=1"><button type="submit">Unsubscribe</button></form>'
        ).format(whose=whose),
    )


def done(shop: str | None) -> str:
    """Return the page that confirms."""
    whose = _whose(shop)
    return _page(
        "You are unsubscribed",
        Markup(
            "<p>No more newsletters and offers{whose} will be sent to this address. "
            "Mails about your orders still reach you.</p>\n<p>You can close this page.</p>"
        ).format(whose=whose),
    )


def bad_link() -> str:
    """Return the page for a link that is not one of ours, or was cut on its way."""
    return _page(
        "This link does not work",
        Markup(
            "<p>It may have been cut in two by your mail program. Open the mail again and use the link at its end, "
            "or answer the mail: the shop will see to it.</p>"
        ),
    )


def answer(status: int, page: str) -> dict[str, Any]:
    """Return the page as API Gateway wants it: nobody may keep it, frame it, or learn the link from it."""
    return {
        "statusCode": status,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": (
                "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                "frame-ancestors 'none'; base-uri 'none'"
            ),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        },
        "body": page,
    }


def _page(title: str, body: Markup) -> str:
    return str(_PAGE.format(title=escape(title), body=body))


def _whose(shop: str | None) -> Markup:
    return Markup(" from {}").format(shop) if shop else Markup("")
