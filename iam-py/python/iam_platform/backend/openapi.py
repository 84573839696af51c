"""The OpenAPI document: how one signs in, what each route asks for, and how refusals look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from .security import PUBLIC, ROLES, ROUTES, Permission

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .settings import Settings

_TAGS = [
    {"name": "me", "description": "Who calls."},
    {"name": "drafts", "description": "What the caller has begun to fill in, for an hour."},
    {"name": "overview", "description": "The first page."},
    {"name": "hr", "description": "What HR says: records, events, files."},
    {"name": "jobs", "description": "What became of it."},
    {"name": "policy", "description": "The policy in force, and others before they are."},
    {"name": "people", "description": "Who is known, what happened, and why."},
    {"name": "graph", "description": "Admin tools on Microsoft Graph, with its own answers."},
    {"name": "arm", "description": "Azure Resource Manager, with its own answers."},
    {"name": "scim", "description": "SCIM 2.0 service provider (RFC 7644)."},
    {"name": "audit", "description": "The hash-chained audit."},
    {"name": "admin", "description": "Decisions that only people take."},
    {"name": "health", "description": "Probes and figures."},
]
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "example": {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "hr.write is needed, which the app roles IAM.Admin, IAM.Operator, IAM.Provisioner bring",
        "request_id": "4d0f0e1c-2c5a-4f0e-9d5c-8a6f0d1c2b3a",
    },
}


def sign_in(settings: Settings) -> dict[str, Any]:
    """How the documentation's own page signs in: authorization code with PKCE, no secret."""
    return {
        "openapi_tags": _TAGS,
        "swagger_ui_oauth2_redirect_url": "/docs/oauth2-redirect",
        "swagger_ui_init_oauth": {
            "clientId": settings.client_id,
            "usePkceWithAuthorizationCodeGrant": True,
            "scopes": f"api://{settings.client_id}/{settings.api_scope}",
        },
    }


def _schemes(settings: Settings) -> dict[str, Any]:
    base = f"{settings.authority.rstrip('/')}/{settings.tenant_id}/oauth2/v2.0"
    api = f"api://{settings.client_id}"
    return {
        "entra": {
            "type": "oauth2",
            "description": "An access token of Microsoft Entra ID for this API, with app roles in `roles`.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": f"{base}/authorize",
                    "tokenUrl": f"{base}/token",
                    "scopes": {f"{api}/{settings.api_scope}": "as the person who signs in"},
                },
                "clientCredentials": {
                    "tokenUrl": f"{base}/token",
                    "scopes": {f"{api}/.default": "as an application of its own"},
                },
            },
        },
        "webhook": {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks: HMAC-SHA256 over id, timestamp and body.",
        },
    }


def install(app: FastAPI, settings: Settings) -> None:
    """Makes the document, once, when it is first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            whole = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            parts = whole.setdefault("components", {})
            parts["securitySchemes"] = _schemes(settings)
            parts.setdefault("schemas", {})["Problem"] = _PROBLEM
            for found in iter_route_contexts(app.routes):
                for verb in found.methods or ():
                    operation = whole["paths"].get(found.path_format, {}).get(verb.lower())
                    if operation is not None:
                        _complete(operation, verb, str(found.path))
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _complete(operation: dict[str, Any], verb: str, path: str) -> None:
    permission = ROUTES[(verb, path)]
    native = path.startswith(("/graph", "/arm", "/scim"))
    answers = operation["responses"]
    # FastAPI's own shape is not what is answered here.
    answers.pop("422", None)
    if not native:
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        answers.setdefault("default", {"description": "A problem.", "content": problem})
    if permission is PUBLIC:
        return
    schemes: list[dict[str, list[str]]] = [{"entra": []}]
    if (verb, path) == ("POST", "/hr/events"):
        schemes.append({"webhook": []})
    operation["security"] = schemes
    operation["x-permission"] = str(permission)
    roles = ", ".join(f"`{role}`" for role in sorted(role for role, granted in ROLES.items() if permission in granted))
    needs = f"`{permission}`: {roles}" if isinstance(permission, Permission) else f"{permission}, whatever its roles"
    operation["description"] = f"{operation.get('description', '')}\n\nNeeds {needs}.".strip()
