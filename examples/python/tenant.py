"""What the examples share: on which tenant they work."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from iam_platform import Sandbox
from iam_platform.sandbox import environment


def options(about: str | None) -> argparse.ArgumentParser:
    """The options of an example; its own are added by it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--tenant",
        choices=["embedded", "real"],
        default="embedded",
        help="the real one is what IAM_TENANT_ID, IAM_CLIENT_ID and IAM_CLIENT_SECRET name",
    )
    return parser


@contextmanager
def chosen(arguments: argparse.Namespace) -> Iterator[Sandbox | None]:
    """Clients that are made inside, without arguments, work on that tenant: an embedded one is given."""
    if arguments.tenant == "real":
        yield None
        return
    with Sandbox() as sandbox, environment(sandbox):
        yield sandbox
