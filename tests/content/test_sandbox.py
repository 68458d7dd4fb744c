"""The language of mails: what it says, what it refuses at publish, and what it survives at send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rekindle.content import sandbox
from rekindle.content.formats import Format
from rekindle.domain.errors import ContentError

NAMES: dict[str, Any] = {
    "_formats": {"": Format(locale="en", language="en", symbols={"EUR": "€"})},
    "event": {
        "items": [{"title": "<b>A</b>", "price": Decimal("9.5")}, {"title": "B", "price": None}],
        "currency": "EUR",
    },
    "shop": {"currency": "EUR", "zone": "UTC"},
    "name": None,
    "total": Decimal(120),
    "words": ["x", "y", "z"],
    "text": "hello",
    "clear": "the key",
}


def say(source: str, *, html: bool = True, **more: Any) -> str:
    """Return what the source renders to."""
    return sandbox.run(sandbox.compiled(source, "body.html", html=html), {**NAMES, **more}, sandbox.Budget())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ text }}", "hello"),
        ("{{ event.items | length }}", "2"),
        ("{{ event.items[0].title }}", "&lt;b&gt;A&lt;/b&gt;"),
        ("{{ name }}|{{ name.first.last }}|{{ event.nothing }}", "||"),
        ('{{ name | default("there") }}', "there"),
        ('{{ name | default("there", true) }}', "there"),
        ("{% for item in event.items %}{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}", "1, 2"),
        ("{% for word in words if word != 'y' %}{{ word }}{% endfor %}", "xz"),
        ("{% for word in name %}{{ word }}{% else %}none{% endfor %}", "none"),
        ("{{ total > 100 }}{% if total > 100 %}large{% endif %}", "large"),
        ("{% if name > 100 or 3 < name %}large{% else %}unknown{% endif %}", "unknown"),
        ("{% if 1 < 2 < 3 and not (3 < 2 < 1) %}ordered{% endif %}", "ordered"),
        ("{% if 'x' in words and 'q' not in words and 'ell' in text %}in{% endif %}", "in"),
        ("{{ total * 2 + 1 }} {{ name * 2 }} {{ total / 0 }} {{ -total }} {{ -name }}", "241   -120 "),
        ("{{ text ~ ' ' ~ 1 ~ name }}", "hello 1"),
        ("{{ event.items[0].price | money }} {{ event.items[1].price | money }}", "€9.50 "),
        ("{{ words | join('-') }} {{ event.items | join(', ', 'title') }}", "x-y-z &lt;b&gt;A&lt;/b&gt;, B"),
        ("{{ words | limit(2) | join }} {{ words | first }}{{ words | last }}", "x, y xz"),
        ("{{ 'a long line of words' | truncate(10) }}", "a long…"),
        ("{{ 'o neill' | title }} {{ 'a' | upper }}{{ 'A' | lower }}", "O Neill Aa"),
        ("{% set x = text %}{% with y = x ~ '!' %}{{ y }}{% endwith %}", "hello!"),
        ("{{ words }}{{ event }}{{ total > 1 }}", ""),
    ],
)
def test_the_language_says(source: str, said: str) -> None:
    """Values, conditions, loops and sums work; what is missing is empty and never in the way."""
    assert say(source) == said


def test_a_subject_or_text_part_is_not_escaped() -> None:
    """Escaping belongs to HTML: in plain text it would show."""
    assert say("{{ event.items[0].title }}", html=False) == "<b>A</b>"


@pytest.mark.parametrize("key", ["items", "keys", "get", "pop", "clear", "update", "copy", "values"])
def test_a_dot_finds_keys_and_never_methods(key: str) -> None:
    """`order.items` is the key, also where a dict has a method of that name."""
    assert say(f"{{{{ event.{key} }}}}", event={key: "the key"}) == "the key"
    assert say(f"{{{{ event.{key} }}}}", event={}) == ""


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ text.__class__ }}",
        "{{ _formats }}",
        "{{ event._private }}",
        "{{ self }}{{ self.__init__ }}",
        "{{ text.format(1) }}",
        "{{ text.upper() }}",
        "{{ event.items() }}",
        "{{ words.append(1) }}",
        "{{ lipsum() }}",
        "{{ cycler('a') }}",
        "{{ range(10) }}",
        "{{ namespace(a=1) }}",
        "{{ joiner() }}",
        "{{ dict(a=1) }}",
        "{{ super() }}",
        "{{ caller() }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% call text() %}{% endcall %}",
        '{% import "x" as y %}',
        '{% from "x" import y %}',
        "{% include name %}",
        "{% extends name %}",
        "{% block a %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}{{ text }}{% endset %}",
        "{% for x in words recursive %}{{ loop(words) }}{% endfor %}",
        "{% autoescape false %}{{ text }}{% endautoescape %}",
        "{% do words.append(1) %}",
        "{% trans %}x{% endtrans %}",
        "{{ text | safe }}",
        "{{ text | attr('__class__') }}",
        "{{ words | map(attribute='x') | list }}",
        "{{ text | format(1) }}",
        "{{ text | replace('h', 'x') }}",
        "{{ text | center(1000000) }}",
        "{{ text | xmlattr }}",
        "{{ text | pprint }}",
        "{{ words | first(*words) }}",
        "{{ text is filter }}",
        "{{ text is sameas text }}",
        "{{ {'a': 1} }}",
        "{{ words[0:2] }}",
        "{{ 2 ** 99 }}",
        "{{ 99999999999999999999 }}",
        "{{ 1e300 }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ 1" + " + 1" * 2000 + " }}",
        "{% for a in words %}" * 30 + "{% endfor %}" * 30,
        "{% if text %}" * 200 + "{% endif %}" * 200,
        "{{ text",
        "{% if text %}",
        "{% for x in %}{% endfor %}",
        "{% unknown %}",
        "x" * 300_001,
    ],
)
def test_what_is_not_the_language_is_refused_before_it_can_run(source: str) -> None:
    """Nothing that could reach an object, call, or collect output gets past the compiler, and nothing crashes it."""
    with pytest.raises(ContentError) as refused:
        sandbox.compiled(source, "body.html", html=True)
    assert refused.value.file == "body.html"


@pytest.mark.parametrize(
    "source",
    [
        "{{ text['__class__'] }}",
        "{{ text['upper'] }}",
        "{{ words['append'] }}",
        "{{ ['__class__'] | join }}{{ text[words] }}",
        "{{ total.as_tuple }}",
        "{{ total['real'] }}",
        "{{ text.upper }}",
        "{% for x in words %}{{ loop.cycle }}{{ loop.changed }}{{ loop['_iterable'] }}{% endfor %}",
        "{% for x in text %}{{ x }}{% endfor %}",
        "{% for x in event %}{{ x }}{% endfor %}",
    ],
)
def test_objects_have_no_attributes(source: str) -> None:
    """Whatever is not a key of a dict or an item of a list is simply not there."""
    assert say(source).replace("__class__", "") == ""


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ text * 1000000000 }}", "numbers"),
        ("{{ 'a' * 1000000000 }}", "numbers"),
        ("{{ '%1000000000d' % 1 }}", "numbers"),
        ("{{ text + text }}", "numbers"),
        ("{{ words * 1000000 }}", "numbers"),
        ("{% set x = text %}" + "{% set x = x ~ x %}" * 60, "put together"),
        ("{% for a in words %}{{ big | join(big) }}{% endfor %}", "put together"),
        ("{% if text > 3 %}{% endif %}", "compared"),
        ("{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}", "loops more than"),
    ],
)
def test_what_would_grow_without_end_is_stopped(source: str, why: str) -> None:
    """Bombs end in an error with a file and a line, soon and in little memory."""
    with pytest.raises(ContentError, match=why) as stopped:
        say("\n" + source, big=["x"] * 400)
    assert (stopped.value.file, stopped.value.line) == ("body.html", 2)


def test_a_mail_that_is_too_long_is_stopped() -> None:
    """The output is looked at while it is made."""
    with pytest.raises(ContentError, match="longer than 200000") as stopped:
        say("{% for a in big %}{{ big | join('----------------') }}{% endfor %}", big=["x"] * 400)
    assert stopped.value.file == "body.html"


def test_a_render_that_takes_too_long_is_stopped_by_the_clock_that_is_passed_in() -> None:
    """The deadline is looked at while loops turn."""
    moments = iter(range(10_000))
    budget = sandbox.Budget(lambda: float(next(moments)), seconds=3.0)
    template = sandbox.compiled("{% for a in big %}{% for b in big %}{{ b }}{% endfor %}{% endfor %}", "f", html=True)
    with pytest.raises(ContentError, match="too long"):
        sandbox.run(template, {**NAMES, "big": ["x"] * 100}, budget)


def test_many_empty_values_in_a_row_do_not_end_the_mail() -> None:
    """What follows a long stretch of missing values is still rendered."""
    assert say("{{ name }}" * 2000 + "end") == "end"


def test_an_error_names_the_line_where_it_stands() -> None:
    """The line of the template, not of the code that it became."""
    with pytest.raises(ContentError) as refused:
        sandbox.compiled("one\ntwo {{ text | nosuch }}", "body.html", html=True)
    assert (refused.value.file, refused.value.line) == ("body.html", 2)
    assert "money" in (refused.value.hint or "")
