"""Files: streamed, checked, accepted once, reported row by row; and what is thrown at the door."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import socket
import threading
import uuid
import zipfile

import httpx
import pytest
from serving import Backend, eventually, job, users

HEADER = "Employee ID,First Name,Last Name,Department,Country,Status\n"


def table(rows):
    return HEADER + "".join(f"{key},Ada,{last},{department},AU,{status}\n" for key, last, department, status in rows)


def upload(client, text, **params):
    content = text.encode() if isinstance(text, str) else text
    return client.post("/hr/upload-csv", params=params, content=content, headers={"Content-Type": "text/csv"})


def rss(pid):
    """Bytes in memory of a process and of its children."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def test_validating_accepts_nothing_and_names_row_field_and_code(operator):
    text = table(
        [("U-1", "One", "Sales", "Active"), ("U-2", "Two", "Sales", "Perhaps"), ("", "Three", "Sales", "Active")]
    )
    answer = upload(operator, text)
    assert answer.status_code == 202, answer.text
    over = job(operator, answer.headers["location"])
    assert (over["state"], over["result"], over["rows"], over["rejected"]) == ("done", "validated", 3, 2)
    assert operator.get("/people/U-1/timeline").status_code == 404

    report = operator.get(over["report"])
    assert report.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(report.text)))
    assert [row["result"] for row in rows] == ["valid", "rejected", "rejected"]
    assert (rows[1]["Employee ID"], rows[1]["field"], rows[1]["code"]) == ("U-2", "Status", "unknown_status")
    assert rows[0]["Last Name"] == "One"


def test_applying_accepts_the_good_rows_and_carries_them_out(backend, operator):
    text = table(
        [
            ("U-11", "Elf", "Security", "Active"),
            ("U-12", "Twelve", "Sales", "Nope"),
            ("U-13", "Xiii", "Sales", "Active"),
        ]
    )
    over = job(operator, upload(operator, text, mode="apply").headers["location"])
    assert (over["state"], over["accepted"], over["rejected"]) == ("done", 2, 1), over
    eventually(
        lambda: {"U-11", "U-13"} <= {user.get("employeeId") for user in users(backend.sandbox)}, "they have no accounts"
    )
    again = job(operator, upload(operator, text, mode="apply").headers["location"])
    assert (again["accepted"], again["unchanged"]) == (0, 2)


def test_one_bad_row_can_refuse_the_whole(operator):
    text = table([("U-21", "A", "Sales", "Active"), ("U-22", "B", "Sales", "Nope")])
    over = job(operator, upload(operator, text, mode="apply", on_error="refuse").headers["location"])
    assert over["state"] == "failed"
    assert operator.get("/people/U-21/timeline").status_code == 404
    report = list(csv.DictReader(io.StringIO(operator.get(over["report"]).text)))
    assert [row["result"] for row in report] == ["not accepted", "rejected"]


def test_a_form_is_taken_and_the_name_of_its_file_is_no_path(backend, operator):
    text = table([("U-31", "Form", "Sales", "Active")])
    answer = operator.post(
        "/hr/upload-csv",
        params={"mode": "apply", "wait": 30},
        files={"file": ("../../../etc/passwd.csv", text, "text/csv")},
        data={"note": "a field that nobody asked for"},
    )
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    names = os.listdir(backend.folder / "data" / "uploads")
    assert not [name for name in names if "passwd" in name]
    for name in names:
        assert os.stat(backend.folder / "data" / "uploads" / name).st_mode & 0o077 == 0


def test_the_same_key_is_the_same_upload(operator):
    key = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "text/csv"}
    text = table([("U-41", "Key", "Sales", "Active")])
    one, two = (operator.post("/hr/upload-csv", params={"mode": "apply"}, content=text, headers=key) for _ in range(2))
    assert one.json()["id"] == two.json()["id"]
    other = operator.post("/hr/upload-csv", params={"mode": "apply"}, content=text + "\n", headers=key)
    assert other.status_code == 422
    assert job(operator, one.headers["location"])["accepted"] == 1


def test_nothing_in_a_report_or_export_is_a_formula(operator):
    bad = "Employee ID,First Name,Last Name,Department,Country,Status\n" + "".join(
        f'U-5{number},"{cell}",Ek,Sales,AU,Nope\n'
        for number, cell in enumerate(["=cmd|' /C calc'!A0", "+1+1", "-2+3+cmd", "@SUM(A1)", "\t=1", "＝1"])
    )
    over = job(operator, upload(operator, bad).headers["location"])
    rows = list(csv.reader(io.StringIO(operator.get(over["report"]).text)))
    assert len(rows) == 7
    for cells in rows:
        for cell in cells:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "＝")), cell
    operator.post(
        "/graph/users/create",
        json={
            "displayName": '=HYPERLINK("http://evil.example")',
            "userPrincipalName": f"formula@{operator.get('/graph/users').json()['value'][0]['userPrincipalName'].split('@')[1]}",
        },
    )
    exported = operator.get("/graph/users/export.csv").text
    assert "'=HYPERLINK" in exported
    assert not [cell for row in csv.reader(io.StringIO(exported)) for cell in row if cell.startswith("=")]


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("workers.csv", HEADER * 1000)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "status"),
    [(zipped(), 415), (gzip.compress(HEADER.encode()), 415), (b"", 422)],
    ids=["zip", "gzip", "empty"],
)
def test_what_is_no_table_is_refused_at_the_door(operator, content, status):
    assert upload(operator, content, mode="apply").status_code == status
    form = operator.post("/hr/upload-csv", files={"file": ("a.csv", content, "text/csv")})
    assert form.status_code == status
    wrong = operator.post("/hr/upload-csv", content=content or b"{}", headers={"Content-Type": "application/json"})
    assert wrong.status_code == 415


@pytest.mark.parametrize(
    "content",
    [
        HEADER.encode("utf-16"),
        (HEADER + "U-61,Ad\xe9,Ek,Sales,AU,Active\n").encode("latin-1"),
        b"\x00\x01\x02\x03" * 100,
        b"Employee ID,Colour\nU-62,red\n",
        (HEADER + "U-63,").encode() + b"x" * (3 << 20) + b",Ek,Sales,AU,Active\n",
        (HEADER + 'U-64,"never closed,Ek,Sales,AU,Active\n').encode() + b"U-65,A,B,C,AU,Active\n" * 60000,
        b"a," * 500_000 + b"\n" + b"1," * 500_000 + b"\n",
    ],
    ids=["utf-16", "windows-1252", "binary", "unknown column", "huge line", "open quotation mark", "a million columns"],
)
def test_a_table_that_cannot_be_read_fails_with_a_sentence_and_accepts_nothing(operator, content):
    over = job(operator, upload(operator, content, mode="apply").headers["location"])
    assert over["state"] == "failed" or (over["accepted"], over["state"]) == (0, "done"), over
    if over["state"] == "failed":
        assert len(over["why"]) > 10
    assert operator.get(f"/jobs/{over['id']}/report").status_code == 200
    assert operator.get("/people/U-63/timeline").status_code == 404


def test_an_upload_over_the_limit_is_refused_early_and_in_constant_memory(sandbox_env, tmp_path):
    with (
        Backend(tmp_path, sandbox_env, IAM_UPLOAD_LIMIT=str(4 << 20), IAM_IDLE_TIMEOUT="2") as backend,
        backend.client("IAM.Operator") as caller,
    ):
        upload(caller, table([("U-71", "Warm", "Sales", "Active")]))
        before = rss(backend.process.pid)
        # Announced: not a byte of the body is asked for.
        with socket.create_connection(("127.0.0.1", backend.port), timeout=30) as raw:
            raw.sendall(
                b"POST /hr/upload-csv?mode=apply HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nAuthorization: "
                + caller.headers["Authorization"].encode()
                + b"\r\nContent-Length: 1073741824\r\n\r\n"
            )
            answer = raw.recv(65536)
        assert b" 413 " in answer.split(b"\r\n")[0]
        assert b"application/problem+json" in answer

        # Begun, and never gone on with.
        with socket.create_connection(("127.0.0.1", backend.port), timeout=30) as raw:
            raw.sendall(
                b"POST /hr/upload-csv HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nAuthorization: "
                + caller.headers["Authorization"].encode()
                + b"\r\nContent-Length: 1000\r\n\r\nEmployee ID"
            )
            assert b" 408 " in raw.recv(65536).split(b"\r\n")[0]

        # Not announced: cut off at the limit.
        sent = 0

        def chunks():
            nonlocal sent
            yield HEADER.encode()
            for _ in range(1024):
                sent += 1 << 20
                yield b"U-72,Ada,Ek,Sales,AU,Active\n" * ((1 << 20) // 28)

        try:
            refused = caller.post("/hr/upload-csv", content=chunks(), headers={"Content-Type": "text/csv"})
            assert refused.status_code == 413
        except httpx.TransportError:
            pass  # the connection was closed on a sender who went on
        assert sent < 64 << 20, "the sender was let go on"
        assert rss(backend.process.pid) - before < 64 << 20
        eventually(lambda: not list((tmp_path / "data" / "uploads").glob(".*")), "the part was kept")
        assert caller.get("/healthz").status_code == 200


def test_a_hundred_thousand_rows_take_no_more_memory_than_a_few(sandbox_env, tmp_path):
    with (
        Backend(tmp_path, sandbox_env, IAM_WORKER="off") as backend,
        backend.client("IAM.Operator", timeout=300) as caller,
    ):
        job(
            caller,
            upload(caller, table([(f"W-{n}", "Warm", "Sales", "Active") for n in range(2000)])).headers["location"],
        )
        before = peak = rss(backend.process.pid)
        done = threading.Event()

        def watch():
            nonlocal peak
            while not done.wait(0.05):
                peak = max(peak, rss(backend.process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        text = table([(f"C-{number}", f"Ek{number}", "Sales", "Active") for number in range(100_000)])
        location = upload(caller, text).headers["location"]
        events = []
        with caller.stream("GET", f"{location}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
        done.set()
        watcher.join()
        assert (events[-1]["rows"], events[-1]["rejected"]) == (100_000, 0)
        rows = [event["rows"] for event in events]
        assert rows == sorted(rows)
        assert len(rows) > 2, "no progress was told"
        assert peak - before < 48 << 20, f"{(peak - before) >> 20} MiB more"


def test_a_broken_delivery_is_held_as_a_whole_until_somebody_decides(operator, admin):
    many = [(f"D-{number}", f"Ek{number}", "Sales", "Active") for number in range(40)]
    good = job(operator, upload(operator, table(many), mode="apply", source="workday").headers["location"])
    assert (good["state"], good["accepted"]) == ("done", 40), good
    bad = job(operator, upload(operator, table([*many[:3]]), mode="apply", source="workday").headers["location"])
    assert bad["state"] == "held", bad
    assert bad["why"]
    held = [one for one in admin.get("/admin/deliveries").json() if one["id"] == bad["delivery"]]
    assert held[0]["findings"]
    assert (
        admin.post(f"/admin/deliveries/{bad['delivery']}/discard", json={"reason": "the export broke"}).status_code
        == 204
    )
    assert admin.get("/admin/overview").json()["held"] == 0


def test_a_backend_that_is_killed_in_the_middle_of_an_upload_loses_and_doubles_nothing(sandbox_env, tmp_path):
    backend = Backend(tmp_path, sandbox_env, IAM_WORKER="off").start()
    count = 20_000
    text = table([(f"K-{number}", f"Ek{number}", "Sales", "Active") for number in range(count)])
    key = {"Idempotency-Key": "kill-1", "Content-Type": "text/csv"}
    try:
        with backend.client("IAM.Admin") as caller:
            # Cut off while it is sent: nothing was answered, and nothing is kept.
            def half():
                yield text[: len(text) // 2].encode()
                backend.kill()
                yield text[len(text) // 2 :].encode()

            with pytest.raises(httpx.TransportError):
                caller.post("/hr/upload-csv", params={"mode": "apply"}, content=half(), headers=key)
        backend.start()
        assert not list((tmp_path / "data" / "uploads").glob("*.csv"))
        assert not list((tmp_path / "data" / "uploads").glob(".*"))

        with backend.client("IAM.Admin") as caller:
            assert caller.get("/audit").text == ""
            answer = caller.post("/hr/upload-csv", params={"mode": "apply"}, content=text, headers=key)
            assert answer.status_code == 202, answer.text
            location = answer.headers["location"]
            # Cut off while it is read, again and again.
            for least in (1, 3000, 9000):
                eventually(lambda least=least: (caller.get(location).json().get("accepted") or 0) >= least)
                backend.kill()
                backend.start()
            again = caller.post("/hr/upload-csv", params={"mode": "apply"}, content=text, headers=key)
            assert again.json()["id"] == answer.json()["id"]
            over = job(caller, location, seconds=240)
            assert over["state"] == "done", over
            # What was accepted just before a kill says nothing new afterwards.
            assert over["accepted"] + over["unchanged"] == count
            deeds = [json.loads(line) for line in caller.get("/audit").text.splitlines()]
            events = [deed["event"] for deed in deeds if deed["deed"] == "accepted"]
            assert len(events) == len(set(events)) == count
    finally:
        backend.stop()


def test_a_second_process_on_one_sqlite_journal_is_refused_with_advice(backend, sandbox_env, tmp_path):
    second = Backend(tmp_path, sandbox_env, IAM_JOURNAL=backend.env["IAM_JOURNAL"])
    second.start(ready=False)
    assert second.process.wait(60) != 0
    said = second.log.read_text()
    assert "postgres" in said.lower(), said[-2000:]
    with backend.client() as caller:
        assert caller.get("/readyz").status_code == 200


def test_refused_rows_are_told_page_by_page_with_line_field_code_and_message(operator):
    bad = [(f"U-6{number}", "Bad", "Sales", "Perhaps") for number in range(5)]
    text = table([("U-60", "Good", "Sales", "Active"), *bad[1:]])
    over = job(operator, upload(operator, text).headers["location"])
    page = operator.get(f"/jobs/{over['id']}/rejects", params={"limit": 3}).json()
    assert [one["row"] for one in page["rejects"]] == [3, 4, 5]
    assert (page["rejects"][0]["field"], page["rejects"][0]["code"]) == ("Status", "unknown_status")
    assert "Perhaps" in page["rejects"][0]["message"]
    rest = operator.get(f"/jobs/{over['id']}/rejects", params={"limit": 3, "after": page["next"]}).json()
    assert ([one["row"] for one in rest["rejects"]], rest["next"]) == ([6], None)


def test_unknown_columns_are_left_out_where_that_is_asked_and_stay_in_the_report(operator):
    text = "Employee ID,Shoe Size,First Name,Status\nU-71,43,Ada,Active\nU-72,44,Bo,Perhaps\n"
    refused = job(operator, upload(operator, text).headers["location"])
    assert (refused["state"], "Shoe Size" in refused["why"]) == ("failed", True), refused
    over = job(operator, upload(operator, text, mode="apply", ignore_unknown=True).headers["location"])
    assert (over["state"], over["accepted"], over["rejected"]) == ("done", 1, 1), over
    report = list(csv.DictReader(io.StringIO(operator.get(over["report"]).text)))
    assert [(row["Shoe Size"], row["result"]) for row in report] == [("43", "accepted"), ("44", "rejected")]
    eventually(lambda: operator.get("/people/U-71").status_code == 200, "nobody is known by that key")


def test_a_validated_file_is_planned_and_applied_without_sending_it_again(backend, operator):
    text = table(
        [
            ("V-1", "Vone", "Security", "Active"),
            ("V-2", "Vtwo", "Sales", "Active"),
            ("V-3", "Vthree", "Sales", "Nope"),
        ]
    )
    checked = job(operator, upload(operator, text, name="new staff.csv").headers["location"])
    assert checked["file"] == "new staff.csv"
    shown = operator.get(f"/jobs/{checked['id']}/plan", params={"limit": 1}).json()
    assert (shown["people_total"], len(shown["people"]), shown["guard"]) == (2, 1, [])
    assert shown["by_kind"]["create_account"] == 2
    assert shown["steps"] == sum(shown["by_kind"].values())
    whole = operator.get(f"/jobs/{checked['id']}/plan").json()
    assert {one["person"] for one in whole["people"]} == {"V-1", "V-2"}
    assert operator.get("/people/V-1/timeline").status_code == 404, "nothing of it has happened"
    as_records = operator.post(
        "/hr/plan",
        json={"records": [
            {"employeeId": "V-1", "firstName": "Ada", "lastName": "Vone", "department": "Security", "country": "AU", "status": "Active"},
        ]},
    ).json()  # fmt: skip
    [one] = [person for person in whole["people"] if person["person"] == "V-1"]
    assert [step["id"] for step in one["plan"]["steps"]] == [
        step["id"] for step in as_records["people"][0]["plan"]["steps"]
    ]

    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = operator.post(f"/jobs/{checked['id']}/apply", headers=key)
    assert answer.status_code == 202, answer.text
    again = operator.post(f"/jobs/{checked['id']}/apply", headers=key)
    assert again.json()["id"] == answer.json()["id"]
    over = job(operator, answer.headers["location"])
    assert (over["mode"], over["accepted"], over["rejected"], over["of"]) == ("apply", 2, 1, checked["id"])
    assert over["file"] == "new staff.csv"
    eventually(lambda: {"V-1", "V-2"} <= {user.get("employeeId") for user in users(backend.sandbox)}, "no accounts")
    rows = list(csv.DictReader(io.StringIO(operator.get(over["report"]).text)))
    assert [row["result"] for row in rows] == ["accepted", "accepted", "rejected"]
    refused = job(operator, operator.post(f"/jobs/{checked['id']}/apply?on_error=refuse").headers["location"])
    assert refused["state"] == "failed"
    # Only what was validated is applied so.
    for path in ("plan", "apply"):
        verb = operator.get if path == "plan" else operator.post
        assert verb(f"/jobs/{over['id']}/{path}").status_code == 409
        assert verb(f"/jobs/u{'0' * 32}/{path}").status_code == 404
    with backend.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.get(f"/jobs/{checked['id']}/plan").status_code == 403
        assert helpdesk.post(f"/jobs/{checked['id']}/apply").status_code == 403


def test_two_applications_of_one_file_are_both_carried_out(operator):
    checked = job(operator, upload(operator, table([("V-9", "Twice", "Sales", "Active")])).headers["location"])
    answers = [operator.post(f"/jobs/{checked['id']}/apply") for _ in range(2)]
    over = [job(operator, answer.headers["location"]) for answer in answers]
    assert sorted((one["accepted"], one["unchanged"]) for one in over) == [(0, 1), (1, 0)]


def test_the_plan_of_a_long_file_is_refused_and_says_why(operator):
    text = table([(f"L-{number}", "Long", "Sales", "Active") for number in range(5001)])
    checked = job(operator, upload(operator, text).headers["location"])
    refused = operator.get(f"/jobs/{checked['id']}/plan")
    assert refused.status_code == 422
    assert "5000" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a.csv", "a.csv"), ("../../etc/passwd", "passwd"), ("C:\\x\\y.csv", "y.csv"), ("\x1b[31mred", "[31mred"),
        ("..", None), ("", None), ("x" * 500, "x" * 120), ("\u202egnp.csv", "gnp.csv"),
    ],
)  # fmt: skip
def test_a_file_s_name_is_shown_and_is_no_path(said, shown):
    from iam_platform.backend.hr.form import cleaned

    assert cleaned(said) == shown


def test_what_was_left_out_when_a_file_was_validated_is_left_out_when_it_is_applied(operator):
    text = "Employee ID,Shoe Size,First Name,Status\nU-81,43,Ada,Active\n"
    checked = job(operator, upload(operator, text, ignore_unknown=True).headers["location"])
    assert operator.get(f"/jobs/{checked['id']}/plan").json()["people_total"] == 1
    over = job(operator, operator.post(f"/jobs/{checked['id']}/apply").headers["location"])
    assert (over["state"], over["accepted"]) == ("done", 1), over
