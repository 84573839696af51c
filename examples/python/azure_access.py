"""Shows who has access to an Azure subscription, and gives somebody the role Reader in a resource group."""

from __future__ import annotations

from tenant import chosen, options

from iam_platform import ArmClient, GraphClient

with chosen(options(__doc__).parse_args()):
    azure, graph = ArmClient(), GraphClient()
    subscription = next(azure.subscriptions())
    at = subscription["id"]
    for group in azure.resource_groups(subscription["subscriptionId"]):
        print(f"{group['name']}: {group['location']}")
    reader = next(azure.role_definitions(at, filter="roleName eq 'Reader'"))
    camila = graph.user("camila.rocha@contoso.example", select=["id"])
    azure.assign_role(f"{at}/resourceGroups/finance", reader["id"], camila["id"], "User")
    for assignment in azure.role_assignments(f"{at}/resourceGroups/finance"):
        properties = assignment["properties"]
        print(f"{properties['principalType']:<20}{properties['principalId']} {properties['scope'].rsplit('/', 1)[-1]}")
