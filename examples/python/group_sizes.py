"""Counts the members of all groups, many at a time, with the asynchronous client."""

from __future__ import annotations

import asyncio

from tenant import chosen, options

from iam_platform import AsyncGraphClient


async def size(graph: AsyncGraphClient, group: dict[str, str]) -> tuple[str, int]:
    members = await graph.group_members(group["id"], select="id").all()
    return group["displayName"], len(members)


async def main() -> None:
    graph = AsyncGraphClient()
    groups = [group async for group in graph.groups(select=["id", "displayName"])]
    for name, members in sorted(await asyncio.gather(*(size(graph, group) for group in groups))):
        print(f"{name:<24}{members:>6}")


with chosen(options(__doc__).parse_args()):
    asyncio.run(main())
