"""All services over one world in RAM: what the functions are on AWS, run by hand, so that a test can pull the plug."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from rekindle.domain import ids
from rekindle.domain.errors import AnswerLostError
from rekindle.domain.events import Delivery, Event
from rekindle.domain.profile import Channel, Planned, Profile, Run
from rekindle.flow.program import Playbook
from rekindle.memory import Crash, World
from rekindle.ports import Mail, PushMessage, TextMessage
from rekindle.service import reactions
from rekindle.service.accept import accept
from rekindle.service.campaigns import Campaigns
from rekindle.service.catalogue import Catalogue, Change
from rekindle.service.coupons import Wallet
from rekindle.service.deliver import Builder, Deliver, Done, LookAgain, Ready
from rekindle.service.fanout import Fanout
from rekindle.service.gone import Gone
from rekindle.service.guard import Guard, Herald, announce
from rekindle.service.heralds import ProductHerald
from rekindle.service.journey import Applied, Journey
from rekindle.service.library import POINTER, Library
from rekindle.service.listing import Listing, Unlisting
from rekindle.service.mint import Mint, Minted
from rekindle.service.passes import Passes
from rekindle.service.people import alias_key
from rekindle.service.privacy import Privacy
from rekindle.service.pushing import Pushing
from rekindle.service.stops import Stops
from rekindle.service.sweep import Swept, sweep
from rekindle.service.tally import Tally, of_message
from rekindle.service.texting import Texting
from rekindle.service.tracks import Tracks
from tests.support.build import T0

LEASE_LIFE = timedelta(minutes=2)
SHARDS = 4
#: Where the links of every mail lead.
TARGETS = ("https://tea.example/", "https://tea.example/checkouts/recover")
_STEPS = 10_000


class Plant:
    """A world with workers. A worker that crashes is simply called again; its queue brings what it held."""

    def __init__(self, book: Playbook, start: datetime = T0) -> None:
        self.world = World(start)
        self.swept: list[Swept] = []
        self.noted: list[Applied] = []
        self.minted: list[Minted | Exception] = []
        self.connected: frozenset[Channel] = frozenset({"sms", "push", "audience"})
        """what this installation can send beside mails, from the next restart on"""
        self.builder: Callable[[Wallet], Builder] = PlainMails
        """what makes mails, from the next restart on"""
        self._tokens = itertools.count(1)
        self.publish(book)
        self.restart()

    def publish(self, book: Playbook) -> None:
        """Make this the published playbook, as functions/publish leaves it."""
        self.playbook = book
        files = self.world.files
        files[f"playbooks/{book.hash}/flows.json"] = msgspec.json.encode(book)
        files.update({f"flows/{flow.version}.json": msgspec.json.encode(flow) for flow in book.flows.values()})
        files[POINTER] = msgspec.json.encode({"hash": book.hash})

    def restart(self) -> None:
        """Start the workers anew: everything that they held in memory is gone."""
        world = self.world
        self.library = Library(world.blobs, world.clock)
        self.journey = Journey(
            state=world.state,
            alarms=world.alarms,
            queues=world.queues,
            privacy=world.privacy,
            catalogue=world.catalogue_tasks,
            library=Library(world.blobs, world.clock),
            clock=world.clock,
            address_key=world.secret_address_key,
            note=self.noted.append,
        )
        self.privacy = Privacy(
            vault=world.vault,
            state=world.state,
            files=world.raw,
            queue=world.privacy,
            clock=world.clock,
            address_key=world.secret_address_key,
            lease_life=LEASE_LIFE,
            unlist=Unlisting(audiences=world.audiences, shops=self.library.shops).off,
        )
        library = self.library
        self.passes = Passes(blobs=world.blobs, library=library, queue=world.fanout, clock=world.clock, shards=SHARDS)
        self.campaigns = Campaigns(
            blobs=world.blobs, library=library, queue=world.fanout, clock=world.clock, shards=SHARDS
        )
        self.fanout = Fanout(
            everybody=world.everybody,
            wakes=world.alarms,
            queue=world.fanout,
            blobs=world.blobs,
            clock=world.clock,
            stops=Stops(world.blobs, world.clock),
            sending=world.sending,
            herald=ProductHerald(interests=world.interested, intake=world.intake, library=library, clock=world.clock),
        )
        self.tracks = Tracks(
            outbox=world.outbox,
            reactions=world.reactions,
            library=library,
            secrets=world.secrets,
            clock=world.clock,
        )
        self.catalogue = Catalogue(shelves=world.shelves, queue=world.catalogue_tasks, fanout=world.fanout)
        self.tally = Tally(world.results)
        self.guard = Guard(counters=world.counters, clock=world.clock)
        wallet = Wallet(coupons=world.coupons, library=library)
        self.mint = Mint(
            coupons=world.coupons,
            codes=world.codes,
            outbox=world.outbox,
            intake=world.intake,
            send=world.queues,
            mint=world.mint,
            library=Library(world.blobs, world.clock),
            blobs=world.blobs,
            clock=world.clock,
            address_key=world.secret_address_key,
        )
        channels: dict[Channel, Ready] = {
            "sms": Texting(
                texter=world.texter,
                builder=PlainTexts(),
                clock=world.clock,
            ),
            "audience": Listing(
                audiences=world.audiences, shops=self.library.shops, address_key=world.secret_address_key
            ),
            "push": Pushing(
                pusher=world.pusher,
                builder=PlainPushes(),
                clock=world.clock,
                outbox=world.outbox,
                address_key=world.secret_address_key,
            ),
        }
        self.deliver = Deliver(
            outbox=world.outbox,
            queues=world.queues,
            mailer=world.mailer,
            builder=self.builder(wallet),
            clock=world.clock,
            address_key=world.secret_address_key,
            new_token=lambda: f"token-{next(self._tokens)}",
            lease_life=LEASE_LIFE,
            guard=self.guard,
            stops=Stops(world.blobs, world.clock),
            herald=Herald(counters=world.counters, library=library, clock=world.clock),
            channels={channel: ready for channel, ready in channels.items() if channel in self.connected},
            wallet=wallet,
            mint=world.mint,
            gone=Gone(intake=world.intake, clock=world.clock, address_key=world.secret_address_key).hear,
        )

    # --- from outside

    def post(self, *events: Event, id_: str | None = None) -> bool:
        """Accept one delivery with these events, as functions/webhook does."""
        now = self.world.clock.now()
        delivery = Delivery(
            id=id_ or ids.digest("delivery", *(event.id for event in events)),
            shop="tea",
            source="shopify",
            topic="test",
            received_at=now,
            events=tuple(events),
        )
        return accept(delivery, self.world.intake, self.world.secret_address_key)

    # --- the workers

    def work_once(self) -> bool:
        """Let one worker do one thing; return whether there was anything to do."""
        world = self.world
        if world.stream:
            # The record is gone when the worker dies, as after Lambda's last retry: the sweep must find it.
            self.journey.from_stream(world.stream.popleft())
            return True
        for received in world.wake_queue.receive(1, visibility=90):
            self.journey.wake(received.value)
            world.wake_queue.delete(received.receipt)
            return True
        if self._send_once() or self._mint_once():
            return True
        for shard in world.fanout_queue.receive(1, visibility=90):
            self.fanout.work(shard.value)
            world.fanout_queue.delete(shard.receipt)
            return True
        for done in world.reactions_queue.receive(1, visibility=180):
            reactions.take(
                done.value,
                outbox=world.outbox,
                intake=world.intake,
                clock=world.clock,
                address_key=world.secret_address_key,
            )
            world.reactions_queue.delete(done.receipt)
            return True
        for task in world.privacy_queue.receive(1, visibility=90):
            self.privacy.handle(task.value)
            world.privacy_queue.delete(task.receipt)
            return True
        return self._tend_catalogue() or self.add_up() or bool(world.ring_due_schedules())

    def add_up(self) -> bool:
        """Work as functions/tally, on all that its streams brought; return whether there was any."""
        world = self.world
        found = [*world.count_stream, *(of_message(*change) for change in world.message_stream)]
        if not found:
            return False
        self.tally.heard(found)
        world.count_stream.clear()
        world.message_stream.clear()
        return True

    def _tend_catalogue(self) -> bool:
        """Work as functions/catalogue, on one thing; return whether there was any."""
        world = self.world
        if world.product_stream:
            # Lambda brings a stream's record again when the worker dies.
            self.catalogue.heard([Change(*world.product_stream[0])])
            world.product_stream.popleft()
            return True
        for wanted in world.catalogue_queue.receive(1, visibility=90):
            if not self.catalogue.work([wanted.value]):
                world.catalogue_queue.delete(wanted.receipt)
            return True
        return False

    def _send_once(self) -> bool:
        for queue in self.world.send_queues.values():
            for parcel in queue.receive(1, visibility=90):
                (verdict,) = self.deliver.batch([(parcel.value, parcel.receives - 1)])
                if isinstance(verdict, Done):
                    queue.delete(parcel.receipt)
                elif isinstance(verdict, LookAgain):
                    queue.release(parcel.receipt, verdict.delay)
                return True
        return False

    def _mint_once(self) -> bool:
        for queue in self.world.mint_queues.values():
            for parcel in queue.receive(1, visibility=90):
                (minted,) = self.mint.batch([parcel.value])
                self.minted.append(minted)
                if isinstance(minted, Minted):
                    queue.delete(parcel.receipt)
                return True
        return False

    def settle(self) -> None:
        """Work until nothing is left to do at this moment."""
        for _ in range(_STEPS):
            try:
                if not self.work_once():
                    return
            except Crash:
                self.restart()
        raise AssertionError("the plant does not come to rest")

    def until(self, moment: datetime) -> None:
        """Let time pass to `moment`, working at every moment at which something is due, sweeping on the way."""
        for _ in range(_STEPS):
            self.settle()
            upcoming = self.world.next_moment()
            if upcoming is None or upcoming > moment:
                break
            self.world.clock.advance_to(upcoming)
        if self.world.clock.now() < moment:
            self.world.clock.advance_to(moment)
        self.settle()

    def sweep(self) -> Swept:
        """Run the sweep once, and what it woke."""
        world = self.world
        swept = sweep(
            state=world.state, queue=world.alarms, outbox=world.outbox, clock=world.clock, lease_life=LEASE_LIFE
        )
        announce(counters=world.counters, queues=world.queues, clock=world.clock)
        self.settle()
        return swept

    def tick(self) -> None:
        """Do what functions/campaign does every minute, and what comes of it at once."""
        try:
            self.campaigns.tick()
            self.passes.start_if_due()
        except Crash:
            self.restart()
        self.settle()

    # --- looking

    def profile(self, email: str) -> Profile:
        """Return the one profile that this address leads to."""
        key = alias_key(self.world.secret_address_key, "tea", "email", email)
        found = self.world.profile(self.world.owners[key])
        assert isinstance(found, Profile)
        return found

    def mails(self) -> list[tuple[str, str, datetime]]:
        """Return (to, template, when) of every mail that left."""
        return [(sent.mail.to, sent.mail.subject, sent.at) for sent in self.world.inbox]

    def texts(self) -> list[tuple[str, str, datetime]]:
        """Return (to, template, when) of every text message that left."""
        return [(sent.text.to, sent.text.body, sent.at) for sent in self.world.texts]

    def crash_at(self, call: str, moment: Literal["before", "after"], *, times: int = 1) -> None:
        """Pull the plug at the next `times` calls of this port, before or after they take effect."""
        left = itertools.count(times, -1)

        def hook(name: str, when: str) -> None:
            if (name, when) == (call, moment) and next(left) > 0:
                raise Crash(f"{moment} {call}")

        self.world.hook = hook

    def lose_answer_of(self, call: str, *, carried_out: bool) -> None:
        """Let the answer of the next call of this port be lost, of a request that was carried out or was not."""
        left = itertools.count(1, -1)

        def hook(name: str, when: str) -> None:
            if (name, when) == (call, "after" if carried_out else "before") and next(left) > 0:
                raise AnswerLostError(call)

        self.world.hook = hook


class PlainMails:
    """A builder whose mails say which template was meant, and the code of its coupon."""

    def __init__(self, wallet: Wallet | None = None) -> None:
        self._wallet = wallet

    def prepare(self, wanted: Sequence[tuple[Profile, Planned, Run]]) -> None:
        """Nothing to read."""

    def build(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Mail:
        """Return a mail whose subject is the template's name."""
        coupon = self._wallet.given(message_id, profile, planned, run) if self._wallet is not None else None
        claimed = profile.sign_ups[planned.step].email if planned.to == "claimed" else None
        return Mail(
            message_id=message_id,
            sender="hello@tea.example",
            to="shop@tea.example" if planned.to == "shop" else claimed or profile.email or "",
            subject=planned.template,
            html="<p>hello</p>",
            text=coupon.code if coupon is not None else "hello",
            headers={},
            tags={},
            targets=TARGETS,
        )


class PlainTexts:
    """A builder whose text messages say which template was meant, and nothing else."""

    def text(self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime) -> TextMessage:
        """Return a text whose body is the template's name."""
        del run
        return TextMessage(
            message_id=message_id,
            shop=profile.shop,
            to=profile.phone or "",
            sender="+447700900999",
            body=planned.template,
            marketing=planned.category == "marketing",
            seconds=int((planned.not_after - now).total_seconds()),
        )


class PlainPushes:
    """A builder whose push messages say which template was meant, and nothing else."""

    def push(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> tuple[tuple[PushMessage, ...], tuple[str, ...]]:
        """Return a message for each browser, whose payload is the template's name."""
        del run
        newest = sorted(profile.browsers.values(), key=lambda browser: browser.at, reverse=True)
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
