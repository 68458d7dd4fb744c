"""The preference page: shows what is stored of one person, and saves what they changed, in one accepted delivery.

The signed link is the capability: whoever holds it may choose for this person, and sees nothing but masked values. What
is saved is what differs from what the page had shown, so that an old page never undoes what was said elsewhere since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from rekindle.content.languages import base, pick
from rekindle.content.links import Preferences
from rekindle.content.pages import birthdays, masks, preferences, texts
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.layout import Page
from rekindle.content.pages.preferences import FREQUENCIES, Shown, Way
from rekindle.content.pages.settings import PageSettings
from rekindle.domain.facts import PreferencesTold, TraitsTold
from rekindle.domain.preferences import paused_until
from rekindle.domain.profile import Profile
from rekindle.ports import Clock, Desk, Intake
from rekindle.service.visits import CHANNELS, Answer, Told, Visit, Visits, day_of

#: How long a pause lasts.
PAUSE = timedelta(days=30)
#: What a consent says of where it comes from, and a delivery of what it is about.
SOURCE = TOPIC = "preferences"

_MASKS: Mapping[str, Callable[[str], Any]] = {"email": masks.email, "sms": masks.phone}


class PreferenceDesk:
    """Shows and saves the preferences of whoever holds a link."""

    def __init__(
        self, *, desk: Desk, intake: Intake, clock: Clock, address_key: bytes, new_nonce: Callable[[], str]
    ) -> None:
        """Take the ports. `new_nonce` gives each page that is shown a name of its own."""
        self._visits = Visits(desk=desk, intake=intake, clock=clock, address_key=address_key)
        self._new_nonce = new_nonce

    def show(
        self,
        claim: Preferences,
        published: PageSettings,
        accept_language: str | None = None,
        query: Mapping[str, str] = {},
    ) -> Answer:
        """Return the page as things are stored now. Changes nothing."""
        del query
        visit = self._visits.come(claim, published, accept_language)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        shown = self._stored(visit, visit.profile)
        return Answer(200, self._page(visit, shown), "shown")

    def save(
        self,
        claim: Preferences,
        posted: Posted,
        published: PageSettings,
        accept_language: str | None = None,
        *,
        here: str = "?",
    ) -> Answer:
        """Do what was posted, and return the page with what holds from now on. `here` is the page's own address."""
        visit = self._visits.come(claim, published, accept_language)
        if posted.one("act") == "unsubscribe":
            delivery = self._visits.tell(TOPIC, visit, posted, self._visits.stopped(visit, SOURCE))
            return Answer(200, preferences.stopped(visit.spoken, visit.look, here), "stopped", delivery)
        if visit.profile is None:
            return Answer(200, preferences.nobody(visit.spoken, visit.look), "shown")
        stored = self._stored(visit, visit.profile)
        wanted, wrong = _wanted(visit, stored, posted)
        was = posted.all("was") or frozenset(stored.was())
        wrong |= self._foreign(visit, wanted, was)
        if posted.trapped:
            wrong["channels"] = "wrong.trap"
        if wrong:
            return Answer(422, self._page(visit, wanted, wrong=wrong), "refused")
        delivery = self._visits.tell(TOPIC, visit, posted, tuple(self._told(visit.profile, wanted, was, visit.now)))
        spoken = texts.language(accept_language, wanted.language, visit.spoken)
        now_known = bool(wanted.birthday[0]) or (wanted.birthday_known and not wanted.forget)
        after = replace(wanted, birthday=("", "", ""), birthday_known=now_known, forget=False)
        return Answer(200, self._page(visit._replace(spoken=spoken), after, saved=True), "saved", delivery)

    # --- within

    def _page(self, visit: Visit, shown: Shown, *, saved: bool = False, wrong: dict[str, str] | None = None) -> Page:
        return preferences.page(visit.spoken, visit.look, shown, nonce=self._new_nonce(), saved=saved, wrong=wrong)

    def _stored(self, visit: Visit, profile: Profile) -> Shown:
        pause = paused_until(profile.preferences, visit.now)
        frequency = profile.preferences.frequency
        born = profile.traits.get("birthday")
        languages = _languages(visit)
        return Shown(
            ways=tuple(self._ways(visit, profile)),
            topics=tuple((topic, _gets(profile, topic.name, on=topic.on)) for topic in visit.published.topics),
            frequency=frequency.value if frequency is not None else FREQUENCIES[0],
            languages=languages,
            language=pick(languages, profile.locale, visit.claim.locale, _own(visit)) or next(iter(languages), ""),
            paused_until=day_of(visit, pause) if pause is not None else None,
            paused=pause is not None,
            birthday_known=born is not None and born.value is not None,
        )

    def _ways(self, visit: Visit, profile: Profile) -> Iterator[Way]:
        """Yield the channels: where messages go, whether the person has agreed to them, and whether they came back."""
        for channel in CHANNELS:
            address = profile.address(channel)
            consented = profile.consented(channel)
            connected = channel == "email" or (visit.shop is not None and channel in visit.shop.channels)
            if address is None or not (connected or consented):
                continue
            covers = self._visits.refused(profile, channel)
            if channel == "push" and covers:
                continue
            mask = _MASKS.get(channel)
            yield Way(
                channel=channel,
                to=mask(address) if mask is not None else None,
                on=consented and not covers,
                dead="everything" in covers,
            )

    def _foreign(self, visit: Visit, wanted: Shown, was: frozenset[str]) -> dict[str, str]:
        """Return what is wrong where somebody would agree for an address that this link was not sent to."""
        grants = {f"channel.{way.channel}" for way in wanted.ways if way.on} - was
        if visit.claim.channel != "email" or "channel.email" not in grants or self._visits.addressed(visit):
            return {}
        return {"channels": "preferences.elsewhere"}

    def _told(self, profile: Profile, wanted: Shown, was: frozenset[str], now: datetime) -> Iterator[Told]:
        """Yield what differs from what the page had shown."""
        for way in wanted.ways:
            if not way.dead and way.on != (f"channel.{way.channel}" in was):
                yield self._visits.said(profile, way.channel, "subscribed" if way.on else "unsubscribed", now, SOURCE)
        told = PreferencesTold(
            at=now,
            topics={topic.name: on for topic, on in wanted.topics if on != (f"topic.{topic.name}" in was)},
            frequency=None if f"frequency.{wanted.frequency}" in was else wanted.frequency,  # type: ignore[arg-type]
            language=None if not wanted.language or f"language.{wanted.language}" in was else wanted.language,
            paused_until=(now + PAUSE if wanted.paused else now) if wanted.paused != ("pause" in was) else None,
        )
        if told != PreferencesTold(at=now):
            yield "preferences.changed", told
        if wanted.forget:
            yield "traits.changed", TraitsTold(at=now, values={"birthday": None})
        elif any(wanted.birthday):
            yield (
                "traits.changed",
                TraitsTold(at=now, values={"birthday": birthdays.kept(wanted.birthday, now.date())[0]}),
            )


def _own(visit: Visit) -> str | None:
    return visit.shop.locale if visit.shop is not None else None


def _languages(visit: Visit) -> dict[str, str]:
    spoken = visit.shop.languages if visit.shop is not None else ()
    tags = dict.fromkeys(base(locale) for locale in spoken)
    return {tag: visit.published.languages.get(tag, tag) for tag in tags}


def _gets(profile: Profile, topic: str, *, on: bool) -> bool:
    chosen = profile.preferences.topics.get(topic)
    return chosen.on if chosen is not None else on


def _wanted(visit: Visit, stored: Shown, posted: Posted) -> tuple[Shown, dict[str, str]]:
    """Return what was posted as the page would show it, and what is wrong with it: id of a field → name of a text."""
    on, wrong = posted.all("on"), dict[str, str]()
    frequency = posted.one("frequency") or stored.frequency
    language = posted.one("language") or stored.language
    if frequency not in FREQUENCIES:
        frequency, wrong["frequency"] = stored.frequency, "wrong.choice"
    if language not in stored.languages and language != stored.language:
        language, wrong["language"] = stored.language, "wrong.choice"
    typed = tuple(posted.one(name) for name in birthdays.FIELDS)
    if any(typed) and not posted.one("forget"):
        problem = birthdays.kept(typed, visit.now.date())[1]
        if problem is not None:
            wrong["birthday"] = problem
    paused = "pause" in on
    until = stored.paused_until if stored.paused else day_of(visit, visit.now + PAUSE)
    wanted = replace(
        stored,
        ways=tuple(replace(way, on=f"channel.{way.channel}" in on and not way.dead) for way in stored.ways),
        topics=tuple((topic, f"topic.{topic.name}" in on) for topic, _ in stored.topics),
        frequency=frequency,
        language=language,
        paused=paused,
        paused_until=until if paused else None,
        birthday=(typed[0], typed[1], typed[2]),
        forget=bool(posted.one("forget")),
    )
    return wanted, wrong
