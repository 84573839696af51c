"""The console script ``iam-platform``: the base wheel has no Python packages, so the command says what it lacks."""

from __future__ import annotations

import importlib.util
import sys

_NEEDED = ("typer", "rich", "dotenv")


def main() -> None:
    """Runs the command line, or says how to install it and exits with 2."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"iam-platform: the command line needs {' and '.join(missing)}.\n"
            "Install it with: pip install 'iam-platform[cli]'\n"
        )
        sys.exit(2)
    from .cli import main as run

    run()
