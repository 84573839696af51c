"""What takes a while to find out, and is remembered for half a minute."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_FRESH = 30.0
"""Seconds for which an answer counts."""
_SOON = 12.0
"""Seconds after which it is asked anew, while the old answer is still given."""


class Remembered(Generic[T]):
    """An answer, and how to get it. Who asks at one time waits for one answer."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._last: tuple[float, T] | None = None
        self._task: asyncio.Task[T] | None = None

    async def known(self) -> T:
        """The answer, at most half a minute old."""
        age = time.monotonic() - self._last[0] if self._last else _FRESH
        if self._last is None or age >= _FRESH:
            return await self.now()
        if age > _SOON:
            self._begin()
        return self._last[1]

    async def now(self) -> T:
        """The answer of now."""
        # One who goes away takes it from nobody else.
        return await asyncio.shield(self._begin())

    def close(self) -> None:
        """Asks no more."""
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> asyncio.Task[T]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
            # What nobody waits for may fail: the next one asks again.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task

    async def _look(self) -> T:
        begun = time.monotonic()
        found = await self._ask()
        self._last = (begun, found)
        return found
