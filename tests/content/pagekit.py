"""Every page that there is, with something on it: what tests of all pages, and the browser, go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from msgspec.structs import replace

from rekindle.content.pages import friends, layout, masks, preferences, reviews, sign_up, stay, surveys, unsubscribe
from rekindle.content.pages.layout import Look, Page
from rekindle.content.pages.preferences import Shown, Way
from rekindle.content.pages.settings import Topic
from rekindle.content.popups import parse_popup
from rekindle.content.sites import Popup
from tests.support.build import ROOT

SPOKEN = ("en", "ar", "zh-Hant")
Made = Callable[[str, Look], Page]

FULL = Shown(
    ways=(
        Way(channel="email", to=masks.email("ada@example.com"), on=True),
        Way(channel="sms", to=masks.phone("+31201234578"), on=False),
        Way(channel="push", to=None, on=True),
    ),
    topics=(
        (Topic(name="news", title={"en": "News", "ar": "أخبار", "zh-Hant": "消息"}, about={"": "What we make"}), True),
        (Topic(name="offers", title={"": "Offers <b>"}, on=False), False),
    ),
    frequency="weekly",
    languages={"en": "English", "ar": "العربية", "zh-Hant": "繁體中文"},
    language="ar",
    paused_until=date(2026, 4, 1),
    paused=True,
    birthday_known=True,
)
INTERESTS = {"teaware": {"en": "Teaware", "ar": "أدوات الشاي", "zh-Hant": "茶具"}, "tea": {"": "Tea <b>"}}
WRONG = {
    "channels": "preferences.elsewhere",
    "frequency": "wrong.choice",
    "language": "wrong.choice",
    "birthday": "preferences.birthday.wrong",
}
DEAD = replace(FULL, ways=(Way(channel="email", to=masks.email("ada@example.com"), on=False, dead=True),), topics=())


def _shipped() -> Popup:
    file = "popups/newsletter.yaml"
    popup, problems = parse_popup((ROOT / "templates" / file).read_text("utf-8"), file=file)
    assert popup is not None, problems
    return popup


POPUP = _shipped()
WORDS = POPUP.texts
AGREED = f"{WORDS['en'].heading}\n{WORDS['en'].text}\n{WORDS['en'].small}"

#: Name → the page in this language and look. A new page joins here, in each state that looks different.
PAGES: Mapping[str, Made] = {
    "bad-link": lambda spoken, _look: layout.bad_link(spoken),
    "refused": lambda spoken, look: layout.notice(spoken, look, "refused", "refused.said"),
    "unsubscribe": lambda spoken, look: unsubscribe.ask(spoken, look, "/p/token"),
    "unsubscribed": lambda spoken, look: unsubscribe.done(spoken, look, "/p/token"),
    "preferences": lambda spoken, look: preferences.page(spoken, look, Shown(), nonce="n"),
    "preferences-full": lambda spoken, look: preferences.page(spoken, look, FULL, nonce="n"),
    "preferences-saved": lambda spoken, look: preferences.page(spoken, look, DEAD, nonce="n", saved=True),
    "preferences-wrong": lambda spoken, look: preferences.page(
        spoken, look, replace(FULL, birthday=("31", "2", "1990")), nonce="n", wrong=WRONG
    ),
    "preferences-stopped": lambda spoken, look: preferences.stopped(spoken, look, "?"),
    "preferences-nobody": preferences.nobody,
    "stay": lambda spoken, look: stay.ask(spoken, look, nonce="n"),
    "stay-wrong": lambda spoken, look: stay.ask(spoken, look, nonce="n", wrong="preferences.elsewhere"),
    "stay-stayed": lambda spoken, look: stay.done(spoken, look, "stay", "../p/token"),
    "stay-fewer": lambda spoken, look: stay.done(spoken, look, "fewer", "../p/token"),
    "review": lambda spoken, look: reviews.ask(spoken, look, nonce="n", ordered=date(2026, 3, 2), stars="4"),
    "review-wrong": lambda spoken, look: reviews.ask(
        spoken, look, nonce="n", ordered=None, text="Well <b>made</b>", wrong="review.stars.none"
    ),
    "review-good": lambda spoken, look: reviews.done(spoken, look, 5, {"Google": "https://g.page/r/acme/review"}),
    "review-bad": lambda spoken, look: reviews.done(spoken, look, 1, {}),
    "survey": lambda spoken, look: surveys.ask(spoken, look, INTERESTS, nonce="n"),
    "survey-wrong": lambda spoken, look: surveys.ask(
        spoken,
        look,
        INTERESTS,
        nonce="n",
        chosen={"tea"},
        reward="gift",
        birthday=("31", "2", ""),
        wrong={"interest": "wrong.choice", "reward": "survey.empty", "birthday": "preferences.birthday.wrong"},
    ),
    "survey-done": lambda spoken, look: surveys.done(spoken, look, "../p/token"),
    "friend": lambda spoken, look: friends.welcome(
        spoken, look, "FRIEND-B7K2QXW4TZ", "https://shop.example/discount/x"
    ),
    "friend-over": friends.over,
    "stay-left": lambda spoken, look: stay.done(spoken, look, "leave", "../p/token"),
    "sign-up": lambda spoken, look: sign_up.page(spoken, look, WORDS),
    "sign-up-elsewhere": lambda spoken, look: sign_up.page(spoken, look, {"fr": WORDS["en"]}),
    "sign-up-wrong": lambda spoken, look: sign_up.page(spoken, look, WORDS, email="ada@", name="Ada", wrong=True),
    "sign-up-sent": lambda spoken, look: sign_up.sent(spoken, look, WORDS),
    "sign-up-busy": sign_up.busy,
    "confirm": lambda spoken, look: sign_up.confirm(spoken, look, masks.email("ada@example.com"), AGREED),
    "confirmed": sign_up.confirmed,
    "confirm-late": sign_up.too_late,
    "alert": lambda spoken, look: sign_up.alert(spoken, look, "301"),
    "alert-wrong": lambda spoken, look: sign_up.alert(spoken, look, '301"><b>', email="ada@", wrong=True),
    "alert-sent": lambda spoken, look: sign_up.sent(spoken, look, {}),
    "alert-ask": lambda spoken, look: sign_up.confirm(spoken, look, masks.email("ada@example.com"), "", about="alert"),
    "alert-done": lambda spoken, look: sign_up.confirmed(spoken, look, about="alert"),
    "alert-stopped": sign_up.stopped,
}
