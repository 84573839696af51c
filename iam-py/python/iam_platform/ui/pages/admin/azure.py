"""Azure roles: who holds which role where: subscriptions, resource groups, and below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part
from iam_platform.ui.page import page

from . import deeds, listing
from .deeds import Deed, Said

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Roles that are given most: they stand first.
_USUAL = ("Reader", "Contributor")
_TYPES = {"User": "person", "ServicePrincipal": "application", "Group": "group"}

#: Ids that one ``$filter`` of Graph may name.
_IDS = 15


@page("Azure roles", "azure", "☁️", "arm.read", "Role assignments in Azure, per subscription and resource group.")
def azure() -> None:
    """Draws it."""
    deeds.told()
    with st.spinner("Reading…"):
        subscriptions = {
            one["subscriptionId"]: str(one["displayName"])
            for one in session.backend().get("/arm/subscriptions")["value"]
        }
    if not subscriptions:
        show.nothing(
            "No subscription is seen.", "Give the platform's identity Reader on a subscription or management group."
        )
        return
    subscription = listing.picked("subscription", "Subscription", subscriptions, as_tabs=False)
    groups = session.backend().get("/arm/resource-groups", subscription=subscription)["value"]
    scopes = {f"/subscriptions/{subscription}": "The whole subscription"} | {one["id"]: one["name"] for one in groups}
    scope = listing.picked("scope", "Where", scopes, as_tabs=False)
    show.table(
        [one | {"state": one["properties"]["provisioningState"]} for one in groups],
        {"name": "Resource group", "location": "Region", "state": "State"},
        caption=f"Resource groups of {subscriptions[subscription]}",
        empty="This subscription has no resource groups.",
    )
    _assignments(subscription, scope, scopes)


def _assignments(subscription: str, scope: str, scopes: Mapping[str, str]) -> None:
    st.header(f"Role assignments: {show.text(scopes[scope])}", anchor=False)
    backend = session.backend()
    listed = backend.get("/arm/role-assignments", subscription=subscription, scope=scope)["value"]
    roles = _roles(subscription)
    names = _names({one["properties"]["principalId"] for one in listed if one["properties"]["principalType"] == "User"})
    rows = [_row(one, names, roles) for one in listed]
    show.table(
        rows,
        {"role": "Role", "who": "Who", "type": "Kind", "where": "Where", "since": "Since"},
        caption="At this scope, and above and below it",
        empty="Nobody holds a role here.",
    )
    with st.container(horizontal=True):
        deeds.offer(
            Deed(
                "Give Azure role",
                f"A role at **{show.text(scopes[scope])}**, for as long as nobody takes it. What HR decides, the policy "
                "gives: this is for everything else.",
                lambda said: _give(subscription, scope, said),
                "The role is given.",
                fields=lambda: _wish(roles),
            ),
            "give-azure",
            needs="arm.write",
        )
    if not rows or not session.viewer().may("arm.write"):
        return
    labels = {one["id"]: f"{one['role']}: {one['name']} ({one['where']})" for one in rows}
    gone = str(listing.one_of("Assignment to take", labels, "azure-gone"))
    deeds.offer(
        Deed(
            "Take Azure role",
            f"**{show.text(labels[gone])}** is taken, at once.",
            lambda _said: backend.delete("/arm/role-assignments", id=gone),
            f"{show.text(labels[gone])} is taken.",
        ),
        "take-azure",
        needs="arm.write",
    )


def _row(one: Mapping[str, Any], names: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, Any]:
    about = one["properties"]
    who, role, scope = (str(about[name]) for name in ("principalId", "roleDefinitionId", "scope"))
    is_person = about["principalType"] == "User"
    name = names.get(who, who)
    return {
        "id": one["id"],
        "role": roles.get(_last(role), _last(role)),
        "name": name,
        "who": listing.to("users", name, id=who) if is_person else name,
        "type": _TYPES.get(about["principalType"], about["principalType"]),
        "where": "subscription" if scope.count("/") == 2 else _last(scope) or "everything",
        "since": show.instant(about.get("createdOn")),
    }


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _roles(subscription: str) -> dict[str, str]:
    """Names of the roles that can be given, by id."""
    found = session.backend().get("/arm/role-definitions", subscription=subscription)["value"]
    return {str(one["name"]): str(one["properties"]["roleName"]) for one in found}


def _names(people: set[str]) -> dict[str, str]:
    """Names of people by object id; who is gone has none."""
    names: dict[str, str] = {}
    ids = sorted(people)
    for start in range(0, len(ids), _IDS):
        wanted = ", ".join(f"'{one}'" for one in ids[start : start + _IDS])
        found = session.backend().get("/graph/users", filter=f"id in ({wanted})", top=_IDS)["value"]
        names |= {str(one["id"]): str(one["displayName"]) for one in found}
    return names


def _wish(roles: Mapping[str, str]) -> dict[str, str]:
    usual = [name for name in _USUAL if name in roles.values()]
    others = sorted(name for name in roles.values() if name not in _USUAL)
    said = {
        "who": st.text_input("Sign-in name", key="azure-who", placeholder="mei.tanaka@contoso.example").strip(),
        "role": st.selectbox("Role", [*usual, *others], key="azure-role") or "",
    }
    return said if all(said.values()) else {}


def _give(subscription: str, scope: str, said: Said) -> None:
    backend = session.backend()
    user = backend.get(f"/graph/users/{part(said.fields['who'])}")
    wish = {"role": said.fields["role"], "principal": user["id"], "scope": scope}
    backend.post("/arm/role-assignments", wish, subscription=subscription)
