"""Broken contents, in every way that one can think of: one clear message each, and what is live stays live."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rekindle.memory import World
from rekindle.service.library import POINTER
from rekindle.service.publish import CONTENT, publish
from tests.support.pictures import jpeg, png, svg

FLOW, BODY, SHOP = "flows/hello.yaml", "emails/reminder/body.html", "shops/acme.yaml"
FOOT = "emails/_layout/foot.html"

GOOD = {
    "flows/hello.yaml": """\
title: Hello
trigger:
  event: checkout.updated
  when: event.items and profile.email
entry:
  key: event.id
steps:
  - wait: 1h
  - branch:
      - if: in_segment('vip')
        steps:
          - sms: hi
  - email: reminder
  - push: hi
topic: news
""",
    "segments/vip.yaml": """\
title: Very good customers
when: profile.orders > shop.values.line
""",
    "manners.yaml": """\
quiet:
  sms: {from: '21:00', to: '09:00'}
""",
    "traits.yaml": "tea: text\n",
    "topics.yaml": "news:\n  title: {en: News, ar: أخبار}\noffers: {title: Offers, default: off}\n",
    "brand.yaml": """\
colors:
  accent: '#1f4d3f'
""",
    "emails/_layout/foot.html": """\
<p>{{ shop.postal_address }}</p>
<p><a href="{{ links.unsubscribe }}">Enough</a></p>
""",
    "emails/reminder/subject.txt": "Still there\n",
    "emails/reminder/body.html": """\
<p>Hello {{ profile.first_name | default("there") }}</p>
<p>{{ event.item_count }} things</p>
{% include "_layout/foot.html" %}
""",
    "emails/reminder/sample.json": "{}\n",
    "sms/hi.txt": """\
{{ shop.name }}: hi {{ profile.first_name | default('there') }}
It is still there. Reply STOP to opt out
""",
    "push/hi.yaml": """\
title: Hi
body: It is still there
""",
    "shops/acme.yaml": """\
name: Acme
platform: shopify
url: https://acme.example
sender:
  name: Acme
  email: hello@acme.example
postal_address: Acme Ltd, 1 High Street, London N1
currency: GBP
locale: en-GB
zone: Europe/London
flows:
  hello: on
values:
  line: 5
channels: [sms, push]
sms: {sender: '+447700900000'}
""",
}

ITEMS = (
    '{"event": {"type": "basket", "id": "c", "updated_at": "2026-03-02T10:15:00Z", "items": ['
    + ", ".join(['{"title": "Tea", "quantity": 1}'] * 40)
    + "]}}"
)

Files = Mapping[str, str | bytes]


def edit(path: str, old: str, new: str) -> dict[str, str | bytes]:
    """Return the file with this part written otherwise."""
    assert old in GOOD[path]
    return {path: GOOD[path].replace(old, new)}


#: what is wrong → the files that make it so (an empty one is taken away), and what the report says of it
BROKEN: dict[str, tuple[Files, str]] = {
    "YAML that is none": (
        edit(FLOW, "trigger:\n", "trigger: [\n"),
        "flows/hello.yaml:4: not valid YAML: while parsing a flow sequence expected ',' or ']', but got ':'",
    ),
    "a tab": (
        edit(FLOW, "  event:", "\tevent:"),
        "flows/hello.yaml:3: not valid YAML: while scanning for the next token",
    ),
    "a key twice": (
        edit(FLOW, "title: Hello", "title: Hello\ntitle: Hello"),
        "flows/hello.yaml:2: “title” stands here twice",
    ),
    "an alias bomb": ({FLOW: "a: &a [x, x]\nb: [*a, *a]\n"}, "flows/hello.yaml:1: the anchor &a is not supported"),
    "an empty flow": (
        {FLOW: "# nothing yet\n"},
        "flows/hello.yaml:1: the file: must have names and values of its own, one a line",
    ),
    "an unknown topic": (
        edit(FLOW, "topic: news", "topic: newz"),
        "flows/hello.yaml:15: there is no topic 'newz'",
    ),
    "a topic that a shop's customers cannot read": (
        edit("topics.yaml", "{en: News, ar: أخبار}", "{ar: أخبار}"),
        "topics.yaml:1: the topic 'news' has no title in en, in which a shop writes",
    ),
    "a topic of no language": (
        edit("topics.yaml", "en: News", "english: News"),
        "topics.yaml:2: news.title.english: no such language",
    ),
    "a topic without words": (
        edit("topics.yaml", "title: Offers, ", ""),
        "topics.yaml:3: offers.title is missing",
    ),
    "a topic that is none": ({"topics.yaml": "news: yes\n"}, "topics.yaml:1: news says nothing by itself"),
    "an unknown frequency": (
        edit(FLOW, "in_segment('vip')", "profile.frequency == 'weekley'"),
        "flows/hello.yaml:10:",
    ),
    "an unknown key": (edit(FLOW, "entry:", "entri:"), "flows/hello.yaml:5: 'entri' is not known here"),
    "no steps": (
        edit(FLOW, GOOD[FLOW][GOOD[FLOW].index("steps:") :], "steps: []\n"),
        "flows/hello.yaml:7: steps: it is empty",
    ),
    "an unknown event": (
        edit(FLOW, "checkout.updated", "checkout.updatet"),
        "flows/hello.yaml:3: event: no event is called 'checkout.updatet': did you mean 'checkout.updated'?",
    ),
    "an unknown variable": (
        edit(FLOW, "event.items and", "event.itmes and"),
        "flows/hello.yaml:4: 'event' (checkout.updated) has no 'itmes'",
    ),
    "an unknown function": (
        edit(FLOW, "in_segment('vip')", "in_segments('vip')"),
        "flows/hello.yaml:10: 'in_segments' is no function",
    ),
    "a condition that is no condition": (
        edit(FLOW, "event.items and", "event.items adn"),
        "flows/hello.yaml:4: 'event.items adn profile.email' is not one expression: it should end before 'adn'",
    ),
    "comparing what cannot be": (
        edit(FLOW, "event.items and profile.email", "event.total > 'lots'"),
        "flows/hello.yaml:4: event.total > 'lots': a number and a text have no order",
    ),
    "a bare now": (
        edit(FLOW, "event.items and profile.email", "now > event.updated_at"),
        "flows/hello.yaml:4: unknown name 'now'",
    ),
    "a call in a condition": (
        edit(FLOW, "event.items and profile.email", "profile.__class__"),
        "flows/hello.yaml:4: unknown name '__class__'",
    ),
    "a duration that is none": (
        edit(FLOW, "wait: 1h", "wait: soon"),
        "flows/hello.yaml:8: wait: 'soon' is not a duration: write for instance 90m, 3d or 1d 12h",
    ),
    "a wait that is longer than the run": (
        edit(FLOW, "wait: 1h", "wait: 90d"),
        "flows/hello.yaml:12: people who wait longest come here after 90d",
    ),
    "a missing mail": (
        edit(FLOW, "email: reminder", "email: remider"),
        "flows/hello.yaml:13: there is no mail 'remider'",
    ),
    "a missing text message": (edit(FLOW, "sms: hi", "sms: ho"), "flows/hello.yaml:12: there is no SMS 'ho'"),
    "a missing push message": (
        edit(FLOW, "push: hi", "push: ho"),
        "flows/hello.yaml:14: there is no push message 'ho'",
    ),
    "a missing segment": (
        edit(FLOW, "in_segment('vip')", "in_segment('vips')"),
        "flows/hello.yaml:10: there is no segment 'vips'",
    ),
    "a step that nobody reaches": (
        edit(FLOW, "  - wait: 1h", "  - exit: over\n  - wait: 1h"),
        "flows/hello.yaml:9: this step is never reached",
    ),
    "two steps of one name": (
        edit(FLOW, "  - wait: 1h", "  - {wait: 1h, id: one}\n  - {wait: 2h, id: one}"),
        "flows/hello.yaml:9: two steps are called 'one'",
    ),
    "another category": (
        {"emails/reminder/mail.yaml": "category: transactional\n"},
        "flows/hello.yaml:13: the mail 'reminder' is transactional, and this step sends it as marketing",
    ),
    "a segment cycle": (
        {
            "segments/vip.yaml": "title: A\nwhen: in_segment('good')\n",
            "segments/good.yaml": "when: in_segment('vip')\n",
        },
        "segments/good.yaml:1: the segments ask for one another: good → vip → good",
    ),
    "a value that no shop has": (
        edit("segments/vip.yaml", "values.line", "values.lien"),
        "segments/vip.yaml:2: shop.values.lien is not set in shops/acme.yaml",
    ),
    "a trait that nothing sets": (
        edit("segments/vip.yaml", "profile.orders > shop.values.line", "profile.traits.coffee == 'black'"),
        "segments/vip.yaml:2: nothing ever sets the trait 'coffee'",
    ),
    "a segment without when": ({"segments/vip.yaml": "title: VIP\n"}, "segments/vip.yaml:1: 'when' is missing"),
    "an unknown manner": (edit("manners.yaml", "quiet:", "quite:"), "manners.yaml:1: 'quite' is not known here"),
    "a time that is none": (
        edit("manners.yaml", "'21:00'", "late"),
        "manners.yaml:2: from: 'late' is not a time of day: write for instance 09:00",
    ),
    "a trait of no kind": (
        edit("traits.yaml", "text", "txt"),
        "traits.yaml:1: tea: 'txt' is not one of 'text', 'number', 'flag', 'date', 'list'",
    ),
    "a colour that is none": (edit("brand.yaml", "'#1f4d3f'", "green"), "brand.yaml:2: colors.accent: no such colour"),
    "a colour that cannot be read": (
        edit("brand.yaml", "accent: '#1f4d3f'", "accent: '#ffffff'"),
        "brand.yaml:1: colors.on_accent can hardly be read on colors.accent: contrast 1.0",
    ),
    "a shop without currency": (edit(SHOP, "currency: GBP\n", ""), "shops/acme.yaml:1: currency is missing"),
    "a currency that is none": (edit(SHOP, "GBP", "GPB"), "shops/acme.yaml:8: currency: no such currency"),
    "a locale that is none": (edit(SHOP, "en-GB", "xx-YY"), "shops/acme.yaml:9: locale: no such locale"),
    "a zone that is none": (
        edit(SHOP, "Europe/London", "Europe/Lodnon"),
        "shops/acme.yaml:10: zone: no such time zone",
    ),
    "a sender that is no address": (
        edit(SHOP, "email: hello@acme.example", "email: hello"),
        "shops/acme.yaml:6: sender.email: this is no e-mail address",
    ),
    "a flow that is not there": (edit(SHOP, "hello: on", "helo: on"), "shops/acme.yaml:12: there is no flow 'helo'"),
    "a switch that is none": (
        edit(SHOP, "hello: on", "hello: perhaps"),
        "shops/acme.yaml:12: flows.hello: Input should be a valid boolean",
    ),
    "an address that is none": (
        edit(SHOP, "url: https://acme.example", "url: acme"),
        "shops/acme.yaml:3: url: this is no address on the web",
    ),
    "an id that is none": (
        {"shops/Acme Shop.yaml": GOOD[SHOP]},
        "shops/Acme Shop.yaml:1: “Acme Shop” cannot be a shop's id",
    ),
    "a mail without subject": (
        {"emails/reminder/subject.txt": ""},
        "emails/reminder/subject.txt: the mail has no subject",
    ),
    "a mail without sample": (
        {"emails/reminder/sample.json": ""},
        "emails/reminder/sample.json: the mail has no sample",
    ),
    "a mail without body": ({BODY: ""}, "emails/reminder/body.html: the mail has no body"),
    "a sample that is no JSON": (
        {"emails/reminder/sample.json": "{\n  nonsense\n}\n"},
        "emails/reminder/sample.json:2: the sample is not valid JSON",
    ),
    "a sample of something else": (
        {"emails/reminder/sample.json": '{"profil": {}}'},
        "emails/reminder/sample.json:1: the sample does not fit: Object contains unknown field `profil`",
    ),
    "a value that is not closed": (
        edit(BODY, "{{ event.item_count }}", "{{ event.item_count }"),
        "emails/reminder/body.html:2: {{ is not closed",
    ),
    "a block that is not closed": (
        edit(BODY, "<p>{{ event.item_count }} things</p>", "{% if event.items %}<p>"),
        "emails/reminder/body.html:2: {% if … %} has no end",
    ),
    "an unknown value in a mail": (
        edit(BODY, "event.item_count", "event.itme_count"),
        "emails/reminder/body.html:2: 'event' has no 'itme_count'",
    ),
    "an unknown name in a mail": (
        edit(BODY, "event.item_count", "evnt.item_count"),
        "emails/reminder/body.html:2: unknown name 'evnt'",
    ),
    "an unknown filter": (
        edit(BODY, '| default("there")', "| capitalise"),
        "emails/reminder/body.html:1: unknown filter 'capitalise'",
    ),
    "a value that this event never has": (
        edit(BODY, "event.item_count", "event.placed_at"),
        "emails/reminder/body.html:2: event.placed_at is never there: 'hello', which sends this",
    ),
    "a missing layout": (
        edit(BODY, "_layout/foot.html", "_layout/feet.html"),
        "emails/reminder/body.html:3: there is no file _layout/feet.html",
    ),
    "no unsubscribe link": (
        edit("emails/_layout/foot.html", '<p><a href="{{ links.unsubscribe }}">Enough</a></p>\n', ""),
        "emails/reminder/body.html:1: a marketing mail needs the link {{ links.unsubscribe }}",
    ),
    "no postal address": (
        edit("emails/_layout/foot.html", "<p>{{ shop.postal_address }}</p>\n", ""),
        "emails/reminder/body.html:1: a marketing mail needs {{ shop.postal_address }}",
    ),
    "a link that leads nowhere": (
        edit(BODY, "<p>{{ event.item_count }} things</p>", '<a href="{{ event.recovery_url }}">Back</a>'),
        "emails/reminder/body.html:1: a link leads nowhere: “Back”",
    ),
    "a subject that may be empty": (
        {"emails/reminder/subject.txt": "{{ profile.first_name }}\n"},
        "emails/reminder/subject.txt:1: the subject is empty",
    ),
    "escape: lipsum": (
        edit(BODY, "event.item_count", "lipsum(100000)"),
        "emails/reminder/body.html:2: a call cannot be used in a mail",
    ),
    "escape: a giant range": (
        edit(BODY, "<p>{{ event.item_count }} things</p>", "{% for i in range(999999999) %}x{% endfor %}"),
        "emails/reminder/body.html:2: a call cannot be used in a mail",
    ),
    "escape: a string bomb": (
        edit(BODY, "event.item_count", "'x' * 999999999"),
        "emails/reminder/body.html: * is for numbers",
    ),
    "escape: attributes of Python": (
        edit(BODY, "event.item_count", "event.__class__.__mro__"),
        "emails/reminder/body.html:2: unknown name '__mro__'",
    ),
    "escape: the attr filter": (
        edit(BODY, "event.item_count", "event|attr('__class__')"),
        "emails/reminder/body.html:2: unknown filter 'attr'",
    ),
    "escape: attributes as items": (
        edit(BODY, "event.item_count", "event['__class__']"),
        "emails/reminder/body.html:2: 'event' has no '__class__'",
    ),
    "escape: nested loops": (
        edit(
            BODY,
            "<p>{{ event.item_count }} things</p>",
            "{% for a in event.items %}" * 3 + "many words " + "{% endfor %}" * 3,
        )
        | {"emails/reminder/sample.json": ITEMS},
        "emails/reminder/body.html: the mail is longer than 200000 characters",
    ),
    "escape: a macro without end": (
        edit(BODY, "<p>{{ event.item_count }} things</p>", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        "emails/reminder/body.html:2: the macro 'm' leads back to itself",
    ),
    "escape: a file that includes itself": (
        {"emails/_layout/foot.html": GOOD["emails/_layout/foot.html"] + '{% include "_layout/foot.html" %}'},
        "emails/_layout/foot.html:3: _layout/foot.html leads back to itself, or too many files deep",
    ),
    "escape: an import": (
        edit(BODY, "<p>{{ event.item_count }} things</p>", '{% from "os" import system %}'),
        "emails/reminder/body.html:2: there is no file os",
    ),
    "MJML that is none": (
        {BODY: "", "emails/reminder/body.mjml": "<mjml><mj-body><mj-section></mj-body></mjml>"},
        "emails/reminder/body.mjml:1: <mj-section> is not closed",
    ),
    "a file that is too large": (
        {BODY: GOOD[BODY] + "x" * 1_000_001},
        "emails/reminder/body.html: the file is too large",
    ),
    "a file in another encoding": ({"sms/hi.txt": b"Hi\nM\xfcnchen"}, "sms/hi.txt:2: the file is not UTF-8 text"),
    "an empty text message": ({"sms/hi.txt": " \n"}, "sms/hi.txt:1: the text is empty"),
    "a text message that is too long": (
        {"sms/hi.txt": "x" * 1601},
        "sms/hi.txt:1: the text is longer than 1600 characters",
    ),
    "an unknown value in a text message": (
        edit("sms/hi.txt", "profile.first_name", "profile.frist_name"),
        "sms/hi.txt:1: 'profile' has no 'frist_name'",
    ),
    "a marketing text that does not say who writes": (
        edit("sms/hi.txt", "{{ shop.name }}: h", "H"),
        "sms/hi.txt:1: a marketing text must say who writes",
    ),
    "a marketing text without a way out": (
        edit("sms/hi.txt", "Reply STOP to opt out", "See you"),
        "sms/hi.txt:1: a marketing text must say how to get no more",
    ),
    "a way out that nobody can answer": (
        edit("shops/acme.yaml", "'+447700900000'", "ACME"),
        "sms/hi.txt:1: nobody can answer “ACME”",
    ),
    "a text message in one language too few": (
        {"sms/hi/texts/de.yaml": "hello: Hallo\n", "sms/hi.txt": "{{ shop.name }}: {{ texts.hello }}. STOP?\n"},
        "sms/hi.txt: the text is not written in English",
    ),
    "a push message without body": (
        edit("push/hi.yaml", "body: It is still there\n", ""),
        "push/hi.yaml:1: body is missing",
    ),
    "a push message that leads nowhere": (
        {"push/hi.yaml": GOOD["push/hi.yaml"] + "url: acme\n"},
        "push/hi.yaml:3: url: this is no address on the web",
    ),
    "a file in the wrong folder": ({"flow/hello.yaml": GOOD[FLOW]}, "flow/hello.yaml: nothing reads this file"),
    "a picture beside a mail": (
        {"emails/reminder/logo.png": png()},
        'emails/reminder/logo.png: a picture does not belong here\n    → move it, and write src="assets/logo.png"',
    ),
    "a file that is not there": (
        edit("emails/reminder/body.html", "<p>Hello", '<img src="assets/lego.png" alt="Acme">\n<p>Hello'),
        "emails/reminder/body.html:1: there is no file assets/lego.png\n    → did you mean assets/logo.png?",
    ),
    "a file that is not there, in CSS": (
        {
            "emails/reminder/body.html": "<style>\np { background: url('assets/none.gif') }\n</style>\n"
            + GOOD["emails/reminder/body.html"]
        },
        "emails/reminder/body.html:2: there is no file assets/none.gif",
    ),
    "a file that is no picture, in a mail": (
        {
            "assets/site.js": "let x = 1;\n",
            **edit("emails/reminder/body.html", "<p>Hello", '<img src="assets/site.js" alt="Acme">\n<p>Hello'),
        },
        "emails/reminder/body.html:1: assets/site.js is no picture",
    ),
    "a file whose name a value gives": (
        edit("emails/reminder/body.html", "<p>Hello", '<img src="assets/{{ shop.id }}.png" alt="Acme">\n<p>Hello'),
        "emails/reminder/body.html:1: the name of a file in assets/ must be written out",
    ),
    "a link to a file": (
        edit("emails/reminder/body.html", "<p>Hello", '<p><a href="assets/logo.png">Look</a></p>\n<p>Hello'),
        "emails/reminder/body.html:1: “assets/logo.png” leads nowhere from a mail",
    ),
    "a logo that is not there": (
        {"brand.yaml": "logo:\n  url: assets/lego.png\n"},
        "brand.yaml:2: there is no file assets/lego.png",
    ),
    "a shop's logo that is not there": (
        edit("shops/acme.yaml", "currency: GBP", "logo: assets/x/y.png\ncurrency: GBP"),
        "shops/acme.yaml:8: there is no file assets/x/y.png",
    ),
    "a file of a kind that is not served": (
        {"assets/menu.pdf": b"%PDF-1.7"},
        "assets/menu.pdf: a file of this kind is not served\n    → there may be png, jpg,",
    ),
    "a picture that is none": ({"assets/logo.png": b"<html>"}, "assets/logo.png: this is no .png file"),
    "a picture under another ending": (
        {"assets/logo.png": jpeg()},
        "assets/logo.png: this is no .png file, it is a .jpg\n    → save it as .jpg, or export it again",
    ),
    "half a picture": ({"assets/logo.png": png()[:20]}, "assets/logo.png: the picture is broken"),
    "a picture that is too large": (
        {"assets/logo.png": png() + bytes(4_500_000)},
        "assets/logo.png: the file is too large: 4.5 MB",
    ),
    "a film": ({"assets/spring.mp4": bytes(9_000_000)}, "assets/spring.mp4: a file of this kind is not served"),
    "a file with a space in its name": (
        {"assets/my logo.png": png()},
        "assets/my logo.png: this name cannot be part of an address\n    → rename it:",
    ),
    "an SVG with a script": (
        {"assets/logo.svg": svg("\n<script>alert(1)</script>")},
        "assets/logo.svg:2: the SVG holds <script>\n    → export it as plain SVG, or better as PNG",
    ),
    "an SVG that loads something": (
        {"assets/logo.svg": svg('\n\n<image href="https://evil.example/x.png"/>')},
        "assets/logo.svg:3: the SVG loads something from elsewhere",
    ),
    "a style sheet that is no text": ({"assets/page.css": b"p {}\n\xff"}, "assets/page.css:2: the file is not UTF-8"),
    "a folder with a space": (
        {"emails/Reminder 2/body.html": "x"},
        "emails/Reminder 2/body.html: nothing reads this file",
    ),
    "a schedule that is none": (
        edit(
            FLOW,
            "  event: checkout.updated\n  when: event.items and profile.email\nentry:\n  key: event.id\n",
            "  schedule: {cron: 'every day'}\n",
        ),
        "flows/hello.yaml:3: 'every day' does not have five fields",
    ),
    "a shop's YAML": (edit(SHOP, "platform:", "\tplatform:"), "shops/acme.yaml:2: not valid YAML"),
    "an unknown platform": (edit(SHOP, "shopify", "magento"), "shops/acme.yaml:2: platform: "),
    "a line break in a sender": (
        edit(SHOP, "  name: Acme", '  name: "A\\0"'),
        "shops/acme.yaml:5: sender.name: it holds",
    ),
    "an empty postal address": (
        edit(SHOP, "Acme Ltd, 1 High Street, London N1", '""'),
        "shops/acme.yaml:7: postal_address: it is empty",
    ),
    "an unknown key of a shop": (
        edit(SHOP, "zone:", "zones: x\nzone:"),
        "shops/acme.yaml:10: zones means nothing here",
    ),
    "an empty shop": ({"shops/x.yaml": "# nothing\n"}, "shops/x.yaml:1: this file says nothing"),
    "a font that is code": (
        {"brand.yaml": 'font: "x; } body { display: none"\n'},
        "brand.yaml:1: font: a list of fonts",
    ),
    "a brand with a template in it": ({"brand.yaml": 'tagline: "{{ x }}"\n'}, "brand.yaml:1: tagline: it holds"),
    "an unknown value in a shared part": (
        edit(FOOT, "shop.postal_address", "shop.postal_adress"),
        "emails/_layout/foot.html:1: 'shop' has no 'postal_adress'",
    ),
    "a way out only for some": (
        edit(
            FOOT,
            '<p><a href="{{ links.unsubscribe }}">Enough</a></p>',
            '{% if profile.first_name %}<p><a href="{{ links.unsubscribe }}">Enough</a></p>{% endif %}',
        ),
        "emails/reminder/body.html:1: a marketing mail needs the link {{ links.unsubscribe }}",
    ),
    "a tag without its end": (edit(BODY, "things</p>", "things</h1>"), "emails/reminder/body.html:2: "),
    "a sample that does not fit": (
        {"emails/reminder/sample.json": '{"profile": {\n"first_name": 7}}\n'},
        "emails/reminder/sample.json:",
    ),
    "a file with another ending": ({"flows/welcome.yml": "x: 1\n"}, "flows/welcome.yml: nothing reads this file"),
    "a category that is none": ({"emails/reminder/mail.yaml": "category: urgent\n"}, "emails/reminder/mail.yaml:1: "),
}

#: Of these there is no line: a file is missing, cannot be read, or goes wrong only when it is tried out.
WITHOUT_LINE = {
    "a mail without subject",
    "a mail without sample",
    "a text message in one language too few",
    "a mail without body",
    "escape: a string bomb",
    "escape: nested loops",
    "a file that is too large",
    "a file in the wrong folder",
    "a file with another ending",
    "a folder with a space",
    "a picture beside a mail",
    "a file of a kind that is not served",
    "a picture that is none",
    "a picture under another ending",
    "half a picture",
    "a picture that is too large",
    "a film",
    "a file with a space in its name",
}


@pytest.fixture(scope="module")
def published() -> dict[str, bytes]:
    """A bucket in which the good content is live."""
    world = World()
    world.files.update({CONTENT + path: text.encode() for path, text in GOOD.items()})
    world.files[CONTENT + "assets/logo.png"] = png(20, 20)
    report = publish(world.blobs, world.clock)
    assert (report.outcome, report.warnings) == ("published", ())
    return world.files


def test_they_are_many() -> None:
    assert len(BROKEN) >= 40
    assert sum(name.startswith("escape") for name in BROKEN) >= 8


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_refused_with_one_message_and_nothing_moves(name: str, published: dict[str, bytes]) -> None:
    changed, said = BROKEN[name]
    world = World()
    world.files.update(published)
    for path, content in changed.items():
        if content:
            world.files[CONTENT + path] = content if isinstance(content, bytes) else content.encode()
        else:
            del world.files[CONTENT + path]
    before = {key: raw for key, raw in world.files.items() if not key.startswith("reports/")}

    report = publish(world.blobs, world.clock)

    assert report.outcome == "refused"
    (problem,) = report.problems
    assert problem.file is not None
    assert (problem.line is None) == (name in WITHOUT_LINE)
    assert said in world.files["reports/latest.txt"].decode()
    assert {key: raw for key, raw in world.files.items() if not key.startswith("reports/")} == before
    assert world.files[POINTER] == published[POINTER]
