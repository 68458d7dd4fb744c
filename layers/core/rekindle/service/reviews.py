"""A review: what somebody says of an order on the page that a mail's star leads to, as `review.submitted`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from rekindle.content.links import FormLink
from rekindle.content.pages import preferences, reviews
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.layout import Page
from rekindle.content.pages.reviews import BEST
from rekindle.content.pages.settings import PageSettings
from rekindle.domain.facts import Review
from rekindle.domain.profile import OrderMark
from rekindle.service.visits import Answer, Visit, Visits, day_of


class ReviewDesk:
    """Asks whoever holds the link of a mail what they think of their order, and takes their answer."""

    def __init__(self, visits: Visits, *, new_nonce: Callable[[], str]) -> None:
        """Take who receives them."""
        self._visits = visits
        self._new_nonce = new_nonce

    def show(
        self,
        claim: FormLink,
        published: PageSettings,
        accept_language: str | None = None,
        query: Mapping[str, str] = {},
    ) -> Answer:
        """Return the page that asks, with the star chosen that led here. Changes nothing."""
        visit = self._visits.come(claim, published, accept_language)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        return Answer(200, self._ask(visit, claim, stars=query.get("stars", "")), "shown")

    def save(
        self, claim: FormLink, posted: Posted, published: PageSettings, accept_language: str | None = None
    ) -> Answer:
        """Tell the review, and thank for it."""
        visit = self._visits.come(claim, published, accept_language)
        if posted.one("act") == "unsubscribe":
            delivery = self._visits.tell("review", visit, posted, self._visits.stopped(visit, "review"))
            return Answer(200, preferences.stopped(visit.spoken, visit.look, "?"), "stopped", delivery)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        stars, text = posted.one("stars"), posted.one("text")
        wrong = "wrong.trap" if posted.trapped else "review.stars.none" if stars not in _STARS else ""
        if wrong:
            return Answer(422, self._ask(visit, claim, stars=stars, text=text, wrong=wrong), "refused")
        mark = visit.profile.orders.get(claim.about)
        told = Review(
            rating=int(stars),
            at=visit.now,
            order_id=claim.about or None,
            product_id=mark.products[0] if mark is not None and len(mark.products) == 1 else None,
            text=text or None,
        )
        delivery = self._visits.tell("review", visit, posted, [("review.submitted", told)])
        sites = visit.shop.reviews if visit.shop is not None else {}
        return Answer(200, reviews.done(visit.spoken, visit.look, int(stars), sites), "saved", delivery)

    def _ask(self, visit: Visit, claim: FormLink, *, stars: str = "", text: str = "", wrong: str = "") -> Page:
        mark = visit.profile.orders.get(claim.about) if visit.profile is not None else None
        return reviews.ask(
            visit.spoken,
            visit.look,
            nonce=self._new_nonce(),
            ordered=_ordered(visit, mark),
            stars=stars if stars in _STARS else "",
            text=text,
            wrong=wrong,
        )


_STARS = frozenset(str(count) for count in range(1, BEST + 1))


def _ordered(visit: Visit, mark: OrderMark | None) -> date | None:
    return day_of(visit, mark.placed_at) if mark is not None and mark.placed_at is not None else None
