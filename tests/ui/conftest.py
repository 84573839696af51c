"""A portal for all tests, and browsers that are signed in to it."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))

from portal import CHROMIUM, FLAGS, WAIT, World, watched


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A portal that the tests share: each keeps to people of its own."""
    made = World(tmp_path_factory.mktemp("portal"))
    yield made
    made.close()


@pytest.fixture
def own_world(tmp_path):
    """Makes portals of a test's own: ``own_world(policy=..., IAM_RATE="5")``."""
    made = []

    def make(**settings):
        made.append(World(tmp_path / f"portal-{len(made)}", **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, driven by Playwright."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Where pictures of pages are kept: IAM_PICTURES, or a temporary directory."""
    folder = pathlib.Path(os.environ.get("IAM_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def browse(chromium, request, pictures):
    """Makes pages: ``browse(world)``, ``browse(world, role="Helpdesk", color_scheme="dark")``; without a role nobody is
    signed in. What a failing test saw is kept as a picture.
    """
    contexts = []

    def make(world, role=None, **wishes):
        wishes = {"viewport": {"width": 1280, "height": 1600}, "timezone_id": "Australia/Perth", **wishes}
        context = chromium.new_context(base_url=world.url, locale="en-GB", **wishes)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        if role is not None:
            world.signed_in(context, role)
        return watched(context.new_page())

    yield make
    failed = getattr(request.node, "failed", False)
    for number, context in enumerate(contexts):
        for page in context.pages if failed else ():
            file = pictures / f"failed-{request.node.name}-{number}.png".replace("/", "_")
            page.screenshot(path=file)
            print(f"what it saw: {file}")  # noqa: T201
        context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes whether a test failed, for its fixtures."""
    report = yield
    if report.failed:
        item.failed = True
    return report


class FakeBackend:
    """Answers for AppTests: what a page asks for, by method and path, and what it sent."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def __getattr__(self, method):
        if method not in ("get", "get_slowly", "post", "put", "patch", "delete", "text", "content", "upload"):
            raise AttributeError(method)

        def call(path, *body, **query):
            self.asked.append((method, path, *body, query))
            answer = self.answers.get((method, path))
            if answer is None:
                from iam_platform.ui.backend import NotFoundError

                raise NotFoundError(404, "Not Found", path)
            if isinstance(answer, Exception):
                raise answer
            return answer(*body, **query) if callable(answer) else answer

        return call


@pytest.fixture
def fake_session(monkeypatch):
    """A viewer with every permission, and a backend that answers what it is told to, for AppTests of page logic."""
    from iam_platform.backend.security import ROLES
    from iam_platform.ui import session

    fake = FakeBackend()
    fake.role = "IAM.Admin"

    def viewer():
        return session.Viewer(
            "somebody@contoso.example", "tenant", "oid", (fake.role,), frozenset(str(one) for one in ROLES[fake.role])
        )

    monkeypatch.setattr(session, "viewer", viewer)
    monkeypatch.setattr(session, "backend", lambda: fake)
    monkeypatch.setattr(session, "is_over", lambda: False)
    return fake
