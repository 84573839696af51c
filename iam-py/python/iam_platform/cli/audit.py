"""``iam-platform audit``: is the chain whole, and what stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import FOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    import iam_platform

    from .connect import Settings

app = typer.Typer(help="Verify and export the tamper-evident audit.", no_args_is_help=True)

#: Entries read at a time: an audit of any length is exported in constant memory.
_PAGE = 1000


@app.command()
def verify(
    context: typer.Context,
    *,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="What an earlier verification printed: reveals a database that went back in time."),
    ] = None,
) -> None:
    """Read the whole chain and verify every link. Prints the checkpoint for the next time. Exit code 1 if it is broken."""
    settings: Settings = context.obj
    engine = settings.open_engine()
    try:
        found = engine.verify_audit(checkpoint)
    finally:
        engine.close()
    settings.output.document(found.to_dict())
    if not found.is_whole:
        settings.output.line(f"broken: {found.breach}", style="bold red")
        raise typer.Exit(FOUND)
    settings.output.line("whole")
    settings.output.line(f"checkpoint {found.checkpoint}")


@app.command()
def export(
    context: typer.Context,
    *,
    after: Annotated[int, typer.Option(min=0, help="Leave out the entries up to this number.")] = 0,
) -> None:
    """Write every entry as a line of JSON to standard output: pseudonyms and digests, no personal data."""
    settings: Settings = context.obj
    engine = settings.open_engine()
    try:
        count = settings.output.lines(_entries(engine, after))
    finally:
        engine.close()
    settings.output.note(f"{count} entries")


def _entries(engine: iam_platform.Engine, after: int) -> Iterator[dict[str, Any]]:
    while page := engine.audit(after, _PAGE):
        for entry in page:
            yield entry.to_dict()
        after = page[-1].sequence
