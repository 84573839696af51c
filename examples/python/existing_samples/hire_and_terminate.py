"""A script as it was before the wheel: it imports the sample modules and knows nothing of iam_platform.

cargo run -p iam-sandbox -- --env-file examples/python/existing_samples/.env
cd examples/python/existing_samples && python -m iam_platform.compat hire_and_terminate.py
"""

from graph_groups import get_group_id_by_display_name, get_group_members
from graph_users import get_user
from logger import log_event
from orchestrator import IAMOrchestrator

PERSON = {
    "firstName": "Ann",
    "lastName": "Lee",
    "department": "Security",
    "jobTitle": "Analyst",
    "location": "Sydney",
    "employeeId": "W-9001",
    "status": "Active",
    "isNewHire": True,
}


def is_member(user_id, group):
    members = get_group_members(get_group_id_by_display_name(group))["members"]
    return any(member["id"] == user_id for member in members)


def main():
    orchestrator = IAMOrchestrator()
    hired = orchestrator.handle_workday_event(PERSON)
    print(hired["message"])
    user_id = hired["user_id"]
    print("Member of All Staff:", is_member(user_id, "All Staff"))
    gone = orchestrator.handle_workday_event({**PERSON, "status": "Terminated"})
    print(gone["message"])
    print("Member of All Staff:", is_member(user_id, "All Staff"))
    print("Still there:", get_user(user_id)["success"])
    log_event("Demonstrated", {"user_id": user_id})


if __name__ == "__main__":
    main()
