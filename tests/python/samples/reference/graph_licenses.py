from calling import ask, call_graph, short  # noqa: F401


def list_skus():
    r = ask("GET", "/subscribedSkus")
    if not r["success"]:
        return r
    raw = r["data"]["value"]
    return {"success": True, "skus": {s["skuPartNumber"]: s["skuId"] for s in raw}, "raw": raw}


def get_sku_id_by_name(sku_name):
    r = list_skus()
    return r["skus"].get(sku_name) if r["success"] else None


def get_user_licenses(user_id):
    r = ask("GET", "/users/" + user_id + "/licenseDetails")
    if not r["success"]:
        return r
    raw = r["data"]["value"]
    return {"success": True, "assigned_skus": [s["skuId"] for s in raw], "raw": raw}


def user_has_license(user_id, sku_id):
    r = get_user_licenses(user_id)
    return r["success"] and sku_id in r["assigned_skus"]


def missing(sku_name):
    return {"success": False, "reason": "SkuNotFound", "message": "SKU '" + sku_name + "' not found in tenant."}


def assign_license(user_id, sku_name):
    sku_id = get_sku_id_by_name(sku_name)
    if not sku_id:
        return missing(sku_name)
    if user_has_license(user_id, sku_id):
        message = "User already has license '" + sku_name + "'."
        return {"success": False, "reason": "AlreadyLicensed", "message": message}
    body = {"addLicenses": [{"skuId": sku_id}], "removeLicenses": []}
    return short(ask("POST", "/users/" + user_id + "/assignLicense", json=body))


def remove_license(user_id, sku_name):
    sku_id = get_sku_id_by_name(sku_name)
    if not sku_id:
        return missing(sku_name)
    if not user_has_license(user_id, sku_id):
        message = "User does not have license '" + sku_name + "'."
        return {"success": False, "reason": "NotLicensed", "message": message}
    body = {"addLicenses": [], "removeLicenses": [sku_id]}
    return short(ask("POST", "/users/" + user_id + "/assignLicense", json=body))
