"""The pages, in the order of the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .admin import PAGES as ADMIN
from .overview import overview

if TYPE_CHECKING:
    from iam_platform.ui.page import Page

SECTIONS: dict[str, tuple[Page, ...]] = {
    "": (overview,),
    "Admin Tools": ADMIN,
}
"""Sections of the navigation with their pages."""
