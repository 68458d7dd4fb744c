"""A birthday in three fields, of which the year may stay empty, and what was typed there as traits keep it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from rekindle.content.pages import forms
from rekindle.content.pages.forms import Notes, Option
from rekindle.content.pages.texts import plain, say
from rekindle.domain.traits import birthday

#: The names of the fields.
FIELDS = ("day", "month", "year")


def fields(spoken: str, typed: Sequence[str], notes: Notes, *, after: Markup | str = "") -> Markup:
    """Return the group of fields with what was typed in them, and what stands below."""
    day, month, year = typed
    months = [Option("", plain(spoken, "preferences.month.none"))]
    months += [Option(str(number), plain(spoken, f"month.{number}")) for number in range(1, 13)]
    each = [
        forms.line("day", say(spoken, "preferences.day"), day, most=2, fills="bday-day", mode="numeric"),
        forms.select("month", say(spoken, "preferences.month"), months, month),
        forms.line("year", say(spoken, "preferences.year"), year, most=4, fills="bday-year", mode="numeric"),
    ]
    return forms.group("birthday", say(spoken, "preferences.birthday"), each, notes, after=after)


def kept(typed: Sequence[str], today: date) -> tuple[str | None, str | None]:
    """Return the birthday as traits keep it, or the name of the text that says what is wrong."""
    day, month, year = typed
    if not (day and month):
        return None, "preferences.birthday.part"
    if not all(part.isdecimal() and len(part) <= 4 for part in (day, month, year or "0")):  # noqa: PLR2004
        return None, "preferences.birthday.wrong"
    text = f"{int(year):04}-{int(month):02}-{int(day):02}" if year else f"--{int(month):02}-{int(day):02}"
    found = birthday(text, today)
    return found, None if found is not None else "preferences.birthday.wrong"
