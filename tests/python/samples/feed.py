"""Carries out workday_feed.json."""

import json

from hr.workday_events import detect_event
from hr.workday_feed import load_workday_feed
from logger import log
from orchestrator import IAMOrchestrator

orchestrator = IAMOrchestrator()
results = []
for record in load_workday_feed():
    log.info(f"{record['employeeId']}: {detect_event(record)}")
    results.append(orchestrator.handle_workday_event(record))
print(json.dumps(results))
