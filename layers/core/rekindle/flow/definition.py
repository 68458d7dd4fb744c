"""What marketers write about flows, segments and manners, read: YAML in, the program or what is wrong with it out.

Every problem has its file, its line and, where there is one, its cure, and all of them are told at once. Imports
pydantic (`rekindle.flow.language`), so only `publish` and the command line import this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from rekindle.domain.errors import ContentError
from rekindle.flow import compile as compiler
from rekindle.flow import language as lang
from rekindle.flow import program
from rekindle.flow.compile import Use
from rekindle.flow.durations import seconds
from rekindle.flow.yaml_source import Path, Positions, load

__all__ = ["Reading", "parse_flow", "parse_manners", "parse_segment", "parse_traits", "read_flow", "seconds"]

Problems = tuple[ContentError, ...]
M = TypeVar("M", bound=lang.Model)


class Reading(NamedTuple):
    """What a flow's or segment's file says: the program, what is wrong with it, and what it needs of other files."""

    program: Any
    problems: Problems = ()
    uses: tuple[Use, ...] = ()
    doubts: Problems = ()
    """what is allowed, and probably not meant"""


def parse_flow(text: str, *, file: str) -> tuple[program.Flow | None, Problems]:
    """Return the compiled flow, or what is wrong with it: every problem at once, with file, line and cure.

    `file` is the path as the marketer knows it, such as `flows/cart-abandonment.yaml`; the flow is called after it.
    """
    found = read_flow(text, file=file)
    return found.program, found.problems


def read_flow(text: str, *, file: str) -> Reading:
    """Return the same, with what the flow speaks of that stands in other files."""
    model, positions, problems = _read(lang.FlowModel, text, file)
    if model is None:
        return Reading(None, problems)
    work = compiler.FlowCompiler(model, positions, file, _named(file))
    flow = work.flow()
    closed = _closed(flow.manners, positions, ("manners",), file) if flow.manners is not None else ()
    problems = _told_once((*work.problems, *closed, *_misnamed(file, "a flow")))
    return Reading(None if problems else flow, problems, tuple(work.uses), tuple(work.doubts))


def read_segment(text: str, *, file: str) -> Reading:
    """Return the segment, or what is wrong with it, and what it needs of other files."""
    model, positions, problems = _read(lang.SegmentModel, text, file)
    if model is None:
        return Reading(None, problems)
    checker = compiler.Checker(positions, file)
    segment = compiler.segment(model, _named(file), checker)
    problems = (*checker.problems, *_misnamed(file, "a segment"))
    return Reading(None if problems else segment, problems, tuple(checker.uses))


def parse_segment(text: str, *, file: str) -> tuple[program.Segment | None, Problems]:
    """Return the segment of `segments/<name>.yaml`, or what is wrong with it."""
    found = read_segment(text, file=file)
    return found.program, found.problems


def parse_manners(text: str, *, file: str) -> tuple[program.Manners | None, Problems]:
    """Return the manners of `manners.yaml`, or what is wrong with them. What they leave out is `None`."""
    model, positions, problems = _read(lang.MannersModel, text, file)
    if model is None:
        return None, problems
    found = compiler.manners(model)
    problems = tuple(_closed(found, positions, (), file))
    return (None, problems) if problems else (found, ())


def parse_traits(text: str, *, file: str) -> tuple[dict[str, str] | None, Problems]:
    """Return trait → kind of `traits.yaml`, or what is wrong with it."""
    kinds = TypeAdapter(dict[lang.TraitName, lang.TraitKind])
    found, _, problems = _validated(kinds.validate_python, text, file)
    return found, problems


def _read(model: type[M], text: str, file: str) -> tuple[M | None, Positions, Problems]:
    return _validated(model.model_validate, text, file)


def _validated(check: Callable[[Any], Any], text: str, file: str) -> tuple[Any, Positions, Problems]:
    try:
        data, positions = load(text, file)
    except ContentError as problem:
        return None, Positions({}), (problem,)
    try:
        return check(data), positions, ()
    except ValidationError as invalid:
        found = tuple(_explain(error, positions, file) for error in invalid.errors(include_url=False))
        return None, positions, _told_once(found)


def _named(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")


def _misnamed(file: str, what: str) -> Problems:
    if compiler.NAME.match(_named(file)):
        return ()
    hint = "use small letters, digits and dashes in the file name"
    return (ContentError(f"'{_named(file)}' cannot name {what}", file=file, line=1, hint=hint),)


def _closed(found: program.Manners, positions: Positions, path: Path, file: str) -> Problems:
    return tuple(
        ContentError(
            f"on {channel} nothing could ever be sent: its quiet hours leave no time",
            file=file,
            line=positions.line((*path, "windows" if found.windows and channel in found.windows else "quiet", channel)),
            hint="give it a window that is not quiet",
        )
        for channel in compiler.never_open(found)
    )


def _told_once(problems: tuple[ContentError, ...]) -> Problems:
    """Return them in the order of the file, each once."""
    return tuple(sorted({str(problem): problem for problem in problems}.values(), key=lambda one: one.line or 0))


# --- what pydantic found, in plain words -----------------------------------------------------------------------------

_SAID = {
    "string_type": "must be text: put it between quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list: begin each of its lines with a dash",
    "dict_type": "must have names and values of its own, one a line",
    "model_type": "must have names and values of its own, one a line",
    "model_attributes_type": "must have names and values of its own, one a line",
}
_WORDS = sorted(
    {
        field.alias or name
        for model in vars(lang).values()
        if isinstance(model, type) and issubclass(model, lang.Model)
        for name, field in model.model_fields.items()
    }
)


def _explain(error: Any, positions: Positions, file: str) -> ContentError:
    path = _place(error["loc"], set(positions))
    last = str(error["loc"][-1]) if error["loc"] else "the file"
    where = positions.line(path)
    subject = str(path[-1]) if path and isinstance(path[-1], str) else last if error["loc"] else "the file"

    def told(message: str, hint: str | None = None) -> ContentError:
        return ContentError(message, file=file, line=where, hint=hint)

    match error["type"]:
        case "missing":
            return told(f"'{last}' is missing", f"add '{last}:' here")
        case "extra_forbidden":
            near = difflib.get_close_matches(last, [word for word in _WORDS if word != last], 1)
            return told(f"'{last}' is not known here", f"did you mean '{near[0]}'?" if near else "check the spelling")
        case "one_kind":
            return told(str(error["msg"]), _which(error))
        case "literal_error":
            return told(f"{subject}: '{error['input']}' is not one of {error['ctx']['expected'].replace(' or ', ', ')}")
        case "too_short":
            return told(f"{subject}: it is empty", "say at least one" if error["ctx"]["min_length"] == 1 else "say two")
        case "string_pattern_mismatch":
            return told(f"{subject}: '{error['input']}' cannot be used here", "use small letters, digits and dashes")
        case kind if kind in _SAID:
            message, _, hint = _SAID[kind].partition(": ")
            return told(f"{subject}: {message}", hint or None)
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
            return told(f"{subject}: {message}")


def _place(loc: tuple[str | int, ...], known: set[Path]) -> Path:
    path: Path = ()
    before: object = None
    for part in loc:
        # After an item's number pydantic names the kind of step that it took it for; that is no place in the file.
        kind = isinstance(before, int) and part in (*lang.STEPS, *lang.TRIGGERS)
        if not kind and (*path, part) in known:
            path = (*path, part)
        before = part
    return path


def _which(error: Any) -> str | None:
    given = error["input"]
    kinds = lang.STEPS if "step" in error["msg"] else lang.TRIGGERS
    if not isinstance(given, dict):
        return "begin it with one of these words and a colon"
    several = [kind for kind in kinds if kind in given]
    if several:
        return f"here are {' and '.join(several)}: make them two"
    near = [match for word in given for match in difflib.get_close_matches(str(word), kinds, 1)]
    return f"did you mean '{near[0]}'?" if near else None
