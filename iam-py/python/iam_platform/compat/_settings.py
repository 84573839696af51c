"""Where settings come from: the environment, ``.env`` and ``config.json``."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, NoReturn

from iam_platform.errors import UnauthenticatedError

GRAPH = "https://graph.microsoft.com"
SCIM = "http://localhost:8000"
"""Where the samples look for the SCIM application when nothing else is said."""

DEFAULTS: dict[str, Any] = {
    "default_password_length": 16,
    "default_force_password_reset": True,
    "default_groups": [],
    "default_license_skus": [],
    "default_roles": [],
    "logging": {"enabled": True, "path": "logs/iam_audit.log"},
}
"""What holds without a ``config.json``; there is no default domain."""

_TYPES: dict[str, tuple[type, str]] = {
    "domain": (str, "text"),
    "default_password_length": (int, "a number"),
    "default_force_password_reset": (bool, "true or false"),
    "default_groups": (list, "a list of names"),
    "default_license_skus": (list, "a list of names"),
    "default_roles": (list, "a list of names"),
    "usage_location": (str, "a country of two letters"),
    "logging": (dict, "an object with enabled and path"),
}

_CREDENTIALS = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

beside: Path | None = None
"""The folder of the script that the runner runs: looked at after the working folder."""


def find(name: str) -> Path | None:
    """The file of that name in the working folder, or else beside the script."""
    return next((path for path in _places(name) if path.is_file()), None)


def _places(name: str) -> list[Path]:
    folders = [Path.cwd()] if beside is None or beside == Path.cwd() else [Path.cwd(), beside]
    return [folder / name for folder in folders]


def read_env(text: str, where: str = ".env") -> dict[str, str]:
    r"""Reads the lines ``NAME=value`` of an env file.

    Empty lines, lines that start with ``#`` and a leading ``export`` are skipped. A value may stand in single quotes
    (taken as it is) or double quotes (``\n``, ``\r``, ``\t``; any other character after a backslash is itself);
    without quotes it ends before `` #``. There are no values of several lines and no ``${NAME}``, which is an error.
    Another line is skipped with a warning that names it.
    """
    values = {}
    for number, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        value = None if found is None else _value(found[2])
        if found is None or value is None:
            warnings.warn(f"{where}, line {number}: expected NAME=value", stacklevel=2)
            continue
        if "${" in value and not found[2].startswith("'"):
            raise ValueError(f"{where}, line {number}: ${{…}} is not replaced here; write the value of {found[1]} out")
        values[found[1]] = value
    return values


def _value(written: str) -> str | None:
    if written.startswith("'"):
        quoted = re.fullmatch(r"'([^']*)'\s*(?:#.*)?", written)
        return quoted and quoted[1]
    if written.startswith('"'):
        quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?', written)
        return quoted and re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[1])
    return re.split(r"(?:^|\s)#", written, maxsplit=1)[0].rstrip()


def load_env() -> None:
    """Puts what ``.env`` says into the environment; what is there already stays."""
    path = find(".env")
    if path is None:
        return
    for name, value in read_env(path.read_text(encoding="utf-8-sig"), str(path)).items():
        os.environ.setdefault(name, value)


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings in a ``config.json``, as they stand there.

    Raises:
        ValueError: it is no JSON object, or a setting has another type than expected; the message names both.
    """
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: this is no JSON: {error.msg}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{path}: expected a JSON object")
    for name, (kind, words) in _TYPES.items():
        value = read.get(name)
        wrong = value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool)))
        if wrong or (kind is list and not all(isinstance(item, str) for item in value or [])):
            raise ValueError(f"{path}: {name} must be {words}")
    return read


def setting(settings: dict[str, Any], name: str) -> Any:
    """A setting, or its default where it is absent or null."""
    value = settings.get(name)
    return DEFAULTS.get(name) if value is None else value


def credentials() -> tuple[str, str, str]:
    """Tenant id, client id and client secret.

    Raises:
        UnauthenticatedError: one of them is nowhere; the message names the variables and the files looked at.
    """
    known = [_known(name) for name in _CREDENTIALS]
    if not all(known):
        load_env()
    tenant, client, secret = (_known(name) or _missing(name) for name in _CREDENTIALS)
    return tenant, client, secret


def _names(name: str) -> tuple[str, ...]:
    return name, f"IAM_{name}", f"AZURE_{name}"


def _known(name: str) -> str | None:
    return next((os.environ[known] for known in _names(name) if os.environ.get(known)), None)


def _missing(name: str) -> NoReturn:
    files = ", ".join(f"{path} ({'has none' if path.is_file() else 'not there'})" for path in _places(".env"))
    raise UnauthenticatedError(
        f"{name} is not set: looked for {', '.join(_names(name))} in the environment and in {files}",
        kind="unauthenticated",
    )


def graph_url() -> str:
    """The root of Graph v1.0: ``IAM_GRAPH_URL``, or Microsoft's public one."""
    root = (os.environ.get("IAM_GRAPH_URL") or GRAPH).rstrip("/")
    return root if root.endswith("/v1.0") else f"{root}/v1.0"


def scim_url() -> str:
    """The root of the SCIM application: ``IAM_SCIM_URL``, or where the samples look for it."""
    return (os.environ.get("IAM_SCIM_URL") or SCIM).rstrip("/")
