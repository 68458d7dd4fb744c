"""Published texts of the short channels: what an SMS and a push message say, and saying it to one person.

They are Jinja2 sources in the language of mails (`rekindle.content.sandbox`), without escaping: neither is HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from jinja2.environment import Template
from msgspec import Struct

from rekindle.content import sandbox
from rekindle.content.context import web
from rekindle.content.mails import MAX_SECONDS, tidy
from rekindle.domain.errors import ContentError

#: The longest SMS that AWS End User Messaging takes (SendTextMessage, MessageBody), in characters.
MAX_SMS = 1_600
#: What fits on a phone's lock screen, and more than most show.
MAX_PUSH_TITLE, MAX_PUSH_BODY = 120, 500
_CACHED = 64

#: The alphabet that every phone network has (3GPP TS 23.038, 6.2.1), and what of it counts twice (6.2.1.1).
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€")
#: How many units fit into a text that goes alone, and into each part of one that does not.
_ALONE: Mapping[str, tuple[int, int]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
#: Typography that the phone alphabet lacks → what is as good there. A single one of them would halve what fits.
_PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
        "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "…": "...", "•": "-", "·": "-", "×": "x",
        "\u00a0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ",
    }
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066\u2067\ufeff\ud800-\udfff]+")
_SPACES = re.compile(" {2,}")
_ISOLATES = re.compile("[\u2068\u2069]")

Alphabet = Literal["GSM-7", "UCS-2"]


class SmsTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text message."""

    name: str
    text: str
    locale: str = ""
    """the language that it is written in; empty where nobody said"""
    coupon: tuple[str, ...] = ()
    """the parts of `coupon` that it shows whatever happens: without one it cannot be sent"""


class PushTemplate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One push message. `url` is where a tap leads, `image` the address of a picture; both may be empty."""

    name: str
    title: str
    body: str
    url: str = ""
    image: str = ""
    locale: str = ""
    """the language that it is written in; empty where nobody said"""
    coupon: tuple[str, ...] = ()
    """the same as of a text message"""


class RenderedPush(Struct, frozen=True, kw_only=True):
    """A push message for one person. `url` and `image` are addresses of the web, or empty."""

    title: str
    body: str
    url: str
    image: str
    locale: str


class Length(Struct, frozen=True):
    """How long a text message is: `units` of its alphabet, and how many texts it is paid as.

    `odd` are the signs that keep it out of the phone alphabet, each once.
    """

    alphabet: Alphabet
    units: int
    segments: int
    odd: str = ""


def length(text: str) -> Length:
    """Return how long the text is on a phone network: networks charge for each segment (3GPP TS 23.038, 23.040)."""
    odd = "".join(dict.fromkeys(sign for sign in text if sign not in _GSM and sign not in _GSM_TWICE))
    alphabet: Alphabet = "UCS-2" if odd else "GSM-7"
    sizes = [_size(sign, alphabet) for sign in text]
    units = sum(sizes)
    alone, each = _ALONE[alphabet]
    if units <= alone:
        return Length(alphabet, units, 1 if units else 0, odd)
    # A sign of two units is never cut in half: it goes into the next part as a whole.
    segments, room = 1, each
    for size in sizes:
        if size > room:
            segments, room = segments + 1, each
        room -= size
    return Length(alphabet, units, segments, odd)


def _size(sign: str, alphabet: Alphabet) -> int:
    if alphabet == "GSM-7":
        return 2 if sign in _GSM_TWICE else 1
    return 2 if ord(sign) > 0xFFFF else 1  # noqa: PLR2004 - a surrogate pair


def plainer(text: str) -> str:
    """Return the text in the phone alphabet where typography alone keeps it out of it; else as it is."""
    plain = text.translate(_PLAIN)
    return plain if not length(plain).odd else text


def render_sms(
    template: SmsTemplate,
    names: Mapping[str, Any],
    clock: Callable[[], float] | None = None,
    seconds: float = MAX_SECONDS,
) -> str:
    """Return the text for this context (`rekindle.content.context`). `clock` is monotonic, in seconds, and bounds it.

    Raises `ContentError` when it is empty or too long, and where `mails.render` does.
    """
    compiled = _compiled(template.text, f"sms/{template.name}")
    said = plainer(_clean(sandbox.run(compiled, names, sandbox.Budget(clock, seconds))))
    if not said:
        raise ContentError("the text message says nothing", file=f"sms/{template.name}")
    if len(said) > MAX_SMS:
        raise ContentError(f"the text message is longer than {MAX_SMS} characters", file=f"sms/{template.name}")
    return said


def render_push(
    template: PushTemplate,
    names: Mapping[str, Any],
    clock: Callable[[], float] | None = None,
    seconds: float = MAX_SECONDS,
) -> RenderedPush:
    """Return the push message for this context. `clock` is monotonic, in seconds, and bounds it.

    What is longer than a screen takes is cut. Raises `ContentError` when title or body is empty.
    """
    budget = sandbox.Budget(clock, seconds)
    file = f"push/{template.name}"

    def said(source: str) -> str:
        return sandbox.run(_compiled(source, file), names, budget)

    title, body = _short(said(template.title), MAX_PUSH_TITLE), _short(said(template.body), MAX_PUSH_BODY)
    if not title or not body:
        raise ContentError(f"the push message has no {'body' if title else 'title'}", file=file)
    url, image = (web(said(source).strip()) or "" for source in (template.url, template.image))
    return RenderedPush(title=title, body=body, url=url, image=image, locale=template.locale)


def _short(text: str, most: int) -> str:
    line = " ".join(_clean(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _clean(text: str) -> str:
    """Return the text without control signs, and without isolates that are not in pairs."""
    said = tidy(_SPACES.sub(" ", _CONTROL.sub(" ", text))).strip()
    marks = "".join(_ISOLATES.findall(said))
    return _ISOLATES.sub("", said) if marks.replace("\u2068\u2069", "") else said


@lru_cache(maxsize=_CACHED)
def _compiled(source: str, file: str) -> Template:
    return sandbox.compiled(source, file, html=False, own=True)
