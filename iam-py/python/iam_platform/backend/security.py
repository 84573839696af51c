"""Who may do what: Entra access tokens, app roles, and one table of permissions.

Every route stands in :data:`ROUTES`; an application with a route that does not is never made. No route takes a cookie,
so that no request can be forged across sites, and no caller's token goes any further than this file.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import Request
from fastapi.routing import APIRoute, iter_route_contexts

from iam_platform.errors import IamError, UnauthenticatedError

from .problems import Problem, answer, of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute

log = logging.getLogger(__name__)


class Permission(str, Enum):
    """What one may do."""

    HR_WRITE = "hr.write"
    HR_UPLOAD = "hr.upload"
    HR_PLAN = "hr.plan"
    JOBS_READ = "jobs.read"
    PEOPLE_READ = "people.read"
    GRAPH_READ = "graph.read"
    GRAPH_HELP = "graph.help"
    GRAPH_WRITE = "graph.write"
    GRAPH_PRIVILEGED = "graph.privileged"
    ARM_READ = "arm.read"
    ARM_WRITE = "arm.write"
    SCIM = "scim"
    AUDIT_READ = "audit.read"
    ADMIN_READ = "admin.read"
    ADMIN_DECIDE = "admin.decide"
    METRICS = "metrics"
    DRAFTS = "drafts"

    def __str__(self) -> str:
        """Its name."""
        return self.value


_READS = {
    Permission.JOBS_READ,
    Permission.PEOPLE_READ,
    Permission.GRAPH_READ,
    Permission.ARM_READ,
    Permission.ADMIN_READ,
    Permission.METRICS,
    Permission.DRAFTS,
}

ROLES: Mapping[str, frozenset[Permission]] = {
    "IAM.Admin": frozenset(Permission),
    "IAM.Operator": frozenset(
        _READS
        | {
            Permission.HR_WRITE,
            Permission.HR_UPLOAD,
            Permission.HR_PLAN,
            Permission.GRAPH_HELP,
            Permission.GRAPH_WRITE,
            Permission.ADMIN_DECIDE,
        }
    ),
    "IAM.Helpdesk": frozenset(
        {
            Permission.JOBS_READ,
            Permission.PEOPLE_READ,
            Permission.GRAPH_READ,
            Permission.GRAPH_HELP,
            Permission.DRAFTS,
        }
    ),
    "IAM.Auditor": frozenset(_READS | {Permission.AUDIT_READ}),
    "IAM.Provisioner": frozenset({Permission.SCIM, Permission.HR_WRITE, Permission.JOBS_READ, Permission.DRAFTS}),
}
"""What each app role may do. A provisioning client's token opens SCIM, HR events and its own jobs, and nothing else; drafts
are everybody's own."""

PUBLIC = None
"""Of a route that needs no token."""


class Anyone(Enum):
    """Of a route that needs a good token, whatever its roles."""

    SIGNED_IN = "a good token"

    def __str__(self) -> str:
        """What is needed, in words."""
        return self.value


_P = Permission

ROUTES: Mapping[tuple[str, str], Permission | Anyone | None] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): _P.METRICS,
    ("GET", "/me"): Anyone.SIGNED_IN,
    ("GET", "/drafts/{name}"): _P.DRAFTS,
    ("PUT", "/drafts/{name}"): _P.DRAFTS,
    ("DELETE", "/drafts/{name}"): _P.DRAFTS,
    # Whoever may read what waits may read people too.
    ("GET", "/overview"): _P.PEOPLE_READ,
    ("POST", "/hr/new-hire"): _P.HR_WRITE,
    ("POST", "/hr/update"): _P.HR_WRITE,
    ("POST", "/hr/termination"): _P.HR_WRITE,
    ("POST", "/hr/events"): _P.HR_WRITE,
    ("GET", "/hr/events/{event}"): _P.HR_WRITE,
    ("POST", "/hr/events/{event}/retract"): _P.HR_WRITE,
    ("POST", "/hr/upload-csv"): _P.HR_UPLOAD,
    ("GET", "/hr/template.csv"): _P.HR_PLAN,
    ("POST", "/hr/plan"): _P.HR_PLAN,
    ("GET", "/jobs"): _P.JOBS_READ,
    ("GET", "/jobs/{job_id}"): _P.JOBS_READ,
    ("GET", "/jobs/{job_id}/plan"): _P.HR_UPLOAD,
    ("POST", "/jobs/{job_id}/apply"): _P.HR_UPLOAD,
    ("GET", "/jobs/{job_id}/events"): _P.JOBS_READ,
    ("GET", "/jobs/{job_id}/rejects"): _P.HR_UPLOAD,
    ("GET", "/jobs/{job_id}/report"): _P.HR_UPLOAD,
    ("GET", "/policy"): _P.ADMIN_READ,
    ("POST", "/policy/check"): _P.ADMIN_READ,
    ("POST", "/policy/test"): _P.ADMIN_READ,
    ("POST", "/policy/diff"): _P.ADMIN_READ,
    ("GET", "/people"): _P.PEOPLE_READ,
    ("GET", "/people/{person}"): _P.PEOPLE_READ,
    ("GET", "/people/{person}/timeline"): _P.PEOPLE_READ,
    ("GET", "/people/{person}/explain"): _P.PEOPLE_READ,
    ("GET", "/people/{person}/next"): _P.PEOPLE_READ,
    ("GET", "/people/{person}/drift"): _P.PEOPLE_READ,
    ("POST", "/people/{person}/revert"): _P.ADMIN_DECIDE,
    ("GET", "/people/{person}/events/{event}/undo"): _P.PEOPLE_READ,
    ("POST", "/people/{person}/events/{event}/undo"): _P.ADMIN_DECIDE,
    ("GET", "/graph/users"): _P.GRAPH_READ,
    ("GET", "/graph/users/export.csv"): _P.GRAPH_READ,
    ("POST", "/graph/users/create"): _P.GRAPH_WRITE,
    ("GET", "/graph/users/{user_id}"): _P.GRAPH_READ,
    ("PATCH", "/graph/users/{user_id}"): _P.GRAPH_WRITE,
    ("DELETE", "/graph/users/{user_id}"): _P.GRAPH_WRITE,
    ("POST", "/graph/users/{user_id}/disable"): _P.GRAPH_HELP,
    ("POST", "/graph/users/{user_id}/enable"): _P.GRAPH_WRITE,
    ("POST", "/graph/users/{user_id}/sign-out"): _P.GRAPH_HELP,
    ("POST", "/graph/users/{user_id}/reset-password"): _P.GRAPH_HELP,
    ("POST", "/graph/users/{user_id}/temporary-access-pass"): _P.GRAPH_HELP,
    ("POST", "/graph/users/{user_id}/restore"): _P.GRAPH_WRITE,
    ("GET", "/graph/deleted-users"): _P.GRAPH_READ,
    ("GET", "/graph/users/{user_id}/licenses"): _P.GRAPH_READ,
    ("POST", "/graph/users/{user_id}/assign-license"): _P.GRAPH_WRITE,
    ("POST", "/graph/users/{user_id}/remove-license"): _P.GRAPH_WRITE,
    ("GET", "/graph/users/{user_id}/access.csv"): _P.GRAPH_READ,
    ("GET", "/graph/users/{user_id}/groups"): _P.GRAPH_READ,
    ("GET", "/graph/users/{user_id}/reports"): _P.GRAPH_READ,
    ("GET", "/graph/licenses"): _P.GRAPH_READ,
    ("GET", "/graph/groups"): _P.GRAPH_READ,
    ("POST", "/graph/groups"): _P.GRAPH_WRITE,
    ("GET", "/graph/groups/export.csv"): _P.GRAPH_READ,
    ("GET", "/graph/groups/{group_id}"): _P.GRAPH_READ,
    ("DELETE", "/graph/groups/{group_id}"): _P.GRAPH_WRITE,
    ("GET", "/graph/groups/{group_id}/members"): _P.GRAPH_READ,
    ("GET", "/graph/groups/{group_id}/members.csv"): _P.GRAPH_READ,
    ("PUT", "/graph/groups/{group_id}/members/{user_id}"): _P.GRAPH_WRITE,
    ("DELETE", "/graph/groups/{group_id}/members/{user_id}"): _P.GRAPH_WRITE,
    ("GET", "/graph/roles"): _P.GRAPH_READ,
    ("GET", "/graph/roles/{role_id}/members"): _P.GRAPH_READ,
    ("POST", "/graph/roles/assign"): _P.GRAPH_PRIVILEGED,
    ("POST", "/graph/roles/remove"): _P.GRAPH_PRIVILEGED,
    ("GET", "/arm/subscriptions"): _P.ARM_READ,
    ("GET", "/arm/resource-groups"): _P.ARM_READ,
    ("PUT", "/arm/resource-groups/{name}"): _P.ARM_WRITE,
    ("DELETE", "/arm/resource-groups/{name}"): _P.ARM_WRITE,
    ("GET", "/arm/role-assignments"): _P.ARM_READ,
    ("GET", "/arm/role-definitions"): _P.ARM_READ,
    ("POST", "/arm/role-assignments"): _P.ARM_WRITE,
    ("DELETE", "/arm/role-assignments"): _P.ARM_WRITE,
    **{(verb, "/scim/v2/{path:path}"): _P.SCIM for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")},
    ("POST", "/scim/provision"): _P.SCIM,
    ("PATCH", "/scim/update/{scim_id}"): _P.SCIM,
    ("DELETE", "/scim/delete/{scim_id}"): _P.SCIM,
    ("GET", "/audit"): _P.AUDIT_READ,
    ("GET", "/audit/verify"): _P.AUDIT_READ,
    ("GET", "/admin/overview"): _P.ADMIN_READ,
    ("GET", "/admin/connectors"): _P.ADMIN_READ,
    ("POST", "/admin/connectors/test"): _P.ADMIN_READ,
    ("GET", "/admin/asks"): _P.ADMIN_READ,
    ("POST", "/admin/asks/{event}/resolve"): _P.ADMIN_DECIDE,
    ("GET", "/admin/quarantined"): _P.ADMIN_READ,
    ("GET", "/admin/frozen"): _P.ADMIN_READ,
    ("POST", "/admin/frozen/{plan_hash}/release"): _P.ADMIN_DECIDE,
    ("GET", "/admin/deliveries"): _P.ADMIN_READ,
    ("POST", "/admin/deliveries/{delivery}/release"): _P.ADMIN_DECIDE,
    ("POST", "/admin/deliveries/{delivery}/discard"): _P.ADMIN_DECIDE,
    ("GET", "/admin/dead-letters"): _P.ADMIN_READ,
    ("POST", "/admin/dead-letters/{letter}/requeue"): _P.ADMIN_DECIDE,
    ("POST", "/admin/dead-letters/{letter}/discard"): _P.ADMIN_DECIDE,
    ("POST", "/admin/events/{event}/requeue"): _P.ADMIN_DECIDE,
    ("POST", "/admin/events/{event}/skip"): _P.ADMIN_DECIDE,
}
"""Every route, with what it asks for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a person, or an application of its own.

    Attributes:
        tenant: the tenant of the token.
        oid: the object id: with the tenant the only thing to know somebody by.
        name: what people call them, for decisions that are written down.
        roles: the app roles of the token.
        expires_at: when the token ends.
    """

    tenant: str
    oid: str
    name: str
    roles: frozenset[str]
    expires_at: datetime

    @property
    def signature(self) -> str:
        """How decisions are signed."""
        return f"{self.name} ({self.oid})"

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles says so."""
        return any(permission in ROLES.get(role, ()) for role in self.roles)


class Validator(Protocol):
    """Checks a token: ``iam_platform.AsyncTokenValidator`` is one."""

    async def validate(self, token: str) -> dict[str, Any]:
        """The claims, or :class:`~iam_platform.errors.UnauthenticatedError`."""
        ...


class Doorkeeper:
    """Knows callers by their tokens. What was found good is not checked again for a minute, or until it expires."""

    SIZE = 1024
    SECONDS = 60.0
    LONGEST = 16 * 1024

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._known: OrderedDict[bytes, tuple[float, float, Caller]] = OrderedDict()

    async def caller(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            Problem: 401, without telling more than RFC 6750 does; 503 when keys cannot be read.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("expected a bearer token of Microsoft Entra ID")
        if len(token) > self.LONGEST:
            raise unauthenticated("the token is too long", error="invalid_token")
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        if known and known[0] > time.monotonic() and known[1] > time.time():
            return known[2]
        try:
            claims = await self._validator.validate(token)
        except UnauthenticatedError as error:
            log.info("a token was refused: %s", error)
            raise unauthenticated("the token is not good here", error="invalid_token") from None
        except IamError as error:
            raise of_error(error) from error
        caller = caller_of(claims)
        self._known[name] = (time.monotonic() + self.SECONDS, float(claims["exp"]), caller)
        while len(self._known) > self.SIZE:
            self._known.popitem(last=False)
        return caller


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """The caller of whom good claims tell."""
    roles = claims.get("roles") or ()
    name = claims.get("preferred_username") or claims.get("upn") or claims.get("azp") or claims.get("appid")
    return Caller(
        tenant=str(claims["tid"]),
        oid=str(claims.get("oid") or claims["sub"]),
        name=str(name or "somebody"),
        roles=frozenset(role for role in roles if isinstance(role, str)),
        expires_at=datetime.fromtimestamp(float(claims["exp"]), timezone.utc),
    )


def unauthenticated(detail: str, *, error: str | None = None) -> Problem:
    """A refusal as RFC 6750 section 3 has it."""
    challenge = 'Bearer realm="iam-platform"' + (f', error="{error}"' if error else "")
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


class SecuredRoute(APIRoute):
    """A route that looks at the caller before it reads anything of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the doorkeeper before it."""
        inner = super().get_route_handler()

        async def secured(request: Request) -> Response:
            try:
                await admit(request, self.path)
            except Problem as problem:
                return answer(request.url.path, problem)
            return await inner(request)

        return secured


async def admit(request: Request, path: str) -> None:
    """Lets the request in, or not. The caller is ``request.state.caller`` from now on.

    Raises:
        Problem: 401 or 403; 429 for one who asks too often.
    """
    verb = "GET" if request.method == "HEAD" else request.method
    permission = ROUTES[(verb, path)]
    if permission is PUBLIC:
        return
    if (verb, path) == ("POST", "/hr/events") and _is_signed(request):
        # A sender without a directory account: whether it is who it says is known when the body has been read.
        request.state.caller = None
        return
    caller = await request.app.state.doorkeeper.caller(request)
    request.state.caller = caller
    request.app.state.rates.spend(f"{caller.tenant}/{caller.oid}")
    if isinstance(permission, Permission) and not caller.may(permission):
        log.info("refused: %s asks for %s", caller.oid, permission)
        needed = sorted(role for role, granted in ROLES.items() if permission in granted)
        raise Problem(
            403,
            f"{permission} is needed, which the app roles {', '.join(needed)} bring",
            headers={"WWW-Authenticate": 'Bearer realm="iam-platform", error="insufficient_scope"'},
            permission=str(permission),
        )


def _is_signed(request: Request) -> bool:
    known = request.app.state.settings.webhook_secret is not None
    return known and "authorization" not in request.headers and "webhook-signature" in request.headers


def check_routes(routes: Sequence[BaseRoute]) -> None:
    """Raises unless exactly the routes of the table are there, and each looks at its caller.

    Raises:
        RuntimeError: names the ones that differ.
    """
    ours = [found for found in iter_route_contexts(routes) if isinstance(found.original_route, APIRoute)]
    there = {(verb, str(found.path)) for found in ours for verb in found.methods or ()}
    unsecured = [found.path for found in ours if not isinstance(found.original_route, SecuredRoute)]
    if there != set(ROUTES) or unsecured:
        missing, unknown = sorted(set(ROUTES) - there), sorted(there - set(ROUTES))
        message = f"routes without permission: {unknown}; permissions without route: {missing}; unsecured: {unsecured}"
        raise RuntimeError(message)
