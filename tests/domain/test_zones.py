"""Time zones: told, by region, by country; and every name is one that the zone database knows."""

from __future__ import annotations

import zoneinfo

import pytest

from rekindle.domain.facts import Person
from rekindle.domain.profile import Profile
from rekindle.domain.zones import COUNTRIES, REGIONS, zone_of


@pytest.mark.parametrize(
    ("person", "found"),
    [
        (Person(zone="Asia/Tokyo", country="US", region="CA"), ("Asia/Tokyo", "told")),
        (Person(country="US", region="CA"), ("America/Los_Angeles", "region")),
        (Person(country="US", region="Somewhere"), ("America/New_York", "country")),
        (Person(country="AU", region="WA"), ("Australia/Perth", "region")),
        (Person(country="NL", region="UT"), ("Europe/Amsterdam", "country")),
        (Person(country="TW"), ("Asia/Taipei", "country")),
        (Person(country="ZZ"), None),
        (Person(region="CA"), None),
        (Person(), None),
    ],
)
def test_where_somebody_lives_and_how_it_is_known(person: Person, found: tuple[str, str] | None) -> None:
    assert zone_of(Profile(id="a", shop="tea", person=person)) == found


def test_every_zone_is_known_to_the_zone_database() -> None:
    known = zoneinfo.available_timezones()
    assert {*COUNTRIES.values(), *REGIONS.values()} <= known
    assert all(region[:2] in COUNTRIES and region[2] == "-" for region in REGIONS)


def test_every_country_has_a_zone() -> None:
    from babel import Locale

    codes = map(str, Locale("en").territories)
    countries = {code for code in codes if len(code) == 2 and code.isalpha()}
    nowhere = {
        "AQ",
        "BV",
        "CP",
        "CQ",
        "DG",
        "EA",
        "EU",
        "EZ",
        "HM",
        "IC",
        "QO",
        "TA",
        "UM",
        "UN",
        "XA",
        "XB",
        "XK",
        "ZZ",
        "AC",
    }
    assert countries - nowhere <= set(COUNTRIES)
