"""Microsoft's own clients against the sandbox, unmodified but for their addresses.

    pip install -r tests/python/requirements.txt
    cargo build -p iam-sandbox
    pytest tests/python

IAM_SANDBOX names another program than target/debug/iam-sandbox.
"""

import asyncio
import os
import pathlib
import subprocess
import time
import uuid

import pytest

PROGRAM = os.environ.get(
    "IAM_SANDBOX",
    str(pathlib.Path(__file__).parents[2] / "target" / "debug" / "iam-sandbox"),
)
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory):
    """The variables of a running sandbox."""
    file = tmp_path_factory.mktemp("sandbox") / "env"
    process = subprocess.Popen([PROGRAM, "--tls", "--env-file", str(file)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not file.exists():
        assert process.poll() is None, "the sandbox stopped"
        assert time.monotonic() < deadline, "the sandbox did not start"
        time.sleep(0.05)
    lines = file.read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    # requests, httpx and Python's ssl read these.
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        os.environ[name] = values["SANDBOX_CA"]
    yield values
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture
def credential(tenant):
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        tenant["SANDBOX_TENANT"],
        tenant["SANDBOX_CLIENT_ID"],
        tenant["SANDBOX_CLIENT_SECRET"],
        authority=tenant["SANDBOX_AUTHORITY"],
        disable_instance_discovery=True,
    )


def arm(tenant):
    scope = "https://management.azure.com/.default"
    return {"base_url": tenant["SANDBOX_ARM"], "credential_scopes": [scope]}


def test_msal_gets_a_token_and_keeps_it(tenant):
    import msal

    app = msal.ConfidentialClientApplication(
        tenant["SANDBOX_CLIENT_ID"],
        client_credential=tenant["SANDBOX_CLIENT_SECRET"],
        authority=f"{tenant['SANDBOX_AUTHORITY']}/{tenant['SANDBOX_TENANT']}",
        instance_discovery=False,
    )
    scopes = ["https://graph.microsoft.com/.default"]
    first = app.acquire_token_for_client(scopes)
    assert first["token_type"] == "Bearer", first
    second = app.acquire_token_for_client(scopes)
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


def test_subscriptions_are_listed(tenant, credential):
    from azure.mgmt.resource.subscriptions import SubscriptionClient

    client = SubscriptionClient(credential, **arm(tenant))
    found = [subscription.subscription_id for subscription in client.subscriptions.list()]
    assert found == [tenant["SANDBOX_SUBSCRIPTION"]]


def test_resource_groups_are_made_listed_and_deleted(tenant, credential):
    from azure.core.exceptions import ResourceNotFoundError
    from azure.mgmt.resource.resources import ResourceManagementClient

    client = ResourceManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm(tenant))
    made = client.resource_groups.create_or_update("lab", {"location": "westeurope", "tags": {"owner": "it"}})
    assert made.properties.provisioning_state == "Succeeded"
    assert "lab" in [group.name for group in client.resource_groups.list()]
    assert client.resource_groups.check_existence("lab")
    client.resource_groups.begin_delete("lab", polling_interval=1).result(timeout=30)
    assert not client.resource_groups.check_existence("lab")
    with pytest.raises(ResourceNotFoundError) as refused:
        client.resource_groups.get("lab")
    assert refused.value.error.code == "ResourceGroupNotFound"


def test_roles_are_assigned_listed_and_taken(tenant, credential):
    from azure.core.exceptions import HttpResponseError, ResourceExistsError
    from azure.mgmt.authorization import AuthorizationManagementClient

    client = AuthorizationManagementClient(credential, tenant["SANDBOX_SUBSCRIPTION"], **arm(tenant))
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


def with_graph(tenant, story):
    """Runs a story with a signed-in GraphServiceClient."""
    from azure.identity.aio import ClientSecretCredential
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    async def run():
        async with ClientSecretCredential(
            tenant["SANDBOX_TENANT"],
            tenant["SANDBOX_CLIENT_ID"],
            tenant["SANDBOX_CLIENT_SECRET"],
            authority=tenant["SANDBOX_AUTHORITY"],
            disable_instance_discovery=True,
        ) as credential:
            provider = AzureIdentityAuthenticationProvider(
                credential,
                scopes=["https://graph.microsoft.com/.default"],
                allowed_hosts=["127.0.0.1"],
            )
            adapter = GraphRequestAdapter(provider)
            adapter.base_url = tenant["SANDBOX_GRAPH"]
            await story(GraphServiceClient(request_adapter=adapter))

    asyncio.run(run())


def draft(name):
    from msgraph.generated.models.password_profile import PasswordProfile
    from msgraph.generated.models.user import User

    return User(
        account_enabled=True,
        display_name=name,
        mail_nickname=name.lower(),
        user_principal_name=f"{name.lower()}@contoso.example",
        password_profile=PasswordProfile(password="xK9-fw2p!Q-riverbed"),
    )


def test_graph_reads_and_makes_users(tenant):
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from msgraph.generated.users.users_request_builder import UsersRequestBuilder

    async def story(graph):
        query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
            filter="employeeId eq 'W-1010'", select=["id", "displayName", "employeeId"]
        )
        found = await graph.users.get(RequestConfiguration(query_parameters=query))
        assert [user.display_name for user in found.value] == ["Camila Rocha"]
        made = await graph.users.post(draft("Ann"))
        read = await graph.users.by_user_id(made.id).get()
        assert read.user_principal_name == "ann@contoso.example"
        await graph.users.by_user_id(made.id).delete()

    with_graph(tenant, story)


def test_graph_links_people_groups_and_units(tenant):
    from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import (
        GetByIdsPostRequestBody,
    )
    from msgraph.generated.models.administrative_unit import AdministrativeUnit
    from msgraph.generated.models.group import Group
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.reference_create import ReferenceCreate
    from msgraph.generated.models.reference_update import ReferenceUpdate
    from msgraph.generated.models.user import User
    from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
        GetMemberGroupsPostRequestBody,
    )

    def address(item):
        return f"{tenant['SANDBOX_GRAPH']}/directoryObjects/{item.id}"

    async def story(graph):
        boss = await graph.users.post(draft("Boss"))
        cleo = await graph.users.post(draft("Cleo"))
        user = graph.users.by_user_id(cleo.id)
        await user.manager.ref.put(ReferenceUpdate(odata_id=address(boss)))
        manager = await user.manager.get()
        assert isinstance(manager, User) and manager.id == boss.id
        reports = await graph.users.by_user_id(boss.id).direct_reports.get()
        assert [report.id for report in reports.value] == [cleo.id]
        await user.manager.ref.delete()

        async def group(name, **more):
            return await graph.groups.post(
                Group(
                    display_name=name, mail_nickname=name, mail_enabled=False, security_enabled=True, **more
                )
            )

        bound = {"members@odata.bind": [address(cleo)], "owners@odata.bind": [address(boss)]}
        inner, outer = await group("inner", additional_data=bound), await group("outer")
        members = graph.groups.by_group_id(outer.id).members
        await members.ref.post(ReferenceCreate(odata_id=address(inner)))
        with pytest.raises(ODataError) as twice:
            await members.ref.post(ReferenceCreate(odata_id=address(inner)))
        assert twice.value.error.code == "Request_BadRequest"
        with pytest.raises(ODataError):
            owner = graph.groups.by_group_id(inner.id).owners.by_directory_object_id(boss.id)
            await owner.ref.delete()
        inside = await graph.groups.by_group_id(outer.id).transitive_members.graph_user.get()
        assert [member.id for member in inside.value] == [cleo.id]
        groups = await user.get_member_groups.post(GetMemberGroupsPostRequestBody(security_enabled_only=True))
        assert set(groups.value) == {inner.id, outer.id}
        by_ids = GetByIdsPostRequestBody(ids=[cleo.id, outer.id], types=["user", "group"])
        found = await graph.directory_objects.get_by_ids.post(by_ids)
        assert {type(item) for item in found.value} == {User, Group}

        unit = await graph.directory.administrative_units.post(AdministrativeUnit(display_name="North"))
        at = graph.directory.administrative_units.by_administrative_unit_id(unit.id)
        await at.members.ref.post(ReferenceCreate(odata_id=address(cleo)))
        assert [member.id for member in (await at.members.get()).value] == [cleo.id]
        units = await user.member_of.graph_administrative_unit.get()
        assert [item.display_name for item in units.value] == ["North"]
        await at.delete()
        await user.delete()
        deleted = graph.directory.deleted_items
        assert cleo.id in [item.id for item in (await deleted.graph_user.get()).value]
        await deleted.by_directory_object_id(cleo.id).restore.post()
        assert (await user.get()).display_name == "Cleo"

    with_graph(tenant, story)


def test_graph_makes_people_eligible_for_roles(tenant):
    import datetime

    from msgraph.generated.models.expiration_pattern import ExpirationPattern
    from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.request_schedule import RequestSchedule
    from msgraph.generated.models.unified_role_eligibility_schedule_request import (
        UnifiedRoleEligibilityScheduleRequest,
    )
    from msgraph.generated.models.unified_role_schedule_request_actions import (
        UnifiedRoleScheduleRequestActions,
    )

    def wish(user, action, **more):
        return UnifiedRoleEligibilityScheduleRequest(
            action=action,
            principal_id=user.id,
            role_definition_id="729827e3-9c14-49f7-bb1b-9608f156bbb8",
            directory_scope_id="/",
            justification="on call",
            **more,
        )

    async def story(graph):
        dora = await graph.users.post(draft("Dora"))
        roles = graph.role_management.directory
        month = RequestSchedule(
            start_date_time=datetime.datetime.now(datetime.timezone.utc),
            expiration=ExpirationPattern(
                type=ExpirationPatternType.AfterDuration, duration=datetime.timedelta(days=30)
            ),
        )
        give = wish(dora, UnifiedRoleScheduleRequestActions.AdminAssign, schedule_info=month)
        made = await roles.role_eligibility_schedule_requests.post(give)
        assert made.status == "Provisioned"
        held = await roles.role_eligibility_schedule_instances.get()
        assert [item.principal_id for item in held.value] == [dora.id]
        with pytest.raises(ODataError) as twice:
            await roles.role_eligibility_schedule_requests.post(give)
        assert twice.value.error.code == "RoleAssignmentExists"
        take = wish(dora, UnifiedRoleScheduleRequestActions.AdminRemove)
        assert (await roles.role_eligibility_schedule_requests.post(take)).status == "Revoked"
        assert not (await roles.role_eligibility_schedules.get()).value

    with_graph(tenant, story)
