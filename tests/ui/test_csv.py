"""CSV upload: files as people have them, their columns, the decision, and what becomes of it in the tenant."""

from __future__ import annotations

import csv
import io
import random

import pytest
from streamlit.testing.v1 import AppTest

from iam_platform import Intake
from iam_platform.errors import InvalidError
from iam_platform.ui import columns, sheet

HEADER = "Employee ID,First Name,Last Name,Department,Country,Status"
NAMES = [("Zoë", "Müller"), ("Jürgen", "Weiß"), ("Ana", "Peña")]


def workers(start, count, *, delimiter=",", header=HEADER, bad=()):
    """A table; rows whose number is in ``bad`` have a status that nobody knows."""
    lines = [header.replace(",", delimiter)]
    for number in range(count):
        given, family = NAMES[number % len(NAMES)]
        status = "Perhaps" if number in bad else "Active"
        lines.append(
            delimiter.join((f"{start}-{number:03}", given, f"{family}{number}", "Security", "AU", status)),
        )
    return "\n".join(lines) + "\n"


# --- a file, however it is written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_is_sent_in_utf_8_whatever_it_is_written_in(encoding, found, delimiter, end):
    text = workers("A", 30, delimiter=delimiter)
    file = io.BytesIO(text.replace("\n", end).encode(encoding))
    assert sheet.encoding_of(file) == found
    seen = sheet.look(file, found)
    assert (seen.delimiter, seen.names[:2], len(seen.rows)) == (delimiter, ("Employee ID", "First Name"), 10)
    assert seen.rows[0] == (2, ("A-000", "Zoë", "Müller0", "Security", "AU", "Active"))
    names = sheet.headings(seen, [columns.meaning(name) for name in seen.names])
    rows = list(Intake("csv").read(sheet.Sent(file, seen, names).read()))
    assert [(row.row, row.record["given_name"]) for row in rows[:3]] == [(2, "Zoë"), (3, "Jürgen"), (4, "Ana")]
    assert len(rows) == 30


def test_rows_keep_their_lines_and_what_is_left_out_keeps_its_cells():
    text = '\n"Personal\nnummer";Vorname;Status;Status;Notiz\nW-1;Ada;Active;x;"two\nlines"\n\nW-2;Bo;Perhaps;y;-\n'
    file = io.BytesIO(text.encode())
    seen = sheet.look(file, "utf-8-sig")
    assert seen.names == ("Personal\nnummer", "Vorname", "Status", "Status", "Notiz")
    assert [line for line, _ in seen.rows] == [4, 7]
    names = sheet.headings(seen, ["employeeId", "firstName", "status", None, None])
    assert names == ["employeeId", "firstName", "Status", "(left out) Status", "Notiz"]
    sent = sheet.Sent(file, seen, names).read()
    good, bad = Intake("csv", ignore_unknown=True).read(sent)
    assert (good.row, good.person, good.record["given_name"]) == (4, "W-1", "Ada")
    assert (bad.row, bad.code) == (7, "unknown_status")
    assert b'"two\nlines"' in sent


def test_a_long_table_is_read_piece_by_piece():
    text = workers("L", 60_000)
    file = io.BytesIO(text.encode("cp1252"))
    seen = sheet.look(file, sheet.encoding_of(file))
    sent, pieces, drawn = sheet.Sent(file, seen, seen.names), [], random.Random(7)
    while piece := sent.read(drawn.randint(1, 90_000)):
        pieces.append(piece)
    assert b"".join(pieces).decode() == text
    assert max(map(len, pieces)) < 100_000 < len(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"PK\x03\x04 and so on", "workbook"),
        (b"\x81\x8d\xff\x90\x98\x83", "no text"),
        (b"just a line\n", "told apart"),
        (b"a|b|c\n1|2|3\n", "told apart"),
    ],
)
def test_what_is_no_table_is_said_with_what_to_do(content, said):
    file = io.BytesIO(content)
    with pytest.raises(sheet.SheetError) as error:
        sheet.look(file, sheet.encoding_of(file))
    assert said in error.value.title
    assert error.value.advice.endswith(".")


def test_the_names_that_are_known_are_the_ones_of_the_intake():
    for field, (_, others) in columns.KNOWN.items():
        for name in (field, *others):
            # The core knows it, and as the same: beside the field's own name it would be there twice.
            other = "firstName" if field == "employeeId" else "employeeId"
            text = f"{other},{field},{name}\n" if field != "employeeId" else f"{other},{name},{field}\n"
            with pytest.raises(InvalidError, match="two columns mean the same"):
                list(Intake("csv").read(text.encode()))
    with pytest.raises(InvalidError) as error:
        list(Intake("csv").read(b"employeeId,firstName,status,nobodyKnows\n"))
    known = str(error.value).rpartition("Known are ")[2].rstrip(".").split(", ")
    assert set(known) == set(columns.KNOWN)
    assert columns.meaning("EMPLOYEE-ID") == columns.meaning("Worker_ID") == "employeeId"
    assert columns.meaning("Manager") is None
    assert columns.missing(["employeeId", "lastName"]) == ["the status (status: Active, On Leave or Terminated)"]


# --- the page -------------------------------------------------------------------------------------------------------


def csv_page():
    from iam_platform.ui.pages.csv_upload import csv_upload

    csv_upload.shown()()


@pytest.fixture
def page(fake_session):
    """The page, with a backend that knows no upload yet."""
    fake_session.answers["get", "/jobs"] = {"jobs": [], "next": None}
    return AppTest.from_function(csv_page, default_timeout=60)


def told(page):
    """Everything that is written on it."""
    kinds = (page.error, page.warning, page.info, page.success, page.markdown, page.caption, page.title, page.subheader)
    texts = [one.value for kind in kinds for one in kind] + [one.body for one in page.get("html")]
    return "\n".join(texts).replace("\\", "")


def chosen(page, content, name="workers.csv"):
    return page.run().file_uploader(key="csv-file").set_value((name, content, "text/csv")).run()


def test_foreign_headings_are_mapped_and_what_is_missing_is_said(page, fake_session):
    text = "Personalnummer;First Name;Abteilung;Zustand;Schuhgröße\nW-1;Ada;Sales;Active;43\n"
    chosen(page, text.encode())
    assert not page.exception
    assert "does not have the worker id" in told(page)
    assert "does not have the status" in told(page)
    assert page.button(key="csv-check").disabled
    page.selectbox(key="csv-map-0").select("employeeId").run()
    page.selectbox(key="csv-map-2").select("department").run()
    page.selectbox(key="csv-map-3").select("status").run()
    assert not page.error
    sent = {}

    def upload(name, content, **query):
        sent.update(query, name=name, content=content.read().decode())
        return {"id": "u1"}

    fake_session.answers["upload", "/hr/upload-csv"] = upload
    fake_session.answers["get", "/jobs/u1"] = {"id": "u1", "kind": "upload", "state": "running"}
    page.button(key="csv-check").click().run()
    assert sent["content"].splitlines()[0] == "employeeId;First Name;department;status;Schuhgröße"
    assert (sent["mode"], sent["ignore_unknown"], sent["name"]) == ("validate", True, "workers.csv")
    assert page.query_params["job"] == "u1"


def test_two_columns_of_one_meaning_wait_for_a_choice(page):
    chosen(page, b"Employee ID,Worker ID,First Name,Status\nW-1,X-1,Ada,Active\n")
    assert "Two columns mean employeeId" in told(page)
    assert page.button(key="csv-check").disabled
    page.selectbox(key="csv-map-1").select("left out").run()
    assert not page.error
    assert not page.button(key="csv-check").disabled


def test_a_file_that_is_not_utf_8_is_said_and_can_be_read_otherwise(page):
    chosen(page, workers("E", 3).encode("cp1252"))
    assert "not UTF-8" in told(page)
    assert "Zoë" in told(page)
    page.selectbox(key="csv-encoding").select("cp1250").run()
    assert "Windows-1250" in told(page)
    page.selectbox(key="csv-encoding").select("utf-16-be").run()
    assert page.error
    assert not [one for one in page.button if one.key == "csv-check"]


def test_an_empty_file_says_what_to_do(page):
    chosen(page, b"")
    assert "The file is empty" in told(page)
    assert "see the template" in told(page)


def test_cells_and_names_are_never_markdown_or_html(page):
    chosen(page, b"Employee ID,First Name,Status,![x](http://evil.example)\nW-1,<b>Ada</b>,Active,=1\n", "[a](b).csv")
    texts = [one.value for one in page.markdown] + [one.label for one in page.selectbox]
    assert not [one for one in texts if "](" in one.replace("\\]", "").replace("\\(", "")]
    assert "&lt;b&gt;Ada" in told(page)
    assert "<b>Ada" not in told(page)


CHECKED = {
    "id": "u1",
    "kind": "upload",
    "mode": "validate",
    "state": "done",
    "rows": 10,
    "rejected": 0,
    "file": "a.csv",
}
LEAVES = {
    "person": "W-1",
    "kind": "leave",
    "plan": {"steps": [{"kind": "block_sign_in", "why": "the last day is over", "target": "graph", "risk": "high"}]},
}
JOINS = {
    "person": "W-2",
    "kind": "join",
    "plan": {
        "steps": [
            {
                "kind": "grant",
                "why": "rule sales",
                "target": "graph",
                "risk": "low",
                "details": {"entitlement": {"kind": "group", "name": "Sales"}},
            }
        ]
    },
}


def planned(*people, **more):
    return {
        "hash": "h",
        "steps": len(people),
        "by_kind": {},
        "people_total": len(people),
        "people": list(people),
        "guard": [],
        "findings": [],
        **more,
    }


def opened(page, fake_session, job, plan):
    fake_session.answers["get", "/jobs/u1"] = job
    fake_session.answers["get", "/jobs/u1/plan"] = plan
    fake_session.answers["get", "/jobs/u2"] = {"id": "u2", "kind": "upload", "state": "running", "mode": "apply"}
    fake_session.answers["post", "/jobs/u1/apply"] = {"id": "u2"}
    page.query_params["job"] = "u1"
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize(
    ("plan", "is_typed"),
    [
        (planned(JOINS), False),
        (planned(LEAVES), True),
        (planned(JOINS, guard=["more than 5 joiners"]), True),
        (planned(JOINS, by_kind={"leave": 3, "join": 1}, people_total=300), True),
    ],
    ids=["joins", "leaves", "guard", "leaves beyond what is shown"],
)
def test_what_takes_access_away_or_is_stopped_is_typed_first(page, fake_session, plan, is_typed):
    opened(page, fake_session, CHECKED, plan)
    assert page.button(key="csv-apply").disabled == is_typed
    if is_typed:
        page.text_input(key="csv-typed").input("9").run()
        assert page.button(key="csv-apply").disabled
        page.text_input(key="csv-typed").input("10").run()
    page.button(key="csv-apply").click().run()
    (posted,) = [one for one in fake_session.asked if one[0] == "post"]
    assert posted[-1]["on_error"] == "skip"
    assert page.query_params["job"] == "u2"


def test_all_or_nothing_is_nothing_while_a_row_has_errors(page, fake_session):
    fake_session.answers["get", "/jobs/u1/rejects"] = {
        "rejects": [{"row": 4, "field": "Status", "code": "unknown_status", "message": "expected Active"}],
        "next": None,
    }
    opened(page, fake_session, CHECKED | {"rejected": 1}, planned(JOINS))
    assert "unknown_status" in told(page)
    assert not page.button(key="csv-apply").disabled
    page.radio(key="csv-how").set_value("refuse").run()
    assert page.button(key="csv-apply").disabled
    assert "1 rows have errors" in told(page)


def test_a_held_delivery_leads_to_the_decisions(page, fake_session):
    held = {"id": "u1", "kind": "upload", "mode": "apply", "state": "held", "why": "half of the people are missing"}
    opened(page, fake_session, held, planned())
    assert "half of the people are missing" in told(page)
    assert "/decisions" in told(page)


def test_the_history_is_filtered_and_turned_by_the_address(page, fake_session):
    job = {"id": "u9", "kind": "upload", "mode": "apply", "state": "done", "rows": 1200, "accepted": 1, "rejected": 0}
    fake_session.answers["get", "/jobs"] = {"jobs": [job | {"file": "<i>.csv"}], "next": "m2"}
    page.query_params["state"] = "done"
    page.run()
    asked = [one for one in fake_session.asked if one[1] == "/jobs"]
    assert asked[-1][-1] == {"limit": 25, "before": None, "kind": "upload", "state": "done"}
    assert "/csv-upload?job=u9" in told(page)
    assert "&lt;i&gt;.csv" in told(page)
    assert "1,200" in told(page)
    page.button(key="csv-older").click().run()
    asked = [one for one in fake_session.asked if one[1] == "/jobs"]
    assert asked[-1][-1]["before"] == "m2"
    page.button(key="csv-newest").click().run()
    assert "before" not in page.query_params
