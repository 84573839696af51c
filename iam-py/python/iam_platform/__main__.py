"""``python -m iam_platform``: the same as the command ``iam-platform``."""

from __future__ import annotations

from ._script import main

if __name__ == "__main__":
    main()
