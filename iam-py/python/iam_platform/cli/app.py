"""The commands' root: what is common to all of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import iam_platform
from iam_platform.checks import chain

from . import audit, doctor, lifecycle, policy, serve
from .connect import Settings, facts
from .output import INTERRUPTED, REFUSED, USAGE, Output

EXIT_CODES = (
    "Exit codes: 0 done; 1 something is left that somebody must look at; 2 called wrongly, or a setting is missing; "
    "3 refused or not reached; 130 Ctrl-C."
)

app = typer.Typer(
    name="iam-platform",
    help="Brings Microsoft Entra ID to what HR and policy say: joiners, movers, leavers; planned, applied once, explained.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"iam-platform {iam_platform.__version__} ({iam_platform.build_profile})")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    env_file: Annotated[
        Path | None, typer.Option(help="Settings as NAME=value lines, before those of the environment.")
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(help="sqlite:FILE or postgres://…; by default IAM_JOURNAL, then sqlite:iam.sqlite."),
    ] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="The policy document; by default IAM_POLICY.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    version: Annotated[  # noqa: ARG001  it ends the program in its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Every option stands before the command: ``iam-platform --json plan hr.csv``; ``--json`` may stand behind it, too."""
    context.obj = Settings.of(Output(as_json=as_json), env_file=env_file, journal=journal, policy=policy_file)


lifecycle.add_to(app)
serve.add_to(app)
doctor.add_to(app)
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")


#: Options of the root that people also write behind the command.
_ANYWHERE = ("--json",)


def arranged(arguments: list[str]) -> list[str]:
    """Moves the root's flags before the command, up to a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    moved = [argument for argument in arguments[:end] if argument in _ANYWHERE]
    return moved[:1] + [argument for argument in arguments[:end] if argument not in _ANYWHERE] + arguments[end:]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    given = arranged(sys.argv[1:] if arguments is None else arguments)
    output = Output(as_json="--json" in given)
    code: Any
    try:
        code = app(args=given, standalone_mode=False, prog_name="iam-platform")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except typer.Abort:
        output.note("Nothing was done.")
        sys.exit(USAGE)
    except iam_platform.IamError as error:
        code = _ended(output, chain(error), REFUSED, facts(error))
    except BrokenPipeError:
        code = 0  # whoever closed the pipe does not want to read on
    except Exception as error:
        show = getattr(error, "show", None)  # click's own, with the usage line
        if show is None:
            raise
        show()
        code = getattr(error, "exit_code", USAGE)
    sys.exit(code or 0)


def _ended(output: Output, text: str, code: int, facts: dict[str, object]) -> int:
    try:
        output.fail(text, code, facts=facts)
    except typer.Exit as ended:
        return ended.exit_code
