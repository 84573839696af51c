"""One account: where it stands, what it holds, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part

from . import deeds, first_aid, listing
from .deeds import Deed

if TYPE_CHECKING:
    from collections.abc import Mapping

_SELECT = (
    "id,displayName,userPrincipalName,mail,accountEnabled,department,jobTitle,employeeId,usageLocation,userType,"
    "createdDateTime,signInSessionsValidFromDateTime,lastPasswordChangeDateTime,onPremisesSyncEnabled"
)


def draw(user_id: str) -> None:
    """Draws the account with this object id or sign-in name."""
    listing.back("users", "All users")
    with st.spinner("Reading…"):
        user = session.backend().get(f"/graph/users/{part(user_id)}", select=_SELECT)
    st.header(show.text(user["displayName"]), anchor=False)
    _state(user)
    first_aid.draw(user)
    _licences(user)
    _groups(user)


def _state(user: Mapping[str, Any]) -> None:
    job = " · ".join(filter(None, (user.get("department"), user.get("jobTitle"))))
    show.facts(
        {
            "Sign-in": "✔ allowed" if user.get("accountEnabled") else "✖ blocked",
            "Sign-in name": user.get("userPrincipalName"),
            "Mail": user.get("mail"),
            "Worker id": _person(user.get("employeeId")),
            "Department and job": job,
            "Country of use": user.get("usageLocation"),
            "Kept in": "Active Directory (synchronised)" if user.get("onPremisesSyncEnabled") else "Entra ID",
            "Made": show.instant(user.get("createdDateTime")),
            "Password changed": show.instant(user.get("lastPasswordChangeDateTime")),
            "Sessions count from": show.instant(user.get("signInSessionsValidFromDateTime")),
            "Object id": user.get("id"),
        },
        caption="The account",
    )


def _person(worker: str | None) -> object:
    if worker and session.viewer().may("people.read"):
        return listing.to("people", worker, person=worker)
    return worker


def _licences(user: Mapping[str, Any]) -> None:
    st.subheader("Licences", anchor=False)
    backend, path = session.backend(), f"/graph/users/{part(user['id'])}"
    held = backend.get(f"{path}/licenses")["value"]
    show.table(held, {"skuPartNumber": "Licence", "skuId": "Id"}, caption="Licences held", empty="No licence is held.")
    who, name = session.viewer(), show.text(user["displayName"])
    if not who.may("graph.write"):
        return
    mine = {one["skuId"] for one in held}
    left = {
        str(one["skuPartNumber"]): one["prepaidUnits"]["enabled"] - one["consumedUnits"]
        for one in backend.get("/graph/licenses")["value"]
        if one["skuId"] not in mine
    }
    give, take = st.columns(2, vertical_alignment="bottom")
    with give:
        sku = listing.one_of(
            "Licence to give", {name: f"{name} ({seats} left)" for name, seats in left.items()}, "give-sku"
        )
        why_not = "Every licence is held already." if sku is None else "No seat is left." if left[sku] < 1 else ""
        why_not = why_not or ("" if user.get("usageLocation") else "The account has no country of use.")
        deeds.offer(
            Deed(
                "Give licence",
                f"**{name}** gets {show.text(sku)}. What HR decides, the policy gives: this is for everything else.",
                lambda _said: backend.post(f"{path}/assign-license", {"license": sku}),
                f"{name} has {show.text(sku)}.",
            ),
            "give-licence",
            needs="graph.write",
            why_not=why_not,
        )
    with take:
        gone = listing.one_of(
            "Licence to take", {one["skuPartNumber"]: one["skuPartNumber"] for one in held}, "take-sku"
        )
        deeds.offer(
            Deed(
                "Take licence",
                f"**{name}** loses {show.text(gone)}, and the mail and files that hang on it after Microsoft's grace.",
                lambda _said: backend.post(f"{path}/remove-license", {"license": gone}),
                f"{name} has {show.text(gone)} no more.",
            ),
            "take-licence",
            needs="graph.write",
            why_not="" if gone else "No licence is held.",
        )


def _groups(user: Mapping[str, Any]) -> None:
    st.subheader("Groups and roles", anchor=False)
    path = f"/graph/users/{part(user['id'])}"
    answer = listing.read(f"{path}/groups", top=100)
    rows = []
    for one in answer["value"]:
        kind = str(one.get("@odata.type", "")).rpartition(".")[2]
        page = {"group": "groups", "directoryRole": "roles"}.get(kind)
        said = one.get("displayName")
        rows.append({"name": listing.to(page, said, id=one["id"]) if page else said, "kind": _KINDS.get(kind, kind)})
    show.table(
        rows,
        {"name": "Name", "kind": "Kind"},
        caption="Member of",
        empty="The account is in no group and holds no role.",
    )
    listing.onward(answer, "held")
    listing.download("Everything held (CSV)", f"{path}/access.csv", "access.csv", "access-export")


_KINDS = {"group": "group", "directoryRole": "directory role", "administrativeUnit": "administrative unit"}
