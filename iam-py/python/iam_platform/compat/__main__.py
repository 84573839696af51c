"""``python -m iam_platform.compat SCRIPT [ARGS]``: see ``--help``."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import io
import pkgutil
import runpy
import sys
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from . import MODULES, _settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE = f"""usage: python -m iam_platform.compat SCRIPT [ARGS...]

Runs a Python script (or a folder or zip file with a __main__.py) unchanged, with
the modules of iam_platform.compat in place of the ones beside it:

  {" ".join(name for name in MODULES if "." not in name)}

Everything else is as for `python SCRIPT [ARGS...]`: sys.argv, sys.path, the working
folder, tracebacks and the exit code.

Settings: TENANT_ID, CLIENT_ID and CLIENT_SECRET from the environment or from .env,
the rest from config.json, both in the working folder or else beside the script.
Endpoints: IAM_AUTHORITY, IAM_GRAPH_URL, IAM_SCIM_URL (with IAM_SCIM_TOKEN),
IAM_CA_BUNDLE.

  -h, --help  this text
"""


class _Loader(importlib.abc.Loader):
    """Gives a module of this package under the samples' name for it: one module, two names."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"{__package__}.{spec.name}")
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class Finder(importlib.abc.MetaPathFinder):
    """Finds the samples' names before anything else does, and no other name."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  of the protocol
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """The specification of a module of ours."""
        if name not in MODULES:
            return None
        if any(known.startswith(f"{name}.") for known in MODULES):
            # What else a script keeps in a folder of that name is found there still.
            package = importlib.import_module(f"{__package__}.{name}")
            folders = [str(Path(entry or ".", name)) for entry in sys.path if Path(entry or ".", name).is_dir()]
            package.__path__.extend(folder for folder in folders if folder not in package.__path__)
        return importlib.machinery.ModuleSpec(name, _Loader(), origin=f"{__package__}.{name}")


def _without_ours(
    report: Callable[[type[BaseException], BaseException, TracebackType | None], object], package: str
) -> Callable[[type[BaseException], BaseException, TracebackType | None], object]:
    """A report of an exception that begins where the script does."""
    ours = (package, "<frozen runpy>", runpy.__file__)

    def begin(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> object:
        while trace is not None and trace.tb_frame.f_code.co_filename in ours:
            trace = trace.tb_next
        return report(kind, error.with_traceback(trace), trace)

    return begin


def main(arguments: list[str]) -> int:
    """Runs the script. Returns the exit code where the script says none."""
    if not arguments:
        sys.stderr.write(USAGE)
        return 2
    if arguments[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    script = arguments[0]
    if script.startswith("-"):
        sys.stderr.write(f"unknown option: {script}\n{USAGE}")
        return 2
    path = Path(script)
    try:
        path.stat()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {str(path.absolute())!r}: {error.strerror}\n")
        return 2
    beside = path.resolve() if path.is_dir() else path.resolve().parent
    _settings.beside = beside
    sys.meta_path.insert(0, Finder())
    sys.argv[:] = arguments
    sys.excepthook = _without_ours(sys.excepthook, __file__)
    if pkgutil.get_importer(script) is None:
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = str(beside)
        _run(str(path.absolute()))
    else:
        # A folder or a zip file: its place in sys.path is runpy's work, in ours.
        del sys.path[:1]
        runpy.run_path(script, run_name="__main__")
    return 0


def _run(script: str) -> None:
    # As Python's own start does it: runpy.run_path takes the module away again when the script has ended, under the
    # threads and exit functions that are still to come, and names the script's folder in sys.argv[0].
    loader = importlib.machinery.SourceFileLoader("__main__", script)
    module = ModuleType("__main__")
    vars(module).update(__file__=script, __loader__=loader, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = module
    with io.open_code(script) as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102  a script is run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
