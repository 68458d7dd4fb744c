"""What is answered to whoever follows a link, or looks at the picture that tells of an opening. Pure."""

from __future__ import annotations

from typing import Any

#: One transparent pixel (GIF89a), 42 bytes, in Base64.
_PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
# Nobody may keep it, or learn from it which mail somebody came from.
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}


def redirect(address: str) -> dict[str, Any]:
    """Return the answer that leads on to this address, which must be fit for a header (`addresses.in_ascii`)."""
    return {"statusCode": 302, "headers": _HEADERS | {"location": address}, "body": ""}


def picture(status: int) -> dict[str, Any]:
    """Return the picture, whatever the status: a frame around nothing would be seen."""
    return {
        "statusCode": status,
        "headers": _HEADERS | {"content-type": "image/gif", "x-content-type-options": "nosniff"},
        "isBase64Encoded": True,
        "body": _PIXEL,
    }
