"""The examples in Python run, and say what they should."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from samples_tenant import PACKAGE, started

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "python"
TESTED = {
    "list_users.py": ["Camila Rocha", "users"],
    "licence_report.py": ["SPE_E3", "seats are wasted"],
    "bulk_create.py": [
        "line 4: camila.rocha@contoso.example: already_exists",
        "line 5: no.domain@elsewhere.example: invalid",
        "2 created, 2 failed",
    ],
    "group_sizes.py": ["All Staff", "sg-finance"],
    "delta_sync.py": ["Chief Accountant", "1 changed"],
    "failures.py": [
        "not there: Request_ResourceNotFound, status 404",
        "taken: userPrincipalName",
        "invalid: ",
        "another: ",
        "as it is: 404",
    ],
    "scim_users.py": ["ann.lee@contoso.example: Analyst, active: True", "active: False"],
    "azure_access.py": ["finance: ", "ServicePrincipal", "User"],
    "hire_move_dismiss.py": [
        "  grant sg-security: rules security, security-analysts",
        "  8 done, 0 failed",
        "Asked for today by security, security-analysts",
        "  grant sg-finance: rule finance",
        "the grace of 14 days ends",
        "  block_sign_in: HR says terminated",
        "why not in sg-finance? W-4711 does not hold group sg-finance at graph: the person has left",
        "leave: 13 steps, done",
    ],
    "backend_new_hire.py": [
        "202: accepted, and durable",
        "create_account:mei.okafor@contoso.example: done",
        "allow_sign_in: done",
        "the job is done",
    ],
}
APART = {"tenant.py", "test_with_a_tenant.py", "existing_samples"}


@pytest.fixture(autouse=True)
def fresh():
    """The examples have tenants of their own."""


def run(*arguments, cwd=EXAMPLES, **more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    values = {**kept, "PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", **more}
    ran = subprocess.run([sys.executable, *arguments], cwd=cwd, env=values, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def test_every_example_is_run_and_in_the_index():
    names = {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__", ".pytest_cache"}
    assert names == set(TESTED) | APART
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in {*names} - {"tenant.py"}:
        assert name in index, f"{name} is not in the index"


@pytest.mark.parametrize("name", TESTED)
def test_an_example(name):
    said = run(name)
    for line in TESTED[name]:
        assert line in said


@pytest.mark.parametrize("name", TESTED)
def test_an_example_explains_itself(name):
    assert "--tenant" in run(name, "--help")


def test_options_are_heard(tmp_path):
    said = run("list_users.py", "--department", "Finance")
    assert "Camila Rocha" in said and "Jack Thompson" not in said
    (tmp_path / "people.csv").write_text("userPrincipalName,displayName\nx.y@contoso.example,X Y\n")
    assert "1 created, 0 failed" in run("bulk_create.py", "--file", str(tmp_path / "people.csv"))
    with started(tmp_path) as tenant:
        real = {**tenant.endpoints(), **{f"IAM_{name}": value for name, value in tenant.settings().items()}}
        links = ("delta_sync.py", "--tenant", "real", "--links", str(tmp_path / "users.link"))
        people = len(tenant.ask("/_sandbox/state")["users"])
        assert f"\n{people} users\n" in run(*links, **real)
        assert run(*links, **real) == "0 users\n"
        token = tenant.ask("/_sandbox/tokens", {})["access_token"]
        tenant.ask("/v1.0/users/tom.becker@contoso.example", {"jobTitle": "Lead"}, method="PATCH", token=token)
        assert "Tom Becker, Lead" in run(*links, **real)


def test_a_test_with_a_tenant():
    plugin = ("-p", "iam_platform.pytest_plugin", "-p", "no:cacheprovider")
    more = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert "1 passed" in run("-m", "pytest", "-q", *plugin, "test_with_a_tenant.py", **more)


def test_a_script_as_it_was_before(tmp_path):
    desk = tmp_path / "desk"
    shutil.copytree(EXAMPLES / "existing_samples", desk)
    with started(tmp_path) as tenant:
        shutil.copy(tmp_path / "sandbox.env", desk / ".env")
        said = run("-m", "iam_platform.compat", "hire_and_terminate.py", cwd=desk)
        assert said.splitlines() == [
            "New hire provisioned successfully",
            "Member of All Staff: True",
            "User terminated successfully",
            "Member of All Staff: False",
            "Still there: True",
        ]
        assert tenant.user("ann.lee@contoso.example")["accountEnabled"] is False
