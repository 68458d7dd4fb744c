"""Every shipped mail in a real browser: on a phone and a desk, in the light and the dark, in each of its languages."""

from __future__ import annotations

import re

import msgspec
import pytest

from rekindle.content.previews import Drafts, Named, drafts
from tests.browser.chromium import Page
from tests.browser.conftest import Site
from tests.browser.looks import FILES, NAMES, Look, audited, html, is_due, looks, taken, wrong_with

REMINDER = Named("emails", "cart-reminder-1")


@pytest.fixture(scope="module")
def found() -> Drafts:
    return drafts(FILES, (REMINDER,))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_mail_can_be_read_everywhere(page: Page, site: Site, name: str) -> None:
    """In each of its languages: with its own sample, when nothing is known but the event itself, and with too much.

    A look that was taken and is the same to a letter is not taken again, except in `make test-long`.
    """
    known, wrong = taken(), {}
    for look in looks(name):
        if is_due(look, known) and (told := wrong_with(look, page, site)):
            wrong[str(look)] = told
    assert wrong == {}


def test_a_look_is_due_when_it_is_new_when_the_mail_has_changed_and_when_all_are_wanted() -> None:
    look, other = Look("a", "en", {"full": "<p>x</p>"}), Look("a", "en", {"full": "<p>y</p>"})
    known = {"a.en": look.hash}
    assert [is_due(one, known, {}) for one in (look, other)] == [False, True]
    assert is_due(look, {}, {})
    assert is_due(look, known, {"REKINDLE_LONG": "1"})
    assert look.hash != Look("a", "en", {"bare": "<p>x</p>"}).hash


def test_pages_are_the_same_whenever_they_are_made() -> None:
    """Or every look would be due for ever."""
    assert [look.hash for look in looks(NAMES[0])] == [look.hash for look in looks(NAMES[0])]


def test_a_mail_from_right_to_left_is_the_mirror_of_one_from_left_to_right(
    page: Page, site: Site, found: Drafts
) -> None:
    """The picture of an item stands where the line begins, its price where it ends."""
    where = (
        "['.picture', '.item-title', '.item-price', 'h1'].map(one => { const box = "
        "document.querySelector(one).getBoundingClientRect(); return [box.left, box.right]; })"
    )
    sides = {}
    for locale in ("en", "ar"):
        page.look(width=640, scheme="light")
        page.open(site.put(f"/mirror.{locale}", html(found, REMINDER.name, locale, found.sample(REMINDER, locale))))
        sides[locale] = page.ask(where)
    (picture, title, price, heading), (picture_r, title_r, price_r, heading_r) = sides["en"], sides["ar"]
    assert picture[1] < title[0] < price[0]
    assert picture_r[0] > title_r[0] > price_r[0]
    assert picture[0] == pytest.approx(640 - picture_r[1], abs=1)
    assert heading == pytest.approx([640 - heading_r[1], 640 - heading_r[0]], abs=1)
    assert page.ask("getComputedStyle(document.querySelector('.item-title')).textAlign") == "right"


def test_a_latin_name_does_not_turn_an_arabic_sentence_round(page: Page, site: Site, found: Drafts) -> None:
    """The comma that follows the name stands left of it, as the sentence goes."""
    sample = found.sample(REMINDER, "ar")
    person = msgspec.structs.replace(sample.profile, first_name="Ann (VIP)")
    page.look(width=640, scheme="light")
    page.open(site.put("/bidi", html(found, REMINDER.name, "ar", msgspec.structs.replace(sample, profile=person))))
    spots = page.ask(
        "(() => { const h1 = document.querySelector('h1'), walk = document.createTreeWalker(h1, 4), all = [];"
        " while (walk.nextNode()) { const range = document.createRange(); range.selectNodeContents(walk.currentNode);"
        " all.push([walk.currentNode.data, range.getBoundingClientRect().left]); } return all; })()"
    )
    (name, name_left), (rest, rest_left) = spots
    assert name == "Ann (VIP)"
    assert rest.startswith("،")
    assert rest_left < name_left


BROKEN = {
    "overflow": "<div style='width: 900px'>wide</div>",
    "picture": "<img src='/pictures/nobody.png' alt='x' width=10 height=10>",
    "contrast": "<p style='color: #999; background: #fff'>faint</p>",
    "small": "<p style='font-size: 11px'>tiny</p>",
    "touch": "<a class='button-link' style='display: inline-block; height: 30px; width: 90px'>Go</a>",
    "cut off": "<p style='overflow: hidden; width: 50px; white-space: nowrap'>longer than its place</p>",
    "letters": "<p style='letter-spacing: 1px'>سلّتك</p>",
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_audit_finds(page: Page, site: Site, what: str) -> None:
    """What it is there for: each, and nothing else."""
    css = "body { background: #fff; color: #111 }"
    url = site.put(
        f"/broken/{what.replace(' ', '-')}",
        f"<!doctype html><html dir=rtl><title>x</title><style>{css}</style><body>{BROKEN[what]}",
    )
    wrong = audited(page, url)
    assert (360, "light") in wrong
    assert {re.match(r"[a-z ]+", one).group() for one in wrong[360, "light"]} == {what}  # type: ignore[union-attr]


def test_the_audit_reads_the_colours_of_the_dark(page: Page, site: Site) -> None:
    style = "body { background: #fff; color: #111 } @media (prefers-color-scheme: dark) { body { background: #222 } }"
    url = site.put("/broken/dark", f"<!doctype html><html><title>x</title><style>{style}</style><body><p>lost</p>")
    assert {scheme for _, scheme in audited(page, url)} == {"dark"}
