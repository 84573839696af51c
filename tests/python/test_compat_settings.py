"""Settings, logs, passwords and the map of SCIM ids of the samples' modules, in this process."""

import importlib
import json
import logging
import os
import stat
import string
import subprocess
import sys
import warnings

import pytest
from samples_tenant import PACKAGE

NAMES = ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")


@pytest.fixture(autouse=True)
def fresh():
    """No tenant is needed here."""


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """An empty working folder and an environment that says nothing; both are as before afterwards."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("IAM_", "AZURE_")) or name in NAMES:
            del os.environ[name]
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)
    forget()


def forget():
    for name in [name for name in sys.modules if name.startswith("iam_platform.compat")]:
        del sys.modules[name]


def load(name):
    """The module, imported anew."""
    forget()
    return importlib.import_module(f"iam_platform.compat.{name}")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b ", "b"),
        ("export A=b", "b"),
        ("A=", ""),
        ("A=b=c==", "b=c=="),
        ("A=b#c", "b#c"),
        ("A=b # c", "b"),
        ("A= # c", ""),
        ("A='b # c'", "b # c"),
        ("A='b\\n$' # c", "b\\n$"),
        ('A="b # \\"c\\" \\\\ \\n" # d', 'b # "c" \\ \n'),
        ("A='${B}'", "${B}"),
        ("A=~x.8Q~-_", "~x.8Q~-_"),
    ],
)
def test_a_line_of_an_env_file(line, value):
    assert load("_settings").read_env(line) == {"A": value}


def test_lines_of_an_env_file_that_are_no_setting():
    settings = load("_settings")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert settings.read_env("# c\n\nnonsense\nA=1\nB='open\n", "x/.env") == {"A": "1"}
    assert [str(warning.message) for warning in said] == [
        "x/.env, line 3: expected NAME=value",
        "x/.env, line 5: expected NAME=value",
    ]
    with pytest.raises(ValueError, match=r"x/.env, line 2: .* write the value of B out"):
        settings.read_env("A=1\nB=${A}/x", "x/.env")


def test_the_environment_wins_over_the_env_file(desk):
    (desk / ".env").write_text(
        "\ufeffTENANT_ID=file\nCLIENT_ID=file\nCLIENT_SECRET=file\nOTHER=seen\n", encoding="utf-8"
    )
    os.environ["CLIENT_ID"] = "environment"
    assert load("_settings").credentials() == ("file", "environment", "file")
    assert os.environ["OTHER"] == "seen"


def test_credentials_are_known_by_other_names_too():
    os.environ.update(AZURE_TENANT_ID="azure", IAM_TENANT_ID="iam", AZURE_CLIENT_ID="azure", CLIENT_SECRET="own")
    assert load("_settings").credentials() == ("iam", "azure", "own")


def test_without_a_config_the_defaults_hold():
    config = load("config").config
    assert config == {
        "default_password_length": 16,
        "default_force_password_reset": True,
        "default_groups": [],
        "default_license_skus": [],
        "default_roles": [],
        "logging": {"enabled": True, "path": "logs/iam_audit.log"},
    }
    with pytest.raises(ValueError, match="set `domain` in config.json"):
        importlib.import_module("iam_platform.compat.graph_users").generate_upn("A", "B")


def test_the_config_is_what_the_file_says(desk):
    written = {"domain": "contoso.example", "own": [1]}
    (desk / "config.json").write_text(json.dumps(written))
    assert load("config").config == written
    orchestrator = importlib.import_module("iam_platform.compat.orchestrator")
    assert orchestrator.IAMOrchestrator().config == written
    (desk / "other.json").write_text('{"domain": "other.example"}')
    assert orchestrator.IAMOrchestrator("other.json").config == {"domain": "other.example"}
    with pytest.raises(FileNotFoundError):
        orchestrator.IAMOrchestrator("missing.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"domain": }', "config.json, line 2: this is no JSON"),
        ("[]", "expected a JSON object"),
        ('{"default_password_length": "16"}', "default_password_length must be a number"),
        ('{"default_password_length": true}', "default_password_length must be a number"),
        ('{"default_groups": "All Staff"}', "default_groups must be a list of names"),
        ('{"default_roles": [1]}', "default_roles must be a list of names"),
        ('{"default_force_password_reset": "no"}', "default_force_password_reset must be true or false"),
    ],
)
def test_a_config_that_cannot_be_meant(desk, text, said):
    (desk / "config.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        load("config")


@pytest.mark.parametrize(
    ("given", "root"),
    [
        (None, "https://graph.microsoft.com/v1.0"),
        ("http://127.0.0.1:1/v1.0", "http://127.0.0.1:1/v1.0"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/v1.0"),
    ],
)
def test_the_root_of_graph(given, root):
    if given:
        os.environ["IAM_GRAPH_URL"] = given
    assert load("config").GRAPH_BASE_URL == root


def test_a_password_has_all_kinds_of_characters_and_the_configured_length(desk):
    (desk / "config.json").write_text('{"default_password_length": 9}')
    utils = load("utils")
    made = {utils.generate_password() for _ in range(200)}
    assert len(made) == 200
    symbols = "!@#$%^&*()-_=+"
    for password in made:
        assert len(password) == 9
        assert set(password) <= set(string.ascii_letters + string.digits + symbols)
        for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, symbols):
            assert set(password) & set(kind)


def test_the_audit_trail(desk):
    logger = load("logger")
    logger.log_event("First", {"a": 1})
    logger.log_event("Second", {"text": "two\nlines", "when": object})
    lines = (desk / "logs" / "iam_audit.log").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert (first["action"], first["details"]) == ("First", {"a": 1})
    assert first["timestamp"].endswith("Z") and first["timestamp"][:2] == "20"
    assert second["details"]["text"] == "two\nlines"


def test_no_secret_and_no_whole_record_is_in_the_audit_trail(desk):
    logger = load("logger")
    logger.log_event(
        "Everything",
        {
            "password": "hidden-1",
            "nested": [{"passwordProfile": {"password": "hidden-2"}}, {"client_secret": "hidden-3", "kept": "shown-1"}],
            "access_token": "hidden-4",
            "text": "password=hidden-5, token: 'hidden-6' Authorization: Bearer hidden-7 shown-2",
            "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.hidden8",
            "record": {"firstName": "hidden-9", "lastName": "hidden-10", "employeeId": "W-1"},
            "user": {"displayName": "hidden-11", "userPrincipalName": "hidden-12", "id": "shown-3"},
            "first": "shown-4",
        },
    )
    log = (desk / "logs" / "iam_audit.log").read_text()
    assert "hidden" not in log
    for shown in ("shown-1", "shown-2", "shown-3", "shown-4", "W-1"):
        assert shown in log


@pytest.mark.parametrize(
    ("settings", "file"),
    [
        ({"enabled": True, "path": "audit/own.log"}, "audit/own.log"),
        ({"enabled": True, "path": "audit"}, "audit/iam_audit.log"),
        ({"enabled": True}, "logs/iam_audit.log"),
        ({"enabled": False, "path": "audit/own.log"}, None),
    ],
)
def test_where_the_audit_trail_goes(desk, settings, file):
    (desk / "config.json").write_text(json.dumps({"logging": settings}))
    load("logger").log_event("Something", {})
    written = [str(path.relative_to(desk)) for path in desk.rglob("*.log")]
    assert written == ([file] if file else [])


def test_the_log_blots_secrets_out(caplog):
    logger = load("logger")
    assert isinstance(logger.log, logging.Logger) and logger.log.name == "iam_orchestrator"
    with caplog.at_level(logging.INFO, logger="iam_orchestrator"):
        logger.log.info(f"made { ({'upn': 'a@b', 'password': 'hidden-1'}) }")
        logger.log.info("made %s and %s", {"password": "hidden-2"}, "secret=hidden-3")
        logger.log.info("made %(password)s", {"password": "hidden-4"})
        logger.log.info("%d of %d", 1, 2)
    assert "hidden" not in caplog.text
    assert "a@b" in caplog.text and "1 of 2" in caplog.text


def test_the_map_of_scim_ids_survives_and_is_private(desk):
    mapper = load("scim.scim_mapper")
    assert mapper.get_scim_id("e1") is None
    mapper.store_scim_id("e1", "s1")
    mapper.store_scim_id("e2", "s2")
    mapper.store_scim_id("e1", "s3")
    mapper = load("scim.scim_mapper")
    assert (mapper.get_scim_id("e1"), mapper.get_scim_id("e2"), mapper.get_scim_id("e3")) == ("s3", "s2", None)
    file = desk / "scim" / "scim_mapping.json"
    assert json.loads(file.read_text()) == {"users": {"e1": "s3", "e2": "s2"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == ["scim_mapping.json", "scim_mapping.json.lock"]


def test_a_map_that_the_samples_wrote_is_read(desk):
    (desk / "scim").mkdir()
    (desk / "scim" / "scim_mapping.json").write_text('{"users": {"old": "s0"}}')
    mapper = load("scim.scim_mapper")
    mapper.store_scim_id("new", "s1")
    assert (mapper.get_scim_id("old"), mapper.get_scim_id("new")) == ("s0", "s1")


@pytest.mark.parametrize("broken", ['{"users": {"a": "s', "[]", '{"users": []}'])
def test_a_broken_map_is_said_and_kept(desk, broken):
    (desk / "scim").mkdir()
    file = desk / "scim" / "scim_mapping.json"
    file.write_text(broken)
    mapper = load("scim.scim_mapper")
    for call in (lambda: mapper.get_scim_id("a"), lambda: mapper.store_scim_id("a", "b")):
        with pytest.raises(ValueError, match="scim_mapping.json"):
            call()
    assert file.read_text() == broken


def test_a_map_whose_writing_fails_is_as_before(desk, monkeypatch):
    mapper = load("scim.scim_mapper")
    mapper.store_scim_id("e1", "s1")
    file = desk / "scim" / "scim_mapping.json"
    before = file.read_text()

    def fails(_file):
        raise OSError("disk full")

    monkeypatch.setattr(mapper.os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        mapper.store_scim_id("e2", "s2")
    assert file.read_text() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["scim_mapping.json", "scim_mapping.json.lock"]


def test_many_processes_lose_no_entry_of_the_map(desk):
    code = (
        "import sys\nfrom iam_platform.compat.scim import scim_mapper\n"
        "for number in range(25):\n    scim_mapper.store_scim_id(f'{sys.argv[1]}-{number}', 's')\n"
    )
    values = {"PATH": os.environ["PATH"], "PYTHONPATH": PACKAGE}
    running = [subprocess.Popen([sys.executable, "-c", code, str(one)], cwd=desk, env=values) for one in range(4)]
    assert [process.wait(120) for process in running] == [0] * 4
    assert len(json.loads((desk / "scim" / "scim_mapping.json").read_text())["users"]) == 100


def test_a_feed_is_a_list(desk):
    feed = load("hr.workday_feed")
    (desk / "workday_feed.json").write_text('\ufeff[{"employeeId": "W-1"}]', encoding="utf-8")
    assert feed.load_workday_feed() == [{"employeeId": "W-1"}]
    (desk / "one.json").write_text("{}")
    with pytest.raises(ValueError, match="one.json: expected a list of records"):
        feed.load_workday_feed("one.json")


def test_a_record_without_a_status_is_ignored():
    events = load("hr.workday_events")
    assert events.detect_event({"isNewHire": True}) == "Ignore"
    row = {"employeeId": "W-1", "status": None, "isNewHire": None, None: ["surplus"]}
    assert events.WorkdayEventParser().from_csv_row(row)["isNewHire"] is False
