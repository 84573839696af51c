"""A file in a form, taken as it comes, and what it is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.multipart import parse_options_header

from iam_platform.backend.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable


class Form:
    """The part `file` of a form, as it comes."""

    def __init__(self, boundary: bytes, keep: Callable[[bytes], None]) -> None:
        self._keep = keep
        self._name = b""
        self._value = b""
        self._field: bytes | None = None
        self.file: str | None = None
        """What the sender calls the file."""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
            },
        )

    def feed(self, data: bytes) -> None:
        """Takes a piece of the form.

        Raises:
            Problem: 422 for what is no form.
        """
        try:
            self._parser.write(data)
        except ValueError as error:
            raise Problem(422, f"the form cannot be read: {error}") from None

    def _begin(self) -> None:
        self._field = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            options = parse_options_header(self._value)[1]
            self._field = options.get(b"name")
            if self._field == b"file" and b"filename" in options:
                # Shown, and never used as a path.
                self.file = options[b"filename"].decode("utf-8", "replace")
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == b"file":
            self._keep(data[start:end])


def cleaned(name: str | None) -> str | None:
    """A file's name without folders and without what cannot be shown; nothing where none is left."""
    if name is None:
        return None
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(letter for letter in last if letter.isprintable()).strip(" .")
    return shown[:120] or None
