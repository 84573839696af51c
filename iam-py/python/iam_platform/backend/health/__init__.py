"""Whether the process lives, whether it is ready, and its figures."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
