"""Somebody who has got a mail, presses a link in it, and answers on the page that it leads to."""

from __future__ import annotations

import itertools

from rekindle.content.links import FormLink, sign_form
from rekindle.content.pages.forms import Posted
from rekindle.content.pages.settings import PageSettings
from rekindle.service.desks import Desks
from rekindle.service.people import address_hash
from rekindle.service.visits import Answer
from tests.support.plant import Plant


class Visitor:
    """Somebody with the link of a mail, and a browser."""

    def __init__(self, plant: Plant, form: str = "stay", *, about: str = "", email: str = "ada@example.com") -> None:
        self.plant = plant
        world = plant.world
        nonces = itertools.count(1)
        self.desks = Desks(
            desk=world.desk,
            intake=world.intake,
            clock=world.clock,
            secrets=world.secrets,
            new_nonce=lambda: f"nonce-{next(nonces)}",
        )
        self.claim = FormLink(
            shop="tea",
            channel="email",
            address=address_hash(world.secret_address_key, "email", email),
            message="m" * 32,
            profile=plant.profile("ada@example.com").id,
            form=form,
            about=about,
        )
        self.published = PageSettings(hash="h", shops=plant.playbook.shops)

    def open(self, **query: str) -> Answer:
        """Look at the page, with this query in its address."""
        claim, desk = self.desks.of(self.claim.form, sign_form(self.plant.world.secrets.link_keys(), self.claim))
        return desk.show(claim, self.published, None, query)

    def press(self, act: str, **typed: str) -> Answer:
        """Press the button that sends this."""
        claim, desk = self.desks.of(self.claim.form, sign_form(self.plant.world.secrets.link_keys(), self.claim))
        posted = Posted({"act": [act], **{name: [value] for name, value in typed.items()}})
        return desk.save(claim, posted, self.published)
