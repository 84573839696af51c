"""``python -m iam_platform.compat SCRIPT``: the same as ``python SCRIPT`` but for the samples' modules."""

import json
import re
import subprocess
import sys
import zipfile

import pytest
from samples_tenant import PACKAGE

MODULES = """auth config graph_groups graph_licenses graph_roles graph_users hr.provision_new_hire hr.provision_termination
hr.provision_update hr.workday_events hr.workday_feed logger orchestrator scim.scim_client scim.scim_mapper utils""".split()

OFFERED = {
    "auth": "get_access_token",
    "config": "GRAPH_BASE_URL config get_token",
    "graph_users": "call_graph generate_upn generate_mail_nickname build_password_profile user_exists create_user "
    "get_user list_users update_user disable_user delete_user",
    "graph_groups": "call_graph create_group get_group list_groups delete_group add_user_to_group "
    "remove_user_from_group get_group_id_by_display_name get_group_members export_groups export_group_membership "
    "export_user_access",
    "graph_licenses": "call_graph list_skus get_sku_id_by_name get_user_licenses user_has_license assign_license "
    "remove_license",
    "graph_roles": "call_graph list_directory_roles get_role_id_by_name user_has_role get_role_members assign_role "
    "remove_role",
    "hr.provision_new_hire": "process_new_hire",
    "hr.provision_termination": "process_termination",
    "hr.provision_update": "process_update",
    "hr.workday_events": "detect_event WorkdayEventParser",
    "hr.workday_feed": "load_workday_feed",
    "logger": "log log_event",
    "orchestrator": "IAMOrchestrator",
    "scim.scim_client": "create_scim_user update_scim_user delete_scim_user",
    "scim.scim_mapper": "store_scim_id get_scim_id",
    "utils": "generate_password load_json_file",
}

WHAT_A_SCRIPT_SEES = """
import json, os, pickle, sys, threading, atexit

class Mine:
    pass

names = ("__name__", "__doc__", "__package__", "__spec__", "__file__", "__cached__")
print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "path0": sys.path[0],
    "module": {name: repr(globals().get(name, "absent")) for name in names},
    "loader": type(__loader__).__name__,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "pickled": type(pickle.loads(pickle.dumps(Mine()))) is Mine,
    "builtins": __builtins__ is sys.modules["builtins"],
}))
later = "still there"
atexit.register(lambda: print(later, sys.modules["__main__"].later))
threading.Timer(0.3, lambda: print("a thread:", later)).start()
"""

SCRIPTS = {
    "what_it_sees": WHAT_A_SCRIPT_SEES,
    "the_end": "print('done')",
    "exit_code": "import sys; sys.exit(7)",
    "exit_text": "import sys; sys.exit('that went wrong')",
    "exit_nothing": "import sys; sys.exit()",
    "os_exit": "import os; os._exit(9)",
    "an_error": "def inner():\n    raise ValueError('broken')\n\ndef outer():\n    inner()\n\nouter()\n",
    "a_cause": "try:\n    {}['x']\nexcept KeyError as error:\n    raise RuntimeError('second') from error\n",
    "an_interrupt": "raise KeyboardInterrupt",
    "no_python": "def broken(:\n    pass\n",
    "import_error": "import no_such_module_anywhere\n",
    "own_hook": "import sys\nsys.excepthook = lambda *found: print('hook', found[1])\nraise ValueError('x')\n",
    "unicode": "print('Zoë ✓')\n",
    "annotations": "x: int = 3\nprint(__annotations__)\n",
    "future": "def f(x: Undefined): pass\n",
}


@pytest.fixture(autouse=True)
def fresh():
    """No tenant is needed here."""


@pytest.fixture
def runs(tmp_path):
    """Runs `python ARGUMENTS`, in a folder of its own, with nothing of this environment."""

    def run(*arguments, **more):
        values = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PACKAGE, "PYTHONIOENCODING": "utf-8", **more}
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=values, capture_output=True, text=True, timeout=120
        )

    run.folder = tmp_path
    return run


def both(runs, script, *arguments):
    plain = runs(script, *arguments)
    ours = runs("-m", "iam_platform.compat", script, *arguments)
    return plain, ours


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_as_it_does_plainly(runs, name):
    folder = runs.folder / "scripts"
    folder.mkdir()
    (folder / f"{name}.py").write_text(SCRIPTS[name], encoding="utf-8")
    plain, ours = both(runs, f"scripts/{name}.py", "one", "--two", "-h")
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_linked_script_runs_where_it_really_is(runs):
    (runs.folder / "real").mkdir()
    (runs.folder / "real" / "script.py").write_text(SCRIPTS["what_it_sees"])
    (runs.folder / "link.py").symlink_to("real/script.py")
    plain, ours = both(runs, "link.py")
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_folder_and_a_zip_file_run_too(runs):
    source = "import json, sys, beside\nprint(json.dumps([sys.argv, __name__, beside.NAME]))\n"
    (runs.folder / "app").mkdir()
    (runs.folder / "app" / "__main__.py").write_text(source)
    (runs.folder / "app" / "beside.py").write_text("NAME = 'beside'\n")
    with zipfile.ZipFile(runs.folder / "app.zip", "w") as file:
        file.writestr("__main__.py", source)
        file.writestr("beside.py", "NAME = 'zipped'\n")
    for script in ("app", "app.zip"):
        plain, ours = both(runs, script, "x")
        assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout), ours.stderr


def test_a_script_that_is_not_there(runs):
    plain, ours = both(runs, "nowhere.py")
    assert (ours.returncode, plain.returncode) == (2, 2)
    assert "nowhere.py" in ours.stderr and "No such file or directory" in ours.stderr


def test_help_and_bad_usage(runs):
    said = runs("-m", "iam_platform.compat", "--help")
    assert (said.returncode, said.stderr) == (0, "")
    for word in ("usage: python -m iam_platform.compat SCRIPT", "graph_users", "CLIENT_SECRET", "IAM_SCIM_URL"):
        assert word in said.stdout
    for arguments in ([], ["--nonsense", "x.py"]):
        said = runs("-m", "iam_platform.compat", *arguments)
        assert (said.returncode, said.stdout) == (2, "")
        assert "usage:" in said.stderr


def test_our_modules_win_over_the_files_beside_and_only_they(runs):
    for name in (*MODULES, "hr.own", "scim.own", "other", "graph_other"):
        file = runs.folder / (name.replace(".", "/") + ".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"BESIDE = {name!r}\n")
    for package in ("hr", "scim"):
        (runs.folder / package / "__init__.py").write_text("BESIDE = True\n")
    (runs.folder / "config.json").write_text('{"domain": "contoso.example"}')
    (runs.folder / "script.py").write_text(
        "import importlib, json\n"
        f"names = {[*MODULES, 'hr', 'scim', 'hr.own', 'scim.own', 'other', 'graph_other']!r}\n"
        "print(json.dumps({name: getattr(importlib.import_module(name), 'BESIDE', None) for name in names}))\n"
    )
    found = json.loads(runs("-m", "iam_platform.compat", "script.py").stdout)
    assert {name for name, beside in found.items() if beside} == {"hr.own", "scim.own", "other", "graph_other"}


def test_a_program_that_loads_another_is_a_script_too(runs):
    for name, text in {
        "bin/tool": "import os, sys\nsys.path.insert(0, os.getcwd())\n__import__(sys.argv[1])\n",
        "app.py": "import graph_users\nfrom hr.own import OWN\nprint(graph_users.__name__, OWN)\n",
        "graph_users.py": "raise SystemExit('beside')\n",
        "hr/own.py": "from .workday_events import detect_event\nOWN = detect_event({'status': 'Terminated'})\n",
        "hr/__init__.py": "",
    }.items():
        (runs.folder / name).parent.mkdir(exist_ok=True)
        (runs.folder / name).write_text(text)
    ran = runs("-m", "iam_platform.compat", "bin/tool", "app")
    assert ran.stdout == "iam_platform.compat.graph_users Termination\n", ran.stderr


def test_every_name_of_the_samples_is_offered(runs):
    assert set(OFFERED) == set(MODULES)
    lines = [f"from {module} import {', '.join(names.split())}" for module, names in OFFERED.items()]
    (runs.folder / "script.py").write_text("\n".join([*lines, "print('all')"]))
    ran = runs("-m", "iam_platform.compat", "script.py")
    assert ran.stdout == "all\n", ran.stderr


def test_a_module_is_one_under_both_of_its_names(runs):
    (runs.folder / "script.py").write_text(
        "import sys, config, graph_users, hr.workday_feed, scim.scim_mapper\n"
        "from iam_platform import compat\n"
        "import iam_platform.compat.graph_users, iam_platform.compat.hr.workday_feed\n"
        "assert compat.graph_users is graph_users and compat.config is config\n"
        "assert compat.hr.workday_feed is hr.workday_feed\n"
        "assert graph_users.__spec__.name == 'iam_platform.compat.graph_users'\n"
        "print(graph_users.__name__)\n"
    )
    ran = runs("-m", "iam_platform.compat", "script.py")
    assert ran.stdout == "iam_platform.compat.graph_users\n", ran.stderr


def test_the_modules_need_no_runner(runs):
    code = "from iam_platform.compat import graph_users as g; print(g.generate_upn('A', 'B', 'c.example'))"
    ran = runs("-c", code)
    assert ran.stdout == "a.b@c.example\n", ran.stderr
    assert not list(runs.folder.iterdir()), "importing writes nothing"


def test_nothing_that_the_wheel_does_not_have_is_imported(runs):
    (runs.folder / "script.py").write_text(
        "import sys, orchestrator\n"
        "print(sorted({'requests', 'msal', 'httpx', 'dotenv', 'pydantic', 'urllib3'} & set(sys.modules)))\n"
    )
    assert runs("-m", "iam_platform.compat", "script.py").stdout == "[]\n"


@pytest.mark.parametrize("missing", ["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"])
def test_a_missing_credential_is_named_with_where_it_was_looked_for(runs, missing):
    values = {"TENANT_ID": "t", "CLIENT_ID": "c", "CLIENT_SECRET": "very-secret"}
    del values[missing]
    (runs.folder / "desk").mkdir()
    (runs.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    (runs.folder / "desk" / "script.py").write_text("from graph_users import get_user\nget_user('x')\n")
    ran = runs("-m", "iam_platform.compat", "desk/script.py")
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert last.startswith(f"iam_platform.errors.UnauthenticatedError: {missing} is not set: looked for {missing},")
    assert f"{runs.folder}/.env (has none)" in last
    assert f"{runs.folder}/desk/.env (not there)" in last
    assert "very-secret" not in ran.stderr
    assert re.search(r'File ".*/desk/script.py", line 2', ran.stderr)


def test_settings_stand_in_the_working_folder_or_else_beside_the_script(runs):
    beside = runs.folder / "beside"
    beside.mkdir()
    (beside / "config.json").write_text('{"domain": "beside.example"}')
    (beside / "script.py").write_text("import config; print(config.config['domain'])\n")
    assert runs("-m", "iam_platform.compat", "beside/script.py").stdout == "beside.example\n"
    (runs.folder / "config.json").write_text('{"domain": "here.example"}')
    assert runs("-m", "iam_platform.compat", "beside/script.py").stdout == "here.example\n"
