"""A shop's file for the content, `shops/<id>.yaml`: written anew from what is known, or one answer changed in it.

Whatever else somebody has written there stays as it is, comments among it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from rekindle.content import languages, locales
from rekindle.domain.errors import ContentError

#: What a plain YAML text may look like without anybody taking it for something else.
_PLAIN = re.compile(r"[A-Za-z][\w@./:+ -]*[\w/]\Z")
_NOT_TEXT = frozenset({"on", "off", "yes", "no", "true", "false", "null", "y", "n"})
#: The words of a mail in one language.
_CATALOGUE = re.compile(r"emails/[^_/][^/]*/texts/([\w-]+)\.yaml\Z")
#: The key with all lines that are indented under it, and what is blank or a comment between those.
_OWN_MAILS = re.compile(r"^own_mails:[^\n]*\n?(?:(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]+[^\s#][^\n]*\n?)*", re.MULTILINE)
_OWN_MAILS_SAID = "the shop's own order and cart mails; off once they are switched off there"


class NewShop(Struct, frozen=True, kw_only=True):
    """What a shop's file must say, as far as it is known; empty where it is not."""

    platform: str
    name: str = ""
    url: str = ""
    sender_name: str = ""
    sender_email: str = ""
    postal_address: str = ""
    currency: str = ""
    locale: str = ""
    zone: str = ""

    def lacking(self) -> tuple[str, ...]:
        """Return which fields are not known."""
        needed = ("name", "url", "sender_email", "postal_address", "currency", "locale", "zone")
        return tuple(field for field in needed if not getattr(self, field))


def path_of(shop: str) -> str:
    """Return where a shop's file lies in the content."""
    return f"shops/{shop}.yaml"


def written(shop: str, new: NewShop) -> str:
    """Return the text of a new shop's file. Raises `ContentError` for what is not known."""
    lacking = new.lacking()
    if lacking:
        options = ", ".join("--" + field.replace("_", "-").replace("sender-email", "sender") for field in lacking)
        hint = f"give {options}" if len(lacking) == 1 else f"give these: {options}"
        raise ContentError("the shop does not say all that its file needs", file=path_of(shop), hint=hint)
    lines = [
        f"# {path_of(shop)}: what is needed. templates/shops/README.md shows all that there is.",
        f"name: {_text(new.name)}",
        f"platform: {new.platform}",
        f"url: {_text(new.url)}",
        "sender:",
        f"  name: {_text(new.sender_name or new.name)}",
        f"  email: {_text(new.sender_email)}",
        f"postal_address: {_text(new.postal_address)}",
        f"currency: {_text(new.currency)}",
        f"locale: {_text(new.locale)}",
        f"zone: {_text(new.zone)}",
        f"own_mails: on    # {_OWN_MAILS_SAID}",
    ]
    return "\n".join(lines) + "\n"


def unwritten(shop: str, locale: str, files: Iterable[str]) -> str:
    """Return what to do where none of the mails is written in the shop's language, else nothing.

    `files` are paths in the content: publish would refuse the shop's mails one by one.
    """
    found = {languages.canonical(match.group(1)) for path in files if (match := _CATALOGUE.match(path))}
    if not found or languages.pick(found, locale) is not None:
        return ""
    instead = "en" if "en" in found else min(found)
    return (
        f"No mail is written in {locales.name(languages.base(locale))}, and publish refuses what is not: add"
        f" emails/<mail>/texts/{languages.base(locale)}.yaml for each mail, or the line locales: [{instead}] to"
        f" {path_of(shop)} for mails in {locales.name(instead)}."
    )


def with_own_mails(text: str, answers: Mapping[str, bool]) -> str:
    """Return a shop's file that gives these answers: `orders` or `carts` → whether the shop still sends its own."""
    if len(set(answers.values())) == 1 and len(answers) > 1:
        said = "on" if next(iter(answers.values())) else "off"
    else:
        said = "{" + ", ".join(f"{kind}: {'on' if on else 'off'}" for kind, on in answers.items()) + "}"
    line = f"own_mails: {said}    # {_OWN_MAILS_SAID}\n"
    if _OWN_MAILS.search(text):
        return _OWN_MAILS.sub(lambda _: line, text, count=1)
    return text + ("" if text.endswith("\n") or not text else "\n") + line


def _text(value: str) -> str:
    plain = " ".join(value.split())
    safe = _PLAIN.match(plain) and plain.lower() not in _NOT_TEXT and ": " not in plain
    return plain if safe else json.dumps(plain, ensure_ascii=False)
