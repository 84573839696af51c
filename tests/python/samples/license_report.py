"""Writes who holds which licence to licenses.csv."""

import csv

from graph_licenses import get_user_licenses, list_skus
from graph_users import list_users

names = {sku: name for name, sku in list_skus()["skus"].items()}
with open("licenses.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["userPrincipalName", "licenses"])
    for user in list_users(100)["users"]:
        held = get_user_licenses(user["id"])["assigned_skus"]
        table.writerow([user["userPrincipalName"], " ".join(sorted(names[sku] for sku in held))])
print("Report complete")
