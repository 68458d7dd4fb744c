"""Building a mail: context, subject, HTML and text part, over the bare Jinja2 render of the same HTML."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jinja2 import Environment
from msgspec.structs import replace

from bench.figures import ROOT, Figure, measure
from rekindle.content import sandbox
from rekindle.content.context import context
from rekindle.content.formats import form_for
from rekindle.content.playbook import Mails, decode_mails
from rekindle.content.samples import LINKS, SAMPLE_SHOP, Sample, sample_of_mail
from rekindle.content.validate import validate

BUDGET = 1.7
_ROUNDS = 60
_A_ROUND = 20


@measure
def building() -> Iterator[Figure]:
    """Build a mail, over the bare Jinja2 render of its HTML."""
    folder = ROOT / "templates"
    files = {at.relative_to(folder).as_posix(): at.read_bytes() for at in folder.rglob("*") if Path(at).is_file()}
    texts = {path: content.decode() for path, content in files.items() if path.endswith(".json")}
    published = validate(files).published
    if published is None:
        raise AssertionError("the content that ships cannot be published")
    # As `send` has it: read back from the file that publish wrote.
    mails = decode_mails(published.files()[f"playbooks/{published.hash}/mails.json"])
    mails = replace(mails, shops={SAMPLE_SHOP.id: SAMPLE_SHOP})
    took: list[tuple[float, float]] = []
    for name in sorted(mails.templates):
        for locale in ("en", "ar"):
            found = sample_of_mail(texts, name, locale)
            mine, other = _measured(mails, name, locale, found[0] if found is not None else Sample())
            took.append((mine, other))
            yield Figure(f"building {name} in {locale} ÷ bare Jinja2 render", mine / other, "")
    yield Figure("building a mail ÷ bare Jinja2 render of its HTML, over all that ship", _over(took), "", BUDGET)
    yield Figure("mails built, on one core of this machine", len(took) / sum(mine for mine, _ in took), "/s")


def _over(took: list[tuple[float, float]]) -> float:
    return sum(mine for mine, _ in took) / sum(other for _, other in took)


def _measured(mails: Mails, name: str, locale: str, sample: Sample) -> tuple[float, float]:
    profile, run = sample.person(SAMPLE_SHOP, sample.profile.locale or locale), sample.trip(mails.hash)
    readers = mails.readers(profile)
    template = mails.spoken(name, *readers)
    if template is None or template.locale != locale:
        raise AssertionError(f"{name} is not written in {locale}")
    offers = sample.recommended() if template.recommend else {}
    names = context(
        shop=SAMPLE_SHOP,
        brand=mails.brand,
        profile=profile,
        run=run,
        products=sample.products,
        links=LINKS,
        formats=mails.formats,
        form=form_for(mails.formats, locale, *readers),
        recommend=offers,
    )
    # Jinja2 as it comes, escaping on, with the same filters: no limits, no checks, one part, values at hand.
    bare = Environment(autoescape=True)
    bare.filters.update(sandbox.FILTERS)
    # What numbers the links leaves them as they are where nobody counts.
    bare.filters["_link"] = lambda address: address
    # A dict has `items` of its own, which Jinja2 as it comes finds first.
    page = bare.from_string(template.html.replace("event.items", 'event["items"]'))

    def ours() -> str:
        return mails.build(
            name,
            profile=profile,
            run=run,
            products=sample.products,
            links=LINKS,
            clock=time.monotonic,
            recommend=offers,
        ).html

    def least() -> str:
        return page.render(names)

    if len(least()) * 10 < len(ours()) * 9:
        raise AssertionError(f"{name} is not rendered whole")
    # Side by side in each round, so that what else the machine does meets both.
    rounds = [(_seconds(ours), _seconds(least)) for _ in range(_ROUNDS)]
    return statistics.median(mine for mine, _ in rounds), statistics.median(other for _, other in rounds)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_A_ROUND):
        work()
    return (time.perf_counter() - start) / _A_ROUND
