"""``/graph``: users, groups, roles and licences."""

from __future__ import annotations

from . import groups, recovery, roles, users

routers = (users.router, recovery.router, groups.router, roles.router)
