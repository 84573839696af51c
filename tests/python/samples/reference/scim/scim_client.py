import os

import requests
from config import config  # noqa: F401


def ask(method, path, body):
    headers = {"Authorization": "Bearer " + os.environ["IAM_SCIM_TOKEN"]}
    r = requests.request(method, os.environ["IAM_SCIM_URL"] + path, headers=headers, json=body)
    return r.json() if r.content else {}


def create_scim_user(user_obj):
    return ask("POST", "/Users", user_obj)


def update_scim_user(scim_id, changes):
    return ask("PATCH", "/Users/" + scim_id, {"Operations": [{"op": "replace", "value": changes}]})


def delete_scim_user(scim_id):
    return ask("DELETE", "/Users/" + scim_id, None)
