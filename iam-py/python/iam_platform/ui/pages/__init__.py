"""The pages, in the order of the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .admin import PAGES as ADMIN
from .csv_upload import csv_upload
from .hire import hire
from .jobs import jobs
from .overview import overview
from .people import people
from .termination import termination
from .update import update

if TYPE_CHECKING:
    from iam_platform.ui.page import Page

SECTIONS: dict[str, tuple[Page, ...]] = {
    "": (overview, jobs),
    "Joiners, movers, leavers": (hire, update, termination, csv_upload),
    "People": (people,),
    "Admin Tools": ADMIN,
}
"""Sections of the navigation with their pages."""
