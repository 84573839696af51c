import json
import logging
import os
import time

log = logging.getLogger("iam_orchestrator")


def log_event(action, details):
    os.makedirs("logs", exist_ok=True)
    with open("logs/iam_audit.log", "a") as f:
        f.write(json.dumps({"timestamp": time.time(), "action": action, "details": details}) + "\n")
