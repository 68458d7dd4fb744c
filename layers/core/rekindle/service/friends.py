"""Where a customer's link for friends leads: the page with their code. It knows nobody who opens it, and acts never."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from rekindle.content.languages import accepted
from rekindle.content.links import FormLink
from rekindle.content.pages import friends
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.content.pages.texts import TEXTS
from rekindle.domain.offers import plain_code
from rekindle.flow.program import Shop
from rekindle.service.visits import Answer, Visits


class FriendDesk:
    """Shows a friend the code of whoever sent them."""

    def __init__(self, visits: Visits) -> None:
        """Take who receives them."""
        self._visits = visits

    def show(
        self,
        claim: FormLink,
        published: PageSettings,
        accept_language: str | None = None,
        query: Mapping[str, str] = {},
    ) -> Answer:
        """Return the page, in the language that the friend's browser asks for: it says nothing of who sent them."""
        del query
        visit = self._visits.come(claim, published, accept_language)
        spoken = accepted(accept_language, TEXTS) or visit.spoken
        known = visit.profile.coupons if visit.profile is not None else ()
        given = next((one for one in known if plain_code(one.code) == plain_code(claim.about)), None)
        if given is None or (given.expires_at is not None and given.expires_at < visit.now):
            return Answer(200, friends.over(spoken, visit.look), "shown")
        page = friends.welcome(spoken, visit.look, given.code, _address(visit.shop, given.code))
        return Answer(200, page, "shown")

    def save(
        self, claim: FormLink, posted: Posted, published: PageSettings, accept_language: str | None = None
    ) -> Answer:
        """Show the page: there is nothing to send."""
        del posted
        return self.show(claim, published, accept_language)


def _address(shop: Shop | None, code: str) -> str | None:
    """Return where the code is used. Shopify has an address that puts it into the basket (its discount links)."""
    if shop is None:
        return None
    return f"{shop.url.rstrip('/')}/discount/{quote(code)}" if shop.platform == "shopify" else shop.url
