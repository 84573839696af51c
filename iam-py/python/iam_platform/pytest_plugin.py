"""Fixtures for pytest: a tenant for your tests. Loaded by pytest of its own accord; nothing starts unless a test asks.

- ``iam_sandbox``: a :class:`~iam_platform.Sandbox` as it was at the start, one for all tests, reset before each.
- ``iam_sandbox_env``: the same, and the environment points every client at it during the test.
- ``iam_sandbox_options``: override it (session-scoped) to start the sandbox otherwise, for example ``{"people": 500}``.
- ``iam_sandbox_session``: the sandbox itself, never reset, for fixtures of a wider scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Sandbox


@pytest.fixture(scope="session")
def iam_sandbox_options() -> dict[str, Any]:
    """The arguments that the sandbox is started with."""
    return {}


@pytest.fixture(scope="session")
def iam_sandbox_session(iam_sandbox_options: dict[str, Any]) -> Iterator[Sandbox]:
    """One sandbox for the whole run."""
    from ._core import Sandbox

    with Sandbox(**iam_sandbox_options) as sandbox:
        yield sandbox


@pytest.fixture
def iam_sandbox(iam_sandbox_session: Sandbox) -> Sandbox:
    """The sandbox as it was at the start."""
    iam_sandbox_session.reset()
    return iam_sandbox_session


@pytest.fixture
def iam_sandbox_env(iam_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox as it was at the start, with the environment pointing at it."""
    from .sandbox import environment

    with environment(iam_sandbox):
        yield iam_sandbox
