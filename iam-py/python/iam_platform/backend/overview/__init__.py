"""The first page: what happens, what waits, what comes."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
