"""``/drafts``: what somebody has begun to fill in, kept for an hour, so that signing in again loses nothing."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from iam_platform.backend.parts import Who
from iam_platform.backend.problems import Problem
from iam_platform.backend.security import SecuredRoute

if TYPE_CHECKING:
    from .store import Drafts

router = APIRouter(prefix="/drafts", tags=["drafts"], route_class=SecuredRoute)

LONGEST = 64 * 1024
_EXAMPLE: dict[str, JsonValue] = {"firstName": "Mei", "lastName": "Tanaka", "department": "Security"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRETS = frozenset({"pass", "passwd", "passphrase", "password", "pwd", "secret", "token", "credential"})

Name = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="The form's name.", examples=["new-hire"])]


class Draft(BaseModel):
    """What somebody has begun to fill in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "new-hire", "draft": _EXAMPLE, "expires_at": "2026-06-06T01:00:00Z"}],
        }
    )

    name: str
    draft: dict[str, Any]
    expires_at: datetime = Field(description="When it is deleted (UTC): an hour after it was last written.")


class Kept(BaseModel):
    """Until when a draft is kept."""

    name: str
    expires_at: datetime = Field(description="When it is deleted (UTC).")


def _drafts(request: Request) -> Drafts:
    kept: Drafts = request.app.state.drafts
    return kept


def _is_secret(name: str) -> bool:
    words = [word.lower().removesuffix("s") if len(word) > 4 else word.lower() for word in _WORDS.findall(name)]
    squashed = "".join(words)
    return any(word in _SECRETS or word.startswith("password") for word in words) or squashed.endswith(
        ("password", "passwd", "secret", "token")
    )


def checked(draft: dict[str, Any]) -> str:
    """The draft as it is kept.

    Raises:
        Problem: 413 where it is too long; 422 for a secret, by its name, and for what JSON cannot say.
    """
    todo: list[tuple[str, Any]] = [("", draft)]
    while todo:
        place, value = todo.pop()
        if isinstance(value, dict):
            for name, inner in value.items():
                where = f"{place}.{name}" if place else name
                if _is_secret(name):
                    raise Problem(
                        422, f"{where[:200]}: no secret is kept in a draft", errors=[{"place": where, "code": "secret"}]
                    )
                todo.append((where, inner))
        elif isinstance(value, list):
            todo += [(f"{place}.{at}", inner) for at, inner in enumerate(value)]
    try:
        text = json.dumps(draft, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except ValueError:
        raise Problem(422, "expected numbers and texts that JSON can say") from None
    if size > LONGEST:
        raise Problem(413, f"expected a draft of at most {LONGEST} bytes", limit=LONGEST)
    return text


@router.get("/{name}", summary="What was begun")
async def read(request: Request, who: Who, name: Name) -> Draft:
    """The caller's own draft: nobody sees another one's."""
    found = await asyncio.to_thread(_drafts(request).read, who, name)
    if found is None:
        raise Problem(404, "there is no such draft, or its hour is over")
    draft, end = found
    return Draft(name=name, draft=draft, expires_at=end)


@router.put("/{name}", summary="Keep what was begun")
async def write(
    request: Request, who: Who, name: Name, draft: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])]
) -> Kept:
    """An object of at most 64 KiB, in the place of the one before. A field whose name speaks of a password, a pass, a
    secret or a token is refused.
    """
    end = await asyncio.to_thread(_drafts(request).write, who, name, checked(draft))
    return Kept(name=name, expires_at=end)


@router.delete("/{name}", summary="Forget it", status_code=204)
async def delete(request: Request, who: Who, name: Name) -> None:
    """The file is deleted."""
    if not await asyncio.to_thread(_drafts(request).delete, who, name):
        raise Problem(404, "there is no such draft, or its hour is over")
