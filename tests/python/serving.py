"""The backend as a process of its own, and callers of it."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import httpx

POLICY = """
version = 1
[tenant]
domain = "{domain}"
[naming]
upn = ["{{given}}.{{family}}", "{{given}}.{{family}}{{n}}"]
display_name = "{{preferred}} {{family}}"
[defaults]
usage_location = "person.country"
groups = ["All Staff"]
[[rule]]
id = "security-analysts"
when = 'person.department == "Security"'
groups = ["sg-security"]
[guard]
max_leavers = 1000
protected = ["break-glass@{domain}"]
"""

MEI = {
    "employeeId": "W-1003",
    "firstName": "Mei",
    "lastName": "Tanaka",
    "department": "Security",
    "jobTitle": "Analyst",
    "location": "Perth",
    "country": "AU",
    "status": "Active",
    "isNewHire": True,
}

DEADLINE = 90


def variables(sandbox) -> dict[str, str]:
    """The variables that point everything at a sandbox."""
    return dict(line.split("=", 1) for line in sandbox.env_file().splitlines())


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def eventually(look, why="it did not happen", seconds=DEADLINE):
    """The first answer that is something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(why)


def state(env) -> dict:
    """The whole sandbox tenant."""
    return httpx.get(f"{env['SANDBOX_AUTHORITY']}/_sandbox/state", timeout=30).json()


def users(env) -> list[dict]:
    """The tenant's users, as it keeps them."""
    return state(env)["users"]


def token(env, *roles: str, **wish: str) -> str:
    """A real access token for the backend."""
    body = {"audience": env["IAM_CLIENT_ID"], "roles": list(roles), **wish}
    return httpx.post(f"{env['SANDBOX_AUTHORITY']}/_sandbox/tokens", json=body, timeout=30).json()["access_token"]


class Backend:
    """uvicorn with the backend, until it is stopped or killed."""

    def __init__(self, folder: pathlib.Path, env: dict[str, str], *, workers: int = 1, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.sandbox = env
        policy = folder / "policy.toml"
        if not policy.exists():
            policy.write_text(POLICY.format(domain=env["SANDBOX_DOMAIN"]))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            **env,
            "IAM_POLICY": str(policy),
            "IAM_JOURNAL": f"sqlite:{folder / 'iam.sqlite'}",
            "IAM_DATA_DIR": str(folder / "data"),
            "IAM_SUBSCRIPTION": env["SANDBOX_SUBSCRIPTION"],
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self.workers = workers
        self.process: subprocess.Popen | None = None
        self.log = folder / "backend.log"

    def start(self, *, ready: bool = True) -> Backend:
        """Starts it, and waits until it answers."""
        command = [sys.executable, "-m", "uvicorn", "--factory", "iam_platform.backend:create_app"]
        command += ["--port", str(self.port), "--workers", str(self.workers), "--log-level", "warning"]
        command += ["--timeout-graceful-shutdown", "5"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        if ready:
            eventually(self._ready, f"the backend did not start: {self.log}")
        return self

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def client(self, *roles: str, timeout: float = 60) -> httpx.Client:
        """A caller with these roles; without any, one without a token."""
        headers = {"Authorization": f"Bearer {token(self.sandbox, *roles)}"} if roles else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def kill(self) -> None:
        """As a machine that loses power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """Gently; the exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def __enter__(self) -> Backend:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def job(client: httpx.Client, location: str, seconds: float = DEADLINE) -> dict:
    """The job when it is over."""

    def over():
        found = client.get(location).json()
        return found if found["state"] in ("done", "failed", "held", "superseded") else None

    return eventually(over, f"{location} is not over", seconds)
