"""Who gets in, and how far."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import logging
import re
import threading
import time
import uuid

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.routing import APIRoute, iter_route_contexts
from iam_platform.backend import Settings, create_app
from iam_platform.backend.logs import JsonFormatter, redacted
from iam_platform.backend.security import ROLES, ROUTES, Anyone, Permission
from serving import MEI, token

TENANT = "11111111-2222-4333-8444-555555555555"
API = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

# Role by role, written down by hand: whoever changes the table changes this too.
ALLOWED = {
    "IAM.Admin": {str(one) for one in Permission},
    "IAM.Operator": {
        "hr.write", "hr.upload", "hr.plan", "jobs.read", "people.read", "graph.read", "graph.help", "graph.write",
        "arm.read", "admin.read", "admin.decide", "metrics", "drafts",
    },
    "IAM.Helpdesk": {"jobs.read", "people.read", "graph.read", "graph.help", "drafts"},
    "IAM.Auditor": {
        "jobs.read", "people.read", "graph.read", "arm.read", "admin.read", "metrics", "audit.read", "drafts",
    },
    "IAM.Provisioner": {"scim", "hr.write", "jobs.read", "drafts"},
}  # fmt: skip
OPEN = {("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz")}
ANYONE = {("GET", "/me")}


def settings(tmp_path, **more):
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\n[tenant]\ndomain = "contoso.example"\n')
    return Settings(
        tenant_id=TENANT, client_id=API, client_secret="s", policy=policy, data_dir=tmp_path / "data",
        journal=f"sqlite:{tmp_path / 'iam.sqlite'}", **more,
    )  # fmt: skip


def test_the_roles_may_what_the_table_says_and_nothing_else():
    assert {role: {str(one) for one in granted} for role, granted in ROLES.items()} == ALLOWED


def test_every_route_is_in_the_table_and_only_three_are_open(tmp_path):
    app = create_app(settings(tmp_path))
    served = list(iter_route_contexts(app.routes))
    there = {(verb, one.path) for one in served if isinstance(one.original_route, APIRoute) for verb in one.methods}
    assert there == set(ROUTES)
    assert {route for route, permission in ROUTES.items() if permission is None} == OPEN
    assert {route for route, permission in ROUTES.items() if isinstance(permission, Anyone)} == ANYONE
    # What is no route of ours is the documentation.
    others = {one.path for one in served if not isinstance(one.original_route, APIRoute)}
    assert others <= {"/docs", "/docs/oauth2-redirect", "/openapi.json"}


def test_a_route_without_a_permission_is_never_served(tmp_path, monkeypatch):
    from iam_platform.backend import security

    fewer = {route: permission for route, permission in ROUTES.items() if route != ("GET", "/audit")}
    monkeypatch.setattr(security, "ROUTES", fewer)
    with pytest.raises(RuntimeError, match="/audit"):
        create_app(settings(tmp_path))


def path_of(template: str) -> str:
    path = template.replace("{path:path}", "Users")
    return re.sub(r"\{\w+\}", lambda _: "7", path)


def requests_of_all_routes():
    return sorted(route for route in ROUTES if route not in OPEN)


def test_no_route_answers_without_a_token(backend):
    with backend.client() as nobody:
        for verb, template in requests_of_all_routes():
            answer = nobody.request(verb, path_of(template), content=b"{not json")
            assert answer.status_code == 401, (verb, template, answer.status_code)
            assert answer.headers["www-authenticate"].startswith('Bearer realm="iam-platform"')


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_each_role_is_refused_where_the_table_does_not_name_it(backend, role):
    with backend.client(role) as caller:
        for verb, template in requests_of_all_routes():
            permission = str(ROUTES[(verb, template)])
            if permission in ALLOWED[role] or (verb, template) in ANYONE:
                continue
            answer = caller.request(verb, path_of(template), content=b"{not json")
            assert answer.status_code == 403, (verb, template, answer.status_code, answer.text)
            assert permission in answer.text


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_each_role_gets_in_where_the_table_names_it(backend, role):
    # A body that cannot be read shows that the door was passed, and changes nothing.
    with backend.client(role) as caller:
        for verb, template in requests_of_all_routes():
            if str(ROUTES[(verb, template)]) in ALLOWED[role] and verb in ("POST", "PATCH", "PUT"):
                answer = caller.request(
                    verb, path_of(template), content=b"{not json", headers={"Content-Type": "application/json"}
                )
                assert answer.status_code not in (401, 403), (verb, template, answer.text)


def test_a_token_without_roles_or_with_strange_ones_opens_nothing(backend):
    for roles in ([], ["iam.admin"], ["IAM.Admin "], ["Admin"]):
        body = {"audience": backend.sandbox["IAM_CLIENT_ID"], "roles": roles}
        made = httpx.post(f"{backend.sandbox['SANDBOX_AUTHORITY']}/_sandbox/tokens", json=body).json()["access_token"]
        answer = httpx.get(f"{backend.url}/people", headers={"Authorization": f"Bearer {made}"}, timeout=30)
        assert answer.status_code == 403, roles


def test_a_token_for_graph_is_no_token_for_us(backend):
    other = token(backend.sandbox, "IAM.Admin", audience="https://graph.microsoft.com")
    answer = httpx.get(f"{backend.url}/people", headers={"Authorization": f"Bearer {other}"}, timeout=30)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


class Authority:
    """An identity platform with a key of its own, which counts how often it is asked for keys."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "key-1"
        self.asked = 0
        outer = self

        class Pages(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                base = outer.url
                if self.path.endswith("/.well-known/openid-configuration"):
                    body = {
                        "issuer": f"{base}/{TENANT}/v2.0",
                        "jwks_uri": f"{base}/{TENANT}/discovery/v2.0/keys",
                        "authorization_endpoint": f"{base}/a",
                        "token_endpoint": f"{base}/t",
                    }
                else:
                    outer.asked += 1
                    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(outer.key.public_key()))
                    body = {"keys": [own | {"kid": outer.kid, "use": "sig", "issuer": f"{base}/{TENANT}/v2.0"}]}
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def claims(self, **more):
        now = int(time.time())
        whole = {
            "aud": API, "iss": f"{self.url}/{TENANT}/v2.0", "tid": TENANT, "ver": "2.0", "iat": now, "nbf": now,
            "exp": now + 3600, "oid": str(uuid.uuid4()), "sub": "s", "azp": API, "azpacr": "1", "idtyp": "app",
            "roles": ["IAM.Admin"], "uti": str(uuid.uuid4()),
        }  # fmt: skip
        return {name: value for name, value in (whole | more).items() if value is not None}

    def sign(self, key=None, kid=None, algorithm="RS256", **claims):
        return jwt.encode(self.claims(**claims), key or self.key, algorithm=algorithm, headers={"kid": kid or self.kid})

    def public_pem(self):
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, kind)


def b64(data):
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def authority():
    made = Authority()
    with pytest.MonkeyPatch.context() as patch:
        # Whoever names another authority names another Graph, too.
        patch.setenv("IAM_GRAPH_URL", f"{made.url}/v1.0")
        yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def door(authority, tmp_path_factory):
    """The application behind that authority; its parts are never opened, since nothing gets in so far."""
    app = create_app(settings(tmp_path_factory.mktemp("door"), authority=authority.url))

    async def ask(bearer):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/metrics", headers={"Authorization": f"Bearer {bearer}"})

    return ask


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_a_good_token_gets_in(door, authority):
    assert (await door(authority.sign())).status_code == 200
    assert (await door(authority.sign(aud=f"api://{API}"))).status_code == 200


def forged(authority):
    now = int(time.time())
    yield "alg none", f"{b64({'alg': 'none', 'typ': 'JWT'})}.{b64(authority.claims())}."
    head, body = b64({"alg": "HS256", "typ": "JWT", "kid": authority.kid}), b64(authority.claims())
    mac = hmac.new(authority.public_pem(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    yield "HS256 with the public key", f"{head}.{body}.{b64(mac)}"
    yield "PS256", authority.sign(algorithm="PS256")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    yield "somebody else's signature", authority.sign(key=stranger)
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    yield "a key in the header", jwt.encode(authority.claims(), stranger, "RS256", {"kid": authority.kid, "jwk": own})
    yield "unknown key", authority.sign(key=stranger, kid="no-such-key")
    yield "wrong audience", authority.sign(aud="00000003-0000-0000-c000-000000000000")
    yield "two audiences", authority.sign(aud=[API, "other"])
    yield "wrong issuer", authority.sign(iss=f"https://evil.example/{TENANT}/v2.0")
    other = "99999999-2222-4333-8444-555555555555"
    yield "wrong tenant", authority.sign(tid=other)
    yield "wrong tenant and issuer", authority.sign(tid=other, iss=f"{authority.url}/{other}/v2.0")
    yield "expired", authority.sign(iat=now - 7200, nbf=now - 7200, exp=now - 3600)
    yield "not yet valid", authority.sign(nbf=now + 3600, iat=now + 3600, exp=now + 7200)
    yield "without an end", authority.sign(exp=None)
    yield "without a tenant", authority.sign(tid=None)
    good = authority.sign()
    yield (
        "changed claims",
        ".".join([good.split(".")[0], b64(authority.claims(roles=["IAM.Admin", "x"])), good.split(".")[2]]),
    )
    yield "cut off", good[:-10]
    yield "no token at all", "x"
    yield "much too long", "e" * 100_000


@pytest.mark.anyio
async def test_forged_tokens_are_refused_alike_and_without_a_word_why(door, authority):
    details = set()
    for name, bad in forged(authority):
        answer = await door(bad)
        assert answer.status_code == 401, f"{name}: {answer.status_code} {answer.text}"
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        details.add(answer.json()["detail"])
    assert details <= {"the token is not good here", "the token is too long"}


@pytest.mark.anyio
async def test_a_good_token_without_the_role_is_403(door, authority):
    for roles in ([], ["IAM.Helpdesk"], None):
        assert (await door(authority.sign(roles=roles))).status_code == 403


@pytest.mark.anyio
async def test_a_flood_of_unknown_keys_asks_the_authority_once(door, authority):
    await door(authority.sign())
    before = authority.asked
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for number in range(50):
        assert (await door(authority.sign(key=stranger, kid=f"key-{number}-{uuid.uuid4()}"))).status_code == 401
    assert authority.asked - before <= 1


@pytest.mark.anyio
async def test_who_asks_too_often_is_told_when_to_come_back_and_nobody_else_is(authority, tmp_path):
    app = create_app(settings(tmp_path, authority=authority.url, rate=0.01, rate_burst=3))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        one, other = ({"Authorization": f"Bearer {authority.sign()}"} for _ in range(2))
        assert [(await client.get("/metrics", headers=one)).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = await client.get("/metrics", headers=one)
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/metrics", headers=other)).status_code == 200


@pytest.mark.anyio
async def test_a_request_that_takes_too_long_is_given_up(authority, tmp_path):
    class Slow:
        async def validate(self, _):
            await anyio.sleep(30)

    app = create_app(settings(tmp_path, authority=authority.url, request_timeout=0.2), validator=Slow())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.get("/metrics", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/problem+json")


def test_answers_are_careful_with_browsers_and_allow_no_other_origin(backend, operator):
    answer = operator.get("/people", headers={"Origin": "https://evil.example"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "set-cookie" not in answer.headers
    asked = operator.options(
        "/hr/new-hire", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert "access-control-allow-origin" not in asked.headers


def test_refusals_have_the_shape_that_clients_of_the_path_know(backend, operator):
    problem = operator.get("/people/nobody")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 404
    assert problem.json()["request_id"] == problem.headers["x-request-id"]
    graph = operator.get("/graph/users/nobody@contoso.example")
    assert graph.status_code == 404
    assert graph.json()["error"]["code"] == "Request_ResourceNotFound"
    with backend.client() as nobody:
        assert "code" in nobody.get("/graph/users").json()["error"]
        assert "code" in nobody.get("/arm/subscriptions").json()["error"]
        scim = nobody.get("/scim/v2/Users")
        assert scim.headers["content-type"] == "application/scim+json"
        assert scim.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert nobody.get("/no/such/route").headers["content-type"] == "application/problem+json"


def test_a_request_keeps_its_id_where_it_is_one(operator):
    assert operator.get("/", headers={"X-Request-Id": "order-4711-a"}).headers["x-request-id"] == "order-4711-a"
    made = operator.get("/", headers={"X-Request-Id": 'a b"; drop'}).headers["x-request-id"]
    assert uuid.UUID(made)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(backend, operator):
    answer = operator.post(
        "/hr/new-hire", content=b"x" * (1 << 20) + b"x", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"

    def without_end():
        for _ in range(64):
            yield b"x" * 65536

    with contextlib.suppress(httpx.TransportError):
        endless = operator.post("/hr/new-hire", content=without_end(), headers={"Content-Type": "application/json"})
        assert endless.status_code == 413


def test_the_log_names_nobody_and_holds_no_secret(backend, operator):
    operator.post("/hr/new-hire", json={**MEI, "employeeId": "W-4242", "firstName": "Zebedee", "lastName": "Quux"})
    operator.get("/people/W-4242")
    operator.get("/people", params={"search": "Quux"})
    with backend.client() as nobody:
        nobody.get("/people", headers={"Authorization": "Bearer eyJabc.def.ghi"})
    time.sleep(0.5)
    text = backend.log.read_text()
    assert "/people/{person}" in text
    for secret in (
        backend.sandbox["IAM_CLIENT_SECRET"], operator.headers["Authorization"].split()[1], "eyJabc", "Zebedee", "Quux",
        "W-4242", backend.env["IAM_WEBHOOK_SECRET"],
    ):  # fmt: skip
        assert secret not in text


def test_what_looks_like_a_secret_is_struck_out_of_every_line():
    said = 'Authorization: Bearer abc.def postgres://iam:hunter2@db/x client_secret=s3cr3t&x=1 {"password": "pw"}'
    for secret in ("abc.def", "hunter2", "s3cr3t", '"pw"'):
        assert secret not in redacted(said)
    record = logging.makeLogRecord({"msg": "token %s", "args": ("eyJh.eyJi.c2ln",), "levelname": "INFO", "name": "n"})
    assert "eyJh" not in JsonFormatter().format(record)


def test_secrets_come_from_files_too(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    for name, value in {"TENANT_ID": TENANT, "CLIENT_ID": API, "CLIENT_SECRET_FILE": str(secret)}.items():
        monkeypatch.setenv(f"IAM_{name}", value)
    monkeypatch.delenv("IAM_CLIENT_SECRET", raising=False)
    read = Settings()
    assert read.client_secret.get_secret_value() == "from a file"
    assert "from a file" not in repr(read)
