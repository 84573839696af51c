"""Reports the seats of each licence, and who holds one although the account is blocked."""

from __future__ import annotations

from tenant import chosen, options

from iam_platform import GraphClient

with chosen(options(__doc__).parse_args()):
    graph = GraphClient()
    names = {}
    for sku in graph.skus():
        names[sku["skuId"]] = sku["skuPartNumber"]
        print(f"{sku['skuPartNumber']:<20}{sku['consumedUnits']:>6} of {sku['prepaidUnits']['enabled']:>6}")
    wasted = 0
    for user in graph.users(select=["userPrincipalName", "accountEnabled", "assignedLicenses"]):
        held = [names[licence["skuId"]] for licence in user["assignedLicenses"]]
        if held and not user["accountEnabled"]:
            wasted += len(held)
            print(f"blocked: {user['userPrincipalName']} holds {', '.join(held)}")
    print(f"{wasted} seats are wasted")
