"""Identity lifecycle automation for Microsoft Entra ID: joiners, movers and leavers."""

from __future__ import annotations

from . import errors
from ._core import (
    AccessToken,
    ArmClient,
    AsyncArmClient,
    AsyncGraphClient,
    AsyncListing,
    AsyncScimClient,
    ClientSecretCredential,
    Company,
    GraphClient,
    Listing,
    Response,
    Sandbox,
    ScimClient,
    __version__,
    build_profile,
)
from .errors import IamError

__all__ = [
    "AccessToken",
    "ArmClient",
    "AsyncArmClient",
    "AsyncGraphClient",
    "AsyncListing",
    "AsyncScimClient",
    "ClientSecretCredential",
    "Company",
    "GraphClient",
    "IamError",
    "Listing",
    "Response",
    "Sandbox",
    "ScimClient",
    "__version__",
    "build_profile",
    "errors",
]
