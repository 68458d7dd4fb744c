"""A text or a push message as a phone shows it: a page by itself, for the browser and for the contact sheet."""

from __future__ import annotations

from urllib.parse import urlsplit

from markupsafe import Markup

from rekindle.content.previews import Short
from rekindle.domain.words import counted

#: CSS pixels of the page: a narrow phone.
WIDTH = 360

_PAGE = Markup("""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: {width}px; min-height: 100vh; display: flex; flex-direction: column;
  font: 16px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: #16130f; }}
.text {{ background: #fff; }}
header {{ padding: 16px 20px 12px; text-align: center; background: #f4f2ef; border-bottom: 1px solid #e2ddd6;
  font-weight: 600; overflow-wrap: anywhere; }}
.bubble {{ max-width: 84%; margin: 18px 14px; padding: 10px 15px; border-radius: 20px; background: #e9e6e2;
  align-self: start; overflow-wrap: anywhere; white-space: pre-wrap; }}
.lock {{ padding: 40px 14px; background: linear-gradient(165deg, #3b2a4f, #8a3d34 60%, #d98a4b); }}
.hour {{ color: #fff; text-align: center; font-size: 62px; font-weight: 300; line-height: 1; margin-bottom: 42px; }}
.note {{ display: grid; grid-template-columns: 40px minmax(0, 1fr); gap: 0 12px; padding: 14px; border-radius: 20px;
  background: #f6f2ee; }}
.note i {{ grid-row: span 3; width: 40px; height: 40px; border-radius: 10px; display: grid; place-items: center;
  background: #b83a0b; color: #fff; font: 600 19px/1 system-ui, sans-serif; }}
.note small {{ color: #6d645d; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.note b, .note p {{ margin: 0; overflow-wrap: anywhere; }}
.note img {{ grid-column: 1 / -1; width: 100%; max-height: 160px; margin-top: 12px; border-radius: 12px;
  object-fit: cover; }}
</style>
</head>
{body}
</html>
""")
_TEXT = Markup('<body class="text"><header>{sender}</header><p class="bubble" dir="{dir}">{text}</p></body>')
_PUSH = Markup(
    '<body class="lock"><div class="hour">09:41</div><div class="note" dir="{dir}"><i aria-hidden="true">{initial}</i>'
    "<small>{host}</small><b>{title}</b><p>{body}</p>{image}</div></body>"
)
_IMAGE = Markup('<img src="{}" alt="">')


def phone(short: Short) -> str:
    """Return the page."""
    way = "rtl" if short.rtl else "ltr"
    if short.push is None:
        body = _TEXT.format(sender=short.shop.sms_sender or short.shop.name, dir=way, text=short.text)
    else:
        push = short.push
        body = _PUSH.format(
            dir=way,
            initial=short.shop.name[:1],
            # Who writes, a browser says itself: the site that asked whether it may.
            host=urlsplit(short.shop.url).hostname or short.shop.name,
            title=push.title,
            body=push.body,
            image=_IMAGE.format(push.image) if push.image else "",
        )
    return str(_PAGE.format(language=short.locale, title=str(short.named), width=WIDTH, body=body))


def costs(short: Short) -> str:
    """Return how long a text is, as phone networks count: `2 segments of GSM-7, 175 characters`."""
    found = short.length
    return f"{counted(found.segments, 'segment')} of {found.alphabet}, {counted(found.units, 'character')}"
