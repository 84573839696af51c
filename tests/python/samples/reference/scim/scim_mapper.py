import json
import os

MAP_FILE = "scim/scim_mapping.json"


def load():
    if not os.path.exists(MAP_FILE):
        return {}
    return json.load(open(MAP_FILE))["users"]


def store_scim_id(entra_id, scim_id):
    users = load()
    users[entra_id] = scim_id
    os.makedirs("scim", exist_ok=True)
    json.dump({"users": users}, open(MAP_FILE, "w"))


def get_scim_id(entra_id):
    return load().get(entra_id)
