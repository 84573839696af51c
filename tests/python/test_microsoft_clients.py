"""msal, azure-identity and azure-mgmt-* against the sandbox, unmodified but for their addresses.

    pip install -r tests/python/requirements.txt
    cargo build -p iam-sandbox
    pytest tests/python
"""

import time
import uuid

import pytest

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def app(tenant, secret=None):
    import msal

    return msal.ConfidentialClientApplication(
        tenant["SANDBOX_CLIENT_ID"],
        client_credential=secret or tenant["SANDBOX_CLIENT_SECRET"],
        authority=f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}",
        instance_discovery=False,
    )


def test_msal_gets_a_token_and_keeps_it(tenant):
    known = app(tenant)
    scopes = ["https://graph.microsoft.com/.default"]
    first = known.acquire_token_for_client(scopes)
    assert first["token_type"] == "Bearer", first
    second = known.acquire_token_for_client(scopes)
    assert second["access_token"] == first["access_token"]


def test_azure_identity_says_why_a_secret_is_refused(tenant):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientSecretCredential

    credential = ClientSecretCredential(
        tenant["SANDBOX_TENANT"],
        tenant["SANDBOX_CLIENT_ID"],
        "wrong",
        authority=tenant["SANDBOX_AUTHORITY"],
        disable_instance_discovery=True,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token("https://graph.microsoft.com/.default")


def test_subscriptions_are_listed(tenant, credential, arm):
    from azure.mgmt.resource.subscriptions import SubscriptionClient

    client = SubscriptionClient(credential, **arm)
    found = [subscription.subscription_id for subscription in client.subscriptions.list()]
    assert found == [tenant["SANDBOX_SUBSCRIPTION"]]


def test_resource_groups_are_made_listed_and_deleted(tenant, credential, arm):
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.resource.resources import ResourceManagementClient

    client = ResourceManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm)
    made = client.resource_groups.create_or_update("lab", {"location": "westeurope", "tags": {"owner": "it"}})
    assert made.properties.provisioning_state == "Succeeded"
    assert "lab" in [group.name for group in client.resource_groups.list()]
    assert client.resource_groups.check_existence("lab")
    client.resource_groups.begin_delete("lab", polling_interval=1).result(timeout=30)
    assert not client.resource_groups.check_existence("lab")
    with pytest.raises(ResourceNotFoundError) as refused:
        client.resource_groups.get("lab")
    assert refused.value.error.code == "ResourceGroupNotFound"


def test_roles_are_assigned_listed_and_taken(tenant, credential, arm):
    from azure.core.exceptions import HttpResponseError, ResourceExistsError
    from azure.mgmt.authorization import AuthorizationManagementClient

    client = AuthorizationManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm)
    scope = f"/subscriptions/{tenant['SANDBOX_SUBSCRIPTION']}/resourceGroups/siem"
    (role,) = client.role_definitions.list(scope, filter="roleName eq 'Reader'")
    assert role.name == READER
    principal, name = str(uuid.uuid4()), str(uuid.uuid4())
    wish = {"role_definition_id": role.id, "principal_id": principal}
    with pytest.raises(HttpResponseError) as refused:
        client.role_assignments.create(scope, name, wish)
    assert refused.value.error.code == "PrincipalNotFound"
    wish["principal_type"] = "ServicePrincipal"
    made = client.role_assignments.create(scope, name, wish)
    assert (made.scope, made.principal_type) == (scope, "ServicePrincipal")
    with pytest.raises(ResourceExistsError):
        client.role_assignments.create(scope, str(uuid.uuid4()), wish)
    listed = client.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")
    assert [assignment.name for assignment in listed] == [name]
    assert client.role_assignments.get_by_id(made.id).created_on.year >= 2025
    assert client.role_assignments.delete(scope, name).name == name
    assert client.role_assignments.delete(scope, name) is None


def test_msal_tells_a_wrong_secret_and_takes_claims(tenant):
    scopes = ["https://graph.microsoft.com/.default"]
    refused = app(tenant, "wrong").acquire_token_for_client(scopes)
    assert refused["error"] == "invalid_client"
    assert refused["error_codes"] == [7000215]
    assert refused["error_description"].startswith("AADSTS7000215") and refused["correlation_id"]
    known = app(tenant)
    first = known.acquire_token_for_client(scopes)
    assert first["expires_in"] > 3000
    challenge = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    again = known.acquire_token_for_client(scopes, claims_challenge=challenge)
    assert again["access_token"] != first["access_token"], "a challenge goes past the cache"
    known.remove_tokens_for_client()
    assert known.acquire_token_for_client(scopes)["token_source"] == "identity_provider"


def test_azure_identity_keeps_one_token_for_each_audience(tenant, credential):
    import jwt

    graph = credential.get_token("https://graph.microsoft.com/.default")
    azure = credential.get_token_info("https://management.azure.com/.default")
    assert graph.token == credential.get_token("https://graph.microsoft.com/.default").token
    audience = {jwt.decode(token, options={"verify_signature": False})["aud"] for token in (graph.token, azure.token)}
    assert audience == {"https://graph.microsoft.com", "https://management.azure.com"}
    assert graph.expires_on > time.time() + 3000
    claims = '{"access_token":{"xms_cc":{"values":["cp1"]}}}'
    fresh = credential.get_token("https://graph.microsoft.com/.default", claims=claims, enable_cae=True)
    assert fresh.token != graph.token


def test_a_token_is_good_by_the_tenants_own_keys(tenant):
    import jwt
    import requests

    token = app(tenant).acquire_token_for_client(["https://graph.microsoft.com/.default"])["access_token"]
    at = f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}/v2.0/.well-known/openid-configuration"
    document = requests.get(at).json()
    keys = jwt.PyJWKSet(requests.get(document["jwks_uri"]).json()["keys"])
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key.key, algorithms=["RS256"], audience="https://graph.microsoft.com")
    assert claims["tid"] == tenant["SANDBOX_TENANT"] and "User.ReadWrite.All" in claims["roles"]


def test_resource_groups_are_tagged_filtered_and_refused(tenant, credential, arm):
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
    from azure.mgmt.resource.resources import ResourceManagementClient

    client = ResourceManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm)
    groups = client.resource_groups
    groups.create_or_update("tagged", {"location": "westeurope", "tags": {"owner": "it"}})
    changed = groups.update("tagged", {"tags": {"owner": "hr", "cost": "C-1"}})
    assert changed.tags == {"owner": "hr", "cost": "C-1"} and changed.location == "westeurope"
    found = groups.list(filter="tagName eq 'owner' and tagValue eq 'hr'")
    assert [group.name for group in found] == ["tagged"]
    assert groups.get("TAGGED").name == "tagged", "in any letter case"
    assert len(list(groups.list(top=1))) >= 4, "the pages are walked"
    with pytest.raises(HttpResponseError) as moved:
        groups.create_or_update("tagged", {"location": "eastus"})
    assert moved.value.status_code == 409
    with pytest.raises(HttpResponseError):
        groups.create_or_update("bad name.", {"location": "westeurope"})
    groups.begin_delete("tagged", polling_interval=1).wait(timeout=30)
    with pytest.raises(ResourceNotFoundError):
        groups.begin_delete("tagged", polling_interval=1)


def test_role_definitions_and_assignments_by_id(tenant, credential, arm):
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.authorization import AuthorizationManagementClient

    client = AuthorizationManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm)
    subscription = f"/subscriptions/{tenant['SANDBOX_SUBSCRIPTION']}"
    reader = client.role_definitions.get(subscription, READER)
    assert (reader.role_name, reader.role_type) == ("Reader", "BuiltInRole")
    assert client.role_definitions.get_by_id(reader.id).name == READER
    assert len(list(client.role_definitions.list(subscription))) > 5
    principal, name = str(uuid.uuid4()), str(uuid.uuid4())
    key = f"{subscription}/providers/Microsoft.Authorization/roleAssignments/{name}"
    wish = {"role_definition_id": reader.id, "principal_id": principal, "principal_type": "ServicePrincipal"}
    made = client.role_assignments.create_by_id(key, wish)
    assert made.id.lower() == key.lower() and made.scope == subscription
    assert client.role_assignments.get(subscription, name).principal_id == principal
    below = client.role_assignments.list_for_resource_group("siem", filter=f"principalId eq '{principal}'")
    assert [found.name for found in below] == [name], "inherited from above"
    mine = client.role_assignments.list_for_subscription(filter=f"assignedTo('{principal}')")
    assert [found.name for found in mine] == [name]
    at_scope = client.role_assignments.list_for_scope(f"{subscription}/resourceGroups/siem", filter="atScope()")
    assert name in [found.name for found in at_scope]
    client.role_assignments.delete_by_id(key)
    with pytest.raises(ResourceNotFoundError) as gone:
        client.role_assignments.get_by_id(key)
    assert gone.value.error.code == "RoleAssignmentNotFound"


def test_unknown_roles_scopes_and_groups_are_refused_by_their_codes(tenant, credential, arm):
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
    from azure.mgmt.authorization import AuthorizationManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient

    subscription = f"/subscriptions/{tenant['SANDBOX_SUBSCRIPTION']}"
    client = AuthorizationManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm)
    nothing = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    wish = {"role_definition_id": nothing, "principal_id": str(uuid.uuid4()), "principal_type": "User"}
    with pytest.raises(HttpResponseError) as unknown:
        client.role_assignments.create(subscription, str(uuid.uuid4()), wish)
    assert (unknown.value.status_code, unknown.value.error.code) == (400, "RoleDefinitionDoesNotExist")
    with pytest.raises(ResourceNotFoundError) as absent:
        client.role_definitions.get(subscription, str(uuid.uuid4()))
    assert absent.value.error.code == "RoleDefinitionDoesNotExist"
    scope = f"{subscription}/resourceGroups/nowhere"
    with pytest.raises(ResourceNotFoundError) as nowhere:
        list(client.role_assignments.list_for_scope(scope))
    assert nowhere.value.error.code == "ResourceGroupNotFound"
    owner = client.role_assignments.list_for_scope(subscription, filter="atScope()")
    assert len(list(owner)) == 1, "the application owns the subscription"
    groups = ResourceManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm).resource_groups
    assert groups.check_existence("siem") and not groups.check_existence("nowhere")
    with pytest.raises(ResourceNotFoundError):
        groups.update("nowhere", {"tags": {"owner": "it"}})
    assert groups.update("siem", {"tags": {"owner": "soc"}}).tags == {"owner": "soc"}
    assert groups.get("siem").tags == {"owner": "soc"}
