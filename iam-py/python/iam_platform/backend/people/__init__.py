"""People: what is known of them, what happened, and why."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
