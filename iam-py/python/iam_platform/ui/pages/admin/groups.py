"""Groups: found by name, their members, and why some of them are not changed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part
from iam_platform.ui.page import page

from . import deeds, listing
from .deeds import Deed

if TYPE_CHECKING:
    from collections.abc import Mapping


@page("Groups", "groups", "👥", "graph.read", "Groups in Microsoft Entra ID, and who is in them.")
def groups() -> None:
    """Draws it."""
    deeds.told()
    group = listing.chosen()
    if group is not None:
        _one(group)
        return
    sought = listing.sought("Search", "Part of a group's name")
    answer = listing.read("/graph/groups", top=listing.SIZE, search=sought or None)
    show.table(
        [
            one
            | {
                "name": listing.to("groups", one["displayName"], id=one["id"]),
                "kind": kind(one),
                "may": why_not(one)[0],
            }
            for one in answer["value"]
        ],
        {"name": "Name", "kind": "Kind", "description": "What for", "mail": "Mail", "may": "Members change"},
        caption="Groups",
        empty="No group is like that." if sought else "There are no groups.",
        hint="Look for part of a name, or clear the search box." if sought else "",
    )
    listing.onward(answer, "groups")
    with st.container(horizontal=True):
        listing.download("All groups (CSV)", "/graph/groups/export.csv", "groups.csv", "groups-export")
        deeds.offer(
            Deed(
                "New group",
                "A security group. With a rule, Entra itself decides who is in it.",
                lambda said: session.backend().post("/graph/groups", said.fields),
                "The group is made.",
                fields=_new,
            ),
            "new-group",
            needs="graph.write",
        )


def _new() -> dict[str, str]:
    said = {
        "displayName": st.text_input("Name", key="group-name", max_chars=256, placeholder="sg-perth"),
        "description": st.text_input("What it is for", key="group-description", max_chars=1024),
        "membershipRule": st.text_input(
            "Rule, for a dynamic group", key="group-rule", max_chars=3072, placeholder='user.department -eq "Sales"'
        ),
    }
    return {name: value.strip() for name, value in said.items() if value.strip()}


def kind(group: Mapping[str, Any]) -> str:
    """What kind of group it is, in words."""
    types = group.get("groupTypes") or ()
    said = "Microsoft 365" if "Unified" in types else "security" if group.get("securityEnabled") else "distribution"
    return f"{said}, dynamic" if "DynamicMembership" in types else said


def why_not(group: Mapping[str, Any]) -> tuple[str, str]:
    """Who decides about its members, and why they are not changed here; no reason where they are."""
    if "DynamicMembership" in (group.get("groupTypes") or ()):
        return "by its rule", "Its rule decides who is in it: change the rule, or what it asks about people."
    if group.get("onPremisesSyncEnabled"):
        return "in Active Directory", "It is synchronised from Active Directory: change it there."
    if group.get("isAssignableToRole"):
        return "by the policy", "It may hold directory roles, and whoever is in it holds them too: the policy decides."
    if group.get("mail") and "Unified" not in (group.get("groupTypes") or ()):
        return "in Exchange", "It is a distribution list or a mail-enabled security group: Exchange keeps its members."
    return "here", ""


def _one(group_id: str) -> None:
    listing.back("groups", "All groups")
    path = f"/graph/groups/{part(group_id)}"
    with st.spinner("Reading…"):
        group = session.backend().get(path)
    st.header(show.text(group["displayName"]), anchor=False)
    st.markdown(show.text(" · ".join(filter(None, (kind(group), group.get("description"), group["id"])))))
    reason = why_not(group)[1]
    if group.get("membershipRule"):
        st.code(group["membershipRule"], language=None, wrap_lines=True)
    if reason:
        st.info(f"**Its members are not changed here.** {reason}", icon="🔒")
    answer = listing.read(f"{path}/members", top=100)
    members = answer["value"]
    show.table(
        [one | {"name": listing.to("users", one.get("displayName"), id=one["id"])} for one in members],
        {"name": "Name", "userPrincipalName": "Sign-in name"},
        caption="Members",
        empty="Nobody is in this group.",
        hint=reason or "Add somebody by sign-in name.",
    )
    listing.onward(answer, "members")
    listing.download("All members (CSV)", f"{path}/members.csv", "members.csv", "members-export")
    _change(group, path, members, reason)


def _change(group: Mapping[str, Any], path: str, members: list[dict[str, Any]], reason: str) -> None:
    if not session.viewer().may("graph.write"):
        return
    name = show.text(group["displayName"])
    backend = session.backend()
    people = {one["id"]: str(one.get("userPrincipalName") or one.get("displayName")) for one in members}
    st.subheader("Change it", anchor=False)
    leaver = listing.one_of("Member to remove", people, "group-member")
    with st.container(horizontal=True):
        deeds.offer(
            Deed(
                "Remove member",
                f"**{show.text(people.get(leaver or ''))}** is no longer in **{name}**, and loses what the group opens.",
                lambda _said: backend.delete(f"{path}/members/{part(str(leaver))}"),
                f"{show.text(people.get(leaver or ''))} is no longer in {name}.",
            ),
            "remove-member",
            needs="graph.write",
            why_not=reason or ("" if leaver else "Nobody is in it."),
        )
        deeds.offer(
            Deed(
                "Add member",
                f"They get what **{name}** opens. What HR decides, the policy gives: this is for everything else.",
                lambda said: backend.put(f"{path}/members/{part(said.fields)}"),
                f"The member is in {name}.",
                fields=lambda: st.text_input("Sign-in name", key="new-member").strip(),
            ),
            "add-member",
            needs="graph.write",
            why_not=reason,
        )
        deeds.offer(
            Deed(
                "Delete group",
                f"**{name}** goes, with everything that it opens.",
                lambda _said: _delete(path),
                f"{name} is deleted.",
                typed=str(group["displayName"]),
            ),
            "delete-group",
            needs="graph.write",
            why_not=_kept(group),
        )


def _delete(path: str) -> None:
    session.backend().delete(path)
    st.query_params.clear()


def _kept(group: Mapping[str, Any]) -> str:
    """Why it is not deleted here, if so."""
    if group.get("onPremisesSyncEnabled") or group.get("isAssignableToRole"):
        return why_not(group)[1]
    return ""
