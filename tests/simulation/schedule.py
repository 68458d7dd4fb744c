"""The choices: which worker goes on, what fails, what the road does to a message. By a seed, or exactly as told.

Every choice that is not the plain one (go on, nothing fails, in order) is written down with the place at which it was
made: the name of a port call or of a road, and how often that place was passed. What was written down, told again,
gives the same world again; with something left out it gives a simpler one (`shrink`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from msgspec import Struct

from tests.simulation.faults import CALL_FAULTS, ROAD_FAULTS, SECONDS, TIMED

#: The place at which the scheduler picks what comes next.
PICK = "pick"
#: The worker steps back, and something else goes on first.
STEP_BACK = "step_back"

#: These calls decide most: trouble finds them oftener than their share.
_WEIGHTS = {
    "intake.accept": 2,
    "state.commit": 3,
    "state.split": 12,
    "state.count_try": 4,
    "queues.enqueue": 2,
    "outbox.lease": 5,
    "outbox.record": 3,
    "mailer.send": 3,
    "lists.read": 3,
    "blobs.swap": 4,
}
_AGAIN = 0.4


class Choice(Struct, frozen=True, array_like=True):
    """At the `count`-th passing of `place`, do `kind`; `amount` is seconds, or which of several."""

    place: str
    count: int
    kind: str
    amount: int = 0

    def __str__(self) -> str:
        """Return it as the trace shows it."""
        amount = f" {self.amount}" if self.amount else ""
        return f"{self.place}#{self.count} {self.kind}{amount}"


class Told:
    """Chooses what it was told, and otherwise the plain thing."""

    def __init__(self, choices: Iterable[Choice] = ()) -> None:
        self.told: dict[tuple[str, int], Choice] = {(choice.place, choice.count): choice for choice in choices}
        self.taken: list[Choice] = []
        """what was chosen that was not the plain thing, in order"""
        self.passed: dict[str, int] = {}
        """place → how often it was passed"""
        self.faults = 0
        """how many of those taken were faults, not turns"""
        self.delays = 0
        """how many of those made something wait"""

    @property
    def may(self) -> bool:
        """Whether there is anything to choose at all but the plain thing."""
        return bool(self.told)

    def at_call(self, place: str) -> Choice | None:
        """Return what happens to this port call, if anything."""
        count = self.passed[place] = self.passed.get(place, 0) + 1
        return self._take(place, count)

    on_road = at_call

    def pick(self, options: int) -> int:
        """Return which of so many things is done next."""
        count = self.passed[PICK] = self.passed.get(PICK, 0) + 1
        choice = self._take(PICK, count)
        return choice.amount % options if choice is not None else 0

    def _take(self, place: str, count: int) -> Choice | None:
        choice = self.told.get((place, count))
        return self._note(choice) if choice is not None else None

    def _note(self, choice: Choice) -> Choice:
        self.taken.append(choice)
        if choice.place != PICK and choice.kind != STEP_BACK:
            self.faults += 1
            self.delays += choice.kind in TIMED or choice.kind in ROAD_FAULTS.get(choice.place, ())
        return choice


class Rates(Struct, frozen=True):
    """How wild a seeded world is: the mean number of calls between two faults, between two turns, and so on."""

    faults: int
    """at most so many"""
    call_gap: int
    road_gap: int
    turn_gap: int
    """between two workers stepping back; 0: never"""
    picks: float
    """how often something else than the first of what could go on is picked"""


def rates_of(dice: random.Random) -> Rates:
    """Return how wild a world is to be."""
    faults = dice.choice((0, 1, 1, 2, 2, 3, 4, 6))
    return Rates(
        faults=faults,
        call_gap=dice.choice((8, 25, 60)),
        road_gap=dice.choice((4, 12)),
        turn_gap=dice.choice((0, 3, 8, 30)),
        picks=dice.choice((0.0, 0.1, 0.5, 1.0)),
    )


class Seeded(Told):
    """Chooses by the dice."""

    def __init__(self, dice: random.Random, rates: Rates) -> None:
        super().__init__()
        self._dice = dice
        self._rates = rates
        self._call = self._gap(rates.call_gap)
        self._road = self._gap(rates.road_gap)
        self._turn = self._gap(rates.turn_gap or 1)
        self._again = ""

    @property
    def may(self) -> bool:
        """Whether the dice may choose anything: they may."""
        return True

    def at_call(self, place: str) -> Choice | None:
        """Count down to the next fault and the next turn."""
        count = self.passed[place] = self.passed.get(place, 0) + 1
        weight = _WEIGHTS.get(place, 1)
        self._call -= weight
        if self._call <= 0 and self.faults < self._rates.faults:
            kinds = CALL_FAULTS[place]
            kind = self._again if self._again in kinds else self._dice.choice(kinds)
            # Trouble comes in groups: what fails, its repetition often fails too.
            self._again = kind if self._dice.random() < _AGAIN else ""
            self._call = 1 if self._again else self._gap(self._rates.call_gap)
            return self._note(self._timed(place, count, kind))
        self._turn -= weight
        if self._turn <= 0 and self._rates.turn_gap:
            self._turn = self._gap(self._rates.turn_gap)
            return self._note(Choice(place, count, STEP_BACK))
        return None

    def on_road(self, place: str) -> Choice | None:
        """Count down to the next trouble on the road."""
        count = self.passed[place] = self.passed.get(place, 0) + 1
        self._road -= 1
        if self._road <= 0 and self.faults < self._rates.faults:
            self._road = self._gap(self._rates.road_gap)
            return self._note(self._timed(place, count, self._dice.choice(ROAD_FAULTS[place])))
        return None

    def pick(self, options: int) -> int:
        """Throw, if there is anything to choose between."""
        count = self.passed[PICK] = self.passed.get(PICK, 0) + 1
        if options == 1 or self._dice.random() >= self._rates.picks:
            return 0
        found = int(self._dice.random() * options)
        if found:
            self._note(Choice(PICK, count, PICK, found))
        return found

    def _gap(self, mean: int) -> int:
        return 1 + int(self._dice.expovariate(1 / mean))

    def _timed(self, place: str, count: int, kind: str) -> Choice:
        return Choice(place, count, kind, self._dice.choice(SECONDS[kind]) if kind in SECONDS else 0)


def all_faults(passed: Mapping[str, int]) -> list[Choice]:
    """Return every single fault, and every turn, that a world has room for which passed these places so often."""
    found = []
    for place, times in passed.items():
        kinds = CALL_FAULTS.get(place) or ROAD_FAULTS.get(place) or ()
        turns = (STEP_BACK,) if place in CALL_FAULTS else ()
        for count in range(1, times + 1):
            found += [Choice(place, count, kind, SECONDS.get(kind, (0,))[-1]) for kind in (*kinds, *turns)]
    return found
