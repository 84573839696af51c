"""``plan``, ``apply``, ``run``, ``explain``: HR files in, the plan of every person, and the tenant brought to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import iam_platform
from iam_platform import diff
from iam_platform.errors import InvalidError

from .output import FOUND, REFUSED, USAGE, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .connect import Settings

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="HR files to read first: CSV, JSON, SCIM or Workday's XML."),
]
Format = Annotated[
    str, typer.Option("--format", help="How the files are read: flat tells CSV, JSON, SCIM and Workday apart itself.")
]
Source = Annotated[
    str | None,
    typer.Option(help="The name under which the last good delivery is remembered; by default the file's name."),
]
Believe = Annotated[
    str | None, typer.Option(metavar="WHY", help="Take a file that is not like the last good one, for this reason.")
]

_STYLES = {"+": "green", "-": "red", "~": "yellow", "@": "cyan"}
_RISKS = {"high": "bold red", "elevated": "yellow", "low": "dim"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(plan)
    app.command()(apply)
    app.command()(run)
    app.command()(explain)


def plan(
    context: typer.Context,
    files: Files = None,
    *,
    format_: Format = "flat",
    source: Source = None,
    believe: Believe = None,
) -> None:
    """Show what would happen, to whom and why. HR files are accepted into the journal; the tenant is not changed.

    Exit code 1 if the guard refuses the plan, or something of it is held.
    """
    settings: Settings = context.obj
    engine = settings.open_engine()
    try:
        readings = read(engine, settings, files or [], format_, source, believe)
        preview = engine.plan()
    finally:
        engine.close()
    settings.output.document({"read": [reading.to_dict() for reading in readings], "plan": preview.to_dict()})
    show_plan(settings.output, preview)
    if preview.steps and not preview.guard:
        settings.output.note(f"carry it out with: iam-platform apply {preview.hash}")
    if preview.guard or preview.findings or any(reading.is_held for reading in readings):
        raise typer.Exit(FOUND)


def apply(
    context: typer.Context,
    hash_: Annotated[
        str, typer.Argument(metavar="HASH", help="The hash that 'plan' printed, or its first 8 or more digits.")
    ],
    *,
    canary: Annotated[
        int | None, typer.Option(min=1, help="Carry it out for so many people first, verify, then go on.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Carry out a plan that was shown. Refused (exit code 3) where what would happen is no longer that plan."""
    settings: Settings = context.obj
    engine = settings.open_engine()
    try:
        preview = engine.plan()
        if len(hash_) < 8 or not preview.hash.startswith(hash_):
            settings.output.fail(
                f"the plan is now {preview.hash}, not {hash_}", REFUSED, advice="Look at it again: iam-platform plan"
            )
        confirm(settings.output, preview, yes=yes)
        report = with_progress(
            settings.output, preview.steps, lambda tell: engine.apply(preview.hash, canary=canary, progress=tell)
        )
    finally:
        engine.close()
    show_report(settings.output, report)


def run(
    context: typer.Context,
    files: Files = None,
    *,
    format_: Format = "flat",
    source: Source = None,
    believe: Believe = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Read HR files, show the plan, and carry it out once it is confirmed."""
    settings: Settings = context.obj
    engine = settings.open_engine()
    try:
        readings = read(engine, settings, files or [], format_, source, believe)
        held = [reading for reading in readings if reading.is_held]
        if held:
            findings = "; ".join(finding for reading in held for finding in reading.findings)
            settings.output.fail(
                f"an HR file is held, and nothing of it is carried out: {findings}",
                REFUSED,
                advice="Mend it and start again, or say --believe WHY.",
            )
        preview = engine.plan()
        show_plan(settings.output, preview)
        confirm(settings.output, preview, yes=yes)
        report = with_progress(settings.output, preview.steps, lambda tell: engine.run(progress=tell))
    finally:
        engine.close()
    show_report(settings.output, report)


def explain(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="The worker id, for example W-1003.")],
    what: Annotated[
        str | None,
        typer.Argument(
            help="One thing: 'group:Sales', 'license:SPE_E3', 'role:Security Reader'. All, if it is left out."
        ),
    ] = None,
) -> None:
    """Say why somebody has something, or has not, and what is known of them."""
    settings: Settings = context.obj
    output = settings.output
    engine = settings.open_engine()
    try:
        state = engine.person(person)
        if state is None:
            output.fail(f"nobody with the worker id {person} is known", FOUND)
        if what is None:
            evidence, waiting = engine.evidence(person), engine.waiting(person)
            output.document({"evidence": evidence.to_dict(), "waiting": waiting.to_dict()})
            output.line(str(evidence))
            output.line(f"Now: {waiting.state.replace('_', ' ')}{f': {waiting.why}' if waiting.why else ''}")
            return
        try:
            why = engine.why(person, what)
        except InvalidError as error:
            output.fail(str(error), USAGE)
        answer: Any = why if why.is_held else engine.why_not(person, what)
    finally:
        engine.close()
    output.document(answer.to_dict())
    output.line(str(answer))


def read(
    engine: iam_platform.Engine,
    settings: Settings,
    files: Iterable[Path],
    format_: str,
    source: str | None,
    believe: str | None,
) -> list[iam_platform.Reading]:
    """Reads HR files into the journal; each is believed as a whole, or held."""
    output = settings.output
    readings = []
    for file in files:
        if not file.is_file():
            output.fail(f"the HR file {file} cannot be read", USAGE)
        reading = engine.accept_file(iam_platform.Intake(format_), str(file), source=source or file.name)
        if reading.is_held and believe is not None and reading.delivery is not None:
            taken = engine.release_delivery(
                reading.delivery, by=settings.env.get("USER", "iam-platform"), reason=believe
            )
            output.line(f"{file}: believed, because {believe} ({taken.events} new)")
        readings.append(reading)
        output.line(
            f"{file}: {reading.rows} rows, {reading.records} records ({reading.events} new, "
            f"{reading.unchanged} unchanged), {len(reading.rejects)} rejected"
        )
        for finding in reading.findings:
            output.show(f"  [red]held[/] {escape(finding)}")
        for reject in reading.rejects:
            output.show(f"  [red]✗[/] {escape(str(reject))}")
    return readings


def show_plan(output: Output, preview: iam_platform.Preview) -> None:
    """Prints a plan person by person, as a diff."""
    people: dict[str, list[iam_platform.PersonPlan]] = {}
    for one in preview.people:
        people.setdefault(one.person, []).append(one)
    output.show(f"\n[bold]Plan: {preview.steps} steps for {len(people)} people[/]")
    for plans in people.values():
        _show_person(output, plans)
    output.line()
    output.line(f"Hash   {preview.hash}")
    if preview.by_risk:
        output.line("Risk   " + ", ".join(f"{count} {risk}" for risk, count in sorted(preview.by_risk.items())))
    for need in preview.seats:
        free = max(0, need.total - need.used)
        waits = f", {need.waiting} wait" if need.waiting else ""
        output.line(
            f"Seats  {need.license.name}: {need.needed} needed, {free} free, {need.freed} freed by leavers{waits}"
        )
    for finding in preview.findings:
        output.line(f"Policy {finding}", style="yellow")
    for trip in preview.guard:
        output.line(f"Guard  refuses: {trip}", style="red")
    if not preview.guard:
        output.line("Guard  lets it pass")


def _show_person(output: Output, plans: list[iam_platform.PersonPlan]) -> None:
    """Everything about one person: what their event leads to, and what becomes possible by others' events."""
    first, last = plans[0], plans[-1]
    output.show(f"\n[bold]{escape(_head(first))}[/]")
    for step in (step for one in plans for step in one.steps):
        for line in diff.lines(step.to_dict()):
            colour, risk = _STYLES[line.sign], _RISKS.get(line.risk, "dim")
            which = line.which if line.target == "graph" else f"{line.which} @ {line.target}"
            shown = f"  [{colour}]{line.sign} {escape(line.what):<14}[/] {escape(which):<46}"
            mark = f" [{risk}]{line.risk}[/]" if line.risk != "low" else ""
            output.show(f"{shown} [dim]{escape(line.why)}[/]{mark}")
    # A missing account that a later plan no longer misses is there by then.
    notes = [note for one in plans for note in one.notes if "has no account yet" not in note or note in last.notes]
    for note in dict.fromkeys(notes):
        output.show(f"  [yellow]![/] {escape(note)}")
    for why in dict.fromkeys(why for one in plans for why in one.waiting):
        output.show(f"  [yellow]…[/] {escape(why)}")
    for why in dict.fromkeys(why for one in plans for why in (one.hold, one.refused) if why):
        output.show(f"  [red]✗[/] {escape(why)}")
    if last.next and last.next_at and last.next != "review":
        output.show(f"  [yellow]·[/] next: {escape(last.next.replace('_', ' '))} at {last.next_at:%Y-%m-%d %H:%M} UTC")


def _head(one: iam_platform.PersonPlan) -> str:
    record = one.record or {}
    names = (record.get("preferred_name") or record.get("given_name"), record.get("family_name"))
    return f"{one.person} {' '.join(str(name) for name in names if name)} · {one.kind}"


def confirm(output: Output, preview: iam_platform.Preview, *, yes: bool) -> None:
    """Asks before anything is changed; a program that cannot be asked must say --yes."""
    if yes or not preview.steps:
        return
    if output.as_json or not sys.stdin.isatty():
        output.fail("this changes the tenant, and there is nobody to ask", USAGE, advice="Say --yes.")
    typer.confirm(f"Carry out {preview.steps} steps?", abort=True, err=True)


def with_progress(
    output: Output, steps: int, work: Callable[[Callable[[iam_platform.Progress], None]], iam_platform.RunReport]
) -> iam_platform.RunReport:
    """Runs it with a progress bar on standard error, where that is a terminal."""
    columns = (
        BarColumn(40),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    quiet = output.as_json or not output.errors.is_terminal
    with Progress(*columns, console=output.errors, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=steps)

        def tell(progress: iam_platform.Progress) -> None:
            if progress.step is not None:
                bar.update(task, advance=1, description=progress.step.step.person)

        return work(tell)


def show_report(output: Output, report: iam_platform.RunReport) -> None:
    """Prints what a run did; ends the command with 1 where something is left."""
    totals = report.totals
    output.document({"run": report.to_dict()})
    output.show("\n[bold]Summary[/]")
    output.line(f"{totals.people:>6} people worked on")
    output.line(f"{totals.done:>6} steps carried out")
    output.line(f"{totals.already_so:>6} already so")
    if totals.not_applicable:
        output.line(f"{totals.not_applicable:>6} with nothing to be done to")
    output.line(f"{totals.failed:>6} failed")
    output.line(f"{totals.unknown:>6} of unknown outcome")
    for one in report.people:
        if one.ending not in {"done", "nothing"} and one.why:
            output.show(f"  [red]✗[/] {escape(one.person)}: {escape(one.why)}")
    for finding in report.findings:
        output.line(f"Policy {finding}", style="yellow")
    if totals.failed or totals.unknown or totals.open or report.findings:
        raise typer.Exit(FOUND)
