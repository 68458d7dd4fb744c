"""Stay or leave: what somebody who has been silent answers, as an event, a choice or a refusal, in one delivery.

To stay is to agree anew, for the address that the link was sent to: it lifts what a flow has decided meanwhile
(`suppress`). Less is allowed for any address, as on the preference page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from rekindle.content.links import FormLink, Unsubscribe
from rekindle.content.pages import preferences, stay
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.content.pages.stay import Choice
from rekindle.domain.facts import Form, PreferencesTold
from rekindle.service.visits import Answer, Told, Visit, Visits

#: The name of the form, for conditions: `event.name == 'stay-or-leave'`.
NAME = "stay-or-leave"


class StayDesk:
    """Asks whoever holds the link of a mail, and takes their answer."""

    def __init__(
        self, visits: Visits, *, preferences_of: Callable[[Unsubscribe], str], new_nonce: Callable[[], str]
    ) -> None:
        """Take who receives them, and what gives the address of somebody's preference page."""
        self._visits = visits
        self._preferences_of = preferences_of
        self._new_nonce = new_nonce

    def show(
        self,
        claim: FormLink,
        published: PageSettings,
        accept_language: str | None = None,
        query: Mapping[str, str] = {},
    ) -> Answer:
        """Return the page that asks. Changes nothing."""
        del query
        visit = self._visits.come(claim, published, accept_language)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        return Answer(200, stay.ask(visit.spoken, visit.look, nonce=self._new_nonce()), "shown")

    def save(
        self, claim: FormLink, posted: Posted, published: PageSettings, accept_language: str | None = None
    ) -> Answer:
        """Tell the answer, and confirm it."""
        visit = self._visits.come(claim, published, accept_language)
        act = posted.one("act")
        choice: Choice | None = next((each for each in get_args(Choice) if each == act), None)
        if act == "unsubscribe":
            choice = "leave"
        if visit.profile is None and choice != "leave":
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        wrong = "wrong.trap" if posted.trapped else "wrong.choice" if choice is None else ""
        if choice == "stay" and not self._visits.addressed(visit):
            wrong = wrong or "preferences.elsewhere"
        if choice is None or wrong:
            page = stay.ask(visit.spoken, visit.look, nonce=self._new_nonce(), wrong=wrong)
            return Answer(422, page, "refused")
        delivery = self._visits.tell(NAME, visit, posted, self._told(visit, choice))
        page = stay.done(visit.spoken, visit.look, choice, self._preferences_of(claim))
        return Answer(200, page, "stopped" if choice == "leave" else "saved", delivery)

    def _told(self, visit: Visit, choice: Choice) -> tuple[Told, ...]:
        profile, now = visit.profile, visit.now
        answered: Told = ("form.submitted", Form(name=NAME, at=now, answers={"answer": choice}))
        if choice == "leave":
            return (answered, *self._visits.stopped(visit, NAME))
        found = [answered]
        if profile is not None and self._visits.addressed(visit):
            found.append(self._visits.said(profile, visit.claim.channel, "subscribed", now, NAME))
        if choice == "fewer":
            found.append(("preferences.changed", PreferencesTold(at=now, frequency="monthly")))
        return tuple(found)
