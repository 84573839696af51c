"""Jobs: what became of what was accepted."""

from __future__ import annotations

from .router import router
from .uploaded import router as uploaded

__all__ = ["router", "uploaded"]
