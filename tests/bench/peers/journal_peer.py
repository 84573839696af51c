"""procrastinate as a job queue that is measured. Its plan comes in JOURNAL_PEER, as JSON; the outcome leaves as one line
of JSON, as tests/bench/journal_peer.rs reads it."""

import asyncio
import json
import os
import time

import procrastinate


async def main() -> None:
    plan = json.loads(os.environ["JOURNAL_PEER"])
    jobs, batch = plan["jobs"], plan["batch"]
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=plan["place"]))
    ran = 0

    # Nothing is done: what is measured is the queue.
    @app.task(name="work")
    async def work(payload: str) -> None:
        nonlocal ran
        ran += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        payloads = [str(job).zfill(plan["length"]) for job in range(jobs)]
        start = time.monotonic()
        if batch == 1:
            for payload in payloads:
                await work.defer_async(payload=payload)
        else:
            for first in range(0, jobs, batch):
                await work.batch_defer_async(*({"payload": payload} for payload in payloads[first : first + batch]))
        enqueued = time.monotonic() - start
        start = time.monotonic()
        await app.run_worker_async(wait=False, concurrency=plan["tasks"], install_signal_handlers=False)
        seconds = time.monotonic() - start
    assert ran == jobs, f"{ran} of {jobs} jobs were run"
    print(json.dumps({"enqueued": enqueued, "ran": seconds}))


asyncio.run(main())
