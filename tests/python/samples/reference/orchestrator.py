import csv

from graph_users import get_user
from hr.provision_new_hire import process_new_hire
from hr.provision_termination import process_termination
from hr.provision_update import process_update
from hr.workday_events import WorkdayEventParser
from utils import load_json_file


class IAMOrchestrator:
    def __init__(self, config_path="config.json"):
        self.config = load_json_file(config_path)
        self.parser = WorkdayEventParser()

    def handle_workday_event(self, event):
        kind = self.parser.get_event_type(event)
        worker = event["employeeId"]
        if kind == "new_hire":
            result, done = process_new_hire(event), "New hire provisioned successfully"
        elif kind == "update":
            result, done = process_update(event, get_user(worker)), "User updated successfully"
        elif kind == "termination":
            result, done = process_termination(event), "User terminated successfully"
        else:
            return {"status": "error", "message": "Unknown event type"}
        if not result["success"]:
            return {"status": "error", "message": result["error"]}
        return {"status": "success", "message": done, "user_id": result.get("entra_user_id", worker)}

    def process_csv(self, csv_path):
        with open(csv_path) as f:
            return [self.handle_workday_event(self.parser.from_csv_row(row)) for row in csv.DictReader(f)]
