"""A small shop on loopback with the site script in it, and on another port whoever hears what the script sends."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rekindle.content.sites import Site, asker, dialog, script, worker
from tests.browser.chromium import Page

#: Before a page's own scripts: a clock that stands still until it is told to go on, a page that can be hidden, and no
#: sign that a test sits before it.
STAGE = """
(() => {
  let time = Date.parse("2026-03-02T09:00:00Z") + Number(sessionStorage.getItem("stage") || 0), seen = "visible";
  const timers = [];
  Date.now = () => time;
  performance.now = () => time;
  window.setInterval = (act, every) => timers.push({ act, every, next: time + every });
  const real = setTimeout;
  window.setTimeout = (act, after = 0, ...rest) =>
    after < 100 ? real(act, after, ...rest) : timers.push({ act: () => act(...rest), next: time + after });
  Object.defineProperty(Document.prototype, "visibilityState", { get: () => seen, configurable: true });
  Object.defineProperty(Navigator.prototype, "webdriver", { get: () => false, configurable: true });
  const json = Response.prototype.json;
  Response.prototype.json = function () {
    const told = json.call(this);
    told.then(() => real(() => (window.stage.read = true), 20));
    return told;
  };
  window.stage = {
    pass(seconds, alive) {
      const end = time + seconds * 1000;
      while (time < end) {
        time += 1000;
        if (alive) window.dispatchEvent(new Event("pointermove"));
        timers.filter((one) => one.next <= time).forEach((one) => {
          one.next = one.every ? time + one.every : Infinity;
          one.act();
        });
      }
      sessionStorage.setItem("stage", time - Date.parse("2026-03-02T09:00:00Z"));
    },
    hide() { seen = "hidden"; document.dispatchEvent(new Event("visibilitychange", { bubbles: true })); },
    show() { seen = "visible"; document.dispatchEvent(new Event("visibilitychange", { bubbles: true })); },
  };
})();
"""
_PATIENCE = 60.0
_SCRIPTS: dict[str, Callable[[Site], str]] = {
    "rekindle.js": script,
    "popup.js": dialog,
    "push.js": asker,
    "worker.js": worker,
}


class _Server:
    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                answer(self, self.rfile.read(length))

            do_GET = do_POST = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def respond(request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, **headers: str) -> None:
    """Answer a request."""
    request.send_response(status)
    if kind:
        request.send_header("Content-Type", kind)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class Shop:
    """Pages by their path, a cart, and what was sent. `site` decides what the script is told."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.site = Site(shop="tea", platform="woocommerce", url="", currency="EUR", locale="en", consent="assumed")
        self.pages: dict[str, str] = {}
        self.forms: dict[str, Callable[[], str]] = {}
        """path → what answers when a page's own form is posted there"""
        self.cart: dict[str, Any] | None = None
        self.cart_reads = 0
        self.sent: list[dict[str, Any]] = []
        self.kinds: list[str] = []
        self.scripts: list[str] = []
        self.status = 204
        self._shop, self._door = _Server(self._show), _Server(self._hear)
        self.url, self.host, self.door = self._shop.url, self._shop.host, self._door.url

    def close(self) -> None:
        self._shop.close()
        self._door.close()

    # --- what the two serve

    def put(
        self, path: str, body: str, *, title: str = "Shop", lang: str = "en", kind: str = "", head: str = ""
    ) -> str:
        """Serve a page with the script in it, and return its address. `kind` are the classes of its body."""
        source = f"{self._door.url}/site/tea/rekindle.js"
        self.pages[path] = (
            f"<!doctype html><html lang='{lang}'><meta charset=utf-8>"
            f"<meta name=viewport content='width=device-width, initial-scale=1'><title>{title}</title>{head}"
            f"<script async src='{source}'></script><body class='{kind}'>{body}</body></html>"
        )
        return self.url + path

    def _show(self, request: BaseHTTPRequestHandler, _: bytes) -> None:
        path = request.path.partition("?")[0]
        if self.site.worker and request.path == self.site.worker:
            # As the plugin answers: one line, which fetches the rest from the door.
            line = f"importScripts('{self.door}/site/tea/worker.js');".encode()
            respond(request, 200, "text/javascript", line, Cache_Control="no-store")
        elif path == "/wp-json/wc/store/v1/cart" and self.cart is not None:
            self.cart_reads += 1
            respond(request, 200, "application/json", json.dumps(self.cart).encode())
        elif request.command == "POST" and path in self.forms:
            respond(request, 200, "text/html; charset=utf-8", self.forms[path]().encode(), Cache_Control="no-store")
        elif path in self.pages:
            respond(request, 200, "text/html; charset=utf-8", self.pages[path].encode(), Cache_Control="no-store")
        else:
            respond(request, 404, "text/plain", b"nothing here")

    def _hear(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.command == "GET":
            name = request.path.rpartition("/")[2]
            self.scripts.append(name)
            text = _SCRIPTS[name](self.site)
            kind = "text/javascript; charset=utf-8"
            respond(request, 200, kind, gzip.compress(text.encode()), Content_Encoding="gzip", Cache_Control="no-store")
            return
        if request.command == "POST":
            self.kinds.append(request.headers.get("content-type", ""))
            self.sent.append(json.loads(body))
        origin = request.headers.get("origin") or "*"
        respond(request, self.status, "", b"", Access_Control_Allow_Origin=origin)

    # --- what happens before the browser

    def open(self, path: str) -> None:
        """Go to a page and wait until the script has begun."""
        self.page.open("about:blank")
        self.page.do("Page.navigate", url=self.url + path)
        self.wait("document.readyState === 'complete' && rekindle.version === 1")

    def wait(self, expression: str) -> None:
        """Wait until this is true on the page."""
        end = time.monotonic() + _PATIENCE
        while not self._true(expression):
            if time.monotonic() > end:
                raise AssertionError(f"it never became true: {expression}")
            time.sleep(0.01)

    def _true(self, expression: str) -> bool:
        try:
            return bool(self.page.ask(f"Boolean({expression})"))
        except RuntimeError as gone:
            # One page goes, and the next is not there yet.
            if not any(word in str(gone) for word in ("context", "navigated", "TypeError", "ReferenceError")):
                raise
            return False

    def stay(self, seconds: int, *, alive: bool = True) -> None:
        """Let so much time pass; `alive`: somebody moves the mouse meanwhile."""
        self.page.ask(f"stage.pass({seconds}, {json.dumps(alive)})")

    def click(self, selector: str) -> None:
        """Click like a person, with the mouse."""
        box = self.page.ask(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.page.do("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.page.do("Input.dispatchKeyEvent", type=kind, key=name, code=name, modifiers=8 if shift else 0)

    def read_cart(self) -> None:
        """Wait until this page has read the cart."""
        self.wait("stage.read")

    def leave(self) -> None:
        """Close the visit: go where no page of the shop is."""
        self.page.open("about:blank")

    def heard(self, requests: int = 1) -> list[dict[str, Any]]:
        """Return what was sent, once it is so many requests."""
        end = time.monotonic() + _PATIENCE
        while len(self.sent) < requests:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.sent)} requests came, not {requests}: {self.sent}")
            time.sleep(0.01)
        return self.sent

    def events(self, requests: int = 1) -> list[dict[str, Any]]:
        """Return the events of so many requests."""
        return [event for batch in self.heard(requests) for event in batch["events"]]

    def stored(self) -> dict[str, Any]:
        """Return what the browser keeps of the shop."""
        found = self.page.ask(
            "({cookie: document.cookie, session: sessionStorage.getItem('rekindle'),"
            " local: localStorage.getItem('rekindle')})"
        )
        return {name: value for name, value in found.items() if value}


@contextmanager
def shop(page: Page) -> Iterator[Shop]:
    """Run a shop with an empty browser before it, for the length of the block."""
    made = Shop(page)
    page.do("Network.enable")
    page.do("Network.clearBrowserCookies")
    page.do("Network.setCacheDisabled", cacheDisabled=True)
    page.do("Emulation.setFocusEmulationEnabled", enabled=True)
    stage = page.do("Page.addScriptToEvaluateOnNewDocument", source=STAGE)["identifier"]
    try:
        page.look(width=1_000, scheme="light")
        yield made
    finally:
        page.open("about:blank")
        page.do("Page.removeScriptToEvaluateOnNewDocument", identifier=stage)
        page.do("Network.disable")
        made.close()
