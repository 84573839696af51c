"""``iam-platform demo``: tenant, company, backend, worker and web UI on this machine, seeded and running."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
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

#: Who may do what: each role has a user of the tenant's, ``portal.admin@…`` and so on.
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


def run(output: Output, *, port: int, ui_port: int, people: int) -> None:
    """Starts everything, seeds it, says where it is, and ends it at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        _run(output, ended, port or _free_port(), ui_port or _free_port(), people)
    except _DemoError as failure:
        if not ended.is_set():
            output.fail(str(failure), REFUSED)


def _run(output: Output, ended: threading.Event, port: int, ui_port: int, people: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iam-demo-")))
        output.note("starting the tenant …")
        tenant = stack.enter_context(iam_platform.Sandbox())
        audience = tenant.env["SANDBOX_API_AUDIENCE"]
        tokens = {role: tenant.token(audience=audience, roles=[role]) for role in ROLES}
        env = _settings(tenant, folder, audience)
        url = f"http://127.0.0.1:{port}"
        output.note("starting the backend and its worker …")
        parts = {"backend": stack.enter_context(_part(["backend", "--port", str(port)], env, folder / "backend.log"))}
        portal = None
        if all(importlib.util.find_spec(name) for name in ("streamlit", "authlib", "httpx", "altair")):
            output.note("starting the web UI …")
            portal = f"http://127.0.0.1:{ui_port}"
            command = ["ui", "--port", str(ui_port), "--backend", url]
            parts["web UI"] = stack.enter_context(_part(command, env | _portal(tenant), folder / "web UI.log"))
        _until_ready(f"{url}/readyz", "backend", parts, ended, folder)
        output.note(f"hiring a company of {people} people …")
        _seed(url, tokens["IAM.Admin"], people, ended)
        if portal:
            _until_ready(f"{portal}/_stcore/health", "web UI", parts, ended, folder)
        files = _token_files(folder, tokens)
        _tell(output, url, portal, tenant, files)
        while not ended.wait(0.2):
            for name, part in parts.items():
                if part.poll() is not None and not ended.is_set():
                    raise _DemoError(f"the {name} ended: {_tail(folder / f'{name}.log')}")
        output.note("ending …")


def _portal(tenant: iam_platform.Sandbox) -> dict[str, str]:
    """What the web UI knows beside the backend's settings."""
    return {
        "IAM_UI_CLIENT_ID": tenant.env["SANDBOX_UI_CLIENT_ID"],
        "IAM_UI_CLIENT_SECRET": tenant.env["SANDBOX_UI_CLIENT_SECRET"],
        "IAM_UI_COOKIE_SECRET": secrets.token_hex(32),
    }


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


def _until_ready(
    url: str, name: str, parts: dict[str, subprocess.Popen[bytes]], ended: threading.Event, folder: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    log = folder / f"{name}.log"
    while not ended.is_set():
        if parts[name].poll() is not None:
            raise _DemoError(f"the {name} did not start: {_tail(log)}")
        with contextlib.suppress(URLError, OSError), urlopen(url, timeout=2):  # noqa: S310  the loopback
            return
        if time.monotonic() > deadline:
            raise _DemoError(f"the {name} is not ready after {_START_SECONDS} s: {_tail(log)}")
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


def _tell(output: Output, url: str, portal: str | None, tenant: iam_platform.Sandbox, files: dict[str, Path]) -> None:
    where = {"api": url, "documentation": f"{url}/docs", "sandbox": tenant.authority}
    where = {"portal": portal, **where} if portal else where
    users = {role: f"portal.{role.removeprefix('IAM.').lower()}@{tenant.env['SANDBOX_DOMAIN']}" for role in ROLES}
    password, code = tenant.env["SANDBOX_USER_PASSWORD"], tenant.env["SANDBOX_MFA_CODE"]
    output.document(
        {
            "urls": where,
            "headers": {role: str(file) for role, file in files.items()},
            "users": users,
            "password": password,
            "code": code,
        }
    )
    places = Table(show_header=False, box=None)
    for name, place in where.items():
        places.add_row(f"[bold]{name}[/]", place)
    output.show(places)
    roles = Table("user", "may", "header file", title="Who may do what", title_justify="left")
    for role, file in files.items():
        roles.add_row(users[role], ROLES[role], str(file))
    output.show(roles)
    if portal:
        output.line(f"Sign in at {portal} as one of them: password {password}, code {code}")
    else:
        output.note("the web UI is left out: pip install 'iam-platform[ui]'")
    output.line(f"Without a browser: curl -H @{files['IAM.Admin']} {url}/people")
    output.note("Ctrl-C ends everything, and nothing of it is kept")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "it said nothing"
