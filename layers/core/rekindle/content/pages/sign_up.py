"""Signing up without the shop's scripts, and confirming it: the form, what follows it, what the mail leads to."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from rekindle.content.languages import pick
from rekindle.content.pages import forms
from rekindle.content.pages.forms import Notes, Option
from rekindle.content.pages.layout import Look, Page, document, link, notice, paragraph
from rekindle.content.pages.texts import RTL, plain, say
from rekindle.content.sites import Words

#: Characters of an address (RFC 5321, 4.5.3.1.3) and of a name.
_MAX_EMAIL, _MAX_NAME = 254, 60


def spoken_in(spoken: str, texts: Mapping[str, Words]) -> str:
    """Return the language in which a page in `spoken` shows these words: the page's, else English, else the first."""
    return pick(texts, spoken, "en") or next(iter(texts))


def page(
    spoken: str, look: Look, texts: Mapping[str, Words], *, email: str = "", name: str = "", wrong: bool = False
) -> Page:
    """Return the form, with the words of the popup that it stands for. `wrong`: the address is none."""
    shown = spoken_in(spoken, texts)
    words = texts[shown]
    error = say(spoken, "sign-up.wrong", example="ann@example.com") if wrong else None
    parts = [forms.mistakes(spoken, {"email": error})] if error is not None else []
    parts.append(_words(spoken, shown, words.text))
    field = forms.line(
        "email",
        say(spoken, "sign-up.email"),
        email,
        Notes(error=error),
        most=_MAX_EMAIL,
        fills="email",
        mode="email",
    )
    named = forms.line("first_name", say(spoken, "sign-up.name"), name, most=_MAX_NAME, fills="given-name")
    button = Markup("{}").format(words.button)
    sent = forms.hidden("shown_in", shown) + forms.trap(spoken)
    parts.append(forms.form(button, sent, field, named))
    if words.small:
        parts.append(_words(spoken, shown, words.small))
    title = Markup("{}").format(words.heading)
    return document(
        spoken,
        look,
        plain(spoken, "wrong.title", title=words.heading) if wrong else title,
        *parts,
        heading=_inside(spoken, shown, words.heading),
    )


def sent(spoken: str, look: Look, texts: Mapping[str, Words]) -> Page:
    """Return the page that says what comes next: the same whoever it was, known already or not."""
    thanks = say(spoken, "alert.sent")
    if texts:
        shown = spoken_in(spoken, texts)
        thanks = _inside(spoken, shown, texts[shown].thanks)
    return document(spoken, look, plain(spoken, "sign-up.sent"), forms.done(thanks, say(spoken, "sign-up.sent.said")))


def alert(spoken: str, look: Look, product: str, *, email: str = "", wrong: bool = False) -> Page:
    """Return the form by which somebody asks to be told of a product."""
    error = say(spoken, "sign-up.wrong", example="ann@example.com") if wrong else None
    parts = [forms.mistakes(spoken, {"email": error})] if error is not None else []
    parts.append(paragraph(say(spoken, "alert.said", shop=look.name)))
    wants = [
        forms.check("price", Option("on", say(spoken, "alert.price")), on=True),
        forms.check("stock", Option("on", say(spoken, "alert.stock")), on=True),
    ]
    field = forms.line(
        "email", say(spoken, "sign-up.email"), email, Notes(error=error), most=_MAX_EMAIL, fills="email", mode="email"
    )
    kept = forms.hidden("product", product) + forms.trap(spoken)
    parts.append(forms.form(say(spoken, "alert.button"), kept, *wants, field))
    title = plain(spoken, "alert", shop=look.name)
    said = plain(spoken, "wrong.title", title=title) if wrong else title
    return document(spoken, look, said, *parts, heading=say(spoken, "alert", shop=look.name))


def refused(spoken: str) -> Page:
    """Return the page for what is no form of ours."""
    return notice(spoken, Look(), "refused", "refused.said")


def busy(spoken: str, look: Look) -> Page:
    """Return the page for whoever comes when too many do."""
    return notice(spoken, look, "busy", "busy.said")


def confirm(spoken: str, look: Look, address: Markup, agreed: str, *, about: str = "confirm") -> Page:
    """Return the page behind the mail's link: its button confirms. `agreed` is what was read when it was asked for.

    `about` is `confirm`, or `alert` where it is a product alert.
    """
    shop = look.name
    if about == "alert":
        said = paragraph(say(spoken, "alert.ask.said", shop=shop, address=address))
        asked = [said, forms.form(say(spoken, "alert.yes")), paragraph(say(spoken, "confirm.else"))]
        title = plain(spoken, "alert.ask", shop=shop)
        return document(spoken, look, title, *asked, heading=say(spoken, "alert.ask", shop=shop))
    parts = [paragraph(say(spoken, "confirm.said", shop=shop, address=address))]
    if agreed:
        quoted = [Markup('<div dir="auto">{}</div>').format(line) for line in agreed.splitlines()]
        parts.append(Markup("<blockquote>{}</blockquote>").format(Markup("").join(quoted)))
    parts.append(forms.form(say(spoken, "confirm.button")))
    parts.append(paragraph(say(spoken, "confirm.else")))
    title = plain(spoken, "confirm", shop=shop)
    return document(spoken, look, title, *parts, heading=say(spoken, "confirm", shop=shop))


def stopped(spoken: str, look: Look) -> Page:
    """Return the page for whoever took an alert back."""
    return notice(spoken, look, "alert.stopped", "alert.stopped.said")


def confirmed(spoken: str, look: Look, *, about: str = "confirm") -> Page:
    """Return the page that thanks; an alert can be taken back there."""
    if about == "alert":
        done = forms.done(say(spoken, "alert.done"), say(spoken, "alert.done.said"))
        back = forms.form(say(spoken, "alert.stop"), query="stop=1", quiet=True)
        return document(spoken, look, plain(spoken, "alert.done"), done, back)
    said = forms.done(say(spoken, "confirmed"), say(spoken, "confirmed.said", shop=look.name))
    more = [link(look.url, say(spoken, "confirmed.shop", shop=look.name))] if look.url else []
    return document(spoken, look, plain(spoken, "confirmed.title"), said, *more)


def too_late(spoken: str, look: Look) -> Page:
    """Return the page for a link that is too old, or whose sign-up is not kept any more."""
    return notice(spoken, look, "confirm.late", "confirm.late.said")


def _inside(spoken: str, shown: str, words: str) -> Markup:
    """Return the shop's words, marked where they are in another language than the page."""
    if shown == spoken:
        return Markup("{}").format(words)
    return Markup('<span lang="{}" dir="{}">{}</span>').format(shown, "rtl" if shown in RTL else "ltr", words)


def _words(spoken: str, shown: str, words: str) -> Markup:
    return paragraph(_inside(spoken, shown, words))
