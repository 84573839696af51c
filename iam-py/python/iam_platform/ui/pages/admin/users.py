"""Users: accounts of the tenant, found by name; one of them; and those that were deleted and can come back."""

from __future__ import annotations

from typing import Any

from iam_platform.ui import session, show
from iam_platform.ui.backend import part
from iam_platform.ui.page import page

from . import account, deeds, listing

_COLUMNS = {
    "name": "Name",
    "userPrincipalName": "Sign-in name",
    "signs": "Sign-in",
    "employeeId": "Worker id",
    "department": "Department",
    "jobTitle": "Job title",
}


@page("Users", "users", "👤", "graph.read", "Accounts in Microsoft Entra ID: what they hold, and first aid for them.")
def users() -> None:
    """Draws it."""
    deeds.told()
    user = listing.chosen()
    if user is not None:
        account.draw(user)
        return
    kind = listing.picked("show", "Which accounts", {"active": "Accounts", "deleted": "Deleted"})
    if kind == "deleted":
        _deleted()
    else:
        _active()


def signs(user: dict[str, Any]) -> str:
    """Whether somebody can sign in."""
    return "✔ allowed" if user.get("accountEnabled") else "✖ blocked"


def _active() -> None:
    sought = listing.sought("Search", "A name, the start of a sign-in name with @, or a worker id")
    answer = listing.read("/graph/users", top=listing.SIZE, **_wanted(sought))
    if sought and not answer["value"] and "@" not in sought:
        # A worker id is no part of a name.
        answer = listing.read("/graph/users", top=listing.SIZE, filter=f"employeeId eq '{listing.quoted(sought)}'")
    show.table(
        [
            user | {"name": listing.to("users", user["displayName"], id=user["id"]), "signs": signs(user)}
            for user in answer["value"]
        ],
        _COLUMNS,
        caption="Accounts",
        signs=("signs",),
        empty="No account is like that." if sought else "There are no accounts.",
        hint="Look for part of a name, or clear the search box." if sought else "",
    )
    listing.onward(answer, "users")
    listing.download("All accounts (CSV)", "/graph/users/export.csv", "users.csv", "users-export")


def _wanted(sought: str) -> dict[str, str]:
    if "@" in sought:
        return {"filter": f"startswith(userPrincipalName,'{listing.quoted(sought)}')"}
    return {"search": sought} if sought else {}


def _deleted() -> None:
    answer = listing.read("/graph/deleted-users")
    found = answer["value"]
    show.table(
        [user | {"when": show.instant(user.get("deletedDateTime"))} for user in found],
        {"displayName": "Name", "userPrincipalName": "Sign-in name", "when": "Deleted"},
        caption="Deleted accounts",
        empty="Nobody was deleted in the last 30 days.",
        hint="After 30 days a deleted account is gone for good.",
    )
    listing.onward(answer, "deleted")
    if not found or not session.viewer().may("graph.write"):
        return
    names = {user["id"]: f"{user.get('displayName')} ({user.get('userPrincipalName')})" for user in found}
    user = listing.one_of("Account to restore", names, "deleted-user")
    if user is None:
        return
    deeds.offer(
        deeds.Deed(
            "Restore",
            f"**{show.text(names[user])}** comes back with groups and licences, as far as names and seats are free. "
            "Sign-in stays as it was.",
            lambda _said: session.backend().post(f"/graph/users/{part(user)}/restore"),
            f"{show.text(names[user])} is restored.",
        ),
        "restore",
        needs="graph.write",
    )
