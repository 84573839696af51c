"""How the wheel behaves in a process: threads, signals, cancellation, forks, import."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import iam_platform


def program(text):
    return [sys.executable, "-c", textwrap.dedent(text)]


def run(text, **how):
    """What a program prints. It has a generous while to end."""
    done = subprocess.run(program(text), capture_output=True, text=True, timeout=60, check=False, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_cheap_and_starts_nothing():
    told = run("""
        import sys, threading
        import iam_platform
        import iam_platform.sandbox
        print(threading.active_count(), len(__import__("os").listdir("/proc/self/task")))
        print(sorted(name for name in sys.modules if name.split(".")[0] in
              ("asyncio", "pydantic", "fastapi", "typer", "rich", "azure", "httpx", "pytest", "streamlit")))
    """)
    assert told.splitlines() == ["1 1", "[]"]


def test_the_package_needs_no_other():
    # Without site-packages: what the base wheel brings, and Python itself.
    home = pathlib.Path(iam_platform.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import iam_platform as p; tenant = p.Sandbox(); tenant.graph().organization()"],
        env={"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_gil_is_free_while_a_call_waits(iam_sandbox):
    graph = iam_sandbox.graph()
    graph.organization()
    iam_sandbox.fault("slow", millis=1500)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    graph.organization()
    during = counted[0] - before
    stop.set()
    thread.join()
    # A held GIL would leave it next to nothing.
    assert during > 10_000


def test_threads_wait_side_by_side(iam_sandbox):
    graph = iam_sandbox.graph()
    graph.organization()
    iam_sandbox.fault("slow", millis=1000)
    threads = [threading.Thread(target=graph.organization) for _ in range(20)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 15, "one after the other they would take 20 s"


def test_awaited_calls_wait_side_by_side(iam_sandbox):
    async def story():
        graph = iam_sandbox.async_graph()
        await graph.organization()
        iam_sandbox.fault("slow", millis=1000)
        await asyncio.gather(*(graph.organization() for _ in range(100)))

    started = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - started < 50, "one after the other they would take 100 s"


WAITS = """
    import iam_platform, signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with iam_platform.Sandbox() as sandbox:
        graph = sandbox.graph()
        graph.organization()
        sandbox.fault("slow", millis=50_000)
        print("waiting", flush=True)
        try:
            graph.organization()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_call_that_waits():
    with subprocess.Popen(program(WAITS), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        # It takes 0.05 s; a machine that is busy with other things gets its time.
        assert time.monotonic() - sent < 10
        assert process.wait(30) == 0


def test_ctrl_c_ends_an_awaited_call():
    text = WAITS.replace("graph = sandbox.graph()", "graph = sandbox.async_graph()")
    text = text.replace("graph.organization()", "asyncio.run(ask(graph))").replace(
        "    with iam", "    import asyncio\n    async def ask(graph): await graph.organization()\n    with iam"
    )
    with subprocess.Popen(program(text), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(30) == 0


def test_cancellation_reaches_the_core(iam_sandbox):
    """A call that is retried for long stops asking once its task is cancelled."""

    async def story():
        graph = iam_sandbox.async_graph()
        await graph.organization()
        iam_sandbox.fault("throttle", retry_after=1)
        before = iam_sandbox.requests
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(graph.organization(), 0.5)
        asked = iam_sandbox.requests
        assert asked > before, "it had begun"
        await asyncio.sleep(3)
        assert iam_sandbox.requests == asked

    asyncio.run(story())


def test_a_listing_that_was_cancelled_loses_nothing(iam_sandbox):
    async def story():
        listing = iam_sandbox.async_graph().users(select="id", top=5)
        first = [await anext(listing) for _ in range(5)]
        iam_sandbox.fault("slow", millis=2000, times=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(listing), 0.3)
        rest = await listing.all()
        assert len({user["id"] for user in first + rest}) == len(iam_sandbox.state()["users"])
        assert len(first + rest) == len(iam_sandbox.state()["users"])
        assert await anext(listing, None) is None

    asyncio.run(story())


def test_a_blocking_call_inside_of_a_running_loop(iam_sandbox):
    async def story():
        return iam_sandbox.graph().organization()

    assert asyncio.run(story())["id"] == iam_sandbox.tenant_id


def test_one_client_for_many_loops(iam_sandbox):
    graph = iam_sandbox.async_graph()

    async def story():
        return (await graph.organization())["id"]

    assert [asyncio.run(story()) for _ in range(3)] == [iam_sandbox.tenant_id] * 3


def test_an_awaitable_needs_a_loop(iam_sandbox):
    with pytest.raises(RuntimeError, match="no running event loop"):
        iam_sandbox.async_graph().organization()


def test_a_fork_after_use_says_so_at_once():
    told = run("""
        import os, iam_platform
        sandbox = iam_platform.Sandbox()
        graph = sandbox.graph()
        graph.organization()
        child = os.fork()
        if child == 0:
            try:
                graph.organization()
            except RuntimeError as error:
                os.write(1, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        graph.organization()
    """)
    assert "forked" in told
    assert "spawn" in told


def test_a_fork_before_use_is_fine(iam_sandbox):
    told = run(
        """
        import os, iam_platform
        child = os.fork()
        told = iam_platform.GraphClient().organization()["id"]
        os.write(1, (told + "\\n").encode())
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        """,
        env={**os.environ, **iam_sandbox.env},
    )
    assert told.splitlines() == [iam_sandbox.tenant_id] * 2


SPAWNS = """
import multiprocessing, sys
import iam_platform

def ask(_):
    return iam_platform.GraphClient().organization()["id"]

if __name__ == "__main__":
    print(ask(None))
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print("\\n".join(pool.map(ask, range(3))))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_spawned_after_use(tmp_path, iam_sandbox, method):
    script = tmp_path / "spawns.py"
    script.write_text(SPAWNS)
    done = subprocess.run(
        [sys.executable, script, method],
        env={**os.environ, **iam_sandbox.env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [iam_sandbox.tenant_id] * 4


def test_a_program_may_end_with_its_last_await(iam_sandbox):
    """The thread that brought the outcome may still be in Python then, where the interpreter's end takes it apart."""
    for _ in range(25):
        run(
            """
            import asyncio, iam_platform

            async def main():
                graph = iam_platform.AsyncGraphClient()
                asyncio.ensure_future(graph.users().all())
                await asyncio.gather(*(graph.organization() for _ in range(4)))

            asyncio.run(main())
            """,
            env={**os.environ, **iam_sandbox.env},
        )


def test_a_program_may_end_in_the_middle_of_a_call(iam_sandbox):
    run(
        """
        import threading, time, iam_platform
        graph = iam_platform.GraphClient()
        graph.organization()
        for _ in range(4):
            threading.Thread(target=lambda: [graph.organization() for _ in range(1000)], daemon=True).start()
        time.sleep(0.5)
        """,
        env={**os.environ, **iam_sandbox.env},
    )
