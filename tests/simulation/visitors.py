"""What people, their browsers and mail scanners do at the public addresses: links in mails, pages, the shop's own site.

Each comes as a road of the world (`visitor`: twice, or late), to the services of `track`, `pages`, `signup` and
`collect` with a link as the mail had it; what failed is tried again, as people do. `said` says what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from rekindle.content.links import (
    VISIT_PARAMETER,
    Confirm,
    Track,
    Unsubscribe,
    form_of,
    preferences_of,
    read_confirm,
    sign_confirm,
    sign_form,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
)
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.surveys import REWARDS
from rekindle.domain.errors import RequestError, TooManyError
from rekindle.domain.profile import Profile
from rekindle.domain.sign_ups import ALERT_FORM, OPEN
from rekindle.memory import Crash, Queue, Received
from rekindle.ports import Mail, Message
from rekindle.service import reactions
from rekindle.service.collect import Collector
from rekindle.service.confirm import ConfirmDesk, SignUpPage
from rekindle.service.desks import Desks
from rekindle.service.library import Library
from rekindle.service.pages import PageLibrary
from rekindle.service.people import address_hash, alias_key
from rekindle.service.sign_up import SignUps
from rekindle.service.sites import Sites
from rekindle.service.tracks import Request, Tracks
from tests.simulation.said import ASKING
from tests.simulation.story import FORM, SHOP, TARGETS, Happening

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

#: How a browser names itself, and a scanner that does too.
_BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
_SCANNER = {"user-agent": "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))"}
_SITE = {**_BROWSER, "origin": "https://tea.example"}
_STAY = ("leave", "stay", "fewer")
#: Where people sit, two of them behind one address: so many sign up from there as `Limits` let through.
_SEATS = {"ada": "198.51.100.7", "bob": "198.51.100.7", "carol": "203.0.113.9"}

#: What somebody does: the function that it comes to, and what that is asked.
Act = tuple[str, Callable[[], None]]


class Visitors:
    """Everybody who comes by a link or a page."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._said = simulation.watch.said
        self._led: dict[str, str] = {}
        """person → the token that the shop's address had to which a click led them last"""
        self._acts: dict[str, Callable[[Happening], Act | None]] = {
            "follows": lambda one: self._track(one, Request(headers=_BROWSER)),
            "scans": lambda one: self._track(one, Request(headers=_SCANNER)),
            "looks": self._look,
            "chooses": self._choose,
            "stays": self._stay,
            "answers": self._answer,
            "rates": self._rate,
            "signs_up": self._sign_up,
            "fills_in": self._fill_in,
            "wants": self._want,
            "confirms": self._confirm,
            "visits": self._visit,
            "forges": self._forge,
        }

    def come(self, happening: Happening) -> bool:
        """Let somebody come who does such a thing; return whether it is one of those that are done here."""
        prepare = self._acts.get(happening.what)
        if prepare is None:
            return False
        act = prepare(happening)
        if act is None:
            return True
        choice = self._simulation.road("visitor")
        if choice is not None:
            self._simulation.after(choice.amount, partial(self._do, *act, happening.what, 1))
        if choice is None or choice.kind == "twice":
            self._do(*act, happening.what, 1)
        return True

    def react(self, queue: Queue[Any], batch: Sequence[Received[Any]]) -> None:
        """As functions/feedback with a batch of the reactions queue."""
        ports, world = self._simulation.ports, self._world
        done = []
        try:
            for received in batch:
                try:
                    reactions.take(
                        received.value,
                        outbox=ports["outbox"],
                        intake=ports["intake"],
                        clock=world.clock,
                        address_key=world.secret_address_key,
                    )
                except Exception as error:  # noqa: BLE001 - the queue brings it again
                    self._simulation.watch.failed(error)
                    continue
                done.append(received)
        except Crash:
            return
        for received in done:
            queue.delete(received.receipt)

    def _do(self, function: str, body: Callable[[], None], what: str, tries: int) -> None:
        again = partial(self._do, function, body, what, tries + 1)
        self._simulation.insist(function, body, again, tries, what)

    # --- links in mails

    def _mail(self, person: str, subjects: Collection[str] = ()) -> Message | None:
        """Return the record of the latest mail to somebody, of these subjects if any are told; if there is one."""
        address = f"{person}@example.com"
        for sent in reversed(self._world.inbox):
            mail: Mail = sent.mail
            if mail.to == address and (not subjects or mail.subject in subjects):
                return self._world.messages.get(mail.message_id)
        return None

    def _tracks(self) -> Tracks:
        ports = self._simulation.ports
        return Tracks(
            outbox=ports["outbox"],
            reactions=ports["reactions"],
            library=Library(ports["blobs"], self._world.clock),
            secrets=ports["secrets"],
            clock=self._world.clock,
        )

    def _track(self, happening: Happening, request: Request) -> Act | None:
        message = self._mail(happening.who)
        if message is None:
            return None
        token = sign_track(self._world.secret_link_keys, Track(message.id))
        place = happening.number % len(TARGETS)

        def body() -> None:
            followed = self._warm("track", self._tracks, lambda tracks: tracks.follow(token, str(place), request))
            self._said.followed(message.id, followed)
            asked = parse_qs(urlsplit(followed.address or "").query)
            if VISIT_PARAMETER in asked:
                self._led[happening.who] = asked[VISIT_PARAMETER][0]

        return "track", body

    def _look(self, happening: Happening) -> Act | None:
        message = self._mail(happening.who)
        if message is None:
            return None
        token = sign_track(self._world.secret_link_keys, Track(message.id))

        def body() -> None:
            opened = self._warm("track", self._tracks, lambda tracks: tracks.opened(token, Request(headers=_BROWSER)))
            self._said.told(message.id, opened)

        return "track", body

    # --- pages

    def _claim(self, person: str) -> Unsubscribe | None:
        """Return what the links of somebody's latest mail claim, or, without one, those of the shop's own pages."""
        world = self._world
        address, key = f"{person}@example.com", world.secret_address_key
        message = self._mail(person)
        profile = message.profile_id if message else world.owners.get(alias_key(key, SHOP, "email", address))
        if profile is None:
            return None
        hashed = address_hash(key, "email", address)
        return Unsubscribe(SHOP, "email", hashed, message.id if message else "", profile)

    def _pages(self) -> tuple[Desks, PageLibrary]:
        ports = self._simulation.ports
        desks = Desks(
            desk=ports["desk"],
            intake=ports["intake"],
            clock=self._world.clock,
            secrets=ports["secrets"],
            new_nonce=lambda: "nonce",
        )
        return desks, PageLibrary(ports["blobs"], self._world.clock)

    def _form(self, name: str, token: str, values: dict[str, list[str]] | None) -> Act:
        """Post a form by its link; without values, look at it only."""

        def visit(sandbox: tuple[Desks, PageLibrary]) -> str:
            desks, library = sandbox
            claim, desk = desks.of(name, token)
            published = library.newest()
            if values is None:
                return desk.show(claim, published).what
            return desk.save(claim, Posted(values), published).what

        return "pages", lambda: self._said.answered(self._warm("pages", self._pages, visit), visited=values is None)

    def _choose(self, happening: Happening) -> Act | None:
        """Choose on the preference page: less, nothing, a pause; look only; or post what the page does not offer."""
        claim = self._claim(happening.who)
        if claim is None:
            return None
        token = sign_preferences(self._world.secret_link_keys, preferences_of(claim))
        on = {"topic.news"} | ({"channel.email"} if self._gets_mails(claim) else set())
        was = [*sorted(on), "frequency.everything", "language.en"]
        # What is ticked in the end, and beside it.
        values: dict[str, list[str]] | None = {
            1: {"on": sorted(on - {"topic.news"}), "frequency": ["monthly"]},
            2: {"act": ["unsubscribe"]},
            3: {"on": sorted(on | {"pause", "channel.email"})},
            5: {"on": sorted(on), "frequency": ["hourly"]},
        }.get(happening.number)
        return self._form("p", token, None if values is None else {"was": was, **values})

    def _gets_mails(self, claim: Unsubscribe) -> bool:
        profile = self._world.profile(claim.profile)
        refused = self._world.suppressed(SHOP, "email", claim.address, "marketing")
        return isinstance(profile, Profile) and profile.consented("email") and not refused

    def _stay(self, happening: Happening) -> Act | None:
        claim = self._claim(happening.who)
        if claim is None:
            return None
        token = sign_form(self._world.secret_link_keys, form_of(claim, "stay"))
        return self._form("stay", token, {"act": [_STAY[happening.number % len(_STAY)]]})

    def _answer(self, happening: Happening) -> Act | None:
        """Answer the survey; or look only, or send what it does not offer."""
        reward = (*REWARDS, "", "gold")[happening.number % 5]
        return self._asked(happening, "survey", {"reward": [reward]} if reward else None)

    def _rate(self, happening: Happening) -> Act | None:
        """Rate an order; or send stars that there are not."""
        return self._asked(happening, "review", {"stars": [str(happening.number)]}, f"order-{happening.who}-1")

    def _asked(
        self, happening: Happening, form: str, values: dict[str, list[str]] | None, about: str = ""
    ) -> Act | None:
        claim = self._claim(happening.who)
        if claim is None:
            return None
        return self._form(form, sign_form(self._world.secret_link_keys, form_of(claim, form, about)), values)

    def _confirm(self, happening: Happening) -> Act | None:
        """Press the button behind the link of the mail that asks whether it was oneself: yes, or no more, please."""
        message = self._mail(happening.who, ASKING)
        profile = self._world.profile(message.profile_id) if message is not None else None
        if not isinstance(profile, Profile) or not profile.sign_ups:
            return None
        asked = next(reversed(profile.sign_ups.values()))
        until = int((asked.at + OPEN).timestamp())
        keys = self._world.secret_link_keys
        token = sign_confirm(keys, Confirm(SHOP, profile.id, asked.id, until))

        def visit(sandbox: tuple[Desks, PageLibrary]) -> str:
            claim = read_confirm(ports["secrets"].link_keys(), token)
            key = ports["secrets"].address_key()
            desk = ConfirmDesk(desk=ports["desk"], intake=ports["intake"], clock=self._world.clock, address_key=key)
            return desk.confirm(claim, sandbox[1].newest(), stop=happening.number == 3).what

        ports = self._simulation.ports
        return "signup", lambda: self._said.answered(self._warm("pages", self._pages, visit))

    # --- the shop's own site

    def _collector(self) -> Collector:
        ports, clock = self._simulation.ports, self._world.clock
        return Collector(
            intake=ports["intake"],
            secrets=ports["secrets"],
            sites=Sites(ports["blobs"], clock),
            clock=clock,
            limits=ports["limits"],
        )

    def _batch(self, happening: Happening, *told: dict[str, Any], visit: str | None = None) -> Callable[[], str]:
        """Return what posts what a page tells. Its place in the story is in it, so that one visit is one body."""
        browser = f"browser-of-{happening.who}".ljust(16, "-")
        batch = {"browser": browser, "events": told, "seen": str(happening), **({"visit": visit} if visit else {})}
        body, seat = msgspec.json.encode(batch), _SEATS[happening.who]
        return lambda: str(
            self._warm("collect", self._collector, lambda one: one.receive(SHOP, _SITE, body, seat).what)
        )

    def _visit(self, happening: Happening) -> Act:
        found = {"type": "search.submitted", "query": f"green {happening.number}"}
        post = self._batch(happening, found, visit=self._led.get(happening.who))
        return "collect", lambda: self._said.answered(post())

    def _sign_up(self, happening: Happening) -> Act:
        """Sign up on a page of the shop, whose script may tell of a search along with it."""
        typed = {"type": "form.submitted", "name": FORM, "email": f"{happening.who}@example.com"}
        found = [{"type": "search.submitted", "query": "green"}] * (happening.number % 2)
        post = self._batch(happening, *found, {**typed, "answers": {"first_name": "Ada"}})
        return "collect", lambda: self._knock(happening.who, post)

    def _want(self, happening: Happening) -> Act:
        """Ask on the page of a product to be told when it costs less, or can be had again."""
        typed = {"type": "form.submitted", "name": ALERT_FORM, "email": f"{happening.who}@example.com"}
        answers = {"product": "p1", "price" if happening.number % 2 else "stock": "on"}
        post = self._batch(happening, {**typed, "answers": answers})
        return "collect", lambda: self._knock(happening.who, post)

    def _fill_in(self, happening: Happening) -> Act:
        """Sign up where the shop's scripts are off, on a page of ours."""
        values = {"email": [f"{happening.who}@example.com"], "first_name": [str(happening)]}
        seat, ports, clock = _SEATS[happening.who], self._simulation.ports, self._world.clock

        def send(sandbox: tuple[Sites, SignUps, PageLibrary]) -> str:
            sites, sign_ups, library = sandbox
            site, key = sites.of(SHOP), ports["secrets"].address_key()
            assert site is not None
            page = SignUpPage(sign_ups, ports["intake"], clock, address_key=key, published=library.newest())
            return page.send(site, FORM, Posted(values), ip=seat).what

        def make() -> tuple[Sites, SignUps, PageLibrary]:
            blobs = ports["blobs"]
            sign_ups = SignUps(limits=ports["limits"], secrets=ports["secrets"], clock=clock)
            return Sites(blobs, clock), sign_ups, PageLibrary(blobs, clock)

        return "signup", lambda: self._knock(happening.who, lambda: str(self._warm("signup", make, send)))

    def _knock(self, person: str, ask: Callable[[], str]) -> None:
        """Ask at a door that lets in so many."""
        self._said.knocked(_SEATS[person])
        try:
            what = ask()
        except TooManyError:
            what = "limited"
        if what == "limited":
            self._said.turned_away(_SEATS[person])
        else:
            self._said.answered(what)

    # --- what is nobody's

    def _forge(self, happening: Happening) -> Act | None:
        """Come with what was signed for something else, or was cut, or from somebody else's page."""
        claim = self._claim(happening.who)
        if claim is None:
            return None
        keys = self._world.secret_link_keys
        stop, page = sign_unsubscribe(keys, claim), sign_preferences(keys, preferences_of(claim))
        function, attempt = (
            ("pages", partial(self._forged_page, "p", stop)),
            ("pages", partial(self._forged_page, "stay", page)),
            ("pages", partial(self._forged_page, "p", page[:-3] + ("AAA" if not page.endswith("AAA") else "BBB"))),
            ("track", lambda: self._tracks().follow(page, "0", Request(headers=_BROWSER))),
            ("collect", lambda: self._collector().receive(SHOP, {**_SITE, "origin": "https://evil.example"}, b"{}")),
        )[happening.number % 5]

        def body() -> None:
            try:
                attempt()
            except RequestError:
                self._said.refused()
            else:
                self._said.wrong("what was not signed for it is refused", str(happening))

        return function, body

    def _forged_page(self, name: str, token: str) -> None:
        desks, library = self._pages()
        claim, desk = desks.of(name, token)
        desk.save(claim, Posted({"act": ["unsubscribe"]}), library.newest())

    def _warm(self, function: str, make: Callable[[], Any], use: Callable[[Any], Any]) -> Any:
        """Use a warm sandbox of the function, or a new one. Who dies takes it along."""
        warm = self._simulation.warm.setdefault(function, [])
        sandbox = warm.pop() if warm else make()
        try:
            found = use(sandbox)
        except Exception:
            warm.append(sandbox)
            raise
        warm.append(sandbox)
        return found
