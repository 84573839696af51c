"""Decisions that only people take: releases, dead letters, what waits."""

from __future__ import annotations

from .router import router

__all__ = ["router"]
