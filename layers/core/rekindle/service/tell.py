"""Tells a shop's marketers by mail what became of an upload: when it is refused, and when all is well again.

To the address under `notify` in each shop's file, as it stands in the set that is live: what was refused may name any.
One mail for each change from well to wrong and back, never two for one upload. A mail may be lost where SES gives no
answer, for two are worse; the report beside the content is always there. Ports and pure code only.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import formataddr

import msgspec
from msgspec import Struct

from rekindle.domain import ids
from rekindle.domain.errors import MailRefusedError, MailRejectedError, MailUncertainError
from rekindle.flow.program import Shop
from rekindle.ports import Blobs, Mail, Mailer
from rekindle.service.library import Library
from rekindle.service.notices import MESSAGE_HEADER, MESSAGE_TAG
from rekindle.service.publish import REPORT, Report

TOLD = "reports/told.json"
#: So many things a mail lists; the report has all of them.
MAX_THINGS = 20

_ADDRESS = re.compile(r"[^\s@<>\"'“”()]+@[^\s@<>\"'“”()]+")

_log = logging.getLogger(__name__)


class Told(Struct, frozen=True, kw_only=True):
    """What the marketers were told last."""

    wrong: bool
    content: str
    at: datetime


_told = msgspec.json.Decoder(Told)


class Teller:
    """Tells."""

    def __init__(self, *, blobs: Blobs, mailer: Mailer, library: Library) -> None:
        self._blobs = blobs
        self._mailer = mailer
        self._library = library

    def tell(self, report: Report) -> int:
        """Tell of this report if it changes anything for the marketers; return how many mails went out.

        What SES does not take for now is told with the next report that says the same.
        """
        wrong = report.outcome == "refused"
        found = self._blobs.tagged(TOLD)
        before = _told.decode(found[0]) if found is not None else None
        if wrong == (before.wrong if before is not None else False):
            return 0
        whom = addressees(self._library.newest(fresh=True).shops)
        if not whom:
            return 0
        now = msgspec.json.encode(Told(wrong=wrong, content=report.content, at=report.at))
        # Written down first: whoever comes second, or again after a crash, finds it said.
        if not self._blobs.swap(TOLD, now, expected=found[1] if found is not None else None):
            return 0
        sent = refused = 0
        for to, shop in whom.items():
            try:
                self._mailer.send(letter(report, shop, to))
            except MailRefusedError as error:
                refused += 1
                _log.warning("a marketer is not told yet", extra={"shop": shop.id, "reason": error.reason})
            except (MailRejectedError, MailUncertainError):
                _log.exception("a marketer may not have been told", extra={"shop": shop.id})
            else:
                sent += 1
        if refused == len(whom):
            self._forget(before, report)
        return sent

    def _forget(self, before: Told | None, report: Report) -> None:
        found = self._blobs.tagged(TOLD)
        if found is not None:
            was = before or Told(wrong=False, content="", at=report.at)
            self._blobs.swap(TOLD, msgspec.json.encode(was), expected=found[1])


def addressees(shops: Mapping[str, Shop]) -> dict[str, Shop]:
    """Return address → shop that writes to it: whoever looks after several shops gets one mail."""
    found: dict[str, Shop] = {}
    for _, shop in sorted(shops.items()):
        if shop.notify is not None:
            found.setdefault(shop.notify, shop)
    return found


def letter(report: Report, shop: Shop, to: str) -> Mail:
    """Return the mail, with no address in it of anybody but its reader."""
    if report.outcome == "refused":
        count = len(report.problems)
        subject = f"Not published: {'one thing is' if count == 1 else f'{count} things are'} wrong"
        closing = "Put it right and upload it again: you are told when it is live. The full report is"
    else:
        subject = "Published: all is well again"
        closing = "The report is"
    lines = [_ADDRESS.sub("…", line) for line in report.lines(MAX_THINGS)]
    closing = f"{closing} {REPORT}.txt in the content bucket."
    message = ids.digest("publish", report.content, report.at.isoformat(), to)
    listed = f'<pre style="white-space:pre-wrap">{html.escape(chr(10).join(lines))}</pre>' if lines else ""
    return Mail(
        message_id=message,
        sender=formataddr((shop.sender_name, shop.sender_email)),
        to=to,
        subject=f"{' '.join(shop.name.split())}: {subject[0].lower()}{subject[1:]}",
        html=f"<p>{html.escape(report.headline())}</p>{listed}<p>{html.escape(closing)}</p>",
        text="\n\n".join(filter(None, (report.headline(), "\n".join(lines), closing))) + "\n",
        headers={MESSAGE_HEADER: message},
        tags={MESSAGE_TAG: message, "shop": shop.id},
    )
