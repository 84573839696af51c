"""A CSV file as somebody has it: how it is written, its columns, and the same file as the backend reads it.

The file itself is never copied: it is looked at, and sent, block by block.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from . import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 1 << 18
_HEAD = 1 << 20
_SHOWN = 10

#: How files are written, and what people call that: the likeliest first.
ENCODINGS = {
    "utf-8-sig": "UTF-8",
    "cp1252": "Windows-1252 (Western Europe, Excel's plain CSV)",
    "cp1250": "Windows-1250 (Central Europe)",
    "utf-16": "UTF-16 (Excel's Unicode text)",
    "utf-16-le": "UTF-16 little-endian",
    "utf-16-be": "UTF-16 big-endian",
}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_COMPRESSED = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0")


class SheetError(Exception):
    """A file that is no table: what it is instead, and what to do.

    Attributes:
        title: a few words.
        advice: what to do.
    """

    def __init__(self, title: str, advice: str) -> None:
        super().__init__(f"{title}. {advice}")
        self.title = title
        self.advice = advice


@dataclass(frozen=True)
class Sheet:
    """A table that was looked at.

    Attributes:
        encoding: a key of :data:`ENCODINGS`.
        delimiter: a key of :data:`DELIMITERS`.
        names: the columns' names, as they stand.
        lines: how many lines stand before the first row.
        begins: how many characters do.
        rows: the first rows: each with the line where it begins, and its cells.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    lines: int
    begins: int
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def encoding_of(file: IO[bytes]) -> str:
    """How a file is written: a key of :data:`ENCODINGS`. All of it is read, block by block.

    Raises:
        SheetError: it is empty, or no text.
    """
    file.seek(0)
    head = file.read(8)
    if not head:
        raise SheetError("The file is empty", "A table begins with a line that names its columns: see the template.")
    if head.startswith(_COMPRESSED):
        raise SheetError(
            "This is a workbook or a compressed file, not CSV",
            "In Excel choose Save as, then “CSV UTF-8”; unpack a compressed file first.",
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        likely = ["utf-16"]
    elif 0 in head[:4]:
        likely = ["utf-16-be" if head[0] == 0 else "utf-16-le"]
    else:
        likely = ["utf-8-sig", "cp1252", "cp1250"]
    for encoding in likely:
        if _is_written(file, encoding):
            return encoding
    raise SheetError("This is no text", "A table of workers is a text file: in Excel choose Save as, then “CSV UTF-8”.")


def look(file: IO[bytes], encoding: str) -> Sheet:
    """The table's columns and first rows.

    Raises:
        SheetError: there is no header, or the file is not written in that way.
    """
    try:
        head, whole = _head(file, encoding)
    except UnicodeDecodeError:
        raise SheetError(f"The file is not {ENCODINGS[encoding]}", "Choose another way to read it.") from None
    if "\x00" in head:
        raise SheetError("This is no text", "Choose another way to read it, or save it as “CSV UTF-8”.")
    if not head.strip():
        raise SheetError("The file is empty", "A table begins with a line that names its columns: see the template.")
    delimiter = max(DELIMITERS, key=lambda one: _score(head, one))
    rows = _records(head, delimiter)
    try:
        names, lines, begins = next((cells, end, at) for _, cells, end, at in rows if any(map(str.strip, cells)))
    except (StopIteration, csv.Error):
        raise SheetError(
            "No line names the columns", "The first line of the file must be a header: see the template."
        ) from None
    if len(names) < 2:
        raise SheetError(
            "The columns cannot be told apart",
            "Expected commas, semicolons or tabs between them: export or save the file that way.",
        )
    first: list[tuple[int, tuple[str, ...]]] = []
    try:
        for begin, cells, _, at in rows:
            # The last row of a piece may be cut.
            if len(first) == _SHOWN or (not whole and at >= len(head)):
                break
            if any(map(str.strip, cells)):
                first.append((begin, cells))
    except csv.Error:
        pass  # the backend says in which line
    return Sheet(encoding, delimiter, tuple(name.strip() for name in names), lines, begins, tuple(first))


def headings(sheet: Sheet, fields: Sequence[str | None]) -> list[str]:
    """The columns' names as they are sent: those that are left out have names that the backend does not know.

    Args:
        sheet: the table.
        fields: the field of each column, or None for one that is left out.
    """
    names = []
    for name, field in zip(sheet.names, fields, strict=True):
        if field is not None:
            names.append(name if columns.meaning(name) == field else field)
        else:
            names.append(f"(left out) {name}".strip() if columns.meaning(name) or not columns.plain(name) else name)
    return names


class Sent:
    """The file with other headings, in UTF-8, as something that is read once; rows stand in the lines where they stood.

    Args:
        file: the file.
        sheet: what it was found to be.
        names: the columns' names to send.
    """

    def __init__(self, file: IO[bytes], sheet: Sheet, names: Sequence[str]) -> None:
        self._blocks = _blocks(file, sheet, names)
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """The next piece of at most so many bytes; all that is left without a size."""
        if size < 0:
            whole, self._left = self._left + b"".join(self._blocks), b""
            return whole
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._left = block
        piece, self._left = self._left[:size], self._left[size:]
        return piece


def _blocks(file: IO[bytes], sheet: Sheet, names: Sequence[str]) -> Iterator[bytes]:
    header = io.StringIO()
    csv.writer(header, delimiter=sheet.delimiter, lineterminator="\n").writerow(
        [" ".join(one.split()) for one in names]
    )
    yield (header.getvalue() + "\n" * (sheet.lines - 1)).encode()
    skipped = 0
    for text in _texts(file, sheet.encoding):
        rest = text[max(0, sheet.begins - skipped) :]
        skipped += len(text) - len(rest)
        if rest:
            yield rest.encode()


def _texts(file: IO[bytes], encoding: str) -> Iterator[str]:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    while block := file.read(_BLOCK):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _is_written(file: IO[bytes], encoding: str) -> bool:
    try:
        for _ in _texts(file, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _head(file: IO[bytes], encoding: str) -> tuple[str, bool]:
    """The beginning, and whether that is all."""
    head: list[str] = []
    size = 0
    for text in _texts(file, encoding):
        head.append(text)
        size += len(text)
        if size >= _HEAD:
            return "".join(head), False
    return "".join(head), True


def _records(text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...], int, int]]:
    """Rows: the line where each begins, its cells, the number of its last line, and the place behind it."""
    at = 0

    def lines() -> Iterator[str]:
        nonlocal at
        # A text that is read with newline="" ends its lines as the file does.
        for line in io.StringIO(text, newline=""):
            at += len(line)
            yield line

    begin = 1
    reader = csv.reader(lines(), delimiter=delimiter)
    for cells in reader:
        yield begin, tuple(cells), reader.line_num, at
        begin = reader.line_num + 1


def _score(head: str, delimiter: str) -> tuple[int, int]:
    """How much of a header it makes, as the backend has it: known names, then columns."""
    try:
        cells = next((cells for _, cells, _, _ in _records(head, delimiter) if any(map(str.strip, cells))), ())
    except csv.Error:
        return 0, 0
    return sum(columns.meaning(cell) is not None for cell in cells), len(cells)
