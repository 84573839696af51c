"""The samples' settings.

Attributes:
    config: what ``config.json`` says: ``domain``, ``default_password_length``, ``default_force_password_reset``,
        ``default_groups``, ``default_license_skus``, ``default_roles``, ``logging.{enabled,path}``, and ours:
        ``usage_location``. Without the file: 16, true, three empty lists, ``logs/iam_audit.log``, and no domain.
    GRAPH_BASE_URL: ``IAM_GRAPH_URL`` or ``https://graph.microsoft.com/v1.0``; ends in ``/v1.0``.
"""

from __future__ import annotations

import copy
from typing import Any

from . import _settings

__all__ = ["GRAPH_BASE_URL", "config", "get_token"]

_settings.load_env()
_path = _settings.find("config.json")

config: dict[str, Any] = copy.deepcopy(_settings.DEFAULTS) if _path is None else _settings.read_config(_path)
GRAPH_BASE_URL: str = _settings.graph_url()


def get_token() -> str:
    """A token for Microsoft Graph.

    Raises:
        UnauthenticatedError: a credential is missing (the message says which) or was refused.
    """
    from .auth import get_access_token

    return get_access_token()
