"""The simulated installation: every function's service over one `memory.World`, as coroutines on a virtual clock.

A worker is a greenlet. Each port call passes `tapped`, where the worker may fail as `faults` says or step back
so that others go on in between; between two port calls nothing else runs, as nothing there can be seen from outside.
Time moves only when nobody has anything to do. Nothing here is random: `schedule` chooses.
"""

from __future__ import annotations

import heapq
import inspect
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from types import MethodType
from typing import Any, NamedTuple

import msgspec
from greenlet import greenlet
from msgspec import structs

from rekindle import memory
from rekindle.content.links import Unsubscribe
from rekindle.content.pages import layout, preferences, reviews, sign_up, stay, surveys
from rekindle.content.playbook import pool_file
from rekindle.domain import ids
from rekindle.domain.events import Delivery, Event, decode_events, encode_events
from rekindle.domain.facts import Campaign
from rekindle.domain.outcome import Outcome
from rekindle.domain.profile import Profile, decode_profile, encode_profile
from rekindle.flow.engine import advance
from rekindle.flow.program import Playbook
from rekindle.memory import Crash, Fate, Queue, Received, World
from rekindle.ports import Counted, Mail, Pause, Pending, PushMessage, TextMessage, Wake
from rekindle.service import fanout as fanout_module
from rekindle.service import graves as graves_module
from rekindle.service import heralds as heralds_module
from rekindle.service import journey as journey_module
from rekindle.service import library as library_module
from rekindle.service import mint as mint_module
from rekindle.service import people as people_module
from rekindle.service import publish as publish_module
from rekindle.service import sign_up as sign_up_module
from rekindle.service.accept import accept
from rekindle.service.answers import hear
from rekindle.service.campaigns import MARK_EVERY, Campaigns
from rekindle.service.catalogue import Catalogue, Change
from rekindle.service.coupons import Wallet
from rekindle.service.deliver import Deliver, Done, LookAgain
from rekindle.service.fanout import Fanout
from rekindle.service.feedback import take
from rekindle.service.gone import Gone
from rekindle.service.guard import Guard, Herald, NotPausedError, announce
from rekindle.service.heralds import ProductHerald
from rekindle.service.journey import Journey
from rekindle.service.library import POINTER, Library
from rekindle.service.listing import Listing, Unlisting
from rekindle.service.mint import Mint, Minted
from rekindle.service.notices import Notice
from rekindle.service.passes import Passes
from rekindle.service.people import address_hash, alias_key
from rekindle.service.phones import Incoming
from rekindle.service.privacy import Privacy
from rekindle.service.publish import publish
from rekindle.service.pushing import Pushing
from rekindle.service.stops import Stopping, Stops, put_stop
from rekindle.service.sweep import EVERY, MAX_TRIES, OVERDUE, PENDING_FOR, sweep
from rekindle.service.tally import Tally, of_message
from rekindle.service.texting import Texting
from rekindle.service.unsubscribe import unsubscribe
from rekindle.settings import LEASE_LIFE_SECONDS
from tests.simulation.builders import PlainMails, PlainPushes, PlainTexts
from tests.simulation.check import Watch
from tests.simulation.faults import CRASHES, LOSSES, error_of
from tests.simulation.imports import run_import
from tests.simulation.schedule import STEP_BACK, Choice, Told
from tests.simulation.story import (
    CAMPAIGNS,
    CODES,
    CONNECTED,
    HOLDS,
    LETTER_AT,
    LIMITS,
    NUMBER,
    OWN_AT,
    PHONES,
    POOL,
    SHOP,
    T0,
    UNSIGNED,
    Happening,
    Story,
    books,
    events,
    pages_of,
    person_at,
)
from tests.simulation.unheard import Unheard
from tests.simulation.visitors import Visitors
from tests.simulation.wishes import Wishes

LEASE_LIFE = timedelta(seconds=LEASE_LIFE_SECONDS)
#: As in template.yaml: a function's time-out, a queue's visibility and how often it gives a message out, in seconds.
TIMEOUTS = {
    "webhook": 10,
    "links": 10,
    "feedback": 30,
    "journey": 60,
    "send": 60,
    "publish": 120,
    "sweep": 240,
    "privacy": 300,
    "campaign": 60,
    "reconcile": 300,
    "tool": 60,
    # Nobody ends what runs on an operator's own machine.
    "import": 1_000_000,
    "catalogue": 60,
    "tally": 60,
    "mint": 60,
    "collect": 10,
    "track": 10,
    "pages": 10,
    "signup": 10,
}
VISIBILITY = {"wake": 360, "transactional": 360, "marketing": 360, "tasks": 1800, "catalogue": 370, "fanout": 360}
VISIBILITY |= {"transactional mint": 360, "marketing mint": 360, "reactions": 180}
MAX_RECEIVES = {"wake": 8, "transactional": 30, "marketing": 30, "tasks": 5, "catalogue": 8, "fanout": 5}
MAX_RECEIVES |= {"transactional mint": 10, "marketing mint": 10, "reactions": 5}
SHARDS = 2
_BATCHES = {"tasks": 1, "fanout": 1}
#: Lambda takes a stream's record so often, and an asynchronous event.
STREAM_TRIES, ASYNC_TRIES = 6, 3
#: A shop sends a webhook again for hours; a person clicks again a few times.
SENDER_TRIES = 9
_UPLOAD_PAUSE = 20
#: So many seconds records of a stream are gathered for tally.
_GATHERED = 20
_SES_DOWN: tuple[tuple[Fate, int], ...] = (("throttled", 100), ("not_connected", 1000), ("quota", 5000))
_MAX_AT_ONCE = 8
_FIRST_OWN = min(OWN_AT.values())
_TICKED = "campaigns/ticked.json"
#: So many results of `advance` are remembered at once, and every so many of those used again are checked.
#: What is used again is mostly of the same story: to remember more finds no more, and makes everything slower.
_ADVANCED, _AFRESH = 2_000, 50
_MAX_STEPS = 3_000
_MAX_REDRIVEN = 10
_SECOND = timedelta(seconds=1)


#: Greenlets that have nothing to do: to make one takes as long as several port calls.
_idle: list[greenlet] = []


def _work_for_ever(invoke: Callable[[Worker], None], worker: Worker) -> None:
    own = greenlet.getcurrent()
    while True:
        invoke(worker)
        del worker
        _idle.append(own)
        assert own.parent is not None
        invoke, worker = own.parent.switch()


class Worker:
    """One invocation of a function: what runs, since when, and what the checks want to know of it."""

    __slots__ = (
        "body",
        "campaign",
        "decided_at",
        "did",
        "function",
        "greenlet",
        "looked_at",
        "messages",
        "name",
        "over",
        "owners",
        "pending_id",
        "playbook",
        "read",
        "sandbox",
        "started_at",
        "switched",
        "troubled",
    )

    def __init__(self, function: str, name: str, body: Callable[[], None], now: datetime) -> None:
        self.function = function
        self.name = name
        self.body = body
        self.started_at = now
        self.greenlet: greenlet | None = None
        self.over = False
        self.messages: frozenset[str] = frozenset()
        self.troubled = False
        self.switched = False
        self.playbook = ""
        self.looked_at = self.decided_at = now
        self.read: dict[str, Any] = {}
        self.owners: Mapping[str, str] = {}
        self.pending_id: str | None = None
        self.sandbox: Any = None
        self.campaign: Campaign | None = None
        self.did: list[str] = []
        """what it has accepted or put on the queue of reactions"""


class Call(NamedTuple):
    """One call of a port."""

    place: str
    method: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Simulation:
    """One world from its beginning until nothing is left to do. `watch` holds what was found wrong."""

    def __init__(self, story: Story, choices: Told, *, trace: bool = False) -> None:
        self.story = story
        self.choices = choices
        self.world = World(T0)
        self.clock = self.world.clock
        self.trace: list[str] | None = [] if trace else None
        self.exercised: Counter[tuple[str, str]] = Counter()
        self.watch = Watch(self)
        self.current: Worker | None = None
        self.workers: list[Worker] = []
        self.ready: deque[Worker] = deque()
        self.due: deque[Callable[[], None]] = deque()
        self.later: list[tuple[datetime, int, Callable[[], None]]] = []
        self.stream: deque[tuple[Pending, int]] = deque()
        self.to_count: list[Counted] = []
        """what the streams of Messages and Ledger brought, and tally has not taken yet"""
        self.warm: dict[str, list[Any]] = {}
        self.ses_down: tuple[Fate, datetime] | None = None
        self.push_fates: deque[Fate] = deque()
        self.audience_fates: deque[Fate] = deque()
        self.swept_at: datetime | None = None
        self.ticked_at: datetime | None = None
        self.senders: list[SendSandbox] = []
        """every sandbox of `send`, also those that died"""
        self.raised: list[BaseException] = []
        """what came out of port calls"""
        self.killed = 0
        """how many workers a deploy has killed"""
        self.redriven = 0
        self._numbers = itertools.count(1)
        self._tokens = itertools.count(1)
        self._main = greenlet.getcurrent()
        world = self.world
        self.queues: dict[str, Queue[Any]] = {
            "wake": world.wake_queue,
            "transactional": world.send_queues["transactional"],
            "marketing": world.send_queues["marketing"],
            "tasks": world.privacy_queue,
            "catalogue": world.catalogue_queue,
            "fanout": world.fanout_queue,
            "transactional mint": world.mint_queues["transactional"],
            "marketing mint": world.mint_queues["marketing"],
            "reactions": world.reactions_queue,
        }
        for name, queue in self.queues.items():
            queue._max_receives = MAX_RECEIVES[name]
        self._streams = (world.stream, world.product_stream, world.count_stream, world.message_stream)
        self._queued = [(name, queue.messages) for name, queue in self.queues.items()]
        self.visitors = Visitors(self)
        self.unheard = Unheard(self)
        self.wishes = Wishes(self)
        self._consumers = {
            "wake": ("journey", self._wake),
            "tasks": ("privacy", self._privacy),
            "fanout": ("campaign", self._shards),
            "catalogue": ("catalogue", self._count),
            "transactional mint": ("mint", self._mint),
            "marketing mint": ("mint", self._mint),
            "reactions": ("feedback", self.visitors.react),
        }
        world.decide_fate = self._fate
        world.decide_text_fate = self._text_fate
        world.decide_push_fate = self._push_fate
        world.decide_audience_fate = lambda _: self.audience_fates.popleft() if self.audience_fates else "accept"
        world.files[pool_file(POOL)] = msgspec.json.encode(CODES)
        self.ports: dict[str, Any] = {
            name: tapped(self, getattr(world, attribute)) for name, attribute, tapped in _tapped_ports()
        }
        self._fates: dict[str, deque[Fate]] = {
            "mailer.send": world.fates,
            "texter.send": world.text_fates,
            "pusher.send": self.push_fates,
            "audiences.change": self.audience_fates,
        }
        world.files.update(_published(story.book))
        world.shops[SHOP] = CONNECTED
        self.watch.goes_live(world.files[POINTER])
        world.files[_TICKED] = msgspec.json.encode({"until": T0})
        for happening in story.happenings:
            self.at(T0 + timedelta(seconds=happening.at), partial(self.happen, happening))

    # --- time and turns

    def run(self) -> None:
        """Run until nothing is left to do, and check what has come of it."""
        for _ in range(_MAX_STEPS):
            if not self._step() and not self._pass_time() and not self._redrive():
                break
            if self.watch.violations:
                break
        else:
            self.watch.wrong("comes to rest", f"still busy after {_MAX_STEPS} steps")
        if not self.watch.violations:
            self.watch.final()
        self._kill_all()

    def _step(self) -> bool:
        """Let one thing happen of those that can: by default in the order of its way through the installation.

        Return whether there was any.
        """
        if any(self._streams):
            self._read_streams()
        due = waiting = 0
        visible: list[str] = []
        if len(self.workers) < _MAX_AT_ONCE or not self.ready:
            due, waiting = len(self.due), len(self.stream)
            now = self.clock.now()
            for name, messages in self._queued:
                for message in messages:
                    if message.visible_at <= now:
                        visible.append(name)
                        break
        # Who stepped back goes on last.
        options = due + waiting + len(visible) + len(self.ready)
        if not options:
            return False
        place = self.choices.pick(options)
        if place < due:
            self._take_due(place)
        elif (place := place - due) < waiting:
            self._take_stream(place)
        elif (place := place - waiting) < len(visible):
            self._take_queue(visible[place])
        else:
            self._go_on(place - len(visible))
        return True

    def _read_streams(self) -> None:
        stream, products = self.world.stream, self.world.product_stream
        while stream:
            self.stream.append((stream.popleft(), 1))
        while products:
            self.due.append(partial(self._hear_of_product, Change(*products.popleft()), 1))
        counts, changes = self.world.count_stream, self.world.message_stream
        if counts or changes:
            if not self.to_count:
                self.after(_GATHERED, self._gathered)
            self.to_count += [*counts, *filter(None, (of_message(*change) for change in changes))]
            counts.clear()
            changes.clear()

    def _take_due(self, place: int) -> None:
        happen = self.due[place]
        del self.due[place]
        happen()

    def _go_on(self, place: int) -> None:
        worker = self.ready[place]
        del self.ready[place]
        self._resume(worker)

    def _pass_time(self) -> bool:
        """Move to the next moment at which anything happens; return whether there is one."""
        moments = [self.later[0][0]] if self.later else []
        for _, messages in self._queued:
            if messages:
                moments += [message.visible_at for message in messages]
        if self.world.schedules:
            moments += [schedule.at for schedule in self.world.schedules.values() if not schedule.fired]
        sweep, tick = self._next_sweep(), self._next_tick()
        look = self.unheard.next_look() if self.unheard.any else None
        moments += [regular for regular in (sweep, tick, look) if regular is not None]
        moment = min(moments, default=None)
        if moment is None:
            return False
        if moment > self.clock.now():
            self.clock.advance_to(moment)
        now = self.clock.now()
        while self.later and self.later[0][0] <= now:
            self.due.append(heapq.heappop(self.later)[2])
        if self.world.schedules:
            self._fire_schedules(now)
        if moment in (sweep, tick, look):
            self._do_regularly(sweep=sweep == moment, tick=tick == moment, look=look == moment)
        return True

    def _do_regularly(self, *, sweep: bool, tick: bool, look: bool) -> None:
        if sweep:
            self.swept_at = self.clock.now()
            self._sweep()
        if tick:
            self.ticked_at = self.clock.now()
            self._tick()
        if look:
            self.unheard.look()

    def _redrive(self) -> bool:
        """Do as an operator about dead letters and stuck items, if so much went wrong that there may be any."""
        wrong = self.choices.faults + self.killed
        done = 0
        for name, queue in self.queues.items():
            if wrong >= MAX_RECEIVES[name]:
                done += queue.redrive()
        if wrong >= MAX_TRIES:
            for pending in [one for one in self.world.pending.values() if one.tries >= MAX_TRIES]:
                self.world.pending[pending.id] = structs.replace(pending, tries=0)
                done += 1
        self.redriven += done
        return done > 0 and self.redriven <= _MAX_REDRIVEN

    def at(self, moment: datetime, happen: Callable[[], None]) -> None:
        """Let this happen at that moment."""
        heapq.heappush(self.later, (moment, next(self._numbers), happen))

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let this happen so much later."""
        self.at(self.clock.now() + timedelta(seconds=seconds), happen)

    def start(self, function: str, body: Callable[[], None], subject: str = "") -> None:
        """Invoke a function: `body` is its handler."""
        worker = Worker(function, f"{function} {subject}".rstrip(), body, self.clock.now())
        worker.greenlet = _idle.pop() if _idle else greenlet(_work_for_ever)
        self.workers.append(worker)
        self._resume(worker, self._invoke, worker)

    def _invoke(self, worker: Worker) -> None:
        try:
            worker.body()
        finally:
            worker.over = True
            self.workers.remove(worker)

    def _resume(self, worker: Worker, *args: object) -> None:
        self.current = worker
        assert worker.greenlet is not None
        worker.greenlet.switch(*args)
        self.current = None

    def _yield(self, worker: Worker) -> None:
        worker.switched = True
        self._main.switch()
        self.current = worker

    def sleep(self, worker: Worker, seconds: int) -> None:
        """Let the worker stand still for so long, or die of its time-out."""
        until = self.clock.now() + timedelta(seconds=seconds)
        if until > worker.started_at + timedelta(seconds=TIMEOUTS[worker.function]):
            raise Crash("timed out")
        self.at(until, lambda: None if worker.over else self._resume(worker))
        self._yield(worker)

    def _kill_all(self) -> None:
        """End every invocation where it stands, as a deploy does at worst."""
        self.ready.clear()
        for worker in list(self.workers):
            assert worker.greenlet is not None
            self.current = worker
            self.killed += 1
            self.watch.died()
            worker.greenlet.throw(Crash("killed"))
            self.current = None

    def close(self) -> None:
        """Let go of everything: a world is one knot of references, which only the collector could undo, at a price."""
        self._kill_all()
        for sandbox in self.senders:
            sandbox.close()
        for error in self.raised:
            # Whoever keeps what was raised is held by its traceback.
            error.__traceback__ = None
        for part in (self.visitors, self.world, self.watch, self):
            vars(part).clear()

    # --- port calls

    def call(
        self, choice: Choice, place: str, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make a port call as it is chosen to go."""
        worker = self.current
        assert worker is not None
        self.exercised[place, choice.kind] += 1
        self.tell("!!", choice)
        call = Call(place, method, args, kwargs)
        if choice.kind == STEP_BACK:
            return self._step_back(worker, call)
        self.watch.troubled(place, choice.kind)
        if choice.kind in CRASHES:
            return self._crash(worker, choice, call)
        if choice.kind in LOSSES:
            return self._lose(worker, choice, call)
        return self._hinder(worker, choice, call)

    def effect(self, place: str, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry a port call out, watched."""
        watch = self.watch.calls.get(place)
        try:
            result = method(*args, **kwargs) if watch is None else watch(method, *args, **kwargs)
        except Exception as error:
            self.tell(place, "→", type(error).__name__, error)
            raise
        if self.trace is not None:
            self.tell(place, _short(args), "→", _short(result))
        return result

    def _carry_out(self, call: Call) -> Any:
        return self.effect(call.place, call.method, call.args, call.kwargs)

    def _step_back(self, worker: Worker, call: Call) -> Any:
        self.ready.append(worker)
        self._yield(worker)
        return self._carry_out(call)

    def _crash(self, worker: Worker, choice: Choice, call: Call) -> Any:
        """Let the process die: before its request goes out, after it was carried out, or while it is under way."""
        if choice.kind == "crash_after":
            self._unheard(worker, call)
        elif choice.kind == "crash_late":
            self._later(worker, choice, call)
        raise Crash(choice.kind)

    def _lose(self, worker: Worker, choice: Choice, call: Call) -> Any:
        """Let no answer come: of a request that is carried out now, later, or never."""
        if choice.kind == "lost":
            self._unheard(worker, call)
        elif choice.kind == "late":
            self._later(worker, choice, call)
        else:
            self.watch.asked(call.place, call.args)
        raise error_of(call.place, choice.kind)

    def _hinder(self, worker: Worker, choice: Choice, call: Call) -> Any:
        """Let the call be slow, happen twice, happen in part, or be refused."""
        match choice.kind:
            case "slow_before":
                self.sleep(worker, choice.amount)
                return self._carry_out(call)
            case "slow_after":
                result = self._carry_out(call)
                self.sleep(worker, choice.amount)
                return result
            case "repeat":
                self._carry_out(call)
                return self._step_back(worker, call)
            case "partial":
                some = call.args[0][: len(call.args[0]) // 2]
                if some:
                    self._carry_out(Call(call.place, call.method, (some, *call.args[1:]), call.kwargs))
            case "throttled" | "quota" | "paused" | "not_connected" | "not_allowed" | "reject" | "gone" as fate:
                fates = self._fates.get(call.place)
                if fates is not None:
                    fates.append(fate)
                    return self._carry_out(call)
        raise error_of(call.place, choice.kind)

    def _unheard(self, worker: Worker, call: Call) -> None:
        """Carry out what this worker asked for. Nobody is there any more to whom a failure could be told."""
        before, self.current = self.current, worker
        try:
            self._carry_out(call)
        except Exception as error:  # noqa: BLE001 - see above
            self.tell("unheard:", error)
        finally:
            self.current = before

    def _later(self, worker: Worker, choice: Choice, call: Call) -> None:
        """Let the request arrive later; as if from the worker as it is now, whatever that does meanwhile."""
        asked = copy(worker)
        self.watch.asked(call.place, call.args)
        took: dict[str, Callable[..., str]] = {
            "mailer.send": self.watch.took,
            "texter.send": self.watch.took_text,
            "pusher.send": self.watch.took_push,
        }
        if call.place in took:
            # That the channel could take it has just been noted.
            call = Call("", partial(took[call.place], call.method), call.args, call.kwargs)
        self.after(choice.amount, lambda: self._unheard(asked, call))

    def tell(self, *what: object) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            worker = self.current.name if self.current else "·"
            self.trace.append(
                f"{(self.clock.now() - T0).total_seconds():>9.0f}s {worker:<28} {' '.join(map(str, what))}"
            )

    # --- what comes from outside

    def happen(self, happening: Happening) -> None:
        """Let something happen, and whoever it reaches take it."""
        self.tell("==", happening)
        match happening.what:
            case "deploy":
                self._kill_all()
                self.warm.clear()
            case "publish":
                book = books()[happening.number % len(books())]
                self.world.files["content/book"] = book.hash.encode()
                self.after(_UPLOAD_PAUSE, lambda: self._publish(1))
            case "ses_down":
                fate, seconds = _SES_DOWN[happening.number % len(_SES_DOWN)]
                self.ses_down = fate, self.clock.now() + timedelta(seconds=seconds)
            case "resumes":
                self._resumes(1)
            case "imports":
                run_import(self, happening)
            case "holds" | "cancels":
                self._stops_campaigns(happening)
            case "link" | "push_link" as what:
                refuse = self._click_unsubscribe if what == "link" else self._refuse_push
                refuse(happening.who, 1)
            case "stops" | "starts":
                self._answers(happening)
            case _ if not (self.unheard.happen(happening) or self.visitors.come(happening)):
                self.deliver(happening)

    def deliver(self, happening: Happening) -> None:
        """Let the shop send what it tells of this."""
        choice = self.road("shop")
        if choice is not None and choice.kind == "delayed":
            self.after(choice.amount, lambda: self._webhook(happening, 1))
            return
        if choice is not None:
            self.after(choice.amount, lambda: self._webhook(happening, 1))
        self._webhook(happening, 1)

    def _webhook(self, happening: Happening, tries: int) -> None:
        told = events(happening)

        def body() -> None:
            delivery = Delivery(
                id=ids.digest("delivery", *(event.id for event in told)),
                shop=SHOP,
                source="onsite" if happening.what in UNSIGNED else "shopify",
                topic=happening.what,
                received_at=self.clock.now(),
                events=told,
            )
            accept(delivery, self.ports["intake"], self.world.secret_address_key)

        function = "collect" if happening.what in UNSIGNED else "webhook"
        self.insist(function, body, lambda: self._webhook(happening, tries + 1), tries, happening.what)

    def insist(
        self, function: str, body: Callable[[], None], again: Callable[[], None], tries: int, subject: str = ""
    ) -> None:
        """Invoke the function for a sender that comes again until it is answered."""

        def guarded() -> None:
            try:
                body()
            except (Exception, Crash) as error:  # noqa: BLE001 - answered with a 5xx
                self.watch.failed(error)
                if tries < SENDER_TRIES:
                    self.after(60 * tries, again)

        self.start(function, guarded, subject)

    def _fate(self, _mail: Mail) -> Fate:
        return self.ses_down[0] if self.ses_down and self.clock.now() < self.ses_down[1] else "accept"

    def _text_fate(self, text: TextMessage) -> Fate:
        return "gone" if self.story.habits.get(person_at(text.to)) == "gone" else "accept"

    def _push_fate(self, push: PushMessage) -> Fate:
        return self.push_fates.popleft() if self.push_fates else self.push_fate(push)

    def push_fate(self, push: PushMessage) -> Fate:
        """Return what a push service does where nothing goes wrong: somebody's first browser may be no more."""
        person, _, number = push.browser.endpoint.rpartition("/")[2].partition("-")
        return "gone" if number == "1" and self.story.habits.get(person) == "gone" else "accept"

    def _click_unsubscribe(self, person: str, tries: int) -> None:
        """Click the unsubscribe link of the latest mail, or, without one, of the preference page."""
        world = self.world
        address = f"{person}@example.com"
        key = alias_key(world.secret_address_key, SHOP, "email", address)
        mails = [sent.mail.message_id for sent in world.inbox if sent.mail.to == address]
        message = world.messages.get(mails[-1]) if mails else None
        profile = message.profile_id if message else world.owners.get(key)
        if profile is None:
            return
        claim = Unsubscribe(
            shop=SHOP,
            channel="email",
            address=address_hash(world.secret_address_key, "email", address),
            message=mails[-1] if mails else "",
            profile=profile,
        )
        self._refuse(claim, lambda: self._click_unsubscribe(person, tries + 1), tries, person)

    def _refuse_push(self, person: str, tries: int) -> None:
        """Click the link by which somebody whose browser gets push messages says that they want no more."""
        world = self.world
        profile = world.owners.get(alias_key(world.secret_address_key, SHOP, "browser_id", f"browser-{person}"))
        if profile is None:
            return
        claim = Unsubscribe(
            shop=SHOP,
            channel="push",
            address=address_hash(world.secret_address_key, "push", profile),
            message="",
            profile=profile,
        )
        self._refuse(claim, lambda: self._refuse_push(person, tries + 1), tries, person)

    def _refuse(self, claim: Unsubscribe, again: Callable[[], None], tries: int, person: str) -> None:
        def body() -> None:
            unsubscribe(
                claim,
                intake=self.ports["intake"],
                clock=self.clock,
                address_key=self.world.secret_address_key,
                source="one click",
            )

        self.insist("links", body, again, tries, person)

    def _answers(self, happening: Happening) -> None:
        """Let what somebody texts come by SNS: late, or twice, it may; it comes until it is taken."""
        word = "STOP" if happening.what == "stops" else "start"
        text = Incoming(id=str(happening), sender=PHONES[happening.who], to=NUMBER, text=word, at=self.clock.now())
        choice = self.road("shop")
        if choice is not None:
            self.after(choice.amount, lambda: self._hear(text, 1))
        if choice is None or choice.kind == "twice":
            self._hear(text, 1)

    def _hear(self, text: Incoming, tries: int) -> None:
        def body() -> None:
            hear(
                text,
                books()[0].shops.values(),
                intake=self.ports["intake"],
                clock=self.clock,
                address_key=self.world.secret_address_key,
            )

        self.insist("feedback", body, lambda: self._hear(text, tries + 1), tries, text.text)

    def _resumes(self, tries: int) -> None:
        """Give the shop's word, as an operator does with `rekindle reputation --resume`."""

        def body() -> None:
            # That nothing is paused, or nothing any more, is an answer.
            with suppress(NotPausedError):
                self._new_feedback().resume(SHOP)

        self.insist("tool", body, lambda: self._resumes(tries + 1), tries)

    def _stops_campaigns(self, happening: Happening) -> None:
        held = HOLDS[happening.number % len(HOLDS)] if happening.what == "holds" else 0
        for flow in CAMPAIGNS:
            if flow in _book_of(self.world.files[POINTER]).flows:
                self._stop(flow, "paused" if held else "cancelled", held, 1)

    def _stop(self, flow: str, how: Stopping | None, held: int, tries: int) -> None:
        """Pause a campaign for so long, cancel it, or let it go on, as an operator does with `rekindle campaign`."""

        def body() -> None:
            put_stop(SHOP, flow, CAMPAIGNS[flow], how, blobs=self.ports["blobs"], clock=self.clock)
            if held:
                self.after(held, lambda: self._stop(flow, None, 0, 1))

        self.insist("tool", body, lambda: self._stop(flow, how, held, tries + 1), tries, f"{flow} {how or 'goes on'}")

    def _publish(self, tries: int) -> None:
        files, now, tick = self.world.files, self.clock.now(), self._next_tick()
        if tick is None or tick > now:
            # All is done that the ticks had to do which were left out: this is what they have written.
            mark = max(_ticked(files[_TICKED]), now - MARK_EVERY)
            files[_TICKED] = msgspec.json.encode({"until": mark})

        def body() -> None:
            publish(self.ports["blobs"], self.clock)
            self._passes().start_if_due()

        self.insist("publish", body, lambda: self._publish(tries + 1), tries)

    def hear_of(self, mail: Mail, vendor_id: str) -> None:
        """Let SES tell what becomes of a mail that it took."""
        person = mail.to.partition("@")[0].partition(".")[0]
        now = self.clock.now()
        kinds = {
            "opens": (("delivered", 1), ("opened", 60)),
            "clicks": (("delivered", 1), ("opened", 60), ("clicked", 61)),
            "bounces": (("bounced", 1),),
            "complains": (("delivered", 1), ("complained", 300)),
        }.get(self.story.habits.get(person, ""), (("delivered", 0),))
        for kind, seconds in kinds:
            notice = Notice(
                kind=kind,  # type: ignore[arg-type]
                message_id=mail.message_id,
                vendor_id=vendor_id,
                at=now + timedelta(seconds=seconds),
                permanent=True,
                link="https://tea.example/" if kind == "clicked" else None,
            )
            self.at(notice.at, partial(self._notice, notice))

    def hear_of_text(self, text: TextMessage, vendor_id: str) -> None:
        """Let the phone network tell what becomes of a text that it took. Many tell nothing."""
        habit = self.story.habits.get(person_at(text.to))
        if habit is None:
            return
        kind = "bounced" if habit == "bounces" else "delivered"
        at = self.clock.now() + timedelta(seconds=1)
        notice = Notice(
            kind=kind,  # type: ignore[arg-type]
            message_id=text.message_id,
            vendor_id=vendor_id,
            at=at,
            permanent=True,
        )
        self.at(at, partial(self._notice, notice))

    def _notice(self, notice: Notice) -> None:
        choice = self.road("notice")
        if choice is not None and choice.kind != "lost":
            self.after(choice.amount, lambda: self._feedback(notice, 1))
        if choice is None or choice.kind == "twice":
            self._feedback(notice, 1)

    def _feedback(self, notice: Notice, tries: int) -> None:
        def body() -> None:
            guard = self._sandbox("feedback")
            try:
                done = take(
                    notice,
                    outbox=self.ports["outbox"],
                    intake=self.ports["intake"],
                    clock=self.clock,
                    address_key=self.world.secret_address_key,
                    guard=guard,
                )
            except (Exception, Crash) as error:  # noqa: BLE001 - Lambda tries again
                self.watch.failed(error)
                if tries < ASYNC_TRIES:
                    self.after(60 * tries, lambda: self._feedback(notice, tries + 1))
                if isinstance(error, Exception):
                    self._put_back("feedback", guard)
            else:
                self.watch.noticed(notice, done)
                self._put_back("feedback", guard)

        self.start("feedback", body, notice.kind)

    # --- what lies on roads and queues

    def road(self, place: str) -> Choice | None:
        """Return what happens to what comes by this road, if anything."""
        choice = self.choices.on_road(place)
        if choice is not None:
            self.exercised[place, choice.kind] += 1
            self.tell("!!", choice)
        return choice

    def _take_stream(self, place: int) -> None:
        pending, tries = self.stream[place]
        del self.stream[place]
        choice = self.road("stream") if tries == 1 else None
        if choice is not None and choice.kind != "lost":
            self.after(choice.amount, lambda: self.stream.append((pending, 2)))
        if choice is None or choice.kind == "twice":
            self._apply(pending, tries)

    def _apply(self, pending: Pending, tries: int) -> None:
        def body() -> None:
            journey = self._sandbox("journey")
            assert self.current is not None
            self.current.pending_id = pending.id
            try:
                journey.from_stream(pending)
            except (Exception, Crash) as error:  # noqa: BLE001 - Lambda tries again
                self.watch.failed(error)
                # The whole batch comes again; after the last retry it is gone, and the sweep must find what it was.
                if tries < STREAM_TRIES:
                    self.after(1, lambda: self.stream.append((pending, tries + 1)))
                if isinstance(error, Exception):
                    self._put_back("journey", journey)
            else:
                self.watch.let_go(pending)
                self._put_back("journey", journey)

        self.start("journey", body, pending.id[:6])

    def _fire_schedules(self, now: datetime) -> None:
        world = self.world
        for schedule in [one for one in world.schedules.values() if one.at <= now and not one.fired]:
            choice = self.road("schedule")
            kind = choice.kind if choice is not None else ""
            if kind == "lingers":
                # For some time it keeps its name taken, as on AWS it may.
                world.schedules[schedule.name] = structs.replace(schedule, fired=True)
                self.after(60, partial(self._forget_schedule, schedule.name))
            else:
                del world.schedules[schedule.name]
            if choice is not None and kind in ("twice", "delayed"):
                self.after(choice.amount, partial(world.wake_queue.put, schedule.wake))
            if kind not in ("delayed", "lost"):
                world.wake_queue.put(schedule.wake)

    def _forget_schedule(self, name: str) -> None:
        self.world.schedules.pop(name, None)

    def _take_queue(self, name: str) -> None:
        queue = self.queues[name]
        batch: list[Received[Any]] = []
        for received in queue.receive(_BATCHES.get(name, 10), visibility=VISIBILITY[name]):
            choice = self.road(name)
            if choice is None or choice.kind == "twice":
                batch.append(received)
            if choice is None:
                continue
            if choice.kind == "twice":
                self.after(choice.amount, partial(queue.put, received.value))
            elif choice.kind == "delayed":
                queue.release(received.receipt, choice.amount)
            elif received.value.pending_id is None and received.value.due is None:
                queue.release(received.receipt, 400)
            else:
                queue.delete(received.receipt)
        if batch:
            function, work = self._consumers.get(name, ("send", self._send))
            self.start(function, lambda: work(queue, batch), name)

    def _wake(self, queue: Queue[Wake], batch: Sequence[Received[Wake]]) -> None:
        """As functions/journey with a batch of the wake queue."""
        journey = self._sandbox("journey")
        done = []
        try:
            for received in batch:
                assert self.current is not None
                self.current.pending_id = received.value.pending_id
                self.current.campaign = received.value.campaign
                try:
                    journey.wake(received.value)
                except Exception as error:  # noqa: BLE001 - the queue brings it again
                    self.watch.failed(error)
                    continue
                if received.value.profile_id is not None and received.value.campaign is None:
                    self.watch.rang(received.value.profile_id)
                done.append(received)
        except Crash:
            return
        for received in done:
            queue.delete(received.receipt)
        self._put_back("journey", journey)

    def _catalogue(self) -> Catalogue:
        return Catalogue(shelves=self.ports["shelves"], queue=self.ports["catalogue"], fanout=self.ports["fanout"])

    def _hear_of_product(self, change: Change, tries: int) -> None:
        """As functions/catalogue with a record of the stream of products, which comes again when the worker dies."""

        def body() -> None:
            try:
                self._catalogue().heard([change])
            except (Exception, Crash) as error:  # noqa: BLE001 - Lambda tries again
                self.watch.failed(error)
                if tries < STREAM_TRIES:
                    self.after(1, lambda: self._hear_of_product(change, tries + 1))

        self.start("catalogue", body, change.now.id)

    def _gathered(self) -> None:
        """Let tally take what its streams have brought: late, or twice, it may."""
        found, self.to_count = self.to_count, []
        if not found:
            return
        choice = self.road("results")
        if choice is not None:
            self.after(choice.amount, lambda: self._tally(found))
        if choice is None or choice.kind == "twice":
            self._tally(found)

    def _tally(self, found: Sequence[Counted]) -> None:
        """As functions/tally with a batch. One that fails comes again, perhaps cut at another place."""

        def body() -> None:
            try:
                Tally(self.ports["results"]).heard(found)
            except (Exception, Crash) as error:  # noqa: BLE001 - Lambda tries again until a day is over
                self.watch.failed(error)
                half = len(found) // 2
                for part in filter(None, (found[:half], found[half:])):
                    self.after(1, partial(self._tally, part))

        self.start("tally", body)

    def _count(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        """As functions/catalogue with a batch of its queue."""
        try:
            undone = self._catalogue().work([received.value for received in batch])
        except Crash:
            return
        for place, received in enumerate(batch):
            if place not in undone:
                queue.delete(received.receipt)

    def _mint(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        """As functions/mint with a batch of one of its queues."""
        mint = self._sandbox("mint")
        try:
            minted = mint.batch([received.value for received in batch])
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - the handler failed: the whole batch comes again
            self.watch.failed(error)
            return
        for received, verdict in zip(batch, minted, strict=True):
            if isinstance(verdict, Minted):
                queue.delete(received.receipt)
            else:
                self.watch.failed(verdict)
        self._put_back("mint", mint)

    def _send(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        """As functions/send."""
        assert self.current is not None
        self.current.messages = frozenset(received.value.message_id for received in batch)
        sandbox = self.current.sandbox = self._sandbox("send")
        deliver = sandbox.deliver
        try:
            verdicts = deliver.batch([(received.value, received.receives - 1) for received in batch])
            for received, verdict in zip(batch, verdicts, strict=True):
                if isinstance(verdict, LookAgain):
                    self._look_again(queue, received, verdict.delay)
                elif not isinstance(verdict, Done):
                    self.watch.failed(verdict)
                else:
                    self.watch.delivered(received.value, verdict)
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - the handler failed: the whole batch comes again
            self.watch.failed(error)
            return
        for received, verdict in zip(batch, verdicts, strict=True):
            if isinstance(verdict, Done):
                queue.delete(received.receipt)
        self._put_back("send", sandbox)

    def _look_again(self, queue: Queue[Any], received: Received[Any], delay: int) -> None:
        """As `rekindle.aws.queues.look_again`, which is no port's."""
        place = "queues.look_again"
        choice, args = self.choices.at_call(place), (received.receipt, delay)
        if choice is None:
            self.effect(place, queue.release, args, {})
        else:
            self.call(choice, place, queue.release, args, {})

    def _privacy(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        privacy = Privacy(
            vault=self.ports["vault"],
            state=self.ports["state"],
            files=self.ports["raw"],
            queue=self.ports["privacy"],
            clock=self.clock,
            address_key=self.world.secret_address_key,
            lease_life=LEASE_LIFE,
            unlist=self._unlist,
        )
        try:
            for received in batch:
                privacy.handle(received.value)
                queue.delete(received.receipt)
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - the queue brings it again
            self.watch.failed(error)

    def _unlist(self, profile: Profile) -> tuple[str, ...]:
        """Take somebody off ads audiences: as `wiring.unlisting`, put together where there are any."""
        library = Library(self.ports["blobs"], self.clock)
        return Unlisting(audiences=self.ports["audiences"], shops=library.shops).off(profile)

    # --- reaching everybody

    def _passes(self) -> Passes:
        return Passes(**self._fanning_out())

    def _fanning_out(self) -> dict[str, Any]:
        blobs = self.ports["blobs"]
        return {
            "blobs": blobs,
            "library": Library(blobs, self.clock),
            "queue": self.ports["fanout"],
            "clock": self.clock,
            "shards": SHARDS,
        }

    def _next_tick(self) -> datetime | None:
        """Return the next full minute at which `campaign` would find anything; the others may be left out.

        But for the mark that says until when they looked: it is never older than five minutes when somebody publishes.
        """
        files = self.world.files
        book = _book_of(files[POINTER])
        now = self.clock.now()
        earliest = now if self.ticked_at is None else max(now, self.ticked_at + _SECOND)
        if book.shape != _shape_of(files.get("passes/last.json")):
            return _minute_up(earliest)
        for flow in CAMPAIGNS:
            if flow in book.flows and not any(key.startswith(f"campaigns/tea/{flow}/") for key in files):
                if now < LETTER_AT:
                    return LETTER_AT
                # What comes at everybody's own hour is begun late as long as the shop's own has not come.
                if _ticked(files[_TICKED]) < LETTER_AT or (flow == "own" and now < _FIRST_OWN):
                    return _minute_up(earliest)
        return None

    def _tick(self) -> None:
        choice = self.road("minute")
        if choice is not None and choice.kind == "lost":
            return

        def body() -> None:
            try:
                Campaigns(**self._fanning_out()).tick()
                self._passes().start_if_due()
            except Crash:
                pass
            except Exception as error:  # noqa: BLE001 - the next one comes in a minute
                self.watch.failed(error)

        if choice is not None:
            self.after(choice.amount, lambda: self.start("campaign", body, "tick"))
        self.due.append(lambda: self.start("campaign", body, "tick"))

    def _shards(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        """As functions/campaign with a batch of the fan-out queue."""
        fanout = self._sandbox("campaign")
        try:
            for received in batch:
                fanout.work(received.value)
                queue.delete(received.receipt)
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - the queue brings it again
            self.watch.failed(error)
        self._put_back("campaign", fanout)

    # --- the sweep

    def _next_sweep(self) -> datetime | None:
        """Return the next tick of the sweep at which it would find anything; the others may be left out."""
        wanted: list[datetime] = [deadline + OVERDUE for deadline in self.watch.deadlines.values()]
        wanted += [
            pending.accepted_at + PENDING_FOR
            for pending in self.world.pending.values()
            if pending.accepted_at is not None and pending.tries < MAX_TRIES
        ]
        wanted += [
            message.leased_at + LEASE_LIFE
            for message in self.world.messages.values()
            if message.state == "leased" and message.leased_at is not None
        ]
        wanted += [pause.since for pause in self.world.pauses.values() if pause.active and pause.told_at is None]
        if not wanted:
            return None
        now = self.clock.now()
        earliest = max(min(wanted), now if self.swept_at is None else self.swept_at)
        return max(_sweep_after(earliest), _sweep_from(now))

    def _sweep(self) -> None:
        choice = self.road("sweep")
        if choice is not None and choice.kind == "lost":
            return

        def body() -> None:
            try:
                sweep(
                    state=self.ports["state"],
                    queue=self.ports["alarms"],
                    outbox=self.ports["outbox"],
                    clock=self.clock,
                    lease_life=LEASE_LIFE,
                )
                announce(counters=self.ports["counters"], queues=self.ports["queues"], clock=self.clock)
            except Crash:
                pass
            except Exception as error:  # noqa: BLE001 - the next one comes in five minutes
                self.watch.failed(error)

        if choice is not None:
            self.after(choice.amount, lambda: self.start("sweep", body))
        self.due.append(lambda: self.start("sweep", body))

    # --- sandboxes

    def _sandbox(self, function: str) -> Any:
        """Return a warm sandbox, or a new one. Who dies takes its sandbox along; who comes back gives it back."""
        warm = self.warm.get(function)
        return warm.pop() if warm else getattr(self, f"_new_{function}")()

    def _put_back(self, function: str, sandbox: Any) -> None:
        self.warm.setdefault(function, []).append(sandbox)

    def _new_journey(self) -> Journey:
        return Journey(
            state=self.ports["state"],
            alarms=self.ports["alarms"],
            queues=self.ports["queues"],
            privacy=self.ports["privacy"],
            catalogue=self.ports["catalogue"],
            library=WatchedLibrary(self),
            clock=WatchedClock(self),
            address_key=self.world.secret_address_key,
        )

    def _new_campaign(self) -> Fanout:
        ports = self.ports
        return Fanout(
            everybody=ports["everybody"],
            wakes=ports["alarms"],
            queue=ports["fanout"],
            blobs=ports["blobs"],
            clock=self.clock,
            stops=Stops(ports["blobs"], self.clock),
            sending=ports["sending"],
            wake_workers=1,
            herald=ProductHerald(
                interests=ports["interested"],
                intake=ports["intake"],
                library=Library(ports["blobs"], self.clock),
                clock=self.clock,
            ),
        )

    def _new_feedback(self) -> Guard:
        return Guard(counters=self.ports["counters"], clock=self.clock, limits={SHOP: LIMITS})

    def _new_mint(self) -> Mint:
        ports = self.ports
        return Mint(
            coupons=ports["coupons"],
            codes=ports["codes"],
            outbox=ports["outbox"],
            intake=ports["intake"],
            send=ports["queues"],
            mint=ports["mint"],
            library=Library(ports["blobs"], self.clock),
            blobs=ports["blobs"],
            clock=self.clock,
            address_key=self.world.secret_address_key,
        )

    def _new_send(self) -> SendSandbox:
        counters, key = self.ports["counters"], self.world.secret_address_key
        library = Library(self.ports["blobs"], self.clock)
        wallet = Wallet(coupons=self.ports["coupons"], library=library)
        guard = WatchedGuard(counters=counters, clock=self.clock, limits={SHOP: LIMITS})
        deliver = Deliver(
            outbox=self.ports["outbox"],
            queues=self.ports["queues"],
            mailer=self.ports["mailer"],
            builder=PlainMails(wallet),
            clock=self.clock,
            address_key=key,
            new_token=lambda: f"token-{next(self._tokens)}",
            lease_life=LEASE_LIFE,
            guard=guard,
            stops=Stops(self.ports["blobs"], self.clock),
            herald=Herald(counters=counters, library=library, clock=self.clock),
            channels={
                "sms": Texting(texter=self.ports["texter"], builder=PlainTexts(), clock=self.clock),
                "push": Pushing(
                    pusher=self.ports["pusher"],
                    builder=PlainPushes(),
                    clock=self.clock,
                    outbox=self.ports["outbox"],
                    address_key=key,
                ),
                "audience": Listing(audiences=self.ports["audiences"], shops=library.shops, address_key=key),
            },
            gone=Gone(intake=self.ports["intake"], clock=self.clock, address_key=key).hear,
            wallet=wallet,
            mint=self.ports["mint"],
        )
        self.senders.append(SendSandbox(deliver, guard))
        return self.senders[-1]


class SendSandbox:
    """`send`'s, with what the checks want to know of it."""

    def __init__(self, deliver: Deliver, guard: WatchedGuard) -> None:
        self.deliver = deliver
        self.guard = guard

    def close(self) -> None:
        """Undo what only the collector could."""
        vars(self.deliver).clear()


class WatchedGuard(Guard):
    """A guard that remembers, for the checks, what it said last."""

    paused = False

    def pause_of(self, shop: str) -> Pause | None:
        """Return the pause that is in force."""
        pause = super().pause_of(shop)
        self.paused = pause is not None
        return pause


class WatchedClock:
    """A clock that remembers, for the checks, when a worker looked at it last."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def now(self) -> datetime:
        """Return the current moment."""
        now, worker = self._simulation.clock.now(), self._simulation.current
        if worker is not None:
            worker.looked_at = now
        return now


class WatchedLibrary(Library):
    """A library that remembers, for the checks, what it said to whom."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation.ports["blobs"], simulation.clock)
        self._simulation = simulation

    def newest(self, **how: bool) -> Playbook:
        """Return the published playbook."""
        worker = self._simulation.current
        assert worker is not None
        worker.decided_at = worker.looked_at
        book = super().newest(**how)
        worker.playbook = book.hash
        return book


# --- ports -----------------------------------------------------------------------------------------------------------

#: Under what name services ask for a port → the world's attribute.
_PORTS = {name: name for name in ("intake", "state", "alarms", "queues", "outbox", "mailer", "blobs", "raw", "vault")}
_PORTS |= {name: name for name in ("privacy", "counters", "shelves", "everybody", "fanout")}
_PORTS |= {"catalogue": "catalogue_tasks"}
_PORTS |= {name: name for name in ("texter", "pusher", "audiences", "codes", "coupons", "mint", "results", "sending")}
_PORTS |= {name: name for name in ("reactions", "desk", "secrets", "limits", "bulk", "lists", "known")}
_PORTS |= {"interested": "interested"}


@cache
def _tapped_ports() -> tuple[tuple[str, str, type], ...]:
    """Return, of each port, its name, its attribute, and what stands before it: every call may go wrong there."""
    world = World(T0)
    return tuple(
        (name, attribute, _tapped_class(type(getattr(world, attribute)), getattr(world, attribute).name))
        for name, attribute in _PORTS.items()
    )


def _tapped_class(kind: type, name: str) -> type:
    def tap(place: str, function: Callable[..., Any]) -> Callable[..., Any]:
        # As it is written, without the world's own hook.
        bare = inspect.unwrap(function)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            simulation: Simulation = self.simulation
            choice, port = self.choose(place), self.port
            try:
                if choice is not None:
                    return simulation.call(choice, place, MethodType(bare, port), args, kwargs)
                if self.traced:
                    return simulation.effect(place, MethodType(bare, port), args, kwargs)
                # The same in short: most calls go this way.
                watch = self.watched.get(place)
                return bare(port, *args, **kwargs) if watch is None else watch(MethodType(bare, port), *args, **kwargs)
            except BaseException as error:
                simulation.raised.append(error)
                raise

        return call

    def init(self: Any, simulation: Simulation, port: Any) -> None:
        self.simulation = simulation
        self.port = port
        self.choose = simulation.choices.at_call
        self.watched = simulation.watch.calls
        self.traced = simulation.trace is not None

    methods = {
        method: tap(f"{name}.{method}", function)
        for method, function in inspect.getmembers(kind, inspect.isfunction)
        if not method.startswith("_")
    }
    slots = ("choose", "port", "simulation", "traced", "watched")
    return type(f"Tapped{kind.__name__}", (), {"__init__": init, "__slots__": slots, **methods})


def port_calls() -> set[str]:
    """Return every call that the simulated functions could make."""
    world = World(T0)
    return {
        f"{getattr(world, attribute).name}.{method}"
        for attribute in _PORTS.values()
        for method, _ in inspect.getmembers(type(getattr(world, attribute)), inspect.isfunction)
        if not method.startswith("_")
    }


# --- shortcuts: the same results for less ----------------------------------------------------------------------------


@cache
def _published(book: int) -> dict[str, bytes]:
    """Return what a publish of this book has left in the bucket."""
    chosen = books()[book]
    return {
        "content/book": chosen.hash.encode(),
        POINTER: msgspec.json.encode({"hash": chosen.hash, "published_at": T0}),
    } | (_Published(chosen).files())


class _Published:
    """What `validate` finds in a good upload, for the little that `publish` wants of it."""

    def __init__(self, book: Playbook) -> None:
        self.hash = book.hash
        self.playbook = book
        self.mails = _NoMails()

    def files(self) -> dict[str, bytes]:
        """Return what is put into the bucket."""
        files = {f"flows/{flow.version}.json": msgspec.json.encode(flow) for flow in self.playbook.flows.values()}
        if self.playbook.topics:
            files |= {f"playbooks/{self.hash}/{name}.json": text for name, text in pages_of(self.playbook).items()}
        return {f"playbooks/{self.hash}/flows.json": msgspec.json.encode(self.playbook), **files}


class _NoMails:
    templates: Mapping[str, object] = {}
    sms = push = assets = templates


class _Verdict:
    problems = warnings = ()

    def __init__(self, published: _Published) -> None:
        self.published = published


@lru_cache(maxsize=64)
def _book_of(pointer: bytes) -> Playbook:
    """Return the playbook that a pointer points at."""
    wanted = msgspec.json.decode(pointer)["hash"]
    return next(book for book in books() if book.hash == wanted)


@lru_cache(maxsize=1024)
def _shape_of(newest_pass: bytes | None) -> str:
    return msgspec.json.decode(newest_pass)["shape"] if newest_pass is not None else ""


@lru_cache(maxsize=1024)
def _ticked(mark: bytes) -> datetime:
    return msgspec.json.decode(mark, type=dict[str, datetime])["until"]


@lru_cache(maxsize=1024)
def _sweep_after(moment: datetime) -> datetime:
    return T0 + (int((moment - T0) / EVERY) + 1) * EVERY


@lru_cache(maxsize=1024)
def _sweep_from(moment: datetime) -> datetime:
    return T0 + (-(-(moment - T0) // EVERY)) * EVERY


def _minute_up(moment: datetime) -> datetime:
    return T0 + timedelta(minutes=-(-(moment - T0) // timedelta(minutes=1)))


@cache
def _validated(name: bytes) -> _Verdict:
    return _Verdict(_Published(next(book for book in books() if book.hash.encode() == name)))


class ByIdentity:
    """Remembers what was computed of the latest values, which are frozen: each is known again by being the same one."""

    def __init__(self, compute: Callable[[Any], bytes]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[object, bytes]] = {}

    def __call__(self, value: Any) -> bytes:
        """Return what is computed of this value."""
        known = self._known.get(id(value))
        if known is None:
            if len(self._known) == _ADVANCED:
                self._known.clear()
            # The value is held too: as long as it is, no other can have its identity.
            known = self._known[id(value)] = value, self._compute(value)
        return known[1]


class RememberedAdvance:
    """`advance`, which need not compute again what it has computed of the same profile, event, playbook and moment.

    That it may be remembered is itself checked: every so many answers from memory are computed afresh, and compared.
    """

    def __init__(self, compute: Callable[..., Outcome] = advance, *, afresh: int = _AFRESH) -> None:
        self._compute = compute
        self._afresh = afresh
        self._known: dict[tuple[object, ...], Outcome] = {}
        self._again = 0
        self._stored = ByIdentity(encode_profile)
        self._told = ByIdentity(msgspec.json.Encoder().encode)

    def __call__(self, profile: Profile, event: Event, playbook: Playbook, now: datetime) -> Outcome:
        """Return the outcome."""
        key = self._stored(profile), self._told(event), playbook.hash, *playbook.pinned, now
        known = self._known.get(key)
        if known is None:
            if len(self._known) == _ADVANCED:
                self._known.clear()
            known = self._known[key] = self._compute(profile, event, playbook, now)
            return known
        self._again += 1
        if not self._again % self._afresh and self._compute(profile, event, playbook, now) != known:
            raise AssertionError(f"advance is not pure: {event.type} at {now} for {profile.id}")
        return known


class _Remembering:
    """A decoder that decodes equal texts once."""

    def __init__(self, decoder: Any) -> None:
        self.decode = lru_cache(maxsize=64)(decoder.decode)


_PAGES = (
    *((preferences, name) for name in ("page", "nobody", "stopped")),
    *((stay, name) for name in ("ask", "done")),
    *((page, name) for page in (surveys, reviews) for name in ("ask", "done")),
    *((sign_up, name) for name in ("confirm", "confirmed", "stopped", "too_late", "sent", "busy", "page")),
)
_alias_key = lru_cache(maxsize=10_000)(alias_key)
#: Module → attribute → what stands there while worlds run. All of it is pure, so nothing but time is saved.
_SHORTCUTS: list[tuple[Any, str, Any]] = [
    (ids, "keyed_hash", lru_cache(maxsize=10_000)(ids.keyed_hash)),
    (ids, "digest", lru_cache(maxsize=10_000)(ids.digest)),
    (people_module, "alias_key", _alias_key),
    (graves_module, "alias_key", _alias_key),
    (memory, "decode_profile", lru_cache(maxsize=5_000)(decode_profile)),
    (memory, "encode_events", ByIdentity(encode_events)),
    (memory, "decode_events", lru_cache(maxsize=5_000)(decode_events)),
    (journey_module, "advance", RememberedAdvance()),
    (library_module, "_playbook", _Remembering(library_module._playbook)),
    (library_module, "_flow", _Remembering(library_module._flow)),
    # Few people are here, and still there is to be more than one page, slice and chunk of them.
    (memory, "_PAGE", 1),
    (memory.MemoryShopLists, "page", 1),
    (fanout_module, "SLICE", 1),
    (heralds_module, "TOLD_AT_ONCE", 1),
    (fanout_module, "_CHUNK", 1),
    (fanout_module, "BACKLOG", 1),
    (fanout_module, "_SORTED", 1),
    (mint_module, "_WINDOW", 1),
    # And few are too many.
    (sign_up_module, "FROM_ONE", 2),
    (sign_up_module, "FOR_ONE", 3),
    # How pages look is tested elsewhere: here nobody reads them.
    (layout, "look_of", lambda *_: None),
    *((module, name, lambda *_, **__: None) for module, name in _PAGES),
    (publish_module, "validate", lambda files, *_: _validated(files["book"])),
]


@contextmanager
def shortcuts() -> Iterator[None]:
    """Let the pure and slow parts remember what they have computed, and compile no content, while this lasts."""
    before = [(module, name, getattr(module, name)) for module, name, _ in _SHORTCUTS]
    for module, name, value in _SHORTCUTS:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}…"
