"""CSV upload: files as people have them, their columns, the decision, and what becomes of it in the tenant."""

from __future__ import annotations

import csv
import io
import random

import pytest
from playwright.sync_api import expect
from portal import at, settled
from serving import eventually, state
from streamlit.testing.v1 import AppTest

from iam_platform import Intake
from iam_platform.errors import InvalidError
from iam_platform.ui import columns, sheet
from iam_platform.ui.backend import AwayError, BackendError

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
    kinds = (page.error, page.warning, page.info, page.success, page.markdown, page.caption, page.title, page.header)
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
    fake_session.answers["get_slowly", "/jobs/u1/plan"] = plan
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
        (planned(JOINS, by_kind={"block_sign_in": 3, "grant": 1}, people_total=300), True),
        (BackendError(422, "more than 5000 rows are good"), True),
    ],
    ids=["joins", "leaves", "guard", "leaves beyond what is shown", "too long to be shown"],
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


def test_without_a_plan_nothing_can_be_accepted(page, fake_session):
    opened(page, fake_session, CHECKED, AwayError(0, "The backend takes too long"))
    assert "takes too long" in told(page)
    assert not [one for one in page.button if one.key == "csv-apply"]
    fake_session.answers["get_slowly", "/jobs/u1/plan"] = planned(JOINS)
    page.button(key="csv-plan-again").click().run()
    assert not page.button(key="csv-apply").disabled


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


# --- in a browser, to the tenant ------------------------------------------------------------------------------------


def upload(page, world, name, content):
    at(page, f"{world.url}/csv-upload")
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    page.get_by_role("heading", name="3. Check it").wait_for()
    settled(page)


def checked(page):
    page.get_by_role("button", name="Check the file").click()
    page.wait_for_url("**/csv-upload?job=u*")


def downloaded(page, name):
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    return list(csv.DictReader(io.StringIO(started.value.path().read_text(encoding="utf-8"))))


def accounts(world, prefix):
    return {
        user["employeeId"]: user for user in state(world.env)["users"] if str(user.get("employeeId")).startswith(prefix)
    }


def test_five_hundred_rows_with_twenty_bad_ones_reach_the_tenant_and_the_report(world, browse):
    bad = set(range(7, 500, 25))
    page = browse(world, role="Operator")
    upload(page, world, "autumn.csv", workers("BULK", 500, bad=bad).encode())
    checked(page)
    expect(page.get_by_role("heading", name="Rows with errors")).to_be_visible()
    expect(page.get_by_text("500 rows read, 20 with errors")).to_be_visible()
    errors = page.get_by_role("region", name="Errors, by line of the file").get_by_role("row")
    expect(errors).to_have_count(21)
    expect(errors.nth(1)).to_contain_text("9")
    expect(errors.nth(1)).to_contain_text("unknown_status")

    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    expect(page.get_by_text("The first 20 of 480 people are shown.")).to_be_visible()
    in_short = page.get_by_role("region", name="In short")
    expect(in_short.get_by_role("row").filter(has_text="create account")).to_contain_text("480")
    assert not accounts(world, "BULK-"), "nothing is accepted before somebody says so"
    rows = downloaded(page, "Download the error report")
    assert [number for number, row in enumerate(rows) if row["result"] == "rejected"] == sorted(bad)
    assert {row["result"] for row in rows} == {"valid", "rejected"}
    assert rows[7]["Employee ID"] == "BULK-007"

    page.get_by_text("All or nothing").click()
    expect(page.get_by_role("button", name="Accept 480 rows")).to_be_disabled()
    page.get_by_text("Valid rows only: 480").click()
    page.get_by_role("button", name="Accept 480 rows").click()
    expect(page.get_by_text("480 rows were accepted")).to_be_visible()
    good = {f"BULK-{number:03}" for number in range(500) if number not in bad}
    eventually(lambda: set(accounts(world, "BULK-")) == good, "not all of them have an account")
    assert accounts(world, "BULK-")["BULK-000"]["surname"] == "Müller0"
    rows = downloaded(page, "Download the error report")
    assert sum(row["result"] == "accepted" for row in rows) == 480

    # It survives a reload, and stands in the history.
    job = page.url.partition("job=")[2]
    at(page, page.url)
    expect(page.get_by_text("480 rows were accepted")).to_be_visible()
    page.get_by_role("button", name="All uploads").click()
    history = page.get_by_role("region", name="Uploads, newest first")
    mine = history.get_by_role("row").filter(has=page.locator(f"a[href$='{job}']"))
    expect(mine).to_contain_text("autumn.csv")
    expect(mine).to_contain_text("480")
    assert not page.troubles


def test_foreign_headings_in_another_encoding_are_mapped_and_reach_the_tenant(world, browse):
    header = "Personalnummer,Vorname,Nachname,Abteilung,Land,Zustand"
    page = browse(world, role="Operator")
    upload(page, world, "muenchen.csv", workers("DE", 3, delimiter=";", header=header).encode("cp1252"))
    expect(page.get_by_text("This file is not UTF-8.")).to_be_visible()
    expect(page.get_by_role("button", name="Check the file")).to_be_disabled()
    for number, field in enumerate(("employeeId", "firstName", "lastName", "department", "country", "status")):
        box = page.locator(f".st-key-csv-map-{number} input")
        box.click()
        box.fill(field)
        page.get_by_role("option", name=f"{field} (").first.click()
        settled(page)
    preview = page.get_by_role("region", name="The first rows, as they will be read")
    expect(preview.get_by_role("cell", name="Jürgen")).to_be_visible()
    checked(page)
    page.get_by_role("button", name="Accept 3 rows").click()
    expect(page.get_by_text("3 rows were accepted")).to_be_visible()
    eventually(lambda: len(accounts(world, "DE-")) == 3, "they have no accounts")
    assert {user["surname"] for user in accounts(world, "DE-").values()} == {"Müller0", "Weiß1", "Peña2"}
    assert not page.troubles


def test_a_formula_stays_harmless_in_the_page_and_in_the_report(world, browse):
    text = HEADER + '\nFX-1,=HYPERLINK("http://evil.example"),<img src=x onerror=alert(1)>,Sales,AU,Perhaps\n'
    text += "FX-2,@SUM(A1),[x](javascript:alert(1)),Sales,AU,Active\n"
    page = browse(world, role="Operator")
    upload(page, world, "formula.csv", text.replace('"http://evil.example"', "http://evil.example").encode())
    expect(page.get_by_role("cell", name="<img src=x onerror=alert(1)>")).to_be_visible()
    assert not page.locator("img[src=x]").count()
    checked(page)
    for row in downloaded(page, "Download the error report"):
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell
    assert not page.troubles


def test_leavers_are_typed_and_end_in_the_tenant(world, browse):
    first = workers("END", 2)
    page = browse(world, role="Operator")
    upload(page, world, "join.csv", first.encode())
    checked(page)
    page.get_by_role("button", name="Accept 2 rows").click()
    expect(page.get_by_text("2 rows were accepted")).to_be_visible()
    eventually(
        lambda: [user["accountEnabled"] for user in accounts(world, "END-").values()] == [True, True], "nobody began"
    )
    upload(page, world, "leave.csv", first.replace("Active", "Terminated").encode())
    checked(page)
    accept = page.get_by_role("button", name="Accept 2 rows")
    expect(accept).to_be_disabled()
    page.get_by_label("Number of rows").fill("2")
    page.keyboard.press("Enter")
    expect(accept).to_be_enabled()
    accept.click()
    eventually(
        lambda: [user["accountEnabled"] for user in accounts(world, "END-").values()] == [False, False],
        "they can still sign in",
    )


def test_a_delivery_that_looks_broken_is_held_and_leads_to_the_decision(world, browse):
    page = browse(world, role="Operator")
    for name, count in (("whole.csv", 40), ("broken.csv", 4)):
        upload(page, world, name, workers("HELD", count).encode())
        page.get_by_text("The file is a whole delivery of a source").click()
        page.get_by_label("Source", exact=True).fill("hr-held")
        page.keyboard.press("Enter")
        settled(page)
        checked(page)
        typed = page.get_by_label("Number of rows")
        accept = page.get_by_role("button", name=f"Accept {count} rows")
        expect(accept).to_be_visible()
        if typed.count():
            typed.fill(str(count))
            page.keyboard.press("Enter")
        expect(accept).to_be_enabled()
        accept.click()
        if count == 40:
            expect(page.get_by_text("40 rows were accepted")).to_be_visible()
            eventually(lambda: len(accounts(world, "HELD-")) == 40, "they have no accounts")
    expect(page.get_by_text("This delivery is held.")).to_be_visible()
    page.get_by_role("link", name="Go to the decisions").click()
    page.wait_for_url("**/decisions?tab=deliveries")
    expect(page.get_by_text("hr-held").first).to_be_visible()
    assert all(user["accountEnabled"] for user in accounts(world, "HELD-").values()), "nothing of it counts"
    assert len(accounts(world, "HELD-")) == 40


def test_an_empty_file_and_a_workbook_say_what_to_do(world, browse):
    page = browse(world, role="Operator")
    at(page, f"{world.url}/csv-upload")
    for content, said in ((b"", "The file is empty"), (b"PK\x03\x04xl", "Save as")):
        file = {"name": "wrong.csv", "mimeType": "text/csv", "buffer": content}
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("button", name="Check the file")).to_have_count(0)


def test_the_template_is_a_table_that_the_page_knows(world, browse):
    page = browse(world, role="Operator")
    at(page, f"{world.url}/csv-upload")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download an empty table").click()
    header = started.value.path().read_text().strip().split(",")
    assert not columns.missing(header)
    assert all(columns.meaning(name) for name in header)


def test_whoever_may_not_upload_finds_no_page(world, browse):
    page = browse(world, role="Helpdesk")
    at(page, f"{world.url}/csv-upload")
    expect(page.locator("input[type=file]")).to_have_count(0)
    expect(page.get_by_role("link", name="CSV Upload")).to_have_count(0)
    assert (
        world.api("Helpdesk").post("/hr/upload-csv", content=b"x", headers={"Content-Type": "text/csv"}).status_code
        == 403
    )
