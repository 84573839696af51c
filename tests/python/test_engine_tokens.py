"""Access tokens that come with a request: those of the tenant for the API are taken, all others refused with a reason."""

import base64
import json
import urllib.request

import iam_platform
import pytest
from engines import anyio_backend, tenant, way  # noqa: F401 (fixtures)
from iam_platform import Clock, errors

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def fresh():
    """Each test has a tenant of its own."""


def minted(tenant, **wish):
    request = urllib.request.Request(
        f"{tenant.env['SANDBOX_AUTHORITY']}/_sandbox/tokens", json.dumps(wish).encode(), method="POST"
    )
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def validator(way, tenant, audience=None, **how):
    made = iam_platform.TokenValidator if way.name == "sync" else iam_platform.AsyncTokenValidator
    audience = audience or tenant.env["SANDBOX_API_AUDIENCE"]
    return made(how.pop("tenant_id", tenant.id), audience, authority=tenant.env["SANDBOX_AUTHORITY"], **how)


def forged(token, header=None, **claims):
    head, body, signature = token.split(".")

    def part(text):
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def sealed(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join([sealed(part(head) | (header or {})), sealed(part(body) | claims), signature])


async def test_a_token_of_the_tenant_for_the_api_is_taken_with_its_roles(way, tenant):
    check = validator(way, tenant)
    await way(check.ready)
    audience = tenant.env["SANDBOX_API_AUDIENCE"]
    claims = await way(check.validate, minted(tenant, audience=audience, roles=["IAM.Auditor"]))
    assert claims["roles"] == ["IAM.Auditor"] and claims["tid"] == tenant.id and claims["aud"] == audience
    bare = await way(check.validate, minted(tenant, audience=audience, roles=[]))
    assert bare["roles"] == []
    several = validator(way, tenant, ["api://other", audience])
    assert (await way(several.validate, minted(tenant, audience=audience)))["tid"] == tenant.id


async def test_every_other_token_is_refused_with_a_reason(way, tenant):
    audience = tenant.env["SANDBOX_API_AUDIENCE"]
    good = minted(tenant, audience=audience, roles=["IAM.Admin"])
    check = validator(way, tenant)
    attacks = {
        "malformed": "no token",
        "algorithm": forged(good, {"alg": "none"}),
        "signature": forged(good, roles=["IAM.Admin", "IAM.Operator"]),
        "unknown_key": forged(good, {"kid": "another"}),
        "wrong_audience": minted(tenant, audience="https://graph.microsoft.com"),
        "too_long": good + "A" * 40_000,
    }
    for reason, token in attacks.items():
        with pytest.raises(errors.UnauthenticatedError) as raised:
            await way(check.validate, token)
        assert raised.value.reason == reason, reason
        assert token[:40] not in str(raised.value)
    late = validator(way, tenant, clock=Clock("2040-01-01T00:00:00Z"))
    with pytest.raises(errors.UnauthenticatedError) as raised:
        await way(late.validate, good)
    assert raised.value.reason == "expired"
    elsewhere = validator(way, tenant, tenant_id="2f5b1c3e-0000-4000-8000-000000000001")
    with pytest.raises(errors.IamError):
        await way(elsewhere.validate, good)


async def test_what_makes_no_validator_is_said_at_once(way, tenant):
    with pytest.raises(errors.InvalidError, match="GUID"):
        validator(way, tenant, tenant_id="common")
    with pytest.raises(errors.InvalidError, match="audience"):
        validator(way, tenant, [])
    with pytest.raises(errors.InvalidError, match="leeway"):
        validator(way, tenant, leeway=-1.0)
    tenant.close()
    with pytest.raises(errors.UnavailableError):
        await way(validator(way, tenant).ready)
