"""Lists as CSV files in the working folder."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

from ._graph import Result, rows, said

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(name: str, columns: list[str], result: Result) -> None:
    """Writes the rows of a collection, and prints ``Export complete: <file>``.

    The file is whole or not written at all: where the list could not be read to its end, an earlier file stays and
    ``Export failed: <file>: <why>`` is printed. The name is never a path. A cell that a spreadsheet would take for a
    formula gets an apostrophe in front.
    """
    name = re.sub(r"[^\w.@+-]", "_", name)
    if not result["success"]:
        print(f"Export failed: {name}: {said(result)}")  # noqa: T201  the samples print
        return
    draft = Path(f".{name}.{os.getpid()}")
    try:
        with draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(columns)
            table.writerows([_cell(row.get(column)) for column in columns] for row in rows(result))
        draft.replace(name)
    finally:
        draft.unlink(missing_ok=True)
    print(f"Export complete: {name}")  # noqa: T201


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = ",".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
