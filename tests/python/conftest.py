"""A sandbox for all tests, and Microsoft's clients pointed at it.

IAM_SANDBOX names another program than target/debug/iam-sandbox.
"""

import asyncio
import os
import pathlib
import subprocess
import time

import pytest
from backend_fixtures import admin, backend, operator, sandbox_env  # noqa: F401  fixtures
from engines import Async, Sync, Tenant, clean_environment
from twin import Twin

PROGRAM = os.environ.get(
    "IAM_SANDBOX",
    str(pathlib.Path(__file__).parents[2] / "target" / "debug" / "iam-sandbox"),
)


def pytest_configure(config):
    # Warnings of the generated code about itself.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:msgraph.*")


@pytest.fixture(scope="session")
def tenant(tmp_path_factory):
    """The variables of a running sandbox."""
    file = tmp_path_factory.mktemp("sandbox") / "env"
    process = subprocess.Popen([PROGRAM, "--tls", "--env-file", str(file)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not file.exists():
        assert process.poll() is None, "the sandbox stopped"
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.05)
    lines = file.read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    # requests, httpx and Python's ssl read these.
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        os.environ[name] = values["SANDBOX_CA"]
    yield values
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture(autouse=True)
def fresh(request):
    """Every test of Microsoft's clients finds the tenant as it was at the start."""
    if "tenant" not in request.fixturenames:
        return
    import requests

    tenant = request.getfixturevalue("tenant")
    assert requests.post(f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/reset").ok


@pytest.fixture(params=["sync", "async"])
def twin(request):
    """The wheel's two kinds of classes, one after the other."""
    twin = Twin(request.param)
    yield twin
    twin.close()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=[Sync(), Async()], ids=lambda way: way.name)
def way(request, monkeypatch):
    """Both kinds of engine, one after the other, and nothing of the machine's environment."""
    clean_environment(monkeypatch)
    return request.param


@pytest.fixture
def entra():
    """A tenant of the test's own."""
    made = Tenant()
    yield made
    made.close()


@pytest.fixture
def credential(tenant):
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        tenant["SANDBOX_TENANT"],
        tenant["SANDBOX_CLIENT_ID"],
        tenant["SANDBOX_CLIENT_SECRET"],
        authority=tenant["SANDBOX_AUTHORITY"],
        disable_instance_discovery=True,
    )


@pytest.fixture
def arm(tenant):
    """What azure-mgmt clients need to know."""
    scope = "https://management.azure.com/.default"
    return {"base_url": tenant["SANDBOX_ARM"], "credential_scopes": [scope]}


@pytest.fixture
def with_graph(tenant):
    """Runs a story, a coroutine function that takes a GraphServiceClient."""
    from azure.identity.aio import ClientSecretCredential
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    async def go(story):
        async with ClientSecretCredential(
            tenant["SANDBOX_TENANT"],
            tenant["SANDBOX_CLIENT_ID"],
            tenant["SANDBOX_CLIENT_SECRET"],
            authority=tenant["SANDBOX_AUTHORITY"],
            disable_instance_discovery=True,
        ) as credential:
            provider = AzureIdentityAuthenticationProvider(
                credential,
                scopes=["https://graph.microsoft.com/.default"],
                allowed_hosts=["127.0.0.1"],
            )
            adapter = GraphRequestAdapter(provider)
            adapter.base_url = tenant["SANDBOX_GRAPH"]
            return await story(GraphServiceClient(request_adapter=adapter))

    return lambda story: asyncio.run(go(story))
