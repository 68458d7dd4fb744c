"""Which desk a signed link leads to: the first part of its address says which form it is, its token whose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rekindle.content.links import (
    BadLinkError,
    Unsubscribe,
    preferences_of,
    read_form,
    read_preferences,
    sign_preferences,
)
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.ports import Clock, Desk, Intake, Secrets
from rekindle.service.friends import FriendDesk
from rekindle.service.preferences import PreferenceDesk
from rekindle.service.reviews import ReviewDesk
from rekindle.service.stay import StayDesk
from rekindle.service.surveys import SurveyDesk
from rekindle.service.visits import Answer, Visits


class FormDesk(Protocol):
    """Shows a form to whoever holds its link, and takes what they post."""

    def show(
        self,
        claim: Any,
        published: PageSettings,
        accept_language: str | None = None,
        query: Mapping[str, str] = {},
    ) -> Answer:
        """Return the page as things are stored now. Changes nothing."""
        ...

    def save(self, claim: Any, posted: Posted, published: PageSettings, accept_language: str | None = None) -> Answer:
        """Do what was posted, and return the page that says so."""
        ...


class Desks:
    """The forms that there are."""

    def __init__(
        self, *, desk: Desk, intake: Intake, clock: Clock, secrets: Secrets, new_nonce: Callable[[], str]
    ) -> None:
        """Take the ports; secrets are asked for when somebody comes. `new_nonce` names each page that is shown."""
        self._desk = desk
        self._intake = intake
        self._clock = clock
        self._secrets = secrets
        self._new_nonce = new_nonce

    def of(self, form: str, token: str) -> tuple[Unsubscribe, FormDesk]:
        """Return whose link this is, and the desk of its form (`p` for preferences). Raises `BadLinkError`."""
        keys = self._secrets.link_keys()
        if form == "p":
            claim: Unsubscribe = read_preferences(keys, token)
            return claim, PreferenceDesk(
                desk=self._desk,
                intake=self._intake,
                clock=self._clock,
                address_key=self._secrets.address_key(),
                new_nonce=self._new_nonce,
            )
        claim = read_form(keys, token)
        if claim.form != form:
            raise BadLinkError("a link to another form")
        visits = Visits(
            desk=self._desk, intake=self._intake, clock=self._clock, address_key=self._secrets.address_key()
        )
        match form:
            case "stay":
                return claim, StayDesk(visits, preferences_of=self._preferences, new_nonce=self._new_nonce)
            case "friend":
                return claim, FriendDesk(visits)
            case "survey":
                return claim, SurveyDesk(visits, preferences_of=self._preferences, new_nonce=self._new_nonce)
            case "review":
                return claim, ReviewDesk(visits, new_nonce=self._new_nonce)
            case _:
                raise BadLinkError("no form of ours")

    def _preferences(self, claim: Unsubscribe) -> str:
        return f"../p/{sign_preferences(self._secrets.link_keys(), preferences_of(claim))}"
