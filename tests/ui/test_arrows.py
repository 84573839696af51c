"""What the UI may know: the backend over HTTP, and nothing of the engine, the clients or the journal."""

from __future__ import annotations

import ast
import pathlib
import sys

import iam_platform.ui

FOLDER = pathlib.Path(iam_platform.ui.__file__).parent
LIBRARIES = {"altair", "httpx", "pandas", "starlette", "streamlit"}
OURS = {"iam_platform.__version__", "iam_platform.diff", "iam_platform.errors", "iam_platform.ui"}


def imported(file):
    """The absolute names of what a module imports."""
    package = ("iam_platform.ui", *file.relative_to(FOLDER).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package).split(".")
            start = ".".join(base[: len(base) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            if module in ("iam_platform", "iam_platform.ui"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def allowed(name):
    top = name.partition(".")[0]
    if top != "iam_platform":
        return top in LIBRARIES or top in sys.stdlib_module_names
    return any(name == one or name.startswith(f"{one}.") for one in OURS)


def test_the_ui_talks_to_the_backend_over_http_only():
    files = sorted(FOLDER.rglob("*.py"))
    assert len(files) > 10
    wrong = {
        str(file.relative_to(FOLDER)): sorted({name for name in imported(file) if not allowed(name)}) for file in files
    }
    assert not {file: names for file, names in wrong.items() if names}


def test_nothing_is_shown_as_html_unchecked():
    """Names and reasons come from people: only the modules that escape what they show may write HTML."""
    for file in FOLDER.rglob("*.py"):
        text = file.read_text()
        assert "unsafe_allow_html" not in text, file
        assert "st.html(" not in text or file.name in ("month.py", "show.py"), (
            f"{file}: show.links and show.table write HTML"
        )
