from calling import ask, call_graph, short  # noqa: F401
from config import config


def generate_upn(first_name, last_name, domain=config["domain"]):
    return (first_name + "." + last_name).replace(" ", "").lower() + "@" + domain


def generate_mail_nickname(first_name, last_name):
    return (first_name + last_name).replace(" ", "").lower()


def build_password_profile(password, force_change=True):
    return {"forceChangePasswordNextSignIn": force_change, "password": password}


def user_exists(upn):
    r = ask("GET", "/users/" + upn)
    if r["success"]:
        return {"exists": True, "user": r["data"]}
    out = {"exists": False, "user": None}
    if r["status_code"] != 404:
        out["error"] = r["error"]
        out["status_code"] = r["status_code"]
    return out


def create_user(first_name, last_name, password, domain=config["domain"]):
    upn = generate_upn(first_name, last_name, domain)
    there = user_exists(upn)
    if there["exists"]:
        return {
            "success": False,
            "reason": "UserAlreadyExists",
            "message": "User with UPN " + upn + " already exists.",
            "user": there["user"],
        }
    body = {
        "accountEnabled": True,
        "displayName": first_name + " " + last_name,
        "mailNickname": generate_mail_nickname(first_name, last_name),
        "userPrincipalName": upn,
        "passwordProfile": build_password_profile(password),
    }
    return short(ask("POST", "/users", json=body), "user")


def get_user(upn_or_id):
    return short(ask("GET", "/users/" + upn_or_id), "user")


def list_users(top=25):
    return short(ask("GET", "/users", params={"$top": top}), "users", [], "value")


def update_user(upn_or_id, updates):
    return short(ask("PATCH", "/users/" + upn_or_id, json=updates))


def disable_user(upn_or_id):
    return update_user(upn_or_id, {"accountEnabled": False})


def delete_user(upn_or_id):
    return short(ask("DELETE", "/users/" + upn_or_id))
