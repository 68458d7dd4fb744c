"""The smallest files of each kind, made here: pictures of a given size, without a library that draws them."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 2, height: int = 2) -> bytes:
    """Return a whole PNG file, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\x00" + bytes(width)) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int = 2, height: int = 2) -> bytes:
    """Return the head of a JPEG file, with a comment and filling before the frame, as cameras write them."""
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0\x00\x00"
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + comment + b"\xff" + frame + b"\xff\xd9"


def gif(width: int = 2, height: int = 2) -> bytes:
    """Return the head of a GIF file."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00;"


def webp(form: str, width: int = 2, height: int = 2) -> bytes:
    """Return the head of a WebP file of one of its three forms."""
    match form:
        case "VP8X":
            body = b"VP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little")
            body += (height - 1).to_bytes(3, "little")
        case "VP8L":
            body = b"VP8L" + struct.pack("<IBI", 5, 0x2F, (width - 1) | (height - 1) << 14)
        case _:
            body = b"VP8 " + struct.pack("<I", 10) + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def svg(inside: str = '<path d="M0 0h9v9z"/>', head: str = "", attributes: str = "") -> bytes:
    """Return an SVG file."""
    return f'{head}<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"{attributes}>{inside}</svg>'.encode()
