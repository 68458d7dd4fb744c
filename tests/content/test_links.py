"""Links that count: found at publish, numbered at send, and leading exactly where their author wrote."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content import sandbox
from rekindle.content.brand import Brand
from rekindle.content.compile import compile_mail
from rekindle.content.mails import MailTemplate, render
from rekindle.content.tracker import MAX_ADDRESS, MAX_ADDRESSES, MAX_LINKS, TRACKER, Tracker, link
from tests.content.mailkit import compiled, refused

BASE, TOKEN = "https://links.example", "k1.abc.def"
WAY_OUT = "https://links.example/u/way-out"
NAMES: dict[str, Any] = {
    "shop": {
        "url": "https://shop.example/",
        "name": "Pots & Co",
        "email": "hi@shop.example",
        "values": {"page": " https://shop.example/ "},
    },
    "event": {
        "recovery_url": "https://shop.example/recover?key=a&b=c%20d",
        "items": [
            {"title": "Pot", "url": "https://shop.example/pot?x=1&y=2"},
            {"title": "Cup", "url": "https://shop.example/cup"},
            {"title": "Pot again", "url": "https://shop.example/pot?x=1&y=2"},
            {"title": "Gone", "url": None},
        ],
        "total": 12,
    },
    "profile": {"first_name": "Ada", "city": "Köln"},
    "links": {"unsubscribe": WAY_OUT},
    "_formats": {"": None},
}
HREF = re.compile(r'href="([^"]*)"')


def page(body: str) -> str:
    return f"<!doctype html><html><head></head><body>{body}</body></html>"


def sent(mail: MailTemplate) -> tuple[str, str, Tracker]:
    """Return the HTML and the text that `send` makes of a mail, and the tracker that numbered its links."""
    tracker = Tracker(BASE, TOKEN, [WAY_OUT])
    made = render(mail, {**NAMES, TRACKER: tracker, sandbox.PIXEL: tracker.pixel})
    return made.html, made.text, tracker


def hrefs(body: str) -> tuple[list[str], list[str]]:
    """Return every address in the HTML of a mail with this body, and where its numbered links lead."""
    made, _, tracker = sent(compiled(page(body)))
    return [html.unescape(address) for address in HREF.findall(made)], tracker.targets


def numbered(number: int) -> str:
    return f"{BASE}/c/{TOKEN}/{number}"


COUNTED = {
    "written out": ("<a href='https://a.example/x?a=1&amp;b=2#c'>x</a>", ["https://a.example/x?a=1&b=2#c"]),
    "an ampersand as it should not be": ("<a href='https://a.example/?a=1&b=2'>x</a>", ["https://a.example/?a=1&b=2"]),
    "without quotes": ("<a href=https://a.example/x>x</a>", ["https://a.example/x"]),
    "in capitals": ("<A HREF='HTTPS://A.example/'>x</A>", ["HTTPS://A.example/"]),
    "with space around": ("<a href='{{ shop.values.page }}'>x</a>", ["https://shop.example/"]),
    "with quotes in it": ("<a href='https://a.example/?q=&quot;x&quot;'>x</a>", []),
    "a value": ("<a href='{{ shop.url }}'>x</a>", ["https://shop.example/"]),
    "a value with what HTML escapes": (
        "<a href='{{ event.recovery_url }}'>x</a>", ["https://shop.example/recover?key=a&b=c%20d"]
    ),
    "a choice": ("<a href='{{ event.order_id or shop.url }}'>x</a>", ["https://shop.example/"]),
    "a filter": ("<a href='{{ event.order_id | default(shop.url) }}'>x</a>", ["https://shop.example/"]),
    "values and text": (
        "<a href='{{ shop.url }}p?city={{ profile.city }}&amp;n={{ event.total }}'>x</a>",
        ["https://shop.example/p?city=Köln&n=12"],
    ),
    "text and a value": (
        "<a href='https://a.example/{{ profile.first_name }}'>x</a>", ["https://a.example/Ada"]
    ),
    "a branch inside": (
        "<a href='https://a.example/?a&amp;b={% if event.total %}{{ profile.city }}&amp;c{% else %}0{% endif %}'>x</a>",
        ["https://a.example/?a&b=Köln&c"],
    ),
    "a loop inside": (
        "<a href='{{ shop.url }}cart/{% for item in event.items %}{{ item.title | first | lower }}.{% endfor %}'>x</a>",
        ["https://shop.example/cart/p.c.p.g."],
    ),
    "a loop around, equal ones once": (
        "{% for item in event.items %}{% if item.url %}<a href='{{ item.url }}'>x</a>{% endif %}{% endfor %}",
        ["https://shop.example/pot?x=1&y=2", "https://shop.example/cup"],
    ),
    "equal ones, however written": (
        "<a href='{{ shop.url }}'>x</a><a href='https://shop.example/'>y</a><a href='{{ shop.values.page }}'>z</a>",
        ["https://shop.example/"],
    ),
    "a map": ("<map name='m'><area alt='' href='https://a.example/'></map>", ["https://a.example/"]),
    "a button of Outlook's": (
        "<!--[if mso]><v:roundrect xmlns:v='urn:x' href='{{ shop.url }}' arcsize='5%'></v:roundrect><![endif]-->",
        ["https://shop.example/"],
    ),
    "a value that is no address": ("<a href='{{ shop.name }}'>x</a>", []),
    "a value that is not there": ("<a href='{{ event.order_id }}'>x</a>", []),
    "mail": ("<a href='mailto:{{ shop.email }}?subject=x'>x</a>", []),
    "a mail that is written out": ("<a href='mailto:a@b.example'>x</a>", []),
    "a telephone": ("<a href='tel:+4412345'>x</a>", []),
    "a place in the mail": ("<a href='#top'>x</a>", []),
    "not to be counted": ("<a href='https://a.example/' data-track='no'>x</a>", []),
    "not to be counted, said first": ("<a data-track=no class='b' href='{{ shop.url }}'>x</a>", []),
    "the way out": ("<a href='{{ links.unsubscribe }}'>x</a>", []),
    "the way out by another name": (
        "{% with url=links.unsubscribe %}<a href='{{ url }}'>x</a>{% endwith %}", []
    ),
    "a picture": ("<img alt='' src='https://a.example/x.png'>", []),
}  # fmt: skip


@pytest.mark.parametrize(("body", "targets"), COUNTED.values(), ids=COUNTED)
def test_every_link_to_the_web_counts_and_leads_where_it_was_written_to(body: str, targets: list[str]) -> None:
    found, led = hrefs(body)
    assert led == targets
    assert [numbered(number) for number in range(len(targets))] == list(
        dict.fromkeys(one for one in found if one.startswith(f"{BASE}/c/"))
    )


@pytest.mark.parametrize(
    "body", [body for body, targets in COUNTED.values() if not targets and "href" in body], ids=str
)
def test_what_does_not_count_stays_as_it_is(body: str) -> None:
    """Byte for byte what it would be were nothing counted."""
    mail = compiled(page(body))
    assert HREF.findall(sent(mail)[0]) == HREF.findall(render(mail, NAMES).html)


def test_a_mail_says_nothing_of_how_its_links_are_counted() -> None:
    made, text, _ = sent(
        compiled(page("<a href='https://a.example/' data-track='no'>x</a><a href='{{ shop.url }}'>y</a>"))
    )
    assert "data-track" not in made
    assert "_link" not in made + text


def test_the_text_part_has_the_links_of_the_html() -> None:
    body = (
        "<p><a href='{{ event.recovery_url }}'>Back to your basket</a></p>"
        "<p><a href='https://shop.example/' data-track='no'>Home</a></p>"
        "<p>See <a href='https://a.example/x'>https://a.example/x</a> too.</p>"
        "<p><a href='{{ links.unsubscribe }}'>No more</a></p>"
    )
    _, text, tracker = sent(compiled(page(body)))
    assert tracker.targets == ["https://shop.example/recover?key=a&b=c%20d", "https://a.example/x"]
    assert text == (
        f"Back to your basket: {numbered(0)}\n\nHome: https://shop.example/\n\nSee {numbered(1)} too.\n\n"
        f"No more: {WAY_OUT}\n"
    )


OWN_TEXTS = {
    "written out": ("Go: https://a.example/x.", "Go: <0>.", ["https://a.example/x"]),
    "at the very end": ("https://a.example", "<0>", ["https://a.example"]),
    "in brackets": ("(https://a.example/x)", "(<0>)", ["https://a.example/x"]),
    "in Chinese": ("請看 https://a.example/x。", "請看 <0>。", ["https://a.example/x"]),
    "a value": ("{{ event.recovery_url }}", "<0>", ["https://shop.example/recover?key=a&b=c%20d"]),
    "a value in a sentence": ("Go ({{ shop.url }}), now", "Go (<0>), now", ["https://shop.example/"]),
    "a value with a path": ("{{ shop.url }}sale?x={{ event.total }}!", "<0>!", ["https://shop.example/sale?x=12"]),
    "text, a value, text": ("https://a.example/{{ profile.first_name }}/b", "<0>", ["https://a.example/Ada/b"]),
    "in a loop": (
        "{% for item in event.items %}{% if item.url %}\n- {{ item.title }}: {{ item.url }}\n{% endif %}{% endfor %}",
        "- Pot: <0>\n- Cup: <1>\n- Pot again: <0>",
        ["https://shop.example/pot?x=1&y=2", "https://shop.example/cup"],
    ),
    "before the end of a branch": ("{% if shop.url %}{{ shop.url }}{% endif %}.", "<0>.", ["https://shop.example/"]),
    "in each branch": (
        "{% if profile.last_name %}{{ shop.url }}{% else %}https://a.example/{% endif %}\nx",
        "<0>\nx",
        ["https://a.example/"],
    ),
    "where it may go on": (
        "https://a.example/{% if profile.city %}x{% endif %} b", "https://a.example/x b", []
    ),
    "where it goes on after a branch": (
        "{% if shop.url %}{{ shop.url }}{% endif %}sale", "https://shop.example/sale", []
    ),
    "without the space around it": ("Go:   {{- shop.url -}}   !", "Go:<0>!", ["https://shop.example/"]),
    "no address": ("{{ profile.first_name }}, {{ event.total }} & {{ shop.name }}", "Ada, 12 & Pots & Co", []),
    "another kind": ("mailto:{{ shop.email }} ftp://a.example", "mailto:hi@shop.example ftp://a.example", []),
    "the way out": ("{{ links.unsubscribe }}", WAY_OUT, []),
    "the way out by another name": (
        "{% with url=links.unsubscribe %}{{ url }}{% endwith %}", WAY_OUT, []
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "text", "targets"), OWN_TEXTS.values(), ids=OWN_TEXTS)
def test_a_text_of_ones_own_counts_its_links_too(source: str, text: str, targets: list[str]) -> None:
    _, made, tracker = sent(compiled(page("<p>x</p>"), body_txt=source))
    assert re.sub(re.escape(f"{BASE}/c/{TOKEN}/") + r"(\d+)", r"<\1>", made).strip() == text
    assert tracker.targets == targets


def test_html_and_text_share_their_numbers() -> None:
    mail = compiled(page("<a href='{{ shop.url }}'>x</a>"), body_txt="{{ event.recovery_url }} {{ shop.url }}")
    _, text, tracker = sent(mail)
    assert tracker.targets == ["https://shop.example/", "https://shop.example/recover?key=a&b=c%20d"]
    assert text == f"{numbered(1)} {numbered(0)}\n"


def test_mjml_counts_its_buttons() -> None:
    mjml = (
        "<mjml><mj-body><mj-section><mj-column><mj-button href='{{ shop.url }}'>Go</mj-button>"
        "<mj-text><a href='https://a.example/' data-track='no'>x</a></mj-text>"
        "</mj-column></mj-section></mj-body></mjml>"
    )
    found, problems = compile_mail("m", {"m/subject.txt": "x", "m/body.mjml": mjml}, Brand())
    assert not problems
    assert found is not None
    made, _, tracker = sent(found.template)
    assert tracker.targets == ["https://shop.example/"]
    assert HREF.findall(made) == [numbered(0), "https://a.example/"]


def test_without_a_tracker_everything_leads_where_it_is_written_to() -> None:
    """A preview, a sample, a mail to the shop's own people: nothing is counted, and nothing looks at the reader."""
    made = render(compiled(page("<a href='{{ event.recovery_url }}'>x</a>")), NAMES)
    assert HREF.findall(made.html) == ["https://shop.example/recover?key=a&amp;b=c%20d"]
    assert "<img" not in made.html
    assert made.text == "x: https://shop.example/recover?key=a&b=c%20d\n"


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_that_counts_is_the_last_thing_in_the_mail() -> None:
    made, text, _ = sent(compiled(page("<p>x</p>")))
    pixel = (
        f'<img src="{BASE}/o/{TOKEN}.gif" alt="" width="1" height="1" border="0" style="display:block;border:0"></body>'
    )
    assert made.count("<img") == made.count(pixel) == 1
    assert "/o/" not in text


@pytest.mark.parametrize("body", ["<p>x</p>", "</body> <p>&lt;/body&gt;</p>", "<p>x</p><!-- </body> -->"])
def test_a_body_that_is_a_part_of_a_page_has_it_once(body: str) -> None:
    try:
        mail = compiled(body)
    except AssertionError:
        return
    assert sent(mail)[0].count("<img") == 1


# --- what marketers may not write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "{{ shop.url | _link }}", "{{ _pixel }}", "{{ _tracker }}", "{% filter _link %}x{% endfilter %}",
        "{% filter upper %}x{% endfilter %}", "{{ shop._pixel }}",
    ],
)  # fmt: skip
def test_what_publish_writes_nobody_else_may(source: str) -> None:
    assert refused(page(f"<p>{source}</p>")).line == 1


@pytest.mark.parametrize("value", ["yes", "off", ""])
def test_data_track_says_no_or_is_reported(value: str) -> None:
    problem = refused(page(f"\n<a href='https://a.example/' data-track='{value}'>x</a>"))
    assert (problem.message, problem.line) == ("data-track says one thing: no", 2)


@pytest.mark.parametrize(
    ("about", "target"),
    [
        ("{{ profile.city }}", "https://shop.example/ Köln"),
        ("Tea &amp; pots", "https://shop.example/ Tea & pots"),
        ("  of {{ shop.name }} ", "https://shop.example/ of Pots & Co"),
        ("{{ event.number }}", "https://shop.example/"),
        ("", "https://shop.example/"),
    ],
)
def test_a_link_may_say_which_category_it_leads_to(about: str, target: str) -> None:
    """That goes behind the address, once, and the attribute is gone from what is sent."""
    body = (
        f"<a data-about='{about}' href='{{{{ shop.url }}}}'>x</a><a href='{{{{ shop.url }}}}' data-about='Other'>y</a>"
    )
    made, text, tracker = sent(compiled(page(body)))
    assert tracker.targets == [target if about and "number" not in about else f"{target} Other"]
    assert "data-about" not in made
    assert text == f"x: {numbered(0)}y: {numbered(0)}\n"


def test_what_a_link_is_about_is_a_name_that_there_is() -> None:
    assert "kindd" in refused(page("<a href='https://a.example/' data-about='{{ event.kindd }}'>x</a>")).message
    tag = "<a href='https://a.example/' data-about='{% if shop.url %}x{% endif %}'>x</a>"
    assert refused(page(tag)).message == "data-about takes words and values"


# --- numbering -------------------------------------------------------------------------------------------------------

NOT_NUMBERED = (
    "", "shop.example", "//shop.example/", "javascript:alert(1)", "data:text/html,x", "ftp://a.example/", "https://",
    "http://", "https://a.example/ b", "https://a.example/\r\nSet-Cookie: a=b", "https://a.example/\x00",
    "https://a.example/\u2028", "https://a.example/\ud800", "https://a.example/<b>", 'https://a.example/"',
    "https://a.example/" + "x" * MAX_ADDRESS,
)  # fmt: skip


@pytest.mark.parametrize("address", NOT_NUMBERED, ids=repr)
def test_what_does_not_lead_to_the_web_is_not_numbered(address: str) -> None:
    tracker = Tracker(BASE, TOKEN)
    assert tracker.link(address) == address
    assert tracker.targets == []


def test_a_mail_has_room_for_so_many_links_and_the_rest_lead_there_uncounted() -> None:
    many = Tracker(BASE, TOKEN)
    found = [many.link(f"https://a.example/{number}") for number in range(MAX_LINKS + 2)]
    assert found[MAX_LINKS - 1 :] == [
        numbered(MAX_LINKS - 1), f"https://a.example/{MAX_LINKS}", f"https://a.example/{MAX_LINKS + 1}",
    ]  # fmt: skip
    assert len(many.targets) == MAX_LINKS
    long = Tracker(BASE, TOKEN)
    for number in range(60):
        long.link(f"https://a.example/{number}/".ljust(MAX_ADDRESS, "x"))
    assert sum(map(len, long.targets)) == MAX_ADDRESSES
    assert len(long.targets) == MAX_ADDRESSES // MAX_ADDRESS


@given(st.lists(st.text(max_size=30) | st.sampled_from(["https://a.example/", " https://a.example/ ", WAY_OUT])))
def test_each_link_leads_where_it_was_written_to(addresses: list[str]) -> None:
    """The law: a number stands for the address that was written there, and nothing else is ever led to."""
    tracker = Tracker(BASE, TOKEN, [WAY_OUT])
    for address in addresses:
        found = tracker.link(address)
        place = re.fullmatch(re.escape(f"{BASE}/c/{TOKEN}/") + r"(\d+)", found)
        led = tracker.targets[int(place.group(1))] if place else found
        assert led.strip() == address.strip()
    assert len(set(tracker.targets)) == len(tracker.targets)


@pytest.mark.parametrize("value", [None, 12, datetime(2026, 1, 1, tzinfo=UTC), ["https://a.example/"], True])
def test_what_is_no_text_is_no_link(value: Any) -> None:
    tracker = Tracker(BASE, TOKEN)
    assert link(tracker, value) is value
    assert tracker.targets == []
