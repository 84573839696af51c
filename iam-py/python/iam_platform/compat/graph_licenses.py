"""The samples' licences of Microsoft Graph. ``E`` is Graph's error body as a dict, or ``None``.

Where a look-up fails, its four-key :func:`call_graph` result is returned as it is.
"""

from __future__ import annotations

from typing import Any

from ._graph import NOT_FOUND, Result, call_graph, every_page, key, outcome, rows, token
from .config import GRAPH_BASE_URL

__all__ = [
    "GRAPH_BASE_URL",
    "assign_license",
    "call_graph",
    "get_sku_id_by_name",
    "get_user_licenses",
    "list_skus",
    "remove_license",
    "user_has_license",
]


def list_skus() -> Result:
    """``{"success": True, "skus": {skuPartNumber: skuId}, "raw": [{…}]}``."""
    result = every_page("/subscribedSkus")
    if not result["success"]:
        return result
    skus = rows(result)
    return {"success": True, "skus": {sku.get("skuPartNumber"): sku.get("skuId") for sku in skus}, "raw": skus}


def get_sku_id_by_name(sku_name: str) -> str | None:
    """The id of a SKU by its ``skuPartNumber``, or ``None`` where there is none or it cannot be read."""
    skus = list_skus()
    return skus["skus"].get(sku_name) if skus["success"] else None


def get_user_licenses(user_id: str) -> Result:
    """``{"success": True, "assigned_skus": [skuId], "raw": [{…}]}``."""
    result = every_page(f"/users/{key(user_id)}/licenseDetails")
    if not result["success"]:
        return result
    licenses = rows(result)
    return {"success": True, "assigned_skus": [held.get("skuId") for held in licenses], "raw": licenses}


def user_has_license(user_id: str, sku_id: str) -> bool:
    """Whether the user holds it; false where that cannot be read."""
    licenses = get_user_licenses(user_id)
    return bool(licenses["success"]) and sku_id in licenses["assigned_skus"]


def assign_license(user_id: str, sku_name: str) -> Result:
    """Gives a licence, by its ``skuPartNumber``.

    Returns:
        ``{"success", "status_code", "error": E}``; ``{"success": False, "reason": "SkuNotFound" | "AlreadyLicensed",
        "message"}``.
    """
    return _change(user_id, sku_name, "AlreadyLicensed", f"User already has license '{sku_name}'.", remove=False)


def remove_license(user_id: str, sku_name: str) -> Result:
    """Takes a licence away, by its ``skuPartNumber``.

    Returns:
        ``{"success", "status_code", "error": E}``; ``{"success": False, "reason": "SkuNotFound" | "NotLicensed",
        "message"}``.
    """
    return _change(user_id, sku_name, "NotLicensed", f"User does not have license '{sku_name}'.", remove=True)


def _change(user_id: str, sku_name: str, reason: str, message: str, *, remove: bool) -> Result:
    skus = list_skus()
    if not skus["success"]:
        return skus
    sku_id: Any = skus["skus"].get(sku_name)
    if not sku_id:
        return {"success": False, "reason": "SkuNotFound", "message": f"SKU '{sku_name}' not found in tenant."}
    held = get_user_licenses(user_id)
    # Who is not there holds nothing; the service says the rest.
    if not held["success"] and held["status_code"] != NOT_FOUND:
        return held
    if (sku_id in held.get("assigned_skus", [])) != remove:
        return {"success": False, "reason": reason, "message": message}
    body = {
        "addLicenses": [] if remove else [{"skuId": sku_id}],
        "removeLicenses": [sku_id] if remove else [],
    }
    return outcome(call_graph("POST", f"/users/{key(user_id)}/assignLicense", token(), json=body))
