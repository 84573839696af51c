"""Azure Resource Manager: resource groups and role assignments, its own answers."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
