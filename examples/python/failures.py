"""Tells failures apart by their class: what is missing, what is there already, what is not allowed."""

from __future__ import annotations

from tenant import chosen, options

from iam_platform import GraphClient, IamError
from iam_platform.errors import AlreadyExistsError, InvalidError, NotFoundError

TAKEN = {"displayName": "Camila Rocha", "userPrincipalName": "camila.rocha@contoso.example"}

with chosen(options(__doc__).parse_args()):
    graph = GraphClient()
    try:
        graph.user("nobody@contoso.example")
    except NotFoundError as missing:
        print(f"not there: {missing.code}, status {missing.status}")
    try:
        graph.create_user({**TAKEN, "accountEnabled": False})
    except AlreadyExistsError as taken:
        print(f"taken: {taken.property}")
    try:
        graph.update_user("camila.rocha@contoso.example", {"shoeSize": 38})
    except InvalidError as invalid:
        print(f"invalid: {invalid.code}")
    try:
        graph.request("GET", "/no/such/thing")
    except IamError as other:
        print(f"another: {other.kind}, to be repeated: {other.retry}")
    # Or without exceptions: every answer is given as it is.
    print(f"as it is: {graph.request('GET', '/users/nobody@contoso.example', check=False).status}")
