"""The policy from Python: checked against the tenant, tested, compared, imported, asked."""

import asyncio
import collections
import datetime
import functools
import json
import threading
import time

import iam_platform
import pytest
from engines import DATA, SMALL, Async, opened, worker
from iam_platform import Intake, Policy, errors

pytestmark = pytest.mark.anyio
TODAY = datetime.date(2026, 11, 24)


def test_a_policy_that_is_wrong_names_line_and_column(tmp_path):
    with pytest.raises(errors.InvalidError) as raised:
        Policy.parse(SMALL.replace("person.department ==", "person.departmnt =="))
    assert "line 11, column" in str(raised.value) and "department" in str(raised.value)
    file = tmp_path / "policy.toml"
    file.write_text("version = 2\n")
    with pytest.raises(errors.InvalidError, match="policy.toml"):
        Policy.load(file)
    with pytest.raises(errors.InvalidError, match="cannot be read"):
        Policy.load(tmp_path / "none.toml")


async def test_names_that_the_tenant_has_not_got_are_found_with_their_place(way, entra):
    wrong = SMALL.replace('"sg-security"', '"sg-securty", "VPN Users"')
    engine = await opened(way, entra)
    findings = await way(Policy.parse(wrong).check, engine)
    assert [(one.line, one.column > 1) for one in findings] == [(12, True)]
    assert "sg-securty" in findings[0].message and "line" not in findings[0].message
    assert str(findings[0]).startswith("rule security, line 12, column ")
    assert await way(Policy.parse(SMALL).check, engine) == ()
    assert await way(engine.policy.check, engine) == ()
    served = Policy.parse(SMALL + '\napps = [{ scim = "ticketing", roles = ["agent"] }]\n')
    assert [one.line for one in await way(served.check, engine)] != []


def test_the_examples_policy_passes_its_own_tests_and_a_broken_one_says_what_differs():
    policy = Policy.load(DATA / "policy.toml")
    report = policy.test()
    assert report.passed and len(report.cases) == 9 and "ciso-office" in report.rules_never_hit
    text = policy.text.replace('groups = ["sg-hr"]', 'groups = ["sg-people"]')
    report = Policy.parse(text).test()
    failed = [case for case in report.cases if not case.passed]
    assert not report.passed and len(failed) == 1
    assert failed[0].missing == ('group "sg-hr"',) and failed[0].unexpected == ('group "sg-people"',)


def test_a_policy_says_what_one_person_should_have_and_why():
    policy = Policy.load(DATA / "policy.toml")
    analyst = worker("P-1", location="Perth", jobTitle="Security Analyst")
    desired = policy.desired(analyst, today=TODAY)
    granted = {(grant.kind, grant.name): grant for grant in desired.grants}
    assert granted["role", "Security Reader"].rules == ("security-analysts",)
    assert granted["group", "sg-security"].grace_days == 14
    assert set(granted["group", "sg-security"].rules) == {
        "security",
        "security-analysts",
    }
    assert desired.attributes["department"] == "Security" and desired.names[0] == "mei.tanaka@contoso.example"
    manager = worker("P-0", jobTitle="Chief Information Security Officer")
    with_manager = policy.desired(analyst, manager=manager, today=TODAY)
    assert ("role", "Global Reader") in {(grant.kind, grant.name) for grant in with_manager.grants}
    explanation = policy.explain(analyst, "group:sg-finance", today=TODAY)
    assert not explanation.is_granted and "finance" in str(explanation) and "Tanaka" not in str(explanation)
    assert policy.explain(analyst, "license:SPE_E5", today=TODAY).rules == ("security-analysts",)
    with pytest.raises(errors.InvalidError, match="status"):
        policy.desired(worker("P-1", status="Actve"))
    with pytest.raises(errors.InvalidError, match="one record"):
        policy.desired([analyst, worker("P-2")])


async def test_what_an_edit_would_do_to_people(way, entra):
    people = [worker("P-1"), worker("P-2", department="Finance")]
    old = Policy.parse(SMALL)
    new = Policy.parse(SMALL.replace('== "Security"', '== "Finance"'))
    impact = old.diff(new, people, today=TODAY)
    assert (impact.people, impact.changed, impact.is_empty) == (2, 2, False)
    delta = impact.entitlements[0]
    assert (delta.name, delta.gained, delta.lost, delta.grace_days) == (
        "sg-security",
        ("P-2",),
        ("P-1",),
        14,
    )
    assert impact.rules_changed == {"security": ("when",)} and "sg-security" in str(impact)
    assert old.diff(old, people).is_empty

    engine = await opened(way, entra, SMALL)
    await way(engine.accept, people)
    await way(engine.run)
    impact = await way(old.diff, new, engine, today=TODAY)
    assert impact.entitlements[0].lost == ("P-1",)
    coverage = await way(old.coverage, engine, today=TODAY)
    assert (coverage.people, coverage.hits, coverage.matched_by_nothing) == (
        2,
        {"security": 1},
        ("P-2",),
    )
    known = await way(engine.people)
    assert old.diff(new, known, today=TODAY).entitlements[0].gained == ("P-2",)


async def test_a_policy_is_looked_at_while_the_event_loop_goes_on(entra):
    way = Async()
    engine = await opened(way, entra, SMALL)
    await engine.accept([worker(f"P-{at}") for at in range(3)])
    await engine.run()
    policy = Policy.parse(SMALL)
    for look in (lambda: policy.coverage(engine), lambda: policy.diff(policy, engine)):
        promised, turns = asyncio.ensure_future(look()), 0
        while not promised.done():
            await asyncio.sleep(0)
            turns += 1
        assert promised.result().people == 3 and turns > 1
    await engine.close()


def test_other_threads_go_on_while_a_policy_is_looked_at():
    case = '[[test]]\nname = "{}"\ngiven = {{ department = "Security" }}\nexpect = {{ groups = ["All Staff", "sg-security"] }}\n'
    policy = Policy.parse(SMALL)

    def records(count):
        return list(Intake("flat").read(json.dumps([worker(f"P-{at}") for at in range(count)]).encode()))

    looks = {
        "test": lambda count: Policy.parse(SMALL + "".join(case.format(at) for at in range(count))).test,
        "coverage": lambda count: functools.partial(policy.coverage, records(count)),
        "diff": lambda count: functools.partial(policy.diff, policy, records(count)),
    }
    seen, ended = collections.deque(maxlen=100_000), threading.Event()

    def look_at_the_clock():
        while not ended.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.001)

    watch = threading.Thread(target=look_at_the_clock)
    watch.start()
    try:
        for name, look in looks.items():
            count = 500
            while timed(work := look(count))[1] < 0.05:
                count *= 2
            calls = [timed(work) for _ in range(12)]
            # Where a call keeps the GIL, nobody else looks at the clock in the midst of it.
            middles = [(begun + took / 4, begun + took * 3 / 4) for begun, took in calls]
            released = [any(early < at < late for at in list(seen)) for early, late in middles]
            assert sum(released) > 4, name
    finally:
        ended.set()
        watch.join()


def timed(look):
    """When a call began, and how long it took."""
    begun = time.perf_counter()
    look()
    return begun, time.perf_counter() - begun


def test_a_configuration_of_the_samples_is_imported_and_every_part_accounted_for(
    tmp_path,
):
    config = {
        "domain": "contoso.example",
        "default_password_length": 16,
        "default_groups": ["All Staff", "VPN Users"],
        "default_license_skus": ["SPE_E3"],
        "colour": None,
    }
    imported = Policy.import_config(json.dumps(config))
    policy = Policy.parse(imported.policy)
    assert policy.domain == "contoso.example"
    granted = [grant.name for grant in policy.desired(worker("P-1")).grants]
    assert granted == ["All Staff", "VPN Users", "SPE_E3"]
    assert {remark.part for remark in imported.remarks} >= set(config)
    assert "colour" in {remark.part for remark in imported.missing} and "colour" in str(imported)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    assert Policy.import_config(file).policy == imported.policy
    with pytest.raises(errors.InvalidError):
        Policy.import_config("[]")


def test_exported_workflows_are_imported_with_what_could_not_be_mapped():
    export = {
        "value": [
            {
                "displayName": "Onboard",
                "category": "joiner",
                "isEnabled": True,
                "executionConditions": {
                    "scope": {"rule": "(department eq 'Security')"},
                    "trigger": {
                        "timeBasedAttribute": "employeeHireDate",
                        "offsetInDays": 0,
                    },
                },
                "tasks": [
                    {
                        "displayName": "Run a Custom Task Extension",
                        "taskDefinitionId": "4262b724-8dba-4fad-afc3-43fcbb497a0e",
                        "isEnabled": True,
                        "arguments": [{"name": "customTaskExtensionID", "value": "x"}],
                    },
                    {
                        "displayName": "Enable User Account",
                        "taskDefinitionId": "6fc52c9d-398b-4305-9763-15f42c1676fc",
                        "isEnabled": True,
                        "arguments": [],
                    },
                ],
            }
        ]
    }
    imported = Policy.import_workflow(json.dumps(export), "contoso.example")
    assert Policy.parse(imported.policy).domain == "contoso.example"
    assert any("Custom Task Extension" in remark.part for remark in imported.missing)
    assert any(remark.fate in ("implied", "mapped", "partly") for remark in imported.remarks)
    with pytest.raises(errors.InvalidError):
        Policy.import_workflow("{", "contoso.example")


@pytest.mark.parametrize(
    ("kind", "file", "records", "rejects"),
    [
        ("flat", "workday_feed.json", 16, 2),
        ("json", "workday_feed.json", 16, 2),
        ("csv", "new_hires.csv", 179, 21),
        ("raas_json", "raas_report.json", 13, 2),
        ("workday_xml", "get_workers.xml", 5, 1),
        ("bulk_upload", "bulk_upload.json", 3, 5),
    ],
)
def test_every_kind_of_intake_reads_the_examples(kind, file, records, rejects):
    # Of a path, of bytes and of a file object: the same, and the same again.
    path = DATA / file
    with path.open("rb") as opened_file:
        readings = [
            iam_platform.Intake(kind).read(given) for given in (path, str(path), path.read_bytes(), opened_file)
        ]
        all_rows = [list(reading) for reading in readings]
    assert {reading.summary["rows"] for reading in readings} == {readings[0].summary["rows"]}
    for rows in all_rows:
        good = [row for row in rows if isinstance(row, iam_platform.Record)]
        bad = [row for row in rows if isinstance(row, iam_platform.Reject)]
        assert readings[0].summary["records"] == len(good) and len(good) >= records
        assert len(bad) >= rejects - 1 and readings[0].summary["rejects"] == len(bad)
        assert all(row.row > 0 and row.code and row.message for row in bad)
        assert good[0].record["employee_id"] == good[0].person


def test_events_of_business_processes_are_told_as_such():
    rows = list(iam_platform.Intake("workday_events").read(DATA / "workday_events.json"))
    told = [row for row in rows if isinstance(row, iam_platform.HrNotice)]
    assert {row.person for row in told} >= {"W-1003", "W-1009"}
    assert any(row.effective == datetime.date(2026, 12, 15) for row in told)


def test_an_intake_says_what_it_cannot_read(tmp_path):
    Intake = iam_platform.Intake
    with pytest.raises(errors.InvalidError, match="workday_xml"):
        Intake("yaml")
    with pytest.raises(errors.InvalidError, match="ignores no fields"):
        Intake("scim", ignore=["x"])
    with pytest.raises(errors.IamError):
        list(Intake("csv").read(b"Name\nMei\n"))
    with pytest.raises(errors.InvalidError, match="cannot be read"):
        Intake("csv").read(tmp_path / "none.csv")
    text = tmp_path / "hires.csv"
    text.write_text("Employee ID,Status,Shoe Size\nP-1,Active,42\n")
    assert [row.person for row in Intake("csv", ignore=["shoe size"]).read(text)] == ["P-1"]
    assert [row.person for row in Intake("csv", ignore_unknown=True).read(text)] == ["P-1"]
    with text.open() as opened_as_text, pytest.raises(errors.IamError) as raised:
        list(Intake("csv").read(opened_as_text))
    causes = []
    cause = raised.value
    while cause := cause.__cause__:
        causes.append(str(cause))
    assert any("binary mode" in cause for cause in causes)

    class Broken:
        def read(self, size):
            raise KeyError("disk")

    with pytest.raises(errors.IamError) as raised:
        list(Intake("csv").read(Broken()))
    cause = raised.value
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert isinstance(cause, KeyError)
    # Whoever stops early leaves nothing behind that waits.
    many = b"Employee ID,Status\n" + b"".join(b"P-%d,Active\n" % number for number in range(5000))
    rows = Intake("csv").read(many)
    assert next(rows).person == "P-0" and rows.summary is None
    del rows
