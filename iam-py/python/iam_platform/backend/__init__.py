"""The HTTP API: FastAPI over the engine, with Entra access tokens at the door.

    uvicorn --factory iam_platform.backend:create_app

Everything is set by ``IAM_…`` variables: see :class:`Settings`.
"""

from __future__ import annotations

from .app import create_app
from .settings import Settings

__all__ = ["Settings", "create_app"]
