"""Files that marketers upload: what is taken, where mails find it, and how it is served."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content import assets, media
from rekindle.content.assets import Look, Shelf, look, look_from_afar
from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.playbook import Mails, published_set
from rekindle.content.samples import SAMPLE_SHOP
from rekindle.content.validate import is_asset, validate
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Basket, Item
from rekindle.domain.profile import Profile, Run
from tests.support.content import some
from tests.support.pictures import gif, jpeg, png, svg, webp

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
LOGO, HERO = png(280, 80), jpeg(1200, 600)
FILES = {"assets/logo.png": LOGO, "assets/spring/hero.jpg": HERO, "assets/site.js": b"let x = 1;\n"}


def shelf(files: Mapping[str, bytes] = FILES) -> Shelf:
    return Shelf({path: look(path, raw) for path, raw in files.items()})


# --- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "raw", "size"),
    [
        ("assets/a.png", png(3, 5), (3, 5)),
        ("assets/a.jpg", jpeg(640, 480), (640, 480)),
        ("assets/a.jpeg", jpeg(1, 70), (1, 70)),
        ("assets/A.JPG", jpeg(9, 9), (9, 9)),
        ("assets/a.gif", gif(7, 8), (7, 8)),
        ("assets/a.webp", webp("VP8X", 4_000, 3), (4_000, 3)),
        ("assets/a.webp", webp("VP8L", 4_000, 3), (4_000, 3)),
        ("assets/a.webp", webp("VP8 ", 400, 3), (400, 3)),
        ("assets/a.svg", svg(), (0, 0)),
        ("assets/a.ico", b"\x00\x00\x01\x00\x01\x00", (0, 0)),
        ("assets/a.woff2", b"wOF2\x00\x01\x00\x00", (0, 0)),
        ("assets/a.js", b"alert('of ours')\n", (0, 0)),
        ("assets/a.css", "p { quotes: '»' }".encode(), (0, 0)),
        ("assets/spring/2026/a_b-c.1.png", png(), (2, 2)),
    ],
)
def test_a_file_is_taken_under_the_hash_of_its_content(path: str, raw: bytes, size: tuple[int, int]) -> None:
    found = look(path, raw)
    assert found.wrong == ""
    asset = found.asset
    assert asset is not None
    assert (asset.width, asset.height) == size
    assert asset.size == len(raw)
    assert asset.key == f"public/a/{asset.hash}/{path.rpartition('/')[2]}"
    assert media.key_of(asset.hash, asset.name) == asset.key
    assert look(path, raw) == found
    other = look(path, raw + b" ").asset
    assert other is None or other.hash != asset.hash


@pytest.mark.parametrize(
    ("path", "raw", "said"),
    [
        ("assets/a.pdf", b"%PDF-1.7", "a file of this kind is not served"),
        ("assets/a.html", b"<p>", "a file of this kind is not served"),
        ("assets/README", b"", "a file of this kind is not served"),
        ("assets/a b.png", png(), "this name cannot be part of an address"),
        ("assets/größe.png", png(), "this name cannot be part of an address"),
        ("assets/../a.png", png(), "this name cannot be part of an address"),
        ("assets/a%2fb.png", png(), "this name cannot be part of an address"),
        ("assets/a\r\nb.png", png(), "this name cannot be part of an address"),
        ("assets/-a.png", png(), "this name cannot be part of an address"),
        ("assets/a.png", b"", "the file is empty"),
        ("assets/a.png", jpeg(), "this is no .png file, it is a .jpg"),
        ("assets/a.jpg", b"<html>", "this is no .jpg file"),
        ("assets/a.gif", svg(), "this is no .gif file"),
        ("assets/a.png", png()[:18], "the picture is broken"),
        ("assets/a.png", png(0, 7), "the picture is broken"),
        ("assets/a.jpg", jpeg()[:12], "the picture is broken"),
        ("assets/a.jpg", b"\xff\xd8\xff\xd9", "the picture is broken"),
        ("assets/a.webp", b"RIFF\x00\x00\x00\x00WEBPXXXX", "the picture is broken"),
        ("assets/a.png", png() + bytes(media.MAX_ASSET), "the file is too large: 4.5 MB"),
        ("assets/a.js", b"\xff\xfe", "the file is not UTF-8 text"),
        ("assets/a.css", b"p{}\x00", "the file is not UTF-8 text"),
        ("assets/a.woff2", b"wOFF", "this is no .woff2 file"),
    ],
)
def test_what_cannot_be_served_says_what_is_wrong_and_what_to_do(path: str, raw: bytes, said: str) -> None:
    problem = look(path, raw).problem(path)
    assert problem is not None
    assert problem.message.startswith(said)
    assert problem.file == path
    assert problem.hint


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (svg("<script>alert(1)</script>"), "the SVG holds <script>"),
        (svg("<a><ScRiPt/></a>"), "the SVG holds <ScRiPt>"),
        (svg('<x:script xmlns:x="http://www.w3.org/2000/svg">1</x:script>'), "the SVG holds <script>"),
        (svg("<foreignObject><p/></foreignObject>"), "the SVG holds <foreignObject>"),
        (svg(attributes=' onload="alert(1)"'), "the SVG runs a script: onload"),
        (svg('<g ONCLICK="x()"/>'), "the SVG runs a script: onclick"),
        (svg('<a href="javascript:alert(1)"><g/></a>'), "the SVG loads something from elsewhere"),
        (
            svg('<a xlink:href="java&#10;script:alert(1)"/>', attributes=' xmlns:xlink="http://www.w3.org/1999/xlink"'),
            "the SVG loads something from elsewhere",
        ),
        (svg('<a><set attributeName="href" to="#"/></a>'), "the SVG runs a script: attributename"),
        (svg('<image href="https://evil.example/a.png"/>'), "the SVG loads something from elsewhere"),
        (svg('<image href="data:image/svg+xml,x"/>'), "the SVG loads something from elsewhere"),
        (svg("<style>@import 'https://evil.example/a.css';</style>"), "the SVG loads something from elsewhere"),
        (svg("<style>g{}<![CDATA[ p{fill:url( //evil.example )}]]></style>"), "the SVG loads something from elsewhere"),
        (svg('<g style="fill:url(https://evil.example)"/>'), "the SVG loads something from elsewhere"),
        (svg(head='<!DOCTYPE svg [<!ENTITY a "b">]>'), "the SVG declares entities"),
        (
            svg(head='<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>', inside="&a;"),
            "the SVG declares entities",
        ),
        (svg(head='<?xml-stylesheet href="https://evil.example/a.css"?>'), "the SVG holds <?xml-stylesheet"),
        (b"<svg>", "this is no SVG file"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml"/>', "this is no SVG file"),
        (svg("<g>"), "this is no SVG file: mismatched tag"),
        (b"\x89PNG", "this is no SVG file"),
    ],
)
def test_an_svg_draws_and_does_nothing_else(raw: bytes, said: str) -> None:
    found = look("assets/a.svg", raw)
    assert found.asset is None
    assert found.wrong.startswith(said)
    assert found.line is not None


@pytest.mark.parametrize(
    "raw",
    [
        svg('<defs><linearGradient id="a"/></defs><g fill="url(#a)"/><use href="#b"/>'),
        svg("<style>.a{fill:#123}.b{fill:url(#a)}</style>"),
        svg('<image href="data:image/png;base64,iVBORw0KGgo="/>'),
        svg(head='<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd">'),
        svg("<title>On sale &amp; new</title>"),
    ],
)
def test_what_drawing_programs_write_is_taken(raw: bytes) -> None:
    assert look("assets/a.svg", raw).wrong == ""


@given(st.binary(max_size=60), st.sampled_from(sorted(media.TYPES)))
def test_no_bytes_break_it(raw: bytes, kind: str) -> None:
    starts = [start for start, one in assets._SIGNATURES if one == kind] or [b"RIFF\x00\x00\x00\x00WEBPVP8X"]
    for made in (raw, starts[0] + raw):
        found = look(f"assets/a.{kind}", made)
        assert (found.asset is None) == bool(found.wrong)


def test_a_file_that_name_and_size_rule_out_is_not_read() -> None:
    for path, size in (("assets/film.mp4", 5), ("assets/a.png", 2_000_000_000), ("assets/a.png", 0)):
        afar = look_from_afar(path, size)
        assert afar is not None
        assert afar.asset is None
    assert look_from_afar("assets/a.png", media.MAX_ASSET) is None


def test_what_is_heavy_or_wide_is_worth_a_word() -> None:
    doubts = list(look("assets/a.png", png(2_401, 1) + bytes(1_000_000)).doubts("assets/a.png"))
    assert [(one.file, one.message) for one in doubts] == [
        ("assets/a.png", "the file is 1.0 MB"),
        ("assets/a.png", "the picture is 2401 pixels wide"),
    ]
    assert all(one.hint for one in doubts)
    assert not list(look("assets/a.png", png(2_400, 1)).doubts("assets/a.png"))


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("assets/a.png", True),
        ("assets/deep/er/a.png", True),
        ("assets/.DS_Store", False),
        ("assets/README.md", False),
        ("assets/x/", False),
        ("emails/assets/a.png", False),
    ],
)
def test_all_below_the_folder_are_files_of_it_but_for_what_programs_leave(path: str, is_one: bool) -> None:
    assert is_asset(path) is is_one


# --- in mails --------------------------------------------------------------------------------------------------------


def compiled(body: str, *, name: str = "body.html", brand: Brand | None = None) -> CompiledMail:
    found, problems = compile_mail("m", {"m/subject.txt": "Hello", f"m/{name}": body}, brand or Brand(), shelf=shelf())
    assert not problems, problems
    assert found is not None
    return found


def problems_of(body: str, files: Mapping[str, bytes] = FILES) -> tuple[ContentError, ...]:
    return compile_mail("m", {"m/subject.txt": "Hello", "m/body.html": body}, Brand(), shelf=shelf(files))[1]


def shown(found: CompiledMail, base: str) -> str:
    """Return the mail's HTML as it goes out."""
    shop = SAMPLE_SHOP
    mails = Mails(hash="h", templates={"m": found.template}, shops={shop.id: shop})
    profile = Profile(id="p", shop=shop.id, email="ada@example.com")
    basket = Basket(id="b", updated_at=T0, items=(Item(title="Tea", price=Decimal(3)),))
    run = Run(id="r", flow="f", version="v", playbook="h", entered_at=T0, expires_at=T0, trigger=basket)
    return mails.build("m", profile=profile, run=run, products={}, links={"assets": base}).html


def address(path: str, base: str = "https://links.tea.example") -> str:
    asset = shelf().asset(path)
    assert asset is not None
    return f"{base}/a/{asset.hash}/{asset.name}"


@pytest.mark.parametrize(
    "body",
    [
        '<img src="assets/logo.png" alt="Tea">',
        "<img src='assets/logo.png' alt='Tea'>",
        '<img alt="Tea" src=assets/logo.png>',
        '<table background="assets/logo.png"><tr><td>x</td></tr></table>',
        '<div style="background: url(assets/logo.png)">x</div>',
        "<div style=\"background-image:url('assets/logo.png')\">x</div>",
        "<style>.hero { background: url(assets/logo.png) }</style><div class='hero'>x</div>",
        "<style>@media (max-width: 9em) { .a { background: url('assets/logo.png') } }</style><div class='a'>x</div>",
        '{% for item in event.items %}<img src="assets/logo.png" alt="{{ item.title }}">{% endfor %}',
        '{% if event.total %}x{% else %}<img src="assets/logo.png" alt="Tea">{% endif %}',
    ],
)
def test_a_mail_shows_a_file_from_the_shops_own_domain(body: str) -> None:
    html = shown(compiled(body), "https://links.tea.example")
    assert address("assets/logo.png") in html
    assert "assets/" not in html
    assert media.HOST not in html


def test_a_folder_below_is_part_of_the_name_and_not_of_the_address() -> None:
    html = shown(compiled('<img src="assets/spring/hero.jpg" alt="">'), "https://links.tea.example")
    assert re.search(r'src="https://links\.tea\.example/a/[0-9a-f]{32}/hero\.jpg"', html)


def test_mjml_shows_files_too() -> None:
    body = (
        '<mjml><mj-body><mj-section background-url="assets/spring/hero.jpg"><mj-column>'
        '<mj-image src="assets/logo.png" alt="Tea" /></mj-column></mj-section></mj-body></mjml>'
    )
    html = shown(compiled(body, name="body.mjml"), "https://links.tea.example")
    assert address("assets/logo.png") in html
    assert address("assets/spring/hero.jpg") in html


def test_the_brands_logo_may_be_a_file() -> None:
    brand = Brand(logo=shelf().placed("assets/logo.png"))
    for source in ("{{ brand.logo }}", "{{ shop.logo or brand.logo }}"):
        found = compiled(f'<img src="{source}" alt="Tea">', brand=brand)
        mails = published_set(
            flows={}, shops={"sample": SAMPLE_SHOP}, templates={"m": found.template}, brand=brand, formats={}
        ).mails
        profile = Profile(id="p", shop="sample", email="ada@example.com")
        run = Run(id="r", flow="f", version="v", playbook="h", entered_at=T0, expires_at=T0)
        links = {"assets": "https://links.tea.example"}
        html = mails.build("m", profile=profile, run=run, products={}, links=links).html
        assert f'src="{address("assets/logo.png")}"' in html


def test_words_that_look_like_a_file_stay_words() -> None:
    html = shown(compiled("<p>Put it into assets/logo.png</p>"), "https://links.tea.example")
    assert "<p>Put it into assets/logo.png</p>" in html


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '\n<img src="assets/lego.png" alt="">',
            "emails/m/body.html:2: there is no file assets/lego.png (did you mean assets/logo.png?)",
        ),
        (
            '<img src="assets/x/y.gif" alt="">',
            "emails/m/body.html:1: there is no file assets/x/y.gif (upload the file to assets/, or correct the name)",
        ),
        (
            "<style>\np { background: url(assets/log.png) }\n</style><p>x</p>",
            "emails/m/body.html:2: there is no file assets/log.png (did you mean assets/logo.png?)",
        ),
        (
            '<img src="assets/site.js" alt="">',
            "emails/m/body.html:1: assets/site.js is no picture, and mails show nothing else (use a .png file)",
        ),
        (
            '<img src="/assets/logo.png" alt="">',
            'emails/m/body.html:1: “/assets/logo.png” leads nowhere from a mail (write src="assets/logo.png")',
        ),
        (
            '<img src="logo.png" alt="">',
            'emails/m/body.html:1: “logo.png” leads nowhere from a mail (write src="assets/logo.png")',
        ),
        (
            '<img src="o.png" alt="">',
            'emails/m/body.html:1: “o.png” leads nowhere from a mail (upload it to assets/, and write src="assets/…")',
        ),
        (
            '<a href="assets/logo.png">x</a>',
            "emails/m/body.html:1: “assets/logo.png” leads nowhere from a mail (write the whole address, with https://)",
        ),
        (
            '<img src="assets/{{ shop.id }}.png" alt="">',
            "emails/m/body.html:1: the name of a file in assets/ must be written out (choose between whole tags)",
        ),
        (
            '<img src="{% if event.total %}assets/logo.png{% endif %}" alt="">',
            "emails/m/body.html:1: assets/… must be the whole address of a picture (put {% if %} around whole tags)",
        ),
    ],
)
def test_a_file_that_is_not_there_is_named_with_file_and_line(body: str, said: str) -> None:
    assert [str(one) for one in problems_of(body)] == [said]


def test_a_mail_says_nothing_of_a_file_that_is_itself_wrong() -> None:
    """One thing is wrong, and that is said of the file."""
    assert problems_of('<img src="assets/logo.png" alt="">', {"assets/logo.png": b"no picture"}) == ()


def test_what_many_mail_programs_do_not_show_is_worth_a_word() -> None:
    files = {"assets/a.svg": svg(), "assets/b.webp": webp("VP8X"), "assets/c.gif": gif()}
    body = "".join(f'<img src="{path}" alt="">' for path in files)
    found, problems = compile_mail("m", {"m/subject.txt": "x", "m/body.html": body}, Brand(), shelf=shelf(files))
    assert found is not None
    assert problems == ()
    assert [(one.message, one.line) for one in found.doubts] == [
        ("many mail programs do not show assets/a.svg", 1),
        ("many mail programs do not show assets/b.webp", 1),
    ]


# --- the set as a whole ----------------------------------------------------------------------------------------------


def test_equal_content_has_an_equal_hash_and_another_picture_another_one() -> None:
    plain = validate(some("cart-abandonment")).published
    one, same, other = (
        validate(some("cart-abandonment") | {"assets/logo.png": raw}).published
        for raw in (png(9, 9), png(9, 9), png(9, 8))
    )
    assert plain is not None
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.hash == same.hash
    assert len({plain.hash, one.hash, other.hash}) == 3
    assert one.mails.assets["assets/logo.png"].width == 9


def test_a_file_that_was_looked_at_before_need_not_be_there() -> None:
    whole = validate(some("cart-abandonment") | FILES)
    known = {path: look(path, raw) for path, raw in FILES.items()}
    assert validate(some("cart-abandonment"), known) == whole


def test_logos_may_be_files_and_must_be_there() -> None:
    files = some("cart-abandonment") | {"assets/logo.png": LOGO, "assets/site.js": b"1"}
    brand = b"logo:\n  url: assets/logo.png\n"
    found = validate(files | {"brand.yaml": brand}).published
    assert found is not None
    assert found.mails.brand.logo == shelf().placed("assets/logo.png")
    for wrong, said in (
        ("assets/lego.png", "brand.yaml:2: there is no file assets/lego.png (did you mean assets/logo.png?)"),
        ("assets/site.js", "brand.yaml:2: assets/site.js is no picture (a logo is a .png, .jpg or .gif file)"),
    ):
        verdict = validate(files | {"brand.yaml": brand.replace(b"assets/logo.png", wrong.encode())})
        assert [str(one) for one in verdict.problems] == [said]


def test_looks_are_stored_and_read_again() -> None:
    looks = [look("assets/a.png", png()), look("assets/a.exe", b"MZ"), look("assets/a.svg", svg("<script/>"))]
    assert {type(one) for one in looks} == {Look}
    assert len({str(one.problem("x")) for one in looks}) == 3


# --- served ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hash_", "name"),
    [
        ("a" * 31, "a.png"),
        ("A" * 32, "a.png"),
        ("g" * 32, "a.png"),
        ("a" * 32 + "\n", "a.png"),
        ("a" * 32, ""),
        ("a" * 32, "a"),
        ("a" * 32, "a.exe"),
        ("a" * 32, "a.html"),
        ("a" * 32, ".png"),
        ("a" * 32, "../x.png"),
        ("a" * 32, "a/b.png"),
        ("a" * 32, "a.png\n"),
        ("a" * 32, "ä.png"),
        ("..", "x.png"),
    ],
)
def test_no_other_address_leads_into_the_bucket(hash_: str, name: str) -> None:
    assert media.key_of(hash_, name) is None


def test_a_picture_is_sent_whole_to_be_kept_for_ever_and_guessed_at_by_nobody() -> None:
    answer = media.answer("a" * 32, "Logo.PNG", LOGO, accept_encoding="gzip, br")
    headers = answer["headers"]
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(answer["body"]) == LOGO
    assert headers["Content-Type"] == "image/png"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize("accepts", ["gzip", "br, gzip;q=0.8", None, "br"])
def test_texts_are_packed_for_those_who_can_unpack(accepts: str | None) -> None:
    long = b"p { color: red }\n" * 200
    answer = media.answer("a" * 32, "site.css", long, accept_encoding=accepts)
    body = base64.b64decode(answer["body"])
    packed = answer["headers"].get("Content-Encoding") == "gzip"
    assert packed == ("gzip" in (accepts or ""))
    assert (gzip.decompress(body) if packed else body) == long
    assert answer["headers"]["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        (f'"{"a" * 32}"', True),
        (f'W/"{"a" * 32}"', True),
        (f'"x", W/"{"a" * 32}"', True),
        ("*", True),
        (f'"{"b" * 32}"', False),
        ("", False),
        (None, False),
    ],
)
def test_who_has_it_is_told_so(sent: str | None, known: bool) -> None:
    assert media.unchanged("a" * 32, sent) is known
    answer = media.answer("a" * 32, "logo.png", None)
    assert (answer["statusCode"], "body" in answer) == (304, False)
    assert answer["headers"]["ETag"] == f'W/"{"a" * 32}"'


def test_the_largest_file_fits_into_a_functions_answer() -> None:
    """Lambda takes 6 MB back, the envelope included."""
    answer = media.answer("a" * 32, "a" * 96 + ".png", bytes(media.MAX_ASSET))
    assert len(str(answer)) < 6 * 1024 * 1024


def test_a_file_that_is_not_there_is_kept_by_nobody() -> None:
    answer = media.missing()
    assert answer["statusCode"] == 404
    assert answer["headers"]["Cache-Control"] == "no-store"
