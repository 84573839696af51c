"""The SCIM 2.0 service provider: what is pushed in becomes HR's word."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
