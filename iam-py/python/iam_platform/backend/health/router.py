"""``/healthz`` (the process lives), ``/readyz`` (its journal answers), ``/metrics``."""

from __future__ import annotations

from typing import Any

import anyio
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

import iam_platform
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

router = APIRouter(tags=["health"], route_class=SecuredRoute)


@router.get("/", summary="What this is")
async def root(request: Request) -> dict[str, Any]:
    """Name, version, and where the documentation is."""
    docs = {"docs": "/docs", "openapi": "/openapi.json"} if request.app.state.settings.docs else {}
    return {"name": "iam-platform", "version": iam_platform.__version__, **docs}


@router.get("/healthz", summary="The process lives")
async def healthz() -> dict[str, str]:
    """Asks nobody."""
    return {"status": "ok"}


@router.get("/readyz", summary="Requests can be answered", responses={503: {"description": "What is wrong."}})
async def readyz(request: Request) -> dict[str, str]:
    """Asks the journal, and whether the worker of this process is at work. Says no more to strangers."""
    platform = request.app.state.platform
    try:
        with anyio.fail_after(5):
            await platform.engine.note("health")
    except (iam_platform.IamError, TimeoutError):
        raise Problem(503, "the journal does not answer", headers={"Retry-After": "5"}) from None
    if not platform.worker_is_well():
        raise Problem(503, "the worker has ended", headers={"Retry-After": "5"})
    return {"status": "ok", "journal": "ok", "worker": "ok" if platform.worker else "elsewhere"}


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Requests, latencies and accepted events."""
    return Response(request.app.state.figures.text(), media_type=CONTENT_TYPE_LATEST)
