"""One sandbox and one backend for the tests that only need some."""

from __future__ import annotations

import contextlib

import pytest
from serving import Backend, variables

SECRET = "a secret of more than 24 bytes"


@pytest.fixture(scope="session")
def sandbox_env():
    """The variables of a sandbox."""
    import iam_platform

    with contextlib.closing(iam_platform.Sandbox()) as sandbox:
        yield variables(sandbox)


@pytest.fixture(scope="session")
def backend(sandbox_env, tmp_path_factory):
    """A backend on SQLite over the sandbox."""
    folder = tmp_path_factory.mktemp("backend")
    with Backend(folder, sandbox_env, IAM_WEBHOOK_SECRET=SECRET) as backend:
        yield backend


@pytest.fixture
def operator(backend):
    """A caller with the role of operators."""
    with backend.client("IAM.Operator") as client:
        yield client


@pytest.fixture
def admin(backend):
    """A caller with the role of administrators."""
    with backend.client("IAM.Admin") as client:
        yield client
