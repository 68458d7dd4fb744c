"""The pace of sending: together the workers keep to the account's rate, without one of them asking another."""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.errors import MailUncertainError
from rekindle.domain.events import Who
from rekindle.domain.facts import Consent
from rekindle.domain.profile import Category
from rekindle.memory import Fate, VirtualClock, World
from rekindle.ports import Allowance, Mail
from rekindle.service.deliver import Attempt, Deliver, Done, LookAgain
from rekindle.service.pace import BATCH_SECONDS, MAX_INTERVAL, QUOTA_RESERVE, UNREAD, Pacer, Staff, interval
from tests.service.test_texting import AWAKE
from tests.service.test_texting import FLOW as TEXTS
from tests.support.build import T0, checkout, consent, event, flow_of, order, playbook
from tests.support.plant import LEASE_LIFE, PlainMails, Plant
from tests.support.stage import Stage

#: `send`'s time-out (template.yaml).
TIMEOUT = 60.0
REMINDER = flow_of(
    """
    trigger: {event: checkout.updated, when: event.items}
    entry: {key: event.id}
    steps:
      - email: come-back
        valid_for: 2d
    """,
    "reminder",
)
RECEIPT = flow_of(
    """
    trigger: {event: order.placed}
    entry: {key: event.id}
    steps:
      - email: receipt
        category: transactional
    """,
    "receipt",
)
STAFF = Staff(2, 2, 0.2)
CATEGORIES: tuple[Category, ...] = ("marketing", "transactional")

staffs = st.builds(Staff, st.integers(2, 40), st.integers(2, 40), st.floats(0.01, 0.99))
rates = st.floats(0.1, 2_000)


# --- laws ------------------------------------------------------------------------------------------------------------


@given(rate=rates, staff=staffs)
def test_all_workers_together_make_up_the_rate_and_never_more(rate: float, staff: Staff) -> None:
    """Exactly the rate, unless it is so small that the longest pause is shorter than a worker's part of it."""
    pauses = {category: interval(rate, staff, category) for category in CATEGORIES}
    together = staff.marketing / pauses["marketing"] + staff.transactional / pauses["transactional"]
    assert all(0 < pause <= MAX_INTERVAL for pause in pauses.values())
    if max(pauses.values()) < MAX_INTERVAL:
        assert together == pytest.approx(rate)
        assert staff.transactional / pauses["transactional"] == pytest.approx(rate * staff.reserved)


@given(st.floats(max_value=0), staffs)
def test_an_account_without_any_rate_is_tried_slowly_and_nothing_is_divided_by_zero(rate: float, staff: Staff) -> None:
    assert interval(rate, staff, "marketing") == MAX_INTERVAL


@pytest.mark.parametrize("wrong", [(0, 2, 0.2), (2, 0, 0.2), (2, 2, 0.0), (2, 2, 1.0)])
def test_a_category_that_nobody_could_send_is_refused_at_once(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="nobody could send"):
        Staff(*wrong)


class Account:
    """An account that says what it is told to say."""

    def __init__(self, *says: Allowance | Exception) -> None:
        self.says = deque(says)
        self.asked = 0

    def allowance(self) -> Allowance:
        """Say the next thing; the last one again and again."""
        self.asked += 1
        said = self.says.popleft() if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said


class Alone:
    """One worker in virtual time, and when each of its attempts began."""

    def __init__(self, *says: Allowance | Exception, staff: Staff = STAFF, chance: float = 0.0) -> None:
        self.now = 0.0
        self.went: list[float] = []
        self.account = Account(*says)
        self.noted: list[Allowance] = []
        self.pacer = Pacer(
            account=self.account,
            staff=staff,
            monotonic=lambda: self.now,
            wait=self.wait,
            chance=lambda: chance,
            noted=self.noted.append,
        )

    def wait(self, seconds: float) -> None:
        """Let so much time pass."""
        assert seconds > 0
        self.now += seconds

    def batch(
        self, mails: int, category: Category = "marketing", *, seconds: float = 0.05, refused: str = ""
    ) -> list[int]:
        """Send a batch, each attempt taking so long; return the delays of those that were handed back."""
        back = []
        self.pacer.begin()
        for _ in range(mails):
            later = self.pacer.turn(category, timedelta(0))
            if later is not None:
                back.append(later)
                continue
            self.went.append(self.now)
            self.pacer.goes(category)
            self.now += seconds
            if refused:
                self.pacer.refused(category, refused)
        self.pacer.end()
        return back


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.5, 500),
    staff=st.builds(Staff, st.integers(2, 6), st.integers(2, 6), st.floats(0.1, 0.9)),
    batches=st.lists(
        st.tuples(st.sampled_from(CATEGORIES), st.integers(1, 10), st.floats(0, 3)), min_size=1, max_size=40
    ),
    spare=st.integers(0, 4),
    chance=st.floats(0, 0.999),
)
def test_in_any_span_of_time_no_more_go_than_the_rate_allows_and_one_for_each_worker(
    rate: float, staff: Staff, batches: list[tuple[Category, int, float]], spare: int, chance: float
) -> None:
    """However batches are cut, however long attempts take, and whichever process serves which batch."""
    clock = VirtualClock(T0)
    stage = Stage(clock)
    account = Account(Allowance(rate=rate))
    went: list[float] = []

    def process() -> Pacer:
        made = Pacer(account=account, staff=staff, monotonic=stage.monotonic, wait=stage.wait, chance=lambda: chance)
        # As if it had served before: what it takes for granted until then is another law's business.
        made.begin()
        made.goes("marketing")
        made.end()
        return made

    idle: deque[Pacer] = deque()
    stage.run(lambda: idle.extend(process() for _ in range(staff.workers + spare)))
    work = {category: deque(one[1:] for one in batches if one[0] == category) for category in CATEGORIES}

    def worker(category: Category) -> Callable[[], None]:
        def serve() -> None:
            while work[category]:
                mails, seconds = work[category].popleft()
                pacer = idle.popleft()
                pacer.begin()
                for _ in range(mails):
                    if pacer.turn(category, timedelta(0)) is None:
                        went.append(stage.monotonic())
                        pacer.goes(category)
                        stage.wait(seconds)
                pacer.end()
                idle.append(pacer)

        return serve

    many = {"marketing": staff.marketing, "transactional": staff.transactional}
    stage.run(*(worker(category) for category in CATEGORIES for _ in range(many[category])))
    assert len(went) >= len(batches)
    for first, start in enumerate(went):
        for last in range(first, len(went)):
            span = went[last] - start
            allowed = staff.workers + sum(many[one] * span / interval(rate, staff, one) for one in CATEGORIES)
            assert last - first + 1 <= allowed + 1e-6


@settings(deadline=None)
@given(rate=st.floats(0.05, 100), mails=st.integers(1, 10), seconds=st.floats(0, 11), staff=staffs)
def test_no_batch_outlasts_the_function_and_each_makes_some_way(
    rate: float, mails: int, seconds: float, staff: Staff
) -> None:
    alone = Alone(Allowance(rate=rate), staff=staff)
    back = alone.batch(mails, seconds=seconds)
    assert len(alone.went) + len(back) == mails
    assert alone.went[0] == 0
    assert max(alone.went) <= BATCH_SECONDS
    assert alone.now <= max(BATCH_SECONDS + seconds, 40)
    assert all(1 <= delay <= MAX_INTERVAL for delay in back)


# --- one worker ------------------------------------------------------------------------------------------------------


def test_the_account_is_asked_after_a_mail_never_before_the_first() -> None:
    alone = Alone(Allowance(rate=2))
    asked = []
    alone.pacer.begin()
    assert alone.pacer.turn("marketing", timedelta(0)) is None
    asked.append(alone.account.asked)
    alone.pacer.goes("marketing")
    alone.pacer.turn("marketing", timedelta(0))
    asked.append(alone.account.asked)
    assert asked == [0, 1]
    assert alone.now == pytest.approx(2 / (2 * 0.8))


def test_it_is_asked_every_five_minutes_and_told_on() -> None:
    alone = Alone(Allowance(rate=10), Allowance(rate=20))
    for _ in range(120):
        alone.batch(1, seconds=0.0)
        alone.now += 5
    assert alone.account.asked == 3
    assert [one.rate for one in alone.noted] == [10, 20, 20]


def test_where_nothing_is_sent_nothing_is_asked_and_nobody_waits() -> None:
    alone = Alone(Allowance(rate=1))
    alone.pacer.begin()
    alone.pacer.end()
    assert (alone.account.asked, alone.now) == (0, 0)


def test_a_reading_that_fails_changes_nothing_and_is_tried_again_in_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    alone = Alone(OSError("no way"), Allowance(rate=1_000), OSError("no way"), OSError("no way"))
    alone.batch(10, seconds=0.0)
    assert alone.now == pytest.approx(10 * interval(UNREAD.rate, STAFF, "marketing"))
    assert "not known" in caplog.text
    alone.now += 60
    alone.batch(1, seconds=0.0)
    for _ in range(3):
        alone.now += 400
        before = alone.now
        alone.batch(10, seconds=0.0)
        assert alone.now - before == pytest.approx(10 * interval(1_000, STAFF, "marketing"))


def test_who_is_throttled_all_the_same_goes_slower_until_the_account_has_answered_some_times() -> None:
    alone = Alone(Allowance(rate=100))
    alone.batch(1, seconds=0.0)
    usual = interval(100, STAFF, "marketing")
    began = alone.now
    alone.batch(5, seconds=0.0, refused="throttled")
    assert alone.now - began == pytest.approx(sum(1.25**times for times in range(1, 6)) * usual)
    paces = []
    for _ in range(3):
        began = alone.now
        alone.batch(10, seconds=0.0)
        paces.append((alone.now - began) / 10 / usual)
        alone.now += 301
        alone.batch(1, seconds=0.0)
    assert paces == pytest.approx([1.25**5, 1.25**5 / 2, 1.0])
    began = alone.now
    alone.batch(3, "transactional", seconds=0.0)
    assert alone.now - began == pytest.approx(3 * 2 / 20), "the others keep their pace"


def test_the_sandbox_is_slow_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        alone = Alone(Allowance(rate=1, quota=200, trial=True))
        alone.batch(10)
    assert "sandbox" in caplog.text
    pauses = [later - earlier for earlier, later in itertools.pairwise(alone.went)]
    assert pauses == pytest.approx([2 / 0.8] * 9)


# --- the quota of 24 hours -------------------------------------------------------------------------------------------


def test_near_the_quota_marketing_stops_and_transactional_mail_goes_on() -> None:
    near = Allowance(rate=1_000, quota=1_000, sent=1_000 * (1 - QUOTA_RESERVE))
    alone = Alone(near)
    assert alone.batch(3) == [60, 60], "the first one went before anything was known"
    assert alone.batch(2) == [60, 60]
    assert alone.batch(5, "transactional") == []


def test_what_waits_for_the_quota_rests_the_longer_the_older_it_is() -> None:
    alone = Alone(Allowance(rate=1_000, quota=10, sent=10))
    alone.batch(1)
    alone.pacer.begin()
    assert alone.pacer.turn("marketing", timedelta(hours=1)) == 900


def test_between_two_readings_marketing_is_taken_to_have_gone_as_fast_as_it_may() -> None:
    """Nobody tells how much the others sent. In doubt the account is asked again, but not all the time."""
    alone = Alone(Allowance(rate=10, quota=1_000), Allowance(rate=10, quota=1_000, sent=896))
    alone.batch(1)
    assert alone.account.asked == 1
    read_at = alone.now
    while alone.now < read_at + 900 / 8 - 1:
        assert alone.batch(1, seconds=0.5) == []
    assert alone.account.asked == 1
    while alone.account.asked == 1:
        assert alone.batch(1, seconds=0.5) == []
    alone.now += 0.6
    assert alone.batch(1) == [60]
    assert alone.account.asked == 2
    alone.now += 10
    assert alone.batch(1) == []
    assert alone.account.asked == 3


def test_a_new_day_lets_marketing_go_on_by_itself() -> None:
    alone = Alone(Allowance(rate=1_000, quota=1_000, sent=990), Allowance(rate=1_000, quota=100_000, sent=100))
    assert alone.batch(3) == [60, 60]
    alone.now += 5
    assert alone.batch(1) == [60]
    alone.now += 5
    assert alone.batch(3) == []


def test_an_account_without_a_quota_is_never_near_it() -> None:
    alone = Alone(Allowance(rate=1_000, sent=10_000_000))
    assert alone.batch(10) == []


def test_where_ses_says_that_the_quota_is_spent_it_is_believed_until_the_next_reading() -> None:
    alone = Alone(Allowance(rate=100, quota=1_000_000, sent=10))
    alone.batch(1)
    assert alone.batch(3, refused="quota") == [60, 60]
    assert alone.batch(1, "transactional") == []
    alone.now += 290
    assert alone.batch(1) == [60]
    alone.now += 10
    assert alone.batch(3) == []


# --- the whole service -----------------------------------------------------------------------------------------------


class Strict:
    """An SES that takes `rate` mails a second, as many at once, and refuses what comes faster; each takes 60 ms."""

    def __init__(self, world: World, stage: Stage, rate: float) -> None:
        self._world = world
        self._stage = stage
        self._rate = rate
        self._left = rate
        self._at = 0.0
        self.took_at: list[float] = []
        self.refused = 0
        world.decide_fate = self

    def __call__(self, _mail: Mail) -> Fate:
        """Decide about the next mail."""
        self._stage.wait(0.06)
        now = self._stage.monotonic()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return "throttled"
        allowance = self._world.allowance
        if allowance.quota is not None and allowance.sent >= allowance.quota:
            self.refused += 1
            return "quota"
        self._world.allowance = replace(allowance, sent=allowance.sent + 1)
        self._left -= 1
        self.took_at.append(now)
        return "accept"


class House:
    """The workers of both queues over one world in virtual time."""

    def __init__(self, *, marketing: int, transactional: int, allowance: Allowance, staff: Staff = STAFF) -> None:
        self.plant = Plant(playbook(REMINDER, RECEIPT))
        self.world = self.plant.world
        self.world.allowance = allowance
        self._plan(marketing, transactional)
        self.stage = Stage(self.world.clock)
        self.ses = Strict(self.world, self.stage, allowance.rate)
        self.longest = 0.0
        self._staff = staff
        self._tokens = itertools.count(1)
        self._idle = deque(self._process() for _ in range(staff.workers + 2))

    def _plan(self, marketing: int, transactional: int) -> None:
        for number in range(marketing + transactional):
            who = Who(email=f"p{number}@example.com", cart_token=f"c{number}", checkout_token=f"k{number}")
            if number < marketing:
                self.plant.post(consent(T0, who=who), checkout(T0, who=who))
            else:
                self.plant.post(order(T0, who=who, id=f"o{number}"))
        while self.world.stream:
            self.plant.journey.from_stream(self.world.stream.popleft())

    def _process(self) -> Deliver:
        return Deliver(
            outbox=self.world.outbox,
            queues=self.world.queues,
            mailer=self.world.mailer,
            builder=PlainMails(),
            clock=self.world.clock,
            address_key=self.world.secret_address_key,
            new_token=lambda: f"token-{next(self._tokens)}",
            lease_life=LEASE_LIFE,
            pacer=Pacer(
                account=self.world.account,
                staff=self._staff,
                monotonic=self.stage.monotonic,
                wait=self.stage.wait,
                chance=Random(next(self._tokens)).random,  # noqa: S311 - workers out of step, the same at every run
            ),
        )

    def run(self, seconds: float = 3_600) -> None:
        """Work until nothing is left on the queues, or for so long; the process that idled longest comes next."""
        workers = {"marketing": self._staff.marketing, "transactional": self._staff.transactional}
        self.stage.run(*(self._worker(category, seconds) for category in CATEGORIES for _ in range(workers[category])))

    def _worker(self, category: Category, seconds: float) -> Callable[[], None]:
        queue = self.world.send_queues[category]

        def serve() -> None:
            while queue.messages and self.stage.monotonic() < seconds:
                received = queue.receive(10, visibility=360)
                if not received:
                    self.stage.wait(0.5)
                    continue
                process = self._idle.popleft()
                began = self.stage.monotonic()
                verdicts = process.batch([(one.value, one.receives - 1) for one in received])
                self.longest = max(self.longest, self.stage.monotonic() - began)
                for one, verdict in zip(received, verdicts, strict=True):
                    if isinstance(verdict, Done):
                        queue.delete(one.receipt)
                    elif isinstance(verdict, LookAgain):
                        queue.release(one.receipt, verdict.delay)
                self._idle.append(process)

        return serve

    def got(self) -> Counter[str]:
        """Return how many mails each address got."""
        return Counter(to for to, _, _ in self.plant.mails())


def test_500_mails_at_14_a_second_take_500_fourteenths_of_a_second_and_none_is_throttled() -> None:
    house = House(marketing=400, transactional=100, allowance=Allowance(rate=14, quota=50_000))
    house.run()
    assert house.got() == {f"p{number}@example.com": 1 for number in range(500)}
    assert house.ses.refused == 0
    assert 500 / 14 * 0.97 <= max(house.ses.took_at) <= 500 / 14 * 1.1
    assert house.longest < TIMEOUT
    assert busiest_second(house.ses.took_at) <= 14 + STAFF.workers
    # Asked once by each process, and not once a mail.
    assert house.world.calls["account.allowance"] <= STAFF.workers + 2


def test_transactional_mail_is_as_quick_in_a_campaign_as_without_one() -> None:
    took = []
    for campaign in (0, 600):
        house = House(marketing=campaign, transactional=12, allowance=Allowance(rate=14))
        house.run(seconds=10)
        receipts = [(when - T0).total_seconds() for _, template, when in house.plant.mails() if template == "receipt"]
        assert len(receipts) == 12
        took.append(receipts)
    pause = interval(14, STAFF, "transactional")
    assert took[1] == pytest.approx(took[0], abs=pause)


@pytest.mark.parametrize("staff", [STAFF, Staff(6, 4, 0.2)], ids=["four workers", "ten workers"])
def test_in_the_sandbox_everything_goes_in_the_end_and_nothing_is_parked_or_sent_twice(staff: Staff) -> None:
    """Also with ten workers for one mail a second, where batches hand back what they have no time for."""
    house = House(marketing=60, transactional=20, allowance=Allowance(rate=1, quota=200, trial=True), staff=staff)
    house.run()
    assert house.got() == {f"p{number}@example.com": 1 for number in range(80)}
    assert house.longest < TIMEOUT
    for queue in house.world.send_queues.values():
        assert (queue.messages, queue.dead) == ([], [])
    assert house.ses.refused < 80, "fewer than one refusal a mail, though SES lets nobody be a moment too early"


def test_the_days_quota_ends_with_room_for_the_shops_confirmations() -> None:
    house = House(marketing=150, transactional=20, allowance=Allowance(rate=50, quota=200, sent=80))
    house.run(seconds=60)
    templates = Counter(template for _, template, _ in house.plant.mails())
    assert templates["receipt"] == 20
    reminders = templates["come-back"]
    assert 80 + reminders + 20 <= 200
    assert reminders >= 60
    assert house.ses.refused == 0
    assert len(house.world.send_queues["marketing"].messages) == 150 - reminders
    assert {message.state for message in house.world.messages.values()} == {"sent"}


def test_what_grows_too_old_while_it_waits_its_turn_is_skipped_and_not_sent() -> None:
    """It is verified again after the wait, on the clock as it is then."""
    house = House(marketing=3, transactional=0, allowance=Allowance(rate=1))
    late = timedelta(days=2) - timedelta(seconds=1)
    house.world.clock.advance_to(T0 + late)
    house.stage = Stage(house.world.clock)
    house.ses = Strict(house.world, house.stage, 1)
    house._idle = deque([house._process()])
    process = house._idle[0]
    received = house.world.send_queues["marketing"].receive(10, visibility=360)
    verdicts: list[Sequence[object]] = []
    house.stage.run(lambda: verdicts.append(process.batch([(one.value, 0) for one in received])))
    assert list(verdicts[0]) == [Done("sent"), Done("skipped"), Done("skipped")]
    assert {message.why for message in house.world.messages.values() if message.state == "skipped"} == {"too late"}


def busiest_second(moments: Sequence[float]) -> int:
    """Return how many fell into the fullest second."""
    ordered = sorted(moments)
    return max(sum(start <= one < start + 1 for one in ordered) for start in ordered)


def test_a_phone_network_that_hangs_does_not_run_the_worker_out_of_its_time() -> None:
    """Eleven seconds an attempt, as the client gives up: what the batch has no time left for is queued anew."""
    plant = Plant(playbook(TEXTS, manners=AWAKE, channels=("email", "sms")))
    for number in range(10):
        phone = f"+44770090010{number}"
        who = Who(email=f"p{number}@example.com", phone=phone, cart_token=f"c{number}", checkout_token=f"k{number}")
        act = Consent(channel="sms", state="subscribed", at=T0, source="test", address=phone)
        plant.post(event("consent.changed", act, T0, who=who, id=f"sms{number}"), checkout(T0, who=who))
    while plant.world.stream:
        plant.journey.from_stream(plant.world.stream.popleft())
    alone, tokens = Alone(UNREAD), itertools.count(1)

    def hang() -> str:
        alone.went.append(alone.now)
        alone.wait(11)
        raise MailUncertainError("ReadTimeoutError")

    deliver = Deliver(
        outbox=plant.world.outbox,
        queues=plant.world.queues,
        mailer=plant.world.mailer,
        builder=PlainMails(),
        clock=plant.world.clock,
        address_key=plant.world.secret_address_key,
        new_token=lambda: f"token-{next(tokens)}",
        lease_life=LEASE_LIFE,
        pacer=alone.pacer,
        channels={"sms": lambda message, *_: Attempt(message, hang)},
    )
    queue = plant.world.send_queues["marketing"]
    received = queue.receive(10, visibility=360)
    verdicts = deliver.batch([(one.value, 0) for one in received])
    assert alone.went == [0, 11, 22]
    assert Counter(verdict.how for verdict in verdicts if isinstance(verdict, Done)) == {"unknown": 3, "held": 7}
    assert alone.now < TIMEOUT
    assert len(queue.messages) == 10 + 7
