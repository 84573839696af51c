"""Tables for people who open them in Excel: no cell is ever a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

_FORMULA = re.compile(r"^\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"^[+-]?[\d\s.,()/-]+$")


def safe(cell: object) -> str:
    """The cell's text, with an apostrophe before what a spreadsheet would take for a formula.

    Numbers stay as they are, telephone numbers too.
    """
    text = "" if cell is None else str(cell)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def line(cells: Iterable[object]) -> str:
    """One row as RFC 4180 has it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([safe(cell) for cell in cells])
    return out.getvalue()


def download(name: str, header: Sequence[str], rows: AsyncIterable[Sequence[object]]) -> StreamingResponse:
    """A table that is written while it is read."""

    async def lines() -> AsyncIterator[str]:
        yield line(header)
        async for row in rows:
            yield line(row)

    # The name is ours: no part of a request stands in it.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)
