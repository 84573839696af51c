"""Journals as their keepers meet them: PostgreSQL with workers in several engines, backups, health, and time gone back."""

import asyncio
import uuid

import pytest
from engines import SMALL, opened, worker
from iam_platform import Clock, Policy, errors
from postgres import Postgres

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


async def test_two_engines_share_a_journal_in_postgresql(way, entra, postgres):
    schema = f"t{uuid.uuid4().hex}"
    azure = Policy.parse(
        SMALL.replace(
            'grace = "14d"',
            f'azure = [{{ role = "Reader", scope = "/subscriptions/{entra.env["SANDBOX_SUBSCRIPTION"]}" }}]',
        )
    )
    clients = {name: client for name, client in entra.clients(way).items() if name != "scim"}
    first, second = [
        await opened(way, entra, azure, journal=postgres.url, schema=schema, **clients) for _ in range(2)
    ]
    people = [worker(f"P-{number}") for number in range(12)]
    assert (await way(first.accept, people)).events == 12
    assert (await way(second.accept, people)).unchanged == 12
    done = set()

    def progress(one):
        if one.kind == "person" and one.person.ending == "done":
            done.add(one.person.person)

    def enough():
        return len(done) == 12

    reports = await asyncio.gather(
        *(
            asyncio.to_thread(engine.run_worker, stop=enough, progress=progress)
            if way.name == "sync"
            else engine.run_worker(stop=enough, progress=progress)
            for engine in (first, second)
        )
    )
    assert sum(report.done for report in reports) == 12 and sum(report.troubles for report in reports) == 0
    assert reports[0].worker != reports[1].worker
    users = entra.users()
    assert len(users.keys() & {f"P-{number}" for number in range(12)}) == 12
    assert (await way(second.plan)).steps == 0
    assert {one.about: one.health for one in await way(first.check)}["audit"] == "good"
    with pytest.raises(errors.InvalidError, match="pg_dump"):
        await way(first.backup, "copy")
    await way(first.close)
    await way(second.close)


async def test_a_server_that_cannot_be_reached_is_said_without_its_password(way, entra):
    with pytest.raises(errors.StorageError) as raised:
        await opened(way, entra, journal="postgres://somebody:secret@127.0.0.1:9/iam")
    assert "secret" not in str(raised.value) + str(raised.value.__cause__)


async def test_a_backup_is_whole_and_an_old_one_is_refused(way, entra, tmp_path):
    engine = await opened(way, entra, journal=f"sqlite:{tmp_path / 'journal.sqlite'}", clock=Clock())
    await way(engine.accept, worker("P-1"))
    await way(engine.run)
    first = await way(engine.backup, tmp_path / "copy.sqlite")
    with pytest.raises(errors.StorageError, match="exists"):
        await way(engine.backup, tmp_path / "copy.sqlite")
    await way(engine.accept, worker("P-2"))
    await way(engine.run)
    latest = (await way(engine.verify_audit)).checkpoint
    assert latest != first
    health = {one.about: one for one in await way(engine.check)}
    assert {one.health for one in health.values()} <= {"good", "doubtful"}
    assert str(health["integrity"]).startswith("good: integrity: ")
    assert await way(engine.archive, "2001-01-01T00:00:00Z") == 0
    moved = await way(engine.archive, "2100-01-01T00:00:00Z")
    assert moved > 0 and [entry.kind for entry in await way(engine.timeline, "P-1")][0] == "join"
    await way(engine.close)

    copy = f"sqlite:{tmp_path / 'copy.sqlite'}"
    with pytest.raises(errors.StorageError) as raised:
        await opened(way, entra, journal=copy, checkpoint=latest)
    assert raised.value.reason == "gone_back"
    restored = await opened(way, entra, journal=copy, checkpoint=first)
    assert (await way(restored.person, "P-1")).lifecycle == "active"
    assert await way(restored.person, "P-2") is None
    await way(restored.close)

    memory = await opened(way, entra)
    with pytest.raises(errors.InvalidError, match="memory"):
        await way(memory.backup, tmp_path / "none.sqlite")
