"""Carries out the CSV file that is named."""

import json
import sys

from orchestrator import IAMOrchestrator

print(json.dumps(IAMOrchestrator().process_csv(sys.argv[1])))
