"""HR's door: records, events and files in; jobs out."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
