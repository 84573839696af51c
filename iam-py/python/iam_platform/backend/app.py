"""The application factory."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

import iam_platform
from iam_platform import _core

from . import logs, openapi, problems
from .admin import router as admin
from .arm import router as arm
from .audit import router as audit
from .connectors import Connectors
from .drafts import router as drafts
from .drafts.store import Drafts
from .graph import routers as graph
from .health import router as health
from .hr import router as hr
from .hr.uploads import Uploads
from .jobs import router as jobs
from .jobs import uploaded
from .limits import Limits, Rates
from .me import router as me
from .observe import Figures, Observer
from .overview import router as overview
from .overview.router import licences
from .people import router as people
from .platform import opened
from .policy import router as policy
from .remembered import Remembered
from .scim import router as scim
from .security import Doorkeeper, check_routes
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .security import Validator


def create_app(settings: Settings | None = None, *, validator: Validator | None = None) -> FastAPI:
    """The API as an ASGI application.

    Args:
        settings: what is set; by default what the environment says.
        validator: checks tokens; by default the core's, for the tenant and the audiences of the settings.
    """
    settings = settings or Settings()  # from the environment
    logs.install(settings.log_level)
    figures = Figures()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings, figures) as platform:
            app.state.platform = platform
            app.state.uploads = Uploads(platform)
            app.state.connectors = Connectors(platform)
            app.state.licences = Remembered(functools.partial(licences, platform))
            app.state.overdue = Remembered(platform.engine.overdue)
            await app.state.uploads.resume()
            app.state.drafts = Drafts(settings.data_dir / "drafts")
            app.state.drafts.open()
            try:
                yield
            finally:
                for asked in (app.state.connectors, app.state.licences, app.state.overdue):
                    asked.close()
                await app.state.drafts.close()
                await app.state.uploads.close()

    app = FastAPI(
        title="IAM Automation Platform",
        version=iam_platform.__version__,
        summary="Joiners, movers and leavers of a Microsoft Entra tenant: accepted once, planned, carried out, explained.",
        lifespan=lifespan,
        docs_url="/docs" if settings.docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        **openapi.sign_in(settings),
    )
    app.state.settings = settings
    app.state.figures = figures
    app.state.doorkeeper = Doorkeeper(validator or _validator(settings))
    app.state.rates = Rates(settings.rate, settings.rate_burst)
    for router in (health, me, drafts, overview, hr, jobs, uploaded, policy, people, *graph, arm, scim, audit, admin):
        app.include_router(router)
    check_routes(app.routes)
    problems.install(app)
    openapi.install(app, settings)
    app.add_middleware(Limits, settings=settings)
    app.add_middleware(Observer, figures=figures)
    return app


def _validator(settings: Settings) -> Any:
    return _core.AsyncTokenValidator(
        settings.tenant_id,
        settings.audience,
        authority=settings.authority,
        ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None,
    )
