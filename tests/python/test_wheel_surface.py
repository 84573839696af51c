"""The boundary of the wheel: what is exported, how it is written, what it says of itself."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import iam_platform
from iam_platform import _core, errors

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = sorted((ROOT / "iam-py" / "src").rglob("*.rs"))
# Names of `_core` that stand elsewhere than in `iam_platform` itself.
ELSEWHERE = dict.fromkeys(("check_records", "event_id", "verify_webhook"), "iam_platform.backend")


def test_every_class_is_frozen():
    loose = [
        f"{file.relative_to(ROOT)}: {match.group(0)}"
        for file in SOURCES
        for match in re.finditer(r"#\[pyclass(\([^]]*\))?\]", file.read_text())
        if "frozen" not in match.group(0) or 'module = "iam_platform"' not in match.group(0)
    ]
    assert loose == [], "a class that is not frozen can be changed by two threads at once"
    assert sum(file.read_text().count("#[pyclass") for file in SOURCES) > 5, "the search finds classes"


def test_every_export_is_re_exported():
    exported = {name for name in vars(_core) if not name.startswith("_")} | {"__version__"}
    exported -= {"__all__"}
    missing = {name for name in exported if not hasattr(iam_platform, name)} - set(ELSEWHERE)
    assert missing == set()
    assert exported - set(ELSEWHERE) <= set(iam_platform.__all__)
    assert [name for name in iam_platform.__all__ if not hasattr(iam_platform, name)] == []
    assert iam_platform.__all__ == sorted(iam_platform.__all__)


def pairs():
    classes = {name: kind for name, kind in vars(_core).items() if inspect.isclass(kind)}
    return [(name, classes[name], classes[f"Async{name}"]) for name in classes if f"Async{name}" in classes]


@pytest.mark.parametrize(
    ("name", "sync", "asynchronous"), pairs(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_sync_and_async_classes_have_the_same_methods(name, sync, asynchronous):
    def public(kind):
        return {
            method: str(inspect.signature(member)) if callable(member) else "property"
            for method, member in vars(kind).items()
            if not method.startswith("_")
        }

    assert public(sync) == public(asynchronous)
    assert len(pairs()) >= 4


def test_every_async_class_has_a_sync_twin():
    names = {name for name, kind in vars(_core).items() if inspect.isclass(kind)}
    assert {name for name in names if name.startswith("Async") and name[5:] not in names} == set()


def test_every_kind_of_failure_has_its_class():
    text = (ROOT / "iam-core" / "src" / "error.rs").read_text()
    kinds = set(re.findall(r'Self::\w+ => "(\w+)"', text))
    assert len(kinds) > 15
    classes = {kind.kind: kind for kind in errors.IamError.__subclasses__()}
    assert set(classes) | {"other"} == kinds
    assert all(issubclass(kind, errors.IamError) for kind in classes.values())
    assert len(classes) == len(errors.IamError.__subclasses__()), "no two classes for one kind"
    for kind, cls in classes.items():
        raised = errors.raised(kind, "no", status=400)
        assert (type(raised), raised.kind, raised.status, str(raised)) == (cls, kind, 400, "no")
        assert re.fullmatch(r"[A-Z]\w+Error", cls.__name__)
        assert cls.__doc__
    strange = errors.raised("brand_new", "no")
    assert (type(strange), strange.kind) == (errors.IamError, "brand_new")


def test_every_public_name_is_documented_in_the_stubs():
    stubs = ast.parse((ROOT / "iam-py" / "python" / "iam_platform" / "_core.pyi").read_text())
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    public = [
        (f"{parent.name}." if isinstance(parent, named) else "") + node.name
        for parent in ast.walk(stubs)
        for node in getattr(parent, "body", [])
        if isinstance(node, named) and not node.name.startswith("_") and ast.get_docstring(node) is None
    ]
    assert [name for name in public if name != "_Model.model_dump"] == []


def test_the_stubs_are_true():
    pytest.importorskip("mypy")
    package = pathlib.Path(iam_platform.__file__).parent
    # Where the wheel is installed, Python finds it by itself, and mypy wants to be told of the sources alone.
    paths = {"MYPYPATH": str(ROOT / "iam-py" / "python")}
    if package.parent.name != "site-packages":
        paths["PYTHONPATH"] = str(package.parent)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "iam_platform._core",
            "--allowlist",
            str(ROOT / "tests" / "python" / "stubtest-allowed.txt"),
            "--mypy-config-file",
            str(ROOT / "iam-py" / "pyproject.toml"),
        ],
        env={**paths, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_it_says_of_itself():
    assert re.fullmatch(r"\d+\.\d+\.\d+", iam_platform.__version__)
    assert iam_platform.build_profile in ("debug", "release")
    for name, kind in vars(_core).items():
        if inspect.isclass(kind):
            assert kind.__module__ == "iam_platform", name
