"""Building a mail as `send` does, over bare Jinja2 at the same work: the same sources of subject, HTML and text.

Ours does more than theirs: the reader's language; the names from profile, run and catalogue, cleaned; limits on loops,
time and length; links numbered, counted and signed, the way out signed; headers, tags, the text part tidied. Each mail
is shown by itself, and all that ship are held to the budget together: of a mail that says next to nothing the names are
most of the work, and bare Jinja2 has them at hand.

Beside it stands what our rendering with links and text part takes over the HTML alone, which is what a reader sees.
That compares three renders with one, and has no budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from jinja2 import Environment
from msgspec.structs import replace

from bench.figures import ROOT, Figure, measure
from rekindle.content import sandbox
from rekindle.content.context import context
from rekindle.content.formats import form_for
from rekindle.content.mails import MailTemplate
from rekindle.content.playbook import Mails, decode_mails
from rekindle.content.samples import LINKS, SAMPLE_SHOP, Sample, sample_of_mail
from rekindle.content.validate import validate
from rekindle.domain import ids
from rekindle.domain.facts import Product
from rekindle.domain.offers import Coupon
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.memory import World
from rekindle.service.compose import Composer
from rekindle.service.coupons import Wallet
from rekindle.service.library import POINTER, Library

BUDGET = 1.7
#: So many rounds of few mails each: the quickest of each kind counts, which what else the machine does disturbs least.
_ROUNDS = 150
_A_ROUND = 4

#: Seconds: the whole of ours, our rendering, bare Jinja2 of the three sources, of the HTML.
_Took = tuple[float, float, float, float]


@measure
def building() -> Iterator[Figure]:
    """Build a mail, over the bare Jinja2 renders of its sources."""
    folder = ROOT / "templates"
    files = {at.relative_to(folder).as_posix(): at.read_bytes() for at in folder.rglob("*") if Path(at).is_file()}
    texts = {path: content.decode() for path, content in files.items() if path.endswith(".json")}
    published = validate(files).published
    if published is None:
        raise AssertionError("the content that ships cannot be published")
    # As `send` has it: read back from the file that publish wrote.
    mails = decode_mails(published.files()[f"playbooks/{published.hash}/mails.json"])
    mails = replace(mails, shops={SAMPLE_SHOP.id: SAMPLE_SHOP})
    took: list[_Took] = []
    for name in sorted(mails.templates):
        for locale in ("en", "ar"):
            found = sample_of_mail(texts, name, locale)
            took.append(_measured(mails, name, locale, found[0] if found is not None else Sample()))
            whole, rendering, same, html = took[-1]
            yield Figure(f"building {name} in {locale} ÷ bare Jinja2", whole / same, "")
            yield Figure(f"rendering {name} in {locale} ÷ bare Jinja2 of its HTML alone", rendering / html, "")
    whole, rendering, same, html = (sum(numbers) for numbers in zip(*took, strict=True))
    yield Figure("building a mail ÷ bare Jinja2, over all that ship", whole / same, "", BUDGET)
    yield Figure("rendering a mail ÷ bare Jinja2 of its HTML alone, over all that ship", rendering / html, "")
    yield Figure("mails built, on one core of this machine", len(took) / whole, "/s")


def _measured(mails: Mails, name: str, locale: str, sample: Sample) -> _Took:
    """Return the seconds of one mail."""
    profile, run = sample.person(SAMPLE_SHOP, sample.profile.locale or locale), sample.trip(mails.hash)
    template = mails.spoken(name, *mails.readers(profile))
    if template is None or template.locale != locale:
        raise AssertionError(f"{name} is not written in {locale}")
    whole, rendering = _ours(mails, template, profile, run, sample)
    least, page = _least(mails, template, profile, run, sample)
    for made in (whole(), rendering()):
        if len(page()) * 10 < len(made) * 9 or "/c/" not in made or "/o/" not in made:
            raise AssertionError(f"{name} is not rendered whole")
    # Side by side in each round, so that what else the machine does meets all of them.
    works = (whole, rendering, least, page)
    rounds = [tuple(_seconds(work) for work in works) for _ in range(_ROUNDS)]
    ours, render, same, html = (min(numbers) for numbers in zip(*rounds, strict=True))
    return ours, render, same, html


def _ours(
    mails: Mails, template: MailTemplate, profile: Profile, run: Run, sample: Sample
) -> tuple[Callable[[], str], Callable[[], str]]:
    """Return what builds the mail as `Deliver` asks for it, and what only renders it, with its links.

    Warm: content read, products at hand.
    """
    offers, coupon = _offered(template, sample), _given(template, sample, run)
    world = World()
    if coupon is not None:
        world.coupons.made(coupon)
    world.files[f"playbooks/{mails.hash}/mails.json"] = msgspec.json.encode(mails)
    world.files[POINTER] = msgspec.json.encode({"hash": mails.hash})
    world.catalogue.update({(SAMPLE_SHOP.id, key): product for key, product in sample.products.items()})
    library = Library(world.blobs, world.clock)
    composer = Composer(
        library=library,
        blobs=world.blobs,
        outbox=world.outbox,
        secrets=world.secrets,
        link_base="https://links.example",
        recommender=_Offers(sample.products, offers),  # type: ignore[arg-type]  # it has all at hand
        wallet=Wallet(coupons=world.coupons, library=library),
    )
    planned = Planned(
        run=run.id, step="step", flow="flow", template=template.name, channel="email", category=template.category,
        planned_at=run.entered_at, not_after=run.entered_at, offer=coupon.offer if coupon is not None else "",
    )  # fmt: skip
    message = ids.message_id(run.id, "step")
    composer.prepare([(profile, planned, run)])

    def render() -> str:
        return mails.build(
            template.name, profile=profile, run=run, products=sample.products, links=LINKS, clock=time.monotonic,
            tracker=composer.tracker(message, SAMPLE_SHOP, LINKS.values()), recommend=offers,
            coupon=coupon,
        ).html  # fmt: skip

    return lambda: composer.build(message, profile, planned, run).html, render


class _Offers:
    """A recommender that has read all there is to recommend."""

    def __init__(self, products: Mapping[str, Product], offers: Mapping[str, Sequence[Product]]) -> None:
        self._products, self._offers = products, offers

    def prepare(self, wishes: object) -> None:
        """Nothing to read."""

    def product(self, shop: str, product: str) -> Product | None:
        """Return what the catalogue has."""
        del shop
        return self._products.get(product)

    def picks(self, wish: object) -> Mapping[str, Sequence[Product]]:
        """Return what the sample recommends."""
        del wish
        return self._offers


def _offered(template: MailTemplate, sample: Sample) -> Mapping[str, Sequence[Product]]:
    return sample.recommended() if template.recommend else {}


def _given(template: MailTemplate, sample: Sample, run: Run) -> Coupon | None:
    """Return the coupon of a mail that shows one, made."""
    if not template.coupon:
        return None
    return replace(sample.given(SAMPLE_SHOP), run=run.id, offer="sample")


def _least(
    mails: Mails, template: MailTemplate, profile: Profile, run: Run, sample: Sample
) -> tuple[Callable[[], object], Callable[[], str]]:
    """Return what renders the three sources, and the HTML alone: Jinja2 as it comes, the values at hand.

    With the same filters, escaping on in HTML; no limits, no checks, and links that stay as they are.
    """
    readers = mails.readers(profile)
    names = context(
        shop=SAMPLE_SHOP,
        brand=mails.brand,
        profile=profile,
        run=run,
        products=sample.products,
        links=LINKS,
        formats=mails.formats,
        form=form_for(mails.formats, template.locale, *readers),
        recommend=_offered(template, sample),
        coupon=_given(template, sample, run),
    )

    def bare(source: str, *, escape: bool) -> Callable[[], str]:
        jinja = Environment(autoescape=escape)  # noqa: S701 - text parts and subjects are no HTML
        jinja.filters.update(sandbox.FILTERS)
        jinja.filters["_link"] = lambda value, *_: value
        # A dict has `items` of its own, which Jinja2 as it comes finds first.
        page = jinja.from_string(source.replace("event.items", 'event["items"]'))
        return lambda: page.render(names)

    subject, text = bare(template.subject, escape=False), bare(template.text, escape=False)
    html = bare(template.html, escape=True)
    return lambda: (subject(), html(), text()), html


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_A_ROUND):
        work()
    return (time.perf_counter() - start) / _A_ROUND
