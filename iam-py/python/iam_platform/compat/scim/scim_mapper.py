"""Which SCIM user belongs to which Entra user.

It is kept in ``scim/scim_mapping.json`` in the working folder: ``{"users": {entra id: scim id}}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows: one process at a time.
    fcntl = None  # type: ignore[assignment]

__all__ = ["MAP_FILE", "get_scim_id", "store_scim_id"]

MAP_FILE = "scim/scim_mapping.json"


def store_scim_id(entra_id: str, scim_id: str) -> None:
    """Remembers it: on the disk when this returns, whole or not at all, readable for its owner only.

    Raises:
        ValueError: the file is broken; it is left as it is.
    """
    path = Path(MAP_FILE)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(path):
        users = _users(path)
        users[entra_id] = scim_id
        written, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(written, "w", encoding="utf-8") as file:
                json.dump({"users": users}, file, indent=4)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
        _settle(path.parent)


def get_scim_id(entra_id: str) -> str | None:
    """The SCIM id of an Entra user, or ``None``.

    Raises:
        ValueError: the file is broken.
    """
    return _users(Path(MAP_FILE)).get(entra_id)


def _users(path: Path) -> dict[str, str]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    users = read.get("users") if isinstance(read, dict) else None
    if not isinstance(users, dict):
        raise ValueError(f'{path}: expected {{"users": {{…}}}}')
    return users


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time, of all threads and processes."""
    if fcntl is None:
        yield
        return
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _settle(folder: Path) -> None:
    if os.name == "posix":
        known = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(known)
        finally:
            os.close(known)
