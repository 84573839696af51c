"""Creates, changes, finds and deactivates a user of a SCIM 2.0 application (IAM_SCIM_URL, IAM_SCIM_TOKEN)."""

from __future__ import annotations

from tenant import chosen, options

from iam_platform import ScimClient

ANN = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann.lee@contoso.example",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "active": True,
}

with chosen(options(__doc__).parse_args()):
    scim = ScimClient()
    made = scim.create_user(ANN)
    scim.patch_user(made["id"], [{"op": "replace", "path": "title", "value": "Analyst"}])
    for user in scim.users(filter='userName eq "ann.lee@contoso.example"'):
        print(f"{user['userName']}: {user['title']}, active: {user['active']}")
    scim.patch_user(made["id"], [{"op": "replace", "value": {"active": False}}])
    print(f"active: {scim.user(made['id'])['active']}")
    scim.delete_user(made["id"])
