"""Push messages, ready to go: what `Deliver` does on the channel push (DESIGN §6, Sending).

One message goes to every browser in which the person allowed push, each tried once under the one lease. It is sent
where any browser's service took it; what a service did with the others is theirs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from rekindle.domain.errors import (
    AddressGoneError,
    ContentError,
    MailRefusedError,
    MailRejectedError,
    MailUncertainError,
    RekindleError,
)
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.domain.push import browser_key
from rekindle.ports import Clock, Outbox, Pusher, PushMessage
from rekindle.service.deliver import Answer, Attempt
from rekindle.service.people import address_hashes, alias_key

#: After so many services that gave no clear answer the others are left alone: a batch waits behind them.
_PATIENCE = 2


class PushBuilder(Protocol):
    """Makes push messages."""

    def push(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> tuple[tuple[PushMessage, ...], tuple[str, ...]]:
        """Return the message for each of the person's browsers, the one heard of last first, and where links lead.

        Raises `ContentError` when it cannot be made.
        """
        ...


class Pushing:
    """A `Ready` for push. What it hears of one browser keeps no other from being tried."""

    def __init__(
        self, *, pusher: Pusher, builder: PushBuilder, clock: Clock, outbox: Outbox, address_key: bytes
    ) -> None:
        self._pusher = pusher
        self._builder = builder
        self._clock = clock
        self._outbox = outbox
        self._key = address_key

    def __call__(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        """Make the message ready. Its address is the person: a refusal of push covers all their browsers.

        So does one that was accepted under an id that they had before.
        """
        pushes, targets = self._builder.push(message_id, profile, planned, run, self._clock.now())
        mine, moved = self._sorted(pushes, profile)
        if not pushes:
            raise ContentError("there is no browser to push to")
        before = (("push", hashed) for hashed in address_hashes(self._key, profile, "push")[1:])
        return Attempt(profile.id, partial(self._send, mine, moved), targets, also=tuple(before))

    def _sorted(self, pushes: Sequence[PushMessage], profile: Profile) -> tuple[list[PushMessage], list[str]]:
        """Return those for browsers that are this person's still, and which browsers somebody else uses by now."""
        own = {browser_key(push.browser.endpoint): push for push in pushes}
        aliases = {key: alias_key(self._key, profile.shop, "push", key) for key in own}
        owners = self._outbox.owners(tuple(aliases.values())) if aliases else {}
        # What was subscribed before it was a contact point leads nowhere yet: it is whose it has been.
        ours = {None, profile.id, *profile.was}
        moved = [key for key, alias in aliases.items() if owners.get(alias) not in ours]
        return [push for key, push in own.items() if key not in moved], moved

    def _send(self, pushes: Sequence[PushMessage], moved: Sequence[str]) -> Answer:
        if not pushes:
            return Answer(MailRejectedError("somebody else uses this browser by now"), tuple(moved))
        taken: list[str] = []
        gone: list[str] = list(moved)
        refused: list[MailRefusedError] = []
        rejected: list[MailRejectedError] = []
        uncertain: list[MailUncertainError] = []
        for push in pushes:
            if len(uncertain) >= _PATIENCE:
                break
            try:
                taken.append(self._pusher.send(push))
            except MailRefusedError as error:
                refused.append(error)
            except MailRejectedError as error:
                rejected.append(error)
                if isinstance(error, AddressGoneError):
                    gone.append(browser_key(push.browser.endpoint))
            except MailUncertainError as error:
                uncertain.append(error)
        # What may have arrived is never sent again, whatever the other services would still take.
        outcomes: tuple[str | RekindleError, ...] = (*taken, *uncertain, *refused, *rejected)
        return Answer(outcomes[0], tuple(dict.fromkeys(gone)))
