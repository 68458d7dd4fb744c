"""Sign-up popups as marketers write them: what is read, and what is said of what is wrong."""

from __future__ import annotations

import pytest

from rekindle.content.popups import parse_popup
from rekindle.content.sites import dialog, script, site_of
from rekindle.content.validate import validate
from tests.content.mailkit import shipped
from tests.support.build import playbook
from tests.support.content import some

GOOD = """form: newsletter
show: {after: 20s, scroll: 50, exit: on}
again: 14d
shops: [tea]
except: [/pages/jobs]
texts:
  en: {heading: Hello, text: Come in., button: Go, thanks: Done}
  ar: {heading: أهلًا, text: تفضّل., button: هيّا, thanks: تم, small: صغير, email: العنوان}
"""
SHOP = playbook().shops["tea"]


def problem(text: str) -> str:
    found, problems = parse_popup(text, file="popups/welcome.yaml")
    assert found is None
    return "\n".join(map(str, problems))


def test_a_popup_is_read_whole_and_what_nobody_has_to_write_is_there() -> None:
    popup, problems = parse_popup(GOOD, file="popups/welcome.yaml")
    assert problems == ()
    assert popup is not None
    assert (popup.name, popup.form, popup.after, popup.scroll, popup.exit, popup.again) == (
        "welcome", "newsletter", 20, 50, True, 14 * 86_400,
    )  # fmt: skip
    assert popup.except_ == ("/checkout", "/cart", "/pages/jobs")
    assert (popup.texts["en"].email, popup.texts["en"].close) == ("Your e-mail address", "Close")
    assert (popup.texts["ar"].email, popup.texts["ar"].close, popup.texts["ar"].small) == ("العنوان", "إغلاق", "صغير")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("show: {after: 20s, scroll: 50, exit: on}", "show: {}"), "nothing says when"),
        (("after: 20s", "after: soon"), "is not a duration"),
        (("after: 20s", "after: 0s"), "no time at all"),
        (("scroll: 50", "scroll: 500"), "less than or equal to 100"),
        (("form: newsletter", "form: News letter"), "form"),
        (("again: 14d", "often: 14d"), "often means nothing here"),
        (("heading: Hello, ", ""), "texts.en.heading is missing"),
        (("  en:", "  english:"), "no such locale"),
        (("/pages/jobs", "pages/jobs"), "except"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(change: tuple[str, str], said: str) -> None:
    assert change[0] in GOOD
    told = problem(GOOD.replace(*change))
    assert said in told
    assert told.startswith("popups/welcome.yaml:")


def test_a_popup_that_says_nothing_is_refused() -> None:
    assert "it says nothing" in problem(GOOD.partition("texts:")[0] + "texts: {}\n")


def test_a_popup_is_published_for_the_shops_that_show_it_and_one_that_is_off_for_none() -> None:
    popup, _ = parse_popup(GOOD, file="popups/welcome.yaml")
    off, _ = parse_popup("enabled: off\n" + GOOD, file="popups/off.yaml")
    assert popup is not None
    assert off is not None
    assert site_of(SHOP, [popup, off]).popups == (popup,)
    other, _ = parse_popup(GOOD.replace("[tea]", "[plants]"), file="popups/welcome.yaml")
    assert other is not None
    assert site_of(SHOP, [other]).popups == ()


def test_the_script_is_told_the_rules_and_the_dialog_the_words() -> None:
    popup, _ = parse_popup(GOOD.replace("Hello", '"</script><b> CONFIG"'), file="popups/welcome.yaml")
    assert popup is not None
    site = site_of(SHOP, [popup])
    assert (
        script(site)
        .rstrip()
        .endswith(
            '})({"platform":"shopify","consent":"platform","popups":[{"name":"welcome","after":20,"scroll":50,"exit":true,'
            '"again":14.0,"except":["/checkout","/cart","/pages/jobs"]}]});'
        )
    )
    assert "</script>" not in dialog(site)
    assert '"heading":"\\u003c/script>\\u003cb> CONFIG"' in dialog(site)
    for text in (script(site), dialog(site)):
        assert "\n//" not in text
        assert "CONFIG)" not in text


FILES = some("cart-abandonment") | {path: raw for path, raw in shipped().items() if path.startswith("emails/confirm-")}
PLANTS = b"""name: Plants
platform: woocommerce
url: https://plants.example
sender: {name: Plants, email: hello@plants.example}
postal_address: 1 Leaf Lane
currency: EUR
locale: en
locales: [en, ar]
zone: Europe/Paris
domains: [m.plants.example, "127.0.0.1:8000", m.plants.example]
site: {consent: explicit}
"""


def test_a_popup_is_judged_with_the_shops_that_show_it() -> None:
    english = GOOD.rpartition("  ar:")[0]
    files = FILES | {"shops/plants.yaml": PLANTS, "popups/welcome.yaml": english.encode()}
    (problem,) = validate(files).problems
    assert "there is no shop 'tea'" in str(problem)
    verdict = validate(files | {"popups/welcome.yaml": english.replace("[tea]", "[plants]").encode()})
    assert verdict.problems == ()
    (warning,) = [str(found) for found in verdict.warnings if "popups/" in str(found)]
    assert warning.startswith("popups/welcome.yaml: it says nothing in ar")
    assert verdict.published is not None
    site = verdict.published.sites["plants"]
    assert (site.hosts, site.consent, [popup.name for popup in site.popups]) == (
        ("plants.example", "www.plants.example", "m.plants.example", "127.0.0.1:8000"), "explicit", ["welcome"],
    )  # fmt: skip
    assert site.look["accent"].startswith("#")


@pytest.mark.parametrize("host", ["https://m.plants.example", "m plants", "m.plants.example:x", "a/b", "localhost"])
def test_a_further_domain_is_a_host(host: str) -> None:
    verdict = validate(FILES | {"shops/plants.yaml": PLANTS.replace(b"m.plants.example", host.encode())})
    assert ["this is no host" in str(found) for found in verdict.problems] == [True] * (0 if host == "localhost" else 2)
