from config import config
from graph_groups import add_user_to_group, get_group_id_by_display_name
from graph_licenses import assign_license
from graph_roles import assign_role
from graph_users import create_user, update_user
from logger import log_event
from scim.scim_client import create_scim_user
from scim.scim_mapper import store_scim_id
from utils import generate_password


def process_new_hire(record):
    password = generate_password()
    made = create_user(record["firstName"], record["lastName"], password)
    if not made["success"]:
        return {"success": False, "error": "Failed to create user in Entra"}
    user = made["user"]
    work = {
        "department": record["department"],
        "jobTitle": record["jobTitle"],
        "officeLocation": record["location"],
    }
    update_user(user["id"], work)
    groups = []
    for name in config["default_groups"]:
        group_id = get_group_id_by_display_name(name)
        if group_id:
            add_user_to_group(user["id"], group_id)
            groups.append(name)
    for name in config["default_license_skus"]:
        assign_license(user["id"], name)
    for name in config["default_roles"]:
        assign_role(user["id"], name)
    scim_user = create_scim_user(
        {
            "userName": user["userPrincipalName"],
            "name": {"givenName": record["firstName"], "familyName": record["lastName"]},
            "active": True,
            "department": record["department"],
            "title": record["jobTitle"],
        }
    )
    store_scim_id(user["id"], scim_user.get("id"))
    log_event("NewHire_Provisioned", {"id": user["id"]})
    return {
        "success": True,
        "entra_user_id": user["id"],
        "scim_user_id": scim_user.get("id"),
        "upn": user["userPrincipalName"],
        "password": password,
        "assigned_groups": groups,
        "assigned_licenses": config["default_license_skus"],
        "assigned_roles": config["default_roles"],
    }
