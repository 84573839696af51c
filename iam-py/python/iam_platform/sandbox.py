"""The embedded tenant, for tests of your own: see :class:`Sandbox` and :mod:`iam_platform.pytest_plugin`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._core import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sandbox", "environment"]


@contextmanager
def environment(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Sets the variables (``IAM_…`` and ``SANDBOX_…``) that point every client at the sandbox, and puts them back.

    Args:
        sandbox: a sandbox that runs.

    Yields:
        The variables.
    """
    variables = sandbox.env
    # What an earlier sandbox with https has left would send this one's clients to a wrong certificate.
    before = {name: os.environ.get(name) for name in {*variables, "IAM_CA_BUNDLE", "SANDBOX_CA"}}
    for name in before:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield variables
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
