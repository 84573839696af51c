"""Creates accounts from a CSV file (userPrincipalName, displayName), twenty in each request, with a line for each row
that failed."""

from __future__ import annotations

import csv
import io
import secrets

from tenant import chosen, options

from iam_platform import GraphClient, IamError

PEOPLE = """userPrincipalName,displayName
ann.lee@contoso.example,Ann Lee
bo.diaz@contoso.example,Bo Díaz
camila.rocha@contoso.example,Camila Rocha
no.domain@elsewhere.example,No Domain
"""

parser = options(__doc__)
parser.add_argument("--file", help="the CSV file; four people of ours, unless given")
arguments = parser.parse_args()

text = open(arguments.file, encoding="utf-8-sig").read() if arguments.file else PEOPLE
rows = list(csv.DictReader(io.StringIO(text)))
requests = [
    {
        "method": "POST",
        "url": "/users",
        "headers": {"Content-Type": "application/json"},
        "body": {
            "accountEnabled": False,
            "displayName": row["displayName"],
            "mailNickname": row["userPrincipalName"].split("@")[0],
            "userPrincipalName": row["userPrincipalName"],
            # Nobody knows it: people sign in with a temporary access pass first.
            "passwordProfile": {"password": f"aA1!{secrets.token_urlsafe(24)}"},
        },
    }
    for row in rows
]

with chosen(arguments):
    outcomes = GraphClient().batch(requests)

failed = 0
for number, (row, outcome) in enumerate(zip(rows, outcomes, strict=True), 2):
    if isinstance(outcome, IamError):
        failed += 1
        print(f"line {number}: {row['userPrincipalName']}: {outcome.kind}: {outcome}")
print(f"{len(rows) - failed} created, {failed} failed")
