"""Worlds in which the simulator found something: they stay."""

from __future__ import annotations

from collections.abc import Iterable

from rekindle.service.people import address_hash, alias_key
from tests.simulation.run import Plan, explain, faults_of, run_plans, running
from tests.simulation.schedule import STEP_BACK, Choice, Told
from tests.simulation.story import ALERTS, COUPONS, LIST_ID, LISTS, PAGES, PHONES, SHOP, TEXTS, Story, story_of
from tests.simulation.world import Simulation


def played(story: Story, choices: Iterable[Choice]) -> Simulation:
    """Return the world of this story, in which these went wrong, at its end."""
    with running():
        simulation = Simulation(story, Told(choices))
        simulation.run()
    return simulation


def test_an_account_told_late_does_not_bring_its_old_address_back() -> None:
    """`customer.updated` with the old address was delayed, and overwrote the newer one."""
    story = story_of(
        (0, "subscribes", "ada"), (0, "identified", "ada"), (60, "identified", "ada", 1), (120, "moves", "ada", 1)
    )
    simulation = played(story, [Choice("shop", 3, "delayed", 400)])
    world = simulation.world
    key = alias_key(world.secret_address_key, SHOP, "shop_customer_id", "id-ada")
    profile = simulation.watch.living(world.owners[key])
    assert simulation.watch.violations == []
    assert profile is not None
    assert profile.email == "ada.1@example.com"


def test_a_text_that_went_nowhere_is_not_unknown_because_the_opt_out_could_not_be_stored() -> None:
    """The carrier had taken the number off, and accepting that timed out: the lease stayed, and nothing said why."""
    story = story_of((0, "allows", "ada"), (0, "checkout", "ada", 1), (60, "moves", "ada", 1), book=TEXTS)
    with running():
        choices = [Choice("texter.send", 1, "gone"), Choice("intake.accept", 4, "time_out")]
        simulation = Simulation(story, Told(choices))
        simulation.run()
    assert simulation.watch.violations == []
    assert [message.state for message in simulation.world.messages.values()] == ["failed"]
    assert simulation.world.suppressed(SHOP, "sms", phone_of(simulation), "marketing")


def phone_of(simulation: Simulation) -> str:
    return address_hash(simulation.world.secret_address_key, "phone", PHONES["ada"])


def test_whoever_is_erased_comes_off_a_list_that_they_are_just_being_put_on() -> None:
    """They were taken off, and then put on by whoever had not got the lease yet; or had planned it a moment later."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "erasure", "ada", 1), book=LISTS)
    crossings = [[Choice("outbox.lease", 1, STEP_BACK), Choice("state.profile", n, STEP_BACK)] for n in range(5, 10)]
    crossings += [[Choice("vault.owners", n, STEP_BACK)] for n in range(1, 5)]
    with running():
        for choices in crossings:
            simulation = Simulation(story, Told(choices))
            simulation.run()
            assert simulation.watch.violations == []
            assert simulation.world.audience_members.get((SHOP, LIST_ID), set()) == set()


def test_two_who_strip_one_delivery_do_not_undo_each_others_work() -> None:
    """Two privacy tasks of one delivery at once: the address that the first took out comes back, and stays."""
    story = story_of((0, "subscribes", "bob"), (60, "both_order", "ada", 1), (60, "erasure", "bob", 1))
    with running():
        for count in range(1, 6):
            choices = [Choice("state.work", 2, STEP_BACK), Choice("vault.strip", count, STEP_BACK)]
            simulation = Simulation(story, Told(choices))
            simulation.run()
            assert simulation.watch.violations == []


def test_a_sign_up_that_is_applied_after_its_address_was_erased_does_not_bring_that_back() -> None:
    """It names a profile, which was not there yet when everything under the address was buried."""
    story = story_of((0, "signs_up", "ada"), (60, "erasure", "ada"), book=PAGES)
    simulation = played(story, [Choice("stream", 1, "lost")])
    assert simulation.watch.violations == []
    assert simulation.world.inbox == []


def test_whoever_signs_up_again_on_the_day_of_their_erasure_is_asked_again_whatever_goes_wrong() -> None:
    """The profile of the day's requests is a tombstone by then: it was dropped with what had been said before."""
    story = story_of((0, "signs_up", "ada"), (60, "erasure", "ada"), (3600, "signs_up", "ada"), book=PAGES)
    simulation = played(story, [])
    assert simulation.watch.violations == []
    assert [sent.mail.subject for sent in simulation.world.inbox] == ["confirm-signup"] * 2
    tally = run_plans(Plan(story, (fault,)) for fault in faults_of(story)[::20])
    assert tally.worlds
    assert not tally.failed, explain(tally.failed[0])


def test_a_code_whose_mail_went_out_before_it_was_told_is_told() -> None:
    """`mint` died when it had made it; a second parcel of the message had it sent, and then nothing named its offer."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada"), book=COUPONS)
    with running():
        choices = [Choice("queues.enqueue", 1, "late", 30), Choice("coupons.made", 1, "crash_after")]
        simulation = Simulation(story, Told(choices))
        simulation.run()
    assert simulation.watch.violations == []
    assert len(simulation.world.issued) == 1


def test_an_order_that_was_erased_with_its_customer_is_not_confirmed_a_second_time() -> None:
    """It came between the request and the erasure, which had trouble; a day later it was told of again."""
    story = story_of(
        (0, "subscribes", "ada", 1),
        (0, "unsubscribes", "ada", 2),
        (60, "erasure", "ada", 3),
        (3600, "order", "ada", 1),
        (86400, "order", "ada", 1),
        book=1,
    )
    trouble = [
        Choice("stream", 2, "delayed", 1200),
        Choice("state.profile", 48, "time_out"),
        Choice("state.profile", 103, "crash_before"),
    ]
    simulation = played(story, trouble)
    assert simulation.watch.violations == []
    assert [sent.mail.subject for sent in simulation.world.inbox] == ["confirmation"]


def test_a_sign_up_that_is_applied_while_its_address_is_erased_goes_too() -> None:
    """Erasing had looked where sign-ups stand, and whoever applied one had seen nobody erased."""
    story = story_of((0, "signs_up", "ada", 1), (0, "checkout", "ada", 1), (1200, "erasure", "ada", 5), book=PAGES)
    trouble = [
        Choice("visitor", 1, "delayed", 1200),
        Choice("blobs.get", 1, "time_out"),
        Choice("blobs.get", 5, "step_back"),
        Choice("secrets.shop", 1, "step_back"),
        Choice("raw.put", 1, "step_back"),
    ]
    for place in range(20, 80):
        simulation = played(story, [*trouble, Choice("state.profile", place, "step_back")])
        assert simulation.watch.violations == [], place


def test_a_shop_that_gives_its_word_while_ses_takes_nothing_need_not_be_told_of_its_pause() -> None:
    """The check did not know it: the sweep tells of pauses in force alone, and whoever ends one knows of it."""
    story = story_of(
        (0, "subscribes", "bob"),
        (0, "checkout", "bob", 1),
        (3660, "ses_down", "bob", 2),
        (7200, "resumes", ""),
        book=3,
        bob="complains",
    )
    simulation = played(story, [])
    assert simulation.watch.violations == []
    assert simulation.watch.pauses


def test_a_mail_without_a_code_is_not_taken_for_the_one_whose_code_is_still_being_made() -> None:
    """The check took it so, where an offer was put out of use while the code of somebody else was under way."""
    story = story_of(
        (0, "subscribes", "ada"),
        (0, "checkout", "ada", 1),
        (0, "subscribes", "bob"),
        (0, "checkout", "bob", 1),
        (3600, "publish", "bob"),
        book=COUPONS,
    )
    simulation = played(story, [Choice("coupons.made", 2, "time_out")])
    assert simulation.watch.violations == []
    assert "" in {sent.mail.text for sent in simulation.world.inbox if sent.mail.subject == "given-2"}


def test_what_bounces_in_the_second_of_the_shops_word_pauses_it_again() -> None:
    """Whoever counted it had just seen the pause, took it to be in force still, and judged nothing."""
    story = story_of(
        (0, "subscribes", "ada"),
        (0, "guest_order", "ada", 1),
        (0, "subscribes", "bob"),
        (0, "subscribes", "bob", 1),
        (0, "account", "bob", 1),
        (0, "resumes", "ada", 3),
        (0, "paid", "bob", 3),
        (0, "refund", "ada", 3),
        (1, "resumes", "bob", 3),
        book=1,
        ada="bounces",
        bob="bounces",
    )
    simulation = played(
        story, [Choice("pick", 11, "pick", 5), Choice("pick", 20, "pick", 1), Choice("pick", 21, "pick", 3)]
    )
    assert simulation.watch.violations == []
    assert len(simulation.watch.pauses) == 2


def test_a_split_leaves_out_what_is_about_somebody_erased() -> None:
    """The check did not know it: an order that was erased with its customer came again, beside another one's."""
    story = story_of((0, "paid", "ada", 1), (1, "erasure", "ada", 3), (3600, "both_order", "ada", 1), book=1)
    simulation = played(story, [])
    assert simulation.watch.violations == []
    assert simulation.watch.private


def test_whoever_is_found_while_somebody_is_being_erased_is_emptied_by_the_next_try_too() -> None:
    """They were buried and not written down; the try died, and their address led to somebody new by the next one."""
    story = story_of(
        (0, "subscribes", "ada"),
        (0, "account", "ada", 1),
        (0, "erasure", "ada", 3),
        (120, "checkout", "ada", 2),
        (86400, "erasure", "ada", 1),
    )
    turns = [Choice("queues.enqueue", 1, STEP_BACK), Choice("vault.bury", 2, STEP_BACK)]
    for place in range(6, 40):
        simulation = played(story, [*turns, Choice("state.profile", place, "time_out")])
        assert simulation.watch.violations == [], place


def test_an_erasure_that_waits_for_whoever_puts_them_on_a_list_has_not_failed() -> None:
    """Waiting used one of its five tries up, and four faults the others."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "erasure", "ada", 1), book=LISTS)
    turns = [
        Choice("blobs.get", 5, STEP_BACK),
        Choice("vault.suppress", 1, STEP_BACK),
        Choice("outbox.record", 1, STEP_BACK),
    ]
    faults = [
        Choice("vault.bury", 3, "crash_before"),
        Choice("vault.suppress", 4, "time_out"),
        Choice("vault.profiles", 6, "crash_before"),
        Choice("vault.delivery", 5, "crash_before"),
    ]
    simulation = played(story, [*turns, *faults])
    assert simulation.watch.violations == []
    assert simulation.world.privacy_queue.dead == []


def _erased_twice(said_at: int) -> Story:
    return story_of(
        (0, "subscribes", "ada"),
        (60, "erasure", "ada", 3),
        (said_at, "unsubscribes", "ada", 1),
        (7200, "erasure", "ada", 1),
        book=1,
    )


def test_whoever_comes_back_just_before_their_grave_is_renewed_is_erased() -> None:
    """Erasing saw the tombstone of an earlier one alone, which has no version, and wrote another over it."""
    accepted = Choice("intake.accept", 3, STEP_BACK)
    for place in ("vault.suppress", "vault.bury"):
        for count in range(1, 9):
            simulation = played(_erased_twice(7200), [accepted, Choice(place, count, STEP_BACK)])
            assert simulation.watch.violations == [], (place, count)


def test_nobody_comes_back_from_a_grave_that_was_renewed_since() -> None:
    """Journey had read the tombstone of an earlier erasure, and put a new profile just after the next one."""
    late = Choice("state.commit", 3, "slow_before", 50)
    for count in range(1, 9):
        simulation = played(_erased_twice(7195), [late, Choice("vault.ledger", count, "slow_before", 50)])
        assert simulation.watch.violations == [], count


def test_who_signs_up_and_is_erased_twice_in_a_day_is_erased_twice() -> None:
    """The second sign-up stands under another id than it names: its event was taken for somebody else's, and stayed."""
    story = story_of((0, "wants", "ada", 2), (61, "erasure", "ada", 1), (4200, "erasure", "ada", 2), book=ALERTS)
    assert played(story, [Choice("visitor", 1, "delayed", 400)]).watch.violations == []


def test_nothing_is_recorded_of_a_message_of_somebody_who_was_erased_meanwhile() -> None:
    """Its second parcel found the address suppressed, and put a record where the first one's had just been deleted."""
    story = story_of(
        (0, "allows", "ada"),
        (0, "checkout", "ada", 1),
        (3600, "erasure", "ada", 1),
        (3600, "unsubscribes", "ada", 1),
        book=TEXTS,
    )
    turns = ("state.commit", 4), ("outbox.record", 1), ("vault.delivery", 1), ("outbox.lease", 2)
    simulation = played(story, [Choice(place, count, STEP_BACK) for place, count in turns])
    assert simulation.watch.violations == []
    assert simulation.world.messages == {}


def test_a_network_that_would_not_take_somebody_off_is_named_by_the_receipt_whatever_comes_next() -> None:
    """The try died after it had buried them: the next one knew of no list any more."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "erasure", "ada", 1), book=LISTS)
    simulation = played(story, [Choice("audiences.change", 2, "not_allowed"), Choice("vault.bury", 1, "late", 1)])
    assert simulation.watch.violations == []
    assert b"do it by hand" in simulation.world.raw_files["receipts/tea/erase-ada-1.json"]


def test_who_signs_up_at_an_address_whose_grave_is_being_renewed_is_found() -> None:
    """The profile's id followed from when the earlier one was erased, and that had just changed."""
    story = story_of(
        (0, "priced", "", 1),
        (0, "wants", "ada", 2),
        (60, "confirms", "ada"),
        (600, "account", "ada", 1),
        (600, "erasure", "ada", 1),
        (4200, "priced", "ada", 4),
        (7200, "erasure", "ada", 1),
        (7200, "wants", "ada", 1),
        book=ALERTS,
    )
    for count in range(1, 9):
        turns = [Choice("state.commit", 8, STEP_BACK), Choice("vault.suppress", count, STEP_BACK)]
        assert played(story, turns).watch.violations == [], count


def test_an_erasure_waits_for_what_is_just_being_recorded_of_a_message() -> None:
    """Whoever had it in hand found the address suppressed, and recorded that after everything had been deleted."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "erasure", "ada", 1), book=LISTS)
    turns = ("blobs.get", 4), ("blobs.get", 6), ("outbox.record", 1)
    simulation = played(story, [Choice(place, count, STEP_BACK) for place, count in turns])
    assert simulation.watch.violations == []
    assert simulation.world.messages == {}


def test_a_code_is_told_of_though_its_run_was_over_before_the_word_of_it_came_through() -> None:
    """Another parcel found the code and mailed it; the complaint ended the run, and with it whose code that was."""
    story = story_of((0, "subscribes", "ada"), (0, "order", "ada", 1), book=COUPONS, ada="complains")
    choices = [
        Choice("state.commit", 2, STEP_BACK),
        Choice("marketing", 2, "twice"),
        Choice("intake.accept", 3, "time_out"),
    ]
    simulation = played(story, choices)
    assert simulation.watch.violations == []
    (profile,) = (simulation.watch.living(each) for each in simulation.world.profiles)
    assert profile is not None
    assert (profile.runs, [coupon.code for coupon in profile.coupons]) == ((), ["POOL-1"])


def test_a_mail_goes_without_its_code_where_the_offer_was_off_when_it_was_decided() -> None:
    """It was due before the publish, and decided after it: the check went by when it was due."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "publish", "ada"), book=COUPONS)
    late = [
        Choice("blobs.get", 3, "time_out"), Choice("blobs.get", 5, "throttle"), Choice("blobs.tagged", 2, "throttle")
    ]  # fmt: skip
    simulation = played(story, late)
    assert simulation.watch.violations == []
    assert [(sent.mail.subject, sent.mail.text) for sent in simulation.world.inbox] == [
        ("given-1", ""),
        ("given-2", ""),
    ]


def test_an_offer_that_is_switched_off_while_its_code_is_asked_for_is_not_asked_for_without_end() -> None:
    """`mint` knew of the publish, and gave back at once what `send`, which did not, asked for again at once."""
    story = story_of((0, "subscribes", "ada"), (0, "checkout", "ada", 1), (3600, "publish", "ada"), book=COUPONS)
    simulation = played(story, [Choice("outbox.read", 2, "slow_after", 20)])
    assert simulation.watch.violations == []
    assert simulation.choices.passed["mint.enqueue"] == 1
