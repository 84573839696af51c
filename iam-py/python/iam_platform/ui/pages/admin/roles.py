"""Licences and roles: seats of the tenant, and who holds which directory role."""

from __future__ import annotations

from typing import Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part
from iam_platform.ui.page import page

from . import deeds, listing
from .deeds import Deed

#: Seats left at which a licence counts as running out.
_FEW = 5


@page("Licences", "licences", "🎟️", "graph.read", "Seats of the tenant: bought, used and left.")
def licences() -> None:
    """Draws it."""
    with st.spinner("Reading…"):
        skus = session.backend().get("/graph/licenses")["value"]
    show.table(
        [_seats(sku) for sku in sorted(skus, key=lambda sku: str(sku["skuPartNumber"]))],
        {
            "name": "Licence",
            "bought": "Bought",
            "used": "Used",
            "left": "Left",
            "share": "In use",
            "sign": "State",
            "holds": "Services",
        },
        caption="Licences",
        numbers=("bought", "used", "left"),
        signs=("sign",),
        empty="The tenant has no licences.",
        hint="Buy some in the Microsoft 365 admin centre; they are seen here at once.",
    )


def _seats(sku: dict[str, Any]) -> dict[str, Any]:
    units = sku["prepaidUnits"]
    left = units["enabled"] - sku["consumedUnits"]
    sign = "✖ none left" if left < 1 else "▲ few left" if left <= _FEW else "✔ enough"
    if sku.get("capabilityStatus") not in (None, "Enabled"):
        sign = f"▲ {sku['capabilityStatus']}"
    return {
        "name": sku["skuPartNumber"],
        "bought": units["enabled"],
        "used": sku["consumedUnits"],
        "left": left,
        "share": show.bar(sku["consumedUnits"], units["enabled"]),
        "sign": sign,
        "holds": [plan["servicePlanName"] for plan in sku.get("servicePlans", ())],
    }


@page("Roles", "roles", "🛡️", "graph.read", "Directory roles that somebody holds, for the whole tenant.")
def roles() -> None:
    """Draws it."""
    deeds.told()
    with st.spinner("Reading…"):
        found = sorted(session.backend().get("/graph/roles")["value"], key=lambda role: str(role["displayName"]))
    role = next((one for one in found if one["id"] == listing.chosen()), None)
    if role is not None:
        _holders(role)
        return
    if listing.chosen():
        st.warning("**That role is not in use.** These are.", icon="🔍")
    show.table(
        [one | {"name": listing.to("roles", one["displayName"], id=one["id"])} for one in found],
        {"name": "Role", "description": "What it may do"},
        caption="Roles in use",
        empty="No directory role is in use.",
    )
    _give([str(one["displayName"]) for one in found])


def _holders(role: dict[str, Any]) -> None:
    listing.back("roles", "All roles")
    st.header(show.text(role["displayName"]), anchor=False)
    holders = session.backend().get(f"/graph/roles/{part(role['id'])}/members")["value"]
    show.table(
        [one | {"name": listing.to("users", one["displayName"], id=one["id"])} for one in holders],
        {"name": "Name", "userPrincipalName": "Sign-in name"},
        caption="Holders",
        empty="Nobody holds this role.",
    )
    name = str(role["displayName"])
    _give([name], only=True)
    people = {
        str(one["userPrincipalName"]): f"{one['displayName']} ({one['userPrincipalName']})"
        for one in holders
        if one.get("userPrincipalName")
    }
    if not people or not session.viewer().may("graph.privileged"):
        return
    loser = listing.one_of("Holder to take it from", people, "role-holder")
    if loser is None:
        return
    deeds.offer(
        Deed(
            "Take role",
            f"**{show.text(people[loser])}** is **{show.text(name)}** no more, at once.",
            lambda _said: session.backend().post("/graph/roles/remove", {"user": loser, "role": name}),
            f"{show.text(people[loser])} is {show.text(name)} no more.",
            typed=loser,
        ),
        "take-role",
        needs="graph.privileged",
    )


def _give(names: list[str], *, only: bool = False) -> None:
    def fields() -> dict[str, str]:
        user = st.text_input("Sign-in name", key="role-user", placeholder="mei.tanaka@contoso.example")
        # A role that nobody holds yet is not listed; it can be named.
        role = st.selectbox(
            "Role",
            names,
            index=0 if only else None,
            key="role-name",
            placeholder="Choose one, or type its name",
            accept_new_options=not only,
        )
        said = {"user": user.strip(), "role": role or ""}
        return said if all(said.values()) else {}

    deeds.offer(
        Deed(
            "Give role",
            "A directory role for the whole tenant, for as long as nobody takes it. What HR decides, the policy gives: "
            "this is for everything else.",
            lambda said: session.backend().post("/graph/roles/assign", said.fields),
            "The role is given.",
            fields=fields,
        ),
        "give-role",
        needs="graph.privileged",
    )
