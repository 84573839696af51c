"""``/graph``: users, groups, roles and licences."""

from __future__ import annotations

from . import groups, roles, users

routers = (users.router, groups.router, roles.router)
