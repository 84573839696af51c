"""``iam-platform demo``: tenant, company, backend and worker on this machine, seeded and running."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.table import Table

import iam_platform

from .output import REFUSED, Output, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Who may sign in, and what for.
ROLES = {
    "IAM.Admin": "everything",
    "IAM.Operator": "hire, move and dismiss; decide on what is held",
    "IAM.Helpdesk": "look, and help: sign-out, password, pass",
    "IAM.Auditor": "look, and export the audit",
    "IAM.Provisioner": "push people in by SCIM or as HR events",
}
_START_SECONDS = 60
_WORK_SECONDS = 300


class _DemoError(Exception):
    """A part of the demo did not do what it should; the message says which and what it said."""


def run(output: Output, *, port: int, people: int) -> None:
    """Starts everything, seeds it, says where it is, and ends it at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        _run(output, ended, port or _free_port(), people)
    except _DemoError as failure:
        if not ended.is_set():
            output.fail(str(failure), REFUSED)


def _run(output: Output, ended: threading.Event, port: int, people: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iam-demo-")))
        output.note("starting the tenant …")
        tenant = stack.enter_context(iam_platform.Sandbox())
        audience = tenant.env["SANDBOX_API_AUDIENCE"]
        tokens = {role: tenant.token(audience=audience, roles=[role]) for role in ROLES}
        env = _settings(tenant, folder, audience)
        url = f"http://127.0.0.1:{port}"
        output.note("starting the backend and its worker …")
        backend = stack.enter_context(_part(["backend", "--port", str(port)], env, folder / "backend.log"))
        _until_ready(url, backend, ended, folder / "backend.log")
        output.note(f"hiring a company of {people} people …")
        _seed(url, tokens["IAM.Admin"], people, ended)
        files = _token_files(folder, tokens)
        _tell(output, url, tenant, files)
        while not ended.wait(0.2):
            if backend.poll() is not None:
                raise _DemoError(f"the backend ended: {_tail(folder / 'backend.log')}")
        output.note("ending …")


def _settings(tenant: iam_platform.Sandbox, folder: Path, audience: str) -> dict[str, str]:
    # Nothing of the caller's own platform: a demo must not reach a real tenant.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("IAM_", "AZURE_"))}
    env |= {name: value for name, value in tenant.env.items() if name.startswith("IAM_")}
    policy = resources.files("iam_platform.example").joinpath("policy.toml").read_text(encoding="utf-8")
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    env |= {
        "IAM_POLICY": str(folder / "policy.toml"),
        "IAM_JOURNAL": f"sqlite:{folder / 'journal.sqlite'}",
        "IAM_DATA_DIR": str(folder / "data"),
        "IAM_API_AUDIENCE": audience,
        "IAM_SUBSCRIPTION": tenant.subscription_id,
    }
    return env


@contextlib.contextmanager
def _part(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A part in this process group: the terminal's Ctrl-C reaches it too. It has ended when this is left."""
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  this program itself
            [sys.executable, "-m", "iam_platform", *command], env=env, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_ready(url: str, backend: subprocess.Popen[bytes], ended: threading.Event, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ended.is_set():
        if backend.poll() is not None:
            raise _DemoError(f"the backend did not start: {_tail(log)}")
        with contextlib.suppress(URLError, OSError), urlopen(f"{url}/readyz", timeout=2):  # noqa: S310  the loopback
            return
        if time.monotonic() > deadline:
            raise _DemoError(f"the backend is not ready after {_START_SECONDS} s: {_tail(log)}")
        ended.wait(0.1)


def _seed(url: str, token: str, people: int, ended: threading.Event) -> None:
    """Two exports of one company: whom it employs, and a night later who moved, left and joined."""
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    company = iam_platform.Company(people, start=str(yesterday), every_days=1, calm=True)
    for number in range(len(company.days)):
        body = company.export(number).encode()
        job = _call(url, "POST", "/hr/upload-csv?mode=apply", token, body)
        deadline = time.monotonic() + _WORK_SECONDS
        while job["state"] in {"accepted", "running"} and not ended.is_set():
            if time.monotonic() > deadline:
                return  # it goes on in the background
            ended.wait(0.2)
            job = _call(url, "GET", f"/jobs/{job['id']}", token)


def _call(url: str, method: str, path: str, token: str, body: bytes | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    try:
        with urlopen(Request(url + path, body, headers, method=method), timeout=60) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as error:
        raise _DemoError(f"{method} {path}: {error.code} {error.read(500).decode(errors='replace')}") from error
    except (URLError, OSError) as error:
        raise _DemoError(f"{method} {path}: {error}") from error


def _token_files(folder: Path, tokens: dict[str, str]) -> dict[str, Path]:
    files = {}
    for role, token in tokens.items():
        file = folder / f"{role.removeprefix('IAM.').lower()}.header"
        write_private(file, f"Authorization: Bearer {token}\n")
        files[role] = file
    return files


def _tell(output: Output, url: str, tenant: iam_platform.Sandbox, files: dict[str, Path]) -> None:
    where = {"api": url, "documentation": f"{url}/docs", "sandbox": tenant.authority}
    output.document({"urls": where, "headers": {role: str(file) for role, file in files.items()}})
    places = Table(show_header=False, box=None)
    for name, place in where.items():
        places.add_row(f"[bold]{name}[/]", place)
    output.show(places)
    roles = Table("role", "may", "header file", title="Sign in with one of these tokens", title_justify="left")
    for role, file in files.items():
        roles.add_row(role, ROLES[role], str(file))
    output.show(roles)
    output.line(f"Try: curl -H @{files['IAM.Admin']} {url}/people")
    output.note("Ctrl-C ends everything, and nothing of it is kept")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"
