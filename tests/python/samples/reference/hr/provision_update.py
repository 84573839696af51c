from graph_users import update_user
from scim.scim_client import update_scim_user
from scim.scim_mapper import get_scim_id


def process_update(record, entra_user):
    if "user" in entra_user:
        if not entra_user["success"]:
            return {"success": False, "error": "Entra user not found"}
        entra_user = entra_user["user"]
    scim_id = get_scim_id(entra_user["id"])
    if not scim_id:
        return {"success": False, "error": "SCIM ID not found for user"}
    changes = {}
    for ours, theirs in (("department", "department"), ("jobTitle", "jobTitle"), ("location", "officeLocation")):
        if record[ours] != entra_user.get(theirs):
            changes[theirs] = record[ours]
    if not changes:
        return {"success": True, "message": "No changes detected"}
    entra_update = update_user(entra_user["id"], changes)
    scim_changes = {"department": record["department"], "title": record["jobTitle"], "location": record["location"]}
    return {
        "success": True,
        "entra_update": entra_update,
        "scim_update": update_scim_user(scim_id, scim_changes),
        "changes_applied": changes,
    }
