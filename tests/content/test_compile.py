"""From the files of a mail to what is sent: composed, checked with file and line, CSS in place, text part made."""

from __future__ import annotations

import re

import pytest

from rekindle.content.brand import Brand
from rekindle.content.compile import compile_mail
from tests.content.mailkit import compiled, look, refused

PAGE = "<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def page(body: str, head: str = "") -> str:
    """Return a whole HTML document."""
    return PAGE.replace("{head}", head).replace("{body}", body)


# --- composing -------------------------------------------------------------------------------------------------------


def test_layouts_blocks_and_parts_become_one_flat_template() -> None:
    """Nothing is left for `send` to look up."""
    mail = compiled(
        '{% extends "_layout/two.html" %}{% block main %}<p>Hi</p>{% include "_layout/part.html" %}{% endblock %}',
        layout_two='{% extends "_layout/one.html" %}{% block foot %}<p>foot</p>{% endblock %}',
        layout_one=page("{% block main %}default{% endblock %}{% block foot %}{% endblock %}{# gone #}"),
        layout_part="<p>{{ shop.name }}</p>\n",
    )
    assert "<p>Hi</p><p>{{ shop.name }}</p><p>foot</p>" in mail.html
    assert not re.search(r"extends|include|\bblock main|endblock|gone|default", mail.html)


def test_the_preheader_is_text_of_the_mail_and_cannot_break_out_of_it() -> None:
    """It may hold values; its own characters are escaped."""
    mail = compiled(page("<div>{{ preheader }}</div>"), preheader_txt="5 < 6 for {{ shop.name }} & co\n")
    assert "<div>5 &lt; 6 for {{ shop.name }} &amp; co</div>" in mail.html
    assert "<div></div>" in compiled(page("<div>{{ preheader }}</div>")).html


@pytest.mark.parametrize(
    ("body", "files", "place", "said"),
    [
        ("\n{% include 'nowhere.html' %}", {}, "m/body.html:2", "no file nowhere.html"),
        ("{% include name %}", {}, "m/body.html:1", "name of a file"),
        ("{% include 'm/body.html' %}", {}, "m/body.html:1", "back to itself"),
        (
            "{% include '_layout/a.html' %}",
            {"layout_a": "\n{% include '_layout/a.html' %}"},
            "_layout/a.html:2",
            "itself",
        ),
        (
            "{% extends '_layout/a.html' %}\nlost",
            {"layout_a": page("")},
            "m/body.html:2|m/body.html:1",
            "outside every",
        ),
        ("\n{% block a %}", {}, "m/body.html:2", "not closed"),
        ("{% endblock %}", {}, "m/body.html:1", "cannot stand here"),
        ("\n\n{{ shop.name", {}, "m/body.html:3", "not closed"),
        ("\n{# open", {}, "m/body.html:2", "not closed"),
        ("{% raw %}{% endraw %}", {}, "m/body.html:1", "cannot stand here"),
        ("\n{% if shop.url %}\n{% for x in event.items %}{% endfor %}", {}, "m/body.html:2", "if … %} has no end"),
        ("\n{% for x in event.items %}\n{% endif %}", {}, "m/body.html:2", "for … %} has no end"),
        ("\n{% endwith %}", {}, "m/body.html:2", "never begun"),
    ],
)
def test_what_cannot_be_composed_names_the_place(body: str, files: dict[str, str], place: str, said: str) -> None:
    """In the file and line where it stands, also inside a part."""
    problem = refused(body, **files)
    assert re.search(said, str(problem))
    assert re.search(place, str(problem))


def test_parts_that_multiply_are_stopped() -> None:
    """Ten files that each include the next ten times do not fill the memory."""
    files = {f"layout_p{n}": f"{{% include '_layout/p{n + 1}.html' %}}" * 10 for n in range(8)} | {
        "layout_p8": "x" * 50
    }
    assert "too long" in str(refused("{% include '_layout/p0.html' %}", **files))


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ profil.first_name }}", "unknown name 'profil'.*did you mean 'profile'"),
        ("{{ profile.frist_name }}", "'profile' has no 'frist_name'.*'first_name'"),
        ("{{ event.items.title }}", "'event.items' has no parts"),
        ("{% for item in event.items %}{{ item.titel }}{% endfor %}", "'item' has no 'titel'.*'title'"),
        ("{% for x in shop.name %}{% endfor %}", "not a list"),
        ("{{ item.title }}", "unknown name 'item'"),
        ("{{ loop.index }}", "unknown name 'loop'"),
        ("{% set first = event.items | first %}{{ first.titel }}", "'first' has no 'titel'"),
        ("{% with a=event.items[0] %}{{ a.nope }}{% endwith %}", "'a' has no 'nope'"),
        ("{{ event.items[0].nope }}", "has no 'nope'"),
        ("{{ event['nope'] }}", "'event' has no 'nope'"),
        ("{{ shop.name.first }}", "'shop.name' has no parts"),
        ("{% if evnt.total > 3 %}{% endif %}", "unknown name 'evnt'"),
        ("{{ links.unsubscibe }}", "did you mean 'unsubscribe'"),
        ("{{ event.ship_to.zip }}", "'event.ship_to' has no 'zip'"),
        ("{{ brand.colors.accnt }}", "'brand.colors' has no 'accnt'"),
    ],
)
def test_a_name_that_does_not_exist_is_found_before_anything_is_sent(body: str, said: str) -> None:
    """With its line, and with the name that was meant, where one is near."""
    problem = refused("\n" + page(body))
    assert re.search(said, str(problem))
    assert (problem.file, problem.line) == ("emails/m/body.html", 2)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """In every file of the mail."""
    _, problems = look(
        page("{{ a }}\n{{ b }}"), subject_txt="{{ c }}", preheader_txt="{{ d }}", body_txt="{{ e | nope }}"
    )
    assert {str(problem).partition("'")[2][0] for problem in problems} == {"a", "b", "c", "d", "n"}


def test_names_of_loops_and_sets_are_known_where_they_hold() -> None:
    """And shadow what has the same name outside."""
    _, problems = look(
        page(
            "{% set total = event.total or event.subtotal %}{{ total | money }}"
            "{% for event in event.items %}{{ loop.index }} {{ event.title }}{% endfor %}{{ event.number }}"
        )
    )
    assert problems == ()


def test_a_macro_reaches_the_mail_with_its_style_its_link_and_its_text_part() -> None:
    mail = compiled(
        '{% from "_layout/macros.html" import button %}<style>.b { color: red }</style>'
        '<p>{{ button(shop.url, "To the shop") }}</p>',
        layout_macros='{% macro button(url, label) %}<a class="b" href="{{ url }}">{{ label }}</a>{% endmacro %}',
    )
    assert '<a class="b" href="{{ url | _link' in mail.html
    assert 'style="color:red"' in mail.html
    assert 'label="To the shop"' in mail.html
    assert "{% with" in mail.text


def test_the_parts_of_the_event_that_a_mail_uses_are_known() -> None:
    """So that publish can tell a mail about orders from a flow about baskets."""
    found, _ = look(page("\n{{ event.number }}{% for item in event.items %}{{ item.title }}{% endfor %}"))
    assert found is not None
    assert found.event_fields == {"number": ("emails/m/body.html", 2), "items": ("emails/m/body.html", 2)}


# --- CSS and HTML ----------------------------------------------------------------------------------------------------


def test_css_is_inlined_and_what_cannot_be_stays() -> None:
    """Media queries and hover remain in `<style>`, everything else is in the tags."""
    style = (
        "<style>.a{color:#111111} p.a b{font-weight:700} .a:hover{color:red}"
        "@media (max-width:9px){.a{color:blue!important}}</style>"
    )
    html = compiled(page('<p class="a">x<b>y</b></p>', style)).html
    assert re.search(r'<p class="a" style="color:#111111">', html)
    assert 'style="font-weight:700"' in html
    assert re.search(r"<style>[^<]*:hover[^<]*@media", html)
    assert not re.search(r"<style>[^<]*#111111", html)


def test_the_brand_is_filled_in_at_publish_also_inside_style() -> None:
    """In CSS as it is, in attributes escaped."""
    brand = Brand(font="'Open Sans', sans-serif")
    html = compiled(
        page(
            '<p class="a">x</p><i style="font-family: {{ brand.font }}">y</i>',
            "<style>.a{font-family: {{ brand.font }}; color: {{ brand.colors.text }}}</style>",
        ),
        brand=brand,
    ).html
    assert html.count("Open Sans") == 2
    assert "#1d1d1f" in html
    assert set(re.findall(r"\{\{.*?\}\}", html)) == {"{{ _pixel }}"}


def test_tags_of_the_template_stay_where_they_stand_in_tables_and_attributes() -> None:
    """An HTML parser would throw them out of the table."""
    html = compiled(
        page(
            '<table class="t"><tr><th>h</th></tr>{% for item in event.items %}<tr><td><a href="{{ item.url }}" '
            'title="{% if item.alt %}{{ item.alt | default("x") }}{% endif %}">{{ item.title }}</a></td></tr>'
            "{% endfor %}</table>",
            "<style>.t{color:red}</style><title>{{ shop.name }}</title>",
        )
    ).html
    assert '<tr><th>h</th></tr>{% for item in event.items %}<tr><td><a href="{{ item.url | _link }}"' in html
    assert 'title="{% if item.alt %}{{ item.alt | default("x") }}{% endif %}">{{ item.title }}</a></td></tr>{%' in html
    assert "</td></tr>{% endfor %}</table>" in html
    assert "<title>{{ shop.name }}</title>" in html


def test_comments_for_outlook_survive_with_the_values_in_them() -> None:
    """Conditional comments are how Outlook gets its tables."""
    html = compiled(page("<!--[if mso]><table><tr><td>{{ shop.name }}<![endif]--><p>x</p>")).html
    assert "<!--[if mso]><table><tr><td>{{ shop.name }}<![endif]-->" in html


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        ("<style>\n.a{color: {{ shop.name }}}</style>", 2, "only {{ brand"),
        ('<p\n{% if shop.name %}class="a"{% endif %}>x</p>', 2, "between the attributes"),
        ("<p>{% if shop.name %}<b>{% endif %}x</p>", 1, "<b> is not closed"),
        ("<p>\n<b>x</p>", 2, "<b> is not closed"),
        ("<p>x</b></p>", 1, "</b> closes what was never opened"),
        ("<p>x", 1, "is not closed"),
        ("<table>{% for item in event.items %}<p>x</p>{% endfor %}</table>", 1, "not well formed"),
        ("<p><div>x</div></p>", 1, "not well formed"),
        ("\n<img src='https://a.example/b.png'>", 2, "no alt text"),
        ("\n<a href=''>x</a>", 2, "href is empty"),
        ("<a href='javascript:alert(1)'>x</a>", 1, "leads nowhere"),
        ("<a href='/shop'>x</a>", 1, "leads nowhere"),
        ("<img alt='' src='data:image/png;base64,AAAA'>", 1, "leads nowhere"),
        ("<script>alert(1)</script>", 1, "<script>"),
        ("<form action='https://a.example'></form>", 1, "<form>"),
        ("<p onclick='x()'>x</p>", 1, "runs a script"),
        ("<iframe src='https://a.example'></iframe>", 1, "<iframe>"),
    ],
)
def test_html_that_would_not_survive_a_mailbox_is_refused(body: str, line: int, said: str) -> None:
    """Each with its line."""
    _, problems = look(page(body))
    assert [problem for problem in problems if re.search(said, str(problem)) and problem.line == line], problems


def test_the_same_files_make_the_same_bytes() -> None:
    """The playbook's hash depends on it."""
    one, other = compiled(page("<p>{{ shop.name }}</p>")), compiled(page("<p>{{ shop.name }}</p>"))
    assert one == other
    assert one != compiled(page("<p>{{ shop.url }}</p>"))


# --- MJML ------------------------------------------------------------------------------------------------------------

MJML = """<mjml><mj-head><mj-preview>{{ preheader }}</mj-preview></mj-head><mj-body>
{% if event.items %}<mj-section><mj-column>
{% for item in event.items %}
<mj-text>{{ item.title }} {% if item.price %}{{ item.price | money }}{% endif %}</mj-text>
{% endfor %}
<mj-button href="{{ event.recovery_url or shop.url }}">Go to {{ shop.name }}</mj-button>
</mj-column></mj-section>{% endif %}
</mj-body></mjml>"""


def test_mjml_becomes_html_with_the_template_in_place() -> None:
    """The loop stands around the row that MJML made of its text."""
    found, problems = compile_mail("m", {"m/subject.txt": "x", "m/body.mjml": MJML, "m/preheader.txt": "peek"}, Brand())
    assert not problems
    assert found is not None
    html = found.template.html
    assert html.count("{% for item in event.items %}") == html.count("{% endfor %}") == 1
    assert re.search(
        r"\{% for item in event.items %\}\s*<tr>.*\{\{ item.title \}\}.*</tr>\s*\{% endfor %\}", html, re.DOTALL
    )
    assert 'href="{{ (event.recovery_url or shop.url) | _link }}"' in html
    assert "peek" in html
    assert "fonts.googleapis" not in html
    assert "Go to {{ shop.name }}: {{ (event.recovery_url or shop.url) | _link }}" in found.template.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<mjml><mj-body><mj-text></mj-body></mjml>", "<mj-text> is not closed"),
        ("<mjml><mj-body><mj-include path='x.mjml'/></mj-body></mjml>", "not valid MJML"),
        ("plain words", "not valid MJML"),
        (
            "<mjml><mj-body><mj-section><mj-column><mj-image src='https://a.example/x.png'/></mj-column></mj-section></mj-body></mjml>",
            "no alt",
        ),
    ],
)
def test_mjml_that_does_not_hold_is_refused(body: str, said: str) -> None:
    """With the file, and never with a crash."""
    _, problems = compile_mail("m", {"m/subject.txt": "x", "m/body.mjml": body}, Brand())
    assert [problem for problem in problems if said in str(problem) and problem.file == "emails/m/body.mjml"], problems


# --- the text part ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h1>A</h1><p>b  c\n d</p><p>e<br>f</p>", 'A\n\nb c d\n\ne{{ "\\n" }}f\n'),
        ("<a href='https://a.example/'>Go</a>", 'Go: {{ "https://a.example/" | _link }}\n'),
        ("<a href='{{ shop.url }}'>Go <b>on</b></a>", "Go on: {{ shop.url | _link }}\n"),
        ("<a href='https://a.example/'>https://a.example/</a>", '{{ "https://a.example/" | _link }}\n'),
        ("<a href='mailto:a@b.example'>a@b.example</a>", "a@b.example\n"),
        ("<a href='https://a.example/' data-text='label'>Go</a>", "Go\n"),
        (
            "<p>x</p><p data-text='none'>y</p><p aria-hidden='true'>z</p><p style='display:none'>q</p><p hidden>r</p>",
            "x\n",
        ),
        (
            "<table><tr><td>Total</td><td>{{ event.total | money }}</td></tr><tr><td>a</td></tr></table>",
            "Total  {{ event.total | money }}\na\n",
        ),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b\n"),
        ("<img alt='A cup' src='https://a.example/x.png'><!-- x --><!--[if mso]>no<![endif]-->", "A cup\n"),
        ("<p>&lt;b&gt; &amp; &#123;&#123; x }} caf&eacute;&nbsp;!</p>", '<b> & {{ "{" }}{ x }} café !\n'),
        (
            "<p>Hi{% if profile.first_name %} {{ profile.first_name }}{% endif %},</p>",
            "Hi{% if profile.first_name %} {{ profile.first_name }}{% endif %},\n",
        ),
        (
            "{% for item in event.items %}<p>{{ item.title }}</p>{% endfor %}",
            "{% for item in event.items %}\n{{ item.title }}\n\n{% endfor %}\n",
        ),
    ],
)
def test_the_text_part_is_made_of_the_html(body: str, text: str) -> None:
    """Paragraphs apart, links with their address, hidden things left out, and the template's tags where they stood."""
    assert compiled(page(body)).text.strip() == text.strip()


def test_a_text_part_of_ones_own_is_taken_as_it_is() -> None:
    """Only lines that hold nothing but tags leave no empty line behind, and its addresses count (`test_links`)."""
    own = "Hi\n{% if shop.url %}\n{{ shop.url }}\n{% endif %}\nBye\n"
    assert (
        compiled(page("<p>x</p>"), body_txt=own).text == "Hi\n{% if shop.url %}{{ shop.url | _link }}\n{% endif %}Bye\n"
    )


# --- what belongs to a mail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "place", "said"),
    [
        ({"m/body.html": "x"}, "emails/m/subject.txt", "no subject"),
        ({"m/subject.txt": "x"}, "emails/m/body.html", "no body"),
        ({"m/subject.txt": "x", "m/body.html": "x", "m/body.mjml": "x"}, "emails/m/body.html", "two bodies"),
        ({"m/subject.txt": "x", "m/body.html": "x", "m/picture.png": "x"}, "emails/m/picture.png", "no such file"),
        (
            {"m/subject.txt": "x", "m/body.html": "x", "m/mail.yaml": "category: spam"},
            "emails/m/mail.yaml:1",
            "category",
        ),
        (
            {"m/subject.txt": "x", "m/body.html": "x", "m/mail.yaml": "category: marketing\nneeds: [cheaper]"},
            "emails/m/mail.yaml:2",
            "together, better",
        ),
        (
            {"m/subject.txt": "x", "m/body.html": "x", "m/mail.yaml": "needs: [better]"},
            "emails/m/mail.yaml:1",
            "the mail shows no recommend.better",
        ),
        ({"m/subject.txt": "x", "m/body.html": "x", "m/mail.yaml": "topic: news"}, "emails/m/mail.yaml:1", "else"),
        ({"m/subject.txt": "x", "m/body.html": "x", "m/mail.yaml": "a: b: c"}, "emails/m/mail.yaml:1", "YAML"),
    ],
)
def test_a_folder_that_is_no_mail_is_refused(files: dict[str, str], place: str, said: str) -> None:
    """What is missing, and what is too many."""
    _, problems = compile_mail("m", files, Brand())
    assert [problem for problem in problems if said in str(problem) and str(problem).startswith(place)], problems


def test_a_mail_is_marketing_unless_it_says_otherwise() -> None:
    """The careful choice is the default."""
    assert compiled(page("x")).category == "marketing"
    assert compiled(page("x"), mail_yaml="category: transactional").category == "transactional"


def test_a_mail_says_without_which_list_it_is_pointless() -> None:
    shown = page("{% if recommend.better %}{{ recommend.better | join(', ', 'title') }}{% endif %}")
    assert compiled(shown).needs == ()
    found = compiled(shown, mail_yaml="needs: [better]")
    assert (found.category, found.needs) == ("marketing", ("better",))
