"""The samples' sign-in as an application, by its secret."""

from __future__ import annotations

from . import _graph

__all__ = ["get_access_token"]


def get_access_token() -> str:
    """A token for Microsoft Graph. It is kept, and renewed before it expires.

    Raises:
        UnauthenticatedError: ``TENANT_ID``, ``CLIENT_ID`` or ``CLIENT_SECRET`` is missing or was refused.
    """
    return _graph.token()
