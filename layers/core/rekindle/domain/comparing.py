"""What figures allow to be said of two groups of people: intervals, a winner, and how many more it would take. Pure.

Three kinds of interval, each for its own question:

- `wilson`: where a share lies (Wilson 1927). Good for few people and for shares near 0.
- `difference`: where the difference of two shares lies, if you look once (Newcombe 1998, method 10, of two Wilson
  ones).
- `anytime`: where a difference of two means lies, however often anybody looks meanwhile: the normal mixture of Robbins
  (1970), as in mSPRT (Johari, Pekelis, Walsh 2015), with estimated variances. It is wider, and it is the one that
  names a winner: whoever looks every day and stops when it pleases would be wrong far more often than 1 in 20 with any
  other. Asymptotic, so nothing is named before `LEAST` people of both groups together have done it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import combinations

from msgspec import Struct

#: How often an interval may be wrong, and a winner named where there is none.
ALPHA = 0.05
#: Of two groups so many people together must have done it (and as many not), before one is named.
LEAST = 50
#: The difference that the comparison is tuned to see soonest, in standard deviations of what one person does.
_TUNED = 0.05
_Z = 1.959964
#: Beyond this nobody waits for an answer.
_MOST = 10_000_000


class Interval(Struct, frozen=True):
    """Between which two values something lies."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Whether it may be this."""
        return self.low <= value <= self.high


class Group(Struct, frozen=True, kw_only=True):
    """People on one side of a comparison. `spent` is what they bought, net; `squares` sums each person's, squared."""

    name: str
    people: int
    hits: int
    """how many of them did what is compared: reached the goal, or bought"""
    spent: Decimal = Decimal(0)
    squares: Decimal = Decimal(0)

    @property
    def share(self) -> float:
        """How large a part of them did it."""
        return self.hits / self.people if self.people else 0.0

    @property
    def each(self) -> float:
        """What each of them spent, on average."""
        return float(self.spent) / self.people if self.people else 0.0

    @property
    def spread(self) -> float:
        """The variance of what one person spends."""
        if self.people < 2:  # noqa: PLR2004 - of one nothing is known
            return 0.0
        mean = float(self.spent) / self.people
        return max(0.0, (float(self.squares) - self.people * mean * mean) / (self.people - 1))


class Verdict(Struct, frozen=True, kw_only=True):
    """What may be said: who has won, or about how many more people each group needs (`None`: nobody can say)."""

    winner: str | None
    more: int | None = None


def wilson(hits: int, people: int) -> Interval:
    """Return where the share lies, in 95 % of cases."""
    if not people:
        return Interval(0.0, 1.0)
    share, z = hits / people, _Z
    centre = share + z * z / (2 * people)
    reach = z * math.sqrt(share * (1 - share) / people + z * z / (4 * people * people))
    whole = 1 + z * z / people
    return Interval(max(0.0, (centre - reach) / whole), min(1.0, (centre + reach) / whole))


def difference(one: Group, two: Group) -> Interval:
    """Return where the share of `one` less that of `two` lies, in 95 % of cases, if you look once."""
    apart = one.share - two.share
    mine, theirs = wilson(one.hits, one.people), wilson(two.hits, two.people)
    down = math.hypot(one.share - mine.low, theirs.high - two.share)
    up = math.hypot(mine.high - one.share, two.share - theirs.low)
    return Interval(max(-1.0, apart - down), min(1.0, apart + up))


def anytime_share(one: Group, two: Group, alpha: float = ALPHA) -> Interval:
    """Return where the share of `one` less that of `two` lies, however often anybody looks."""
    # One more of each kind in each group (Agresti, Caffo 2000): a group in which nobody did it yet has a spread too.
    shares = [(group.hits + 1) / (group.people + 2) for group in (one, two)]
    apart = shares[0] - shares[1]
    error = sum(share * (1 - share) / (group.people + 2) for share, group in zip(shares, (one, two), strict=True))
    together = (one.hits + two.hits + 2) / (one.people + two.people + 4)
    return _mixture(apart, error, together * (1 - together), alpha)


def anytime_spent(one: Group, two: Group, alpha: float = ALPHA) -> Interval | None:
    """Return where what each of `one` spends, less what each of `two` does, lies; `None` where too few bought."""
    if min(one.hits, two.hits) < LEAST // 2 or not (one.spread and two.spread):
        return None
    error = one.spread / one.people + two.spread / two.people
    spread = (one.spread * one.people + two.spread * two.people) / (one.people + two.people)
    return _mixture(one.each - two.each, error, spread, alpha)


def verdict(groups: list[Group]) -> Verdict:
    """Return whether one group is ahead of all others, as far as the numbers allow to say it.

    Each pair is judged at its part of `ALPHA`, so that many ways do not make a winner by chance.
    """
    known = [group for group in groups if group.people]
    if len(known) < 2:  # noqa: PLR2004 - one alone is not compared
        return Verdict(winner=None)
    pairs = len(list(combinations(known, 2)))
    first, *others = sorted(known, key=lambda group: group.share, reverse=True)
    alpha = ALPHA / pairs
    if all(_enough(first, other) and anytime_share(first, other, alpha).low > 0 for other in others):
        return Verdict(winner=first.name)
    wanted = [_more(first, other, alpha) for other in others]
    left = [more for more in wanted if more is not None]
    return Verdict(winner=None, more=max(left) if len(left) == len(wanted) else None)


def _enough(one: Group, two: Group) -> bool:
    hits, people = one.hits + two.hits, one.people + two.people
    return min(hits, people - hits) >= LEAST


def _more(first: Group, other: Group, alpha: float) -> int | None:
    """Return how many more the smaller group needs until the difference, if it stays, is told from chance."""
    apart = first.share - other.share
    together = (first.hits + other.hits + 1) / (first.people + other.people + 2)
    spread = together * (1 - together)
    if apart <= 0:
        return None
    low, high = 1, _MOST
    if _reach(2 * spread / high, spread, alpha) > apart:
        return None
    while low < high:
        middle = (low + high) // 2
        enough = _reach(2 * spread / middle, spread, alpha) <= apart and 2 * middle * together >= LEAST
        low, high = (low, middle) if enough else (middle + 1, high)
    return max(1, low - min(first.people, other.people))


def _mixture(apart: float, error: float, spread: float, alpha: float) -> Interval:
    reach = _reach(error, spread, alpha)
    return Interval(apart - reach, apart + reach)


def _reach(error: float, spread: float, alpha: float) -> float:
    """Return how far the truth may be from an estimate of this variance, at any time."""
    if error <= 0 or spread <= 0:
        return math.inf
    tuned = _TUNED * _TUNED * spread
    return math.sqrt(
        2 * error * (error + tuned) / tuned * (math.log(1 / alpha) + 0.5 * math.log((error + tuned) / error))
    )
