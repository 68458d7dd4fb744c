"""`rekindle site`: what is printed has the shop's own addresses in it, and nothing is left to be filled in."""

from __future__ import annotations

import pytest

from rekindle.cli.main import main

URL = ["--url", "https://links.acme.example/"]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["site", "acme", *arguments, *URL]) == 0
    return capsys.readouterr().out


def test_each_platform_gets_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    theme = printed(capsys, "--platform", "shopify")
    assert theme == '<script async src="https://links.acme.example/site/acme/rekindle.js"></script>\n'
    pixel = printed(capsys, "--platform", "shopify", "--pixel")
    assert 'const ENDPOINT = "https://links.acme.example/collect/acme";' in pixel
    plugin = printed(capsys, "--platform", "woocommerce")
    assert "'https://links.acme.example/site/acme/rekindle.js'" in plugin
    for told in (pixel, plugin):
        assert "@SCRIPT@" not in told
        assert "@WORKER@" not in told
        assert "@ENDPOINT@" not in told


def test_what_cannot_be_is_said() -> None:
    assert main(["site", "acme", "--platform", "woocommerce", "--pixel", *URL]) == 2
    assert main(["site", "acme", "--platform", "shopify", "--url", "links.acme.example"]) == 2
