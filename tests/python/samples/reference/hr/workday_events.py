YES = ("true", "1", "yes")


def detect_event(record):
    if record["status"] == "Terminated":
        return "Termination"
    if record["status"] == "Active" and record.get("isNewHire"):
        return "NewHire"
    if record["status"] == "Active" and record.get("isUpdated"):
        return "Update"
    return "Ignore"


class WorkdayEventParser:
    def get_event_type(self, event):
        kinds = {"NewHire": "new_hire", "Update": "update", "Termination": "termination"}
        return kinds.get(detect_event(event), "ignore")

    def from_csv_row(self, row):
        names = ["firstName", "lastName", "department", "jobTitle", "location", "employeeId"]
        record = {name: row.get(name, "") for name in names}
        record["status"] = row.get("status", "Active")
        record["isNewHire"] = row.get("isNewHire", "").lower() in YES
        record["isUpdated"] = row.get("isUpdated", "").lower() in YES
        return record
