from graph_users import disable_user
from scim.scim_client import update_scim_user
from scim.scim_mapper import get_scim_id


def process_termination(record):
    # The fault: the worker id is no directory id.
    entra_result = disable_user(record["employeeId"])
    scim_id = get_scim_id(record["employeeId"])
    scim_result = update_scim_user(scim_id, {"active": False}) if scim_id else None
    return {"success": True, "entra_result": entra_result, "scim_result": scim_result}
