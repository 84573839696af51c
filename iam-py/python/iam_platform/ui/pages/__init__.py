"""The pages, in the order of the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .overview import overview
from .people import people

if TYPE_CHECKING:
    from iam_platform.ui.page import Page

SECTIONS: dict[str, tuple[Page, ...]] = {
    "": (overview,),
    "People": (people,),
}
"""Sections of the navigation with their pages."""
