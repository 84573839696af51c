"""Explanations, what waits for somebody, and what people decide about it."""

import asyncio
import datetime
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from engines import DATA, SMALL, opened, worker
from iam_platform import Clock, Intake, errors

pytestmark = pytest.mark.anyio

GUARDED = SMALL + "\n[guard]\nmax_leavers = 0\n"
LEFT = {"status": "Terminated", "lastDay": "2026-11-20"}


async def test_why_and_why_not_name_the_rule_the_event_and_what_is_missing(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    join = (await way(engine.run)).people[0].event
    why = await way(engine.why, "P-1", "group:sg-security")
    assert why.is_held and why.granted.rules == ("security",) and why.event == join
    assert why.entitlement.name == "sg-security" and "rule" not in why.what
    assert "security" in str(why) and "Tanaka" not in str(why) + repr(why)
    not_held = await way(engine.why_not, "P-1", {"kind": "group", "name": "sg-finance"})
    assert not not_held.is_held and [obstacle.kind for obstacle in not_held.obstacles] == ["no_rule"]
    assert (await way(engine.why_not, "P-1", "group:no such group")).obstacles[0].kind == "tenant"
    held = await way(engine.why, "P-1", why.entitlement)
    assert held.is_held
    with pytest.raises(errors.NotFoundError):
        await way(engine.why, "P-9", "group:sg-security")
    with pytest.raises(errors.InvalidError, match="kind:name"):
        await way(engine.why, "P-1", "sg-security")


async def test_evidence_tells_of_every_time_that_something_was_held(way, entra):
    engine = await opened(way, entra, clock=Clock("2026-11-24T09:00:00Z"))
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    await way(engine.accept, worker("P-1", **LEFT))
    await way(engine.run)
    evidence = await way(engine.evidence, "P-1")
    assert evidence.lifecycle == "disabled" and evidence.last_day == datetime.date(2026, 11, 20)
    held = {one.entitlement.name: one for one in evidence.held}
    assert held["sg-security"].given_at < held["sg-security"].removed_at
    assert held["sg-security"].held_now in (False, None)
    assert {"P-1"} == {evidence.person} and evidence.to_dict()["details"]["deeds"]


async def test_drift_is_found_and_reverted_and_somebody_elses_gift_is_taken_if_named(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    assert (await way(engine.drift)).people == ()
    user = entra.users()["P-1"]["id"]
    graph = entra.writer()
    security, finance = entra.group("sg-security"), entra.group("sg-finance")
    graph.request("DELETE", f"/groups/{security}/members/{user}/$ref")
    graph.request(
        "POST",
        f"/groups/{finance}/members/$ref",
        {"@odata.id": f"{entra.env['SANDBOX_GRAPH']}/users/{user}"},
    )
    report = await way(engine.drift)
    assert (report.looked_at, report.differ, report.unknown) == (1, 1, 0)
    found = {one.kind: one for one in report.people[0].found}
    assert found["missing"].entitlement.name == "sg-security"
    assert found["foreign"].entitlement.name == "sg-finance"
    assert not (await way(engine.drift_of, "P-1")).is_clean
    heard = []
    await way(engine.drift, heard.append)
    if way.name == "async":
        await asyncio.sleep(0)
    assert [one.person for one in heard] == ["P-1"]

    with pytest.raises(errors.InvalidError):
        await way(engine.revert, "P-1", "", "no name")
    event = await way(engine.revert, "P-1", "auditor", "review", [found["foreign"].entitlement])
    assert event in [run.event for run in (await way(engine.run)).people]
    assert user in entra.members("sg-security") and user not in entra.members("sg-finance")
    assert (await way(engine.drift_of, "P-1")).is_clean


async def test_undo_shows_first_and_goes_through_the_plan(way, entra):
    engine = await opened(way, entra, SMALL.replace('grace = "14d"', ""))
    await way(engine.accept, worker("P-1"))
    join = (await way(engine.run)).people[0].event
    await way(engine.accept, worker("P-1", department="Finance"))
    await way(engine.run)
    plan = await way(engine.undo_plan, join)
    assert plan.event == join and plan.person == "P-1"
    assert plan.refused or plan.steps, "an account that HR wants is not undone without a word"
    with pytest.raises(errors.NotFoundError):
        await way(engine.undo_plan, "no such event")
    with pytest.raises(errors.ConflictError):
        await way(engine.undo, join, "operator", "a mistake")


async def test_the_guard_freezes_a_plan_until_somebody_else_releases_it(way, entra):
    engine = await opened(way, entra, GUARDED, actor="planner")
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    await way(engine.accept, worker("P-1", **LEFT))
    preview = await way(engine.plan)
    assert preview.guard
    with pytest.raises(errors.GuardedError):
        await way(engine.run)
    assert entra.users()["P-1"]["accountEnabled"]
    frozen = await way(engine.frozen)
    assert (frozen.hash, frozen.state, frozen.planned_by) == (
        preview.hash,
        "frozen",
        "planner",
    )
    with pytest.raises(errors.DeniedError):
        await way(engine.release, frozen.hash, "planner", "I say so")
    await way(engine.release, frozen.hash, "somebody else", "it is so")
    await way(engine.run)
    assert not entra.users()["P-1"]["accountEnabled"]
    freezes = await way(engine.freezes)
    assert [(one.state, one.released_by, one.reason) for one in freezes] == [
        ("applied", "somebody else", "it is so")
    ]
    assert await way(engine.frozen) is None


async def test_a_delivery_that_is_not_like_the_last_is_held_and_decided(way, entra):
    engine = await opened(way, entra)
    header = "Employee ID,First Name,Last Name,Status\n"
    rows = [f"P-{number},Mei,Nr{number},Active\n" for number in range(40)]
    good = await way(engine.accept_file, Intake("csv"), (header + "".join(rows)).encode(), "hr")
    assert (good.events, good.is_held, good.delivery is not None) == (40, False, True)
    short = (header + "".join(rows[:10])).encode()
    held = await way(engine.accept_file, Intake("csv"), short, "hr")
    assert held.is_held and "10 rows" in held.findings[0] and held.events == 0
    staged = await way(engine.staged)
    assert [(one.id, one.source, one.state, one.rows) for one in staged] == [
        (held.delivery, "hr", "held", 10)
    ]
    await way(engine.discard_delivery, held.delivery, "operator", "a cut file")
    held = await way(engine.accept_file, Intake("csv"), short, "hr")
    released = await way(engine.release_delivery, held.delivery, "operator", "a part was sold")
    assert (released.events, released.unchanged) == (0, 10)
    assert await way(engine.staged) == ()


async def test_messages_become_events_or_dead_letters(way, entra):
    engine = await opened(way, entra)
    record = worker("P-1")
    taken = await way(
        engine.receive,
        [
            {
                "source": "hr",
                "id": "1",
                "type": "iam-platform.hr.record",
                "data": record,
            },
            {
                "source": "hr",
                "id": "1",
                "type": "iam-platform.hr.record",
                "data": record,
            },
            {
                "source": "hr",
                "id": "2",
                "type": "iam-platform.hr.event",
                "data": b"{not JSON",
            },
        ],
    )
    assert [(one.events, one.unchanged, one.dead_letter is None) for one in taken] == [
        (1, 0, True),
        (0, 1, True),
        (0, 0, False),
    ]
    letters = await way(engine.dead_letters)
    assert [(one.id, one.message_id, one.data, one.state) for one in letters] == [
        (taken[2].dead_letter, "2", b"{not JSON", "open")
    ]
    corrected = {
        "source": "hr",
        "id": "2",
        "type": "iam-platform.hr.event",
        "data": {"person": "P-1", "kind": "leave", "last_day": "2031-01-31"},
    }
    with pytest.raises(errors.InvalidError):
        await way(
            engine.retry_letter,
            letters[0].id,
            corrected | {"data": b"{"},
            "operator",
            "mended",
        )
    mended = await way(engine.retry_letter, letters[0].id, corrected, "operator", "mended")
    assert mended.events == 1 and await way(engine.dead_letters) == ()
    await way(engine.run)
    assert (await way(engine.person, "P-1")).lifecycle == "leaving"


async def test_events_are_accepted_once_and_named_where_they_are_wrong(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    leave = {"id": "e-1", "person": "P-1", "kind": "leave", "urgent": True}
    first = await way(engine.accept_events, [leave])
    second = await way(engine.accept_events, leave)
    other = await way(engine.accept_events, leave | {"urgent": False, "last_day": "2031-01-31"})
    assert (first.events, second.unchanged, other.quarantined) == (1, 1, 1)
    assert [one.event for one in await way(engine.quarantined)] == ["e-1"]
    for wrong, word in [
        ({"id": "e-2", "person": "P-1", "kind": "dismiss"}, "event 1"),
        (
            {"id": "e-2", "person": "P-1", "kind": "leave", "lastDay": "2031-01-31"},
            "lastDay",
        ),
        ({"person": "P-1", "kind": "leave"}, "id"),
    ]:
        with pytest.raises(errors.InvalidError, match=word):
            await way(engine.accept_events, [wrong])
    await way(engine.run)
    assert "P-1" not in entra.users() or not entra.users()["P-1"]["accountEnabled"]


async def test_somebody_waits_for_a_day_to_come_and_the_plan_of_that_day_is_shown(way, entra):
    clock = Clock("2026-11-24T09:00:00Z")
    engine = await opened(way, entra, clock=clock)
    await way(engine.accept, worker("P-1", hireDate="2026-12-07", timeZone="UTC"))
    assert (await way(engine.waiting, "P-1")).state == "ready"
    assert (await way(engine.stalled)).person == "P-1"
    await way(engine.run)
    waiting = await way(engine.waiting, "P-1")
    assert waiting.state == "until" and waiting.at == datetime.datetime(
        2026, 12, 7, tzinfo=datetime.timezone.utc
    )
    assert await way(engine.next_due) == waiting.at
    future = await way(engine.plan_as_of, datetime.datetime(2026, 12, 8, tzinfo=datetime.timezone.utc))
    assert not future.is_past and [moment.at for moment in future.moments] == [waiting.at]
    assert "create_account" in [step.kind for step in future.moments[0].people[0].steps]
    assert await way(engine.overdue) == ()
    clock.advance(20 * 86400)
    assert {entry.person for entry in await way(engine.overdue)} == {"P-1"}
    await way(engine.run)
    assert entra.users()["P-1"]["accountEnabled"]
    past = await way(engine.plan_as_of, "2026-11-25T00:00:00Z")
    assert past.is_past and [(one.person, one.phase) for one in past.known] == [("P-1", "pending")]
    with pytest.raises(ValueError, match="offset"):
        await way(engine.plan_as_of, "2026-11-25T00:00:00")


async def test_the_audit_verifies_and_erasing_leaves_it_whole(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    first = await way(engine.audit, 0, 3)
    rest = await way(engine.audit, first[-1].sequence, 1000)
    assert [one.sequence for one in first + rest] == list(range(1, len(first) + len(rest) + 1))
    assert first[0].deed in {one.deed for one in first} and "Tanaka" not in str(
        [one.to_dict() for one in rest]
    )
    check = await way(engine.verify_audit)
    assert check.is_whole and check.checkpoint.startswith(f"{rest[-1].sequence}:")
    assert (await way(engine.verify_audit, check.checkpoint)).is_whole
    forged = f"{rest[-1].sequence}:{'0' * 64}"
    broken = await way(engine.verify_audit, forged)
    assert not broken.is_whole and broken.breach
    with pytest.raises(errors.InvalidError):
        await way(engine.verify_audit, "no checkpoint")
    with pytest.raises(errors.ConflictError):
        await way(engine.erase, "P-1", "officer", "asked for it")
    with pytest.raises(errors.NotFoundError):
        await way(engine.requeue, "no such event", "operator", "again")
    with pytest.raises(errors.InvalidError):
        await way(engine.skip, "no such event", "", "")


async def test_workers_go_on_until_an_event_is_set(way, entra):
    engine = await opened(way, entra)
    told = []

    def progress(one):
        told.append(one)
        if one.kind == "person":
            stop.set()

    await way(engine.accept, worker("P-1"))
    stop = asyncio.Event() if way.name == "async" else threading.Event()
    report = await way(engine.run_worker, 2, stop=stop, progress=progress)
    assert (report.done, report.troubles) == (1, 0) and report.steps.done > 0
    assert "P-1" in entra.users() and "step" in {one.kind for one in told}
    asked = []
    report = await way(engine.run_worker, stop=lambda: asked.append(1) or len(asked) > 2)
    assert report.done == 0 and len(asked) == 3


async def test_workers_that_are_cancelled_finish_before_the_journal_closes(entra, way, tmp_path):
    if way.name == "sync":
        pytest.skip("nothing cancels a call that waits; Ctrl-C has a test of its own")
    engine = await opened(way, entra, journal=f"sqlite:{tmp_path / 'journal.sqlite'}")
    await engine.accept(worker("P-1"))
    begun = asyncio.Event()
    work = asyncio.ensure_future(engine.run_worker(progress=lambda one: begun.set()))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await engine.close()
    again = await opened(way, entra, journal=f"sqlite:{tmp_path / 'journal.sqlite'}")
    # What was begun was finished: nothing is left half done, and no lease has to run out.
    assert (await again.run()).totals.failed == 0
    assert (await again.waiting("P-1")).state == "nothing"
    assert "P-1" in entra.users()
    await again.close()


def test_ctrl_c_ends_workers_in_good_order(tmp_path):
    program = textwrap.dedent(
        f"""
        import sys; sys.path.insert(0, {str(DATA.parents[1] / "tests" / "python")!r})
        from engines import SMALL, Sync, Tenant, worker
        from iam_platform import Engine, Policy
        tenant = Tenant()
        engine = Engine.open(Policy.parse(SMALL), journal="sqlite:{tmp_path}/j.sqlite", tenant_id=tenant.id,
                             graph=tenant.graph(Sync()))
        engine.accept(worker("P-1"))
        try:
            engine.run_worker(progress=lambda one: print(one.kind, flush=True))
        except KeyboardInterrupt:
            engine.close()
            print("closed", flush=True)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "step\n"
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=60)
    assert child.returncode == 0 and rest.splitlines()[-1] == "closed"
    # The person who was begun was finished.
    assert "person" in rest.splitlines()
