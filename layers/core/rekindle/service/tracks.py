"""A link of a message leads on at once; that it was followed is told, and decided on afterwards.

    a click ─▶ functions/track ─ Tracks.follow: where does it lead? ─▶ 302
                    │ the reactions queue, on which what may be a machine's waits a little
                    ▼
               functions/feedback ─ reactions.take: a human? ─▶ the record, and email.clicked as an accepted delivery

Nobody waits for the record: the reader goes where the mail said whether or not it could be kept (decision 0021).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from rekindle.content import utm
from rekindle.content.addresses import in_ascii, is_of
from rekindle.content.links import VISIT_LIFE, VISIT_PARAMETER, Visit, read_track, sign_visit
from rekindle.flow.program import Playbook, Shop
from rekindle.ports import Clock, Message, Outbox, Reaction, Reactions, Secrets, hit, parted
from rekindle.service.library import Library
from rekindle.service.machines import machine

#: After this, hardly any scanner comes: 98 % of the sweeps begin within five minutes of the sending, and more than 99 %
#: within half an hour (putyourlightson/craft-campaign#546).
EARLY = timedelta(minutes=10)
#: Seconds that an early reaction waits before it is decided on, for the rest of a sweep to show.
HOLD = 30

Kind = Literal["opened", "clicked"]

_PLACE = re.compile(r"(?:0|[1-9]\d{0,3})\Z", re.ASCII)

_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """What is known of whoever follows a link: nothing of it is kept."""

    method: str = "GET"
    host: str = ""
    headers: Mapping[str, str] = {}
    """by their names in small letters"""

    def machine(self, kind: Kind) -> str:
        """Return by what it shows that no human made it; empty when nothing does."""
        return machine(self.headers.get("user-agent"), kind, method=self.method, headers=self.headers)


class Followed(NamedTuple):
    """Where a link leads (`None`: nobody knows any more), and what became of telling so."""

    address: str | None
    told: str
    """`noted`, `held`, `known` before, `lost`, or `unknown` where there is nothing to tell of"""


class Tracks:
    """Follows links and notes openings."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        reactions: Reactions,
        library: Library,
        secrets: Secrets,
        clock: Clock,
        hold: int = HOLD,
    ) -> None:
        self._outbox = outbox
        self._reactions = reactions
        self._library = library
        self._secrets = secrets
        self._clock = clock
        self._hold = hold

    def follow(self, token: str, place: str, request: Request) -> Followed:
        """Return where a link leads, having told that it was followed.

        What is not known any more leads to the shop's own page, where it is known whose the link was. Raises
        `BadLinkError` for a token that is not ours, and lets a failure to read the message through.
        """
        claim = read_track(self._secrets.link_keys(), token)
        message = self._outbox.message(claim.message)
        book = self._book()
        shop = book.shops.get(message.shop) if message is not None else _shop_at(book, request.host)
        index = int(place) if _PLACE.match(place) else -1
        target = in_ascii(parted(message.targets[index])[0]) if message and 0 <= index < len(message.targets) else None
        if message is None or target is None:
            return Followed(in_ascii(shop.url) if shop is not None else None, "unknown")
        why = request.machine("clicked")
        now = self._clock.now()
        told = self._tell(message, Reaction(message_id=message.id, kind="clicked", at=now, index=index, machine=why))
        if shop is not None and _is_own(shop, target):
            target = self._signed(target, message, shop, book, known_by=not why and not _early(message, now))
        return Followed(target, told)

    def opened(self, token: str, request: Request) -> str:
        """Tell that a message's picture was looked at; return what became of it. Raises `BadLinkError`."""
        message = self._outbox.message(read_track(self._secrets.link_keys(), token).message)
        if message is None:
            return "unknown"
        why = request.machine("opened")
        return self._tell(message, Reaction(message_id=message.id, kind="opened", at=self._clock.now(), machine=why))

    def _tell(self, message: Message, reaction: Reaction) -> str:
        """Put a reaction on the queue, unless it is known. That it cannot be told must stop nobody."""
        if _known(message, reaction):
            return "known"
        held = not reaction.machine and _early(message, reaction.at)
        if held and reaction.kind == "clicked":
            try:
                self._outbox.note_hit(message.id, hit(reaction.index, reaction.at))
            except Exception:  # noqa: BLE001 - then a sweep shows less well
                _log.exception("a hit is not noted", extra={"message_id": message.id})
        try:
            self._reactions.put(reaction, self._hold if held else 0)
        except Exception:  # noqa: BLE001 - the reader goes on all the same; a metric and an alarm tell of it
            _log.exception("a reaction is lost", extra={"message_id": message.id, "kind": reaction.kind})
            return "lost"
        return "held" if held else "noted"

    def _signed(self, target: str, message: Message, shop: Shop, book: Playbook, *, known_by: bool) -> str:
        """Return an address in the shop with its UTM parameters, and with whose visit it is where a human follows."""
        flow = book.flows.get(message.flow)
        target = utm.tagged(
            target,
            utm.rule(shop.utm, flow.utm if flow is not None else {}),
            {"channel": message.channel, "flow": message.flow, "step": message.step, "shop": shop.id},
        )
        if not known_by:
            return target
        until = int(self._clock.now().timestamp()) + VISIT_LIFE
        token = sign_visit(self._secrets.link_keys(), Visit(shop.id, message.profile_id, until))
        base, mark, fragment = target.partition("#")
        return utm.added(base, f"{VISIT_PARAMETER}={token}") + mark + fragment

    def _book(self) -> Playbook:
        """Return the published playbook; an empty one where it cannot be read: a link leads on without its rules."""
        try:
            return self._library.newest()
        except Exception:  # noqa: BLE001 - as before
            _log.exception("the playbook cannot be read")
            return Playbook(hash="")


def _early(message: Message, at: datetime) -> bool:
    # `at` of the record is when it was delivered, where SES has told: a mail may have waited at the other side's door.
    since = message.at or message.leased_at
    return since is not None and at - since < EARLY


def _known(message: Message, reaction: Reaction) -> bool:
    if reaction.kind == "opened":
        # A click counts as an opening in the record, and is not the event of one: that may still come.
        told = message.machine_opened_at if reaction.machine else message.opened_at
        return told is not None and (bool(reaction.machine) or not message.links)
    if reaction.machine:
        return message.machine_clicked_at is not None
    return parted(message.targets[reaction.index])[0] in message.links


def _is_own(shop: Shop, address: str) -> bool:
    return any(is_of(home, address) for home in (shop.url, *(f"https://{host}" for host in shop.domains)))


def _shop_at(book: Playbook, host: str) -> Shop | None:
    """Return whose link domain this is, or the only shop that there is."""
    of_host = [shop for shop in book.shops.values() if shop.link_domain == host.partition(":")[0].lower()]
    return of_host[0] if of_host else next(iter(book.shops.values())) if len(book.shops) == 1 else None
