"""The policy in force, and another one before it is."""

from __future__ import annotations

import pytest
from serving import MEI, POLICY


@pytest.fixture
def auditor(backend):
    with backend.client("IAM.Auditor") as client:
        yield client


def text_of(backend):
    return POLICY.format(domain=backend.sandbox["SANDBOX_DOMAIN"])


CASES = """
[[test]]
name = "an analyst"
given = { department = "Security", country = "AU" }
expect = { groups = ["All Staff", "sg-security"] }
[[test]]
name = "a clerk"
given = { department = "Sales", country = "AU" }
expect = { groups = ["All Staff", "sg-finance"] }
"""


def test_the_policy_in_force_is_shown_with_its_rules(backend, auditor):
    shown = auditor.get("/policy").json()
    assert shown["text"] == text_of(backend)
    assert (shown["version"], shown["tests"]) == (1, 0)
    assert len(shown["hash"]) == 64
    [rule] = shown["rules"]
    assert rule["name"] == "security-analysts"
    assert rule["when"] == 'person.department == "Security"'
    assert rule["gives"] == {"groups": ["sg-security"]}
    with backend.client("IAM.Helpdesk") as helpdesk:
        assert helpdesk.get("/policy").status_code == 403


def test_a_policy_is_checked_with_line_and_column(backend, auditor):
    text = text_of(backend)
    assert auditor.post("/policy/check", json={"text": text}).json() == {"ok": True, "errors": [], "findings": []}
    broken = text.replace("groups = [\"All Staff\"]", "groups = 7\nnonsense = true")
    said = auditor.post("/policy/check", json={"text": broken}).json()
    assert said["ok"] is False
    lines = broken.splitlines()
    assert {one["line"] for one in said["errors"]} == {lines.index("groups = 7") + 1, lines.index("nonsense = true") + 1}
    assert all(one["column"] and one["message"] for one in said["errors"])
    lacking = text.replace("sg-security", "sg-not-there")
    said = auditor.post("/policy/check", json={"text": lacking}).json()
    assert (said["ok"], said["errors"]) == (False, [])
    [finding] = said["findings"]
    assert "sg-not-there" in finding["message"]
    assert finding["line"] == lacking.splitlines().index('groups = ["sg-not-there"]') + 1
    assert auditor.post("/policy/check", json={"text": "= nothing"}).json()["errors"][0]["line"] == 1
    assert auditor.get("/policy").json()["text"] == text, "nothing of it is in force"


def test_a_policy_s_own_cases_are_run_with_what_was_expected(backend, auditor, operator):
    operator.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": "P-1", "lastName": "Policy"})
    said = auditor.post("/policy/test", json={"text": text_of(backend) + CASES}).json()
    good, bad = said["cases"]
    assert (said["passed"], good["passed"], bad["passed"]) == (False, True, False)
    assert good["expected"] == {"groups": ["All Staff", "sg-security"]}
    assert any("sg-finance" in one for one in bad["missing"])
    assert bad["unexpected"] == []
    assert said["coverage"]["people"] >= 1
    assert said["coverage"]["hits"]["security-analysts"] >= 1
    refused = auditor.post("/policy/test", json={"text": "version = 2"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"]


def test_two_policies_are_compared_over_the_people_there_are(backend, auditor, operator):
    for number in range(3):
        key = f"PD-{number}"
        operator.post("/hr/new-hire", params={"wait": 30}, json=MEI | {"employeeId": key, "lastName": key})
    text = text_of(backend)
    assert auditor.post("/policy/diff", json={"text": text}).json()["is_empty"] is True
    said = auditor.post("/policy/diff", json={"text": text.replace('"sg-security"', '"sg-finance"')}).json()
    assert said["is_empty"] is False
    by_name = {one["name"]: one for one in said["entitlements"]}
    lost, gained = by_name["sg-security"], by_name["sg-finance"]
    assert lost["lost_total"] == gained["gained_total"] == said["changed"] >= 3
    assert {"PD-0", "PD-1", "PD-2"} <= set(lost["lost"])
    assert lost["gained"] == gained["lost"] == []
    assert "sg-finance" in said["text"]
    assert auditor.post("/policy/diff", json={"text": "["}).status_code == 422


def test_long_lists_are_cut_and_counted():
    from iam_platform.backend.policy.router import _first, places

    assert len(_first([str(number) for number in range(500)])) == 100
    assert len(_first({str(number): 1 for number in range(500)})) == 100
    found = places("read the policy: line 3, column 8: a\nmore of it\nline 4, column 1: b")
    assert [(one.line, one.column, one.message) for one in found] == [(3, 8, "a\nmore of it"), (4, 1, "b")]
    assert [(one.line, one.message) for one in places("read the policy: it is empty")] == [(None, "it is empty")]
