"""A folder of content, with drafts laid over it, as the playbook that a simulation plays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from msgspec.structs import replace

from rekindle.content.validate import validate
from rekindle.domain.errors import ContentError
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Flow, Notify, Playbook, Send, Shop

_STAND_IN = (
    "<!doctype html><html lang=en><head><title>{{ shop.name }}</title></head><body><p>{{ shop.name }}</p>"
    '<p>{{ shop.postal_address }}</p><p><a href="{{ links.unsubscribe }}">Unsubscribe</a></p></body></html>'
)


#: Left behind by programs, beside what is hidden.
_LEFTOVERS = frozenset({"Thumbs.db", "desktop.ini"})


def folder_files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path there, but for what programs leave behind (`is_leftover`)."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not is_leftover(name)}


def is_leftover(path: str) -> bool:
    """Whether this is nobody's content: hidden, or in a hidden folder such as .git, or a file manager's own."""
    return any(part.startswith(".") or part in _LEFTOVERS for part in path.split("/"))


def playbook_of(folder: Path) -> Playbook:
    """Return what this folder would publish, switched as its files say. Raises `click.ClickException`."""
    files = folder_files(folder)
    if not files:
        raise click.ClickException(f"{folder} holds no files")
    return _published(files, str(folder))


def playbook_with(folder: Path, drafts: Iterable[Path]) -> tuple[Playbook, tuple[str, ...]]:
    """Return the drafts alone, switched on in every shop, with the folder's shops, segments and manners.

    A mail that a draft names and that is not written yet is stood in for; the second value names those. Raises
    `click.ClickException`.
    """
    files = folder_files(folder) if folder.is_dir() else {}
    names: list[str] = []
    missing: set[str] = set()
    for path in drafts:
        name = path.stem
        raw = path.read_bytes()
        flow = _parsed(raw, path)
        files[f"flows/{name}.yaml"] = raw
        names.append(name)
        missing |= _stand_in(files, flow)
    book = _published(files, str(folder))
    return only(book, names), tuple(sorted(missing))


def only(book: Playbook, names: Iterable[str]) -> Playbook:
    """Return the playbook with these flows alone, on in every shop."""
    wanted = [name for name in names if name in book.flows]
    on = dict.fromkeys(wanted, True)
    return replace(
        book,
        flows={name: book.flows[name] for name in sorted(wanted)},
        shops={shop.id: replace(shop, flows=on) for shop in book.shops.values()},
    )


def with_shops(book: Playbook, shops: Mapping[str, Shop], *, drafts: bool) -> Playbook:
    """Return the playbook with shops that it does not have itself; where only drafts are played, these are on there."""
    on = dict.fromkeys(book.flows, True)
    more = {name: replace(shop, flows=on) if drafts else shop for name, shop in shops.items() if name not in book.shops}
    return replace(book, shops={**book.shops, **more}) if more else book


def _parsed(raw: bytes, path: Path) -> Flow:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: the file is not UTF-8 text") from error
    flow, problems = parse_flow(text, file=str(path))
    if flow is None:
        raise _refusal(problems, str(path))
    return flow


def _stand_in(files: dict[str, bytes], flow: Flow) -> set[str]:
    there = {path.split("/")[1] for path in files if path.startswith("emails/") and path.count("/") > 1}
    missing: set[str] = set()
    for step in flow.steps.values():
        if isinstance(step, Notify) or (isinstance(step, Send) and step.channel == "email"):
            category = step.category if isinstance(step, Send) else "transactional"
            if step.template in there or step.template in missing:
                continue
            mail = f"emails/{step.template}"
            files[f"{mail}/body.html"] = _STAND_IN.encode()
            files[f"{mail}/subject.txt"] = b"{{ shop.name }}\n"
            files[f"{mail}/mail.yaml"] = f"category: {category}\n".encode()
            files[f"{mail}/sample.json"] = json.dumps({"profile": {"first_name": "Maya"}}).encode()
            missing.add(step.template)
    return missing


def _published(files: Mapping[str, bytes], folder: str) -> Playbook:
    verdict = validate(files)
    if verdict.published is None:
        raise _refusal(verdict.problems, folder)
    return verdict.published.playbook


def _refusal(problems: Iterable[ContentError], folder: str) -> click.ClickException:
    first, *more = problems
    rest = f" (and {len(more)} more: rekindle lint {folder} lists them)" if more else ""
    return click.ClickException(f"{first}{rest}")
