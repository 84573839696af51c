"""Identity lifecycle automation for Microsoft Entra ID: joiners, movers and leavers."""

from __future__ import annotations

from . import errors
from ._core import (
    ArmClient,
    AsyncArmClient,
    AsyncGraphClient,
    AsyncListing,
    AsyncScimClient,
    ClientSecretCredential,
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
    "ArmClient",
    "AsyncArmClient",
    "AsyncGraphClient",
    "AsyncListing",
    "AsyncScimClient",
    "ClientSecretCredential",
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
