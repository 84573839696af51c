"""``iam-platform demo``: everything at once, with people and history; and a picture of every page of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from forms import newcomer, press, table
from playwright.sync_api import expect
from portal import World, at, settled

from iam_platform.ui.pages import SECTIONS

PAGES = [page for pages in SECTIONS.values() for page in pages]


class Demo:
    """The demo as somebody starts it, and what it said: addresses, users, password and code."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "iam_platform", "--json", "demo", "--port", "0", "--ui-port", "0", "--people", "60"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=(folder / "demo.log").open("wb"),
            text=True,
            start_new_session=True,
        )
        said, depth = [], 0
        timer = threading.Timer(300, self.end)
        timer.start()
        for line in self.process.stdout:
            said.append(line)
            depth += line.count("{") - line.count("}")
            if not depth:
                break
        timer.cancel()
        assert said, (folder / "demo.log").read_text()
        self.said = json.loads("".join(said))
        self.url = self.said["urls"]["portal"]
        self.env = {"SANDBOX_USER_PASSWORD": self.said["password"], "SANDBOX_MFA_CODE": self.said["code"]}

    def end(self):
        """Ctrl-C in its terminal; its exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield made
    assert made.end() == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(made.process.pid, 0)


@pytest.fixture(scope="module")
def storage(demo, chromium):
    """The session of the demo's administrator."""
    context = chromium.new_context(base_url=demo.url)
    page = context.new_page()
    page.goto(demo.url)
    World.sign_in(demo, page, demo.said["users"]["IAM.Admin"])
    kept = context.storage_state()
    context.close()
    return kept


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_of_the_demo_has_something_to_show(demo, storage, browse, pictures, page):
    seen = browse(demo, storage_state=storage, viewport={"width": 1280, "height": 1100})
    at(seen, f"{demo.url}/{page.path if page is not PAGES[0] else ''}")
    expect(seen.get_by_role("heading", name=page.title, exact=True).first).to_be_visible()
    seen.locator("[data-testid=stSpinner]").first.wait_for(state="detached")
    settled(seen)
    expect(seen.get_by_test_id("stException")).to_have_count(0)
    expect(seen.get_by_text("This page failed")).to_have_count(0)
    expect(seen.get_by_text("There is no such thing")).to_have_count(0)
    seen.wait_for_timeout(500)  # charts are drawn after the script has ended
    seen.screenshot(path=pictures / f"{page.path}.png")


def test_somebody_is_hired_in_the_demo_as_the_readme_says(demo, browse, pictures):
    seen = browse(demo, viewport={"width": 1280, "height": 1100})
    at(seen, demo.url)
    World.sign_in(demo, seen, demo.said["users"]["IAM.Operator"])
    seen.get_by_role("link", name="New Hire").click()
    newcomer(seen, "W-9001", "Robin", "Lindqvist", day="2026-01-05")
    press(seen, "Show plan")
    expect(table(seen, "Plan for Robin Lindqvist")).to_contain_text("robin.lindqvist@contoso.example")
    seen.get_by_text("Plan for Robin Lindqvist").first.scroll_into_view_if_needed()
    seen.screenshot(path=pictures / "new-hire-plan.png")
    press(seen, "Hire Robin Lindqvist")
    expect(seen.get_by_text("Done.", exact=True)).to_be_visible()
    seen.screenshot(path=pictures / "new-hire-done.png")
    seen.get_by_role("link", name="Open the page of Robin Lindqvist").click()
    expect(seen.get_by_role("heading", name="Robin Lindqvist").first).to_be_visible()
    expect(seen.get_by_text("All Staff").first).to_be_visible()
    settled(seen)
    seen.screenshot(path=pictures / "person.png")


def test_dark_and_on_a_telephone(demo, storage, browse, pictures):
    for name, wishes in {
        "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 1100}},
        "telephone": {"viewport": {"width": 390, "height": 844}},
    }.items():
        seen = browse(demo, storage_state=storage, **wishes)
        at(seen, demo.url)
        expect(seen.get_by_role("heading", name="Overview")).to_be_visible()
        settled(seen)
        wide = seen.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}: the page scrolls sideways by {wide} px"
        seen.wait_for_timeout(500)
        seen.screenshot(path=pictures / f"overview-{name}.png")
