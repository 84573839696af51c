"""``iam-platform policy``: is a policy sound, does it do what its tests say, who gains and loses by a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

import iam_platform
from iam_platform import IamError
from iam_platform.checks import chain

from .output import FOUND, REFUSED, USAGE, Output, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .connect import Settings

app = typer.Typer(help="Check, test, compare and import policies.", no_args_is_help=True)

Named = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The policy; by default --policy or IAM_POLICY.")]


def load(settings: Settings, file: Path | None) -> tuple[Path, iam_platform.Policy]:
    """Reads a policy, or ends the command with every problem that it has."""
    policy = settings.read_policy(file, code=FOUND)
    return file or settings.policy or Path(), policy


@app.command()
def check(
    context: typer.Context,
    file: Named = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Do not look at the tenant.")] = False,
) -> None:
    """Is the policy sound, and does the tenant have every group, product, role and scope that it names?"""
    settings: Settings = context.obj
    path, policy = load(settings, file)
    findings = []
    if not offline:
        try:
            with settings.open_engine(policy, journal="memory") as engine:
                findings = list(policy.check(engine))
        except IamError as error:
            settings.output.fail(chain(error), REFUSED, advice="--offline checks the policy alone.")
    settings.output.document({"policy": str(path), "findings": [finding.to_dict() for finding in findings]})
    for finding in findings:
        settings.output.line(f"{path}: {finding}")
    if findings:
        raise typer.Exit(FOUND)
    settings.output.line(f"{path}: sound{'' if offline else ', and the tenant has all that it names'}")


@app.command("test")
def run_tests(context: typer.Context, file: Named = None) -> None:
    """Run the policy's own [[test]] cases, and say which rules none of them hits."""
    settings: Settings = context.obj
    output: Output = settings.output
    path, policy = load(settings, file)
    report = policy.test()
    output.document({"policy": str(path), **report.to_dict()})
    for case in report.cases:
        mark = "[green]✓[/]" if case.passed else "[red]✗[/]"
        output.show(f"{mark} {escape(case.name)}")
        for label, values in (("missing", case.missing), ("not expected", case.unexpected)):
            if values:
                output.line(f"    {label}: {', '.join(values)}")
        if case.problems:
            output.line(f"    {case.problems}")
    for rule in report.rules_never_hit:
        output.show(f"[yellow]![/] no test hits the rule {escape(rule)}")
    for name in report.matched_by_nothing:
        output.show(f"[yellow]![/] no rule matches the person of the test {escape(name)}")
    passed = sum(case.passed for case in report.cases)
    output.line(f"{passed} of {len(report.cases)} tests passed")
    if not report.passed:
        raise typer.Exit(FOUND)


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(help="The policy as it is.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    *,
    people: Annotated[
        Path | None, typer.Option(help="An HR file with the people; by default those whom the journal knows.")
    ] = None,
) -> None:
    """Who would gain and who would lose what by a new policy. Exit code 1 if anybody does."""
    settings: Settings = context.obj
    _, before = load(settings, old)
    _, after = load(settings, new)
    if people is not None:
        rows = iam_platform.Intake("flat").read(str(people))
        records = [row.record for row in rows if isinstance(row, iam_platform.Record)]
    else:
        engine = settings.open_engine()
        try:
            records = list(_known(engine))
        finally:
            engine.close()
    impact = before.diff(after, records)
    settings.output.document(impact.to_dict())
    settings.output.line(str(impact))
    if not impact.is_empty:
        raise typer.Exit(FOUND)


def _known(engine: iam_platform.Engine) -> Iterator[dict[str, Any]]:
    after = None
    while page := engine.people(after=after, limit=500):
        yield from (state.record for state in page if state.record)
        after = page[-1].person


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The samples' config.json, or exported Lifecycle Workflows (JSON).")],
    *,
    domain: Annotated[
        str | None, typer.Option(help="The domain of sign-in names; needed for Lifecycle Workflows.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the policy there, instead of printing it.")] = None,
) -> None:
    """Make a policy of what you have. What could not be mapped is reported (exit code 1), never dropped."""
    settings: Settings = context.obj
    output = settings.output
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        output.fail(f"{file} cannot be read: {error}", USAGE)
    try:
        if domain is None:
            imported = iam_platform.Policy.import_config(text)
        else:
            imported = iam_platform.Policy.import_workflow(text, domain)
    except IamError as error:
        advice = "For Lifecycle Workflows, say --domain DOMAIN." if domain is None else None
        output.fail(f"{file}: {chain(error)}", FOUND, advice=advice)
    output.document(imported.to_dict())
    if out is not None:
        if out.exists():
            output.fail(f"{out} exists", USAGE, advice="Name another file: a policy is not overwritten.")
        write_private(out, imported.policy)
    else:
        output.line(imported.policy)
    for remark in imported.remarks:
        where = f"line {remark.line}: " if remark.line else ""
        output.note(f"{where}{remark.part}: {remark.fate}{f': {remark.remark}' if remark.remark else ''}")
    if imported.missing:
        raise typer.Exit(FOUND)
