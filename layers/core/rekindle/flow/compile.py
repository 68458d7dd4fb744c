"""Turns what a flow, segment or manners file says into what the engine runs, and checks what shape alone cannot tell.

Publish and command line only, like `rekindle.flow.language`, whose models it takes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from jinja2 import nodes
from msgspec import Struct

from rekindle.domain.errors import ContentError
from rekindle.domain.events import EVENT_TYPES
from rekindle.domain.profile import Category
from rekindle.flow import conditions, graph, program
from rekindle.flow import language as lang
from rekindle.flow.check import Purpose
from rekindle.flow.yaml_source import Path, Positions

_VALID_FOR = {"marketing": 86_400, "transactional": 3 * 86_400}
_RUN_LISTS = frozenset({"opened", "clicked", "messages", "redeemed"})

# Whose things' ids are: a basket, an order, a refund or a parcel has one customer, while many look at one product or
# come into one segment. Ids are unique among things of one kind only, so several kinds together are nobody's.
_OWN_ID = frozenset({"basket", "order", "refund", "shipment"})
_OWN_PARTS = {
    "event.order_id": frozenset({"refund", "shipment"}),
    "event.cart_token": frozenset({"basket", "order"}),
    "event.checkout_token": frozenset({"basket", "order"}),
    "event.message_id": frozenset({"engagement", "coupon"}),
}


_Deed = (
    lang.EmailModel
    | lang.SmsModel
    | lang.PushModel
    | lang.NotifyModel
    | lang.AudienceModel
    | lang.SetModel
    | lang.SuppressModel
    | lang.ExitModel
)


class Use(Struct, frozen=True, kw_only=True):
    """Something outside its own file that a flow or segment speaks of, and where it does.

    `what`: a segment, a trait that is read or set, one of a shop's own values, a topic, a template of a channel
    (`email`, `sms`, `push`), a mail to the shop (`notify`), an `offer`, or an ads `audience`. Of a template, `gives` is
    the offer that the step gives, `*` for a code of its own; `sometimes` says that it may go without.
    """

    what: Literal["segment", "trait", "sets", "value", "topic", "email", "sms", "push", "notify", "offer", "audience"]
    name: str
    line: int
    category: Category = "marketing"
    gives: str = ""
    sometimes: bool = False


def event_kinds(flow: program.Flow) -> frozenset[str]:
    """Return the kinds of fact that `event` can be in the flow's conditions and messages."""
    return frozenset(EVENT_TYPES[kind] for kind in event_types(flow.triggers))


def event_types(triggers: Sequence[program.Trigger]) -> tuple[str, ...]:
    """Return the types of event that these triggers start on."""
    return tuple(
        trigger.event
        if isinstance(trigger, program.Rule)
        else "date.came"
        if isinstance(trigger, program.OnDate)
        else "campaign.came"
        for trigger in triggers
    )


class Checker:
    """What is found in one file: problems with their lines, things of other files, and what must be remembered."""

    def __init__(self, positions: Positions, file: str) -> None:
        self.positions = positions
        self.file = file
        self.problems: list[ContentError] = []
        self.doubts: list[ContentError] = []
        self.uses: list[Use] = []
        self.asks: list[program.Ask] = []

    def problem(self, path: Path, message: str, hint: str | None = None) -> None:
        """Note that something is wrong."""
        self.problems.append(ContentError(message, file=self.file, line=self.positions.line(path), hint=hint))

    def use(self, what: Any, name: str, path: Path, category: Category = "marketing", **more: Any) -> None:
        """Note that something of another file is meant."""
        self.uses.append(Use(what=what, name=name, line=self.positions.line(path), category=category, **more))

    def check(
        self, source: str, path: Path, types: tuple[str, ...], *, in_run: bool = True, purpose: Purpose = "rule"
    ) -> bool:
        """Check an expression, note what it speaks of, and return whether it can be used."""
        found = conditions.problems(source, types, in_run=in_run, purpose=purpose)
        for problem in found:
            self.problem(path, problem.message, problem.hint)
        if found:
            return False
        compiled = conditions.condition(source)
        wanted = conditions.wanted(source)
        self.asks.extend(compiled.asks)
        for name in compiled.segments:
            self.use("segment", name, path)
        for read in compiled.paths:
            match read.split("."):
                case ["profile", "traits", name, *_]:
                    self.use("trait", name, path)
                case ["shop", "values", name, *_] if read in wanted:
                    self.use("value", name, path)
        return True


class FlowCompiler(Checker):
    """Turns one flow's model into a graph. Afterwards `problems` says what is wrong with it."""

    def __init__(self, model: lang.FlowModel, positions: Positions, file: str, name: str) -> None:
        super().__init__(positions, file)
        self.model = model
        self.name = name
        self.steps: dict[str, program.Step] = {}
        self.places: dict[str, Path] = {}
        self._given = {step.id for step in _all_steps(model.steps) if step.id}
        self._counts: Counter[str] = Counter()
        self._named: list[tuple[str, Path]] = []
        self._known = set(positions)
        self._misshapen = False
        self.triggers: tuple[program.Trigger, ...] = ()
        self.types: tuple[str, ...] = ()

    def flow(self) -> program.Flow:
        """Return the flow; it may run only where there are no `problems`."""
        model, entry = self.model, self.model.entry
        self.triggers = tuple(self._trigger(index, one) for index, one in enumerate(model.trigger))
        self.types = event_types(self.triggers)
        for index, trigger in enumerate(self.triggers):
            if trigger in self.triggers[:index]:
                self.problem(("trigger", index), "the same trigger stands above", "remove one of them")
        key = self._key()
        goal, exit_on = self._rules("goal", model.goal), self._rules("exit_on", model.exit_on)
        first = self._sequence(model.steps, ("steps",), None)
        self._check_names_of_steps()
        window = entry.window
        flow = program.Flow(
            name=self.name,
            title=model.title or self.name,
            enabled=model.enabled,
            triggers=self.triggers,
            key=key,
            unique_key=_is_own(key, frozenset(EVENT_TYPES[kind] for kind in self.types)),
            again=entry.again,
            restart=entry.restart,
            gather=entry.gather,
            max_age=entry.max_age,
            opens=(window and window.from_) or "",
            closes=(window and window.until) or "",
            holdout=entry.holdout,
            at_once=entry.at_once,
            timeout=model.timeout,
            goal=goal,
            exit_on=exit_on,
            priority=model.priority,
            replaces=model.replaces or "",
            topic=model.topic or "",
            manners=manners(model.manners) if model.manners is not None else None,
            utm=model.utm.told() if model.utm is not None else {},
            removed=model.if_removed,
            first=first,
            steps=self.steps,
            asks=program.merged_asks(self.asks),
        )
        if model.topic is not None:
            self._check_topic(model.topic)
        if not self._misshapen:
            self.problems.extend(self._at_its_line(fault) for fault in graph.faults(flow))
        if not self.problems:
            self.doubts.extend(self._at_its_line(fault) for fault in graph.doubts(flow))
        return program.versioned(flow)

    def _check_topic(self, topic: str) -> None:
        self.use("topic", topic, ("topic",))
        sends = [step for step in self.steps.values() if isinstance(step, program.Send)]
        if not any(step.category == "marketing" for step in sends):
            said = "this flow sends no marketing: nobody can switch off what is transactional"
            line = self.positions.line(("topic",))
            self.doubts.append(ContentError(said, file=self.file, line=line, hint="leave the topic out"))

    def _misshape(self, path: Path, message: str, hint: str | None = None) -> None:
        """Note a problem after which the graph is another than was meant, so that nothing can be said of it."""
        self._misshapen = True
        self.problem(path, message, hint)

    def _at_its_line(self, fault: graph.Fault) -> ContentError:
        line = self.positions.line(self.places.get(fault.step or "", ("steps",)))
        return ContentError(fault.message, file=self.file, line=line, hint=fault.hint)

    # --- what starts it

    def _trigger(self, index: int, model: lang.TriggerModel) -> program.Trigger:
        place: Path = ("trigger", index) if ("trigger", index) in self._known else ("trigger",)
        made: program.Trigger
        match model:
            case lang.EventTriggerModel():
                made = program.Rule(event=model.event, when=model.when)
            case lang.SegmentTriggerModel():
                self.use("segment", model.segment, (*place, "segment"))
                made = program.Rule(event=f"segment.{model.change}", subject=model.segment, when=model.when)
            case lang.ProductTriggerModel():
                made = program.Rule(event=f"product.{model.product}", when=model.when)
            case lang.ManualTriggerModel():
                made = program.Rule(event="flow.started", subject=self.name, when=model.when)
            case lang.DateTriggerModel():
                self.check(model.date, (*place, "date"), (), in_run=False, purpose="date")
                yearly = _comes_again(model.date) if model.yearly is None else model.yearly
                made = program.OnDate(date=model.date, at=model.at, offset=model.days, yearly=yearly, when=model.when)
            case lang.ScheduleTriggerModel():
                made = self._campaign(model, (*place, "schedule"))
        if model.when:
            self.check(model.when, (*place, "when"), event_types((made,)), in_run=False)
        return made

    def _campaign(self, model: lang.ScheduleTriggerModel, place: Path) -> program.OnSchedule:
        from rekindle.flow import calendar

        told = model.schedule
        made = program.OnSchedule(
            segment=told.segment or "",
            once=told.once or "",
            cron=told.cron or "",
            holiday=told.holiday or "",
            offset=(told.after or 0) - (told.before or 0),
            at=told.at or "10:00",
            zone=told.zone or "",
            when=model.when,
        )
        wrong = calendar.problem(made)
        if wrong is not None:
            message, _, hint = wrong.removeprefix("cron: ").removeprefix("offset: ").rpartition(": ")
            part = next(one for one in ("once", "cron", "holiday") if getattr(made, one))
            self.problem((*place, part), message or hint, hint if message else None)
        if made.segment:
            self.use("segment", made.segment, (*place, "segment"))
        return made

    def _key(self) -> str:
        key = self.model.entry.key
        if key:
            self.check(key, ("entry", "key"), self.types, in_run=False, purpose="key")
            return key
        kinds = set(self.types)
        if kinds == {"campaign.came"}:
            return "event.occurrence"
        if kinds == {"date.came"}:
            return "event.date"
        if kinds & {"campaign.came", "date.came"}:
            hint = "add entry: with a key, for instance key: event.occurrence or event.date or event.id"
            self.problem(("trigger",), "triggers of different kinds must say what makes two entries one", hint)
        return ""

    def _rules(self, name: str, models: Sequence[lang.RuleModel]) -> tuple[program.Rule, ...]:
        for index, rule in enumerate(models):
            if rule.when:
                place: Path = (name, index) if (name, index) in self._known else (name,)
                self.check(rule.when, (*place, "when"), (rule.event,))
        return tuple(program.Rule(event=rule.event, when=rule.when) for rule in models)

    # --- what happens

    def _sequence(self, steps: Sequence[lang.StepModel], path: Path, after: str | None) -> str | None:
        """Compile steps that follow one another; return the first one's id (`after` where there is none)."""
        names = [self._name(step, (*path, index)) for index, step in enumerate(steps)]
        for index, (step, name) in enumerate(zip(steps, names, strict=True)):
            following = names[index + 1] if index + 1 < len(names) else after
            self.steps[name] = self._step(step, name, following, (*path, index))
        return names[0] if names else after

    def _step(self, step: lang.StepModel, name: str, following: str | None, path: Path) -> program.Step:
        match step:
            case lang.WaitModel(wait=length):
                if length.amount:
                    self.check(length.amount, (*path, "wait"), self.types, purpose="number")
                return program.Wait(id=name, seconds=length.seconds, amount=length.amount, next=following)
            case lang.WaitUntilModel():
                return self._wait_until(step, name, following, path)
            case lang.WaitForModel():
                return self._wait_for(step, name, following, path)
            case lang.BranchModel():
                return self._branch(step, name, following, path)
            case lang.SplitModel():
                return self._split(step, name, following, path)
            case lang.RepeatModel():
                if step.repeat.until:
                    self.check(step.repeat.until, (*path, "repeat", "until"), self.types)
                body = self._sequence(step.steps, (*path, "steps"), name)
                return program.Repeat(
                    id=name, times=step.repeat.times, until=step.repeat.until, body=body, next=following
                )
            case _:
                return self._deed(step, name, following, path)

    def _deed(self, step: _Deed, name: str, following: str | None, path: Path) -> program.Step:
        match step:
            case lang.EmailModel() | lang.SmsModel() | lang.PushModel():
                return self._send(step, name, following, path)
            case lang.NotifyModel():
                self.use("notify", step.notify, (*path, "notify"), "transactional")
                return program.Notify(id=name, template=step.notify, next=following)
            case lang.AudienceModel():
                self.use("audience", step.audience, (*path, "audience"))
                return program.Audience(
                    id=name, audience=step.audience, action=step.action, until=step.until or "", next=following
                )
            case lang.SetModel():
                return self._set(step, name, following, path)
            case lang.SuppressModel():
                return program.Suppress(id=name, reason=step.suppress, channel=step.channel, next=following)
            case lang.ExitModel():
                return program.Exit(id=name, reason=step.exit)

    def _wait_until(self, step: lang.WaitUntilModel, name: str, following: str | None, path: Path) -> program.WaitUntil:
        if step.timed:
            return program.WaitUntil(id=name, at=step.wait_until, days=step.on, next=following)
        day = step.day
        if not step.fixed:
            self.check(day, (*path, "wait_until"), self.types, purpose="date")
        yearly = _comes_again(day) if step.yearly is None else step.yearly
        at = step.at or lang.DEFAULT_AT
        return program.WaitUntil(id=name, at=at, date=day, offset=step.days, yearly=yearly, next=following)

    def _wait_for(self, step: lang.WaitForModel, name: str, following: str | None, path: Path) -> program.WaitFor:
        awaited = step.wait_for
        if awaited.when:
            self.check(awaited.when, (*path, "wait_for", "when"), (awaited.event,))
        return program.WaitFor(
            id=name,
            event=awaited.event,
            when=awaited.when,
            seconds=awaited.limit,
            then=self._sequence(step.then, (*path, "then"), following),
            otherwise=self._sequence(step.else_, (*path, "else"), following),
        )

    def _branch(self, step: lang.BranchModel, name: str, following: str | None, path: Path) -> program.Branch:
        arms: list[program.Arm] = []
        otherwise = following
        for index, arm in enumerate(step.branch):
            here = (*path, "branch", index)
            if (arm.if_ is None) == (arm.else_ is None):
                self._misshape(here, "an arm has either 'if' or 'else: true'")
            target = self._sequence(arm.steps, (*here, "steps"), following)
            if arm.if_ is not None:
                if any(known.when == arm.if_ for known in arms):
                    self.problem((*here, "if"), "the same condition stands above", "this way is never taken: remove it")
                self.check(arm.if_, (*here, "if"), self.types)
                arms.append(program.Arm(arm.if_, target))
            elif index + 1 < len(step.branch):
                self._misshape(here, "'else' must stand last", "the arms after it are never reached")
            else:
                otherwise = target
        return program.Branch(id=name, arms=tuple(arms), otherwise=otherwise)

    def _split(self, step: lang.SplitModel, name: str, following: str | None, path: Path) -> program.Split:
        ways: list[program.Way] = []
        for index, way in enumerate(step.split):
            here = (*path, "split", index)
            called = way.name or chr(ord("a") + index)
            if called in {known.name for known in ways}:
                self.problem((*here, "name"), f"two ways are called '{called}'", "give each its own name")
            ways.append(program.Way(called, way.share, self._sequence(way.steps, (*here, "steps"), following)))
        return program.Split(id=name, ways=tuple(ways))

    def _send(
        self,
        step: lang.EmailModel | lang.SmsModel | lang.PushModel,
        name: str,
        following: str | None,
        path: Path,
    ) -> program.Send:
        channel: Literal["email", "sms", "push"]
        match step:
            case lang.EmailModel(email=template, from_=sender):
                channel = "email"
            case lang.SmsModel(sms=template, from_=sender):
                channel = "sms"
            case lang.PushModel(push=template):
                channel, sender = "push", None
        category = step.category or self.model.category
        gives = step.offer or ("*" if step.code else "")
        sometimes = step.offer_if is not None
        self.use(channel, template, (*path, channel), category, gives=gives, sometimes=sometimes)
        if step.offer is not None:
            self.use("offer", step.offer, (*path, "offer"))
        if step.offer_if is not None:
            self.check(step.offer_if, (*path, "offer_if"), self.types)
        return program.Send(
            id=name,
            channel=channel,
            template=template,
            category=category,
            valid_seconds=_VALID_FOR[category] if step.valid_for is None else step.valid_for,
            sender=sender or "",
            manner=step.manners,
            code=step.code or "",
            offer=step.offer or "",
            offer_if=step.offer_if or "",
            next=following,
        )

    def _set(self, step: lang.SetModel, name: str, following: str | None, path: Path) -> program.Set:
        told = step.set
        for trait, expression in told.traits.items():
            here = (*path, "set", "traits", trait)
            self.check(expression, here, self.types, purpose="value")
            self.use("sets", trait, here)
        return program.Set(
            id=name, traits=told.traits, tags=tuple(told.tags), untags=tuple(told.untags), next=following
        )

    # --- names

    def _name(self, step: lang.StepModel, path: Path) -> str:
        match step:
            case lang.EmailModel(email=base) | lang.SmsModel(sms=base) | lang.PushModel(push=base):
                numbered = False
            case lang.NotifyModel(notify=base):
                numbered = False
            case _:
                base, numbered = _kind(step).replace("_", "-"), True
        name = step.id
        if name is not None and name in self.places:
            self._misshape((*path, "id"), f"two steps are called '{name}'", "give each its own id")
        while name is None:
            self._counts[base] += 1
            count = self._counts[base]
            tried = f"{base}-{count}" if numbered or count > 1 else base
            name = tried if tried not in self._given and tried not in self.places else None
        self.places.setdefault(name, path)
        return name

    def check(
        self, source: str, path: Path, types: tuple[str, ...], *, in_run: bool = True, purpose: Purpose = "rule"
    ) -> bool:
        """Check an expression, and remember which steps it names."""
        fine = super().check(source, path, types, in_run=in_run, purpose=purpose)
        if fine:
            self._named.extend((name, path) for name in _steps_named(source))
        return fine

    def _check_names_of_steps(self) -> None:
        sends = [step.id for step in self.steps.values() if isinstance(step, program.Send | program.Notify)]
        for name, path in self._named:
            if name.partition(".")[0] not in sends:
                hint = f"there are {', '.join(sends)}" if sends else "this flow sends nothing"
                self.problem(path, f"no step that sends is called '{name}'", hint)


def segment(model: lang.SegmentModel, name: str, checker: Checker) -> program.Segment | None:
    """Return the segment, or `None` where `checker` has problems afterwards."""
    if not checker.check(model.when, ("when",), (), in_run=False, purpose="segment"):
        return None
    read = conditions.condition(model.when)
    return program.Segment(
        name=name,
        when=model.when,
        title=model.title or name,
        inputs=read.inputs,
        needs=read.segments,
        asks=read.asks,
    )


def manners(model: lang.MannersModel) -> program.Manners:
    """Return the manners; what the model leaves out is `None`."""

    def hours(
        told: dict[lang.ChannelName, list[lang.HoursModel]] | None,
    ) -> dict[str, tuple[program.Hours, ...]] | None:
        if told is None:
            return None
        return {
            channel: tuple(program.Hours(from_=one.from_, to=one.to, days=one.on) for one in told[channel])
            for channel in sorted(told)
        }

    return program.Manners(
        quiet=hours(model.quiet),
        windows=hours(model.windows),
        caps=None
        if model.caps is None
        else tuple(program.Cap(most=cap.most, seconds=cap.within, channel=cap.channel or "") for cap in model.caps),
        apart=None if model.apart is None else dict(sorted(model.apart.items())),
        otherwise=model.otherwise,
    )


def never_open(found: program.Manners) -> Iterator[str]:
    """Return the channels on which these manners leave no minute of the week."""
    whole = program.manners_of(found)
    windows, quiet = whole.windows or {}, whole.quiet or {}
    for channel in sorted(windows.keys() | quiet.keys()):
        allowed = _minutes(windows[channel]) if windows.get(channel) else set(range(_WEEK))
        if not allowed - _minutes(quiet.get(channel, ())):
            yield channel


_WEEK = 7 * 24 * 60


def _minutes(hours: Sequence[program.Hours]) -> set[int]:
    found: set[int] = set()
    for one in hours:
        begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in (one.from_, one.to))
        length = (end - begin) % (24 * 60) or 24 * 60
        for day in one.days or range(7):
            start = day * 24 * 60 + begin
            found.update(minute % _WEEK for minute in range(start, start + length))
    return found


def _comes_again(source: str) -> bool:
    return source.strip() in {"profile.birthday", "profile.traits.birthday"}


def _is_own(key: str, kinds: frozenset[str]) -> bool:
    """Whether the key names a thing that one customer only can have (docs/decisions/0014).

    Only then may a run's id follow from the key alone, so that two profiles of one person that merge have the same run.
    Of a key that people share, a product's id, the second one would be taken for the first one's run and get nothing.
    """
    path = key.strip()
    if path == "event.id":
        return len(kinds) == 1 and kinds <= _OWN_ID
    return path in _OWN_PARTS and kinds <= _OWN_PARTS[path]


def _kind(step: lang.StepModel) -> str:
    return next(kind for kind in lang.STEPS if hasattr(step, kind))


def _all_steps(steps: Sequence[lang.StepModel]) -> Iterator[lang.StepModel]:
    for step in steps:
        yield step
        match step:
            case lang.WaitForModel():
                inner = [*step.then, *step.else_]
            case lang.BranchModel():
                inner = [one for arm in step.branch for one in arm.steps]
            case lang.SplitModel():
                inner = [one for way in step.split for one in way.steps]
            case lang.RepeatModel():
                inner = list(step.steps)
            case _:
                inner = []
        yield from _all_steps(inner)


def _steps_named(source: str) -> Iterator[str]:
    """Return the names that are looked for in `run.opened` and its like."""
    if "run." not in source:
        return
    # The expression itself is not among the nodes that are found in it.
    whole = nodes.Not(conditions.parse(source))
    for compared in whole.find_all(nodes.Compare):
        for operand in compared.ops:
            looked = operand.expr
            if (
                operand.op in {"in", "notin"}
                and isinstance(compared.expr, nodes.Const)
                and isinstance(compared.expr.value, str)
                and isinstance(looked, nodes.Getattr)
                and looked.attr in _RUN_LISTS
                and isinstance(looked.node, nodes.Name)
                and looked.node.name == "run"
            ):
                yield compared.expr.value


NAME = re.compile(lang.NAME)
