"""Knows what has changed among users since the last run: --links keeps the place in a file."""

from __future__ import annotations

import pathlib

from tenant import chosen, options

from iam_platform import GraphClient
from iam_platform.errors import ResyncNeededError

parser = options(__doc__)
parser.add_argument("--links", type=pathlib.Path, help="the file; without one, a change is made and seen here")
arguments = parser.parse_args()


def changes(graph: GraphClient, link: str | None) -> tuple[int, str | None]:
    listing = graph.delta("/users", select=["displayName", "jobTitle"], link=link)
    seen = 0
    for user in listing:
        seen += 1
        what = "gone" if "@removed" in user else f"{user.get('displayName')}, {user.get('jobTitle')}"
        print(f"  {user['id']}: {what}")
    # To be kept once all of it is dealt with.
    return seen, listing.delta_link


with chosen(arguments):
    graph = GraphClient()
    kept = arguments.links
    link = kept.read_text() if kept and kept.exists() else None
    try:
        seen, link = changes(graph, link)
    except ResyncNeededError:
        seen, link = changes(graph, None)
    print(f"{seen} users")
    if kept:
        kept.write_text(link or "")
    elif arguments.tenant == "embedded":
        graph.update_user("camila.rocha@contoso.example", {"jobTitle": "Chief Accountant"})
        seen, link = changes(graph, link)
        print(f"{seen} changed")
