"""A browser, and a web server on loopback that has the mails and their pictures."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.browser.chromium import Page

PICTURES = Path(__file__).resolve().parents[2] / "local" / "pictures"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests together: one browser serves them all, and what compiles all mails elsewhere is with them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("mails"))


class Site:
    """Pages by their path. Pictures are the demo shops', under /pictures/."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                picture = PICTURES / self.path.rpartition("/")[2]
                if self.path.startswith("/pictures/") and picture.suffix == ".png" and picture.is_file():
                    self._answer(200, "image/png", picture.read_bytes())
                elif self.path in site.pages:
                    self._answer(200, "text/html; charset=utf-8", site.pages[self.path])
                else:
                    self._answer(404, "text/plain", b"nothing here")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, page: str) -> str:
        """Serve this page, with the pictures of samples from here; return its address."""
        self.pages[path] = page.replace("https://shop.example/pictures/", f"{self.url}/pictures/").encode()
        return self.url + path

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return the browser's page. Without a browser these tests are left out, except where the gate runs."""
    program = chromium.find()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium on this machine: apt-get install chromium")
        pytest.skip(
            "mails are looked at in Chromium or Chrome: install one (the gate, .ci/run, does, and fails without)"
        )
    with chromium.browser(program, tmp_path_factory.mktemp("chromium")) as made:
        yield made
