"""Several processes on one PostgreSQL journal: requests go to any, work is done by one."""

from __future__ import annotations

import collections
import concurrent.futures
import subprocess
import sys
import uuid

import pytest
from postgres_server import server
from serving import MEI, Backend, eventually, job, users

WORKER = """
import asyncio, os, signal
import iam_platform

async def main():
    policy = iam_platform.Policy.load(os.environ["IAM_POLICY"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = await iam_platform.AsyncEngine.open(
        policy, journal=os.environ["IAM_JOURNAL"], tenant_id=os.environ["IAM_TENANT_ID"],
        graph=iam_platform.AsyncGraphClient(), actor="a worker",
    )
    await engine.run_worker(workers=2, stop=stop)
    await engine.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


def listed(caller, **params):
    """The ids of all pages; the pages come from whichever process answers."""
    ids, before = [], {}
    while True:
        page = caller.get("/jobs", params={"limit": 7, **params, **before}).json()
        ids += [one["id"] for one in page["jobs"]]
        if page.get("next") is None:
            assert len(ids) == len(set(ids))
            return set(ids)
        before = {"before": page["next"]}


def test_two_processes_answer_and_a_third_works(sandbox_env, postgres, tmp_path):
    backend = Backend(tmp_path, sandbox_env, workers=2, IAM_JOURNAL=postgres)
    worker = None
    try:
        backend.start()
        with backend.client("IAM.Admin") as caller:
            people = [MEI | {"employeeId": f"P-{n}", "lastName": f"Pg{n}"} for n in range(40)]

            def hire(record):
                key = {"Idempotency-Key": str(uuid.uuid4())}
                # Every request twice, at one time, to whichever process takes it.
                with concurrent.futures.ThreadPoolExecutor(2) as two:
                    sent = [two.submit(caller.post, "/hr/new-hire", json=record, headers=key) for _ in range(2)]
                    answers = [one.result() for one in sent]
                assert {answer.status_code for answer in answers} <= {200, 202}, [answer.text for answer in answers]
                assert len({answer.json()["id"] for answer in answers}) == 1
                return answers[0].headers["location"]

            with concurrent.futures.ThreadPoolExecutor(8) as many:
                locations = list(many.map(hire, people))
            assert len(set(locations)) == len(people)
            # Neither process works: on PostgreSQL that is a worker's.
            assert {caller.get(location).json()["state"] for location in locations} == {"accepted"}
            assert listed(caller, state="accepted") == {location.removeprefix("/jobs/") for location in locations}
            assert listed(caller, state="done") == set()

            worker = subprocess.Popen([sys.executable, "-c", WORKER], env=backend.env, cwd=tmp_path)
            assert {job(caller, location, seconds=180)["state"] for location in locations} == {"done"}
            found = collections.Counter(user.get("employeeId") for user in users(sandbox_env))
            assert [found[record["employeeId"]] for record in people] == [1] * len(people)
            # Any process knows any job and any upload.
            text = "Employee ID,First Name,Last Name,Country,Status\nP-100,Up,Load,AU,Active\n"
            sent = caller.post(
                "/hr/upload-csv", params={"mode": "apply"}, content=text, headers={"Content-Type": "text/csv"}
            )
            over = job(caller, sent.headers["location"])
            assert (over["state"], over["accepted"]) == ("done", 1)
            eventually(lambda: any(user.get("employeeId") == "P-100" for user in users(sandbox_env)))
            assert listed(caller, state="done", kind="event") >= {one.removeprefix("/jobs/") for one in locations}
            assert listed(caller, kind="upload") == {over["id"]}
            page = caller.get("/overview").json()
            assert page["days"][-1] == {"date": page["today"], "joiners": 41, "movers": 0, "leavers": 0}
            assert page["jobs"] == {"running": 0, "waiting": 0, "failed": 0}
            found = {one["name"]: one for one in page["connectors"]}
            assert (found["worker"]["ok"], found["journal"]["ok"]) == (True, True), found
            # What one process keeps of a form, the other one has.
            for number in range(8):
                assert caller.put("/drafts/form", json={"number": number}).status_code == 200
                assert {caller.get("/drafts/form").json()["draft"]["number"] for _ in range(4)} == {number}
            worker.terminate()
            assert worker.wait(60) == 0
    finally:
        if worker is not None and worker.poll() is None:
            worker.kill()
        backend.stop()


def test_a_password_of_the_journal_is_in_no_message(sandbox_env, tmp_path):
    backend = Backend(tmp_path, sandbox_env, IAM_JOURNAL="postgres://iam:hunter2@127.0.0.1:1/none")
    backend.start(ready=False)
    assert backend.process.wait(120) != 0
    said = backend.log.read_text()
    assert said
    assert "hunter2" not in said
