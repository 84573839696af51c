"""The samples' passwords and JSON files."""

from __future__ import annotations

import json
import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _settings
from .config import config

if TYPE_CHECKING:
    import os

__all__ = ["generate_password", "load_json_file"]

_SYMBOLS = "!@#$%^&*()-_=+"
_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SYMBOLS)


def generate_password() -> str:
    """Letters, digits and ``!@#$%^&*()-_=+``, as long as ``default_password_length`` says (16 by default).

    There is at least one lower-case and one upper-case letter, a digit and a symbol, without which Entra ID refuses it.
    """
    return password(config)


def password(settings: dict[str, Any]) -> str:
    """The same for other settings."""
    length = _settings.setting(settings, "default_password_length")
    alphabet = string.ascii_letters + string.digits + _SYMBOLS
    while True:
        made = "".join(secrets.choice(alphabet) for _ in range(length))
        if length < len(_KINDS) or all(set(made) & set(kind) for kind in _KINDS):
            return made


def load_json_file(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds."""
    return json.loads(Path(path).read_text(encoding="utf-8-sig"))
