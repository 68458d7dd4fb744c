"""What binds at ten thousand, a million and fifty million profiles: the arithmetic of docs/scaling.md, simulations.

    PYTHONPATH=layers/core:. .venv/bin/python -m bench.scaling            writes the tables into docs/scaling.md

Everything follows from `ASSUMED` and `LIMITS`, and the same figures come out everywhere: the simulations are seeded by
their own hashes. A test keeps the page and this file equal.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/scaling.md"
SIZES = (10_000, 1_000_000, 50_000_000)

_DAY, _HOUR, _YEAR = 86_400, 3_600, 365 * 86_400


class Assumed(NamedTuple):
    """What one profile brings, and how uneven time is: of a shop that sells things people buy twice a year."""

    orders_a_year: float = 2.0
    webhooks_an_order: float = 8.0
    """carts, checkouts, created, paid, fulfilled, parcels; those that come to nothing included"""
    visits_a_year: float = 12.0
    requests_a_visit: float = 1.5
    peak: float = 10.0
    """the busiest second over the average one: an evening before Christmas"""
    subscribed: float = 0.6
    campaign_hours: float = 4.0
    """within so long a campaign should be out"""
    opened: float = 0.3
    clicked: float = 0.03
    busiest_hour: float = 0.2
    """of all that is opened and clicked"""
    alarms_a_day: float = 0.02
    """waits of flows, for each profile"""
    alarm_days: float = 5.0
    """that such a wait takes"""
    at_one_minute: float = 0.005
    """of all profiles, those whose waits end in one minute: `wait_until 10:00`"""
    worker_rate: float = 33.0
    """events or alarms that one copy of journey does in a second: five calls of 5 ms each, and a few for the engine"""
    mails_a_worker: float = 10.0
    seconds: float = 0.05
    """that a function takes for one request or notice"""
    message_writes: float = 10.0
    """write units of the table for a mail: lease (a transaction counts twice), outcome, two notices"""
    open_writes: float = 4.0
    """of its index `open`: in with the lease, out with the outcome, 2 KB each"""
    delivery_bytes: float = 3_000.0
    """of a webhook that is stored: its events and its packed body"""
    profile_bytes: float = 2_000.0
    message_bytes: float = 2_000.0
    mails_a_year: float = 60.0
    """for each subscriber"""


class Limits(NamedTuple):
    """What AWS gives, before anybody asks for more (its own pages on quotas, 2026)."""

    partition_writes: float = 1_000.0
    """write units a second of one partition of DynamoDB"""
    new_table_writes: float = 4_000.0
    """of a new table on demand; it grows to twice its last peak, within half an hour"""
    table_writes: float = 40_000.0
    requests: float = 10_000.0
    """a second of API Gateway; the routes for webhooks are set to it"""
    concurrency: float = 1_000.0
    """of Lambda in an account; a new account may begin at ten"""
    schedules_a_second: float = 1_000.0
    schedules: float = 10_000_000.0
    mails_a_second: float = 14.0
    """of SES, where an account leaves the sandbox"""


class Settings(NamedTuple):
    """The parameters of template.yaml that this is about, as they are where nothing else is said."""

    StreamWorkers: int = 5
    WakeWorkers: int = 20
    FanoutShards: int = 16
    FanoutWorkers: int = 8
    ReactionWorkers: int = 10
    MarketingSenders: int = 2


ASSUMED, LIMITS, DEFAULTS = Assumed(), Limits(), Settings()

#: Of the indexes `due` and `open` (rekindle.aws.items.SHARDS).
SHARDS = 16
#: Of a new table's stream: one for each of its partitions.
STREAM_SHARDS = 4
#: Profiles that one part of a fan-out reaches in a second (rekindle.service.fanout: SLICE in SLICE_SECONDS).
PART_RATE = 1_000 / 30
#: A copy of `feedback` takes so many openings and clicks in a second: three calls of 5 ms for each.
REACTION_RATE = 60.0
#: While so many wait for each copy of journey, and of send, nothing is added (BACKLOG and UNSENT there).
WAKES_WAITING, MAILS_WAITING = 250, 6_000
#: A copy of `campaign` serves so many parts.
PARTS_A_WORKER = 10


class Load(NamedTuple):
    """What so many profiles bring in the busiest second."""

    webhooks: float
    visits: float
    mails: float
    reactions: float
    told: float
    """people whom a campaign reaches"""
    alarms: float
    """schedules made"""

    @property
    def events(self) -> float:
        """What goes through the stream: webhooks, visits, and of the reactions those that are first."""
        return self.webhooks + self.visits + self.reactions


def load(profiles: int, assumed: Assumed = ASSUMED) -> Load:
    """Return what these profiles bring in the busiest second: a campaign, on a busy evening."""
    hours = assumed.campaign_hours * _HOUR
    mails = profiles * assumed.subscribed
    return Load(
        webhooks=profiles * assumed.orders_a_year * assumed.webhooks_an_order / _YEAR * assumed.peak,
        visits=profiles * assumed.visits_a_year * assumed.requests_a_visit / _YEAR * assumed.peak,
        mails=mails / hours,
        reactions=mails * (assumed.opened + assumed.clicked) * assumed.busiest_hour / _HOUR,
        told=profiles / hours,
        alarms=profiles * assumed.alarms_a_day / _DAY * assumed.peak,
    )


def turned(profiles: int) -> Settings:
    """Return the settings for these profiles: as they are, or more where the busiest second asks for it."""
    there = load(profiles)
    parts = max(DEFAULTS.FanoutShards, math.ceil(there.told / PART_RATE))
    wakes = max(there.told, profiles * ASSUMED.at_one_minute / (10 * 60))  # what one minute brings is done in ten
    stream = math.ceil(there.events / ASSUMED.worker_rate / STREAM_SHARDS)
    return Settings(
        StreamWorkers=min(10, max(DEFAULTS.StreamWorkers, stream)),
        WakeWorkers=max(DEFAULTS.WakeWorkers, math.ceil(wakes / ASSUMED.worker_rate)),
        FanoutShards=parts,
        FanoutWorkers=max(DEFAULTS.FanoutWorkers, math.ceil(parts / PARTS_A_WORKER)),
        ReactionWorkers=max(DEFAULTS.ReactionWorkers, math.ceil(there.reactions / REACTION_RATE)),
        MarketingSenders=max(DEFAULTS.MarketingSenders, math.ceil(there.mails / ASSUMED.mails_a_worker)),
    )


class Line(NamedTuple):
    """One thing that could bind: how much of it there is to do, and how much can be done with these settings."""

    what: str
    unit: str
    needed: float
    possible: float
    turn: str
    """what to turn, or whom to ask"""

    @property
    def binds(self) -> bool:
        """Whether it is too little."""
        return self.needed > self.possible


def lines(profiles: int, settings: Settings = DEFAULTS) -> list[Line]:
    """Return everything that could bind, in the order in which a request travels."""
    there = load(profiles)
    notices = 2 * there.mails
    inside = (there.webhooks + there.visits + there.reactions + notices) * ASSUMED.seconds
    copies = (
        STREAM_SHARDS * settings.StreamWorkers
        + settings.WakeWorkers
        + settings.FanoutWorkers
        + settings.ReactionWorkers
        + settings.MarketingSenders
    )
    stream = STREAM_SHARDS * settings.StreamWorkers * ASSUMED.worker_rate
    due = LIMITS.partition_writes * SHARDS / heat(SIZES[-1])
    minute = profiles * ASSUMED.at_one_minute / (settings.WakeWorkers * ASSUMED.worker_rate) / 60
    return [
        Line("webhooks and visits", "a second", there.webhooks + there.visits, LIMITS.requests, "API Gateway's quota"),
        Line("copies of functions at once", "", inside + copies, LIMITS.concurrency, "Lambda's quota"),
        Line("accepted events", "a second", there.events, stream, "StreamWorkers, then the stream's shards"),
        Line("writes of Pending", "units a second", there.events * 4, LIMITS.new_table_writes, "warm throughput"),
        Line("alarms set", "a second", there.alarms, LIMITS.schedules_a_second, "Scheduler's quota"),
        Line(
            "alarms that wait",
            "",
            profiles * ASSUMED.alarms_a_day * ASSUMED.alarm_days,
            LIMITS.schedules,
            "Scheduler's quota",
        ),
        Line("an hour that many wait for", "minutes late", minute, 10, "WakeWorkers"),
        Line(
            "people reached", "a second", there.told, settings.FanoutShards * PART_RATE, "FanoutShards, FanoutWorkers"
        ),
        Line("people told", "a second", there.told, settings.WakeWorkers * ASSUMED.worker_rate, "WakeWorkers"),
        Line("writes of the index due", "units a second", there.told * 2 * ASSUMED.subscribed, due, "code: SHARDS"),
        Line("mails", "a second", there.mails, settings.MarketingSenders * ASSUMED.mails_a_worker, "MarketingSenders"),
        Line("mails that SES takes", "a second", there.mails, LIMITS.mails_a_second, "SES's quota"),
        Line(
            "writes of Messages",
            "units a second",
            there.mails * ASSUMED.message_writes,
            LIMITS.table_writes,
            "DynamoDB's quota",
        ),
        Line("writes of the index open", "units a second", there.mails * ASSUMED.open_writes, due, "code: SHARDS"),
        Line(
            "writes of one shop's hour in Counters", "units a second", there.mails / 10, LIMITS.partition_writes, "code"
        ),
        Line(
            "openings and clicks",
            "a second",
            there.reactions,
            settings.ReactionWorkers * REACTION_RATE,
            "ReactionWorkers",
        ),
    ]


def binds_from(place: int, settings: Settings = DEFAULTS) -> float:
    """Return from how many profiles on this line of `lines` binds; infinite where it never does below ten billion."""
    low, high = 1, 10_000_000_000
    if not lines(high, settings)[place].binds:
        return math.inf
    while high - low > max(1, low // 1_000):
        middle = (low + high) // 2
        low, high = (low, middle) if lines(middle, settings)[place].binds else (middle, high)
    return float(high)


# --- simulated --------------------------------------------------------------------------------------------------------


@cache
def heat(profiles: int, seconds: int = 30) -> float:
    """Return how much more than its share the hottest of the 16 parts of an index gets in the busiest of some seconds.

    Ids are hashes, so this is chance alone: it is large where there is little to do, and next to nothing where there
    is much.
    """
    each = max(1, min(20_000, round(load(profiles).told)))
    worst = 0.0
    for second in range(seconds):
        parts = [0] * SHARDS
        for number in range(each):
            parts[hashlib.blake2b(f"{second}/{number}".encode(), digest_size=1).digest()[0] % SHARDS] += 1
        worst = max(worst, max(parts) * SHARDS / each)
    return worst


class Told(NamedTuple):
    """How a campaign at everybody's own ten o'clock went: how late the last mail of a zone is, and of the worst one."""

    largest: float
    """hours after ten, in the zone where most people live"""
    worst: float
    waiting: int
    """the most mails that waited to be sent at once"""
    bound: str
    """what held it up most"""


#: Hours from UTC → which share of the people live there: a shop that sells on four continents.
ZONES: Mapping[int, float] = {
    9: 0.03, 8: 0.05, 5: 0.04, 2: 0.08, 1: 0.3, 0: 0.15, -3: 0.05, -5: 0.16, -6: 0.08, -8: 0.06,
}  # fmt: skip
#: A list holds as many ids at most, and a part looks again after half a minute where too much waits.
_LIST, _AGAIN = 5_000, 30
_LONGEST = 3 * _DAY


@cache
def campaign(profiles: int, settings: Settings, ses: float) -> Told:
    """Return how a campaign goes that comes to everybody at their own ten o'clock, second by second.

    The rules are those of `rekindle.service.fanout`: each part is told at 33 people a second, list by list; it looks
    again in half a minute while more than 250 wakes wait for each copy of journey, or 6,000 mails for each copy of
    send. All known people are told, three fifths get a mail. `ses` is the account's rate; marketing has four fifths.
    """
    most_wakes, most_mails = WAKES_WAITING * settings.WakeWorkers, MAILS_WAITING * settings.MarketingSenders
    tell, send = settings.WakeWorkers * ASSUMED.worker_rate, min(ses * 0.8, settings.MarketingSenders * 10.0)
    looks = [(_first_look(number), number) for number in range(settings.FanoutShards)]
    heapq.heapify(looks)
    left = {number: _lists(profiles / settings.FanoutShards) for _, number in looks}
    held = {"the pace of a part": 0, "WakeWorkers": 0, "the rate of mails": 0}
    ends: list[int] = []
    wakes = waiting = sent = most = 0.0
    marks, out = list(_due(profiles * ASSUMED.subscribed)), dict[int, float]()
    for now in range(_LONGEST):
        while looks and looks[0][0] <= now:
            _, part = heapq.heappop(looks)
            (hour, people), *others = left[part]
            if hour > now:
                heapq.heappush(looks, (hour, part))
                continue
            busy = "the rate of mails" if waiting > most_mails else "WakeWorkers" if wakes > most_wakes else ""
            held[busy or "the pace of a part"] += 1
            if busy:
                heapq.heappush(looks, (now + _AGAIN, part))
                continue
            many = min(_LIST, people)
            until = now + max(1, math.ceil(many / PART_RATE))
            heapq.heappush(ends, until)
            left[part] = [(hour, people - many), *others] if people - many > 1 else others
            if left[part]:
                heapq.heappush(looks, (until, part))
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        wakes += len(ends) * PART_RATE
        told = min(wakes, tell)
        wakes -= told
        waiting += told * ASSUMED.subscribed
        most = max(most, waiting)
        going = min(waiting, send)
        waiting, sent = waiting - going, sent + going
        while marks and sent >= marks[0][1] * 0.999:
            zone, _, hour = marks.pop(0)
            out[zone] = max(0, now + 1 - hour) / _HOUR
        if not marks:
            break
    largest = max(ZONES, key=lambda zone: ZONES[zone])
    worst = math.inf if marks else max(out.values())
    return Told(out.get(largest, math.inf), worst, round(most), max(held, key=lambda name: held[name]))


def _lists(people: float) -> list[tuple[int, float]]:
    """Return when each of a part's lists is to be told, and how many stand on it."""
    return [(_ten_in(zone), people * share) for zone, share in ZONES.items()]


def _first_look(part: int) -> int:
    """Return when a part looks first: they are not in step."""
    return int.from_bytes(hashlib.blake2b(str(part).encode(), digest_size=2).digest()) % _AGAIN


def _due(mails: float) -> Iterator[tuple[int, float, int]]:
    """Yield each zone, how many mails are due when its ten o'clock has been served, and when that is."""
    total = 0.0
    for zone, share in ZONES.items():
        total += share * mails
        yield zone, total, _ten_in(zone)


def _ten_in(zone: int) -> int:
    """Return when it is ten o'clock there, in seconds after it is in the first zone."""
    return (next(iter(ZONES)) - zone) * _HOUR


# --- the page ---------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a figure as the page shows it: three digits that mean something."""
    if math.isinf(value):
        return "never"
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(profiles: int) -> str:
    """Return how many profiles, as one says it."""
    return f"{profiles // 1_000_000} M" if profiles >= 1_000_000 else f"{profiles // 1_000} k"


def needs() -> str:
    """Return the table of what could bind, with the settings as they are where nothing else is said."""
    found = {profiles: lines(profiles) for profiles in SIZES}
    rows = [
        f"| in the busiest second | there is | {' | '.join(map(size, SIZES))} | binds from | what to turn |",
        f"|---|---|{'---|' * len(SIZES)}---|---|",
    ]
    for place, row in enumerate(zip(*found.values(), strict=True)):
        cells = [f"**{number(one.needed)}**" if one.binds else number(one.needed) for one in row]
        unit = f" {row[0].unit}" if row[0].unit else ""
        there = f"{number(row[-1].possible)}{unit}"
        rows.append(f"| {row[0].what} | {there} | {' | '.join(cells)} | {_people(binds_from(place))} | {row[0].turn} |")
    return "\n".join(rows)


def stored() -> str:
    """Return the table of what is stored after a year and more, in GB."""
    kept = 400 / 365
    rows = [f"| table | each item | {' | '.join(map(size, SIZES))} |", f"|---|---|{'---|' * len(SIZES)}"]
    for table, each, count in (
        ("Profiles", ASSUMED.profile_bytes, 1.0),
        ("Deliveries", ASSUMED.delivery_bytes, ASSUMED.orders_a_year * ASSUMED.webhooks_an_order * kept),
        ("Messages", ASSUMED.message_bytes, ASSUMED.mails_a_year * ASSUMED.subscribed * kept),
    ):
        cells = (number(profiles * count * each / 1e9) for profiles in SIZES)
        rows.append(f"| {table} | {each / 1_000:.0f} KB | {' | '.join(f'{cell} GB' for cell in cells)} |")
    return "\n".join(rows)


def _people(profiles: float) -> str:
    if math.isinf(profiles):
        return "–"
    return f"{profiles / 1e6:,.2g} M" if profiles < 1e7 else f"{float(f'{profiles / 1e6:.2g}'):,.0f} M"


def settings() -> str:
    """Return the table of settings for each size."""
    rows = [f"| parameter | as it is | {' | '.join(map(size, SIZES))} |", f"|---|---|{'---|' * len(SIZES)}"]
    found = [turned(profiles) for profiles in SIZES]
    for name, default in DEFAULTS._asdict().items():
        rows.append(f"| `{name}` | {default} | {' | '.join(str(getattr(one, name)) for one in found)} |")
    return "\n".join(rows)


def campaigns() -> str:
    """Return the table of simulated campaigns."""
    rows = [
        "| profiles | settings | SES, a second | late in the largest zone | in the worst | waiting at most | held by |",
        "|---|---|---|---|---|---|---|",
    ]
    for profiles in SIZES:
        enough = float(math.ceil(load(profiles).mails / 0.8))
        tried = [("as they are", DEFAULTS, LIMITS.mails_a_second)]
        if enough > LIMITS.mails_a_second:
            tried += [("as they are", DEFAULTS, enough), ("of the table above", turned(profiles), enough)]
        for name, chosen, rate in tried:
            told = campaign(profiles, chosen, rate)
            late = (
                "over 3 days" if math.isinf(each) else f"{each * 60:.0f} min" if each < 1 else f"{each:.1f} h"
                for each in (told.largest, told.worst)
            )
            rows.append(
                f"| {size(profiles)} | {name} | {number(rate)} | {' | '.join(late)} | {told.waiting:,} | {told.bound} |"
            )
    return "\n".join(rows)


def heats() -> str:
    """Return the table of the hottest part of an index."""
    rows = ["| profiles | writes a second | the hottest of 16 parts gets |", "|---|---|---|"]
    rows += [f"| {size(one)} | {number(load(one).told)} | {heat(one):.2f} times its share |" for one in SIZES]
    return "\n".join(rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "needs": needs,
    "stored": stored,
    "settings": settings,
    "campaigns": campaigns,
    "heat": heats,
}


def filled(page: str) -> str:
    """Return the page with its tables as they are computed now."""
    for name, table in TABLES.items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->\n")
        if not (mark and end):
            raise ValueError(f"{PAGE.name} has no place for the table {name}")
        page = f"{before}{mark}{table()}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
