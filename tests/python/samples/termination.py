"""Terminates the person whose record is in the file that is named."""

import json
import sys

from hr.provision_termination import process_termination
from utils import load_json_file

print(json.dumps(process_termination(load_json_file(sys.argv[1]))))
