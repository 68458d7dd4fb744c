"""A flow as a marketer writes it: YAML in, a `Flow` or a list of what is wrong out, each with its line.

Imports pydantic, so only `publish` and the command line import this module; the engine runs what it compiles.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError

from rekindle.domain.errors import ContentError
from rekindle.domain.events import FLOW_EVENTS
from rekindle.flow import conditions, program
from rekindle.flow.local_time import WEEKDAYS
from rekindle.flow.yaml_source import Path, Positions, load

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")
_MAX_SECONDS = 2 * 366 * 86_400
_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
DEFAULT_MAX_AGE = 86_400
_VALID_FOR = {"marketing": 86_400, "transactional": 3 * 86_400}


def seconds(value: object) -> int:
    """Return the seconds of a duration such as `90m`, `3d` or `1d 12h`. Raises `ValueError`."""
    text = value.strip() if isinstance(value, str) else ""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise ValueError(f"'{value}' is not a duration: write for instance 90m, 3d or 1d 12h")
    total = sum(int(count) * _UNITS[unit] for count, unit in parts)
    if total > _MAX_SECONDS:
        raise ValueError(f"'{value}' is longer than two years")
    return total


def _event_type(value: object) -> object:
    if isinstance(value, str) and value not in FLOW_EVENTS:
        near = difflib.get_close_matches(value, FLOW_EVENTS, 1)
        raise ValueError(f"no event is called '{value}'" + (f": did you mean '{near[0]}'?" if near else ""))
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


Duration = Annotated[int, BeforeValidator(seconds)]
EventType = Annotated[str, BeforeValidator(_event_type)]
Name = Annotated[str, Field(pattern=_NAME)]
Category = Literal["marketing", "transactional"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class RuleModel(_Model):
    """An event, and what must be true of it."""

    event: EventType
    when: str = ""


def _days(value: object) -> object:
    named = {"weekdays": WEEKDAYS[:5], "weekend": WEEKDAYS[5:]}
    listed = named.get(value, [value]) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not set(listed) <= set(WEEKDAYS):
        raise ValueError(f"write weekdays, weekend, or a list of {', '.join(WEEKDAYS)}")
    return tuple(sorted({WEEKDAYS.index(day) for day in listed}))


Days = Annotated[tuple[int, ...], BeforeValidator(_days)]
Rules = Annotated[list[RuleModel], BeforeValidator(_as_list)]
"""One rule, or a list of them: what the file says for one is not changed when a second comes."""


class EntryModel(_Model):
    """Who may enter, how often, and what a newer trigger does."""

    key: str = ""
    again: Literal["never", "always"] | Duration = "never"
    restart: bool = False
    max_age: Duration = DEFAULT_MAX_AGE


class WaitModel(_Model):
    """Do nothing for a while."""

    wait: Duration
    id: Name | None = None


class WaitUntilModel(_Model):
    """Do nothing until a time of day on the recipient's own clock."""

    wait_until: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    on: Days = ()
    id: Name | None = None


class AwaitedModel(RuleModel):
    """An event that is waited for, and for how long at most."""

    limit: Duration


class WaitForModel(_Model):
    """Do nothing until something happens, or until it has not happened for long enough."""

    wait_for: AwaitedModel
    then: list[StepModel] = []
    else_: list[StepModel] = Field(default=[], alias="else")
    id: Name | None = None


class EmailModel(_Model):
    """Send a mail: the name of a folder under emails/."""

    email: Name
    id: Name | None = None
    category: Category | None = None
    valid_for: Duration | None = None


class ExitModel(_Model):
    """Leave the flow here."""

    exit: str | bool
    id: Name | None = None


class ArmModel(_Model):
    """One way on: the first whose `if` is true is taken; `else` stands last."""

    if_: str | None = Field(default=None, alias="if")
    else_: bool | None = Field(default=None, alias="else")
    steps: list[StepModel] = []


class BranchModel(_Model):
    """Go one of several ways."""

    branch: list[ArmModel] = Field(min_length=1)
    id: Name | None = None


class WayModel(_Model):
    """One way of a split: how many of all go it, as a weight."""

    share: int = Field(gt=0, le=1000)
    name: Name | None = None
    steps: list[StepModel] = []


class SplitModel(_Model):
    """Send people different ways, each always the same one."""

    split: list[WayModel] = Field(min_length=2)
    id: Name | None = None


_KINDS = ("wait", "wait_until", "wait_for", "email", "branch", "split", "exit")


def _kind(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    kinds = [kind for kind in _KINDS if kind in value]
    return kinds[0] if len(kinds) == 1 else None


StepModel = Annotated[
    Annotated[WaitModel, Tag("wait")]
    | Annotated[WaitUntilModel, Tag("wait_until")]
    | Annotated[WaitForModel, Tag("wait_for")]
    | Annotated[EmailModel, Tag("email")]
    | Annotated[BranchModel, Tag("branch")]
    | Annotated[SplitModel, Tag("split")]
    | Annotated[ExitModel, Tag("exit")],
    Discriminator(
        _kind,
        custom_error_type="step",
        custom_error_message=f"a step has exactly one of {', '.join(_KINDS)}",
    ),
]


class FlowModel(_Model):
    """A whole flow file. Its name is the file's."""

    trigger: Rules = Field(min_length=1)
    steps: list[StepModel] = Field(min_length=1)
    title: str = ""
    description: str = ""
    enabled: bool = False
    category: Category = "marketing"
    priority: int = 0
    entry: EntryModel = EntryModel()
    goal: Rules = []
    exit_on: Rules = []
    timeout: Duration = 30 * 86_400


def parse_flow(text: str, *, file: str) -> tuple[program.Flow | None, tuple[ContentError, ...]]:
    """Return the compiled flow, or what is wrong with it: every problem at once, with file, line and cure.

    `file` is the path as the marketer knows it, such as `flows/cart-abandonment.yaml`; the flow is called after it.
    """
    try:
        data, positions = load(text, file)
        model = FlowModel.model_validate(data)
    except ContentError as problem:
        return None, (problem,)
    except ValidationError as invalid:
        return None, tuple(_explain(error, positions, file) for error in invalid.errors(include_url=False))
    name = file.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
    compiler = _Compiler(model, positions, file)
    flow = compiler.flow(name)
    if not re.match(_NAME, name):
        compiler.problem((), f"'{name}' cannot name a flow", "use small letters, digits and dashes in the file name")
    return (None, tuple(compiler.problems)) if compiler.problems else (flow, ())


def _explain(error: Any, positions: Positions, file: str) -> ContentError:
    known = set(positions)
    path: Path = ()
    before: object = None
    for part in error["loc"]:
        # After an item's number pydantic names the kind of step that it took it for; that is no place in the file.
        if not (isinstance(before, int) and part in _KINDS) and (*path, part) in known:
            path = (*path, part)
        before = part
    last = str(error["loc"][-1]) if error["loc"] else "the file"
    where = positions.line(path)
    match error["type"]:
        case "missing":
            return ContentError(f"'{last}' is missing", file=file, line=where, hint=f"add '{last}:' here")
        case "extra_forbidden":
            return ContentError(f"'{last}' is not known here", file=file, line=where, hint="check the spelling")
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
            return ContentError(f"{path[-1] if path else 'the file'}: {message}", file=file, line=where)


class _Compiler:
    """Turns one valid model into a graph, and checks what the shape alone cannot tell."""

    def __init__(self, model: FlowModel, positions: Positions, file: str) -> None:
        self.model = model
        self.positions = positions
        self.file = file
        self.problems: list[ContentError] = []
        self.steps: dict[str, program.Step] = {}
        self.counts: Counter[str] = Counter()
        self.triggers = _rules(model.trigger)
        self.types = tuple(rule.event for rule in self.triggers)

    def problem(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(ContentError(message, file=self.file, line=self.positions.line(path), hint=hint))

    def flow(self, name: str) -> program.Flow:
        model, entry = self.model, self.model.entry
        self.check_rules("trigger", self.triggers, in_run=False)
        self.check_rules("goal", _rules(model.goal))
        self.check_rules("exit_on", _rules(model.exit_on))
        if entry.key:
            self.check(entry.key, ("entry", "key"), self.types, in_run=False)
        first = self.sequence(model.steps, ("steps",), None)
        again = {"never": None, "always": 0}.get(entry.again) if isinstance(entry.again, str) else entry.again
        return program.versioned(
            program.Flow(
                name=name,
                title=model.title or name,
                enabled=model.enabled,
                triggers=self.triggers,
                key=entry.key,
                again=again,
                restart=entry.restart,
                max_age=entry.max_age,
                timeout=model.timeout,
                goal=_rules(model.goal),
                exit_on=_rules(model.exit_on),
                priority=model.priority,
                first=first,
                steps=self.steps,
            )
        )

    def sequence(self, steps: Sequence[StepModel], path: Path, after: str | None) -> str | None:
        """Compile steps that follow one another; return the first one's id (`after` where there is none)."""
        names = [self.name(step, (*path, index)) for index, step in enumerate(steps)]
        for index, (step, name) in enumerate(zip(steps, names, strict=True)):
            following = names[index + 1] if index + 1 < len(names) else after
            if isinstance(step, ExitModel) and index + 1 < len(names):
                self.problem((*path, index + 1), "this step is never reached", "an exit stands before it")
            self.steps[name] = self.step(step, name, following, (*path, index))
        return names[0] if names else after

    def step(self, step: StepModel, name: str, following: str | None, path: Path) -> program.Step:
        match step:
            case WaitModel():
                return program.Wait(id=name, seconds=step.wait, next=following)
            case WaitUntilModel():
                return program.WaitUntil(id=name, at=step.wait_until, days=step.on, next=following)
            case WaitForModel():
                return self.wait_for(step, name, following, path)
            case SplitModel():
                return self.split(step, name, following, path)
            case EmailModel():
                category = step.category or self.model.category
                valid = _VALID_FOR[category] if step.valid_for is None else step.valid_for
                return program.Email(
                    id=name, template=step.email, category=category, valid_seconds=valid, next=following
                )
            case ExitModel():
                return program.Exit(id=name, reason=step.exit if isinstance(step.exit, str) else "exit step")
            case BranchModel():
                return self.branch(step, name, following, path)

    def branch(self, step: BranchModel, name: str, following: str | None, path: Path) -> program.Branch:
        arms: list[program.Arm] = []
        otherwise = following
        for index, arm in enumerate(step.branch):
            here = (*path, "branch", index)
            if (arm.if_ is None) == (arm.else_ is None):
                self.problem(here, "an arm has either 'if' or 'else: true'")
            target = self.sequence(arm.steps, (*here, "steps"), following)
            if arm.if_ is not None:
                self.check(arm.if_, (*here, "if"), self.types)
                arms.append(program.Arm(arm.if_, target))
            elif index + 1 < len(step.branch):
                self.problem(here, "'else' must stand last", "the arms after it are never reached")
            else:
                otherwise = target
        return program.Branch(id=name, arms=tuple(arms), otherwise=otherwise)

    def wait_for(self, step: WaitForModel, name: str, following: str | None, path: Path) -> program.WaitFor:
        awaited = step.wait_for
        if awaited.when:
            self.check(awaited.when, (*path, "wait_for", "when"), (awaited.event,))
        return program.WaitFor(
            id=name,
            event=awaited.event,
            when=awaited.when,
            seconds=awaited.limit,
            then=self.sequence(step.then, (*path, "then"), following),
            otherwise=self.sequence(step.else_, (*path, "else"), following),
        )

    def split(self, step: SplitModel, name: str, following: str | None, path: Path) -> program.Split:
        ways: list[program.Way] = []
        for index, way in enumerate(step.split):
            here = (*path, "split", index)
            called = way.name or chr(ord("a") + index)
            if called in {known.name for known in ways}:
                self.problem((*here, "name"), f"two ways are called '{called}'", "give each its own name")
            ways.append(program.Way(called, way.share, self.sequence(way.steps, (*here, "steps"), following)))
        return program.Split(id=name, ways=tuple(ways))

    def name(self, step: StepModel, path: Path) -> str:
        given = step.id
        kind = next(kind for kind in _KINDS if hasattr(step, kind))
        base = given or (step.email if isinstance(step, EmailModel) else kind.replace("_", "-"))
        self.counts[base] += 1
        if given and self.counts[base] > 1:
            self.problem((*path, "id"), f"two steps are called '{given}'", "give each its own id")
        numbered = not isinstance(step, EmailModel) and not given
        return f"{base}-{self.counts[base]}" if numbered or self.counts[base] > 1 else base

    def check_rules(self, name: str, rules: Iterable[program.Rule], *, in_run: bool = True) -> None:
        known = set(self.positions)
        for index, rule in enumerate(rules):
            if rule.when:
                path: Path = (name, index, "when") if (name, index) in known else (name, "when")
                self.check(rule.when, path, (rule.event,), in_run=in_run)

    def check(self, source: str, path: Path, types: tuple[str, ...], *, in_run: bool = True) -> None:
        for found in conditions.problems(source, types, in_run=in_run):
            self.problem(path, found)


def _rules(rules: list[RuleModel]) -> tuple[program.Rule, ...]:
    return tuple(program.Rule(event=rule.event, when=rule.when) for rule in rules)
