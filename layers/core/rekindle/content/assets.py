"""Look at the files under `assets/` before they are published: is each what its name says, small enough, harmless?

And find where mails use them. A mail says `src="assets/logo.png"`, as a page beside that folder would; publish makes
the file's own address of it (`rekindle.content.media`). Publish only; pure.
"""

from __future__ import annotations

import difflib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from xml.parsers import expat

import msgspec
from msgspec import Struct

from rekindle.content.media import FOLDER, MAX_ASSET, NAME, PICTURES, TYPES, Asset, ending
from rekindle.content.pieces import Piece
from rekindle.domain import ids
from rekindle.domain.errors import ContentError

#: From here on a file is worth a word: people open mails on the train.
HEAVY = 1_000_000
#: Wider than this is no screen that shows a mail at twice its 600 pixels, and then some.
WIDE = 2_400

_PATH = re.compile(rf"{FOLDER}(?:{NAME}/)*{NAME}\Z")
_ATTRIBUTES = "src|background|background-url"
# Where a mail names one: as the value of such an attribute, or in CSS.
_USE = re.compile(rf"""(?:(?<=[\s"'])(?:{_ATTRIBUTES})\s*=\s*["']?\s*|url\(\s*["']?\s*)({FOLDER}[^\s"'()<>]*)""")
#: What mail programs show everywhere; the others many of them do not.
_SAFE = frozenset({"png", "jpg", "jpeg", "gif"})

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"wOF2", "woff2"),
)
_NAMES = {"jpeg": "jpg"}
_PASSIVE_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp)[;,]", re.IGNORECASE)
_CSS_LOADS = re.compile(r"@import|url\(\s*['\"]?\s*(?!#|data:image/(?:png|jpeg|gif|webp)[;,])", re.IGNORECASE)
_ACTIVE = frozenset({"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "listener"})
_SVG = "http://www.w3.org/2000/svg"


class Look(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen of one uploaded file: the `asset` that it can be published as, or what is wrong with it."""

    asset: Asset | None = None
    wrong: str = ""
    hint: str = ""
    line: int | None = None

    def problem(self, path: str) -> ContentError | None:
        """Return what keeps it from being published."""
        return ContentError(self.wrong, file=path, line=self.line, hint=self.hint) if self.asset is None else None

    def doubts(self, path: str) -> Iterator[ContentError]:
        """Yield what is worth a word."""
        if self.asset is None:
            return
        if self.asset.size > HEAVY:
            hint = "make it smaller: most readers see it on a phone, and some give up before it is there"
            yield ContentError(f"the file is {self.asset.size / 1e6:.1f} MB", file=path, hint=hint)
        if self.asset.width > WIDE:
            said = f"the picture is {self.asset.width} pixels wide"
            hint = f"{WIDE // 2} are enough for any mail, {WIDE} for the finest screen"
            yield ContentError(said, file=path, hint=hint)


class _UnfitError(Exception):
    """The file cannot be published: what is wrong, what to do, and where."""

    def __init__(self, wrong: str, hint: str, line: int | None = None) -> None:
        super().__init__(wrong)
        self.look = Look(wrong=wrong, hint=hint, line=line)


def look(path: str, raw: bytes) -> Look:
    """Return what the file `path` (below the content folder) is."""
    try:
        kind = _named(path)
        _sized(len(raw))
        width, height = _measured(kind, raw)
    except _UnfitError as unfit:
        return unfit.look
    name = path.rpartition("/")[2]
    return Look(asset=Asset(hash=ids.digest("asset", raw), name=name, size=len(raw), width=width, height=height))


def look_from_afar(path: str, size: int) -> Look | None:
    """Return what is known of a file by its name and size alone, where that is enough: it is not to be read then."""
    try:
        _named(path)
        _sized(size)
    except _UnfitError as unfit:
        return unfit.look
    return None


def _sized(size: int) -> None:
    if not size:
        raise _UnfitError("the file is empty", "upload it again")
    if size > MAX_ASSET:
        hint = f"{MAX_ASSET / 1e6:.1f} MB are the most that can be served, and far too much for a mail: make it smaller"
        raise _UnfitError(f"the file is too large: {size / 1e6:.1f} MB", hint)


def _named(path: str) -> str:
    if not _PATH.match(path):
        hint = "rename it: only letters without accents, digits, dots, hyphens and underscores"
        raise _UnfitError("this name cannot be part of an address", hint)
    kind = ending(path)
    if kind not in TYPES or "." not in path:
        raise _UnfitError("a file of this kind is not served", f"there may be {', '.join(TYPES)}")
    return kind


# --- what is in it ---------------------------------------------------------------------------------------------------


def _measured(kind: str, raw: bytes) -> tuple[int, int]:
    """Return width and height; 0 where there are none."""
    if kind in {"js", "css"}:
        _readable(raw)
        return 0, 0
    if kind == "svg":
        _harmless(raw)
        return 0, 0
    found = _signed(raw)
    if found != _NAMES.get(kind, kind):
        hint = f"save it as .{found}, or export it again" if found else "export it again"
        raise _UnfitError(f"this is no .{kind} file{f', it is a .{found}' if found else ''}", hint)
    reader = {"png": _png, "jpg": _jpeg, "gif": _gif, "webp": _webp}.get(found)
    if reader is None:
        return 0, 0
    try:
        width, height = reader(raw)
    except (struct.error, IndexError):
        width = height = 0
    if not width or not height:
        raise _UnfitError("the picture is broken: it does not even say how large it is", "export it again")
    return width, height


def _signed(raw: bytes) -> str:
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _SIGNATURES if raw.startswith(start)), "")


def _png(raw: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", raw, 16)
    return (width, height) if raw[12:16] == b"IHDR" else (0, 0)


def _gif(raw: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", raw, 6)
    return width, height


# JPEG's markers (ISO 10918-1, table B.1): frames, which say how large the picture is, and those without a length.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_FILLING = 0xFF


def _jpeg(raw: bytes) -> tuple[int, int]:
    at = 2
    while at < len(raw) and raw[at] == _FILLING:
        marker = raw[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", raw, at + 5)
            return width, height
        if marker == _FILLING:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", raw, at + 2)
            at += 2 + max(2, length)
    return 0, 0


def _webp(raw: bytes) -> tuple[int, int]:
    form = raw[12:16]
    if form == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", raw, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", raw, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _readable(raw: bytes) -> None:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _UnfitError("the file is not UTF-8 text", "save it again with the encoding UTF-8", line) from error
    if "\x00" in text:
        raise _UnfitError("the file is not UTF-8 text", "save it again with the encoding UTF-8", 1)


class _Svg:
    """What an SVG may hold: shapes. Nothing that runs, and nothing from elsewhere."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._element
        self._parser.EntityDeclHandler = self._declared
        self._parser.ProcessingInstructionHandler = self._instructed
        self._parser.CharacterDataHandler = self._said
        self._parser.EndElementHandler = self._ended
        self._root = ""
        self._style: list[str] | None = None

    def read(self, raw: bytes) -> None:
        try:
            self._parser.Parse(raw, True)
        except expat.ExpatError as error:
            message = expat.errors.messages[error.code]
            raise _UnfitError(f"this is no SVG file: {message}", "export it again", error.lineno) from error

    def _unfit(self, what: str) -> _UnfitError:
        line = self._parser.CurrentLineNumber
        return _UnfitError(f"the SVG {what}", "export it as plain SVG, or better as PNG", line)

    def _element(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if not self._root:
            self._root = local
            if (space, local) != (_SVG, "svg"):
                raise _UnfitError("this is no SVG file", 'it begins with <svg xmlns="http://www.w3.org/2000/svg">', 1)
        if local.lower() in _ACTIVE:
            raise self._unfit(f"holds <{local}>")
        if local.lower() == "style":
            self._style = []
        for full, value in attributes.items():
            attribute = full.rpartition(" ")[2].lower()
            plain = re.sub(r"[\x00-\x20]", "", value).lower()
            if attribute.startswith("on"):
                raise self._unfit(f"runs a script: {attribute}")
            if attribute in {"href", "src"} and not plain.startswith("#") and not _PASSIVE_DATA.match(plain):
                raise self._unfit(f"loads something from elsewhere: {value[:60]}")
            if "javascript:" in plain or (attribute == "attributename" and plain.endswith("href")):
                raise self._unfit(f"runs a script: {attribute}")
            if _CSS_LOADS.search(value):
                raise self._unfit(f"loads something from elsewhere: {attribute}")

    def _ended(self, name: str) -> None:
        if name.rpartition(" ")[2].lower() == "style" and self._style is not None:
            # As a whole: it comes in parts, cut anywhere.
            if _CSS_LOADS.search("".join(self._style)):
                raise self._unfit("loads something from elsewhere in its <style>")
            self._style = None

    def _said(self, text: str) -> None:
        if self._style is not None:
            self._style.append(text)

    def _declared(self, *_: object) -> None:
        raise self._unfit("declares entities")

    def _instructed(self, target: str, _: str) -> None:
        raise self._unfit(f"holds <?{target} …?>")


def _harmless(raw: bytes) -> None:
    _Svg().read(raw)


# --- where mails use them --------------------------------------------------------------------------------------------


class Shelf:
    """The files that there are to use, by their path below the content folder, good ones and bad ones."""

    def __init__(self, looks: Mapping[str, Look] | None = None) -> None:
        self._looks = looks or {}

    def asset(self, path: str) -> Asset | None:
        """Return the file of this path, if it can be published."""
        found = self._looks.get(path)
        return found.asset if found is not None else None

    def lacks(self, path: str) -> tuple[str, str] | None:
        """Return what to say of a path that nothing stands at, and what to do; of a bad file enough is said already."""
        if path in self._looks:
            return None
        near = difflib.get_close_matches(path, sorted(self._looks), 1)
        hint = f"did you mean {near[0]}?" if near else f"upload the file to {FOLDER}, or correct the name"
        return f"there is no file {path}", hint

    @property
    def published(self) -> dict[str, Asset]:
        """Path → file of all that can be published."""
        return {path: found.asset for path, found in sorted(self._looks.items()) if found.asset is not None}

    def near(self, target: str) -> str | None:
        """Return the path of the file that is meant by another way to write it: `/assets/x.png`, `x.png`."""
        name = target.rpartition("/")[2]
        return next((path for path in sorted(self._looks) if path.rpartition("/")[2] == name), None)

    def place(self, masked: str) -> str:
        """Return HTML, MJML or CSS with each file's own address in place of its path."""

        def put(found: re.Match[str]) -> str:
            asset = self.asset(found.group(1))
            kept = found.group()[: found.start(1) - found.start()]
            return found.group() if asset is None else kept + asset.address

        return _USE.sub(put, masked)

    def placed(self, path: str | None) -> str | None:
        """Return what a setting names, as an address, where it is the path of a file."""
        asset = self.asset(path) if path is not None else None
        return asset.address if asset is not None else path

    def check(self, pieces: Sequence[Piece]) -> Iterator[tuple[ContentError, bool]]:
        """Yield what is wrong (True) or doubtful (False) about the files that a mail's source names."""
        for place, piece in enumerate(pieces):
            if piece.kind != "data":
                continue
            for found in _USE.finditer(piece.text):
                path, line = found.group(1), piece.line + piece.text.count("\n", 0, found.start(1))
                goes_on = found.end() == len(piece.text) and place + 1 < len(pieces)
                if goes_on and pieces[place + 1].kind != "data":
                    said, hint = "the name of a file in assets/ must be written out", "choose between whole tags"
                    yield ContentError(said, file=piece.file, line=line, hint=hint), True
                elif (lacking := self.lacks(path)) is not None:
                    yield ContentError(lacking[0], file=piece.file, line=line, hint=lacking[1]), True
                elif (asset := self.asset(path)) is not None:
                    yield from self._fits(asset, path, piece.file, line)

    def _fits(self, asset: Asset, path: str, file: str, line: int) -> Iterator[tuple[ContentError, bool]]:
        if asset.kind not in PICTURES:
            said = f"{path} is no picture, and mails show nothing else"
            yield ContentError(said, file=file, line=line, hint="use a .png file"), True
        elif asset.kind not in _SAFE:
            said = f"many mail programs do not show {path}"
            yield (
                ContentError(said, file=file, line=line, hint=f"save it as .png or .jpg instead of .{asset.kind}"),
                False,
            )


#: Nothing there to use.
NO_ASSETS = Shelf()

looks_decoder = msgspec.json.Decoder(dict[str, tuple[str, Look]])
