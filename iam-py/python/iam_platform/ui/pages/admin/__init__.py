"""Admin tools: accounts, groups, licences, roles, decisions, the policy, the audit, Azure and what it all is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .audit import audit
from .azure import azure
from .connectors import connectors
from .decisions import decisions
from .groups import groups
from .policy import policy
from .roles import licences, roles
from .users import users

if TYPE_CHECKING:
    from iam_platform.ui.page import Page

PAGES: tuple[Page, ...] = (users, groups, licences, roles, decisions, policy, audit, azure, connectors)
"""The pages of the section, in the order of the navigation."""
