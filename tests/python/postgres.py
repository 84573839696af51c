"""A PostgreSQL server for tests, as the Rust tests have one: on the loopback, and gone with the process."""

import os
import pathlib
import re
import shutil
import socket
import subprocess

ROOT = pathlib.Path(__file__).parents[2]


class Postgres:
    """The server that ``IAM_TEST_POSTGRES`` names, or one of its own."""

    def __init__(self):
        self.keeper = None
        self.url = os.environ.get("IAM_TEST_POSTGRES", "")
        if not self.url:
            self._start()

    def _start(self):
        initdb = shutil.which("initdb") or next(
            map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")), None
        )
        assert initdb, "PostgreSQL is not installed: install it, or name a server in IAM_TEST_POSTGRES"
        # It makes, starts and clears away: the same words as in the Rust tests.
        source = (ROOT / "iam-core" / "src" / "testing" / "postgres.rs").read_text()
        words = re.search(r'const KEEPER: &str = r#"\n(.*?)"#;', source, re.DOTALL).group(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        rights = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
            if os.getuid() == 0
            else []
        )
        program = [
            *rights,
            "sh",
            "-c",
            words,
            "keeper",
            str(pathlib.Path(initdb).resolve().parent),
            str(port),
            "0",
        ]
        self.keeper = subprocess.Popen(
            program, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = self.keeper.stdout.readline()
        assert said.startswith("ready "), said
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def close(self):
        """Its keeper clears everything away once its input ends."""
        if self.keeper:
            self.keeper.communicate(timeout=60)
