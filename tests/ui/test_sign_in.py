"""Signing in and out of the portal, and each refusal."""

from __future__ import annotations

import secrets
import uuid

import httpx
import pytest
from playwright.sync_api import expect
from portal import at, settled


def test_a_deep_link_leads_to_sign_in_and_back_to_where_it_pointed(world, browse):
    page = browse(world)
    at(page, f"{world.url}/people?search=nobody")
    world.sign_in(page)
    page.wait_for_url("**/people?search=nobody")
    expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()


def test_signing_out_ends_the_session_here_and_at_entra(world, browse):
    page = browse(world)
    at(page, world.url)
    world.sign_in(page)
    settled(page)
    assert any(cookie["name"].startswith("_streamlit_user") for cookie in page.context.cookies())
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with Microsoft Entra ID").wait_for()
    assert not any(cookie["name"].startswith("_streamlit_user") for cookie in page.context.cookies())
    # Entra's own session has ended, too: it asks for the password anew.
    page.get_by_role("button", name="Sign in with Microsoft Entra ID").click()
    page.locator("input[name=username]").wait_for()
    page.locator("input[name=username]").fill("portal.admin@contoso.example")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=password]")).to_be_visible()
    asked = [one["path"] for one in httpx.get(f"{world.env['SANDBOX_AUTHORITY']}/_sandbox/log").json()["log"]]
    assert any(path.endswith("/oauth2/v2.0/logout") for path in asked)


def test_a_wrong_password_is_refused_by_entra_and_the_right_one_taken(world, browse):
    page = browse(world)
    at(page, world.url)
    page.get_by_role("button", name="Sign in with Microsoft Entra ID").click()
    page.locator("input[name=username]").fill("portal.operator@contoso.example")
    page.keyboard.press("Enter")
    page.locator("input[name=password]").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("password")
    page.locator("input[name=password]").fill(world.env["SANDBOX_USER_PASSWORD"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for(state="attached")


def test_a_blocked_user_is_not_let_in(world, browse):
    page = browse(world)
    at(page, world.url)
    page.get_by_role("button", name="Sign in with Microsoft Entra ID").click()
    page.locator("input[name=username]").fill("portal.blocked@contoso.example")
    page.keyboard.press("Enter")
    page.locator("input[name=password]").fill(world.env["SANDBOX_USER_PASSWORD"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("AADSTS50057")
    at(page, world.url)
    expect(page.get_by_role("button", name="Sign in with Microsoft Entra ID")).to_be_visible()


def test_somebody_without_a_role_is_told_whom_to_ask(world, browse):
    page = browse(world)
    at(page, world.url)
    world.sign_in(page, "portal.nobody@contoso.example")
    expect(page.get_by_text("none of your roles opens anything here")).to_be_visible()
    expect(page.get_by_role("link", name="People")).to_have_count(0)


@pytest.mark.parametrize(
    ("error", "said"),
    [("access_denied", "the sign-in was cancelled"), ("consent_required", "must consent"), ("odd_thing", "odd_thing")],
)
def test_what_entra_refuses_is_said(world, browse, error, said):
    page = browse(world)
    page.goto(f"{world.url}/oauth2callback?error={error}&error_description=x&state=nobody-knows")
    settled(page)
    expect(page.get_by_text("You are not signed in.")).to_be_visible()
    expect(page.get_by_text(said)).to_be_visible()


def test_nothing_secret_is_in_the_page_the_address_or_the_log(world, browse):
    page = browse(world, role="Admin")
    at(page, world.url)
    (token,) = {
        part
        for cookie in page.context.cookies()
        if cookie["name"] == "_streamlit_user_tokens"
        for part in [cookie["value"]]
    }
    assert token
    assert all(cookie["httpOnly"] for cookie in page.context.cookies() if "user" in cookie["name"])
    content = page.content()
    for log in (content, page.url, world.log.read_text(), world.backend.log.read_text()):
        assert "eyJ" not in log
        assert world.env["SANDBOX_UI_CLIENT_SECRET"] not in log
        assert world.env["SANDBOX_USER_PASSWORD"] not in log


def test_somebody_with_very_many_roles_gets_the_portal(own_world, browse):
    """Cookies with the tokens pass 8 KiB: more than the WebSocket library takes in one line by itself."""
    world = own_world()
    graph = httpx.Client(
        base_url=f"{world.env['SANDBOX_GRAPH']}/",
        headers={"Authorization": f"Bearer {_graph_token(world.env)}"},
    )
    app_id = world.env["SANDBOX_API_AUDIENCE"].removeprefix("api://")
    (api,) = graph.get("servicePrincipals", params={"$filter": f"appId eq '{app_id}'"}).json()["value"]
    (app,) = graph.get("applications", params={"$filter": f"appId eq '{app_id}'"}).json()["value"]
    more = [
        {
            "id": str(uuid.uuid4()),
            "value": f"Reports.{secrets.token_hex(45)}",
            "displayName": f"Reports {number}",
            "description": "reads a report",
            "allowedMemberTypes": ["User"],
            "isEnabled": True,
        }
        for number in range(70)
    ]
    answer = graph.patch(f"applications/{app['id']}", json={"appRoles": app["appRoles"] + more})
    assert answer.status_code == 204, answer.text
    user = world.user("portal.admin@contoso.example")["id"]
    for role in more:
        grant = {"principalId": user, "resourceId": api["id"], "appRoleId": role["id"]}
        answer = graph.post(f"servicePrincipals/{api['id']}/appRoleAssignedTo", json=grant)
        assert answer.status_code == 201, answer.text
    page = browse(world)
    at(page, world.url)
    world.sign_in(page)
    size = sum(len(cookie["name"]) + len(cookie["value"]) for cookie in page.context.cookies(world.url))
    assert size > 8192, size
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Reports.")).to_have_count(0)


def _graph_token(env):
    body = {
        "audience": "https://graph.microsoft.com",
        "roles": ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"],
    }
    return httpx.post(f"{env['SANDBOX_AUTHORITY']}/_sandbox/tokens", json=body).json()["access_token"]


def test_a_link_that_leads_elsewhere_is_not_followed_after_sign_in(world, browse):
    page = browse(world)
    page.context.add_cookies([{"name": "iam_wanted", "value": "//evil.example/x", "url": world.url}])
    page.goto(world.url)
    settled(page)
    world.sign_in(page)
    assert page.url.startswith(world.url)
    assert not [trouble for trouble in page.troubles if "evil" in trouble]
