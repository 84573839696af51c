"""What routes ask for: the platform, the caller, a decision's reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from .platform import Platform
from .security import Caller


def platform_of(request: Request) -> Platform:
    """The platform of the application."""
    platform: Platform = request.app.state.platform
    return platform


def caller_of(request: Request) -> Caller:
    """Who calls."""
    caller: Caller = request.state.caller
    return caller


Parts = Annotated[Platform, Depends(platform_of)]
Who = Annotated[Caller, Depends(caller_of)]


class Decision(BaseModel):
    """Why somebody decides so: kept with the decision, and audited."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "the board's decision of May"}]}
    )

    reason: str = Field(min_length=3, max_length=500)


def plain(value: Any) -> Any:
    """Results of the core as plain values."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.to_dict() if hasattr(value, "to_dict") else value
