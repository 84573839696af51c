"""What whoever watches sees of many events: by how far they have come, by the day, by what comes up."""

import datetime

import pytest
from engines import DAY, SMALL, opened, worker
from iam_platform import Clock, Intake, Policy, Record, errors

pytestmark = pytest.mark.anyio

NOW = datetime.datetime.fromisoformat(DAY)


async def test_events_are_listed_counted_and_foreseen(way, entra, tmp_path):
    clock = Clock(DAY)
    engine = await opened(way, entra, journal=f"sqlite:{tmp_path / 'iam.sqlite'}", clock=clock)
    await way(engine.accept, [worker("S-1"), worker("S-2", hireDate="2026-12-10"), worker("S-3")])
    listed = await way(engine.events)
    assert [one["person"] for one in listed] == ["S-3", "S-2", "S-1"]
    assert {one["headway"] for one in listed} == {"accepted"}
    places = [one["place"] for one in listed]
    assert places == sorted(places, reverse=True)
    assert await way(engine.figures) == {"begun": 0, "waiting": 0, "dead": 0}
    await way(engine.run)
    done = await way(engine.events, ["done"], limit=2)
    assert [one["person"] for one in done] == ["S-3", "S-2"]
    assert done[0]["planned"] >= 2 and done[0]["steps"][0]["outcome"]["outcome"] == "done"
    rest = await way(engine.events, ["done", "dead"], before=done[-1]["place"])
    assert [one["person"] for one in rest] == ["S-1"]
    assert [one["id"] for one in await way(engine.events, person="S-2")] == [done[1]["id"]], "its timers have not begun"
    assert await way(engine.events, ["accepted", "begun", "waiting", "superseded"]) == []
    with pytest.raises(errors.InvalidError, match="headway"):
        await way(engine.events, ["asleep"])

    told = await way(engine.told, NOW - datetime.timedelta(days=1), NOW + datetime.timedelta(days=1))
    assert told == [{"day": "2026-11-24", "kind": "join", "count": 3}]
    assert await way(engine.told, "2026-11-20T00:00:00Z", "2026-11-24T00:00:00Z") == []
    coming = await way(engine.coming, ["start", "leave"], NOW + datetime.timedelta(days=30))
    assert [(one["person"], one["timer"], one["due_at"][:10]) for one in coming] == [("S-2", "start", "2026-12-10")]
    assert await way(engine.coming, ["leave"], NOW + datetime.timedelta(days=30)) == []
    assert await way(engine.coming, ["start"], NOW + datetime.timedelta(days=3)) == []
    with pytest.raises(errors.InvalidError, match="timers"):
        await way(engine.coming, ["tea"], NOW)


async def test_notes_are_listed_by_name_the_last_first(way, entra):
    engine = await opened(way, entra)
    for number in range(5):
        assert await way(engine.set_note, f"list/{number}", 0, {"number": number})
    await way(engine.set_note, "lists", 0, {})
    listed = await way(engine.notes, "list/", limit=3)
    assert listed == [(f"list/{number}", {"number": number}) for number in (4, 3, 2)]
    assert [name for name, _ in await way(engine.notes, "list/", before="list/2")] == ["list/1", "list/0"]
    assert await way(engine.notes, "none") == []


async def test_what_records_that_were_read_would_do_is_what_their_text_would_do(way, entra):
    engine = await opened(way, entra)
    text = b"Employee ID,First Name,Last Name,Department,Country,Status\nC-1,Mei,Tanaka,Security,AU,Active\n"
    rows = [row for row in Intake("csv").read(text) if isinstance(row, Record)]
    read = await way(engine.plan_with, rows)
    said = await way(engine.plan_with, '{"employeeId":"C-1","firstName":"Mei","lastName":"Tanaka",'
                     '"department":"Security","country":"AU","status":"Active"}')  # fmt: skip
    assert read.hash == said.hash
    assert [one.person for one in read.people] == ["C-1"]
    with pytest.raises(errors.InvalidError):
        await way(engine.plan_with, [{"employeeId": "C-2", "status": "Perhaps"}])
    assert await way(engine.people) == ()


def test_a_document_is_shown_as_plain_values():
    text = SMALL + '[[test]]\nname = "t"\ntoday = 2026-01-02\ngiven = { department = "Security" }\nexpect = { groups = ["All Staff", "sg-security"] }\n'
    document = Policy.parse(text).document
    assert document["version"] == 1
    assert document["rule"][0]["groups"] == ["sg-security"]
    assert document["test"][0]["today"] == "2026-01-02"
