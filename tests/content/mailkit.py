"""Small pieces that the tests of content share: a folder of files, and mails made out of it."""

from __future__ import annotations

from pathlib import Path

from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.mails import MailTemplate
from rekindle.content.samples import Sample, sample_of_mail
from rekindle.domain.errors import ContentError

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def shipped() -> dict[str, bytes]:
    """Return the files that the repository ships, as they lie in the content bucket."""
    return {
        path.relative_to(TEMPLATES).as_posix(): path.read_bytes() for path in TEMPLATES.rglob("*") if path.is_file()
    }


def shipped_sample(name: str, locale: str = "en") -> Sample:
    """Return the sample that a shipped mail has in a language."""
    texts = {path: content.decode() for path, content in shipped().items() if path.endswith(".json")}
    found = sample_of_mail(texts, name, locale)
    assert found is not None
    return found[0]


def compiled(body: str, *, brand: Brand | None = None, **files: str) -> MailTemplate:
    """Return the mail `m` with this `body.html`; `files` are others by name, with `_` for the dot of `body_txt`."""
    found, problems = look(body, brand=brand, **files)
    assert not problems, problems
    assert found is not None
    return found.template


def refused(body: str, **files: str) -> ContentError:
    """Return the one thing that is wrong with this mail."""
    _, problems = look(body, brand=None, **files)
    assert len(problems) == 1, problems
    return problems[0]


def look(
    body: str, *, brand: Brand | None = None, **files: str
) -> tuple[CompiledMail | None, tuple[ContentError, ...]]:
    """Return what `compile_mail` says of the mail `m`."""
    named = {f"m/{name.replace('_', '.')}": text for name, text in files.items() if not name.startswith("layout")}
    layouts = {
        f"_layout/{name.removeprefix('layout_')}.html": text
        for name, text in files.items()
        if name.startswith("layout")
    }
    return compile_mail("m", {"m/subject.txt": "Hello", "m/body.html": body, **named, **layouts}, brand or Brand())
