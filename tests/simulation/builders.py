"""What `send` builds in simulated worlds: messages that say which template was meant, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rekindle.domain.profile import Planned, Profile, Run
from rekindle.ports import Mail, PushMessage, TextMessage
from rekindle.service.coupons import Wallet
from tests.simulation.story import NUMBER, TARGETS


class PlainMails:
    """A builder whose mails say which template was meant, and whose text is the code that they give."""

    def __init__(self, wallet: Wallet) -> None:
        self._wallet = wallet

    def prepare(self, wanted: Sequence[tuple[Profile, Planned, Run]]) -> None:
        """Nothing to read."""

    def build(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Mail:
        """Return a mail whose subject is the template's name. Raises `ContentError` where its code is not made."""
        coupon = self._wallet.given(message_id, profile, planned, run) if planned.offer else None
        return Mail(
            message_id=message_id,
            sender="hello@tea.example",
            to=profile.sign_ups[planned.step].email if planned.to == "claimed" else profile.email or "",
            subject=planned.template,
            html="",
            text=coupon.code if coupon is not None else "",
            headers={},
            tags={},
            targets=TARGETS,
        )


class PlainTexts:
    """A builder whose texts say which template was meant, and nothing else."""

    def text(self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime) -> TextMessage:
        """Return a text that is the template's name."""
        del run
        return TextMessage(
            message_id=message_id,
            shop=profile.shop,
            sender=NUMBER,
            to=profile.phone or "",
            body=planned.template,
            marketing=planned.category == "marketing",
            seconds=int((planned.not_after - now).total_seconds()),
        )


class PlainPushes:
    """A builder whose push messages say which template was meant, and nothing else."""

    def push(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> tuple[tuple[PushMessage, ...], tuple[str, ...]]:
        """Return a message for each browser, the one heard of last first."""
        del run
        newest = sorted(profile.browsers.values(), key=lambda browser: (browser.at, browser.endpoint), reverse=True)
        return tuple(
            PushMessage(
                message_id=message_id,
                browser=browser,
                payload=planned.template.encode(),
                contact="mailto:hello@tea.example",
                topic=planned.step,
                marketing=planned.category == "marketing",
                seconds=int((planned.not_after - now).total_seconds()),
            )
            for browser in newest
        ), ()
