"""Forms that somebody has begun."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
