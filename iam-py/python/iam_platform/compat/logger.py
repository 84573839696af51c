"""The samples' log and audit trail, without secrets and whole records.

Attributes:
    log: the :class:`logging.Logger` ``iam_orchestrator``. A password, secret or token that is written as
        ``name: value`` is blotted out of its messages.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import _settings
from .config import config

__all__ = ["log", "log_event"]

REDACTED = "[redacted]"
_HIDDEN = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|authorization|api_?key|credential|private_?key|access_?pass|cookie)"
)
_SECRET_NAME = re.compile(_HIDDEN, re.IGNORECASE)
_SECRET_TEXT = re.compile(
    rf"(\w*{_HIDDEN}\w*['\"]?\s*[:=]\s*)(?:bearer\s+)?(?:'[^']*'|\"[^\"]*\"|[^\s,}}\]]+)", re.IGNORECASE
)
_TOKEN_TEXT = re.compile(r"(?:bearer\s+\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]*)", re.IGNORECASE)
# A dict that has two of these is somebody's whole record.
_PERSONAL = {
    "firstname",
    "lastname",
    "givenname",
    "familyname",
    "surname",
    "displayname",
    "userprincipalname",
    "username",
    "mail",
}
_KEPT = ("id", "employeeId", "status", "isNewHire", "isUpdated")


class _Blotter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.args:
            record.args = _each(record.args)
        if isinstance(record.msg, str):
            record.msg = _text(record.msg)
        return True


def _each(args: Any) -> Any:
    # Whole by whole: the message names what it wants of them.
    return {name: _item(name, value) for name, value in args.items()} if isinstance(args, dict) else redacted(args)


log = logging.getLogger("iam_orchestrator")
if not log.handlers:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s [%(levelname)s] %(message)s")
if not log.filters:
    log.addFilter(_Blotter())


def log_event(action: str, details: Any) -> None:
    """Appends a line to ``logs/iam_audit.log``: ``{"timestamp": UTC, "action", "details"}``.

    Secrets are blotted out, and of a whole record of a person only ``id``, ``employeeId``, ``status`` and the flags
    stay.
    ``logging.enabled: false`` in ``config.json`` switches it off; ``logging.path`` names another file, or a folder
    for the file. The file is only for its owner.
    """
    wanted = _settings.setting(config, "logging")
    if wanted.get("enabled") is False:
        return
    path = Path(wanted.get("path") or _settings.DEFAULTS["logging"]["path"])
    if path.is_dir() or not path.suffix:
        path /= "iam_audit.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    timestamp = datetime.now(timezone.utc).replace(tzinfo=None).isoformat() + "Z"
    line = json.dumps({"timestamp": timestamp, "action": action, "details": redacted(details)}, default=str)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def redacted(value: Any) -> Any:
    """The same without secrets and whole records."""
    if isinstance(value, dict):
        names = {str(name).lower() for name in value}
        if len(names & _PERSONAL) > 1:
            value = {name: value[name] for name in _KEPT if name in value}
        return {name: _item(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(redacted, value)) if type(value) in (list, tuple) else list(map(redacted, value))
    return _text(value) if isinstance(value, str) else value


def _item(name: Any, value: Any) -> Any:
    return REDACTED if _SECRET_NAME.search(str(name)) else redacted(value)


def _text(value: str) -> str:
    return _TOKEN_TEXT.sub(REDACTED, _SECRET_TEXT.sub(rf"\1{REDACTED}", value))
