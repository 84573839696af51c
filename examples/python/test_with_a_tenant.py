"""Tests code of your own against a tenant: `pytest examples/python/test_with_a_tenant.py`.

The fixtures come with the wheel. Nothing is started unless a test asks for it.
"""

from __future__ import annotations

from iam_platform import GraphClient, Sandbox


def block(graph: GraphClient, name: str) -> None:
    """The code under test."""
    graph.disable_user(name)
    graph.revoke_sessions(name)


def test_a_blocked_user_is_blocked(iam_sandbox_env: Sandbox) -> None:
    block(GraphClient(), "camila.rocha@contoso.example")
    users = iam_sandbox_env.state()["users"]
    camila = next(user for user in users if user["userPrincipalName"] == "camila.rocha@contoso.example")
    assert camila["accountEnabled"] is False
