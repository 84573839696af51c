"""What is printed: tables and text for people, one JSON document with ``--json``."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.console import RenderableType

#: It ran, and found or left something that somebody must look at.
FOUND = 1
#: Called wrongly, or a setting or a package is missing.
USAGE = 2
#: The tenant, the journal or the backend refused, or could not be reached.
REFUSED = 3
#: Ended by Ctrl-C.
INTERRUPTED = 130


class Output:
    """Where a command prints. Text goes to standard output, progress and errors to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        """Prints text, or with ``as_json`` only one JSON document at the end."""
        self.as_json = as_json
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
        self.console = Console(highlight=False, soft_wrap=True, width=width)
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)

    def line(self, text: str = "", *, style: str | None = None) -> None:
        """Prints a line of text as it is; nothing with ``--json``."""
        if not self.as_json:
            self.console.print(escape(text), style=style)

    def show(self, what: RenderableType) -> None:
        """Prints a table or another piece of rich; nothing with ``--json``."""
        if not self.as_json:
            self.console.print(what)

    def document(self, value: Mapping[str, Any] | list[Any]) -> None:
        """Prints the one JSON document of ``--json``; nothing without it."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")

    def lines(self, values: Iterable[Mapping[str, Any]]) -> int:
        """Prints JSON lines, one value each, in text mode too: for exports. Returns how many."""
        count = 0
        for value in values:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
            count += 1
        return count

    def note(self, text: str) -> None:
        """Prints to standard error what is not the result: progress, advice."""
        self.errors.print(escape(text), style="dim")

    def fail(
        self, text: str, code: int, *, advice: str | None = None, facts: Mapping[str, Any] | None = None
    ) -> NoReturn:
        """Ends the command with an error: one line, and what to do about it."""
        if self.as_json:
            self.document({"error": {"message": text, "advice": advice, **(facts or {})}})
        self.errors.print(f"[bold red]error:[/] {escape(text)}")
        if advice:
            self.errors.print(escape(advice))
        raise typer.Exit(code)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whatever the umask says."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
