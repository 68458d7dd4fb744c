"""Fields of forms, each with its label and what is wrong with it, and the reading of what was posted.

A field's mistake stands beside it and describes it (`aria-describedby`, WCAG 3.3.1); `mistakes` lists them all at the
top, with links to the fields. What is read has bounds: a form is a few fields with a few words in each.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from markupsafe import Markup

from rekindle.content.pages.texts import plain, say
from rekindle.domain.errors import RequestError

#: Bytes of a form, fields in it, characters of a value.
MAX_BYTES, MAX_FIELDS, MAX_VALUE = 16_384, 200, 500
#: A field that nobody sees: what fills in everything fills this in too. No browser knows the name from other forms.
TRAP = "leave_this_empty"


class FormError(RequestError):
    """What was posted is not what a form of ours sends."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Posted:
    """The fields of a form that was posted. Values are one line each, without what cannot be shown."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """Return the value of this field; of several the first, where there is none nothing."""
        return next(iter(self._values.get(name, ())), "")

    def all(self, name: str) -> frozenset[str]:
        """Return every value under this name."""
        return frozenset(self._values.get(name, ()))

    def whole(self) -> str:
        """Return all of it as one text, the same for the same form."""
        return repr(sorted((name, tuple(values)) for name, values in self._values.items()))

    @property
    def trapped(self) -> bool:
        """Whether the field was filled in that nobody sees."""
        return bool(self.one(TRAP))


def read_form(body: str | None, *, encoded: bool, content_type: str | None) -> Posted:
    """Return what a browser posted, as API Gateway hands it over (`encoded`: as base64). Raises `FormError`."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormError("not a form", 415)
    given = body or ""
    if len(given) > 2 * MAX_BYTES:
        raise FormError("the form is too large", 413)
    try:
        raw = base64.b64decode(given, validate=True) if encoded else given.encode()
        if len(raw) > MAX_BYTES:
            raise FormError("the form is too large", 413)
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (ValueError, binascii.Error) as error:
        raise FormError("the form is not in its own encoding, or has too many fields") from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(_one_line(value))
    return Posted(found)


def _one_line(value: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in value[: 2 * MAX_VALUE])
    return " ".join(shown.split())[:MAX_VALUE]


# --- fields ----------------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """One of several: its value, its label, more about it, and the language that these are in where it is another."""

    value: str
    label: Markup | str
    about: Markup | str = ""
    lang: str = ""


class Notes(NamedTuple):
    """What is said beside a field: a hint, and what is wrong with it."""

    hint: Markup | None = None
    error: Markup | None = None


_NONE = Notes()


def checks(
    name: str, legend: Markup, options: Iterable[Option], on: Container[str], notes: Notes = _NONE, *, id_: str = ""
) -> Markup:
    """Return boxes to tick: several, or none, of these values. `id_` is the group's where `name` has several groups."""
    return _choices(
        id_ or name, legend, [_choice("checkbox", name, one, checked=one.value in on) for one in options], notes
    )


def radios(name: str, legend: Markup, options: Iterable[Option], chosen: str, notes: Notes = _NONE) -> Markup:
    """Return buttons of which one is chosen."""
    return _choices(name, legend, [_choice("radio", name, one, checked=one.value == chosen) for one in options], notes)


def select(name: str, label: Markup, options: Iterable[Option], chosen: str, notes: Notes = _NONE) -> Markup:
    """Return a list of which one is chosen."""
    listed = Markup("").join(
        Markup('<option value="{}"{}{}>{}</option>').format(
            option.value, _lang(option), _when(" selected", option.value == chosen), option.label
        )
        for option in options
    )
    field = Markup('<select id="{}" name="{}"{}>{}</select>').format(name, name, _described(name, notes), listed)
    return _field(name, label, field, notes)


def line(
    name: str, label: Markup, value: str, notes: Notes = _NONE, *, most: int, fills: str, mode: str = ""
) -> Markup:
    """Return a line of text of at most so many characters. `fills` is what browsers know it as (autocomplete)."""
    field = Markup(
        '<input class="line" id="{}" name="{}" value="{}" maxlength="{}" autocomplete="{}"{}{} dir="auto">'
    ).format(
        name, name, value, most, fills, Markup(' inputmode="{}"').format(mode) if mode else "", _described(name, notes)
    )
    return _field(name, label, field, notes)


def area(name: str, label: Markup, value: str, notes: Notes = _NONE, *, most: int) -> Markup:
    """Return room for a few sentences, of at most so many characters."""
    field = Markup(
        '<textarea class="line" id="{}" name="{}" rows="4" maxlength="{}" dir="auto"{}>{}</textarea>'
    ).format(name, name, most, _described(name, notes), value)
    return _field(name, label, field, notes)


def group(
    id_: str, legend: Markup, fields: Iterable[Markup], notes: Notes = _NONE, *, after: Markup | str = ""
) -> Markup:
    """Return fields that belong together, side by side where there is room, and what stands below them."""
    return Markup(
        '<fieldset id="{}" tabindex="-1"{}><legend>{}</legend>{}<div class="row">{}</div>{}</fieldset>'
    ).format(id_, _described(id_, notes, invalid=False), legend, _notes(id_, notes), Markup("").join(fields), after)


def check(name: str, option: Option, *, on: bool) -> Markup:
    """Return one box to tick."""
    return _choice("checkbox", name, option, checked=on)


def hidden(name: str, *values: str) -> Markup:
    """Return what the form sends along."""
    return Markup("").join(Markup('<input type="hidden" name="{}" value="{}">').format(name, value) for value in values)


def trap(spoken: str) -> Markup:
    """Return the field that nobody sees."""
    return Markup(
        '<div class="trap" aria-hidden="true"><label for="{0}">{1}</label>'
        '<input id="{0}" name="{0}" tabindex="-1" autocomplete="off"></div>'
    ).format(TRAP, plain(spoken, "trap"))


def form(button: Markup, *parts: Markup, query: str = "", act: str = "", quiet: bool = False) -> Markup:
    """Return a form that posts to the page's own address, with this query if any.

    `act` is what the button sends under that name.
    """
    where = Markup(' action="?{}"').format(query) if query else ""
    sent = Markup(' name="act" value="{}"').format(act) if act else ""
    return Markup('<form method="post"{} novalidate>{}<button type="submit"{}{}>{}</button></form>').format(
        where, Markup("\n").join(parts), sent, _when(' class="quiet"', quiet), button
    )


def done(text: Markup, more: Markup) -> Markup:
    """Return what a page says first when something was done; it is read out, and the keyboard goes on from here."""
    return Markup('<div class="said" role="status" tabindex="-1" autofocus><strong>{}</strong><p>{}</p></div>').format(
        text, more
    )


def mistakes(spoken: str, wrong: Mapping[str, Markup]) -> Markup:
    """Return the list of what is wrong: id of the field or group → what."""
    lines = Markup("").join(Markup('<li><a href="#{}">{}</a></li>').format(id_, said) for id_, said in wrong.items())
    return Markup(
        '<div class="said wrong" role="alert" tabindex="-1" autofocus><strong>{}</strong><p>{}</p><ul>{}</ul></div>'
    ).format(say(spoken, "wrong"), say(spoken, "wrong.said"), lines)


# --- within ----------------------------------------------------------------------------------------------------------


def _choices(id_: str, legend: Markup, each: Iterable[Markup], notes: Notes) -> Markup:
    return Markup('<fieldset id="{}" tabindex="-1"{}><legend>{}</legend>{}{}</fieldset>').format(
        id_, _described(id_, notes, invalid=False), legend, _notes(id_, notes), Markup("").join(each)
    )


def _choice(kind: str, name: str, option: Option, *, checked: bool) -> Markup:
    about = Markup("<small>{}</small>").format(option.about) if option.about else ""
    return Markup('<label class="choice"{}><input type="{}" name="{}" value="{}"{}><span>{}{}</span></label>').format(
        _lang(option), kind, name, option.value, _when(" checked", checked), option.label, about
    )


def _field(id_: str, label: Markup, field: Markup, notes: Notes) -> Markup:
    return Markup('<div class="field"><label class="label" for="{}">{}</label>{}{}</div>').format(
        id_, label, _notes(id_, notes), field
    )


def _notes(id_: str, notes: Notes) -> Markup:
    said = [("hint", notes.hint), ("error", notes.error)]
    return Markup("").join(
        Markup('<p class="{0}" id="{1}-{0}">{2}</p>').format(kind, id_, text) for kind, text in said if text is not None
    )


def _described(id_: str, notes: Notes, *, invalid: bool = True) -> Markup:
    by = [f"{id_}-{kind}" for kind, text in (("hint", notes.hint), ("error", notes.error)) if text is not None]
    said = Markup(' aria-describedby="{}"').format(" ".join(by)) if by else Markup("")
    return said + _when(' aria-invalid="true"', invalid and notes.error is not None)


def _lang(option: Option) -> Markup:
    return Markup(' lang="{}" dir="auto"').format(option.lang) if option.lang else Markup("")


def _when(said: str, holds: bool) -> Markup:
    return Markup(said) if holds else Markup("")  # noqa: S704 - our own attribute
