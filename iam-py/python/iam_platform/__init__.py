"""Identity lifecycle automation for Microsoft Entra ID: joiners, movers and leavers."""

from __future__ import annotations

from . import errors
from ._core import AsyncGraphClient, Company, GraphClient, Sandbox, __version__, build_profile
from .errors import IamError

__all__ = ["AsyncGraphClient", "Company", "GraphClient", "IamError", "Sandbox", "__version__", "build_profile", "errors"]
