"""The policy, looked at before it is put in force."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
