"""Hires the person whose record is in the file that is named."""

import json
import sys

from hr.provision_new_hire import process_new_hire
from logger import log_event
from utils import load_json_file

record = load_json_file(sys.argv[1])
result = process_new_hire(record)
print(json.dumps(result))
log_event("Hired", {"record": record, "result": result})
sys.exit(0 if result["success"] else 1)
