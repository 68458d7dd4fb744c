"""The pages behind a mail's links, as whole HTML documents.

Small, readable on a phone, in light and dark, without scripts and without anything from elsewhere.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from rekindle.content.languages import accepted, pick

# A name in the other direction keeps it to itself.
_NAME = Markup("<bdi>{}</bdi>")

_PAGE = Markup("""<!doctype html>
<html lang="{lang}" dir="{dir}">
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
<h1>{heading}</h1>
{body}
</main></body>
</html>
""")


_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "ask": "Unsubscribe from {shop}?",
        "ask_nameless": "Unsubscribe?",
        "ask_said": "You will get no more newsletters and offers from {shop}. Mails about your orders still reach you.",
        "ask_said_nameless": "You will get no more newsletters and offers. Mails about your orders still reach you.",
        "button": "Unsubscribe",
        "done": "You are unsubscribed",
        "done_said": "No more newsletters and offers from {shop} will be sent to this address. "
        "Mails about your orders still reach you.",
        "done_said_nameless": "No more newsletters and offers will be sent to this address. "
        "Mails about your orders still reach you.",
        "close": "You can close this page.",
        "bad": "This link does not work",
        "bad_said": "It may have been cut in two by your mail program. Open the mail again and use the link at its "
        "end, or answer the mail: the shop will see to it.",
    },
    "ar": {
        "ask": "إلغاء الاشتراك في رسائل {shop}؟",
        "ask_nameless": "إلغاء الاشتراك؟",
        "ask_said": "لن تصلك بعد الآن نشرات {shop} وعروضها. أما رسائل طلباتك فستظل تصلك.",
        "ask_said_nameless": "لن تصلك بعد الآن نشرات وعروض. أما رسائل طلباتك فستظل تصلك.",
        "button": "إلغاء الاشتراك",
        "done": "أُلغي اشتراكك",
        "done_said": "لن تُرسل إلى هذا العنوان نشرات {shop} وعروضها بعد الآن. أما رسائل طلباتك فستظل تصلك.",
        "done_said_nameless": "لن تُرسل إلى هذا العنوان نشرات وعروض بعد الآن. أما رسائل طلباتك فستظل تصلك.",
        "close": "يمكنك إغلاق هذه الصفحة.",
        "bad": "هذا الرابط لا يعمل",
        "bad_said": "ربما قطعه برنامج البريد لديك. يمكنك فتح الرسالة من جديد واستخدام الرابط الذي في آخرها، "
        "أو الردّ عليها، وسيتولّى المتجر الأمر.",
    },
    "zh-Hant": {
        "ask": "要取消訂閱 {shop} 嗎？",
        "ask_nameless": "要取消訂閱嗎？",
        "ask_said": "您將不再收到 {shop} 的電子報與優惠訊息，但與訂單有關的通知仍會寄給您。",
        "ask_said_nameless": "您將不再收到電子報與優惠訊息，但與訂單有關的通知仍會寄給您。",
        "button": "取消訂閱",
        "done": "已取消訂閱",
        "done_said": "{shop} 的電子報與優惠訊息不會再寄到這個信箱，但與訂單有關的通知仍會寄給您。",
        "done_said_nameless": "電子報與優惠訊息不會再寄到這個信箱，但與訂單有關的通知仍會寄給您。",
        "close": "您可以關閉此頁面。",
        "bad": "這個連結無法使用",
        "bad_said": "連結可能被您的郵件程式截斷了。請重新打開郵件，使用信末的連結；或直接回覆該郵件，商店會為您處理。",
    },
}
_RTL = frozenset({"ar"})


def language(locale: str, accept: str | None) -> str:
    """Return the language of a page: that of the mail which led to it, else what the browser asks for, else English."""
    return pick(_TEXTS, locale) or accepted(accept, _TEXTS) or "en"


def ask(shop: str | None, spoken: str = "en") -> str:
    """Return the page that asks; its button posts, so that a scanner that opens every link unsubscribes nobody."""
    form = Markup('<form method="post" action="?page=1"><button type="submit">{}</button></form>')
    return _page(spoken, shop, "ask", _paragraph(spoken, shop, "ask_said"), form.format(_TEXTS[spoken]["button"]))


def done(shop: str | None, spoken: str = "en") -> str:
    """Return the page that confirms."""
    return _page(spoken, shop, "done", _paragraph(spoken, shop, "done_said"), _paragraph(spoken, shop, "close"))


def bad_link(spoken: str = "en") -> str:
    """Return the page for a link that is not one of ours, or was cut on its way."""
    return _page(spoken, None, "bad", _paragraph(spoken, None, "bad_said"))


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


def _page(spoken: str, shop: str | None, title: str, *body: Markup) -> str:
    direction = "rtl" if spoken in _RTL else "ltr"
    return str(
        _PAGE.format(
            lang=spoken,
            dir=direction,
            title=_said(spoken, shop, title, Markup("{}")),
            heading=_said(spoken, shop, title, _NAME),
            body=Markup("\n").join(body),
        )
    )


def _paragraph(spoken: str, shop: str | None, text: str) -> Markup:
    return Markup("<p>{}</p>").format(_said(spoken, shop, text, _NAME))


def _said(spoken: str, shop: str | None, text: str, name: Markup) -> Markup:
    texts = _TEXTS[spoken]
    written = texts[text] if shop else texts.get(f"{text}_nameless", texts[text])
    return Markup(written).format(shop=name.format(shop or ""))  # noqa: S704 - our own words
