import json
import os

import requests

for line in open(".env").read().splitlines():
    name, _, value = line.partition("=")
    os.environ.setdefault(name, value)

with open("config.json") as f:
    config = json.load(f)

GRAPH_BASE_URL = os.environ["IAM_GRAPH_URL"]


def get_token():
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["CLIENT_ID"],
        "client_secret": os.environ["CLIENT_SECRET"],
        "scope": "https://graph.microsoft.com/.default",
    }
    url = os.environ["IAM_AUTHORITY"] + "/" + os.environ["TENANT_ID"] + "/oauth2/v2.0/token"
    answer = requests.post(url, data=form).json()
    if "access_token" not in answer:
        raise Exception(answer.get("error_description"))
    return answer["access_token"]
