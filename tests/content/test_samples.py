"""Samples that mails share: `like` names one, in the language of the mail where there is one in it."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from rekindle.content.samples import sample_of_mail
from rekindle.domain.errors import ContentError

FILES = {
    "emails/_samples/person.json": '{"profile": {"first_name": "Ann", "city": "Hove"}, "coupon": {"percent": 5}}',
    "emails/_samples/ar/person.json": '{"profile": {"first_name": "ليلى"}}',
}


def names(mail: str, locale: str = "en", **own: object) -> str | None:
    found = sample_of_mail({**FILES, f"emails/{mail}/sample.json": json.dumps(own)}, mail, locale)
    assert found is not None
    return found[0].profile.first_name


def test_what_a_sample_does_not_say_is_as_in_the_one_that_it_is_like() -> None:
    found = sample_of_mail({**FILES, "emails/m/sample.json": '{"like": "person", "run": {"event": "x"}}'}, "m", "en")
    assert found is not None
    assert (found[0].profile.city, found[0].coupon.percent, found[0].run.event) == ("Hove", Decimal(5), "x")
    assert found[1] == "emails/m/sample.json"


def test_what_it_says_itself_replaces_the_whole_part() -> None:
    assert names("m", like="person", profile={"city": "Bath"}) is None


@pytest.mark.parametrize(("locale", "name"), [("en", "Ann"), ("ar-EG", "ليلى"), ("zh-Hant", "Ann")])
def test_a_shared_sample_comes_in_the_language_of_the_mail(locale: str, name: str) -> None:
    assert names("m", locale, like="person") == name


def test_a_sample_of_the_language_itself_comes_first() -> None:
    files = {**FILES, "emails/m/sample.json": '{"like": "person"}', "emails/m/ar/sample.json": "{}"}
    found = sample_of_mail(files, "m", "ar")
    assert found is not None
    assert (found[0].profile.first_name, found[1]) == (None, "emails/m/ar/sample.json")


def test_a_mail_without_a_sample_has_none() -> None:
    assert sample_of_mail(FILES, "m", "en") is None


def test_a_sample_that_is_like_nothing_is_named_with_its_line() -> None:
    with pytest.raises(ContentError) as caught:
        sample_of_mail({"emails/m/sample.json": '{\n  "like": "nobody"\n}'}, "m", "en")
    assert (caught.value.file, caught.value.line) == ("emails/m/sample.json", 2)
    assert "emails/_samples/nobody.json" in (caught.value.hint or "")


def test_a_mistake_in_a_shared_sample_is_reported_where_it_stands() -> None:
    files = {"emails/_samples/x.json": '{"profil": {}}', "emails/m/sample.json": '{"like": "x"}'}
    with pytest.raises(ContentError) as caught:
        sample_of_mail(files, "m", "en")
    assert caught.value.file == "emails/_samples/x.json"
