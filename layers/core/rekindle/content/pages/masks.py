"""How much of an address a page may show: whoever owns it recognises it, and nobody else learns it."""

from __future__ import annotations

from markupsafe import Markup

#: However long what is hidden: its length says nothing.
_HIDDEN = "••"
_LAST = 2


def email(address: str) -> Markup:
    """Return `a••@e…` for an e-mail address, from left to right in any text."""
    local, _, domain = address.rpartition("@")
    return _apart(f"{local[:1]}{_HIDDEN}@{domain[:1]}…")


def phone(number: str) -> Markup:
    """Return the last two digits of a telephone number behind dots."""
    digits = "".join(digit for digit in number if digit.isdigit())
    return _apart(f"{_HIDDEN}{digits[-_LAST:]}")


def _apart(text: str) -> Markup:
    return Markup('<bdi dir="ltr">{}</bdi>').format(text)
