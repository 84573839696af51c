"""Changes the person whose record is in the file that is named; the directory is asked with the worker id."""

import json
import sys

from graph_users import get_user
from hr.provision_update import process_update
from utils import load_json_file

record = load_json_file(sys.argv[1])
print(json.dumps(process_update(record, get_user(record["employeeId"]))))
