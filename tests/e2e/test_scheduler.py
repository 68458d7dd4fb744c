"""Time as it is: the alarm is a real schedule, and MiniStack's own scheduler rings it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.world import World
from tests.e2e.conftest import PATIENT, Appointment
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-live")


def test_the_scheduler_rings_and_the_mail_goes_out(live: World, appointment: Appointment) -> None:
    assert live.clock.offset == 0
    ours = [alarm for alarm in live.runner.alarms() if alarm.at == appointment.due]
    assert appointment.due < live.clock.now() or len(ours) == 1

    left = (appointment.due - live.clock.now()).total_seconds()
    eventually(lambda: any(mail.address == PATIENT.email for mail in live.ses.mails), seconds=max(left, 0) + 40)

    live.runner.wait_until_idle()
    mails = [mail for mail in live.ses.mails if mail.address == PATIENT.email]
    assert len(mails) == 1
    assert appointment.due <= mails[0].at < appointment.due + timedelta(seconds=40)
    # Others may wait for the same minute by now, and the pass after the publish may have woken this person through the
    # queue: a moment before the emulator's scheduler, ten seconds late at times, has rung and deleted its schedule.
    names = {alarm.name for alarm in ours}
    eventually(lambda: names.isdisjoint(alarm.name for alarm in live.runner.alarms()), seconds=40)
