"""Jobs: what became of what was accepted."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
