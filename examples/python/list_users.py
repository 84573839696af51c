"""Lists users: filtered, sorted, page by page in constant memory."""

from __future__ import annotations

from tenant import chosen, options

from iam_platform import GraphClient

parser = options(__doc__)
parser.add_argument("--department", help="only who works there")
arguments = parser.parse_args()

with chosen(arguments):
    graph = GraphClient()
    department = arguments.department and arguments.department.replace("'", "''")
    users = graph.users(
        filter=f"department eq '{department}'" if department else None,
        select=["displayName", "userPrincipalName", "department"],
        count=True,
        advanced=True,
    )
    for user in users:
        print(f"{user['displayName']:<24}{user['userPrincipalName']:<40}{user.get('department') or ''}")
    print(f"{users.count} users")
