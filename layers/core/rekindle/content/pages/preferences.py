"""The preference page: what somebody gets from a shop, by which ways, how often, and in which language.

It shows what is stored, masked, and sends along what it showed (`was`): so saving tells what the person changed and
nothing else, also when something else was changed elsewhere meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from markupsafe import Markup
from msgspec import Struct

from rekindle.content.languages import canonical
from rekindle.content.pages import birthdays, forms
from rekindle.content.pages.forms import Notes, Option
from rekindle.content.pages.layout import Look, Page, document, paragraph
from rekindle.content.pages.settings import Topic, worded
from rekindle.content.pages.texts import day, plain, say

FREQUENCIES = ("everything", "weekly", "monthly")


class Way(Struct, frozen=True, kw_only=True):
    """A channel by which this person can be reached, with as much of the address as may be shown."""

    channel: str
    to: Markup | None
    on: bool
    dead: bool = False
    """messages to this address came back: it cannot be switched on here"""


class Shown(Struct, frozen=True, kw_only=True):
    """What the page shows: as it is stored, or as it was posted."""

    ways: tuple[Way, ...] = ()
    topics: tuple[tuple[Topic, bool], ...] = ()
    frequency: str = "everything"
    languages: Mapping[str, str] = {}
    language: str = ""
    paused_until: date | None = None
    paused: bool = False
    birthday_known: bool = False
    birthday: tuple[str, str, str] = ("", "", "")
    """day, month and year as they were typed"""
    forget: bool = False

    def on(self) -> tuple[str, ...]:
        """Return the names of all boxes that are ticked."""
        ways = [f"channel.{way.channel}" for way in self.ways if way.on and not way.dead]
        topics = [f"topic.{topic.name}" for topic, on in self.topics if on]
        return (*ways, *topics, *(["pause"] if self.paused else []))

    def was(self) -> tuple[str, ...]:
        """Return what the form sends along to say what was shown."""
        return (*self.on(), f"frequency.{self.frequency}", f"language.{self.language}")


def page(
    spoken: str, look: Look, shown: Shown, *, nonce: str, saved: bool = False, wrong: Mapping[str, str] | None = None
) -> Page:
    """Return the page. `wrong` is id of a field → the name of the text that says what is wrong with it."""
    shop = look.name
    errors = {id_: say(spoken, text) for id_, text in (wrong or {}).items()}
    title = plain(spoken, "preferences", shop=shop)
    parts = [paragraph(say(spoken, "preferences.said", shop=shop))]
    if errors:
        parts.insert(0, forms.mistakes(spoken, errors))
    elif saved:
        parts.insert(0, forms.done(say(spoken, "preferences.saved"), say(spoken, "preferences.saved.said")))
    fields = _fields(spoken, shown, errors)
    hidden = forms.hidden("was", *shown.was()) + forms.hidden("nonce", nonce) + forms.trap(spoken)
    parts.append(forms.form(say(spoken, "preferences.save"), hidden, *fields, act="save"))
    parts.append(_stop(spoken, look))
    said = plain(spoken, "wrong.title", title=title) if errors else title
    return document(spoken, look, said, *parts, heading=say(spoken, "preferences", shop=shop))


def stopped(spoken: str, look: Look, again: str) -> Page:
    """Return the page that confirms that nothing is sent any more. `again` is the address of the preference page."""
    from rekindle.content.pages.layout import link

    return document(
        spoken,
        look,
        plain(spoken, "preferences.stopped"),
        paragraph(say(spoken, "preferences.stopped.said", shop=look.name)),
        link(again, say(spoken, "unsubscribe.again")),
    )


def nobody(spoken: str, look: Look) -> Page:
    """Return the page for somebody of whom nothing is stored any more: they can still stop what may come."""
    return document(
        spoken,
        look,
        plain(spoken, "preferences.nobody"),
        paragraph(say(spoken, "preferences.nobody.said", shop=look.name)),
        forms.form(say(spoken, "preferences.stop.button"), act="unsubscribe"),
    )


def _fields(spoken: str, shown: Shown, errors: Mapping[str, Markup]) -> list[Markup]:
    on = frozenset(shown.on())
    fields = [_ways(spoken, shown, on, errors)]
    if shown.topics:
        fields.append(
            forms.checks(
                "on",
                say(spoken, "preferences.topics"),
                [_topic(spoken, topic) for topic, _ in shown.topics],
                on,
                id_="topics",
            )
        )
    fields.append(
        forms.radios(
            "frequency",
            say(spoken, "preferences.frequency"),
            [Option(each, say(spoken, f"preferences.frequency.{each}")) for each in FREQUENCIES],
            shown.frequency,
            Notes(error=errors.get("frequency")),
        )
    )
    fields.append(_pause(spoken, shown))
    if len(shown.languages) > 1:
        options = [Option(tag, name, lang=tag) for tag, name in shown.languages.items()]
        hint = say(spoken, "preferences.language.hint")
        notes = Notes(hint, errors.get("language"))
        fields.append(forms.select("language", say(spoken, "preferences.language"), options, shown.language, notes))
    fields.append(_birthday(spoken, shown, errors))
    return fields


def _ways(spoken: str, shown: Shown, on: frozenset[str], errors: Mapping[str, Markup]) -> Markup:
    options = [Option(f"channel.{way.channel}", _way(spoken, way)) for way in shown.ways if not way.dead]
    dead = [paragraph(say(spoken, "preferences.dead", address=way.to)) for way in shown.ways if way.dead]
    notes = Notes(error=errors.get("channels"))
    return Markup("").join(
        [forms.checks("on", say(spoken, "preferences.channels"), options, on, notes, id_="channels"), *dead]
    )


def _way(spoken: str, way: Way) -> Markup:
    values = {} if way.to is None else {"address": way.to}
    return say(spoken, f"preferences.channel.{way.channel}", **values)


def _topic(spoken: str, topic: Topic) -> Option:
    title, tag = worded(topic.title, spoken)
    about, _ = worded(topic.about, spoken)
    return Option(f"topic.{topic.name}", title, about, tag if tag and canonical(tag) != canonical(spoken) else "")


def _pause(spoken: str, shown: Shown) -> Markup:
    if shown.paused and shown.paused_until is not None:
        label = say(spoken, "preferences.paused", date=day(spoken, shown.paused_until))
        about = say(spoken, "preferences.paused.hint")
    else:
        label, about = say(spoken, "preferences.pause"), say(spoken, "preferences.pause.hint")
    option = Option("pause", label, about)
    return forms.checks("on", say(spoken, "preferences.rest"), [option], {"pause"} if shown.paused else (), id_="rest")


def _birthday(spoken: str, shown: Shown, errors: Mapping[str, Markup]) -> Markup:
    hint = say(spoken, "preferences.birthday.known" if shown.birthday_known else "preferences.birthday.hint")
    forget = forms.check("forget", Option("1", say(spoken, "preferences.forget")), on=shown.forget)
    notes = Notes(hint, errors.get("birthday"))
    return birthdays.fields(spoken, shown.birthday, notes, after=forget if shown.birthday_known else "")


def _stop(spoken: str, look: Look) -> Markup:
    return Markup("<section><h2>{}</h2>{}{}</section>").format(
        say(spoken, "preferences.stop"),
        paragraph(say(spoken, "preferences.stop.said", shop=look.name)),
        forms.form(say(spoken, "preferences.stop.button"), act="unsubscribe", quiet=True),
    )
