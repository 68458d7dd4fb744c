"""A survey: what somebody answers becomes their traits, and `survey.answered` for flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rekindle.content.links import FormLink, Unsubscribe
from rekindle.content.pages import birthdays, preferences, surveys
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.content.pages.surveys import REWARDS
from rekindle.domain.facts import Form
from rekindle.service.visits import Answer, Visit, Visits

#: The name of the form, for conditions.
NAME = "survey"


class SurveyDesk:
    """Asks whoever holds the link of a mail, and takes their answers."""

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
        """Return the page that asks, with nothing filled in: it tells nobody what was answered before."""
        del query
        visit = self._visits.come(claim, published, accept_language)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        page = surveys.ask(visit.spoken, visit.look, _interests(visit), nonce=self._new_nonce())
        return Answer(200, page, "shown")

    def save(
        self, claim: FormLink, posted: Posted, published: PageSettings, accept_language: str | None = None
    ) -> Answer:
        """Tell the answers that were given, and thank for them. What was left out stays as it is known."""
        visit = self._visits.come(claim, published, accept_language)
        if posted.one("act") == "unsubscribe":
            delivery = self._visits.tell(NAME, visit, posted, self._visits.stopped(visit, NAME))
            return Answer(200, preferences.stopped(visit.spoken, visit.look, "?"), "stopped", delivery)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        answers, wrong = _answers(visit, posted)
        if wrong:
            page = surveys.ask(
                visit.spoken,
                visit.look,
                _interests(visit),
                nonce=self._new_nonce(),
                chosen=posted.all("interest"),
                reward=posted.one("reward"),
                birthday=[posted.one(name) for name in birthdays.FIELDS],
                wrong=wrong,
            )
            return Answer(422, page, "refused")
        told = Form(name=NAME, at=visit.now, answers=answers)
        delivery = self._visits.tell(NAME, visit, posted, [("survey.answered", told)])
        return Answer(200, surveys.done(visit.spoken, visit.look, self._preferences_of(claim)), "saved", delivery)


def _interests(visit: Visit) -> Mapping[str, Mapping[str, str]]:
    return visit.shop.interests if visit.shop is not None else {}


def _answers(visit: Visit, posted: Posted) -> tuple[dict[str, str | tuple[str, ...]], dict[str, str]]:
    """Return the answers by the names of their traits, and what is wrong: id of a field → name of a text."""
    answers: dict[str, str | tuple[str, ...]] = {}
    wrong = {"reward": "wrong.trap"} if posted.trapped else dict[str, str]()
    there, chosen = _interests(visit), posted.all("interest")
    if not chosen <= there.keys():
        wrong["interest"] = "wrong.choice"
    elif chosen:
        answers["interests"] = tuple(name for name in there if name in chosen)
    reward = posted.one("reward")
    if reward in REWARDS:
        answers["preferred_reward"] = reward
    elif reward:
        wrong["reward"] = "wrong.choice"
    typed = [posted.one(name) for name in birthdays.FIELDS]
    if any(typed):
        born, problem = birthdays.kept(typed, visit.now.date())
        if problem is not None:
            wrong["birthday"] = problem
        elif born is not None:
            answers["birthday"] = born
    if not answers and not wrong:
        wrong["reward"] = "survey.empty"
    return answers, wrong
