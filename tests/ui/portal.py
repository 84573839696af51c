"""The whole portal on this machine: a tenant, the backend with its worker, the UI, and a browser that signs in."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
from serving import Backend, eventually, free_port, state, token, variables

if TYPE_CHECKING:
    import pathlib

    from playwright.sync_api import BrowserContext, Page

CHROMIUM = os.environ.get("IAM_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
# Without these it asks hosts of its maker at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Streamlit looks for below the address of a page before it finds it at the root.
HARMLESS = ("/_stcore/health", "/_stcore/host-config")
WAIT = 60_000
"""Milliseconds that anything may take on a machine that does much else."""


class World:
    """Everything that a portal needs, until it is closed."""

    def __init__(self, folder: pathlib.Path, *, policy: str | None = None, **settings: str) -> None:
        import iam_platform

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self.sandbox = self._stack.enter_context(iam_platform.Sandbox())
        self.env = variables(self.sandbox)
        if policy is not None:
            (folder / "policy.toml").write_text(policy)
        self.env["IAM_API_AUDIENCE"] = self.env["SANDBOX_API_AUDIENCE"]
        self.backend = self._stack.enter_context(Backend(folder, self.env, **settings))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "ui.log"
        self._ui = self._started()
        self._stack.callback(self._end)
        self._cookies: dict[str, dict] = {}

    def _started(self) -> subprocess.Popen:
        env = {
            **os.environ,
            **self.env,
            "IAM_BACKEND_URL": self.backend.url,
            "IAM_UI_CLIENT_ID": self.env["SANDBOX_UI_CLIENT_ID"],
            "IAM_UI_CLIENT_SECRET": self.env["SANDBOX_UI_CLIENT_SECRET"],
            "IAM_UI_COOKIE_SECRET": secrets.token_hex(32),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "iam_platform", "ui", "--port", str(self.port)],
                env=env,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

        def healthy() -> bool:
            assert process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{self.url}/_stcore/health", timeout=5).text == "ok"
            return False

        eventually(healthy, f"the UI did not start: {self.log}")
        return process

    def _end(self) -> None:
        self._ui.terminate()
        self._ui.wait(30)

    def close(self) -> None:
        """Ends everything by its pid."""
        self._stack.close()

    def api(self, role: str = "Admin") -> httpx.Client:
        """The backend as a caller of that role sees it, without a browser."""
        bearer = token(self.env, f"IAM.{role}", audience=self.env["SANDBOX_API_AUDIENCE"])
        return httpx.Client(base_url=self.backend.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=60)

    def hired(self, record: dict, **more: str) -> str:
        """Hires somebody, through the API, and waits until they are there; their sign-in name."""
        record = {**record, **more}
        with self.api("Operator") as api:
            answer = api.post("/hr/new-hire", params={"wait": 60}, json=record)
            assert answer.json()["state"] == "done", answer.text
            return api.get(f"/people/{record['employeeId']}").json()["name"]

    def user(self, upn: str) -> dict | None:
        """The tenant's user of that name, as the tenant keeps it."""
        found = (one for one in state(self.env)["users"] if one["userPrincipalName"].lower() == upn.lower())
        return next(found, None)

    def sign_in(self, page: Page, user: str = "portal.admin@contoso.example", *, code: bool = True) -> None:
        """Through the tenant's pages, from the portal's first page or any other; ends on the portal."""
        page.get_by_role("button", name="Sign in with Microsoft Entra ID").click()
        page.locator("input[name=username]").fill(user)
        page.keyboard.press("Enter")
        page.locator("input[name=password]").fill(self.env["SANDBOX_USER_PASSWORD"])
        page.keyboard.press("Enter")
        portal_or_code = page.locator("input[name=code]").or_(page.get_by_role("button", name="Sign out"))
        portal_or_code.first.wait_for()
        if code and page.locator("input[name=code]").count():
            page.locator("input[name=code]").fill(self.env["SANDBOX_MFA_CODE"])
            page.keyboard.press("Enter")
        page.get_by_role("button", name="Sign out").wait_for(state="attached")

    def signed_in(self, context: BrowserContext, role: str) -> None:
        """Gives a browser the session of who holds a role: the sign-in is done once for each."""
        if role not in self._cookies:
            page = context.new_page()
            page.goto(self.url)
            self.sign_in(page, f"portal.{role.lower()}@contoso.example")
            page.close()
            self._cookies[role] = context.storage_state()
        context.add_cookies(self._cookies[role]["cookies"])


def watched(page: Page) -> Page:
    """The page, with what goes wrong on it in ``page.troubles``: console errors, exceptions, requests to elsewhere."""
    page.troubles = []

    def said(message: object) -> None:
        if message.type == "error" and not message.location.get("url", "").endswith(HARMLESS):
            page.troubles.append(f"{message.text} {message.location.get('url', '')}")

    page.on("console", said)
    page.on("pageerror", lambda error: page.troubles.append(str(error)))

    def asked(request: object) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            page.troubles.append(f"a request to {request.url}")

    page.on("request", asked)
    return page


def at(page: Page, url: str) -> Page:
    """Opens a page of the portal and waits until Streamlit has drawn it."""
    page.goto(url)
    settled(page)
    return page


def settled(page: Page) -> None:
    """Waits until no script of the page runs."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
