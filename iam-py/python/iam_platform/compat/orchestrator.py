"""The samples' way from HR events to users."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import IO, Any

from iam_platform.errors import IamError

from . import _settings
from . import config as _config
from .hr._person import NoSuchPersonError, find
from .hr.provision_new_hire import provision
from .hr.provision_termination import process_termination
from .hr.provision_update import process_update
from .hr.workday_events import WorkdayEventParser
from .logger import log

__all__ = ["IAMOrchestrator"]

Outcome = dict[str, Any]
"""``{"status": "success" | "error", "message", "user_id"?}``"""

_DONE = {
    "new_hire": "New hire provisioned successfully",
    "update": "User updated successfully",
    "termination": "User terminated successfully",
}


class IAMOrchestrator:
    """Carries out HR events.

    Args:
        config_path: the file with the settings; without a ``config.json`` their defaults hold.
    """

    def __init__(self, config_path: str | os.PathLike[str] = "config.json") -> None:
        path = Path(config_path)
        # The settings that every module here has, or others of its own.
        usual = path == Path("config.json")
        self.config: dict[str, Any] = _config.config if usual else _settings.read_config(path)
        self.parser = WorkdayEventParser()

    def handle_workday_event(self, event: dict[str, Any]) -> Outcome:
        """Carries out one event.

        Returns:
            ``{"status": "success", "message", "user_id"}``, where ``user_id`` is the object id of a new hire and
            otherwise the worker id; or ``{"status": "error", "message"}``. It raises nothing for a bad event or a
            service that fails.
        """
        if not isinstance(event, dict):
            return _failed("the event is no record")
        kind = self.parser.get_event_type(event)
        worker = event.get("employeeId")
        if kind not in _DONE:
            log.error("Unknown Workday event type: %s", kind)
            return _failed("Unknown event type")
        log.info("Processing %s of worker %s", kind, worker)
        try:
            result = self._process(kind, event)
        except (IamError, OSError, ValueError) as error:
            log.error("%s of worker %s: %s", kind, worker, error)
            return _failed(str(error))
        if not result["success"]:
            return _failed(result["error"])
        return {
            "status": "success",
            "message": _DONE[kind],
            "user_id": result["entra_user_id"] if kind == "new_hire" else worker,
        }

    def _process(self, kind: str, event: dict[str, Any]) -> dict[str, Any]:
        if kind == "new_hire":
            return provision(event, self.config)
        if kind == "termination":
            return process_termination(event)
        try:
            return process_update(event, find(event.get("employeeId")))
        except NoSuchPersonError as missing:
            return {"success": False, "error": str(missing)}

    def process_csv(self, csv_path: str | os.PathLike[str] | IO[str] | IO[bytes]) -> list[Outcome]:
        """Carries out the rows of a CSV file, given by its path or open.

        Returns:
            One outcome a row, in order. A row without ``employeeId``, or that cannot be carried out, is an error of
            that row, and the file goes on.

        Raises:
            ValueError: the file is not UTF-8 or no CSV; the message says where.
        """
        rows = csv.DictReader(io.StringIO(_text(csv_path), newline=""))
        results: list[Outcome] = []
        try:
            for row in rows:
                event = self.parser.from_csv_row(row)
                if event["employeeId"]:
                    results.append(self.handle_workday_event(event))
                else:
                    results.append(_failed(f"line {rows.line_num}: employeeId is missing"))
        except csv.Error as error:
            results.append(_failed(f"line {rows.line_num}: this is no CSV: {error}"))
        return results


def _failed(message: str) -> Outcome:
    return {"status": "error", "message": message}


def _text(source: str | os.PathLike[str] | IO[str] | IO[bytes]) -> str:
    if isinstance(source, str | os.PathLike):
        name, content = str(source), Path(source).read_bytes()
    else:
        read = source.read()
        if isinstance(read, str):
            return read.removeprefix("\ufeff")
        name, content = "the file", read
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}, line {line}: expected UTF-8; save the file as CSV UTF-8") from None
