import requests
from auth import get_access_token
from config import GRAPH_BASE_URL


def call_graph(method, endpoint, token, params=None, json=None):
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    r = requests.request(method, GRAPH_BASE_URL + endpoint, headers=headers, params=params, json=json)
    data = None
    if r.content:
        try:
            data = r.json()
        except ValueError:
            pass
    return {"success": r.ok, "status_code": r.status_code, "data": data, "error": data if not r.ok else None}


def ask(method, endpoint, params=None, json=None):
    return call_graph(method, endpoint, get_access_token(), params, json)


def short(result, name=None, empty=None, inside=None):
    out = {"success": result["success"], "status_code": result["status_code"]}
    if name:
        out[name] = empty
        if result["success"]:
            out[name] = result["data"][inside] if inside else result["data"]
    out["error"] = result["error"]
    return out
