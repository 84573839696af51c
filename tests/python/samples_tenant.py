"""A sandbox for the tests of the samples' modules, and folders in which scripts run against it."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import iam_platform

HERE = pathlib.Path(__file__).parent / "samples"
PROGRAM = os.environ.get("IAM_SANDBOX", str(HERE.parents[2] / "target" / "debug" / "iam-sandbox"))
PACKAGE = str(pathlib.Path(iam_platform.__file__).parents[1])
CONFIG = {
    "domain": "contoso.example",
    "default_password_length": 20,
    "default_force_password_reset": True,
    "default_groups": ["All Staff", "VPN Users"],
    "default_license_skus": ["SPE_E3"],
    "default_roles": [],
    "logging": {"enabled": True, "path": "logs/iam_audit.log"},
}


class Tenant:
    def __init__(self, values):
        self.values = values
        self.root = values["SANDBOX_AUTHORITY"]

    def ask(self, path, body=None, method=None, token=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(f"{self.root}{path}", data=data, headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def reset(self):
        self.ask("/_sandbox/reset", {})
        self.ask("/_sandbox/faults", method="DELETE")

    def fault(self, method, path, effect, **more):
        self.ask("/_sandbox/faults", {"method": method, "path": path, "effect": effect, **more})

    def log(self):
        return self.ask("/_sandbox/log")

    def user(self, upn):
        found = [user for user in self.ask("/_sandbox/state")["users"] if user["userPrincipalName"] == upn]
        return found[0] if found else None

    def group(self, name):
        return next(group for group in self.ask("/_sandbox/state")["groups"] if group["displayName"] == name)

    def scim_user(self, name):
        users = self.ask("/_sandbox/state")["scim"]["users"]
        return next((user for user in users if user["userName"] == name), None)

    def settings(self):
        """The lines of an .env file as the samples have it."""
        names = {
            "TENANT_ID": "SANDBOX_TENANT",
            "CLIENT_ID": "SANDBOX_CLIENT_ID",
            "CLIENT_SECRET": "SANDBOX_CLIENT_SECRET",
        }
        return {name: self.values[known] for name, known in names.items()}

    def endpoints(self):
        names = ("IAM_AUTHORITY", "IAM_GRAPH_URL", "IAM_ARM_URL", "IAM_SCIM_URL", "IAM_SCIM_TOKEN")
        return {name: self.values[name] for name in names}

    def furnish(self, folder, config=None):
        """Puts .env and config.json there."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.settings().items()))
        (folder / "config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
        return folder

    def environment(self, **more):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1", **self.endpoints(), **more}

    def run(self, folder, script, *arguments, compat=True, **more):
        """Runs a script there, by the runner or plainly."""
        runner = ["-m", "iam_platform.compat"] if compat else []
        return subprocess.run(
            [sys.executable, *runner, str(script), *arguments],
            cwd=folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=300,
        )


@contextlib.contextmanager
def started(folder, *options):
    """A sandbox of its own, over plain http."""
    file = folder / "sandbox.env"
    process = subprocess.Popen([PROGRAM, "--env-file", str(file), *options], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None, "the sandbox stopped"
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)
        yield Tenant(dict(line.split("=", 1) for line in file.read_text().splitlines()))
    finally:
        process.terminate()
        process.wait(30)
