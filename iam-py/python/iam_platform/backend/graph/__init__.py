"""The admin tools on Microsoft Graph: its own answers, by our own identity."""

from __future__ import annotations

from .router import routers

__all__ = ["routers"]
