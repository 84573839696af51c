"""What runs until Ctrl-C: the sandbox, the backend, a worker, and the demo of all of them."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import iam_platform

from . import demo as demonstration
from .connect import Settings
from .output import USAGE, Output, write_private


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(sandbox)
    app.command()(backend)
    app.command()(worker)
    app.command()(ui)
    app.command()(demo)


def sandbox(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    seed: Annotated[int, typer.Option(help="Object ids and their order depend on this number.", min=0)] = 1,
    people: Annotated[int, typer.Option(help="Employ that many generated people besides the known ones.", min=0)] = 0,
    empty: Annotated[bool, typer.Option("--empty", help="Start without groups and staff.")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https, with a certificate authority for this run.")] = False,
    throttle: Annotated[bool, typer.Option("--throttle", help="Enforce Graph's documented limits.")] = False,
    out: Annotated[
        Path | None, typer.Option("--env-file", help="Write addresses and credentials there (mode 0600).")
    ] = None,
) -> None:
    """A stateful Entra tenant on the loopback, until Ctrl-C: for trying things out and for tests."""
    output: Output = context.obj.output
    ended = signalled()
    try:
        tenant = iam_platform.Sandbox(port=port, seed=seed, people=people, empty=empty, tls=tls, throttling=throttle)
    except iam_platform.IamError as error:
        output.fail(str(error), 3)
    with tenant:
        env = dict(tenant.env)
        if out is not None:
            write_private(out, "".join(f"{name}={value}\n" for name, value in env.items()))
            output.note(f"settings written to {out}")
        output.document({"env": env})
        table = Table(title="Sandbox tenant", show_header=False, title_justify="left")
        for name in ("SANDBOX_AUTHORITY", "SANDBOX_GRAPH", "SANDBOX_ARM", "SANDBOX_SCIM", "SANDBOX_TENANT"):
            table.add_row(name.removeprefix("SANDBOX_").lower(), env.get(name, ""))
        output.show(table)
        output.note("Ctrl-C ends it")
        while not ended.wait(0.2):
            pass


def signalled() -> threading.Event:
    """Is set at the first SIGINT or SIGTERM from now on."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def backend(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; put TLS in front of any but the loopback.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that answer; more than one needs PostgreSQL.", min=1)] = 1,
) -> None:
    """The HTTP API (extra 'backend'). On SQLite it carries plans out itself; on PostgreSQL start workers beside it."""
    settings: Settings = context.obj
    require(settings.output, "backend", "fastapi", "uvicorn", "pydantic_settings")
    settings.adopt()
    if workers > 1 and settings.journal.startswith("sqlite:"):
        settings.output.fail(
            "a SQLite journal has one writing process",
            USAGE,
            advice="Start one process (--workers 1), or name a PostgreSQL journal: --journal postgres://…",
        )
    os.environ["IAM_JOURNAL"] = settings.journal
    if settings.policy is not None:
        os.environ["IAM_POLICY"] = str(settings.policy)
    import uvicorn

    uvicorn.run(
        "iam_platform.backend:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        timeout_graceful_shutdown=10,
    )


def ui(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; put TLS in front of any but the loopback.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
    backend_url: Annotated[
        str | None, typer.Option("--backend", help="The backend's address; by default IAM_BACKEND_URL.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where browsers find it; by default IAM_UI_URL. Entra knows URL/oauth2callback as redirect URI."
        ),
    ] = None,
) -> None:
    """The web UI (extra 'ui'): people sign in with Entra and work through the backend."""
    settings: Settings = context.obj
    require(settings.output, "ui", "streamlit", "authlib", "httpx", "altair")
    from iam_platform.ui.settings import Settings as UiSettings

    given = {"backend_url": backend_url, "url": url}
    if url is None and not settings.env.get("IAM_UI_URL"):
        given["url"] = f"http://{host}:{port}"
    try:
        wanted = UiSettings.of(settings.env, **{name: value for name, value in given.items() if value})
    except iam_platform.IamError as error:
        settings.output.fail(
            str(error),
            USAGE,
            advice="Set them, or give --env-file FILE; a secret may be in a file that NAME_FILE names. "
            "To try it without a tenant: iam-platform demo",
        )
    from iam_platform.ui import server

    server.run(wanted, host=host, port=port)


def worker(
    context: typer.Context,
    *,
    workers: Annotated[int, typer.Option(help="People worked on at the same time.", min=1, max=256)] = 4,
) -> None:
    """Carries out what is accepted, until Ctrl-C: any number of these share one PostgreSQL journal."""
    settings: Settings = context.obj
    engine = settings.open_engine()
    stop = signalled()
    settings.output.note(f"{workers} workers on {hidden(settings.journal)}; Ctrl-C ends after the step at hand")
    report = engine.run_worker(workers=workers, stop=stop)
    engine.close()
    settings.output.document(report.to_dict())
    settings.output.line("ended")


def hidden(journal: str) -> str:
    """A journal's name without its password."""
    scheme, mark, rest = journal.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if mark and "@" in rest else journal


def require(output: Output, extra: str, *packages: str) -> None:
    """Ends the command with the line that installs what is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        output.fail(
            f"this needs {', '.join(missing)}", USAGE, advice=f"Install it with: pip install 'iam-platform[{extra}]'"
        )


def demo(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(help="The backend's port; 0 takes a free one.", min=0, max=65535)] = 8000,
    ui_port: Annotated[int, typer.Option(help="The web UI's port; 0 takes a free one.", min=0, max=65535)] = 8501,
    people: Annotated[int, typer.Option(help="How many people the company has.", min=1, max=5000)] = 60,
) -> None:
    """A whole platform on this machine, until Ctrl-C: tenant, company, backend, worker and web UI; no account is needed."""
    settings: Settings = context.obj
    require(settings.output, "backend", "fastapi", "uvicorn", "pydantic_settings")
    demonstration.run(settings.output, port=port, ui_port=ui_port, people=people)
