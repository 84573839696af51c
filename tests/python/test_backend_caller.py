"""Who calls, and what they have begun to fill in."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import datetime, timezone

import httpx
import pytest
from iam_platform.backend.drafts.router import LONGEST, checked
from iam_platform.backend.drafts.store import LIFETIME, Drafts
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import ROLES, Caller
from serving import Backend, token, users


def author_of(env):
    """Somebody of the tenant."""
    return users(env)[0]


def caller(backend, *roles, user=None):
    bearer = token(backend.sandbox, *roles, **({"user": user["id"]} if user else {}))
    return httpx.Client(base_url=backend.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=60)


def folder(backend):
    return backend.folder / "data" / "drafts"


def files(backend):
    return sorted(folder(backend).glob("*.json"))


@pytest.mark.parametrize("roles", [["IAM.Helpdesk"], ["IAM.Auditor", "IAM.Provisioner"], [], ["Payroll.Read"]])
def test_whoever_has_a_good_token_hears_who_they_are_and_what_they_may(backend, roles):
    author = author_of(backend.sandbox)
    with caller(backend, *roles, user=author) as me:
        answer = me.get("/me")
        assert answer.status_code == 200
        said = answer.json()
        assert said["oid"] == author["id"]
        assert said["tenant"] == backend.sandbox["IAM_TENANT_ID"]
        assert said["roles"] == sorted(roles)
        assert said["name"] == author["userPrincipalName"]
        assert set(said["permissions"]) == {str(one) for role in roles for one in ROLES.get(role, ())}
        ends = datetime.fromisoformat(said["expires_at"])
        assert ends.tzinfo == timezone.utc
        assert 0 < ends.timestamp() - time.time() < 24 * 3600
        assert answer.headers["cache-control"] == "no-store"
        # Knowing oneself opens nothing.
        assert me.get("/people").status_code == (200 if "people.read" in said["permissions"] else 403)
        assert me.get("/drafts/x").status_code == (404 if said["permissions"] else 403)


def test_a_draft_is_kept_for_its_author_alone_and_survives_a_restart(sandbox_env, tmp_path):
    whose = author_of(sandbox_env)
    form = {"firstName": "Zoë", "days": [1, {"half": True}], "note": "a passport, a compass"}
    with Backend(tmp_path, sandbox_env) as backend:
        with caller(backend, "IAM.Operator", user=whose) as author:
            assert author.get("/drafts/new-hire").status_code == 404
            first = author.put("/drafts/new-hire", json={"firstName": "Z"}).json()
            kept = author.put("/drafts/new-hire", json=form).json()
            assert kept["expires_at"] >= first["expires_at"]
            left = datetime.fromisoformat(kept["expires_at"]).timestamp() - time.time()
            assert LIFETIME - 120 < left <= LIFETIME
            assert author.get("/drafts/update").status_code == 404
        [file] = files(backend)
        assert file.stat().st_mode & 0o777 == 0o600
        assert whose["id"] not in file.name
        with caller(backend, "IAM.Admin") as other:
            assert other.get("/drafts/new-hire").status_code == 404
            assert other.delete("/drafts/new-hire").status_code == 404
            other.put("/drafts/new-hire", json={"mine": 1})
        assert len(files(backend)) == 2
        backend.kill()
        backend.start()
        with caller(backend, "IAM.Helpdesk", user=whose) as author:
            assert author.get("/drafts/new-hire").json() == {"name": "new-hire", "draft": form, **kept}
            assert author.delete("/drafts/new-hire").status_code == 204
            assert author.get("/drafts/new-hire").status_code == 404
            assert author.delete("/drafts/new-hire").status_code == 404
        assert len(files(backend)) == 1


def test_an_hour_after_it_was_written_a_draft_is_gone_from_the_disk(sandbox_env, tmp_path):
    whose = author_of(sandbox_env)
    with Backend(tmp_path, sandbox_env) as backend, caller(backend, "IAM.Operator", user=whose) as author:
        author.put("/drafts/old", json={"a": 1})
        [file] = files(backend)
        os.utime(file, (time.time() - LIFETIME - 1,) * 2)
        assert author.get("/drafts/old").status_code == 404
        assert author.delete("/drafts/old").status_code == 404
        author.put("/drafts/young", json={"b": 2})
        author.put("/drafts/old", json={"a": 1})
        old, young = sorted(files(backend), key=lambda file: "b" in file.read_text())
        os.utime(old, (time.time() - LIFETIME - 1,) * 2)
        os.utime(young, (time.time() - LIFETIME + 600,) * 2)
        (folder(backend) / ".dead.part").write_text("half")
        os.utime(folder(backend) / ".dead.part", (0, 0))
        # Nobody asks for it: it is deleted all the same.
        backend.stop()
        backend.start()
        until = time.monotonic() + 90
        while old.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert files(backend) == [young]
        assert list(folder(backend).glob("*.part")) == []
        assert author.get("/drafts/young").json()["draft"] == {"b": 2}


def test_what_is_written_while_old_drafts_are_deleted_stays(tmp_path):
    drafts = Drafts(tmp_path / "drafts")
    whose = Caller("t", "o", "n", frozenset(), datetime.now(timezone.utc))
    drafts.write(whose, "a", '{"a":1}')
    [file] = (tmp_path / "drafts").glob("*.json")
    os.utime(file, (0, 0))
    drafts.write(whose, "a", '{"a":2}')
    drafts.sweep()
    assert drafts.read(whose, "a")[0] == {"a": 2}
    for other in (
        Caller("T2", "o", "n", frozenset(), whose.expires_at),
        Caller("t", "o2", "n", frozenset(), whose.expires_at),
    ):
        assert drafts.read(other, "a") is None
    assert drafts.read(Caller("T", "O", "m", frozenset(), whose.expires_at), "a")[0] == {"a": 2}, "ids have no case"


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "newPassword", "password_2", "passwordProfile", "pass", "accessPass", "temp_pass", "PASSWD",
        "pwd", "secret", "clientSecret", "client-secrets", "token", "accesstoken", "API_TOKEN", "tokens",
    ],
)  # fmt: skip
def test_a_draft_with_a_secret_is_refused_wherever_it_stands(name):
    for draft in ({name: "x"}, {"a": [{"b": {name: None}}]}):
        with pytest.raises(Problem) as refused:
            checked(draft)
        assert refused.value.status == 422
        assert name in refused.value.detail


@pytest.mark.parametrize("name", ["passport", "compass", "bypass", "secretary", "tokenised", "classes", "Ünïcode", ""])
def test_what_only_looks_like_a_secret_is_kept(name):
    assert checked({name: 1})


def test_a_draft_is_an_object_of_at_most_64_kib(backend):
    with caller(backend, "IAM.Operator") as author:
        assert author.put("/drafts/big", json={"a": "x" * (LONGEST - 8)}).status_code == 200
        refused = author.put("/drafts/big", json={"a": "x" * (LONGEST - 7)})
        assert refused.status_code == 413
        assert refused.headers["content-type"] == "application/problem+json"
        for body in (b"[]", b"7", b"null", b'"text"', b"{", b'{"a":NaN}', b'{"a":"\\ud800"}', b"[" * 30000):
            answer = author.put("/drafts/big", content=body, headers={"Content-Type": "application/json"})
            assert 400 <= answer.status_code < 500, body[:20]
        assert author.put("/drafts/x", json={"a": {"password": "hunter2"}}).status_code == 422
        assert b"hunter2" not in b"".join(file.read_bytes() for file in files(backend))
        for name in ("Big", "a_b", "x" * 65, "..", "%2e%2e"):
            assert author.put(f"/drafts/{name}", json={}).status_code in (404, 405, 422), name
        with contextlib.suppress(KeyError):
            assert len(author.get("/drafts/big").json()["draft"]["a"]) == LONGEST - 8
