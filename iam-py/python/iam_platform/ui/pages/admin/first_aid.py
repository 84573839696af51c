"""First aid for an account: sign-out, a temporary access pass, a new password, blocked and let in again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from iam_platform.ui import session, show
from iam_platform.ui.backend import part

from . import deeds
from .deeds import Deed

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Minutes that a temporary access pass may be good for: the default policy of Entra lets 60 to 480.
_MINUTES = (60, 120, 240, 480)


def draw(user: Mapping[str, Any]) -> None:
    """Draws what the viewer may do."""
    who = session.viewer()
    if not who.may("graph.help"):
        return
    st.subheader("First aid", anchor=False)
    name, path = show.text(user["displayName"]), f"/graph/users/{part(user['id'])}"
    post = session.backend().post
    with st.container(horizontal=True):
        deeds.offer(
            Deed(
                "Force sign-out",
                f"Every session of **{name}** ends, on every device. They can sign in again at once.",
                lambda _said: post(f"{path}/sign-out"),
                f"{name} is signed out everywhere. It may take some minutes until every application has noticed.",
            ),
            "sign-out-user",
            needs="graph.help",
        )
        deeds.offer(
            Deed(
                "Temporary access pass",
                f"**{name}** gets a pass that stands in for password and second factor. "
                "Whoever knows it is let in: hand it over in person.",
                lambda said: post(f"{path}/temporary-access-pass", said.fields),
                f"This is the pass of {name}.",
                fields=_pass,
                secret=lambda answer: str(answer["temporaryAccessPass"]),
            ),
            "access-pass",
            needs="graph.help",
        )
        deeds.offer(
            Deed(
                "Reset password",
                f"**{name}** gets a new password and has to choose another one at the next sign-in.",
                lambda _said: post(f"{path}/reset-password"),
                f"This is the new password of {name}.",
                secret=lambda answer: str(answer["password"]),
            ),
            "reset-password",
            needs="graph.help",
            why_not="The password is kept in Active Directory: reset it there."
            if user.get("onPremisesSyncEnabled")
            else "",
        )
        if user.get("accountEnabled"):
            deeds.offer(
                Deed(
                    "Block sign-in",
                    f"**{name}** cannot sign in any more, and every session ends. What they hold stays. "
                    "Who leaves is dismissed by a termination instead.",
                    lambda _said: post(f"{path}/disable"),
                    f"{name} is blocked and signed out.",
                    typed=str(user["userPrincipalName"]),
                ),
                "block-user",
                needs="graph.help",
            )
        else:
            deeds.offer(
                Deed(
                    "Allow sign-in",
                    f"**{name}** can sign in again. Who has left is blocked again by the next run.",
                    lambda _said: post(f"{path}/enable"),
                    f"{name} can sign in.",
                ),
                "allow-user",
                needs="graph.write",
            )


def _pass() -> dict[str, Any]:
    return {
        "minutes": st.selectbox("Minutes for which it is good", _MINUTES, key="pass-minutes"),
        "once": st.checkbox("For one sign-in only", value=True, key="pass-once"),
    }
