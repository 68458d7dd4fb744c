"""Whose an address is, how a header holds it, and what is added to it for the shop's analytics."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content.addresses import in_ascii, is_of
from rekindle.content.sources import parse_shop
from rekindle.content.tracker import Tracker
from rekindle.content.utm import added, rule, tagged
from rekindle.flow.definition import parse_flow

HOME = "https://www.tea.example/"
PLACES = {"channel": "email", "flow": "cart", "step": "first", "shop": "tea"}
RULE = rule({}, {})
UTM = "utm_source=rekindle&utm_medium=email&utm_campaign=cart&utm_content=first"


def tag(address: str) -> str:
    return tagged(address, RULE, PLACES)


# --- whose ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["https://tea.example", "http://TEA.example:8443/x", "https://www.tea.example/", "https://shop.tea.example/y?z"],
)
def test_the_shops_own_addresses(address: str) -> None:
    assert is_of(HOME, address)
    assert is_of("https://tea.example", address)


@pytest.mark.parametrize(
    "address",
    [
        "https://notea.example", "https://tea.example.evil.example/", "https://tea.example@evil.example/",
        "https://evil.example/tea.example", "https://evil.example?https://tea.example", "https://evil.example#@tea.example",
        "//tea.example:x@evil.example", "tea.example", "", None, "https://[tea.example/", "javascript:tea.example",
    ],
)  # fmt: skip
def test_everything_else_is_not_the_shops(address: str | None) -> None:
    assert not is_of(HOME, address)


def test_of_no_shop_nothing_is() -> None:
    assert not is_of(None, "https://tea.example")
    assert not is_of("", "")


# --- in a header ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://tea.example/a?b=c%20d&e=%C3%BC#f", "https://tea.example/a?b=c%20d&e=%C3%BC#f"),
        ("https://tea.example/ü?q=茶#ß", "https://tea.example/%C3%BC?q=%E8%8C%B6#%C3%9F"),
        ("https://büro.example:8080/x", "https://xn--bro-hoa.example:8080/x"),
        ("https://a:b@büro.example/", "https://a:b@xn--bro-hoa.example/"),
        ("HTTPS://Tea.example/", "https://Tea.example/"),
        ("https://tea.example/a[1]=b|c", "https://tea.example/a[1]=b%7Cc"),
    ],
)
def test_an_address_is_written_as_a_browser_writes_it(address: str, written: str) -> None:
    assert in_ascii(address) == written


@pytest.mark.parametrize(
    "address",
    ["", "tea.example", "javascript:alert(1)", "data:text/html,x", "ftp://tea.example", "https://", "https://[x"],
)
def test_what_is_no_address_of_the_web_is_none(address: str) -> None:
    assert in_ascii(address) is None


@given(st.text(max_size=60).map(lambda rest: "https://tea.example/" + rest) | st.text(max_size=80))
def test_nothing_breaks_out_of_a_header_and_nothing_changes_host(text: str) -> None:
    found = in_ascii(text)
    if found is None:
        return
    assert re.fullmatch(r"[\x21-\x7e]+", found)
    assert urlsplit(found).scheme in {"http", "https"}
    if text.startswith("https://tea.example/"):
        assert urlsplit(found).netloc == "tea.example"


@given(st.text(max_size=80).map(lambda rest: "https://tea.example/" + rest))
def test_whatever_a_mail_counts_a_click_can_lead_to(text: str) -> None:
    tracker = Tracker("https://links.example", "token")
    if tracker.link(text) != text:
        assert in_ascii(tracker.targets[0]) is not None


# --- UTM -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "becomes"),
    [
        ("https://tea.example/pot", f"https://tea.example/pot?{UTM}"),
        ("https://tea.example", f"https://tea.example?{UTM}"),
        ("https://tea.example/pot?", f"https://tea.example/pot?{UTM}"),
        ("https://tea.example/pot?a=1", f"https://tea.example/pot?a=1&{UTM}"),
        ("https://tea.example/pot?a=1&", f"https://tea.example/pot?a=1&{UTM}"),
        ("https://tea.example/pot#size", f"https://tea.example/pot?{UTM}#size"),
        ("https://tea.example/pot?a=1#size?b", f"https://tea.example/pot?a=1&{UTM}#size?b"),
        # what is there stays, and is not said twice
        (
            "https://tea.example/?utm_campaign=mine&UTM_source=Me",
            "https://tea.example/?utm_campaign=mine&UTM_source=Me&utm_medium=email&utm_content=first",
        ),
        ("https://tea.example/?utm%5Fsource=x", f"https://tea.example/?utm%5Fsource=x&{UTM.partition('&')[2]}"),
        ("https://tea.example/?utm_source=", f"https://tea.example/?utm_source=&{UTM.partition('&')[2]}"),
        (f"https://tea.example/?{UTM}", f"https://tea.example/?{UTM}"),
        # recovery links of both platforms, as they are
        (
            "https://tea.example/65234/checkouts/ac/2f%2Bc/recover?key=9f3%3D%3D&locale=en-GB",
            f"https://tea.example/65234/checkouts/ac/2f%2Bc/recover?key=9f3%3D%3D&locale=en-GB&{UTM}",
        ),
        (
            "https://tea.example/checkout-link/?products=123:2,456:1&coupon=SPRING",
            f"https://tea.example/checkout-link/?products=123:2,456:1&coupon=SPRING&{UTM}",
        ),
        (
            "https://tea.example/discount/CODE?redirect=%2Fcart",
            f"https://tea.example/discount/CODE?redirect=%2Fcart&{UTM}",
        ),
    ],
)
def test_parameters_come_behind_what_is_there(address: str, becomes: str) -> None:
    assert tag(address) == becomes
    assert tag(becomes) == becomes


@given(
    st.lists(st.tuples(st.sampled_from("abü%"), st.text(max_size=5)), max_size=4).map(
        lambda pairs: "https://tea.example/x?" + "&".join(f"{name}={value}" for name, value in pairs)
    )
)
def test_what_an_address_said_before_it_says_still(address: str) -> None:
    before = address.partition("#")[0]
    assert tag(address).startswith(before)
    assert tag(address).endswith(address[len(before) :])


def test_texts_are_quoted() -> None:
    wanted = rule({"source": "Tea & Co", "campaign": "{flow}/{step}", "content": "", "term": "grün"}, {})
    found = tagged("https://tea.example/", wanted, PLACES | {"step": "a&b=c#d"})
    assert parse_qsl(urlsplit(found).query) == [
        ("utm_source", "Tea & Co"), ("utm_medium", "email"), ("utm_campaign", "cart/a&b=c#d"), ("utm_term", "grün"),
    ]  # fmt: skip
    assert urlsplit(found).fragment == ""


def test_nothing_added_is_nothing_changed() -> None:
    assert added("https://tea.example/") == "https://tea.example/"
    assert tagged("https://tea.example/#a", (), PLACES) == "https://tea.example/#a"


# --- as marketers write it -------------------------------------------------------------------------------------------

SHOP = (
    "name: Tea\nplatform: shopify\nurl: https://tea.example\nsender: {name: Tea, email: a@tea.example}\n"
    "postal_address: x\ncurrency: EUR\nlocale: en\nzone: UTC\n"
)
FLOW = "trigger: {event: order.placed}\nsteps:\n  - email: x\n"


def told(shop: str, flow: str = "") -> dict[str, str]:
    """Return the parameters by what the two files say."""
    found, problems = parse_shop(SHOP + shop, file="shops/tea.yaml")
    program, more = parse_flow(FLOW + flow, file="flows/x.yaml")
    assert not (*problems, *more)
    assert found is not None
    assert program is not None
    return dict(rule(found.utm, program.utm))


OURS = {"source": "rekindle", "medium": "{channel}", "campaign": "{flow}", "content": "{step}"}


@pytest.mark.parametrize(
    ("shop", "flow", "parameters"),
    [
        ("", "", OURS),
        ("utm: {source: tea, term: spring}", "", OURS | {"source": "tea", "term": "spring"}),
        ("utm: {content: off}", "", {"source": "rekindle", "medium": "{channel}", "campaign": "{flow}"}),
        ("utm: off", "", {}),
        ("utm: false", "", {}),
        ("", "utm: off", {}),
        ("utm: {source: tea}", "utm: {source: sale, campaign: '{flow}-{shop}'}",
         OURS | {"source": "sale", "campaign": "{flow}-{shop}"}),
        ("utm: off", "utm: {source: sale}", {"source": "sale"}),
    ],
)  # fmt: skip
def test_a_flows_word_comes_before_its_shops_and_that_before_ours(
    shop: str, flow: str, parameters: dict[str, str]
) -> None:
    assert told(shop, flow) == parameters


@pytest.mark.parametrize(
    ("text", "said", "cure"),
    [
        ("utm: [a]", "this says nothing of UTM parameters", "write off, or source, medium, campaign, term, content"),
        ("utm: yes", "this says nothing of UTM parameters", "write off, or source"),
        ("utm:\n  sorce: x", "sorce", ""),
        ("utm:\n  source: ''", "this cannot be a UTM parameter", "write a short text, or off"),
        ("utm:\n  source: 7", "this cannot be a UTM parameter", "write a short text, or off"),
        ("utm:\n  campaign: 'x-{flw}'", "{flw} means nothing here", "there are {channel}, {flow}, {step}, {shop}"),
        ("utm:\n  campaign: '{flow'", "a curly bracket stands alone", "write for instance {flow}"),
    ],
)
def test_what_cannot_be_is_reported_with_its_line_and_cure(text: str, said: str, cure: str) -> None:
    for parse, base, file in ((parse_shop, SHOP, "shops/tea.yaml"), (parse_flow, FLOW, "flows/x.yaml")):
        found, (problem,) = parse(base + text, file=file)
        assert found is None
        assert problem.line == base.count("\n") + 1 + text.count("\n")
        assert said in str(problem)
        assert cure in str(problem)
