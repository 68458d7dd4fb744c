"""The survey: when somebody has their birthday, what they are interested in, and which reward they like best."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from rekindle.content.languages import canonical
from rekindle.content.pages import birthdays, forms
from rekindle.content.pages.forms import Notes, Option
from rekindle.content.pages.layout import Look, Page, document, link, paragraph
from rekindle.content.pages.settings import worded
from rekindle.content.pages.texts import plain, say

#: What somebody may like best, by the names that conditions know: `profile.preferred_reward == 'free_shipping'`.
REWARDS = ("discount", "free_shipping", "gift")


def ask(
    spoken: str,
    look: Look,
    interests: Mapping[str, Mapping[str, str]],
    *,
    nonce: str,
    chosen: Collection[str] = (),
    reward: str = "",
    birthday: Sequence[str] = ("", "", ""),
    wrong: Mapping[str, str] | None = None,
) -> Page:
    """Return the page that asks; every answer may be left out. `interests` is name → language → words.

    `wrong` is id of a field → the name of the text that says what is wrong with it.
    """
    errors = {id_: say(spoken, text) for id_, text in (wrong or {}).items()}
    title = plain(spoken, "survey", shop=look.name)
    parts = [forms.mistakes(spoken, errors)] if errors else []
    parts.append(paragraph(say(spoken, "survey.said", shop=look.name)))
    fields = [forms.hidden("nonce", nonce) + forms.trap(spoken)]
    if interests:
        options = [_interest(spoken, name, words) for name, words in interests.items()]
        fields.append(
            forms.checks(
                "interest", say(spoken, "survey.interests"), options, chosen, Notes(error=errors.get("interest"))
            )
        )
    rewards = [Option(each, say(spoken, f"survey.reward.{each}")) for each in REWARDS]
    notes = Notes(error=errors.get("reward"))
    fields.append(forms.radios("reward", say(spoken, "survey.reward"), rewards, reward, notes))
    notes = Notes(say(spoken, "preferences.birthday.hint"), errors.get("birthday"))
    fields.append(birthdays.fields(spoken, birthday, notes))
    parts.append(forms.form(say(spoken, "review.send"), *fields, act="send"))
    said = plain(spoken, "wrong.title", title=title) if errors else title
    return document(spoken, look, said, *parts, heading=say(spoken, "survey", shop=look.name))


def done(spoken: str, look: Look, more: str) -> Page:
    """Return the page that thanks. `more` is the address of the preference page."""
    return document(
        spoken,
        look,
        plain(spoken, "review.done"),
        paragraph(say(spoken, "survey.done.said", shop=look.name)),
        link(more, say(spoken, "unsubscribe.again")),
    )


def _interest(spoken: str, name: str, words: Mapping[str, str]) -> Option:
    label, tag = worded(words, spoken)
    return Option(name, Markup.escape(label), "", tag if tag and canonical(tag) != canonical(spoken) else "")
