"""Traits that were told: by a preference page or an import, or as the answers of a form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import Form, TraitsTold
from rekindle.domain.profile import Profile, Trait, TraitValue
from rekindle.domain.traits import MAX_NAME, STANDARD_TRAITS, TraitKind, fitted, kind_of, with_traits


def take_traits(profile: Profile, event: Event, told: TraitsTold) -> Absorbed:
    """Take these traits, each as its newest telling says; tell those that are different now."""
    kinds: dict[str, TraitKind | None] = {name: STANDARD_TRAITS.get(name) for name in told.values}
    after, problems = _with(profile, told.values, kinds, told.at)
    changed = _changed(profile, after)
    if changed:
        event = replace(event, data=replace(told, values=changed), problems=(*event.problems, *problems))
        return Absorbed(after, (event,))
    older = after == profile and not problems
    return Absorbed(after, ignored="; ".join(problems) or ("older than what is known" if older else "already known"))


def take_form(profile: Profile, event: Event, form: Form) -> Absorbed:
    """Take those answers as traits whose names are those of traits: Rekindle's own, and those that the person has.

    The form is told as it came, and then, as `traits.changed`, what it changed.
    """
    answers = {name: told for name, told in form.answers.items() if name in STANDARD_TRAITS or name in profile.traits}
    kinds = {name: kind_of(name, profile.traits.get(name)) for name in answers}
    after, problems = _with(profile, answers, kinds, form.at)
    told = [replace(event, problems=(*event.problems, *problems)) if problems else event]
    changed = _changed(profile, after)
    if changed:
        told.append(replace(event, type="traits.changed", data=TraitsTold(at=form.at, values=changed)))
    return Absorbed(after, tuple(told))


def _with(
    profile: Profile,
    told: Mapping[str, TraitValue | None],
    kinds: Mapping[str, TraitKind | None],
    when: datetime,
) -> tuple[Profile, tuple[str, ...]]:
    news: dict[str, Trait] = {}
    problems = []
    for name, said in told.items():
        if not 0 < len(name) <= MAX_NAME:
            problems.append("a trait's name is empty or too long")
            continue
        value, problem = (None, None) if said is None else fitted(said, kinds[name], when)
        if problem is not None:
            problems.append(f"{name}: {problem}")
        elif value is not None or said is None:
            news[name] = Trait(when, value)
    traits = with_traits(profile.traits, news)
    return profile if traits == profile.traits else replace(profile, traits=traits), tuple(problems)


def _changed(before: Profile, after: Profile) -> dict[str, TraitValue | None]:
    """Return the traits that have another value now. One that fell out to make room has not changed."""

    def value(profile: Profile, name: str) -> TraitValue | None:
        return profile.traits[name].value if name in profile.traits else None

    return {name: trait.value for name, trait in after.traits.items() if _differ(trait.value, value(before, name))}


def _differ(one: TraitValue | None, two: TraitValue | None) -> bool:
    # In Python 1 equals True.
    return one != two or isinstance(one, bool) != isinstance(two, bool)
