"""Completion, as a shell does it: installed by the command line itself, typed on a terminal."""

from __future__ import annotations

import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

DEADLINE = 120
PROMPT = "ready> "
BELL = "\a"


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request):
    """The shells that completion is promised for; bash is there wherever the tests run."""
    if request.param != "bash" and not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed (Debian: sudo apt-get install {request.param})")
    return request.param


@pytest.fixture
def desk(tmp_path):
    """A home folder of its own, and ``iam-platform`` on the PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "iam-platform"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m iam_platform "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "LANG", "LD_LIBRARY_PATH")}
    path = f"{bin_folder}:{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "160"}


def ran(shell, line, desk):
    """What a shell prints that runs this line, and then another one: else it becomes the program."""
    done = subprocess.run(
        [shell, "-c", f"{line.rstrip()}\ntrue"],
        env=desk,
        cwd=desk["HOME"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert not done.stderr.strip(), done.stderr
    return done.stdout


def typed(command, steps, desk):
    """What a terminal shows of which each text is typed once the one before it is seen."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(desk["HOME"])
        os.execvpe(command[0], command, desk)
    shown, end = "", time.monotonic() + DEADLINE
    try:
        for awaited, text in steps:
            while awaited not in shown and time.monotonic() < end:
                if select.select([terminal], [], [], 1)[0]:
                    shown += os.read(terminal, 65536).decode(errors="replace")
            os.write(terminal, text.encode())
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    return shown


def test_a_command_is_completed_where_it_was_installed(shell, desk):
    for file in (".bashrc", ".zshrc"):
        pathlib.Path(desk["HOME"], file).write_text(f"PS1='{PROMPT}'\n")
    assert "installed" in ran(shell, "iam-platform --install-completion", desk)
    if shell == "fish":
        offered = ran(shell, 'complete -C "iam-platform audit ver"', desk)
        assert [line.split("\t")[0] for line in offered.splitlines()] == ["verify"]
        return
    line = [(PROMPT, "iam-platform audit ver\t"), ("ify ", "--help\n"), ("Usage: iam-platform audit verify", "")]
    if shell == "zsh":
        line.insert(1, (BELL, "\t"))  # at the first tab of a session it only reads the script
    shown = typed([shell, "-i"], line, desk)
    assert "Usage: iam-platform audit verify" in shown, shown


def test_what_is_shown_completes_every_level(desk):
    script = ran("bash", "iam-platform --show-completion", desk)
    offers = """
    offered() {
        COMP_WORDS=(iam-platform "$@"); COMP_CWORD=$#
        _iam_platform_completion iam-platform; echo "${COMPREPLY[*]}"
    }
    offered ''; offered policy ''; offered policy di; offered plan --
    """
    top, below, one, options = ran("bash", f"{script}\n{offers}", desk).splitlines()
    assert {"plan", "apply", "run", "explain", "demo", "doctor", "policy", "audit"} <= {*top.split()}
    assert below.split() == ["check", "test", "diff", "import"]
    assert one == "diff"
    assert "--help" in options.split()
