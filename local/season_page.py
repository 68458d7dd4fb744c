"""The page of the season: one file, for a phone and a desk, in the light and the dark. No script, no network.

Graphs, tables, comparisons and words are those of `rekindle simulate` and `rekindle results`, mails those of `rekindle
preview`: this only puts them together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from local.season import Resident, Season, Sent
from local.shops import SHOPS
from rekindle.cli.contact_sheet import quiet
from rekindle.cli.phone import phone
from rekindle.cli.report import charts, graph, page, words
from rekindle.cli.report.outcomes import HEADS, cells, judged
from rekindle.cli.report.results import comparison
from rekindle.content import languages
from rekindle.content.previews import Named, preview, preview_short, with_pictures
from rekindle.flow.local_time import zone
from rekindle.flow.program import Flow, Send
from rekindle.service.results import Report, money

_HERE = Path(__file__).parent
_REPORT = Path(page.__file__).parent
_LANGUAGES = {"en": "English", "ar": "العربية", "zh-Hant": "繁體中文"}
_IN_ENGLISH = {"en": "English", "ar": "Arabic", "zh-Hant": "Traditional Chinese"}
_SIGNS = {"GBP": "£", "EUR": "€"}
_CHANNELS = {"email": "mail", "sms": "text", "push": "push message"}
_SHOWN_WHYS = 4
_PICTURE = re.compile(rf"https://(?:{'|'.join(re.escape(shop.domain) for shop in SHOPS)})/pictures/([a-z-]+)\.png")


@dataclass(frozen=True)
class Shown:
    """A message on the page."""

    id: str
    sent: Sent
    who: Resident
    step: str
    subject: str
    locale: str
    rtl: bool
    channel: str
    html: str


def render(season: Season) -> str:
    """Return the page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=words.number)
    environment.globals.update(share=words.share, statuses=words.STATUSES)
    template = environment.from_string((_HERE / "season.html").read_text("utf-8"))
    style = Markup((_REPORT / "page.css").read_text("utf-8") + graph.STYLE)  # noqa: S704 - our own files
    return template.render(style=style, **_page(season)) + "\n"


def headline(season: Season) -> str:
    """Return what the season brought, in a line."""
    earned = [_cash(money(one.figures, one.currency), one.currency) for one in season.reports.values()]
    return f"{' and '.join(earned)} from {words.number(season.findings.sent)} messages"


def summary(told: Report) -> str:
    """Return a shop's money in a line: what is credited by which proof, and what the comparison with nothing says."""
    orders, clicks, coupons = (int(told.figures.get(name, 0)) for name in ("orders", "by_click", "by_coupon"))
    best = ", ".join(f"{one.title} {_cash(money(one.figures, told.currency), told.currency)}" for one in told.flows[:3])
    lift = f"; against those held out: {judged(told.holdout)}" if told.holdout is not None else ""
    cash = _cash(money(told.figures, told.currency), told.currency)
    return f"{cash} from {orders} orders ({clicks} by last click, {coupons} by coupon), most by {best}{lift}"


def _page(season: Season) -> dict[str, Any]:
    found = season.findings
    shown = list(_shown(season))
    by_flow: dict[str, list[Shown]] = defaultdict(list)
    for one in shown:
        by_flow[one.sent.planned.flow].append(one)
    alike = {(one.sent.planned.flow, one.step, one.who.locale): one.id for one in shown}
    earned = _earned(season)
    order = sorted(found.flows, key=lambda flow: (-sum(earned[flow.name].values()), -flow.sent, flow.name))
    cards = [
        {
            **page.card(flow, season.content.playbook.flows.get(flow.name), charts.colour(place)),
            "id": f"flow-{place + 1}",
            "why": _comment(season.content.playbook.flows.get(flow.name)),
            "shown": sorted(by_flow[flow.name], key=lambda one: (_place(season, one), _rank(one.locale))),
            "earned": " + ".join(_cash(sum_, name) for name, sum_ in earned[flow.name].items() if sum_),
            "orders": _orders(season, flow.name),
            "silent": flow.name in season.silent,
            "aims": bool(season.content.playbook.flows[flow.name].goal),
        }
        for place, flow in enumerate(order)
    ]
    first, last = found.since, found.last
    return {
        "found": found,
        "shops": " and ".join(found.shops.values()),
        "period": f"{first.day} {first:%B} to {last.day} {last:%B} {last.year}",
        "headline": headline(season),
        "figures": _figures(season),
        "money": [_money(one) for one in season.reports.values()],
        "heads": HEADS,
        "cards": cards,
        "whys": _SHOWN_WHYS,
        "languages": _LANGUAGES,
        "channels": _CHANNELS,
        "pictures": len(shown),
        "nothing": _nothing(season.residents),
        "people": [_person(number, who, season, alike) for number, who in enumerate(season.residents)],
        "silent": season.silent,
    }


# --- the money -------------------------------------------------------------------------------------------------------


def _cash(amount: Decimal, currency: str) -> str:
    return f"{_SIGNS.get(currency, currency + ' ')}{amount:,.2f}"


def _earned(season: Season) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for told in season.reports.values():
        for flow in told.flows:
            found[flow.name][told.currency] = money(flow.figures, told.currency)
    return found


def _orders(season: Season, name: str) -> int:
    return sum(
        int(flow.figures.get("orders", 0))
        for told in season.reports.values()
        for flow in told.flows
        if flow.name == name
    )


def _figures(season: Season) -> list[tuple[str, str, str]]:
    found, reports = season.findings, list(season.reports.values())
    spoken = Counter(who.locale for who in season.residents)

    def whole(name: str) -> int:
        return sum(int(told.figures.get(name, 0)) for told in reports)

    says = ", ".join(f"{count} read {_IN_ENGLISH[locale]}" for locale, count in spoken.most_common())
    orders = f"{whole('by_click')} by the last click, {whole('by_coupon')} by coupon"
    return [
        (words.number(len(season.residents)), "customers", says),
        (words.number(found.sent), "messages", f"to {words.number(found.reached)} people, in {len(found.flows)} flows"),
        (words.number(whole("orders")), "orders credited", orders),
        *(
            (
                _cash(money(told.figures, told.currency), told.currency),
                f"revenue, {told.name}",
                "credited, net of refunds",
            )
            for told in reports
        ),
    ]


def _money(told: Report) -> dict[str, Any]:
    earning = [one for one in told.flows if money(one.figures, told.currency) > 0]
    most = max((money(one.figures, told.currency) for one in earning), default=Decimal(1))
    return {
        "name": told.name,
        "bars": [
            (
                one.title,
                _cash(money(one.figures, told.currency), told.currency),
                f"{100 * money(one.figures, told.currency) / most:.1f}",
                ", ".join(
                    f"{int(one.figures[f'by_{how}'])} by {said}"
                    for how, said in (("click", "last click"), ("coupon", "coupon"), ("open", "opening"))
                    if one.figures.get(f"by_{how}")
                ),
            )
            for one in earning
        ],
        "rows": [(one.title, cells(one.figures, told.currency)) for one in told.flows],
        "total": cells(told.figures, told.currency),
        "holdout": comparison(told.holdout, told) if told.holdout is not None else None,
    }


# --- the messages ----------------------------------------------------------------------------------------------------


def _shown(season: Season) -> Iterable[Shown]:
    """Yield, of each step, the first message in each language that its readers have: as it went out."""
    seen: set[tuple[str, str, str]] = set()
    whose = {one.id: who for who in season.residents for one in who.sent}
    for one in season.sent:
        who = whose[one.id]
        key = one.planned.flow, one.planned.step, who.locale
        if key in seen:
            continue
        seen.add(key)
        yield _rendered(season, one, who, f"m{len(seen)}")


def _rendered(season: Season, one: Sent, who: Resident, anchor: str) -> Shown:
    there = season.content
    shop = there.playbook.shops[who.shop]
    about: dict[str, Any] = {
        "locale": who.locale, "shop": shop, "profile": one.profile, "run": one.run,
        "products": season.products[who.shop], "coupon": one.coupon,
    }  # fmt: skip
    if one.planned.channel == "email":
        template = there.drafts.mails.templates[one.planned.template]
        goods = list(season.products[who.shop].values())
        mail = preview(there.drafts, template.name, recommend=dict.fromkeys(template.recommend, goods[:4]), **about)
        subject, html, locale = mail.rendered.subject, mail.page, mail.locale
        rtl = 'dir="rtl"' in html[:600]
    else:
        root = "sms" if one.planned.channel == "sms" else "push"
        short = preview_short(there.drafts, Named(root, one.planned.template), **about)  # type: ignore[arg-type]
        subject, html, locale, rtl = short.text, phone(short), short.locale, short.rtl
    drawn = with_pictures(_PICTURE.sub(lambda hit: _drawing(hit.group(1)), html), {}, everywhere=True)
    return Shown(
        anchor, one, who, one.planned.step, subject, languages.pick(_LANGUAGES, locale) or locale, rtl,
        one.planned.channel, quiet(drawn),
    )  # fmt: skip


_DRAWINGS: dict[str, str] = {}


def _drawing(name: str) -> str:
    if name not in _DRAWINGS:
        source = (_HERE / "pictures" / f"{name}.svg").read_text("utf-8")
        _DRAWINGS[name] = "data:image/svg+xml," + quote(" ".join(source.split()))
    return _DRAWINGS[name]


def _place(season: Season, one: Shown) -> int:
    flow = season.content.playbook.flows[one.sent.planned.flow]
    return list(flow.steps).index(one.step) if one.step in flow.steps else 0


def _rank(locale: str) -> int:
    return list(_LANGUAGES).index(locale) if locale in _LANGUAGES else len(_LANGUAGES)


def _comment(flow: Flow | None) -> str:
    if flow is None:
        return ""
    sends = [step for step in flow.steps.values() if isinstance(step, Send)]
    return f"{len(sends)} message{'' if len(sends) == 1 else 's'}" if sends else "moves people on a list, sends nothing"


# --- the people ------------------------------------------------------------------------------------------------------


def _nothing(residents: Sequence[Resident]) -> list[tuple[str, int, list[str]]]:
    """Return why people got nothing, each by what kept most messages from them: words, count, names."""
    found: dict[str, list[str]] = defaultdict(list)
    for who in residents:
        if not who.sent:
            found[_kept_from(who)].append(who.name)
    rows = ((why, len(names), names) for why, names in found.items())
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _kept_from(who: Resident) -> str:
    profile = who.profile
    if profile is None or profile.email is None:
        return "Never left an address: looked around, or allowed push in a browser that nothing was due in"
    if any("holdout=held" in trial.label.ways and not trial.label.flow for trial in profile.trials.values()):
        return "Held out on purpose, to measure what all of it brings"
    if not profile.consented("email"):
        return "Never agreed to marketing, and bought nothing that a confirmation would tell of"
    if who.refused:
        rule = who.refused.most_common(1)[0][0]
        return words.refusal(rule)[0]
    return "Nothing was due"


def _person(number: int, who: Resident, season: Season, alike: Mapping[tuple[str, str, str], str]) -> dict[str, Any]:
    where = zone(season.content.playbook.shops[who.shop].zone)
    # Of each step one mail in each language is on the page: theirs, or one that says the same to somebody else.
    anchors = {one.id: alike.get((one.planned.flow, one.planned.step, who.locale), "") for one in who.sent}
    credited = [line for line in who.story if line[1] == "credited"]
    return {
        "id": f"p{number}",
        "name": who.name,
        "shop": season.findings.shops[who.shop],
        "language": _LANGUAGES[who.locale],
        "messages": len(who.sent),
        "orders": len(credited),
        "story": [
            (
                at.astimezone(where).strftime("%-d %b %H:%M"),
                kind,
                said,
                anchors.get(message, "") if kind == "planned" else "",
            )
            for at, kind, said, message in who.story
        ],
    }
