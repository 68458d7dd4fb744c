"""Macros: parts with arguments that mails share, written out at publish: nothing is called when a mail is sent."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

import pytest

from rekindle.content.compose import Composer, join, located
from rekindle.content.sandbox import Budget, compiled, run
from rekindle.domain.errors import ContentError

BUTTON = dedent("""\
    {% macro button(url, label="Shop now") %}
    <a href="{{ url }}">{{ label }}</a>
    {% endmacro %}
    {% macro pair(one, two) %}
    {{ button(one) }} or {{ button(two, label="the " ~ "other") }}
    {% endmacro %}
    """)


def written(body: str, files: Mapping[str, str] | None = None) -> str:
    everything = {"_layout/macros.html": BUTTON, **(files or {}), "mail/body.html": body}
    return join(Composer(everything).compose("mail/body.html"))


def shown(body: str, files: Mapping[str, str] | None = None, **names: object) -> str:
    return run(compiled(written(body, files), "body.html", html=True), names, Budget())


def test_a_macro_is_written_out_where_it_is_called() -> None:
    body = '{% from "_layout/macros.html" import button %}\n<p>{{ button(shop.url, label=shop.name) }}</p>'
    assert shown(body, shop={"url": "https://x.example", "name": "A & B"}) == (
        '<p><a href="https://x.example">A &amp; B</a></p>'
    )


def test_what_is_not_given_is_the_default() -> None:
    body = '{% from "_layout/macros.html" import button as knob %}\n{{ knob(url="https://x.example") }}'
    assert shown(body) == '<a href="https://x.example">Shop now</a>'


def test_a_macro_may_use_others_of_its_file() -> None:
    """The mail itself has not taken `button` in."""
    body = '{% from "_layout/macros.html" import pair %}\n{{ pair("https://a.example", two="https://b.example") }}'
    assert shown(body) == '<a href="https://a.example">Shop now</a> or <a href="https://b.example">the other</a>'


def test_a_mail_may_have_macros_of_its_own_beside_its_blocks() -> None:
    body = dedent("""\
        {% extends "_layout/base.html" %}
        {% macro twice(word) %}{{ word }} {{ word }}{% endmacro %}
        {% block content %}{{ twice(profile.first_name) }}{% endblock %}
        """)
    layout = {"_layout/base.html": "<main>{% block content %}{% endblock %}</main>"}
    assert shown(body, layout, profile={"first_name": "Ada"}) == "<main>Ada Ada</main>"


def test_arguments_are_read_before_any_of_them_has_its_new_name() -> None:
    body = (
        "{% macro turned(one, two) %}{{ one }}{{ two }}{% endmacro %}"
        "{% with one='a', two='b' %}{{ turned(two, one) }}{% endwith %}"
    )
    assert shown(body) == "ba"


def test_a_macro_can_stand_in_a_loop_and_take_a_list_apart() -> None:
    body = (
        "{% macro line(item) %}{{ item.title | upper }}, {% endmacro %}"
        "{% for each in items %}{{ line(each) }}{% endfor %}{{ line((items | first)) }}"
    )
    assert shown(body, items=[{"title": "tea"}, {"title": "cup"}]) == "TEA, CUP, TEA, "


def test_its_lines_keep_their_places() -> None:
    """A mistake in a macro is reported where the macro stands."""
    files = {
        "_layout/macros.html": "\n{% macro a(x) %}\n<b>\n{{ x | nonsense }}</b>\n{% endmacro %}\n",
        "mail/body.html": '{% from "_layout/macros.html" import a %}\n<p>\n{{ a(1) }}</p>',
    }
    source = located(Composer(files).compose("mail/body.html"), "emails/mail/body.html")
    with pytest.raises(ContentError) as caught:
        compiled(source.text, "emails/mail/body.html", html=True)
    assert (source.relocate(caught.value).file, caught.value.line) == ("emails/_layout/macros.html", 4)


FROM = '{% from "_layout/macros.html" import button %}\n'


@pytest.mark.parametrize(
    ("body", "place", "said"),
    [
        (FROM + "{{ button() }}", "mail/body.html:2", "button needs url"),
        (FROM + "{{ button('a', 'b', 'c') }}", "mail/body.html:2", "button takes 2 arguments"),
        (FROM + "{{ button('a', lable='b') }}", "mail/body.html:2", "button has no 'lable'"),
        (FROM + "{{ button('a', url='b') }}", "mail/body.html:2", "button gets 'url' twice"),
        (FROM + "{{ button(url='a', 'b') }}", "mail/body.html:2", "what has a name comes after"),
        (FROM + "{{ button('a',, 'b') }}", "mail/body.html:2", "an argument is empty"),
        (FROM + "{{ button('a') | upper }}", "mail/body.html:2", "nothing can follow it"),
        ('{% from "_layout/macros.html" import knob %}', "mail/body.html:1", "there is no macro 'knob'"),
        ('{% from "_layout/no.html" import a %}', "mail/body.html:1", "there is no file _layout/no.html"),
        ('{% import "_layout/macros.html" as m %}', "mail/body.html:1", "this takes in nothing"),
        ("{% from x import a %}", "mail/body.html:1", "this takes in nothing"),
        (FROM + FROM, "mail/body.html:2", "'button' is there already"),
        ("{% macro a(x) %}", "mail/body.html:1", "the macro is not closed"),
        ("{% macro a %}{% endmacro %}", "mail/body.html:1", "a macro needs a name"),
        ("{% macro a(x, x) %}{% endmacro %}", "mail/body.html:1", "'x' cannot be a parameter"),
        ("{% macro a(*x) %}{% endmacro %}", "mail/body.html:1", "cannot be a parameter"),
        ("{% macro a() %}{% macro b() %}{% endmacro %}{% endmacro %}", "mail/body.html:1", "cannot stand in a macro"),
        ("{% endmacro %}", "mail/body.html:1", "cannot stand here"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "mail/body.html:1", "leads back to itself"),
    ],
)
def test_a_macro_that_cannot_be_written_out_names_the_place(body: str, place: str, said: str) -> None:
    with pytest.raises(ContentError) as caught:
        written(body)
    assert f"{caught.value.file}:{caught.value.line}" == f"emails/{place}"
    assert said in str(caught.value)


def test_files_that_take_in_each_other_are_refused() -> None:
    one = '{% from "_layout/two.html" import b %}{% macro a() %}{% endmacro %}'
    two = '{% from "_layout/one.html" import a %}{% macro b() %}{% endmacro %}'
    with pytest.raises(ContentError, match="leads back to itself"):
        written('{% from "_layout/one.html" import a %}', {"_layout/one.html": one, "_layout/two.html": two})


def test_macros_inside_macros_do_not_explode() -> None:
    """Ten levels of ten calls each would be ten thousand million copies."""
    levels = ["{% macro m0() %}x{% endmacro %}"]
    levels += [f"{{% macro m{n}() %}}{f'{{{{ m{n - 1}() }}}}' * 10}{{% endmacro %}}" for n in range(1, 9)]
    with pytest.raises(ContentError, match="too long"):
        written("".join(levels) + "{{ m8() }}")
