"""Users sign in to the sandbox through msal, and through Authlib, which Streamlit takes."""

import pytest
import requests

from browser import Browser, parameters

AUDITOR = "portal.auditor@contoso.example"
BACK = "http://127.0.0.1:8601/oauth2callback"


def portal(tenant, cls=None, app=None, **more):
    import msal

    if cls is None:
        cls = msal.ConfidentialClientApplication
        more["client_credential"] = tenant["SANDBOX_UI_CLIENT_SECRET"]
    return cls(
        app or tenant["SANDBOX_UI_CLIENT_ID"],
        authority=f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}",
        instance_discovery=False,
        **more,
    )


def verified(tenant, token, audience):
    """The claims of a token, its signature checked by PyJWT with the published keys."""
    import jwt

    base = f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}"
    keys = jwt.PyJWKSet.from_dict(requests.get(f"{base}/discovery/v2.0/keys").json())
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in keys.keys if key.key_id == kid)
    return jwt.decode(
        token, key.key, ["RS256"], audience=audience, issuer=f"{base}/v2.0"
    )


def test_msal_completes_the_code_flow_and_renews_silently(tenant):
    client = portal(tenant)
    scopes = [tenant["SANDBOX_API_SCOPE"]]
    flow = client.initiate_auth_code_flow(scopes, redirect_uri=BACK)
    answer = Browser(tenant).sign_in(flow["auth_uri"], AUDITOR)
    got = client.acquire_token_by_auth_code_flow(flow, answer)
    assert "error" not in got, got
    assert got["id_token_claims"]["preferred_username"] == AUDITOR
    api = tenant["SANDBOX_API_AUDIENCE"].removeprefix("api://")
    claims = verified(tenant, got["access_token"], api)
    assert (claims["roles"], claims["scp"]) == (["IAM.Auditor"], "access_as_user")

    (account,) = client.get_accounts()
    assert account["username"] == AUDITOR
    assert account["home_account_id"] == f"{claims['oid']}.{claims['tid']}"
    kept = client.acquire_token_silent(scopes, account)
    assert kept["access_token"] == got["access_token"]
    renewed = client.acquire_token_silent(scopes, account, force_refresh=True)
    assert renewed["access_token"] != got["access_token"]
    assert verified(tenant, renewed["access_token"], api)["oid"] == claims["oid"]

    # Signed out everywhere, the refresh token is worth nothing.
    revoke = f"{tenant['SANDBOX_GRAPH']}/users/{claims['oid']}/revokeSignInSessions"
    minted = requests.post(f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/tokens").json()
    bearer = {"authorization": f"Bearer {minted['access_token']}"}
    assert requests.post(revoke, headers=bearer).ok
    refused = client.acquire_token_silent_with_error(
        scopes, account, force_refresh=True
    )
    assert (
        refused["error"] == "invalid_grant"
        and "AADSTS50173" in refused["error_description"]
    )


def test_msal_as_a_public_client_by_form_post_with_a_second_factor(tenant):
    import msal

    minted = requests.post(f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/tokens").json()
    bearer = {"authorization": f"Bearer {minted['access_token']}"}
    new = {
        "displayName": "Terminal",
        "publicClient": {"redirectUris": ["http://localhost"]},
    }
    made = requests.post(
        f"{tenant['SANDBOX_GRAPH']}/applications", json=new, headers=bearer
    ).json()
    app = {"appId": made["appId"]}
    assert requests.post(
        f"{tenant['SANDBOX_GRAPH']}/servicePrincipals", json=app, headers=bearer
    ).ok

    client = portal(tenant, msal.PublicClientApplication, made["appId"])
    flow = client.initiate_auth_code_flow(
        [tenant["SANDBOX_API_SCOPE"]],
        redirect_uri="http://localhost:40404",
        response_mode="form_post",
    )
    browser = Browser(tenant)
    admin = "portal.admin@contoso.example"
    answer = browser.sign_in(flow["auth_uri"], admin, tenant["SANDBOX_MFA_CODE"])
    got = client.acquire_token_by_auth_code_flow(flow, answer)
    assert "error" not in got, got
    api = tenant["SANDBOX_API_AUDIENCE"].removeprefix("api://")
    assert verified(tenant, got["access_token"], api)["roles"] == ["IAM.Admin"]

    # The same browser again: nobody is asked. A code that was used is refused.
    again = client.initiate_auth_code_flow(
        [tenant["SANDBOX_API_SCOPE"]],
        redirect_uri="http://localhost:40405",
        prompt="none",
    )
    answer = parameters(browser.open(again["auth_uri"]))
    assert "access_token" in client.acquire_token_by_auth_code_flow(again, answer)
    twice = client.acquire_token_by_auth_code_flow(again, answer)
    assert (twice["error"], twice["error_codes"]) == ("invalid_grant", [54005])


@pytest.mark.parametrize(
    ("user", "password", "number"),
    [
        ("who@contoso.example", None, "AADSTS50034"),
        (AUDITOR, "wrong", "AADSTS50126"),
        ("portal.blocked@contoso.example", None, "AADSTS50057"),
    ],
)
def test_refusals_stay_on_the_page(tenant, user, password, number):
    flow = portal(tenant).initiate_auth_code_flow([], redirect_uri=BACK)
    browser = Browser(tenant)
    page = browser.fill(browser.open(flow["auth_uri"]), username=user)
    if page.fields == ["password"]:
        page = browser.fill(page, password=password or tenant["SANDBOX_USER_PASSWORD"])
    assert number in page.alert, page.answer.text


def test_msal_is_told_why_nobody_came(tenant):
    client = portal(tenant)
    flow = client.initiate_auth_code_flow([], redirect_uri=BACK, prompt="none")
    answer = parameters(Browser(tenant).open(flow["auth_uri"]))
    got = client.acquire_token_by_auth_code_flow(flow, answer)
    assert (
        got["error"] == "login_required" and "AADSTS50058" in got["error_description"]
    )


def web_application(tenant):
    """What Streamlit does at sign-in: Authlib's client of the discovery document, in a Starlette application."""
    from authlib.integrations.starlette_client import OAuth, OAuthError
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    base = f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}/v2.0"
    oauth = OAuth()
    oauth.register(
        "entra",
        client_id=tenant["SANDBOX_UI_CLIENT_ID"],
        client_secret=tenant["SANDBOX_UI_CLIENT_SECRET"],
        server_metadata_url=f"{base}/.well-known/openid-configuration",
        client_kwargs={
            "scope": f"openid profile email {tenant['SANDBOX_API_SCOPE']}",
            "prompt": "select_account",
        },
    )

    async def login(request):
        return await oauth.entra.authorize_redirect(request, BACK)

    async def back(request):
        try:
            token = await oauth.entra.authorize_access_token(request)
        except OAuthError as error:
            return JSONResponse({"error": error.error, "why": error.description}, 401)
        return JSONResponse(token)

    async def logout(request):
        metadata = await oauth.entra.load_server_metadata()
        return JSONResponse(metadata["end_session_endpoint"])

    routes = [
        Route("/login", login),
        Route("/oauth2callback", back),
        Route("/logout", logout),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="x" * 32)]
    )


def test_authlib_signs_in_and_out(tenant):
    from starlette.testclient import TestClient

    site = TestClient(web_application(tenant), base_url="http://127.0.0.1:8601")
    url = site.get("/login", follow_redirects=False).headers["location"]
    browser = Browser(tenant)
    answer = browser.sign_in(url, AUDITOR)
    token = site.get("/oauth2callback", params=answer).json()
    assert token["userinfo"]["preferred_username"] == AUDITOR, token
    assert token["userinfo"]["roles"] == ["IAM.Auditor"]
    api = tenant["SANDBOX_API_AUDIENCE"].removeprefix("api://")
    assert verified(tenant, token["access_token"], api)["roles"] == ["IAM.Auditor"]

    # A second time the browser shows who is signed in.
    url = site.get("/login", follow_redirects=False).headers["location"]
    page = browser.open(url)
    assert "Pick an account" in page.answer.text and AUDITOR in page.answer.text
    place = browser.fill(page, account=token["userinfo"]["oid"])
    assert site.get("/oauth2callback", params=parameters(place)).status_code == 200

    end = site.get("/logout").json()
    place = browser.open(f"{end}?post_logout_redirect_uri=http://127.0.0.1:8601")
    assert place == "http://127.0.0.1:8601/"
    url = site.get("/login", follow_redirects=False).headers["location"]
    assert browser.open(url).fields == ["username"]


def test_authlib_hears_of_a_refusal(tenant):
    from starlette.testclient import TestClient

    site = TestClient(web_application(tenant), base_url="http://127.0.0.1:8601")
    url = site.get("/login", follow_redirects=False).headers["location"]
    browser = Browser(tenant)
    place = browser.fill(browser.open(url), cancel="1")
    refused = site.get("/oauth2callback", params=parameters(place))
    assert (refused.status_code, refused.json()["error"]) == (401, "access_denied")
    # An answer to somebody else's question is not taken.
    other = TestClient(web_application(tenant), base_url="http://127.0.0.1:8601")
    answer = browser.sign_in(url, AUDITOR)
    assert other.get("/oauth2callback", params=answer).status_code == 401


def certificate():
    """A key and a certificate of its own, as PEM and in base64."""
    import base64
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daemon")])
    today = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + made.public_bytes(serialization.Encoding.PEM)
    return pem, base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def test_azure_identity_signs_in_with_a_certificate(tenant):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CertificateCredential

    pem, public = certificate()
    minted = requests.post(f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/tokens").json()
    bearer = {"authorization": f"Bearer {minted['access_token']}"}
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": public}
    new = {"displayName": "Daemon", "keyCredentials": [key]}
    made = requests.post(
        f"{tenant['SANDBOX_GRAPH']}/applications", json=new, headers=bearer
    ).json()
    app = {"appId": made["appId"]}
    assert requests.post(
        f"{tenant['SANDBOX_GRAPH']}/servicePrincipals", json=app, headers=bearer
    ).ok

    def credential(pem):
        return CertificateCredential(
            tenant["SANDBOX_TENANT"],
            made["appId"],
            certificate_data=pem,
            authority=tenant["SANDBOX_AUTHORITY"],
            disable_instance_discovery=True,
        )

    scope = f"{tenant['SANDBOX_API_AUDIENCE']}/.default"
    token = credential(pem).get_token(scope).token
    api = tenant["SANDBOX_API_AUDIENCE"].removeprefix("api://")
    assert verified(tenant, token, api)["azp"] == made["appId"]
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        credential(certificate()[0]).get_token(scope)
