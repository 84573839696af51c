"""The engine from Python, end to end: files in, a plan, the tenant as policy says, and nothing left to plan."""

import datetime
import pathlib
import re

import iam_platform
import pytest
from engines import DATA, DAY, GATES, ROOT, SMALL, clean_environment, opened, worker
from iam_platform import Clock, Intake, Policy, errors

pytestmark = pytest.mark.anyio


async def test_the_example_company_is_brought_to_policy_and_nothing_is_left_to_plan(way, entra, tmp_path):
    policy = Policy.load(DATA / "policy.toml")
    engine = await opened(
        way,
        entra,
        policy,
        journal=f"sqlite:{tmp_path / 'journal.sqlite'}",
        clock=Clock(DAY),
        gates=GATES,
        **entra.clients(way),
    )
    feed = await way(
        engine.accept_file,
        Intake("flat"),
        DATA / "workday_feed.json",
        "workday_feed.json",
    )
    assert (feed.rows, feed.records, feed.events, feed.is_held) == (18, 16, 16, False)
    assert [(reject.row, reject.code) for reject in feed.rejects] == [
        (17, "missing_status"),
        (18, "missing_key"),
    ]
    with (DATA / "new_hires.csv").open("rb") as file:
        hires = await way(engine.accept_file, Intake("csv"), file, "new_hires.csv")
    assert (hires.rows, hires.findings) == (200, ()) and len(hires.rejects) == 23

    preview = await way(engine.plan)
    assert preview.steps > 500 and preview.findings == () and preview.guard == ()
    assert sum(preview.by_risk.values()) == preview.steps == sum(len(one.steps) for one in preview.people)
    assert preview.people is preview.people
    mei = next(one for one in preview.people if one.person == "W-1003")
    assert mei.record["department"] == "Security"
    assert "create_account" in [step.kind for step in mei.steps]
    grants = {step.entitlement.name: step for step in mei.steps if step.kind == "grant"}
    assert "sg-security" in grants and grants["sg-security"].rules
    assert "Tanaka" not in repr(preview) + repr(mei) + repr(mei.steps[0])
    assert preview.to_dict()["hash"] == preview.hash

    told = []
    report = await way(engine.apply, preview.hash, progress=told.append)
    assert report.totals.done > 500 and report.totals.failed == 0 and report.totals.unknown == 0
    steps = [one for one in told if one.kind == "step"]
    assert len(steps) == sum(len(run.steps) for run in report.people)
    assert len([one for one in told if one.kind == "person"]) == len(report.people)

    users = entra.users()
    assert users["W-1003"]["department"] == "Security" and users["W-1003"]["accountEnabled"]
    assert users["W-1003"]["id"] in entra.members("sg-security")
    assert "W-2031" not in users, "starts in 2031"

    # What a restored account holds is seen once it is restored, and was not part of what was shown.
    left = await way(engine.plan)
    assert {one.person for one in left.people} == {"W-1013"}
    await way(engine.run)
    again = await way(engine.plan)
    assert again.steps == 0

    state = await way(engine.person, "W-1003")
    assert state.lifecycle == "active" and state.accounts["graph"].id == users["W-1003"]["id"]
    assert await way(engine.person, "W-0000") is None
    await way(engine.close)
    with pytest.raises(errors.StorageError, match="closed"):
        await way(engine.person, "W-1003")


async def test_people_are_found_by_name_sign_in_name_and_worker_id_page_by_page(way, entra):
    engine = await opened(way, entra)
    names = ["Mei", "Ada", "Bo", "Mei-Lin"]
    accepted = await way(
        engine.accept,
        [worker(f"P-{at}", firstName=name) for at, name in enumerate(names)],
    )
    assert (accepted.events, accepted.rejects) == (4, ())
    await way(engine.run)

    def keys(people):
        return [one.person for one in people]

    assert keys(await way(engine.people)) == ["P-0", "P-1", "P-2", "P-3"]
    assert keys(await way(engine.people, limit=2)) == ["P-0", "P-1"]
    assert keys(await way(engine.people, after="P-1", limit=2)) == ["P-2", "P-3"]
    assert keys(await way(engine.people, "mei")) == ["P-0", "P-3"]
    assert keys(await way(engine.people, "mei", after="P-0")) == ["P-3"]
    assert keys(await way(engine.people, "mei", limit=1)) == ["P-0"]
    assert keys(await way(engine.people, "ADA tanaka")) == ["P-1"]
    assert keys(await way(engine.people, "p-2")) == ["P-2"]
    upn = entra.users()["P-2"]["userPrincipalName"]
    assert keys(await way(engine.people, upn)) == ["P-2"]
    assert keys(await way(engine.people, "nobody")) == []


async def test_a_timeline_tells_what_happened_and_with_which_steps(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    await way(engine.accept, worker("P-1", department="Finance"))
    await way(engine.run)
    timeline = await way(engine.timeline, "P-1")
    kinds = [(entry.kind, entry.state) for entry in timeline if entry.kind in ("join", "move")]
    assert kinds == [("join", "done"), ("move", "done")]
    join = timeline[0]
    assert join.record["department"] == "Security"
    assert isinstance(join.entered_at, datetime.datetime) and join.entered_at.tzinfo is not None
    assert {step.outcome for step in join.steps} <= {
        "done",
        "already_so",
    } and join.steps
    assert [step.step for step in join.steps] == [step.id for step in join.plan.steps]
    assert "Tanaka" not in repr(timeline)


async def test_records_come_as_mappings_json_models_and_what_was_read(way, entra):
    pydantic = pytest.importorskip("pydantic")

    class Worker(pydantic.BaseModel):
        employeeId: str
        firstName: str
        lastName: str
        status: str = "Active"

    engine = await opened(way, entra)
    first = await way(engine.accept, worker("P-1"))
    second = await way(engine.accept, '[{"employeeId": "P-2", "firstName": "Bo", "status": "Active"}]')
    model = Worker(employeeId="P-3", firstName="Ada", lastName="Byron")
    third = await way(engine.accept, [model])
    assert [first.events, second.events, third.events] == [1, 1, 1]

    table = b"Employee ID,First Name,Status\nP-4,Cy,Active\nP-5,Di,Actve\n"
    rows = list(Intake("csv").read(table))
    assert [type(row).__name__ for row in rows] == ["Record", "Reject"]
    assert (rows[1].row, rows[1].field, rows[1].code) == (3, "Status", "unknown_status")
    read = await way(engine.accept, [rows[0]])
    again = await way(engine.accept, [rows[0].record])
    assert (read.events, again.events, again.unchanged) == (1, 0, 1)

    mixed = await way(engine.accept, [worker("P-6"), worker("P-7", status=None), rows[0]])
    assert (mixed.events, mixed.unchanged) == (1, 1)
    assert [(reject.row, reject.person, reject.code) for reject in mixed.rejects] == [
        (2, "P-7", "missing_status")
    ]
    known = {run.person for run in (await way(engine.run)).people}
    assert known == {"P-1", "P-2", "P-3", "P-4", "P-6"}


async def test_a_stale_plan_is_refused_and_says_who_differs(way, entra):
    engine = await opened(way, entra)
    await way(engine.accept, worker("P-1"))
    preview = await way(engine.plan)
    await way(engine.accept, worker("P-2"))
    with pytest.raises(errors.ConflictError, match="P-2") as raised:
        await way(engine.apply, preview.hash)
    assert raised.value.kind == "conflict"
    assert entra.users().keys().isdisjoint({"P-1", "P-2"})


async def test_the_journal_is_named_and_one_writer_has_it(way, entra, tmp_path):
    file = f"sqlite:{tmp_path / 'journal.sqlite'}"
    first = await opened(way, entra, journal=file)
    with pytest.raises(errors.StorageError) as raised:
        await opened(way, entra, journal=file)
    assert "in use" in str(raised.value)
    await way(first.accept, worker("P-1"))
    await way(first.run)
    await way(first.close)
    second = await opened(way, entra, journal=file)
    assert (await way(second.person, "P-1")).lifecycle == "active"
    await way(second.close)

    with pytest.raises(errors.InvalidError, match="IAM_JOURNAL"):
        await opened(way, entra, journal=None)
    with pytest.raises(errors.InvalidError) as raised:
        await opened(way, entra, journal="mysql://somebody:secret@host/iam")
    assert "secret" not in str(raised.value)
    with pytest.raises(errors.InvalidError, match="IAM_TENANT_ID"):
        await opened(way, entra, tenant_id=None)


async def test_an_engine_is_a_context(way, entra):
    if way.name == "sync":
        with await opened(way, entra) as engine:
            engine.accept(worker("P-1"))
        assert isinstance(engine, iam_platform.Engine)
    else:
        async with await opened(way, entra) as engine:
            await engine.accept(worker("P-1"))
        assert isinstance(engine, iam_platform.AsyncEngine)


async def test_the_environment_is_enough(way, entra, monkeypatch, tmp_path):
    for line in entra.sandbox.env_file().splitlines():
        name, _, value = line.partition("=")
        if name.startswith("IAM_"):
            monkeypatch.setenv(name, value.strip('"'))
    monkeypatch.setenv("IAM_JOURNAL", f"sqlite:{tmp_path / 'journal.sqlite'}")
    engine = await way.open(DATA / "policy.toml", clock=Clock(DAY))
    assert repr(engine).endswith('targets=["graph", "arm", "ticketing"])')
    await way(engine.accept_file, Intake(), DATA / "workday_feed.json")
    assert (await way(engine.plan)).findings == ()
    await way(engine.close)


async def test_what_a_watcher_raises_stops_nothing(way, entra, monkeypatch):
    engine = await opened(way, entra)
    heard = []
    monkeypatch.setattr("sys.unraisablehook", heard.append)
    await way(engine.accept, worker("P-1"))

    def broken(progress):
        raise RuntimeError(progress.kind)

    if way.name == "async":
        import asyncio

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    report = await way(engine.run, progress=broken)
    assert report.totals.failed == 0 and "P-1" in entra.users()
    assert heard


def test_what_the_readme_shows_works(tmp_path, monkeypatch, capsys):
    clean_environment(monkeypatch)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "iam-py" / "README.md").read_text().split("## The engine")[1].split("\n## ")[0]
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    pathlib.Path("policy.toml").write_text(SMALL)
    pathlib.Path("newer.toml").write_text(SMALL.replace("Security", "Finance"))
    pathlib.Path("config.json").write_text('{"domain": "contoso.example", "colour": "red"}')
    rows = [f"W-{number},Mei,Nr{number},Active,AU,Security" for number in range(1000, 1030)]
    rows.append("W-1040,Bo,Lee,Active,Atlantis,Security")
    header = "Employee ID,First Name,Last Name,Status,Country,Department"
    pathlib.Path("workers.csv").write_text("\n".join([header, *rows]))
    exec(first, {})
    said = capsys.readouterr().out
    assert "not_a_country" in said and "W-1003 holds group sg-security" in said and "step" in said
    exec(second, {})
    said = capsys.readouterr().out
    assert "sg-security" in said and "colour" in said
