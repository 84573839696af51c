"""The sandbox of the wheel: a tenant for tests, its controls, and the fixtures for pytest."""

import asyncio
import os
from datetime import timedelta

import pytest

import iam_platform
from iam_platform.errors import IamError, InvalidError, UnavailableError
from iam_platform.sandbox import environment

pytest_plugins = ["pytester"]


def test_it_runs_as_long_as_the_block():
    with iam_platform.Sandbox() as sandbox:
        graph = sandbox.graph()
        assert graph.organization()["id"] == sandbox.tenant_id
    assert sandbox.env["IAM_TENANT_ID"], "what it was stays readable"
    with pytest.raises(RuntimeError, match="closed"):
        sandbox.state()
    assert "closed" in repr(sandbox)
    with pytest.raises(UnavailableError):
        iam_platform.ScimClient(sandbox.env["IAM_SCIM_URL"], "token").user("1")
    sandbox.close()


def test_it_runs_as_long_as_the_async_block():
    async def story():
        async with iam_platform.Sandbox(empty=True) as sandbox:
            assert (await sandbox.async_graph().organization())["id"] == sandbox.tenant_id
            assert (await sandbox.async_arm().subscriptions().all()) != []
            assert (await sandbox.async_scim().groups().all()) != []
        with pytest.raises(RuntimeError, match="closed"):
            sandbox.log()

    asyncio.run(story())


def test_its_environment(iam_sandbox):
    env = iam_sandbox.env
    assert env["IAM_AUTHORITY"] == env["SANDBOX_AUTHORITY"] == iam_sandbox.authority
    assert env["IAM_GRAPH_URL"] == iam_sandbox.graph_url == f"{iam_sandbox.authority}/v1.0"
    assert (env["IAM_ARM_URL"], env["IAM_SCIM_URL"]) == (iam_sandbox.arm_url, iam_sandbox.scim_url)
    assert env["IAM_SCIM_TOKEN"] == iam_sandbox.scim_token
    assert iam_sandbox.ca_bundle is None
    lines = iam_sandbox.env_file().splitlines()
    assert dict(line.split("=", 1) for line in lines) == env


def test_the_environment_is_put_back(iam_sandbox, monkeypatch):
    monkeypatch.setenv("IAM_TENANT_ID", "before")
    monkeypatch.setenv("IAM_CA_BUNDLE", "/of/another.pem")
    monkeypatch.delenv("IAM_CLIENT_ID", raising=False)
    with environment(iam_sandbox) as variables:
        assert os.environ["IAM_TENANT_ID"] == variables["IAM_TENANT_ID"] == iam_sandbox.tenant_id
        assert "IAM_CA_BUNDLE" not in os.environ
        assert iam_platform.GraphClient().organization()
    assert os.environ["IAM_TENANT_ID"] == "before"
    assert os.environ["IAM_CA_BUNDLE"] == "/of/another.pem"
    assert "IAM_CLIENT_ID" not in os.environ


def test_the_same_seed_gives_the_same_tenant():
    with (
        iam_platform.Sandbox(seed=7, people=3) as one,
        iam_platform.Sandbox(seed=7, people=3) as same,
        iam_platform.Sandbox(seed=8, people=3) as other,
    ):
        assert one.state()["users"] == same.state()["users"]
        assert one.state()["users"] != other.state()["users"]
        assert one.client_secret != same.client_secret


def test_its_clock(iam_sandbox):
    iam_sandbox.stop_clock()
    before = iam_sandbox.now
    iam_sandbox.advance(3600.5)
    assert iam_sandbox.now - before == timedelta(seconds=3600.5)
    assert before.utcoffset() == timedelta(0)
    with pytest.raises(InvalidError):
        iam_sandbox.advance(-1)
    iam_sandbox.set_token_lifetime(60)
    graph = iam_sandbox.graph()
    graph.organization()


def test_a_reset_undoes_what_was_done(iam_sandbox):
    graph = iam_sandbox.graph()
    user = iam_sandbox.act(
        "POST",
        "/groups",
        {
            "displayName": "x",
            "mailEnabled": False,
            "mailNickname": "x",
            "securityEnabled": True,
        },
    )
    graph.group(user["id"])
    iam_sandbox.fault("status", status=500, path="/groups/*")
    assert [fault["effect"] for fault in iam_sandbox.faults()][0]["status"] == 500
    iam_sandbox.reset()
    assert (iam_sandbox.faults(), iam_sandbox.requests, iam_sandbox.log()) == ([], 0, [])
    with pytest.raises(IamError):
        graph.group(user["id"])


def test_acting_as_an_administrator_may_be_refused(iam_sandbox):
    before = iam_sandbox.requests
    with pytest.raises(InvalidError, match="404"):
        iam_sandbox.act("GET", "/users/nobody")
    assert iam_sandbox.requests == before


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kind": "flood"}, "flood"),
        ({"kind": "slow"}, "millis"),
        ({"kind": "status", "status": 503, "millis": 3}, "millis"),
        ({"kind": "throttle", "retry_after": {"week": 1}}, "week"),
    ],
)
def test_a_fault_that_is_none_is_refused(iam_sandbox, wrong, named):
    with pytest.raises(InvalidError, match=named):
        iam_sandbox.fault(**wrong)


def test_faults_hit_what_they_are_for(iam_sandbox):
    graph = iam_sandbox.graph()
    iam_sandbox.fault("status", status=403, method="GET", path="/organization", nth=2, times=1)
    answers = [graph.request("GET", "/organization", check=False).status for _ in range(3)]
    assert answers == [200, 403, 200]
    for retry_after in (1, 0.5, {"date": 1}):
        iam_sandbox.clear_faults()
        iam_sandbox.fault("throttle", times=1, retry_after=retry_after)
        assert graph.request("GET", "/organization").attempts == 2


def test_tokens_for_apis(iam_sandbox):
    import base64
    import json

    noah = iam_sandbox.user(f"noah.fischer@{iam_sandbox.domain}")["id"]

    def claims(token):
        middle = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))

    token = claims(iam_sandbox.token(user=noah, audience="api://own", roles=["IAM.Admin"]))
    assert (token["oid"], token["aud"], token["roles"]) == (noah, "api://own", ["IAM.Admin"])
    assert claims(iam_sandbox.token())["appid"] == iam_sandbox.client_id
    with pytest.raises(InvalidError, match="nobody"):
        iam_sandbox.token(user="nobody")


def test_a_record_of_the_requests(tmp_path):
    file = tmp_path / "record.jsonl"
    with iam_platform.Sandbox(record=file) as sandbox:
        sandbox.graph().organization()
        secret = sandbox.client_secret
    text = file.read_text()
    assert "/v1.0/organization" in text
    assert secret not in text


def test_a_port_that_is_taken(iam_sandbox):
    port = int(iam_sandbox.authority.rsplit(":", 1)[1])
    with pytest.raises(UnavailableError) as raised:
        iam_platform.Sandbox(port=port)
    assert str(port) in str(raised.value.__cause__)


def test_the_fixtures(pytester):
    pytester.makepyfile("""
        import os
        import pytest

        @pytest.fixture(scope="session")
        def iam_sandbox_options():
            return {"empty": True}

        def test_changes(iam_sandbox):
            assert "IAM_TENANT_ID" not in os.environ
            assert iam_sandbox.state()["groups"] == []
            iam_sandbox.act("POST", "/groups", {
                "displayName": "x", "mailEnabled": False, "mailNickname": "x", "securityEnabled": True,
            })

        def test_finds_it_fresh(iam_sandbox, iam_sandbox_session):
            assert iam_sandbox is iam_sandbox_session
            assert iam_sandbox.state()["groups"] == []

        def test_points_the_environment_at_it(iam_sandbox_env):
            import iam_platform
            assert iam_platform.GraphClient().organization()["id"] == iam_sandbox_env.tenant_id
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_fixtures_start_nothing_unless_asked(pytester):
    pytester.makepyfile("""
        def test_nothing():
            assert len(__import__("os").listdir("/proc/self/task")) == 1
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
