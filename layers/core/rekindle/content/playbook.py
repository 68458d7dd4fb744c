"""The published set: what `send` reads of it (`Mails`), its hash, and the files that it is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from rekindle.content.brand import Brand
from rekindle.content.context import context
from rekindle.content.formats import Format
from rekindle.content.mails import MailTemplate, Rendered, render
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Product
from rekindle.domain.ids import digest
from rekindle.domain.profile import Profile, Run
from rekindle.flow.program import Flow, Playbook, Shop


class Mails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that `send` needs of one published set. `formats` is how each locale in use writes."""

    hash: str
    templates: dict[str, MailTemplate] = {}
    brand: Brand = Brand()
    shops: dict[str, Shop] = {}
    formats: dict[str, Format] = {}

    def build(
        self,
        name: str,
        *,
        profile: Profile,
        run: Run,
        products: Mapping[str, Product],
        links: Mapping[str, str],
        clock: Callable[[], float] | None = None,
    ) -> Rendered:
        """Return the mail `name` for this profile and run. `clock` is monotonic, in seconds.

        `products` are what the catalogue has for `context.product_ids(run)`; `links` are `unsubscribe` and `page`.
        Raises `ContentError` for an unknown template or shop, and where `render` does.
        """
        template, shop = self.templates.get(name), self.shops.get(profile.shop)
        if template is None or shop is None:
            raise ContentError(
                f"the playbook {self.hash} has no {'mail' if template is None else 'shop'} for this", file=name
            )
        names = context(
            shop=shop,
            brand=self.brand,
            profile=profile,
            run=run,
            products=products,
            links=links,
            formats=self.formats,
        )
        return render(template, names, clock)


_mails = msgspec.json.Decoder(Mails)
_encoder = msgspec.json.Encoder(order="sorted")


def decode_mails(raw: bytes) -> Mails:
    """Return what `files` wrote as `mails.json`."""
    return _mails.decode(raw)


class PublishedSet(Struct, frozen=True, kw_only=True):
    """A valid set of content under its hash, the two ways that it is read."""

    hash: str
    playbook: Playbook
    mails: Mails

    def files(self) -> dict[str, bytes]:
        """Return key → content of every file that must stand before the pointer may name this set."""
        where = f"playbooks/{self.hash}"
        pinned = {f"flows/{flow.version}.json": _encoder.encode(flow) for flow in self.playbook.flows.values()}
        return {
            **pinned,
            f"{where}/flows.json": _encoder.encode(self.playbook),
            f"{where}/mails.json": _encoder.encode(self.mails),
        }


def published_set(
    *,
    flows: Mapping[str, Flow],
    shops: Mapping[str, Shop],
    templates: Mapping[str, MailTemplate],
    brand: Brand,
    formats: Mapping[str, Format],
) -> PublishedSet:
    """Return the set under the hash of all that it holds: equal content, equal hash, in any order."""
    parts = (dict(sorted(flows.items())), dict(sorted(shops.items())), dict(sorted(templates.items())), brand)
    whole = digest("playbook", *(_encoder.encode(part) for part in (*parts, dict(sorted(formats.items())))))
    return PublishedSet(
        hash=whole,
        playbook=Playbook(hash=whole, flows=parts[0], shops=parts[1]),
        mails=Mails(hash=whole, templates=parts[2], brand=brand, shops=parts[1], formats=dict(formats)),
    )
