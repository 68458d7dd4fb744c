"""Text from outside stays text: in headers, logs, pages, mails, reports; and no link leads where somebody else says."""

from __future__ import annotations

import ast
import html
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from rekindle.aws.clients import Clients
from rekindle.aws.mailer import SesMailer
from rekindle.cli.imports import as_text
from rekindle.content.brand import Brand
from rekindle.content.compile import compile_mail
from rekindle.content.mails import MAX_SUBJECT, Rendered
from rekindle.content.pages import layout, unsubscribe
from rekindle.content.playbook import Mails, PublishedSet
from rekindle.content.samples import SAMPLE_SHOP, Sample, parse_sample, sample_of_mail
from rekindle.content.validate import CLIPPED
from rekindle.domain.errors import ContentError, MailRejectedError
from rekindle.domain.facts import Basket, Item, Person, Product
from rekindle.domain.profile import Profile, Run
from rekindle.ports import Mail
from rekindle.service.compose import sender_of
from tests.attack import hostile
from tests.attack.conftest import Doors
from tests.attack.targets import CLAIM, LINK_KEYS, Hook, headers_of
from tests.attack.test_endpoints import request
from tests.content.mailkit import shipped
from tests.support.build import ROOT, T0
from tests.support.worlds import session

SHORT = tuple(text for text in hostile.TEXTS if len(text) <= 5_000)
#: What a browser or a mail program would run, or take for a place of its own.
XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></textarea><iframe src=//evil.example>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e<script>",
    "{{ ''.__class__ }}<!--",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
)
LINKS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox",
    "file:///etc/passwd",
    'https://tea.example/"onclick="alert(1)',
    "https://tea.example/'><script>",
    "https:evil.example",
    "\\\\evil.example",
    "blob:https://evil.example/1",
)


class Elements(HTMLParser):
    """What a browser makes of a document: elements, their attributes, and addresses."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "background"}]


def harmless(document: str) -> None:
    """Assert that nothing in a document runs, posts or embeds, and that its links go to the web or by mail."""
    found = Elements(document)
    assert not found.names & {"script", "iframe", "object", "embed", "base", "form", "svg", "textarea", "input"}
    assert not [name for name in found.attributes if name.startswith("on")]
    for address in found.addresses:
        assert re.match(r"https?://[\w.-]+([/?#:]|\Z)|mailto:[^?]+\Z", address), address
        assert "evil.example" not in address.partition("?")[0]


# --- mails -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(what_ships: PublishedSet) -> PublishedSet:
    return what_ships


def mail_of(published: PublishedSet, name: str, text: str, link: str) -> Any:
    """Return a shipped mail in which everything that comes from outside is `text`, and every address `link`."""
    basket = Basket(
        id="c1", updated_at=T0, currency="EUR", recovery_url=link,
        items=(Item(title=text, quantity=1, product_id="p1", variant=text, sku=text),), item_count=1, codes=(text,),
    )  # fmt: skip
    product = Product(
        id="p1", updated_at=T0, title=text, url=link, image=link, image_alt=text, kind=text, vendor=text, tags=(text,)
    )
    person = Person(first_name=text, last_name=text, locale=text[:20], city=text)
    profile = Profile(id="p", shop=SAMPLE_SHOP.id, email="ada@example.com", person=person)
    run = Run(
        id="r", flow="cart-abandonment", version="v", playbook="h", entered_at=T0, expires_at=T0 + timedelta(days=9),
        trigger=basket, event_type="checkout.updated", key="c1", codes={"step": text},
    )  # fmt: skip
    mails: Mails = msgspec.structs.replace(published.mails, shops={SAMPLE_SHOP.id: SAMPLE_SHOP})
    links = {"unsubscribe": "https://l.example/u/t", "preferences": "https://l.example/p/t"}
    return mails.build(name, profile=profile, run=run, products={"p1": product}, links=links)


@pytest.mark.parametrize("text", [*XSS, *SHORT], ids=range(len(XSS) + len(SHORT)))
def test_a_hostile_title_or_name_stays_text_in_a_mail(published: PublishedSet, text: str) -> None:
    mail = mail_of(published, "cart-reminder-1", text, "https://tea.example/recover")
    harmless(mail.html)
    assert re.fullmatch(r"[^\r\n\x00-\x1f\x7f]*", mail.subject)
    assert "\x00" not in mail.text


@pytest.mark.parametrize("link", LINKS)
def test_an_address_from_outside_that_is_not_of_the_web_is_no_link(published: PublishedSet, link: str) -> None:
    harmless(mail_of(published, "cart-reminder-1", "Tea", link).html)


# --- every mail that ships, in every language -------------------------------------------------------------------------

#: What people call themselves and what shops call their goods, as an attacker would.
WORDS: Mapping[str, str] = {
    "a script": "<script>alert(1)</script>",
    "a script in an attribute": '" onmouseover="alert(1)" x="',
    "a template": "{{ 7 * 7 }}{% for a in b %}{# x",
    "the end of a comment": "--><img src=x onerror=alert(1)><!--",
    "a mark of ours": "jq0qj<!--jq:1-->",
    "an override of direction": "abc\u202egnp.exe\u202d",
    "isolates that do not end": "\u2067\u2066\u2068abc",
    "an end of isolates": "abc\u2069\u2069\u202c",
    "ten kilobytes": "Sencha " * 1_500,
    "ten kilobytes in one word": "x" * 10_000,
    "line breaks": "a\r\nBcc: everybody@evil.example\r\n\r\n<html>",
    "other line breaks": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "nul and the bell": "a\x00b\x07c\x1b[31md",
    "half a character": "a\ud800b",
    "a family": "👨‍👩‍👧‍👦🏳️‍🌈",
    "no width at all": "a\u200bb\u200cc\u200dd\ufeffe\u2060f",
    "nothing but what nobody sees": "\u200b\u2060\ufeff",
    "marks upon marks": "Z" + "\u0351\u0313\u0346" * 300,
    "an entity": "&lt;b&gt;&#x3c;script&#x3e;&amp;nbsp;",
}
#: Names that mail programs would make links of, and those that look like such to people.
LINKED_NAMES = (
    "https://evil.example",
    "www.evil.example",
    "evil.example",
    "Anna, win at evil.example/now",
    "anna@evil.example",
    "//evil.example",
    "рaypal.com",
    "evil。example",
    "evil．example",
    "evil｡example",
)
_FREE = frozenset({
    "first_name", "last_name", "city", "title", "variant", "sku", "kind", "vendor", "image_alt", "text", "reason",
    "number", "carrier", "tracking_number", "name", "query", "company", "line1", "line2", "status_text", "source",
})  # fmt: skip
_WHATEVER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066\u2067\ufeff\ud800-\udfff]")


def spoken(published: PublishedSet) -> Iterator[tuple[str, str, Sample]]:
    """Yield each shipped mail with each of its languages and its sample in that."""
    texts = {path: raw.decode() for path, raw in shipped().items() if path.endswith(".json")}
    for name, first in published.mails.templates.items():
        for locale in sorted({first.locale, *published.mails.translations.get(name, {})}):
            found = sample_of_mail(texts, name, locale)
            assert found is not None
            yield name, locale, found[0]


def reworded(given: Any, word: str, key: str = "") -> Any:
    """Return a sample, as plain values, in which every free text is this one."""
    if isinstance(given, dict):
        return {name: reworded(value, word, name) for name, value in given.items()}
    if isinstance(given, list):
        return [reworded(one, word, key) for one in given]
    return word if isinstance(given, str) and key in _FREE else given


def attacked(sample: Sample, word: str) -> Sample:
    """Return the sample in which everything that people or shops write says this."""
    changed = msgspec.convert(reworded(msgspec.to_builtins(sample), word), Sample)
    person = msgspec.structs.replace(changed.profile, first_name=word, last_name=word, city=word)
    return msgspec.structs.replace(changed, profile=person)


def as_sent(published: PublishedSet, name: str, locale: str, sample: Sample) -> Rendered:
    shop = SAMPLE_SHOP
    mails = msgspec.structs.replace(published.mails, shops={shop.id: shop})
    return sample.build(name, shop, mails, locale, sample.given(shop), counted=True)


def isolated(text: str) -> bool:
    """Whether whatever turns direction in a text ends where it should."""
    depth = 0
    for char in text:
        depth += (char == "\u2068") - (char == "\u2069")
        if depth < 0:
            return False
    return depth == 0


@pytest.fixture(scope="module")
def plain(published: PublishedSet) -> dict[tuple[str, str], str]:
    """Return the HTML of each mail in each language for somebody of an ordinary name."""
    return {
        (name, locale): as_sent(published, name, locale, attacked(sample, "Ann")).html
        for name, locale, sample in spoken(published)
    }


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_no_name_and_no_title_does_harm_in_any_mail_in_any_language(
    published: PublishedSet, plain: dict[tuple[str, str], str], word: str
) -> None:
    """In HTML, text, subject and on the wire: one table over all that ships."""
    mailer = SesMailer(Clients(session()), configuration_set="c")
    for name, locale, sample in spoken(published):
        mail = as_sent(published, name, locale, attacked(sample, word))
        where = f"{name} in {locale}"
        harmless(mail.html)
        assert not _WHATEVER.search(mail.html), where
        assert not _WHATEVER.search(mail.text), where
        assert "<!--jq" not in mail.html, where
        assert ("49" in mail.html) <= ("49" in plain[name, locale]), where
        assert mail.subject.strip(), where
        assert mail.subject.splitlines() == [mail.subject], where
        assert len(mail.subject) <= MAX_SUBJECT, where
        assert "\r" not in mail.text, where
        assert isolated(mail.subject), where
        assert isolated(mail.text), where
        assert len(mail.html) < CLIPPED, where
        request = mailer._request(
            Mail(
                message_id="m", sender="Tea <hello@tea.example>", to="ada@example.com", subject=mail.subject,
                html=mail.html, text=mail.text, headers={"X-Rekindle-Message": "m"}, tags={},
            )
        )  # fmt: skip
        json.dumps(request).encode("utf-8")
        mail.html.encode("utf-8")
    assert len(plain) >= 12


@pytest.mark.parametrize("word", LINKED_NAMES)
def test_a_name_that_is_a_link_is_nobodys_name_in_any_mail(published: PublishedSet, word: str) -> None:
    for name, locale, sample in spoken(published):
        person = msgspec.structs.replace(sample.profile, first_name=word, last_name=word)
        mail = as_sent(published, name, locale, msgspec.structs.replace(sample, profile=person))
        for part in (mail.subject, mail.text, html.unescape(mail.html)):
            assert word not in part, f"{name} in {locale}"


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: x@evil.example", "a\nSubject: x", "a\rTo: y", "a\r\n\r\n<html>", "a\u2028b", "a\x85b", "a\x0bb"]
)
def test_no_part_of_a_mail_becomes_a_header(text: str) -> None:
    """Whatever its fields hold: refused before SES sees it, or one line of an honest mail."""
    mailer = SesMailer(Clients(session()), configuration_set="c")
    plain: dict[str, Any] = {
        "message_id": "m", "sender": "Tea <hello@tea.example>", "to": "ada@example.com", "subject": "News", "html": "h",
        "text": "t", "headers": {"X-Rekindle-Message": "m"}, "tags": {}, "reply_to": "hello@tea.example",
    }  # fmt: skip
    for field in ("sender", "to", "subject", "reply_to"):
        try:
            made = mailer._request(Mail(**{**plain, field: text}))
        except MailRejectedError:
            continue
        raise AssertionError(made)
    for name, value in (("X-A", text), (text, "a"), ("X-A: b\r\nX-B", "a")):
        with pytest.raises(MailRejectedError):
            mailer._request(Mail(**{**plain, "headers": {name: value}}))


@pytest.mark.parametrize(
    "wanted",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "A <a@b.example> B <c@d.example>",
        "a@b.example>",
        "<a@b.example",
        "A\x00 <a@b.example>",
        '"A" <a@b.example>, x',
    ],
)
def test_a_sender_is_one_address_and_nothing_else(wanted: str) -> None:
    with pytest.raises(ContentError):
        sender_of(wanted, SAMPLE_SHOP)


# --- logs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [*SHORT, '"}\n{"level":"ERROR","message":"forged"', "\x1b[2J\x1b[31mred", "a\u2028{}"],
    ids=range(len(SHORT) + 3),
)
def test_a_line_of_the_log_is_one_line_whatever_is_in_it(
    doors: Doors, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """In the path, the topic and the ids: every line is JSON of its own, and no terminal obeys it."""
    for handler in doors.webhook.logger.handlers:
        handler.stream = sys.stdout
    hook = Hook("shopify", "carts/update", b'{"token": "c1", "line_items": []}')
    headers = headers_of(hook.platform, hook.topic, hook.body)
    for shop, changed in (
        (text, {}),
        ("tea", {"x-shopify-topic": text}),
        ("tea", {"x-shopify-event-id": text}),
        ("tea", {"x-shopify-hmac-sha256": text}),
    ):
        doors.webhook.handler(request(hook, shop, headers | changed), None)
    written = capsys.readouterr().out
    lines = written.split("\n")
    assert len([line for line in lines if line]) == 8
    for line in filter(None, lines):
        told = json.loads(line)
        assert told.get("level") in (None, "INFO", "WARNING")
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", line)


def test_nothing_is_logged_but_through_the_structured_logger() -> None:
    """No `print` in what is deployed, and no text put together for a logger."""
    for path in (*(ROOT / "functions").glob("*/app.py"), *(ROOT / "layers/core/rekindle").rglob("*.py")):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called != "print", path
            if called.startswith(("logger.", "_log.")):
                # What varies goes beside the message, so that nothing from outside is ever part of a format.
                assert isinstance(node.args[0], ast.Constant | ast.Attribute | ast.IfExp | ast.Name), (
                    path,
                    ast.unparse(node),
                )


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*XSS, *SHORT], ids=range(len(XSS) + len(SHORT)))
def test_a_shops_name_stays_text_on_a_page(text: str) -> None:
    look = layout.look_of(Brand(), msgspec.structs.replace(SAMPLE_SHOP, name=text))
    for page in (unsubscribe.ask("en", look), unsubscribe.done("en", look)):
        found = Elements(page.html)
        assert found.names <= {
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "a",
            "span",
            "main",
            "h1",
            "p",
            "bdi",
            "form",
            "button",
        }
        assert not [name for name in found.attributes if name.startswith("on")]
        assert found.addresses in ([SAMPLE_SHOP.url], [SAMPLE_SHOP.url, "?page=1"])


def test_a_page_is_kept_framed_and_followed_by_nobody() -> None:
    headers = layout.answer(200, layout.bad_link("en"))["headers"]
    policy = dict(part.split(maxsplit=1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "script-src" not in policy
    assert (headers["cache-control"], headers["referrer-policy"], headers["x-content-type-options"]) == (
        "no-store",
        "no-referrer",
        "nosniff",
    )


@pytest.mark.parametrize(
    "query",
    ["next=https://evil.example", "page=1&url=//evil.example", "redirect=%2F%2Fevil.example", "u=javascript:alert(1)"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_public_answer_leads_anywhere_else(doors: Doors, method: str, query: str) -> None:
    """There is no redirect in the product: nothing answers 3xx, and no page shows what its address says."""
    from rekindle.content.links import sign_unsubscribe

    for token in (sign_unsubscribe(LINK_KEYS, CLAIM), "//evil.example", "k1.https://evil.example"):
        event = {
            "headers": {},
            "pathParameters": {"token": token},
            "rawQueryString": query,
            "requestContext": {"http": {"method": method}},
        }
        answer = doors.links.handler(event, None)
        assert answer["statusCode"] in {200, 404}
        assert {name.lower() for name in answer["headers"]}.isdisjoint({"location", "refresh", "link"})
        assert "evil.example" not in answer["body"]
        assert 'http-equiv="refresh"' not in answer["body"]


# --- files -----------------------------------------------------------------------------------------------------------


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


#: What writes a list, and escapes every cell of it: what an import could not use.
_WRITES_CSV = "layers/core/rekindle/cli/imports.py"


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_of_a_list_is_no_formula(begins: str) -> None:
    assert as_text(f"{begins}cmd|' /C calc'!A0") == f"'{begins}cmd|' /C calc'!A0"
    assert as_text("line 7") == "line 7"


def test_nothing_else_writes_csv_or_a_spreadsheet() -> None:
    """So no formula can be planted in one. Whoever adds a writer escapes `= + - @`, tab and CR at a cell's start."""
    for path in (*(ROOT / "functions").glob("*/app.py"), *(ROOT / "layers/core/rekindle").rglob("*.py")):
        source = path.read_text("utf-8")
        assert not {"openpyxl", "xlsxwriter"} & set(_imports(ast.parse(source))), path
        # Reading one plants nothing.
        writes = re.findall(r"csv\.(?:writer|DictWriter)|from csv import", source)
        assert bool(writes) == (path == ROOT / _WRITES_CSV), path


def test_nothing_that_is_deployed_unpickles_evaluates_or_starts_a_shell() -> None:
    banned = {"pickle", "marshal", "shelve", "subprocess", "xml.etree.ElementTree", "xml.dom.minidom"}
    for path in (*(ROOT / "functions").glob("*/app.py"), *(ROOT / "layers/core/rekindle").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        assert not banned & set(_imports(tree)), path
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile", "__import__"}, path


# --- what a marketer uploads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        '{% include "../../etc/passwd" %}',
        '{% include "/etc/passwd" %}',
        '{% include "https://evil.example/x.html" %}',
        '{% extends "../flows/x.yaml" %}',
        "{{ ''.__class__.__mro__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ shop.__class__ }}",
        "{{ profile._private }}",
        "{{ event['__class__']() }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values_and_parts(part: str) -> None:
    found, problems = compile_mail("m", {"m/subject.txt": "Hi", "m/body.html": f"<p>{part}</p>"}, _brand())
    assert found is None
    assert problems


@pytest.mark.parametrize(
    "css",
    [
        '<link rel="stylesheet" href="http://169.254.169.254/latest">',
        "<style>@import url(http://169.254.169.254/);</style>",
        '<mj-include path="/etc/passwd" />',
    ],
)
def test_publish_fetches_nothing_that_a_template_names(css: str) -> None:
    """Sockets are off in this test: a fetch would raise."""
    compile_mail(
        "m", {"m/subject.txt": "Hi", "m/body.html": f"<html><head>{css}</head><body><p>x</p></body></html>"}, _brand()
    )
    body = "<mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section>"
    mjml = f"<mjml><mj-head>{css}</mj-head><mj-body>{body}</mj-body></mjml>"
    found, _ = compile_mail("m", {"m/subject.txt": "Hi", "m/body.mjml": mjml}, _brand())
    assert found is None or "root:" not in found.template.html


def _brand() -> Any:
    from rekindle.content.brand import Brand

    return Brand()


def test_a_sample_cannot_pass_for_something_else() -> None:
    with pytest.raises(ContentError):
        parse_sample('{"event": {"type": "privacy", "wish": "erase_shop"}}', "emails/a/sample.json")
