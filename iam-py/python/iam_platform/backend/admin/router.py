"""``/admin``: what waits for a person's decision. Each decision has a name and a reason, and is audited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from iam_platform import errors
from iam_platform.backend.connectors import Connector, Connectors
from iam_platform.backend.parts import Decision, Parts, Who, plain
from iam_platform.backend.problems import Problem
from iam_platform.backend.remembered import Remembered
from iam_platform.backend.security import SecuredRoute

router = APIRouter(prefix="/admin", tags=["admin"], route_class=SecuredRoute)

_LOOKED = 200
"""How many of the newest events are looked through for open steps."""

Number = Annotated[int, Path(ge=0, le=(1 << 63) - 1)]


class Overview(BaseModel):
    """What somebody should look at."""

    frozen: int = Field(description="Plans that the guard has stopped.")
    held: int = Field(description="Deliveries that are held.")
    dead_letters: int = Field(description="Messages that nobody understands; counted up to 1,000.")
    quarantined: int = Field(description="Events under an id that was known with other content.")
    overdue: int = Field(
        description="Instants that have come and were not worked off: as of at most half a minute ago."
    )
    stalled: dict[str, Any] | None = Field(description="The oldest work that nobody takes.")
    worker: str = Field(description="`well`, `elsewhere`, or what is wrong with the worker of this process.")


class Correction(Decision):
    """A dead letter as somebody has corrected it."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = Field(default=None, description="What it is; as it came otherwise.")
    data: str | None = Field(default=None, description="The content; as it came otherwise.")


class Resolution(Decision):
    """What somebody says of a step."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"step": "send_mail:welcome", "happened": True, "reason": "the mail is in the mailbox"}]
        },
    )

    step: str = Field(min_length=1, max_length=1000, description="The step's id.")
    happened: bool


@router.get("/overview", summary="What waits for somebody")
async def overview(platform: Parts, request: Request) -> Overview:
    """Counts of everything that needs a decision."""
    overdue: Remembered[Sequence[Any]] = request.app.state.overdue
    engine = platform.engine
    stalled = await engine.stalled()
    worker = "elsewhere" if platform.worker is None else platform.problems.get("worker", "well")
    return Overview(
        frozen=1 if await engine.frozen() else 0,
        held=sum(1 for one in await engine.staged() if one.state == "held"),
        dead_letters=len(await engine.dead_letters(None, 1000)),
        quarantined=len(await engine.quarantined()),
        overdue=len(await overdue.known()),
        stalled=plain(stalled) if stalled else None,
        worker=worker,
    )


@router.get("/connectors", summary="Whether the services answer")
async def connectors(request: Request) -> list[Connector]:
    """As they answered within the last half minute."""
    known: Connectors = request.app.state.connectors
    return await known.known()


@router.post("/connectors/test", summary="Ask the services now")
async def test_connectors(request: Request) -> list[Connector]:
    """Each is asked, for five seconds at most. Changes nothing."""
    known: Connectors = request.app.state.connectors
    return await known.now()


@router.get("/asks", summary="What workers ask")
async def asks(platform: Parts) -> list[dict[str, Any]]:
    """Plans that count against a limit of the guard (`about`: `guard`; a release answers them), and steps of which nobody
    knows whether they happened (`about`: `step`; somebody says so), of the newest events.
    """
    guard = [plain(one) | {"about": "guard"} for one in await platform.engine.asks()]
    steps = []
    for headway in ("dead", "waiting", "done"):
        for entry in await platform.engine.events([headway], limit=_LOOKED):
            for one in entry["steps"]:
                if (one["outcome"] or {}).get("outcome") == "unknown":
                    facts = {"event": entry["id"], "person": entry["person"], "kind": entry["kind"]}
                    steps.append({"about": "step", **facts, "step": one["step"], "at": one["at"]})
    return [*guard, *steps]


@router.post("/asks/{event}/resolve", summary="Say whether a step happened", status_code=204)
async def resolve(platform: Parts, who: Who, event: str, answer: Resolution) -> None:
    """Of a step whose outcome nobody knows. Where it did not happen, it is carried out again, if it is still right."""
    await platform.engine.resolve(event, answer.step, answer.happened, who.signature, answer.reason)


@router.get("/quarantined", summary="Events under an id that was known with other content")
async def quarantined(platform: Parts) -> list[dict[str, Any]]:
    """In the order in which they came. They are never applied."""
    listed: list[dict[str, Any]] = plain(await platform.engine.quarantined())
    return listed


@router.get("/frozen", summary="Plans that the guard has stopped")
async def frozen(platform: Parts) -> list[dict[str, Any]]:
    """All of them, the latest last: the open one waits for a release."""
    listed: list[dict[str, Any]] = plain(await platform.engine.freezes())
    return listed


@router.post("/frozen/{plan_hash}/release", summary="Let one stopped plan through", status_code=204)
async def release(platform: Parts, who: Who, plan_hash: str, decision: Decision) -> None:
    """For this plan and one run. Whoever planned it cannot release it."""
    try:
        await platform.engine.release(plan_hash, who.signature, decision.reason)
    except errors.DeniedError as error:
        # The core denies it to this caller; no service has denied us anything.
        raise Problem(403, str(error)) from None


@router.get("/deliveries", summary="Deliveries that are held or were cut off")
async def deliveries(platform: Parts) -> list[dict[str, Any]]:
    """Oldest first, each with its findings."""
    listed: list[dict[str, Any]] = plain(await platform.engine.staged())
    return listed


@router.post("/deliveries/{delivery}/release", summary="Believe a held delivery")
async def release_delivery(platform: Parts, who: Who, delivery: Number, decision: Decision) -> dict[str, Any]:
    """Its rows are accepted, and it is the last good one of its source from now on."""
    told: dict[str, Any] = plain(await platform.engine.release_delivery(delivery, who.signature, decision.reason))
    return told


@router.post("/deliveries/{delivery}/discard", summary="Give a held delivery up", status_code=204)
async def discard_delivery(platform: Parts, who: Who, delivery: Number, decision: Decision) -> None:
    """Nothing of it counts."""
    await platform.engine.discard_delivery(delivery, who.signature, decision.reason)


@router.get("/dead-letters", summary="Messages that nobody understands")
async def dead_letters(
    platform: Parts,
    after: Annotated[int | None, Query(ge=0, le=(1 << 63) - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[dict[str, Any]]:
    """In the order in which they came."""
    listed: list[dict[str, Any]] = plain(await platform.engine.dead_letters(after, limit))
    return listed


@router.post("/dead-letters/{letter}/requeue", summary="Accept a dead letter, corrected")
async def requeue_letter(platform: Parts, who: Who, letter: Number, correction: Correction) -> dict[str, Any]:
    """Accepts it as it is corrected; what of it was accepted before counts once."""
    found = await platform.engine.dead_letters(letter - 1 if letter else None, 1)
    if not found or found[0].id != letter:
        raise Problem(404, "there is no such dead letter, or somebody has decided about it")
    corrected = {
        "source": found[0].source,
        "id": found[0].message_id,
        "kind": correction.kind or found[0].kind,
        "data": correction.data if correction.data is not None else found[0].data,
    }
    accepted = await platform.engine.retry_letter(letter, corrected, who.signature, correction.reason)
    told: dict[str, Any] = plain(accepted)
    return told


@router.post("/dead-letters/{letter}/discard", summary="A dead letter does not count", status_code=204)
async def discard_letter(platform: Parts, who: Who, letter: Number, decision: Decision) -> None:
    """Its content is destroyed."""
    await platform.engine.discard_letter(letter, who.signature, decision.reason)


@router.post("/events/{event}/requeue", summary="Try a set-aside event again", status_code=204)
async def requeue_event(platform: Parts, who: Who, event: str, decision: Decision) -> None:
    """It is worked on again, and what waits behind it."""
    await platform.engine.requeue(event, who.signature, decision.reason)


@router.post("/events/{event}/skip", summary="Go on without a set-aside event", status_code=204)
async def skip_event(platform: Parts, who: Who, event: str, decision: Decision) -> None:
    """It stays undone, and what waits behind it goes on."""
    await platform.engine.skip(event, who.signature, decision.reason)
