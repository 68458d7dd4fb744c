"""`rekindle site`: what is printed has the shop's own addresses in it, and nothing is left to be filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from rekindle.cli.main import main
from tests.content.test_validate import SHOP

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


def test_platform_and_link_domain_are_those_of_the_shops_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shops").mkdir()
    file = tmp_path / "shops/acme.yaml"
    file.write_text(SHOP + "link_domain: links.acme.example\n")
    content = ["--content", str(tmp_path)]
    assert main(["site", "acme", *content]) == 0
    assert capsys.readouterr().out == '<script async src="https://links.acme.example/site/acme/rekindle.js"></script>\n'
    assert main(["site", "acme", *content, "--url", "https://api.example"]) == 0
    assert "https://api.example/site/acme" in capsys.readouterr().out
    file.write_text(SHOP)
    assert main(["site", "acme", *content]) == 2
    assert "no link_domain: say --url" in capsys.readouterr().err
    assert main(["site", "other", *content]) == 2
    assert "shops/other.yaml: say --platform" in capsys.readouterr().err
    file.write_text("name: [\n")
    assert main(["site", "acme", *content]) == 2
    assert "shops/acme.yaml:" in capsys.readouterr().err
