"""The modules that the existing sample scripts import, on top of the Rust core.

``python -m iam_platform.compat SCRIPT [ARGS]`` runs a script unchanged with these in place of the modules beside it;
``from iam_platform.compat import graph_users`` uses one without the runner. Names, arguments, defaults and result
dicts are the samples' own; README.md, section "Existing samples", says what is better.

Settings come from the environment, then from ``.env`` (``TENANT_ID CLIENT_ID CLIENT_SECRET``) and ``config.json`` in
the working folder. ``IAM_AUTHORITY IAM_GRAPH_URL IAM_SCIM_URL IAM_SCIM_TOKEN IAM_CA_BUNDLE`` point elsewhere.
"""

from __future__ import annotations

MODULES = (
    "auth",
    "config",
    "graph_groups",
    "graph_licenses",
    "graph_roles",
    "graph_users",
    "hr",
    "hr.provision_new_hire",
    "hr.provision_termination",
    "hr.provision_update",
    "hr.workday_events",
    "hr.workday_feed",
    "logger",
    "orchestrator",
    "scim",
    "scim.scim_client",
    "scim.scim_mapper",
    "utils",
)
"""The top-level names under which the runner offers these modules."""

__all__ = ["MODULES"]
