"""Uploads: a file on the disk, a job in the journal, and a report. Memory does not grow with the file.

A file is durable before it is answered. What a process that dies has left is taken up by the next one: by the file's lock,
so that of several processes one does. Rows that were accepted already say nothing new.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import fcntl
import hashlib
import heapq
import itertools
import json
import logging
import os
import shutil
import time
import uuid
from typing import IO, TYPE_CHECKING, Any

from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

import iam_platform
from iam_platform import errors
from iam_platform.backend import table
from iam_platform.backend.jobs.job import Job, find, named, now
from iam_platform.backend.jobs.listing import listed
from iam_platform.backend.problems import Problem

from .form import Form, cleaned
from .records import Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Sequence
    from pathlib import Path

    from fastapi import Request
    from starlette.responses import StreamingResponse

    from iam_platform.backend.platform import Platform
    from iam_platform.backend.security import Caller

log = logging.getLogger(__name__)

_CHUNK = 500
_PAUSE = 5.0
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf")
_LONGEST_FIELD = 1 << 20


class Uploads:
    """The uploads of this process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._folder: Path = platform.settings.data_dir / "uploads"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def running(self, job_id: str) -> Job | None:
        """The job, if this process reads its file."""
        return self._jobs.get(job_id)

    async def take(
        self,
        request: Request,
        *,
        mode: str,
        on_error: str,
        source: str | None,
        key: str | None,
        name: str | None,
        ignore_unknown: bool = False,
    ) -> Job:
        """Takes a file in, durably, and begins to read it. Its name is the form's, or the one that is given.

        Raises:
            Problem: 413, 415 or 422; nothing is kept.
        """
        caller = request.state.caller
        part = self._folder / f".{uuid.uuid4().hex}.part"
        lock = _locked(part)
        assert lock is not None
        try:
            digest, told = await self._write(request, lock)
            wish = f"{mode} {on_error} {source} {ignore_unknown} {digest}".encode()
            turn = Turn(self._platform, f"upload:{caller.tenant}/{caller.oid}", key, wish)
            known = await turn.begin()
            if known is not None:
                return self.running(known) or await find(self._platform.engine, known)
            kept = {"mode": mode, "on_error": on_error, "source": source, "by": caller.oid}
            kept["ignore_unknown"] = ignore_unknown
            kept["file"] = cleaned(name or told)
            job, begun = await self._keep(turn, part, kept)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
            lock.close()
        return await self._begun(job, begun)

    async def apply(self, job: Job, caller: Caller, *, on_error: str, key: str | None) -> Job:
        """Accepts the rows of a file that was validated; a job of its own.

        Raises:
            Problem: 404 for a file that is on another machine, or gone.
        """
        note = await self._platform.engine.note(f"job/{job.id}")
        before = note[1] if note else {}
        turn = Turn(self._platform, f"apply:{caller.tenant}/{caller.oid}", key, f"{job.id} {on_error}".encode())
        known = await turn.begin()
        if known is not None:
            return self.running(known) or await find(self._platform.engine, known)
        part = self._folder / f".{uuid.uuid4().hex}.part"
        try:
            # A file of its own: it is locked as long as it is read.
            await asyncio.to_thread(_copied, self._file(job.id), part)
        except FileNotFoundError:
            raise Problem(404, "the file of this upload is not here") from None
        kept = {"mode": "apply", "on_error": on_error, "by": caller.oid, "file": job.file, "of": job.id}
        kept |= {name: before.get(name) for name in ("source", "ignore_unknown")}
        try:
            applied, begun = await self._keep(turn, part, kept)
        finally:
            part.unlink(missing_ok=True)
        return await self._begun(applied, begun)

    async def _keep(self, turn: Turn, part: Path, kept: dict[str, Any]) -> tuple[Job, dict[str, Any] | None]:
        """Notes the upload and gives the file its name. The note, where it is a new one."""
        at = now()
        job = Job(
            id=named("u", turn.source, turn.id),
            kind="upload",
            state="accepted",
            phase="reading",
            mode=kept["mode"],
            by=kept["by"],
            file=kept.get("file"),
            of=kept.get("of"),
        )
        kept = job.model_dump(mode="json", exclude_none=True) | kept | {"created_at": at}
        file = self._file(job.id)
        if not file.exists():
            part.rename(file)
            _settle(self._folder)
        # Whoever was cut off between the lines finds the file again by its key.
        if await self._platform.engine.note(f"job/{job.id}") is None:
            await self._platform.engine.set_note(listed(job.id, at), 0, {})
        is_new = await self._platform.engine.set_note(f"job/{job.id}", 0, kept)
        await turn.end(job.id)
        return job, kept if is_new else None

    async def _begun(self, job: Job, kept: dict[str, Any] | None) -> Job:
        """The job, whose file is read from now on, if it was not before."""
        if kept is None:
            return self.running(job.id) or await find(self._platform.engine, job.id)
        self._begin(job.id, 1, kept)
        return self._jobs.get(job.id, job)

    async def valid_rows(self, job: Job, most: int) -> list[iam_platform.Record]:
        """The good rows of a file that was validated.

        Raises:
            Problem: 404 for a file that is on another machine, or gone; 422 where there are more than ``most``.
        """
        file = self._file(job.id)
        if not file.exists():
            raise Problem(404, "the file of this upload is not here")
        note = await self._platform.engine.note(f"job/{job.id}")
        intake = _intake(note[1] if note else {})

        def read() -> list[iam_platform.Record]:
            refused = _refused(self._rejects(job.id))
            rows = intake.read(str(file))
            good = (row for row in rows if isinstance(row, iam_platform.Record) and row.row not in refused)
            return list(itertools.islice(good, most + 1))

        rows = await asyncio.to_thread(read)
        if len(rows) > most:
            raise Problem(
                422,
                f"more than {most} rows are good: the plan of so many is not shown before they are applied; split the file, "
                "or apply it and watch the job",
                limit=most,
            )
        return rows

    async def resume(self) -> None:
        """Goes on with what a process that has died was reading, and forgets what was never answered."""
        for part in self._folder.glob(".*.part"):
            lock = _locked(part)
            if lock is not None:
                part.unlink(missing_ok=True)
                lock.close()
        for file in sorted(self._folder.glob("u*.csv")):
            note = await self._platform.engine.note(f"job/{file.stem}")
            if note is None:
                # A process may be about to note it; one that died never answered it.
                if time.time() - file.stat().st_mtime > 60:
                    file.unlink(missing_ok=True)
            elif note[1]["state"] in ("accepted", "running"):
                self._begin(file.stem, note[0], note[1])

    async def close(self) -> None:
        """Stops between two rows; the next process goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def report(self, job: Job) -> StreamingResponse:
        """The original rows, each with its result.

        Raises:
            Problem: 404 for a file that is on another machine, or gone.
        """
        file = self._file(job.id)
        if not file.exists():
            raise Problem(404, "the file of this upload is not here")
        header: list[str] = []
        with contextlib.closing(_rows(file)) as rows, contextlib.suppress(csv.Error):
            header = next(rows, (0, header))[1]
        said = {"done": "accepted" if job.mode == "apply" else "valid"}.get(job.state, "not accepted")
        return table.download(
            f"{job.id}.csv", [*header, "result", "code", "field", "message"], self._reported(file, said, len(header))
        )

    def rejects(self, job: Job, after: int, limit: int) -> list[dict[str, Any]]:
        """Rows that are refused, with line, field, code and message, in the order in which they stand.

        Raises:
            Problem: 404 for a file that is on another machine, or gone.
        """
        file = self._rejects(job.id)
        if not file.exists():
            raise Problem(404, "the file of this upload is not here")
        later = ((row, why) for row, why in _refused(file).items() if row > after)
        return [
            {"row": row, "code": code, "field": field, "message": message}
            for row, (code, field, message) in heapq.nsmallest(limit, later)
        ]

    async def _reported(self, file: Path, said: str, width: int) -> AsyncIterator[Sequence[object]]:
        refused = await asyncio.to_thread(_refused, self._rejects(file.stem))
        rows = _rows(file)
        try:
            while chunk := await asyncio.to_thread(lambda: list(itertools.islice(rows, _CHUNK))):
                for number, cells in chunk:
                    if not number:
                        continue
                    why = refused.get(number)
                    cells = [*cells, *[""] * (width - len(cells))]  # noqa: PLW2901
                    if why is None:
                        yield [*cells, said, "", "", ""]
                    else:
                        yield [*cells, "rejected", *why]
        except csv.Error:
            return

    # --- taking in -------------------------------------------------------------------------------------------------

    async def _write(self, request: Request, out: IO[bytes]) -> tuple[str, str | None]:
        """Writes the body to the disk as it comes; its hash, and the name that a form gives it."""
        form: Form | None = None
        media, options = parse_options_header(request.headers.get("content-type", ""))
        whole = hashlib.sha256()
        size = 0
        head = b""

        def keep(data: bytes) -> None:
            nonlocal size, head
            if len(head) < 8:
                head = (head + data)[:8]
                if head.startswith(_ZIP):
                    raise Problem(415, "expected CSV text, found a compressed file: unpack it first")
            size += len(data)
            whole.update(data)
            out.write(data)

        match media:
            case b"text/csv" | b"application/csv" | b"text/plain" | b"application/vnd.ms-excel" | b"":
                feed: Callable[[bytes], object] = keep
            case b"multipart/form-data" if options.get(b"boundary"):
                form = Form(options[b"boundary"], keep)
                feed = form.feed
            case _:
                raise Problem(415, "expected text/csv, or multipart/form-data with a part named file")
        try:
            async for data in request.stream():
                # The disk is slower than the loop may wait.
                await asyncio.to_thread(feed, data)
        except ClientDisconnect:
            raise Problem(400, "the upload was cut off") from None
        if size == 0:
            raise Problem(422, "expected a header row, found an empty file (or no part named file)")
        await asyncio.to_thread(_synced, out)
        return whole.hexdigest(), form.file if form else None

    # --- reading ---------------------------------------------------------------------------------------------------

    def _begin(self, job_id: str, version: int, kept: dict[str, Any]) -> None:
        lock = _locked(self._file(job_id), create=False)
        if lock is None:
            return  # another process reads it, or it is on another machine
        reading = _Reading(self._platform.engine, job_id, version, kept)
        self._jobs[job_id] = reading.job
        task = asyncio.create_task(self._read(reading, lock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, reading: _Reading, lock: IO[bytes]) -> None:
        try:
            while not await self._is_read(reading):  # noqa: ASYNC110  the journal tells nobody that it is back
                await asyncio.sleep(_PAUSE)
        finally:
            lock.close()
            self._jobs.pop(reading.job.id, None)

    async def _is_read(self, reading: _Reading) -> bool:
        """Whether it is over; otherwise the journal does not answer, and it is tried again."""
        try:
            try:
                await self._validate(reading)
                if not reading.job.over:
                    await self._accept(reading)
            except errors.InvalidError as error:
                await reading.end("failed", why=str(error))
            except (OSError, ValueError) as error:
                log.exception("upload %s cannot be read", reading.job.id, exc_info=error)
                await reading.end("failed", why="the file cannot be read any more: send it again")
        except errors.IamError as error:
            log.warning("upload %s waits: %s", reading.job.id, error)
            return False
        return True

    async def _validate(self, reading: _Reading) -> None:
        """Reads everything once, and accepts nothing."""
        job = reading.job
        job.state, job.phase, job.rows, job.rejected = "running", "reading", 0, 0
        rows = reading.intake().read(str(self._file(job.id)))
        rejects, noted = self._rejects(job.id), time.monotonic()
        with rejects.open("w", encoding="utf-8") as out:
            rejects.chmod(0o600)
            while chunk := await asyncio.to_thread(lambda: list(itertools.islice(rows, _CHUNK))):
                for row in chunk:
                    if isinstance(row, iam_platform.Reject):
                        job.rejected += 1
                        out.write(json.dumps([row.row, row.code, row.field, row.message]) + "\n")
                        twin = getattr(row, "twin", None)
                        if twin is not None:
                            job.rejected += 1
                            out.write(json.dumps([twin, row.code, row.field, row.message]) + "\n")
                job.rows += len(chunk)
                # Other processes know what is noted.
                if time.monotonic() - noted > 1:
                    await reading.note()
                    noted = time.monotonic()
            await asyncio.to_thread(_synced, out)
        if job.mode == "validate":
            await reading.end("done", result="validated")
        elif job.rejected and reading.kept["on_error"] == "refuse":
            await reading.end("failed", why=f"{job.rejected} rows are refused, and nothing was accepted")

    async def _accept(self, reading: _Reading) -> None:
        """Reads everything a second time, and accepts what is good."""
        job, engine = reading.job, self._platform.engine
        job.phase = "accepting"
        file = str(self._file(job.id))
        if reading.kept.get("source"):
            said = await engine.accept_file(reading.intake(), file, source=reading.kept["source"])
            job.accepted, job.unchanged = said.events, said.unchanged
            job.delivery = said.delivery
            if said.findings:
                await reading.end("held", why="; ".join(said.findings))
                return
            await reading.end("done", result="accepted")
            return
        refused = await asyncio.to_thread(_refused, self._rejects(job.id))
        job.accepted, job.unchanged = job.accepted or 0, job.unchanged or 0
        begun = job.accepted + job.unchanged
        good = (
            row
            for row in reading.intake().read(file)
            if not isinstance(row, iam_platform.Reject) and row.row not in refused
        )
        # What a process that died has noted as accepted is not said again: somebody may have said something newer.
        await asyncio.to_thread(lambda: next(itertools.islice(good, begun, begun), None))
        while chunk := await asyncio.to_thread(lambda: list(itertools.islice(good, _CHUNK))):
            taken = await engine.accept(chunk)
            job.accepted += taken.events
            job.unchanged += len(chunk) - taken.events
            await reading.note()
        await reading.end("done", result="accepted")

    def _file(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.csv"

    def _rejects(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.rejects"


class _Reading:
    """A job that is under way, and its note."""

    def __init__(self, engine: Any, job_id: str, version: int, kept: dict[str, Any]) -> None:
        self._engine = engine
        self._version = version
        self.kept = dict(kept)
        self.job = Job.model_validate(kept | {"id": job_id})

    def intake(self) -> iam_platform.Intake:
        """What reads the file."""
        return _intake(self.kept)

    async def note(self) -> None:
        """Notes how far it is."""
        self.kept |= self.job.model_dump(mode="json", exclude_none=True)
        if await self._engine.set_note(f"job/{self.job.id}", self._version, self.kept):
            self._version += 1

    async def end(self, state: Any, *, result: str | None = None, why: str | None = None) -> None:
        """Notes that it is over."""
        self.job.phase, self.job.result, self.job.why = "over", result, why
        self.job.report = f"/jobs/{self.job.id}/report"
        self.job.state = state
        await self.note()


def _intake(kept: dict[str, Any]) -> iam_platform.Intake:
    """What reads a file whose note says how."""
    return iam_platform.Intake("csv", ignore_unknown=bool(kept.get("ignore_unknown")))


def _copied(file: Path, copy: Path) -> None:
    with file.open("rb") as source, os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
        _synced(out)


def _locked(file: Path, *, create: bool = True) -> IO[bytes] | None:
    """The file, locked as long as it is open; nothing where another process has it, or where there is none."""
    try:
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        opened = os.fdopen(os.open(file, flags, 0o600), "r+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.close()
        return None
    return opened


def _synced(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(file: Path) -> dict[int, tuple[str, str, str]]:
    with file.open(encoding="utf-8") as lines:
        rows = (json.loads(line) for line in lines)
        return {row: (code, field, message) for row, code, field, message in rows}


def _rows(file: Path) -> Generator[tuple[int, list[str]]]:
    """The header, as 0, and the rows of a table, with the line where each begins. What is no UTF-8 is shown as such."""
    csv.field_size_limit(_LONGEST_FIELD)
    with file.open(encoding="utf-8-sig", errors="replace", newline=None) as lines:
        head = lines.readline(_LONGEST_FIELD)
        delimiter = max(",;\t", key=head.count)
        lines.seek(0)
        reader = csv.reader(lines, delimiter=delimiter)
        begins, header = 1, True
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield (0 if header else begins), cells
                header = False
            begins = reader.line_num + 1
