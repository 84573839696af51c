"""The samples' flat feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iam_platform.compat.utils import load_json_file

if TYPE_CHECKING:
    import os

__all__ = ["load_workday_feed"]


def load_workday_feed(file_path: str | os.PathLike[str] = "workday_feed.json") -> list[dict[str, Any]]:
    """The records of a feed file, ``[{firstName, lastName, …, employeeId, status, isNewHire, isUpdated}]``.

    Raises:
        ValueError: it holds no list.
    """
    records = load_json_file(file_path)
    if not isinstance(records, list):
        raise ValueError(f"{file_path}: expected a list of records")
    return records
