"""One Chromium for all pages, told what to do by the DevTools protocol over a pipe: no port, and nothing to install."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ELSEWHERE = (Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
#: The protocol is spoken on descriptors 3 and 4, where a process has to be born with it.
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""
#: What one command may take, in seconds; nearly all take milliseconds.
_PATIENCE = 60.0


def find() -> str | None:
    """Return where this machine has Chromium, or Chrome."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or next((str(path) for path in _ELSEWHERE if path.exists()), None)


class Page:
    """The one page of a running browser."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._read = b""
        self._last = 0
        self._session: str | None = None
        self.told: deque[dict[str, Any]] = deque(maxlen=200)
        """what the browser told by itself, the latest"""
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.do("Page.enable")

    def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Carry out one command and return its result. Raises `RuntimeError` for what the browser refuses."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.told.append(answer)

    def heard(self, event: str, told: Callable[[dict[str, Any]], T | None]) -> T:
        """Return what `told` makes of an event that the browser told by itself, once it makes something of one.

        Raises `RuntimeError` if none comes.
        """
        for each in self.told:
            if each.get("method") == event and (found := told(each["params"])) is not None:
                return found
        while True:
            each = self._next()
            self.told.append(each)
            if each.get("method") == event and (found := told(each["params"])) is not None:
                return found

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._read:
            if not select.select([self._back], [], [], max(0.0, end - time.monotonic()))[0]:
                raise RuntimeError("the browser does not answer")
            part = os.read(self._back, 1 << 20)
            if not part:
                raise RuntimeError("the browser is gone")
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def look(self, *, width: int, scheme: str, height: int = 900) -> None:
        """Make the page this wide, in CSS pixels, and `light` or `dark`."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Go there, and wait until everything has come or has failed to."""
        self.do("Page.navigate", url=url)
        ready = (
            "new Promise(done => { const look = () => document.readyState === 'complete' && location.href === "
            f"{json.dumps(url)} ? done(true) : setTimeout(look, 5); look(); }})"
        )
        while True:
            try:
                self.ask(ready)
            except RuntimeError as gone:
                if "context" not in str(gone).lower() and "navigated" not in str(gone).lower():
                    raise
            else:
                return

    def back(self) -> None:
        """Go back, as by the browser's own button: asked of the page, `history.back()` may close it on its answer."""
        history = self.do("Page.getNavigationHistory")
        before = history["entries"][history["currentIndex"] - 1]
        self.do("Page.navigateToHistoryEntry", entryId=before["id"])

    def ask(self, expression: str) -> Any:
        """Return what a JavaScript expression, or the promise that it is, comes to. It must not lead elsewhere."""
        answer = self.do("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def picture(self, of: str, *, margin: int, scale: float = 1.0, quality: int = 80) -> bytes:
        """Return what a CSS selector finds first, with a margin in CSS pixels around it, as WebP."""
        box = self.ask(
            f"(({{x, y, width, height}}) => ({{x: x + scrollX, y: y + scrollY, width, height}}))"
            f"(document.querySelector({json.dumps(of)}).getBoundingClientRect())"
        )
        clip = {
            "x": box["x"] - margin,
            "y": box["y"] - margin,
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
            "scale": scale,
        }
        how = {"format": "webp", "quality": quality, "captureBeyondViewport": True}
        return base64.b64decode(self.do("Page.captureScreenshot", clip=clip, **how)["data"])


@contextlib.contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """Run the browser for the length of the block, with its files in this folder."""
    (its_in, to), (back, its_out) = os.pipe(), os.pipe()
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the browser that was found, on our own flags
            [
                sys.executable,
                "-c",
                _LAUNCH,
                str(its_in),
                str(its_out),
                program,
                *_FLAGS,
                f"--user-data-dir={folder}/profile",
            ],
            pass_fds=(its_in, its_out),
            stdout=log,
            stderr=log,
        )
    os.close(its_in)
    os.close(its_out)
    try:
        try:
            made = Page(to, back)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {(folder / 'chromium.log').read_text('utf-8', 'replace')}") from error
        yield made
    finally:
        os.close(to)
        os.close(back)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
