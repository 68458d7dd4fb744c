"""What several adapters and services make up together, for `functions/send`.

That is its pace, what it recommends, and the channels beside email. Each channel is put together at its first message,
so that who sends mails alone imports nothing of the others.
"""

from __future__ import annotations

import random  # noqa: TID251 - to fall out of step with other workers
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from rekindle.aws.clock import elapsed
from rekindle.aws.coupons import DynamoCoupons
from rekindle.aws.mailer import SesAccount
from rekindle.aws.queues import SqsSendQueues
from rekindle.aws.shelves import DynamoShelves
from rekindle.aws.tables import Tables
from rekindle.domain.profile import Channel
from rekindle.service.coupons import Wallet
from rekindle.service.pace import Pacer, Staff
from rekindle.service.recommend import Recommender

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients
    from rekindle.aws.secrets import CachedSecrets
    from rekindle.domain.profile import Planned, Profile, Run
    from rekindle.ports import Allowance, Clock, SendQueues
    from rekindle.service.compose import Composer
    from rekindle.service.deliver import Attempt, Hear, Ready
    from rekindle.service.gone import Gone
    from rekindle.service.library import Library
    from rekindle.service.listing import Unlisting
    from rekindle.settings import Privacy, Send


def pacer(*, settings: Send, clients: Clients, noted: Callable[[Allowance], None]) -> Pacer:
    """Return what keeps all workers together within the account's rate. `noted` is told of each reading of it."""
    return Pacer(
        account=SesAccount(clients),
        staff=Staff(settings.marketing_senders, settings.transactional_senders, settings.transactional_share / 100),
        # What the account said is good for minutes, in which Lambda may hold the process still.
        monotonic=elapsed,
        wait=time.sleep,
        chance=random.SystemRandom().random,
        noted=noted,
    )


def recommender(clients: Clients, tables: Tables, clock: Clock) -> Recommender:
    """Return what chooses products for mails that recommend."""
    return Recommender(DynamoShelves(clients, tables, clock), clock)


def purse(
    *, settings: Send, clients: Clients, tables: Tables, library: Library
) -> tuple[SendQueues, SendQueues, Wallet]:
    """Return the queues of messages, those of messages whose coupons must be made, and what knows the coupons."""
    queues = SqsSendQueues(
        clients, transactional_url=settings.transactional_queue_url, marketing_url=settings.marketing_queue_url
    )
    mint = SqsSendQueues(
        clients,
        transactional_url=settings.transactional_mint_queue_url,
        marketing_url=settings.marketing_mint_queue_url,
    )
    return queues, mint, Wallet(coupons=DynamoCoupons(clients, tables), library=library)


def channels(
    *, settings: Send, clients: Clients, keys: CachedSecrets, composer: Composer, library: Library, clock: Clock
) -> dict[Channel, Ready]:
    """Return what this installation can send beside mails."""

    def sms() -> Ready:
        from rekindle.aws.texter import AwsTexter
        from rekindle.service.texting import Texting

        return Texting(
            texter=AwsTexter(clients, configuration_set=settings.sms_configuration_set),
            builder=composer,
            clock=clock,
        )

    def push() -> Ready:
        from rekindle.aws.outbox import DynamoOutbox
        from rekindle.outside.webpush import WebPusher
        from rekindle.service.pushing import Pushing

        return Pushing(
            pusher=WebPusher(secret=keys.push_secret(), clock=clock, instead=settings.push_service_url or ""),
            builder=composer,
            clock=clock,
            outbox=DynamoOutbox(clients, Tables.of(settings)),
            address_key=keys.address_key(),
        )

    def audience() -> Ready:
        from rekindle.outside.meta import MetaAudiences
        from rekindle.service.listing import Listing

        audiences = MetaAudiences(keys, base=settings.graph_url or "")
        return Listing(audiences=audiences, shops=library.shops, address_key=keys.address_key())

    return {"sms": _at_first_use(sms), "push": _at_first_use(push), "audience": _at_first_use(audience)}


def gone(*, settings: Send, clients: Clients, keys: CachedSecrets, clock: Clock) -> Hear:
    """Return what hears that an address takes nothing any more; put together where there is one."""

    @cache
    def made() -> Gone:
        from rekindle.aws.intake import DynamoIntake
        from rekindle.service.gone import Gone

        intake = DynamoIntake(clients, Tables.of(settings))
        return Gone(intake=intake, clock=clock, address_key=keys.address_key())

    return lambda message, address: made().hear(message, address)


def unlisting(*, settings: Privacy, clients: Clients, clock: Clock) -> Callable[[Profile], tuple[str, ...]]:
    """Return what takes somebody off the ads audiences that they are on; put together where there are any."""

    @cache
    def made() -> Unlisting:
        from rekindle.aws.blobs import S3Blobs
        from rekindle.aws.secrets import CachedSecrets
        from rekindle.outside.meta import MetaAudiences
        from rekindle.service.library import Library
        from rekindle.service.listing import Unlisting

        keys = CachedSecrets(clients, settings.secrets_prefix)
        return Unlisting(
            audiences=MetaAudiences(keys, base=settings.graph_url or ""),
            shops=Library(S3Blobs(clients, settings.content_bucket), clock).shops,
        )

    return lambda profile: made().off(profile)


def _at_first_use(make: Callable[[], Ready]) -> Ready:
    made = cache(make)

    def ready(message_id: str, profile: Profile, planned: Planned, run: Run) -> Attempt:
        return made()(message_id, profile, planned, run)

    return ready
