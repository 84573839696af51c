"""The command line, from outside: what it prints, what it changes, how it ends."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request

import pytest

import iam_platform

DATA = pathlib.Path(__file__).parents[2] / "examples" / "data"
POLICY = str(DATA / "policy.toml")
FEED = str(DATA / "workday_feed.json")


@pytest.fixture
def sandbox():
    with iam_platform.Sandbox() as tenant:
        yield tenant


@pytest.fixture
def call(sandbox, tmp_path):
    """Runs the command line against the tenant, with a journal of its own."""

    def run(*arguments, env=None, code=0):
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("IAM_", "AZURE_"))
        }
        variables |= {
            name: value
            for name, value in sandbox.env.items()
            if name.startswith("IAM_")
        }
        variables |= {
            "IAM_POLICY": POLICY,
            "IAM_JOURNAL": f"sqlite:{tmp_path}/journal.sqlite",
            "COLUMNS": "200",
        }
        variables |= env or {}
        done = subprocess.run(
            [sys.executable, "-m", "iam_platform", *arguments],
            env={name: value for name, value in variables.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    return run


def test_help_lists_every_command_and_the_exit_codes(call):
    text = call("--help").stdout
    commands = "plan apply run explain sandbox backend worker ui demo doctor policy audit"
    for command in commands.split():
        assert re.search(rf"^│ {command} ", text, re.MULTILINE), command
    assert "Exit codes" in text
    for command in commands.split():
        assert call(command, "--help").stdout.strip()


def test_without_its_packages_it_says_how_to_install_them(tmp_path):
    (tmp_path / "typer.py").write_text("raise AssertionError('never imported')")
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'typer' else find(name, *a)\n"
        "from iam_platform._script import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "typer" in done.stderr
    assert "pip install 'iam-platform[cli]'" in done.stderr


def test_a_missing_setting_is_named(call):
    done = call("plan", env={"IAM_CLIENT_SECRET": None}, code=2)
    assert "IAM_CLIENT_SECRET is not set" in done.stderr
    done = call("plan", env={"IAM_POLICY": None}, code=2)
    assert "no policy is named" in done.stderr
    done = call("--policy", "nowhere.toml", "plan", code=2)
    assert "nowhere.toml" in done.stderr
    assert call("no-such-command", code=2).stderr


def test_a_wrong_secret_is_refused_and_never_printed(call):
    done = call("plan", env={"IAM_CLIENT_SECRET": "not-the-secret-at-all"}, code=3)
    assert "AADSTS7000215" in done.stderr or "secret" in done.stderr
    assert "not-the-secret-at-all" not in done.stdout + done.stderr


def test_what_was_planned_is_applied_once_and_the_tenant_has_it(call, sandbox):
    shown = call("plan", FEED).stdout
    assert "+ account" in shown
    assert "mei.tanaka@contoso.example" in shown
    assert sandbox.user("mei.tanaka@contoso.example") is None, "a plan changes nothing"
    found = re.search(r"^Hash +([0-9a-f]{64})$", shown, re.MULTILINE)
    assert found
    refused = call("apply", "0" * 64, "--yes", code=3)
    assert found[1] in refused.stderr
    asked = call("apply", found[1], code=2)
    assert "--yes" in asked.stderr, "nobody is there to be asked"
    assert sandbox.user("mei.tanaka@contoso.example") is None
    # One restored account has left-overs that a second plan shows: so far 1 says that something is left.
    call("apply", found[1][:12], "--yes", code=1)
    assert sandbox.user("mei.tanaka@contoso.example")["accountEnabled"]
    rest = json.loads(call("plan", "--json").stdout)["plan"]
    call("apply", rest["hash"], "--yes")
    assert json.loads(call("--json", "plan").stdout)["plan"]["steps"] == 0


def test_json_is_one_document_wherever_the_flag_stands(call):
    before, behind = call("--json", "plan", FEED).stdout, call("plan", "--json").stdout
    assert json.loads(before)["plan"]["hash"] == json.loads(behind)["plan"]["hash"]
    failed = json.loads(call("apply", "12345678", "--json", "--yes", code=3).stdout)
    assert "the plan is now" in failed["error"]["message"]


def test_rows_that_are_refused_are_named(call, tmp_path):
    file = tmp_path / "hr.csv"
    file.write_text(
        "employeeId,firstName,lastName,country,status,hireDate\nW-9,Ada,Lovelace,GB,Active,2026-11-01\n,No,Key,GB,Active,2026-11-01\n"
    )
    shown = call("--json", "plan", str(file))
    read = json.loads(shown.stdout)["read"][0]
    assert (
        read["records"],
        [(one["row"], one["field"]) for one in read["rejects"]],
    ) == (1, [(3, "employeeId")])


def test_a_person_is_explained(call):
    call("run", FEED, "--yes")
    why = call("explain", "W-1003", "group:sg-security").stdout
    assert "security" in why
    not_held = call("explain", "W-1003", "group:sg-finance").stdout
    assert "finance" in not_held
    assert "W-1003" in call("explain", "W-1003").stdout
    assert "kind:name" in call("explain", "W-1003", "sg-finance", code=2).stderr
    assert "W-0000" in call("explain", "W-0000", code=1).stderr


def test_a_policy_is_checked_tested_and_compared(call, tmp_path):
    assert "the tenant has all that it names" in call("policy", "check").stdout
    assert re.search(
        r"^(\d+) of \1 tests passed$", call("policy", "test").stdout, re.MULTILINE
    )
    text = pathlib.Path(POLICY).read_text()
    other = tmp_path / "other.toml"
    other.write_text(
        text.replace('groups = ["sg-hr"]', 'groups = ["sg-no-such-group"]')
    )
    found = call("policy", "check", str(other), code=1).stdout
    line = next(
        at
        for at, line in enumerate(other.read_text().splitlines(), 1)
        if "sg-no-such-group" in line
    )
    assert f"line {line}" in found
    assert "sg-no-such-group" in found
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace("version = 1", "version = 1\nno_such_key = 2", 1))
    assert (
        "no_such_key"
        in call("policy", "check", "--offline", str(broken), code=1).stderr
    )
    impact = call("policy", "diff", POLICY, str(other), "--people", FEED, code=1).stdout
    assert "sg-hr" in impact
    assert call("policy", "diff", POLICY, POLICY, "--people", FEED)


def test_the_samples_configuration_becomes_a_policy(call, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "domain": "contoso.example",
                "default_groups": ["All Staff"],
                "default_license_skus": ["SPE_E3"],
                "default_roles": [],
            }
        )
    )
    out = tmp_path / "made.toml"
    call("policy", "import", str(config), "--out", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "sound" in call("policy", "check", str(out)).stdout
    assert (
        "exists"
        in call("policy", "import", str(config), "--out", str(out), code=2).stderr
    )


def test_the_audit_is_verified_and_exported(call, tmp_path):
    call("run", FEED, "--yes")
    verified = call("audit", "verify").stdout
    assert verified.startswith("whole")
    entries = [json.loads(line) for line in call("audit", "export").stdout.splitlines()]
    assert [one["sequence"] for one in entries] == list(range(1, len(entries) + 1))
    assert "Tanaka" not in json.dumps(entries)
    later = call(
        "audit", "export", "--after", str(len(entries) - 2)
    ).stdout.splitlines()
    assert len(later) == 2
    journal = tmp_path / "journal.sqlite"
    with sqlite3.connect(journal) as file:
        table = next(
            name
            for (name,) in file.execute(
                "select name from sqlite_master where type='table' and name like '%audit%'"
            )
        )
        # A trigger refuses it; whoever has the file can take that away, too.
        for (trigger,) in file.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            file.execute(f"drop trigger {trigger}")
        file.execute(
            f"delete from {table} where rowid = (select max(rowid) / 2 from {table})"
        )
    assert "broken" in call("audit", "verify", code=1).stdout


def test_the_doctor_finds_what_is_wrong(call):
    well = {
        one["check"]: one
        for one in json.loads(call("doctor", "--json").stdout)["findings"]
    }
    for check in (
        "settings",
        "sign-in service",
        "clock",
        "credential",
        "permissions",
        "Microsoft Graph",
        "journal",
        "policy",
        "policy and tenant",
    ):
        # A small disk is a doubt of the machine's.
        fine = {"ok", "warn"} if check == "journal" else {"ok"}
        assert well[check]["state"] in fine, well[check]
    ill = {
        one["check"]: one
        for one in json.loads(
            call("doctor", "--json", env={"IAM_CLIENT_SECRET": "wrong"}, code=1).stdout
        )["findings"]
    }
    assert ill["credential"]["state"] == "fail"
    assert "secret" in ill["credential"]["advice"]
    ill = {
        one["check"]: one
        for one in json.loads(
            call("doctor", "--json", env={"IAM_TENANT_ID": None}, code=1).stdout
        )["findings"]
    }
    assert "IAM_TENANT_ID" in ill["settings"]["found"]
    ill = {
        one["check"]: one
        for one in json.loads(
            call(
                "doctor", "--json", env={"IAM_AUTHORITY": "http://127.0.0.1:9"}, code=1
            ).stdout
        )["findings"]
    }
    assert ill["sign-in service"]["state"] == "fail"


def test_a_sqlite_journal_has_one_backend(call):
    assert "PostgreSQL" in call("backend", "--workers", "2", code=2).stderr


def started(arguments, tmp_path, wait_for):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "iam_platform", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        start_new_session=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if re.search(wait_for, line):
            return process, "".join(said)
    raise AssertionError("".join(said))


def test_the_sandbox_runs_until_ctrl_c(tmp_path):
    file = tmp_path / "tenant.env"
    process, _ = started(["sandbox", "--env-file", str(file)], tmp_path, "Ctrl-C")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    with urllib.request.urlopen(
        f"{lines['IAM_AUTHORITY']}/{lines['IAM_TENANT_ID']}/v2.0/.well-known/openid-configuration",
        timeout=10,
    ) as answer:
        assert answer.status == 200
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 0


def test_the_demo_hires_a_company_and_leaves_nothing_behind(tmp_path):
    process, said = started(
        ["demo", "--port", "0", "--ui-port", "0", "--people", "12"],
        tmp_path,
        "Ctrl-C ends",
    )
    api, header, portal = (
        re.search(r"api +(http\S+)", said)[1],
        re.search(r"portal\.admin@.*?(/\S+admin\.header)", said)[1],
        re.search(r"portal +(http\S+)", said)[1],
    )
    token = pathlib.Path(header).read_text().strip().partition(": ")[2]
    request = urllib.request.Request(f"{api}/people", headers={"Authorization": token})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert len(json.load(answer)["people"]) >= 12
    with urllib.request.urlopen(portal, timeout=30) as answer:
        assert answer.headers["x-frame-options"] == "DENY"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
    time.sleep(0.2)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not pathlib.Path(header).exists()
