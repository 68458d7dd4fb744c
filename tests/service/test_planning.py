"""A campaign is tried on everybody without sending anything: how many, when, in which language, and why not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import RekindleError
from rekindle.domain.facts import Consent, Person
from rekindle.domain.profile import OrderMark, Profile, Run, Touch
from rekindle.flow.program import Flow, Playbook
from rekindle.service.campaigns import due
from rekindle.service.planning import Plan, next_occurrence, plan
from rekindle.service.prices import prices
from tests.service.test_campaigns import book, newsletter
from tests.support.build import T0, flow_of


def person(number: int, *, subscribed: bool = True, **more: Any) -> Profile:
    email = f"c{number}@example.com"
    act = Consent(channel="email", state="subscribed", at=T0, address=email)
    consent = {f"email:{email}": act} if subscribed else {}
    return Profile(id=f"{number:032x}", shop="tea", version=1, email=email, consent=consent, **more)


def planned(flow: Flow, *people: Profile) -> Plan:
    found: Playbook = book(flow)
    return plan(people, found, next_occurrence(due(found, T0, T0 + timedelta(days=30)), flow.name, None))


def test_it_counts_who_would_get_it_by_language_channel_and_hour_and_says_why_others_would_not() -> None:
    just = Touch(T0 + timedelta(hours=1), "m", "email")
    found = planned(
        newsletter(),
        person(1),
        person(2, person=Person(locale="ar-SA")),
        person(3, subscribed=False),
        person(4, touches=(just,)),
    )
    assert (found.people, found.entered, found.messages) == (4, 4, 2)
    assert found.languages == {"en": 1, "ar": 1}
    assert found.channels == {"email": 2}
    assert found.hours == {"2026-03-02 12:00": 2}
    assert found.left_out == {"no consent to marketing e-mail": 1, "smart sending: messages 16h apart": 1}


def test_at_each_recipients_own_hour_it_shows_the_shops_hours() -> None:
    own = newsletter("{once: 2026-03-06T12:00, zone: recipient}")
    found = planned(own, person(1), person(2, person=Person(country="JP")), person(3, person=Person(country="GB")))
    assert found.hours == {"2026-03-06 12:00": 1, "2026-03-06 04:00": 1, "2026-03-06 13:00": 1}


def test_who_is_not_in_the_segment_or_past_the_filter_is_counted_by_that() -> None:
    few = newsletter('{cron: "0 12 * * *", segment: buyers}', more='  when: profile.city == "Utrecht"\n')
    there: dict[str, Any] = {"orders": {"o1": OrderMark(updated_at=T0, events=("order.placed",))}}
    found = planned(few, person(1), person(2, **there), person(3, person=Person(city="Utrecht"), **there))
    assert found.messages == 1
    assert found.left_out == {"segment: buyers": 1, 'filter: profile.city == "Utrecht"': 1}


def test_a_first_message_after_a_wait_is_counted_at_its_hour() -> None:
    later = flow_of(
        "trigger:\n  schedule: {cron: '0 12 * * *'}\nsteps:\n  - wait: 2d\n  - email: letter\n", "newsletter"
    )
    assert planned(later, person(1)).hours == {"2026-03-04 12:00": 1}
    never = flow_of("trigger:\n  schedule: {cron: '0 12 * * *'}\nsteps:\n  - wait: 9d\n  - email: a\n", "newsletter")
    assert planned(never, person(1)).left_out == {"nothing within a week": 1}


def test_what_other_flows_have_under_way_is_left_alone() -> None:
    busy = Run(
        id="r", flow="gone", version="v", playbook="p", entered_at=T0, expires_at=T0 + timedelta(days=9), step="x"
    )
    assert planned(newsletter(), person(1, runs=(busy,), deadline=T0)).messages == 1


def test_what_is_no_campaign_or_of_several_shops_is_said() -> None:
    found = book(newsletter())
    with pytest.raises(RekindleError, match="no campaign nothing"):
        next_occurrence(due(found, T0, T0 + timedelta(days=2)), "nothing", None)
    shops = {name: replace(found.shops["tea"], id=name) for name in ("tea", "coffee")}
    with pytest.raises(RekindleError, match="coffee, tea"):
        next_occurrence(due(replace(found, shops=shops), T0, T0 + timedelta(days=2)), "newsletter", None)


def test_prices_have_a_date_and_a_source() -> None:
    assert prices().of.year >= 2026
    assert prices().source.startswith("AWS")
    assert prices().mail[0].of(10_000_000) == Decimal("1000.0000")
