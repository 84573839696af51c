"""Exports the groups, the members of a group and what a user is a member of."""

import sys

from graph_groups import export_group_membership, export_groups, export_user_access, get_group_id_by_display_name
from graph_users import get_user

group, user = sys.argv[1:]
export_groups()
export_group_membership(get_group_id_by_display_name(group))
export_user_access(get_user(user)["user"]["id"])
