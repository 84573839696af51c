"""Starts the backend, posts a new hire to it, and follows the job step by step, as it happens.

Needs `pip install 'iam-platform[backend]'`. On a real tenant `IAM_TOKEN` is an access token for the backend, of somebody
who has the role IAM.Operator.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import Request, urlopen

from tenant import chosen, options

from iam_platform import Sandbox

POLICY = pathlib.Path(__file__).resolve().parents[1] / "data" / "policy.toml"
PATIENCE = 120  # seconds
MEI = {
    "employeeId": "W-4711",
    "firstName": "Mei",
    "lastName": "Okafor",
    "jobTitle": "Security Analyst",
    "department": "Security",
    "location": "Perth",
    "country": "AU",
    "status": "Active",
}


@contextmanager
def backend(folder: pathlib.Path, sandbox: Sandbox | None) -> Iterator[str]:
    """The backend as a process of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "IAM_POLICY": str(POLICY), "IAM_JOURNAL": f"sqlite:{folder / 'iam.sqlite'}"}
    env["IAM_DATA_DIR"] = str(folder / "data")
    if sandbox:
        env["IAM_API_AUDIENCE"] = sandbox.env["SANDBOX_API_AUDIENCE"]
    log = folder / "backend.log"
    with log.open("wb") as said:
        command = [sys.executable, "-m", "iam_platform", "backend", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        while not ready(url):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the backend did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def ready(url: str) -> bool:
    """Whether it would work on what it accepts."""
    try:
        with urlopen(f"{url}/readyz", timeout=5):
            return True
    except (URLError, OSError):
        return False


def follow(url: str, token: str) -> Iterator[tuple[str, dict]]:
    """The server-sent events of a job, until it ends."""
    event = ""
    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=PATIENCE) as stream:
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                yield event, json.loads(value)


with chosen(options(__doc__).parse_args()) as sandbox, tempfile.TemporaryDirectory() as folder:
    audience = sandbox.env["SANDBOX_API_AUDIENCE"] if sandbox else ""
    token = sandbox.token(audience=audience, roles=["IAM.Operator"]) if sandbox else os.environ["IAM_TOKEN"]
    with backend(pathlib.Path(folder), sandbox) as url:
        # The same key again is the same job: after a lost answer, post it once more.
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"hire-{MEI['employeeId']}",
        }
        with urlopen(Request(f"{url}/hr/new-hire", json.dumps(MEI).encode(), headers), timeout=PATIENCE) as answer:
            job = answer.headers["Location"]
            print(f"{answer.status}: accepted, and durable")
        for event, what in follow(f"{url}{job}/events", token):
            if event == "step":
                print(f"  {what['step']}: {what['outcome']}")
            elif event == "end":
                print(f"the job is {what['state']}")
