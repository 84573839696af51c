"""Access tokens that come with a request: those of the tenant for the API are taken, all others refused with a reason."""

import base64
import json
import urllib.request

import iam_platform
import pytest
from iam_platform import Clock, errors

pytestmark = pytest.mark.anyio
AUDIENCE = "api://6a1d0c52-0000-4000-8000-000000000002"


def minted(entra, **wish):
    request = urllib.request.Request(
        f"{entra.env['SANDBOX_AUTHORITY']}/_sandbox/tokens",
        json.dumps(wish).encode(),
        method="POST",
    )
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def validator(way, entra, audience=None, **how):
    made = iam_platform.TokenValidator if way.name == "sync" else iam_platform.AsyncTokenValidator
    audience = AUDIENCE if audience is None else audience
    return made(
        how.pop("tenant_id", entra.id),
        audience,
        authority=entra.env["SANDBOX_AUTHORITY"],
        **how,
    )


def forged(token, header=None, **claims):
    head, body, signature = token.split(".")

    def part(text):
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def sealed(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join([sealed(part(head) | (header or {})), sealed(part(body) | claims), signature])


async def test_a_token_of_the_tenant_for_the_api_is_taken_with_its_roles(way, entra):
    check = validator(way, entra)
    await way(check.ready)
    claims = await way(check.validate, minted(entra, audience=AUDIENCE, roles=["IAM.Auditor"]))
    assert claims["roles"] == ["IAM.Auditor"] and claims["tid"] == entra.id and claims["aud"] == AUDIENCE
    bare = await way(check.validate, minted(entra, audience=AUDIENCE, roles=[]))
    assert bare["roles"] == []
    several = validator(way, entra, ["api://other", AUDIENCE])
    assert (await way(several.validate, minted(entra, audience=AUDIENCE)))["tid"] == entra.id


async def test_every_other_token_is_refused_with_a_reason(way, entra):
    good = minted(entra, audience=AUDIENCE, roles=["IAM.Admin"])
    check = validator(way, entra)
    attacks = {
        "malformed": "no token",
        "algorithm": forged(good, {"alg": "none"}),
        "signature": forged(good, roles=["IAM.Admin", "IAM.Operator"]),
        "unknown_key": forged(good, {"kid": "another"}),
        "wrong_audience": minted(entra, audience="https://graph.microsoft.com"),
        "too_long": good + "A" * 40_000,
    }
    for reason, token in attacks.items():
        with pytest.raises(errors.UnauthenticatedError) as raised:
            await way(check.validate, token)
        assert raised.value.reason == reason, reason
        assert token[:40] not in str(raised.value)
    late = validator(way, entra, clock=Clock("2040-01-01T00:00:00Z"))
    with pytest.raises(errors.UnauthenticatedError) as raised:
        await way(late.validate, good)
    assert raised.value.reason == "expired"
    elsewhere = validator(way, entra, tenant_id="2f5b1c3e-0000-4000-8000-000000000001")
    with pytest.raises(errors.IamError):
        await way(elsewhere.validate, good)


async def test_what_makes_no_validator_is_said_at_once(way, entra):
    with pytest.raises(errors.InvalidError, match="GUID"):
        validator(way, entra, tenant_id="common")
    with pytest.raises(errors.InvalidError, match="audience"):
        validator(way, entra, [])
    with pytest.raises(errors.InvalidError, match="leeway"):
        validator(way, entra, leeway=-1.0)
    entra.close()
    with pytest.raises(errors.UnavailableError):
        await way(validator(way, entra).ready)
