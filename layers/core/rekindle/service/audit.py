"""Checking a live installation: what should not be there, what it means, what to do, and mending what is safe to mend.

The sweep looks at sparse indexes every five minutes; this looks at everybody, page by page, when somebody asks. An
installation goes on working meanwhile, so what looks wrong about a profile is looked at once more before it is told.
Nothing is changed without `repair`, and with it only what the machinery does by itself: waking, queueing anew what a
profile holds as planned, calling a dead worker's lease unknown, beginning a pass anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.profile import Planned, Profile, Signpost, Tombstone
from rekindle.flow.program import Playbook
from rekindle.ports import (
    Blobs,
    Clock,
    Counters,
    DeadLetters,
    FanoutQueue,
    Outbox,
    Parcel,
    Pending,
    SendingAccount,
    SendQueues,
    State,
    Survey,
    Vault,
    Wake,
    WakeQueue,
)
from rekindle.service.campaigns import Started
from rekindle.service.fanout import SHARDS, SLICE_SECONDS, last_pass, progress_of
from rekindle.service.graves import trail
from rekindle.service.guard import told_of, word_of
from rekindle.service.library import POINTER, Library
from rekindle.service.passes import SETTLED_AFTER, Passes
from rekindle.service.people import MOVABLE
from rekindle.service.sweep import MAX_TRIES

#: What the sweep, which comes every five minutes, must have seen to by now.
LATE = timedelta(minutes=15)
#: A message that may go and has no record after so long has been lost on its way, or waits behind very many others.
UNSENT = timedelta(hours=1)
#: A shard tells of itself every half minute, except while much waits to be done.
STANDING = max(timedelta(minutes=15), 10 * timedelta(seconds=SLICE_SECONDS))
#: Of what was worth sending until then, the record itself may have expired.
_FORGOTTEN = timedelta(days=14)
#: Campaigns older than this are of no concern any more.
_CAMPAIGNS = timedelta(days=7)
#: Over how many whole hours counters are compared with the messages.
_COUNTED = timedelta(days=7)
#: So much of the quota of 24 hours, in per cent, is worth a word.
_NEAR = 80
#: Counts are no ledger: so far apart they may be.
_TOLERANCE = 0.02
_TOLERATED = 5

_EXAMPLES = 5
_LIMIT = 5_000
_started = msgspec.json.Decoder(Started)

Progress = Callable[[str, int, int], None]
"""Told what is being looked at, how many of these are done, and of about how many (0: nobody knows)."""


class Kind(Struct, frozen=True):
    """One thing to look for: its name, what it means when it is found, and what to do."""

    name: str
    title: str
    means: str
    do: str


class Finding(Struct, frozen=True, kw_only=True):
    """Something that should not be there: how many, a few examples (ids), what it means, what to do, what was done."""

    check: str
    title: str
    count: int
    examples: tuple[str, ...]
    means: str
    do: str
    repaired: int = 0


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "overdue",
            "profiles whose deadline has passed",
            "Something was to happen to them and has not. The sweep wakes them: where it runs, journey fails on them.",
            "--repair wakes them now. If they stay, journey's log says why, under their profile_id.",
        ),
        Kind(
            "pending",
            "accepted events that are not applied yet",
            "The stream and the sweep should have brought them within ten minutes.",
            "--repair brings them again now. If they stay, journey's log says why, under their pending_id.",
        ),
        Kind(
            "stuck",
            "accepted events that were tried too often",
            "The sweep has given up on them; nothing is lost.",
            "Find the reason in journey's log, mend it, then: rekindle redrive --queue pending.",
        ),
        Kind(
            "leased",
            "messages whose lease was never closed",
            "The worker that held the lease died. Nobody knows whether the message went out.",
            "--repair calls them unknown, as the sweep does.",
        ),
        Kind(
            "unknown",
            "messages whose outcome nobody knows",
            "The one attempt ended without an answer, and SES has said nothing since. They are never tried again.",
            "See docs/operating.md, Unknown messages.",
        ),
        Kind(
            "unsent",
            "planned messages that have no record",
            "They were due over an hour ago and nobody has decided on them: what was queued for them is lost, or lies "
            "in the dead-letter queue, or behind very many others.",
            "--repair queues them once more. What has gone out, or may have, is known by its record.",
        ),
        Kind(
            "aliases",
            "contact points that do not lead to their person",
            "Nothing living stands behind them any more: the next event by one of them starts somebody new.",
            "Look at the ledger (rekindle explain) and at privacy's receipts; tell us, with the ids.",
        ),
        Kind(
            "signposts",
            "signposts that lead in a circle",
            "What comes late for a profile that was merged finds nobody, and is dropped.",
            "Tell us, with the ids. Nobody is mailed wrongly because of it.",
        ),
        Kind(
            "pinned",
            "profiles with runs of flow versions that are gone",
            "The bucket no longer holds the flow version that these runs follow: nothing can be applied to them.",
            "Bring flows/<version>.json back: the bucket keeps every version of every file for 400 days.",
        ),
        Kind(
            "published",
            "published files that are missing",
            "The pointer names a playbook that is not whole: journey or send fail on everything.",
            "Publish again (upload any file), or bring the files back: the bucket keeps every version for 400 days.",
        ),
        Kind(
            "pass",
            "parts of the pass after a publish that stand still",
            "People of that part have not been brought up to date with what is published.",
            "--repair begins the pass anew, which does no harm. rekindle rollout shows it.",
        ),
        Kind(
            "campaigns",
            "parts of campaigns that stand still",
            "People of that part have not been told of the campaign.",
            "rekindle redrive --queue fanout, after mending what campaign's log says.",
        ),
        Kind(
            "dead letters",
            "messages in dead-letter queues",
            "A function gave up on them; they are kept for 14 days.",
            "Find the reason in the function's log, mend it, then: rekindle redrive --queue <name>.",
        ),
        Kind(
            "counters",
            "shops whose counters differ from their messages",
            "The guard's rates are of these counters; they may be off by a crash or two, not by this much.",
            'Look for "not counted" in send\'s log. The counters begin anew as their week goes by.',
        ),
        Kind(
            "paused",
            "shops whose marketing is paused",
            "Too many bounces or complaints: see docs/operating.md, Marketing paused.",
            "When the cause is gone: rekindle reputation --shop <shop> --resume.",
        ),
        Kind(
            "sandbox",
            "account that is in the sandbox of SES",
            "SES takes mails to verified addresses only, one a second and 200 a day: customers get none.",
            "Ask for production access in the SES console, in this region.",
        ),
        Kind(
            "quota",
            "account that has sent most of what SES takes in 24 hours",
            "Near the quota marketing waits, so that transactional mails still go out.",
            "Ask for a higher quota in the SES console (docs/operating.md, Mail quota).",
        ),
        Kind(
            "account",
            "account that does not say what it may send",
            "send does not know SES's rate either, and goes by what it knew last, or by 14 mails a second.",
            "Look whether its role, and yours, may call ses:GetAccount.",
        ),
    )
}


class _Notes:
    """Counts what is found, and keeps a few examples: memory does not grow with what is wrong."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}
        self.repaired: dict[str, int] = {}

    def add(self, check: str, example: str, *, count: int = 1) -> None:
        self.counts[check] = self.counts.get(check, 0) + count
        examples = self.examples.setdefault(check, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def mended(self, check: str, count: int = 1) -> None:
        self.repaired[check] = self.repaired.get(check, 0) + count

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(
                check=name,
                title=kind.title,
                count=self.counts[name],
                examples=tuple(self.examples[name]),
                means=kind.means,
                do=kind.do,
                repaired=self.repaired.get(name, 0),
            )
            for name, kind in KINDS.items()
            if name in self.counts
        )


class Audit:
    """Looks at one installation."""

    def __init__(
        self,
        *,
        survey: Survey,
        state: State,
        vault: Vault,
        outbox: Outbox,
        counters: Counters,
        dead_letters: DeadLetters,
        wakes: WakeQueue,
        queues: SendQueues,
        fanout: FanoutQueue,
        blobs: Blobs,
        clock: Clock,
        account: SendingAccount,
        lease_life: timedelta,
    ) -> None:
        """Take the ports. `lease_life` is how long a lease may be open."""
        self._survey = survey
        self._state = state
        self._vault = vault
        self._outbox = outbox
        self._counters = counters
        self._dead_letters = dead_letters
        self._wakes = wakes
        self._queues = queues
        self._fanout = fanout
        self._blobs = blobs
        self._clock = clock
        self._account = account
        self._lease_life = lease_life
        self._library = Library(blobs, clock)

    def run(self, *, shop: str = "", repair: bool = False, progress: Progress | None = None) -> tuple[Finding, ...]:
        """Return what is wrong, of one shop if named; dead letters and the pass are everybody's. Takes a long time."""
        notes = _Notes()
        tell = progress or (lambda _what, _done, _of: None)
        tell("what is published", 0, 0)
        playbook = self._published(notes)
        self._pass(notes, repair=repair and "published" not in notes.counts)
        self._campaigns(notes, shop)
        tell("queues", 0, 0)
        self._letters(notes)
        self._allowance(notes)
        self._pending(notes, shop, repair=repair)
        self._open_messages(notes, shop, repair=repair)
        paused = self._paused(notes, shop)
        self._everybody(notes, shop, playbook, paused, tell, repair=repair)
        self._counts(notes, shop, playbook, tell)
        return notes.findings()

    # --- what is published, and how it reaches everybody

    def _published(self, notes: _Notes) -> Playbook:
        """Return the published playbook; an empty one where it cannot be read."""
        wanted = self._library.hash(fresh=True)
        if wanted is None:
            return Playbook(hash="")
        files = self._blobs.list(f"playbooks/{wanted}/")
        missing = [key for name in ("flows", "mails") if (key := f"playbooks/{wanted}/{name}.json") not in files]
        for key in missing:
            notes.add("published", key)
        if f"playbooks/{wanted}/flows.json" in missing:
            return Playbook(hash=wanted)
        playbook = self._library.newest()
        versions = self._versions()
        for flow in playbook.flows.values():
            if flow.version not in versions:
                notes.add("published", f"flows/{flow.version}.json")
        return playbook

    def _versions(self) -> frozenset[str]:
        return frozenset(key.removeprefix("flows/").removesuffix(".json") for key in self._blobs.list("flows/"))

    def _pass(self, notes: _Notes, *, repair: bool) -> None:
        newest, _ = last_pass(self._blobs)
        if newest is None:
            return
        standing = self._standing(newest.id, newest.started_at + SETTLED_AFTER, newest.shards)
        for shard in standing:
            notes.add("pass", f"part {shard + 1} of {newest.shards}")
        if standing and repair and self._blobs.get(POINTER) is not None:
            started = Passes(
                blobs=self._blobs,
                library=self._library,
                queue=self._fanout,
                clock=self._clock,
                shards=newest.shards or SHARDS,
            ).start()
            notes.mended("pass", len(standing) if started is not None else 0)

    def _campaigns(self, notes: _Notes, shop: str) -> None:
        now = self._clock.now()
        for key in self._blobs.list(f"campaigns/{shop}/" if shop else "campaigns/"):
            # The name says when; the rest are marks of the tick itself.
            at = _campaign_at(key)
            if at is None or now - at > _CAMPAIGNS:
                continue
            raw = self._blobs.get(key)
            if raw is not None:
                started = _started.decode(raw)
                for shard in self._standing(started.fanout, started.started_at, started.shards):
                    notes.add(
                        "campaigns", f"{started.shop} {started.flow} {started.at:%Y-%m-%dT%H:%MZ} part {shard + 1}"
                    )

    def _standing(self, fanout: str, started_at: datetime, shards: int) -> list[int]:
        """Return the shards that are not through and of which nothing was heard for too long."""
        now = self._clock.now()
        known = {progress.shard: progress for progress in progress_of(self._blobs, fanout)}
        found = []
        for shard in range(shards):
            progress = known.get(shard)
            heard = progress.at if progress is not None else started_at
            if not (progress is not None and progress.done) and now - heard > STANDING:
                found.append(shard)
        return found

    # --- queues, and what is open

    def _letters(self, notes: _Notes) -> None:
        for queue in self._dead_letters.names():
            depth = self._dead_letters.depth(queue)
            if depth:
                notes.add("dead letters", f"{queue}: {depth:,}", count=depth)

    def _pending(self, notes: _Notes, shop: str, *, repair: bool) -> None:
        waiting: list[Pending] = []
        for pending in self._state.stale_pending(self._clock.now() - LATE, _LIMIT):
            if shop and pending.shop != shop:
                continue
            if pending.tries >= MAX_TRIES:
                notes.add("stuck", pending.id)
            else:
                notes.add("pending", pending.id)
                waiting.append(pending)
        if repair and waiting:
            self._wakes.wake([Wake(pending_id=pending.id) for pending in waiting])
            notes.mended("pending", len(waiting))

    def _open_messages(self, notes: _Notes, shop: str, *, repair: bool) -> None:
        now = self._clock.now()
        for message in self._outbox.open_messages(now - max(LATE, self._lease_life), _LIMIT):
            if shop and message.shop != shop:
                continue
            if message.state == "unknown":
                notes.add("unknown", message.id)
                continue
            notes.add("leased", message.id)
            if repair:
                lost = replace(message, state="unknown", why="the worker that held the lease never came back", at=now)
                notes.mended("leased", int(self._outbox.progress(lost, ("leased",))))

    def _allowance(self, notes: _Notes) -> None:
        try:
            found = self._account.allowance()
        except Exception as error:  # noqa: BLE001 - everything else is looked at all the same
            notes.add("account", type(error).__name__)
            return
        if found.trial:
            notes.add("sandbox", f"{found.rate:g} mails a second")
        elif found.percent_used >= _NEAR:
            notes.add("quota", f"{found.sent:,.0f} of {found.quota:,.0f}")

    def _paused(self, notes: _Notes, shop: str) -> frozenset[str]:
        paused = {pause.shop: pause for pause in self._counters.pauses() if pause.active}
        for name, pause in sorted(paused.items()):
            if not shop or name == shop:
                notes.add("paused", f"{name}: {told_of(pause, self._outbox.message(word_of(pause)))}")
        return frozenset(paused)

    # --- everybody

    def _everybody(
        self,
        notes: _Notes,
        shop: str,
        playbook: Playbook,
        paused: frozenset[str],
        tell: Progress,
        *,
        repair: bool,
    ) -> None:
        size, done, cursor = self._survey.size(), 0, None
        versions = self._versions()
        while True:
            page = self._survey.profiles(cursor)
            suspects = self._suspects(page.profiles, shop, playbook, versions, paused)
            if suspects:
                # Once more, as they stand now: they may just have been busy.
                again = {key: found for key in suspects if (found := self._state.profile(key)) is not None}
                for key, check, example in self._wrong(tuple(again.items()), shop, playbook, versions, paused):
                    notes.add(check, example)
                    if repair:
                        self._mend(notes, check, key, again[key], example)
            done += page.looked_at
            tell("profiles", done, max(size, done))
            if page.cursor is None:
                return
            cursor = page.cursor

    def _suspects(
        self,
        profiles: Sequence[tuple[str, Profile | Signpost | Tombstone]],
        shop: str,
        playbook: Playbook,
        versions: frozenset[str],
        paused: frozenset[str],
    ) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for key, _, _ in self._wrong(profiles, shop, playbook, versions, paused)))

    def _wrong(
        self,
        found: Sequence[tuple[str, Profile | Signpost | Tombstone]],
        shop: str,
        playbook: Playbook,
        versions: frozenset[str],
        paused: frozenset[str],
    ) -> Iterator[tuple[str, str, str]]:
        """Yield (profile id, check, example) of what is wrong with these."""
        now = self._clock.now()
        for key, each in found:
            # One that leads to nothing is normal: visitors whom nobody knows are forgotten after 90 days.
            if isinstance(each, Signpost) and not shop and self._leads_on_for_ever(key):
                yield key, "signposts", key
        profiles = [each for _, each in found if isinstance(each, Profile) and (not shop or each.shop == shop)]
        for profile in profiles:
            if profile.deadline is not None and now - profile.deadline > LATE:
                yield profile.id, "overdue", profile.id
            for run in profile.runs:
                newest = playbook.flows.get(run.flow)
                if (newest is None or newest.version != run.version) and run.version not in versions:
                    yield profile.id, "pinned", profile.id
                    break
        yield from self._unsent(profiles, paused, now)
        yield from self._astray(profiles)

    def _leads_on_for_ever(self, profile_id: str) -> bool:
        passed, end = trail(self._state.profile, profile_id)
        return end is None and isinstance(self._state.profile(passed[-1]), Signpost)

    def _unsent(
        self, profiles: Sequence[Profile], paused: frozenset[str], now: datetime
    ) -> Iterator[tuple[str, str, str]]:
        late = {
            message: profile
            for profile in profiles
            for message, planned in profile.planned.items()
            if _due(planned, now) + UNSENT < now < planned.not_after + _FORGOTTEN
            and not (profile.shop in paused and planned.category == "marketing")
        }
        records = self._state.messages(tuple(late)) if late else {}
        for message, profile in late.items():
            record = records.get(message)
            # Reopened: SES refused it for now, and it is to come back within a quarter of an hour.
            if record is None or (record.state == "reopened" and now - (record.at or now) > UNSENT):
                yield profile.id, "unsent", message

    def _astray(self, profiles: Sequence[Profile]) -> Iterator[tuple[str, str, str]]:
        """Yield the contact points behind which nobody living stands. That they lead to somebody else is normal.

        So it is that what moves from one to another (`people.MOVABLE`) goes with a visitor who is forgotten.
        """
        strong = {
            profile.id: [alias for alias in profile.aliases if alias.split("#")[1] not in MOVABLE]
            for profile in profiles
        }
        wanted = tuple(dict.fromkeys(alias for aliases in strong.values() for alias in aliases))
        owners = self._vault.owners(wanted)[0] if wanted else {}
        here = {profile.id for profile in profiles}
        for profile in profiles:
            for alias in strong[profile.id]:
                owner = owners.get(alias)
                if owner in here:
                    continue
                if owner is None or not isinstance(trail(self._state.profile, owner)[1], Profile):
                    yield profile.id, "aliases", alias

    def _mend(self, notes: _Notes, check: str, key: str, found: Profile | Signpost | Tombstone, example: str) -> None:
        if not isinstance(found, Profile):
            return
        if check == "overdue":
            self._wakes.wake([Wake(profile_id=key, due=found.deadline)])
            notes.mended("overdue")
        if check == "unsent":
            parcel = Parcel(
                message_id=example,
                profile_id=key,
                version=found.version,
                category=found.planned[example].category,
                since=self._clock.now(),
            )
            self._queues.enqueue([parcel])
            notes.mended("unsent")

    # --- counters

    def _counts(self, notes: _Notes, shop: str, playbook: Playbook, tell: Progress) -> None:
        """Compare the mails that were counted with the messages that went out, over the same hours."""
        until = self._clock.now().replace(minute=0, second=0, microsecond=0)
        since = until - _COUNTED
        shops = [name for name in playbook.shops if not shop or name == shop]
        counted = {name: self._counters.tallies(name, since) for name in shops}
        # Counting may have begun within the first hour.
        began = {name: min(hours) + timedelta(hours=1) for name, hours in counted.items() if hours}
        if not began:
            return
        sent = dict.fromkeys(began, 0)
        cursor, looked = None, 0
        while True:
            page = self._survey.attempted(min(began.values()), cursor)
            for message in page.messages:
                begin = began.get(message.shop)
                in_time = message.leased_at is not None and begin is not None and begin <= message.leased_at < until
                if in_time and message.channel == "email" and not message.to and message.state in _GONE_OUT:
                    sent[message.shop] += 1
            looked += len(page.messages)
            tell("messages", looked, 0)
            if page.cursor is None:
                break
            cursor = page.cursor
        for name in sorted(began):
            told = sum(tally.sent for hour, tally in counted[name].items() if began[name] <= hour < until)
            if abs(told - sent[name]) > max(_TOLERATED, _TOLERANCE * sent[name]):
                notes.add("counters", f"{name}: {told:,} counted, {sent[name]:,} in Messages")


#: What SES took for sure.
_GONE_OUT = frozenset({"sent", "delivered", "bounced", "complained"})


def _due(planned: Planned, now: datetime) -> datetime:
    """Return from when on this message might have gone: not in the hours that manners forbid."""
    if planned.quiet_from is None or planned.quiet_until is None or now < planned.quiet_from:
        return planned.planned_at
    return max(planned.planned_at, planned.quiet_until)


def _campaign_at(key: str) -> datetime | None:
    """Return the hour of a campaign by the name of its mark: `campaigns/<shop>/<flow>/20260302T0900Z.0.json`."""
    try:
        return datetime.strptime(key.rpartition("/")[2].partition(".")[0], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
