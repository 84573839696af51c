"""A PostgreSQL server for one test run: that of IAM_TEST_POSTGRES, or one that starts on a free port and ends with it."""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import shutil
import subprocess

from serving import free_port


def _program(name: str) -> str:
    found = shutil.which(name)
    places = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    assert found or places, f"{name} is not installed: apt-get install postgresql"
    return found or places[-1]


@contextlib.contextmanager
def server(folder: pathlib.Path):
    """Its URL."""
    given = os.environ.get("IAM_TEST_POSTGRES")
    if given:
        yield given
        return
    data, port = folder / "pg", free_port()
    as_owner = []
    if os.geteuid() == 0:
        # It refuses to run as root.
        shutil.chown(folder, "postgres")
        for above in [folder, *folder.parents][:4]:
            with contextlib.suppress(PermissionError):
                above.chmod(above.stat().st_mode | 0o011)
        as_owner = ["runuser", "-u", "postgres", "--"]
    subprocess.run(
        [*as_owner, _program("initdb"), "-D", str(data), "-U", "iam", "-A", "trust", "--no-sync", "-E", "UTF8"],
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        [*as_owner, _program("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"postgres://iam@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(30)
