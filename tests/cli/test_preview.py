"""`rekindle preview`: mails as people would get them, from a folder, while other mails there may be broken."""

from __future__ import annotations

import base64
import email
import email.policy
import html as htmllib
import re
import shutil
from pathlib import Path

import click
import pytest

from rekindle.cli.main import main
from tests.content.mailkit import TEMPLATES
from tests.support.content import few
from tests.support.pictures import png

PICTURES = TEMPLATES.parent / "local" / "pictures"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """Return a part of the content that ships, to break."""
    return few(tmp_path / "content", "cart-abandonment", "order-confirmation")


def run(content: Path, *arguments: str) -> int:
    return main(["preview", "--content", str(content), "--out", str(content.parent / "out"), *arguments])


def mails(content: Path) -> int:
    return len(list(content.glob("emails/*/subject.txt")))


def written(content: Path) -> set[str]:
    return {path.name for path in (content.parent / "out").iterdir()}


def test_a_mail_is_shown_in_three_files(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its HTML with drawn pictures, its text part, and a file that mail programs open."""
    assert run(content, "cart-reminder-1") == 0
    assert written(content) == {f"cart-reminder-1.en.{kind}" for kind in ("html", "txt", "eml")}
    told = capsys.readouterr().out
    assert "cart-reminder-1 in en, for maya@example.com, from Sample Shop" in told
    assert "Still thinking about Stoneware teapot" in told
    assert "We kept your basket for you" in told
    out = content.parent / "out"
    page = (out / "cart-reminder-1.en.html").read_text("utf-8")
    assert 'src="https://' not in page
    assert page.count('src="data:image/svg+xml,') == 3
    mail = email.message_from_bytes((out / "cart-reminder-1.en.eml").read_bytes(), policy=email.policy.default)
    assert (mail["To"], mail["From"]) == ("maya@example.com", "Sample Shop <hello@shop.example>")
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == (out / "cart-reminder-1.en.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("locale", "language", "said"),
    [("ar", "ar", "سلّتك"), ("zh-TW", "zh-Hant", "購物車"), ("zh_HK", "zh-Hant", "購物車"), ("en-AU", "en", "basket")],
)
def test_a_language_is_asked_for_by_any_of_its_names(
    content: Path, locale: str, language: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(content, "cart-reminder-1", "--locale", locale) == 0
    assert said in capsys.readouterr().out
    assert f"cart-reminder-1.{language}.html" in written(content)


def test_it_is_tried_with_somebody_of_ones_own(
    content: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose locale decides the language, and whose region how dates are written."""
    own = tmp_path / "own.json"
    moments = '"updated_at": "2026-03-02T11:20:00Z", "placed_at": "2026-03-02T11:20:00Z"'
    event = f'{{"type": "order", "id": "1", {moments}, "items": []}}'
    own.write_text(
        f'{{"profile": {{"first_name": "Omar", "email": "omar@example.com", "locale": "ar-LB"}}, "event": {event}}}'
    )
    assert run(content, "order-confirmation", "--profile", str(own)) == 0
    assert "order-confirmation in ar, for omar@example.com" in capsys.readouterr().out
    assert "2 آذار 2026" in (content.parent / "out" / "order-confirmation.ar.txt").read_text("utf-8")


def test_a_shop_of_the_folder_is_taken(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(TEMPLATES.parent / "local/content/shops", content / "shops", dirs_exist_ok=True)
    assert run(content, "order-confirmation", "--shop", "pedal-and-petal") == 0
    assert "from Pedal & Petal" in capsys.readouterr().out
    assert run(content, "order-confirmation") == 0
    assert "from Kettle & Leaf" in capsys.readouterr().out


def test_another_mail_may_be_broken(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (content / "emails/cart-reminder-2/body.html").write_text("<p>{{ nobody }}")
    assert run(content, "cart-reminder-1") == 0
    assert run(content, "--all") == 0
    told = capsys.readouterr()
    assert f"{mails(content) - 1} mails in " in told.out
    assert "left out: emails/cart-reminder-2/body.html:1" in told.err


def test_the_contact_sheet_has_everything_and_asks_nobody(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mail, in each language, at two widths, in the light and the dark, without scripts and without a network."""
    assert run(content, "--all", "--pictures", str(PICTURES)) == 0
    assert f"{mails(content)} mails in " in capsys.readouterr().out
    page = (content.parent / "out" / "index.html").read_text("utf-8")
    assert page.count("<iframe width") == mails(content) * 3 * 2 * 2
    assert page.count("<iframe") == page.count('sandbox="allow-same-origin"')
    assert page.count("default-src &#39;none&#39;; img-src data:") == page.count("<iframe")
    assert not re.search(r"src=(?:&#34;|\")https?:", page)
    assert "data:image/png;base64," in page
    assert "prefers-color-scheme: dark" not in page.partition("</style>")[2]
    assert run(content, "--all", "--locale", "ar") == 0
    assert f"{mails(content)} mails in " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a message, or write --all"),
        (("cart-reminder-1", "--all"), "--all takes no name"),
        (("nothing",), "has no message 'nothing': there are cart-reminder-1, "),
        (("cart-reminder-1", "--locale", "fr"), "cart-reminder-1 is not written in fr: there is ar, en, zh-Hant"),
        (("cart-reminder-1", "--locale", "klingon"), "--locale klingon: write a language"),
        (("--all", "--locale", "fr"), "no message is written in fr"),
        (("cart-reminder-1", "--shop", "acme"), "there is no shop 'acme'"),
        (("cart-reminder-1", "--email", "a@b.example"), "--email needs --stack and --shop"),
        (("cart-reminder-1", "--stack", "x"), "--stack is for --email or --send-to"),
        (("cart-reminder-1", "--send-to", "a@b.example"), "--send-to needs --stack, and one mail"),
        (("cart-reminder-1", "--profile", "nobody.json"), "does not exist"),
        (("--content", "nowhere", "x"), "does not exist"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_exit_2(
    content: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(content, *arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1


def test_what_is_wrong_with_the_mail_is_said_with_file_and_line(
    content: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (content / "emails/cart-reminder-1/texts/ar.yaml").write_text("title: x\nlead: '{{ nobody }}'\nlead: y")
    assert run(content, "cart-reminder-1") == 2
    assert capsys.readouterr().err.startswith("rekindle: emails/cart-reminder-1/texts/ar.yaml:3: ")
    broken = content.parent / "broken.json"
    broken.write_text('{\n"profile": {"frist_name": "x"}}')
    assert run(content, "order-confirmation", "--profile", str(broken)) == 2
    assert f"{broken}:2: the sample does not fit" in capsys.readouterr().err


def test_it_opens_what_it_wrote(content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    assert run(content, "cart-reminder-1", "--open") == 0
    assert run(content, "--all", "--open") == 0
    assert [address.rpartition("/")[2] for address in opened] == ["cart-reminder-1.en.html", "index.html"]


# --- files of assets/ ------------------------------------------------------------------------------------------------


@pytest.fixture
def pictured(content: Path) -> Path:
    """The content with a logo of its own in every mail, and a picture in one."""
    (content / "assets").mkdir(exist_ok=True)
    (content / "assets" / "logo.png").write_bytes(png(280, 80))
    (content / "brand.yaml").write_text("logo:\n  url: assets/logo.png\n", "utf-8")
    return content


def test_files_are_shown_in_the_mail_itself(pictured: Path) -> None:
    """Nobody serves them yet, and a preview can be sent to somebody as it is."""
    assert run(pictured, "cart-reminder-1") == 0
    out = pictured.parent / "out"
    whole = "data:image/png;base64," + base64.b64encode(png(280, 80)).decode()
    assert whole in (out / "cart-reminder-1.en.html").read_text("utf-8")
    mail = email.message_from_bytes((out / "cart-reminder-1.en.eml").read_bytes(), policy=email.policy.default)
    html = mail.get_body(("html",))
    assert html is not None
    assert whole in html.get_content()
    assert run(pictured, "--all") == 0
    assert whole in htmllib.unescape((out / "index.html").read_text("utf-8"))


def test_a_logo_that_is_not_there_is_said(pictured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictured / "assets" / "logo.png").unlink()
    assert run(pictured, "cart-reminder-1") == 2
    assert "brand.yaml: there is no file assets/logo.png" in capsys.readouterr().err


def test_a_file_that_is_wrong_does_not_keep_other_mails_from_being_shown(pictured: Path) -> None:
    (pictured / "assets" / "menu.pdf").write_bytes(b"%PDF")
    assert run(pictured, "cart-reminder-1") == 0


# --- texts and push messages -----------------------------------------------------------------------------------------

LINK = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/c/" + "t" * 42 + "/0"


@pytest.fixture
def shorts(tmp_path: Path) -> Path:
    """Return a folder with a mail, a text and a push message of one name, in two languages."""
    folder = tmp_path / "content"
    files = {
        "emails/back/subject.txt": "Back",
        "emails/back/body.html": "<p>Back</p>",
        "sms/back.txt": "{{ shop.name }}: {{ texts.waiting }} {{ event.recovery_url | default(shop.url) }}",
        "sms/back/texts/en.yaml": "waiting: It waits, {{ profile.first_name | default('friend') }}.",
        "sms/back/texts/ar.yaml": "waiting: في انتظارك يا {{ profile.first_name | default('صديقنا') }}.",
        "sms/back/sample.json": '{"profile": {"first_name": "Maya", "phone": "+447700900123"}}',
        "sms/plain.txt": "{{ shop.name }}: mind the gap 🚂",
        "push/back.yaml": "title: <b>Back</b>\nbody: As you left it\nimage: https://shop.example/a.png\n",
        "push/long.yaml": f"title: {'so much ' * 8}\nbody: x\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_text_is_shown_as_a_phone_does_with_what_it_costs(shorts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In segments of the alphabet that it takes, its links as long as those that go out."""
    assert run(shorts, "sms/back") == 0
    told = capsys.readouterr().out
    text = f"Sample Shop: It waits, Maya. {LINK}"
    assert "back, a text in en, for +447700900123, from Sample Shop" in told
    assert f"  says       {text}" in told
    assert f"  length     1 segment of GSM-7, {len(text)} characters" in told
    assert written(shorts) == {"sms.back.en.html", "sms.back.en.txt"}
    assert (shorts.parent / "out/sms.back.en.txt").read_text("utf-8") == f"{text}\n"
    assert f'<p class="bubble" dir="ltr">{text}</p>' in (shorts.parent / "out/sms.back.en.html").read_text("utf-8")


def test_a_text_from_right_to_left_is_shown_so(shorts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shorts, "sms/back", "--locale", "ar-EG") == 0
    assert "3 segments of UCS-2" in capsys.readouterr().out
    page = (shorts.parent / "out/sms.back.ar.html").read_text("utf-8")
    assert '<html lang="ar">' in page
    assert 'dir="rtl"' in page


def test_what_makes_a_text_dear_is_named(shorts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shorts, "plain") == 0
    assert "because of 🚂" in capsys.readouterr().out


def test_a_push_message_is_shown_as_a_phone_does(shorts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shorts, "push/back") == 0
    told = capsys.readouterr().out
    assert "back, a push message in en, for a browser, from Sample Shop" in told
    assert "  leads to   https://shop.example" in told
    page = (shorts.parent / "out/push.back.en.html").read_text("utf-8")
    assert "<b>&lt;b&gt;Back&lt;/b&gt;</b><p>As you left it</p>" in page
    assert 'src="data:image/svg+xml,' in page
    assert run(shorts, "long") == 0
    assert "The title has 63 characters: screens show about 50." in capsys.readouterr().out


def test_the_contact_sheet_has_texts_and_push_messages_too(shorts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shorts, "--all") == 0
    assert "1 mail, 2 texts, 2 push messages in ar, en, for Sample Shop" in capsys.readouterr().out
    page = (shorts.parent / "out/index.html").read_text("utf-8")
    assert page.count('<iframe class="phone"') == 5
    assert "en, 1 segment of GSM-7" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("back",), "several are called back: say which, emails/back or sms/back or push/back"),
        (("sms/nothing",), "has no message 'sms/nothing': there are back, sms/back, sms/plain, push/back, push/long"),
        (("plain", "--send-to", "a@b.example", "--stack", "x"), "--send-to is for mails, and sms/plain is none"),
    ],
)
def test_a_short_message_that_cannot_be_shown_is_one_line_and_exit_2(
    shorts: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shorts, *arguments) == 2
    assert message in capsys.readouterr().err
