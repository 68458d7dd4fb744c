"""What a message gives: the coupon of its run, as the table has it, and whether it may be given at all.

`send` asks before it takes a lease, `mint` before it makes a code: the same answer for both, so that neither hands to
the other what the other hands back. Ports and pure code only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from rekindle.domain.errors import ContentError
from rekindle.domain.offers import Coupon, Offer, coupon_id, expiry
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.domain.zones import zone_of
from rekindle.flow.local_time import zone
from rekindle.ports import Coupons
from rekindle.service.library import Library

#: The coupon has to be made first.
Wanted = Literal["wanted"]


class Never(Struct, frozen=True):
    """It will not be given any more, and why."""

    why: str


class Wallet:
    """Coupons by run and offer; what was read is held until the next `prepare`."""

    def __init__(self, *, coupons: Coupons, library: Library) -> None:
        self._coupons = coupons
        self._library = library
        self._known: dict[str, Coupon | None] = {}

    def prepare(self, wanted: Iterable[tuple[Planned, Run]]) -> None:
        """Read the coupons of these messages in one call; none where none of them gives an offer."""
        self._known.clear()
        ids = dict.fromkeys(coupon_id(run.id, planned.offer) for planned, run in wanted if planned.offer)
        if ids:
            found = self._coupons.read(tuple(ids))
            self._known = {one: found.get(one) for one in ids}

    def coupon(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> Coupon | Wanted | Never | None:
        """Return what this message gives; `None` where it gives nothing.

        A coupon that is made is given as it is, whatever has become of its offer, as long as it has not ended.
        """
        if not planned.offer:
            return code_of(message_id, profile, run)
        found = self._of(run.id, planned.offer)
        if found is not None and found.expires_at is not None and found.expires_at <= now:
            return Never("its coupon has expired")
        if found is not None and found.state == "made":
            return found
        book = self._library.newest()
        offer = book.offer(planned.offer, profile.shop)
        if offer is None:
            return Never(f"the offer '{planned.offer}' is not given any more")
        ends = expiry(offer, now, *zones(profile, book.shops[profile.shop].zone))
        return Never(f"the offer '{planned.offer}' has ended") if ends is not None and ends <= now else "wanted"

    def given(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Coupon | None:
        """Return what this message gives, when it is made. Raises `ContentError` where it gives what is not there."""
        if not planned.offer:
            return code_of(message_id, profile, run)
        found = self._of(run.id, planned.offer)
        if found is None or found.state != "made":
            raise ContentError(f"the coupon of the offer '{planned.offer}' is not made")
        return found

    def offer(self, name: str, shop: str) -> Offer | None:
        """Return the offer as this shop gives it now."""
        return self._library.newest().offer(name, shop)

    def _of(self, run: str, offer: str) -> Coupon | None:
        key = coupon_id(run, offer)
        if key not in self._known:
            self._known[key] = self._coupons.read((key,)).get(key)
        return self._known[key]


def code_of(message_id: str, profile: Profile, run: Run) -> Coupon | None:
    """Return what a step's own `code` gives, as a coupon of no offer."""
    visit = next((visit for visit, message in run.messages.items() if message == message_id), None)
    code = run.codes.get(visit) if visit is not None else None
    if code is None:
        return None
    return Coupon(
        run=run.id,
        offer="",
        shop=profile.shop,
        profile_id=profile.id,
        message_id=message_id,
        state="made",
        terms=Offer(name="", kind="fixed", life=0),
        issued_at=run.entered_at,
        code=code,
    )


def zones(profile: Profile, shop_zone: str) -> tuple[ZoneInfo, ZoneInfo]:
    """Return the zone that this person lives in, as far as is known, and the shop's."""
    home = zone(shop_zone) or ZoneInfo("UTC")
    known = zone_of(profile)
    return (zone(known[0]) if known is not None else None) or home, home
