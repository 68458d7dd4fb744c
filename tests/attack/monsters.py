"""The largest and worst that anybody may send or upload, each read once: run as a program, under limits of its own.

    python -m tests.attack.monsters <which>

Prints how much memory it took, in MB. It dies of its limits when something needs more: `test_bounds` sets them.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator, Mapping

from rekindle.domain.errors import ContentError, RequestError

_BODY = 4_400_000
_FILE = 290_000
#: Settings take longer to read, and are never nearly as long.
_SETTINGS = 120_000


def _filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    return head + unit * ((_BODY - len(head) - len(tail)) // len(unit)) + tail


def hooks() -> Iterator[tuple[str, str, bytes]]:
    """Yield platform, topic and a body that is as large as the door lets in."""
    lines = b'{"id": 1, "token": "c1", "cart_token": "c1", "checkout_token": "k1", "line_items": ['
    for platform, topic in (
        ("shopify", "orders/create"), ("shopify", "checkouts/update"), ("shopify", "carts/update"),
        ("shopify", "products/update"), ("woocommerce", "order.created"), ("woocommerce", "product.updated"),
    ):  # fmt: skip
        yield platform, topic, _filled(lines, b"{},", b"{}]}")
        yield platform, topic, _filled(lines, b'{"title":"a","quantity":1,"price":"1"},', b"{}]}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "meta_data": [', b'{"key":"a"},', b"{}]}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "tags": "', b"a,", b'"}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "tags": [', b'"a",', b'""]}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "name": "', b"&#9;", b'"}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "email": "', b"a.", b'@b.example"}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "phone": "', b"1 ", b'"}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "total_price": ', b"9", b"}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "total_price": 0.', b"9", b"}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "total_price": "0.', b"9", b'"}')
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "discount_codes": [', b'{"code":"a"},', b"{}]}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "refunds": [', b'{"id":1},', b"{}]}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "variants": [', b'{"price":"1"},', b"{}]}")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", "x": ', b"[", b"")
        yield platform, topic, _filled(b'{"id": 1, "token": "c1", ', b'"a":1,', b'"b":1}')
    for topic in ("customers/redact", "customers/data_request"):
        yield (
            "shopify",
            topic,
            _filled(
                b'{"shop_domain": "tea.myshopify.com", "customer": {"id": 1}, "orders_to_redact": [', b"1,", b"1]}"
            ),
        )


def webhooks() -> None:
    """Read every body that is as large as may be."""
    from rekindle.domain.events import encode_events
    from rekindle.shops import intake
    from tests.attack.targets import DOMAINS, SECRET, headers_of
    from tests.support.build import T0

    for platform, topic, body in hooks():
        with contextlib.suppress(RequestError):
            delivery = intake.parse(
                platform,  # type: ignore[arg-type]
                headers_of(platform, topic, body),  # type: ignore[arg-type]
                body,
                shop="tea",
                domain=DOMAINS[platform],  # type: ignore[index]
                secrets=(SECRET,),
                received_at=T0,
                region="NL",
            )
            encode_events(delivery.events)


def _unit(unit: str, size: int = _FILE) -> str:
    return unit * (size // len(unit))


def _many(unit: str) -> str:
    return _unit(unit, _SETTINGS)


#: Mails that made an earlier version of publish compute for hours, or took its process down with them.
MAILS: Mapping[str, str] = {
    "deep": "<div>" * 25_000 + "</div>" * 25_000,
    "deep, of one kind": "<b>" * 40_000 + "</b>" * 40_000,
    "deep tables": "<table><tr><td>" * 8_000 + "</td></tr></table>" * 8_000,
    "deep, and closed where they open": "<div/>" * 40_000,
    "just deep enough": "<div>" * 190 + "</div>" * 190,
    "comments without end": _unit("<!--"),
    "tags without end": _unit("<a "),
    "declarations": _unit("<![CDATA["),
    "styles in a comment": "<!--" + _unit("<style>") + "-->",
    "titles": _unit("<title></title>"),
    "spaces": "<p>" + _unit(" ") + "</p>",
    "spaces in a tag": "<p" + _unit(" ") + ">x</p>",
    "spaces and breaks": "<p>" + _unit(" \t\r") + "</p>",
    "quotes in a value": "{{ '" + _unit("\\'"),
    "quotes in a tag": '{% if "' + _unit('\\"'),
    "brackets": "{{ " + _unit("("),
    "openers": _unit("{{"),
    "comments of the language": _unit("{#"),
    "small elements": _unit("<b>a</b> "),
    "links": _unit("<a href='https://a.example'>a</a> "),
    "entities": _unit("&amp;"),
    "loops in loops": "{% for a in event.items %}" * 40 + "x" + "{% endfor %}" * 40,
    "rules": "<style>" + _unit("a{color:red}") + "</style><p>x</p>",
    "one long selector": "<style>" + _unit(".a ") + "{color:red}</style><i class='a'>x</i>",
}
TEXTS: Mapping[str, str] = {
    "spaces": _unit(" "),
    "spaces and breaks": _unit("   \n"),
    "tags": _unit("{% if 1 %}{% endif %} "),
    "quotes": "{{ '" + _unit("\\'"),
}
FILES: Mapping[str, str] = {
    "flat": _many("a: 1\n"),
    "a list": _many("- a\n"),
    "deep": _many("["),
    "deep maps": _many("{a: "),
    "questions": _many("? "),
    "a long text": "when: " + _many("x"),
    "a large number": "when: 0x" + _many("F"),
    "folded": "when: >\n" + _many("  a\n"),
    "quotes": "when: '" + _many("''"),
    "escapes": 'when: "' + _many("\\u0061") + '"',
    "anchors": _many("- &a b\n"),
}


def content() -> None:
    """Look at every upload that was made to hurt."""
    from rekindle.content.mails import tidy
    from rekindle.content.validate import validate

    rest = {"emails/a/subject.txt": b"Hi", "emails/a/sample.json": b"{}"}
    for name, body in MAILS.items():
        _tell(name, lambda body=body: validate({"emails/a/body.html": body.encode(), **rest}))  # type: ignore[misc]
    for unit in ("<mj-wrapper>", "<mj-section>", "<mj-text>"):
        deep = f"<mjml><mj-body>{unit * 9_000}{unit.replace('<', '</') * 9_000}</mj-body></mjml>"
        _tell(unit, lambda deep=deep: validate({"emails/a/body.mjml": deep.encode(), **rest}))  # type: ignore[misc]
    for name, text in TEXTS.items():
        plain = {"emails/a/body.html": b"<p>x</p>", "emails/a/body.txt": text.encode(), **rest}
        _tell(f"text: {name}", lambda plain=plain: validate(plain))  # type: ignore[misc]
        _tell(f"tidied: {name}", lambda text=text: tidy(text))  # type: ignore[misc]


def settings() -> None:
    """Read every file of settings that was made to hurt, as whatever file it may be."""
    from rekindle.content.shorts import compile_push
    from rekindle.content.sources import parse_brand, parse_shop
    from rekindle.flow.definition import parse_flow, parse_segment, parse_traits

    def parse_push(text: str, file: str) -> object:
        return compile_push("x", {file.removeprefix("x/"): text})

    for name, text in FILES.items():
        parse = (parse_flow, parse_segment, parse_traits, parse_brand, parse_push, parse_shop)[len(name) % 6]
        _tell(name, lambda text=text, parse=parse: parse(text, file="x/x.yaml"))  # type: ignore[misc]


def _tell(name: str, read: Callable[[], object]) -> None:
    sys.stderr.write(f"{name}\n")
    sys.stderr.flush()
    with contextlib.suppress(ContentError):
        read()


def main(which: str) -> None:
    """Let one kind of monster loose, and print the most memory that was held."""
    {"webhooks": webhooks, "content": content, "settings": settings}[which]()
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit}\n")


if __name__ == "__main__":
    main(sys.argv[1])
