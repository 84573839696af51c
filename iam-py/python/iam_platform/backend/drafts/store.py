"""Drafts as files: one for each, of mode 0600, under a hash of whose it is, and gone an hour after it was last written.

The file's own time says when that was. All processes share the folder: who replaces or deletes a file holds the
folder's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from iam_platform.backend.security import Caller

LIFETIME = 3600.0
"""Seconds after the last writing."""

_SWEEP = 30.0


class Drafts:
    """The drafts below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to delete what has had its hour, also of processes that have died."""
        self._task = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        """Stops deleting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def read(self, whose: Caller, name: str) -> tuple[dict[str, Any], datetime] | None:
        """The draft, and when it ends."""
        try:
            with self._file(whose, name).open(encoding="utf-8") as file:
                written = os.fstat(file.fileno()).st_mtime
                if written + LIFETIME <= time.time():
                    return None
                return json.load(file), _end(written)
        except FileNotFoundError:
            return None

    def write(self, whose: Caller, name: str, text: str) -> datetime:
        """Keeps a draft in the place of the one before, whole or not at all; when it ends."""
        part = self._folder / f".{uuid.uuid4().hex}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                written = os.fstat(file.fileno()).st_mtime
            with self._alone():
                part.rename(self._file(whose, name))
        finally:
            part.unlink(missing_ok=True)
        return _end(written)

    def delete(self, whose: Caller, name: str) -> bool:
        """Whether there was one."""
        with self._alone():
            try:
                file = self._file(whose, name)
                alive = file.stat().st_mtime + LIFETIME > time.time()
                file.unlink()
            except FileNotFoundError:
                return False
            return alive

    def sweep(self) -> None:
        """Deletes what has had its hour, and what a process that died has left half written."""
        with self._alone():
            for file in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if file.suffix in (".json", ".part") and file.stat().st_mtime + LIFETIME <= time.time():
                        file.unlink()

    async def _tidy(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self.sweep)
            await asyncio.sleep(_SWEEP)

    def _file(self, whose: Caller, name: str) -> Path:
        place = json.dumps([whose.tenant.lower(), whose.oid.lower(), name])
        return self._folder / f"{hashlib.sha256(place.encode()).hexdigest()}.json"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _end(written: float) -> datetime:
    return datetime.fromtimestamp(written + LIFETIME, timezone.utc)
