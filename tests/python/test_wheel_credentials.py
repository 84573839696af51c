"""Who the clients are: settings, the environment, and credentials of azure-identity's kind."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

import iam_platform
from iam_platform import ClientSecretCredential
from iam_platform.errors import InvalidError, UnauthenticatedError, UnavailableError


def application(sandbox):
    return ClientSecretCredential(sandbox.tenant_id, sandbox.client_id, sandbox.client_secret)


def where(sandbox):
    return {"authority": sandbox.authority, "graph_url": sandbox.graph_url}


class Giver:
    """A credential as azure-identity's are, that notes how it was called."""

    def __init__(self, sandbox, seconds=3600):
        self.sandbox, self.seconds = sandbox, seconds
        self.scopes, self.options, self.threads, self.loops = [], [], [], []

    def get_token(self, *scopes, **options):
        self.scopes.append(scopes)
        self.options.append(options)
        self.threads.append(threading.current_thread())
        return SimpleNamespace(token=self.sandbox.token(), expires_on=int(time.time()) + self.seconds)


class AsyncGiver(Giver):
    async def get_token(self, *scopes, **options):
        self.loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return super().get_token(*scopes, **options)


class Later(Giver):
    """Returns an awaitable that is no coroutine."""

    def get_token(self, *scopes, **options):
        token = super().get_token(*scopes, **options)

        class Awaitable:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return token

        return Awaitable()


def test_an_application_signs_in(twin, iam_sandbox):
    client = twin.made(iam_platform, "GraphClient", application(iam_sandbox), **where(iam_sandbox))
    assert twin.do(client.organization)["id"] == iam_sandbox.tenant_id
    arm = twin.made(
        iam_platform, "ArmClient", application(iam_sandbox), arm_url=iam_sandbox.arm_url, **where(iam_sandbox)
    )
    assert twin.all(arm.subscriptions())


def test_everything_comes_from_the_environment(twin, iam_sandbox_env):
    assert twin.do(twin.made(iam_platform, "GraphClient").organization)["id"] == iam_sandbox_env.tenant_id
    assert twin.all(twin.made(iam_platform, "ArmClient").subscriptions())
    assert twin.all(twin.made(iam_platform, "ScimClient").groups())
    credential = ClientSecretCredential.from_env()
    assert (credential.tenant_id, credential.client_id) == (iam_sandbox_env.tenant_id, iam_sandbox_env.client_id)
    assert iam_sandbox_env.client_secret not in repr(credential)


def test_azure_names_count_and_what_is_missing_is_named(iam_sandbox_env, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", iam_sandbox_env.client_secret)
    monkeypatch.delenv("IAM_CLIENT_SECRET")
    assert iam_platform.GraphClient().organization()["id"] == iam_sandbox_env.tenant_id
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    with pytest.raises(InvalidError, match="IAM_CLIENT_SECRET"):
        iam_platform.GraphClient()
    monkeypatch.delenv("IAM_SCIM_URL")
    with pytest.raises(InvalidError, match="IAM_SCIM_URL"):
        iam_platform.ScimClient()


def test_arguments_go_before_the_environment(iam_sandbox_env, monkeypatch):
    right = where(iam_sandbox_env)
    monkeypatch.setenv("IAM_AUTHORITY", "http://127.0.0.1:9")
    monkeypatch.setenv("IAM_GRAPH_URL", "http://127.0.0.1:9")
    assert iam_platform.GraphClient(**right).organization()
    assert repr(iam_platform.GraphClient(cloud="us_government")) == "<GraphClient of https://graph.microsoft.us/v1.0>"
    for wrong, named in (
        ({"cloud": "mars"}, "mars"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"ca_bundle": "/nowhere.pem"}, "nowhere"),
        ({"limits": "many"}, "limits"),
        ({"graph_url": "http://graph.example"}, "Graph"),
    ):
        with pytest.raises(InvalidError, match=named):
            iam_platform.GraphClient(**wrong)


def test_https_with_a_certificate_of_its_own():
    with iam_platform.Sandbox(tls=True) as sandbox:
        assert sandbox.authority.startswith("https://")
        credential = application(sandbox)
        client = iam_platform.GraphClient(credential, ca_bundle=sandbox.ca_bundle, **where(sandbox))
        assert client.organization()["id"] == sandbox.tenant_id
        with pytest.raises(UnavailableError):
            iam_platform.GraphClient(credential, **where(sandbox)).organization()
        assert sandbox.graph().organization()["id"] == sandbox.tenant_id


@pytest.mark.parametrize("kind", [Giver, AsyncGiver, Later])
def test_any_credential_with_get_token(twin, iam_sandbox, kind):
    giver = kind(iam_sandbox)
    client = twin.made(iam_platform, "GraphClient", giver, **where(iam_sandbox))
    for _ in range(3):
        assert twin.do(client.organization)["id"] == iam_sandbox.tenant_id
    assert giver.scopes == [("https://graph.microsoft.com/.default",)], "asked once, then kept"
    assert giver.options == [{}]


def test_a_blocking_credential_blocks_no_event_loop(iam_sandbox):
    giver = Giver(iam_sandbox)

    async def story():
        await iam_platform.AsyncGraphClient(giver, **where(iam_sandbox)).organization()

    asyncio.run(story())
    assert giver.threads[0] is not threading.main_thread()


def test_an_async_credential_runs_on_the_callers_loop(iam_sandbox):
    giver = AsyncGiver(iam_sandbox)

    async def story():
        await iam_platform.AsyncGraphClient(giver, **where(iam_sandbox)).organization()
        assert giver.loops == [asyncio.get_running_loop()]

    asyncio.run(story())


def test_an_async_credential_does_not_need_the_callers_loop(iam_sandbox):
    giver = AsyncGiver(iam_sandbox)
    client = iam_platform.GraphClient(giver, **where(iam_sandbox))

    async def story():
        # The loop of this thread waits, so the token has to come from another.
        assert client.organization()["id"] == iam_sandbox.tenant_id
        assert giver.loops[0] is not asyncio.get_running_loop()

    asyncio.run(story())


def test_microsofts_own_credentials(twin, iam_sandbox):
    identity = pytest.importorskip("azure.identity")
    with iam_platform.Sandbox(tls=True) as sandbox:
        # Microsoft's clients take https only.
        how = {
            "authority": sandbox.authority,
            "disable_instance_discovery": True,
            "connection_verify": sandbox.ca_bundle,
        }
        credential = identity.ClientSecretCredential(sandbox.tenant_id, sandbox.client_id, sandbox.client_secret, **how)
        client = twin.made(iam_platform, "GraphClient", credential, ca_bundle=sandbox.ca_bundle, **where(sandbox))
        assert twin.do(client.organization)["id"] == sandbox.tenant_id
        wrong = identity.ClientSecretCredential(sandbox.tenant_id, sandbox.client_id, "wrong", **how)
        client = twin.made(iam_platform, "GraphClient", wrong, ca_bundle=sandbox.ca_bundle, **where(sandbox))
        with pytest.raises(UnauthenticatedError) as raised:
            twin.do(client.organization)
        assert type(raised.value.__cause__).__name__ == "ClientAuthenticationError"


def test_the_credential_serves_others_too(iam_sandbox_env):
    credential = application(iam_sandbox_env)
    scope = "https://graph.microsoft.com/.default"
    token = credential.get_token(scope, enable_cae=True)
    assert token.expires_on > time.time() + 60
    assert token.refresh_on is None or token.refresh_on < token.expires_on
    assert token.token not in repr(token)
    asked = iam_sandbox_env.requests
    assert credential.get_token(scope).token == token.token
    assert iam_sandbox_env.requests == asked, "it is kept"
    # As any credential with get_token.
    client = iam_platform.GraphClient(SimpleNamespace(get_token=credential.get_token), **where(iam_sandbox_env))
    assert client.organization()["id"] == iam_sandbox_env.tenant_id
    for scopes in ((), (scope, scope)):
        with pytest.raises(InvalidError, match="one scope"):
            credential.get_token(*scopes)


def test_a_refused_token_is_asked_for_anew(iam_sandbox):
    giver = Giver(iam_sandbox)
    client = iam_platform.GraphClient(giver, **where(iam_sandbox))
    client.organization()
    iam_sandbox.revoke_tokens()
    client.organization()
    assert len(giver.scopes) == 2


def test_what_a_credential_raises_is_the_cause(twin, iam_sandbox):
    class Broken(Exception):
        pass

    class Credential:
        def get_token(self, *scopes, **options):
            raise Broken("locked")

    client = twin.made(iam_platform, "GraphClient", Credential(), **where(iam_sandbox))
    with pytest.raises(UnauthenticatedError) as raised:
        twin.do(client.organization)
    assert isinstance(raised.value.__cause__, Broken)

    class Away:
        def get_token(self, *scopes, **options):
            raise ConnectionError("no network")

    client = twin.made(iam_platform, "GraphClient", Away(), **where(iam_sandbox))
    with pytest.raises(UnavailableError):
        twin.do(client.organization)


def test_what_is_no_credential(iam_sandbox):
    for wrong in (object(), "token", 7):
        with pytest.raises(TypeError, match="get_token"):
            iam_platform.GraphClient(wrong, **where(iam_sandbox))
    with pytest.raises(UnauthenticatedError):
        wrong = ClientSecretCredential(iam_sandbox.tenant_id, iam_sandbox.client_id, "wrong")
        iam_platform.GraphClient(wrong, **where(iam_sandbox)).organization()


def test_a_scim_client_with_a_credential(iam_sandbox):
    class Scim(Giver):
        def get_token(self, *scopes, **options):
            super().get_token(*scopes, **options)
            return SimpleNamespace(token=self.sandbox.scim_token, expires_on=int(time.time()) + 3600)

    giver = Scim(iam_sandbox)
    client = iam_platform.ScimClient(iam_sandbox.scim_url, credential=giver, scope="api://ticketing/.default")
    assert client.groups().all()
    assert giver.scopes == [("api://ticketing/.default",)]
    with pytest.raises(InvalidError, match="scope"):
        iam_platform.ScimClient(iam_sandbox.scim_url, credential=giver)
    with pytest.raises(InvalidError, match="both"):
        iam_platform.ScimClient(iam_sandbox.scim_url, "token", giver)
