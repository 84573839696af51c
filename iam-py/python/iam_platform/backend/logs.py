"""The log: JSON lines with the request's id, and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import datetime, timezone

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is being answered."""

_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message", "taskName", "color_message", "asctime"}
_REDACTED = "[redacted]"
_SECRETS = (
    re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(
        r"""(?i)("?(?:client_secret|password|passwd|secret|access_token|refresh_token|authorization)"?\s*[:=]\s*)"""
        r"""("[^"]*"|'[^']*'|[^\s,;&}]+)"""
    ),
    re.compile(r"(?i)(postgres(?:ql)?://[^:/@\s]+:)[^@\s]+(?=@)"),
)


def redacted(text: str) -> str:
    """The text without tokens, secrets and passwords."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: (found.group(1) if found.lastindex else "") + _REDACTED, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and what was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes the record; nothing of it holds a secret."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(
            {name: redacted(value) if isinstance(value, str) else value for name, value in line.items()},
            default=lambda value: redacted(str(value)),
        )


def install(level: str) -> None:
    """Sends our log and uvicorn's to stderr as JSON. uvicorn's own access log is silent: its paths name people."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(JsonFormatter())
    for name in ("iam_platform", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [out] if name != "uvicorn.error" else []
        logger.setLevel(level.upper())
        logger.propagate = name == "uvicorn.error"
    logging.getLogger("uvicorn.access").disabled = True
