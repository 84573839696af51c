"""The backend against a bare FastAPI route, in the same run: accepted events a second, durably, and an upload.

    python tests/bench/backend.py [EVENTS] [ROWS]

Both are one uvicorn process, called by the same raw client over the same number of connections. The bare route reads the
same body as a model and does nothing. Figures are appended to target/bench.jsonl.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "python")]

import httpx  # noqa: E402
from serving import MEI, Backend, eventually, free_port, job, variables  # noqa: E402

CONNECTIONS = 64
BARE = """
from fastapi import FastAPI
from iam_platform.backend.hr.schemas import HrRecord

app = FastAPI()

@app.post("/hr/new-hire", status_code=202)
async def new_hire(record: HrRecord) -> dict[str, str]:
    return {"id": "1"}
"""


async def asked(port: int, path: str, bodies: list[bytes], headers: str) -> float:
    """Seconds for all of them, over so many connections; every answer is 202."""
    waiting = iter(bodies)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert b" 202 " in answer.split(b"\r\n")[0], answer
            lines = answer.lower().split(b"\r\n")
            length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return time.perf_counter() - begun


def bodies(count: int, prefix: str) -> list[bytes]:
    """So many different people."""
    return [json.dumps(MEI | {"employeeId": f"{prefix}-{n}", "lastName": f"Ek{n}"}).encode() for n in range(count)]


def bare(folder: pathlib.Path, events: int) -> float:
    """A second's requests of the bare route."""
    (folder / "bare.py").write_text(BARE)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "bare:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
    ]
    process = subprocess.Popen(command, cwd=folder)
    try:

        def ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/openapi.json").status_code == 200
            except httpx.TransportError:
                return False

        eventually(ready)
        asyncio.run(asked(port, "/hr/new-hire", bodies(events // 10, "W"), ""))
        return events / asyncio.run(asked(port, "/hr/new-hire", bodies(events, "B"), ""))
    finally:
        process.terminate()
        process.wait(30)


def main(events: int, rows: int) -> None:
    """Measures, prints and keeps."""
    import iam_platform

    figures: dict[str, object] = {"bench": "backend", "build": iam_platform.build_profile, "connections": CONNECTIONS}
    with contextlib.closing(iam_platform.Sandbox()) as sandbox, tempfile.TemporaryDirectory() as place:
        folder, env = pathlib.Path(place), variables(sandbox)
        figures["bare_per_s"] = round(bare(folder, events))
        with Backend(folder, env, IAM_WORKER="off") as backend, backend.client("IAM.Operator", timeout=600) as caller:
            bearer = f"Authorization: {caller.headers['Authorization']}\r\n"
            asyncio.run(asked(backend.port, "/hr/new-hire", bodies(events // 10, "V"), bearer))
            took = asyncio.run(asked(backend.port, "/hr/new-hire", bodies(events, "E"), bearer))
            figures["accepted_per_s"] = round(events / took)
            figures["of_bare"] = round(events / took / float(str(figures["bare_per_s"])), 3)

            text = "Employee ID,First Name,Last Name,Department,Country,Status\n"
            text += "".join(f"U-{n},Ada,Ek{n},Sales,AU,Active\n" for n in range(rows))
            sent = time.perf_counter()
            answer = caller.post(
                "/hr/upload-csv", params={"mode": "apply"}, content=text, headers={"Content-Type": "text/csv"}
            )
            answered = time.perf_counter()
            with caller.stream("GET", f"{answer.headers['location']}/events") as stream:
                first = next(time.perf_counter() for line in stream.iter_lines() if line == "event: progress")
            over = job(caller, answer.headers["location"], seconds=600)
            assert over["accepted"] == rows, over
            status = pathlib.Path(f"/proc/{backend.process.pid}/status").read_text()
            peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            figures |= {
                "upload_rows": rows,
                "upload_answered_s": round(answered - sent, 3),
                "upload_first_progress_s": round(first - answered, 3),
                "upload_accepted_s": round(time.perf_counter() - sent, 1),
                "peak_mib": peak >> 10,
            }
    print(json.dumps(figures, indent=1))
    kept = HERE.parents[1] / "target" / "bench.jsonl"
    kept.parent.mkdir(exist_ok=True)
    with kept.open("a") as out:
        out.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    main(*given, *(5000, 100_000)[len(given) :])
