"""What the wheel's README shows is run: each block of Python, on a tenant of its own."""

import os
import pathlib
import re
import subprocess
import sys

import iam_platform
import pytest

README = pathlib.Path(__file__).parents[2] / "iam-py" / "README.md"
# Those of the engine need files of their own: test_engine_lifecycle.py runs them.
ENGINE = re.compile(r"^## The engine\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```python\n(.*?)^```", ENGINE.sub("", README.read_text()), re.MULTILINE | re.DOTALL)
# What a block prints, by a word of it. A block that is not named here only has to run.
PRINTED = {
    "with Sandbox()": r".+ - .+",
    "add_group_member": r"\['.+', '.+', '.+'\]",
    "asyncio.gather": r"Contoso Health \[.*'SPE_E3'.*\]\n.+",
    "changes.all()": r"200 \d\n[0-9a-f-]{36}\nRequest_ResourceNotFound\n\[\] True",
    "ArmClient()": r"True",
    "ScimClient()": r"\[False\]",
    "DefaultAzureCredential": r"Contoso Health",
    "except NotFoundError": r"Request_ResourceNotFound [0-9a-f-]{36}",
}


def test_the_readme_has_blocks():
    assert len(BLOCKS) > len(PRINTED)
    assert [word for word in PRINTED if not any(word in block for block in BLOCKS)] == []


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[-1][:40])
def test_a_block_runs(tmp_path, block):
    tests = "def test_" in block
    script = tmp_path / ("test_block.py" if tests else "block.py")
    script.write_text(block)
    how = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if tests else []
    with iam_platform.Sandbox() as sandbox:
        done = subprocess.run(
            [sys.executable, *how, str(script)],
            env={**os.environ, **({} if tests else sandbox.env)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for word, printed in PRINTED.items():
        if word in block:
            assert re.search(printed, done.stdout), done.stdout
