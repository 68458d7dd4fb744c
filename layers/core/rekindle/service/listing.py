"""Ads audiences: what `Deliver` does on the channel audience, and taking erased people off (DESIGN §6, Sending).

To be put on a list is marketing: it needs consent at the moment of asking, for each address that is handed over. To be
taken off needs nothing. Either is the same asked twice, so what nobody knows the outcome of is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from rekindle.domain.errors import ContentError, MailRefusedError, MailRejectedError
from rekindle.domain.profile import Planned, Profile, Run
from rekindle.flow.program import Shop
from rekindle.ports import AudienceChange, Audiences, Listed
from rekindle.service.deliver import Attempt, Joint
from rekindle.service.people import address_hash

Shops = Callable[[], Iterable[Shop]]


class Listing:
    """A `Ready` for audiences. All of a batch that go to, or come off, one list are one call."""

    def __init__(self, *, audiences: Audiences, shops: Shops, address_key: bytes) -> None:
        self._audiences = audiences
        self._shops = shops
        self._key = address_key

    def __call__(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        """Make the change ready. Raises `ContentError`."""
        del message_id, run
        audience = _id_of(self._shops(), profile.shop, planned.template)
        person = whom(profile, planned)
        change = AudienceChange(
            shop=profile.shop,
            audience=audience,
            action="remove" if planned.action == "remove" else "add",
            people=(person,),
        )
        also = () if planned.action == "remove" else self._forbids(person)
        joint = Joint((profile.shop, audience, change.action), person, partial(_together, self._audiences, change))
        return Attempt(profile.id, partial(self._audiences.change, change), also=also, joint=joint)

    def _forbids(self, person: Listed) -> tuple[tuple[str, str], ...]:
        emails = (("email", address_hash(self._key, "email", email)) for email in person.emails)
        phones = (("sms", address_hash(self._key, "phone", phone)) for phone in person.phones)
        return (*emails, *phones)


def _together(audiences: Audiences, change: AudienceChange, people: Sequence[Listed]) -> str:
    return audiences.change(
        AudienceChange(shop=change.shop, audience=change.audience, action=change.action, people=tuple(people))
    )


def whom(profile: Profile, planned: Planned) -> Listed:
    """Return by which addresses the person is put on the list; off it: all that they ever were on it by.

    Put on: by those noted when it was planned, as far as they are consented for still.

    Raises `ContentError` where nothing is left to recognise them by.
    """
    if planned.action == "remove":
        known = profile.audiences.get(planned.template)
        emails = (*(known.emails if known else ()), *([profile.email] if profile.email else []))
        phones = (*(known.phones if known else ()), *([profile.phone] if profile.phone else []))
        person = Listed(tuple(dict.fromkeys(emails)), tuple(dict.fromkeys(phones)))
    else:
        person = Listed(*profile.listed_by(planned.template))
    if not (person.emails or person.phones):
        raise ContentError("there is no address to recognise them by")
    return person


def _id_of(shops: Iterable[Shop], shop: str, name: str) -> str:
    found = next((each for each in shops if each.id == shop), None)
    audience = found.audiences.get(name) if found is not None else None
    if audience is None:
        raise ContentError(f"shops/{shop}.yaml names no audience {name}")
    return audience


class Unlisting:
    """Takes people off every list that they were ever put on: for privacy, which knows them no longer afterwards."""

    def __init__(self, *, audiences: Audiences, shops: Shops) -> None:
        self._audiences = audiences
        self._shops = shops

    def off(self, profile: Profile) -> tuple[str, ...]:
        """Take the person off; return a note for each list that would not let them go, naming nobody.

        Raises `MailRefusedError` where it is worth trying again later.
        """
        notes = []
        for name, mark in profile.audiences.items():
            try:
                audience = _id_of(self._shops(), profile.shop, name)
                people = (Listed(mark.emails, mark.phones),)
                self._audiences.change(
                    AudienceChange(shop=profile.shop, audience=audience, action="remove", people=people)
                )
            except (ContentError, MailRejectedError) as error:
                notes.append(f"audience {name}: not taken off, do it by hand: {error}")
            except MailRefusedError as refused:
                if refused.reason != "not_allowed":
                    raise
                notes.append(f"audience {name}: not taken off, Meta does not know the token: do it by hand")
        return tuple(notes)
