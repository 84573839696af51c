"""A step as lines of a diff, for the command line and the web UI: sign, what changes, and to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Kinds of entitlement as people say them.
KINDS = {
    "group": "group",
    "license": "licence",
    "role": "role",
    "azure": "azure role",
    "app": "app",
    "package": "access package",
}

#: Steps that need no more than their name: sign, what, which.
_PLAIN = {
    "restore_account": ("+", "account", "restored from the deleted items"),
    "allow_sign_in": ("+", "sign-in", "allowed"),
    "block_sign_in": ("-", "sign-in", "blocked"),
    "revoke_sessions": ("-", "sessions", "revoked"),
    "reset_password": ("~", "password", "reset to a random one"),
    "set_automatic_reply": ("~", "mailbox", "answers by itself"),
    "end_automatic_reply": ("~", "mailbox", "answers by itself no more"),
    "issue_pass": ("+", "access pass", "for the first sign-in"),
    "withdraw_pass": ("-", "access pass", "withdrawn"),
    "end_forwarding": ("~", "mailbox", "forwards no more"),
    "delete_account": ("-", "account", "deleted, restorable for 30 days"),
}


@dataclass(frozen=True)
class Line:
    """One line of a diff.

    Attributes:
        sign: ``+`` given, ``-`` taken, ``~`` changed, ``@`` told to somebody.
        what: what it is about, for example ``"group"`` or ``"department"``.
        which: the thing or the change, for example ``"Sales"`` or ``"Sales → Finance"``.
        why: the reason.
        target: where, for example ``"graph"``.
        risk: ``"low"``, ``"elevated"`` or ``"high"``.
    """

    sign: str
    what: str
    which: str
    why: str
    target: str
    risk: str


def lines(step: Mapping[str, Any]) -> list[Line]:
    """The lines of a step in the form of ``Step.to_dict()``."""
    details: Mapping[str, Any] = step.get("details") or {}
    rows = _rows(str(step.get("kind", "")), details)
    told = (str(step.get("why", "")), str(step.get("target", "")), str(step.get("risk", "low")))
    return [Line(sign, what, which, *told) for sign, what, which in rows]


def _rows(kind: str, details: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    if kind in _PLAIN:
        return [_PLAIN[kind]]
    if kind in {"grant", "revoke"}:
        held = details["entitlement"]
        return [("+" if kind == "grant" else "-", KINDS.get(held["kind"], held["kind"]), str(held["name"]))]
    if kind == "create_account":
        values = " · ".join(str(value) for value in details.get("attributes", {}).values())
        return [("+", "account", str(details.get("name", ""))), ("+", "attributes", values)]
    if kind == "update_account":
        return [("~", name, _change(change)) for name, change in details.get("changes", {}).items()]
    if kind == "set_manager":
        return [("~", "manager", str(details.get("manager", "")))]
    if kind == "notify":
        return [("@", "notice", "to " + ", ".join(_recipient(to) for to in details.get("to", ())))]
    errands = {
        "share_drive": ("files", "shared with"),
        "unshare_drive": ("files", "shared no more with"),
        "hand_over_groups": ("owned groups", "handed over to"),
        "hand_over_sponsorships": ("sponsorships", "handed over to"),
        "forward_mail": ("mailbox", "forwards to"),
    }
    if kind in errands:
        what, verb = errands[kind]
        return [("~", what, f"{verb} {details.get('with') or details.get('with_account', '')}")]
    return [("~", kind, "")]


def _change(change: Mapping[str, Any]) -> str:
    return f"{change.get('before') or '(empty)'} → {change.get('after') or '(empty)'}"


def _recipient(to: object) -> str:
    if isinstance(to, dict):
        return " ".join(f"{name} {value}" for name, value in to.items())
    return str(to)
