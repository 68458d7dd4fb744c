"""The pace of sending: the account's rate, shared by all workers without one of them asking another.

How many workers may send at once is known (template.yaml), so each keeps to its own part: the rate times the share of
its category, divided by the number of that category's workers. What proves the sum is that a batch *pays for what it
sent*: it lasts at least as long as its mails take at that pace, the last one included. So whichever process serves the
next batch, in any span of T seconds at most `rate x T` mails go out and one more for each worker, which SES allows:
"you can exceed this quota for short bursts" (SES Developer Guide, Managing your sending limits).

Marketing has what transactional mails leave: its share of the rate, and of the day's quota all but a reserve.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from rekindle.domain.profile import Category
from rekindle.ports import Allowance, SendingAccount
from rekindle.service.guard import rest

#: No attempt begins later in a batch: what is left of `send`'s time-out is enough for the slowest one.
BATCH_SECONDS = 25.0
#: No batch waits longer than this for having sent.
_END_SECONDS = 40.0
#: The longest pause between two mails, however small the rate.
MAX_INTERVAL = 15.0
#: For so long what the account said is believed; so long where it matters by now; and so long after a failure.
_FRESH_SECONDS, _DOUBT_SECONDS, _RETRY_SECONDS = 300.0, 10.0, 60.0
#: The part of the quota of 24 hours that marketing leaves to transactional mails.
QUOTA_RESERVE = 0.1
#: So many times slower a worker becomes where SES throttles it all the same: at each throttle, and at most.
_SLOWER, _SLOWEST = 1.25, 16.0
#: What is taken for granted until the account has answered: what SES grants with production access.
UNREAD = Allowance(rate=14.0)

_log = logging.getLogger(__name__)


class Staff(Struct, frozen=True):
    """How many workers send at once, of each category, and the share of the rate (0 to 1) that is transactional's."""

    marketing: int
    transactional: int
    reserved: float

    def __post_init__(self) -> None:
        """Refuse what would leave a category without a worker or without any rate."""
        if min(self.marketing, self.transactional) < 1 or not 0 < self.reserved < 1:
            raise ValueError(f"nobody could send so: {self}")

    @property
    def workers(self) -> int:
        """All of them."""
        return self.marketing + self.transactional


def interval(rate: float, staff: Staff, category: Category) -> float:
    """Return how many seconds one worker of this category lets pass from one attempt to the next."""
    share = staff.reserved if category == "transactional" else 1 - staff.reserved
    workers = staff.transactional if category == "transactional" else staff.marketing
    return min(MAX_INTERVAL, workers / (rate * share)) if rate > 0 else MAX_INTERVAL


class Pacer:
    """One worker's pace. `Deliver` tells it when a batch begins, asks for each turn, and says what came of it.

    It reads the account when a mail has gone and waiting is due anyway, never before the first; a reading that fails
    changes nothing. `noted` is told of each reading.
    """

    def __init__(
        self,
        *,
        account: SendingAccount,
        staff: Staff,
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
        chance: Callable[[], float],
        noted: Callable[[Allowance], None] = lambda _: None,
    ) -> None:
        """Take the ports: `monotonic` in seconds, `wait` for so many of them; `chance` is from 0 up to 1.

        By chance the workers fall out of step with one another, or they would all send in the same moment.
        """
        self._account = account
        self._staff = staff
        self._monotonic = monotonic
        self._wait = wait
        self._chance = chance
        self._noted = noted
        self._allowance = UNREAD
        self._asked_at = self._failed_at = -math.inf
        self._began = 0.0
        self._free_at: dict[Category, float] = {}
        self._slower: dict[Category, float] = {}
        self._in_step: set[Category] = {"marketing", "transactional"}
        self._spent = False

    def begin(self) -> None:
        """Begin a batch."""
        self._began = self._monotonic()
        self._free_at.clear()

    def turn(self, category: Category, waited: timedelta) -> int | None:
        """Wait until a mail that is `waited` old may go; `None`: now. Else in how many seconds it is to come back."""
        if self._keeps_the_reserve(category):
            self._read(_FRESH_SECONDS if self._spent else _DOUBT_SECONDS)
        elif self._free_at.get(category, -math.inf) > self._monotonic():
            self._read(_FRESH_SECONDS)
        if self._keeps_the_reserve(category):
            return rest(waited)
        free_at = self._free_at.get(category, -math.inf)
        if max(free_at, self._monotonic()) - self._began > BATCH_SECONDS:
            return math.ceil(self._interval(category))
        self._pause_until(free_at)
        return None

    @property
    def over(self) -> bool:
        """Whether it is too late in this batch for anything to begin, also for what has no pace of its own."""
        return self._monotonic() - self._began > BATCH_SECONDS

    def goes(self, category: Category) -> None:
        """Note that an attempt begins now."""
        out_of_step = self._chance() if category in self._in_step else 0.0
        self._in_step.discard(category)
        self._free_at[category] = self._monotonic() + (1 + out_of_step) * self._interval(category)

    def refused(self, category: Category, reason: str) -> None:
        """Note that SES did not take it: who was too fast becomes slower, and a spent quota is spent."""
        if reason == "throttled":
            self._slower[category] = min(_SLOWEST, _SLOWER * self._slower.get(category, 1.0))
            self._free_at[category] = self._monotonic() + (1 + self._chance()) * self._interval(category)
        elif reason == "quota":
            self._spent = True

    def end(self) -> None:
        """End the batch: wait for as long as what it sent takes."""
        if not self._free_at:
            return
        self._read(_FRESH_SECONDS)
        self._pause_until(min(max(self._free_at.values()), self._began + _END_SECONDS))

    def _interval(self, category: Category) -> float:
        pace = interval(self._allowance.rate, self._staff, category) * self._slower.get(category, 1)
        return min(MAX_INTERVAL, pace)

    def _pause_until(self, moment: float) -> None:
        pause = moment - self._monotonic()
        if pause > 0:
            self._wait(pause)

    def _keeps_the_reserve(self, category: Category) -> bool:
        """Whether a mail must stay so that transactional ones have enough of the quota.

        What marketing sent since the last reading is not known, only that its workers were no faster than they may be.
        """
        quota = self._allowance.quota
        if category == "transactional" or (quota is None and not self._spent):
            return False
        since = (self._monotonic() - self._asked_at) * self._allowance.rate * (1 - self._staff.reserved)
        return self._spent or (quota is not None and self._allowance.sent + since >= quota * (1 - QUOTA_RESERVE))

    def _read(self, fresh: float) -> None:
        """Ask the account, unless it has answered in the last so many seconds."""
        now = self._monotonic()
        if now - self._asked_at < fresh or now - self._failed_at < _RETRY_SECONDS:
            return
        try:
            found = self._account.allowance()
        except Exception as error:  # noqa: BLE001 - mails go out at the pace that is known
            self._failed_at = now
            # By its kind alone: what SES says in words may quote addresses.
            _log.warning("the account's sending rate is not known", extra={"error": type(error).__name__})
            return
        if found.trial:
            _log.warning("SES is in its sandbox: it takes mails to verified addresses only", extra={"rate": found.rate})
        behind = {category: self._interval(category) for category in self._free_at}
        self._allowance, self._asked_at, self._spent = found, now, False
        self._slower = {category: max(1.0, slower / 2) for category, slower in self._slower.items()}
        for category, before in behind.items():
            self._free_at[category] += self._interval(category) - before
        self._noted(found)
