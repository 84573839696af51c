"""msgraph-sdk against the sandbox: roles of the tenant's own, PIM, logs, what an application may not do."""

import datetime
import json

import pytest
from asking import asking, draft
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

HELPDESK = "729827e3-9c14-49f7-bb1b-9608f156bbb8"


def test_roles_of_the_tenants_own_are_made_given_changed_and_deleted(with_graph):
    from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
    from msgraph.generated.models.unified_role_definition import UnifiedRoleDefinition
    from msgraph.generated.models.unified_role_permission import UnifiedRolePermission

    async def story(graph):
        directory = graph.role_management.directory
        permission = UnifiedRolePermission(
            allowed_resource_actions=["microsoft.directory/applications/basic/read"]
        )
        made = await directory.role_definitions.post(
            UnifiedRoleDefinition(
                display_name="Application readers", is_enabled=True, role_permissions=[permission]
            )
        )
        assert (made.is_built_in, made.resource_scopes, made.template_id) == (False, ["/"], made.id)
        one = directory.role_definitions.by_unified_role_definition_id(made.id)
        assert (await one.get()).role_permissions[0].allowed_resource_actions == [
            "microsoft.directory/applications/basic/read"
        ]
        ida = await graph.users.post(draft("ida"))
        given = await directory.role_assignments.post(
            UnifiedRoleAssignment(principal_id=ida.id, role_definition_id=made.id, directory_scope_id="/")
        )
        role = await directory.role_assignments.by_unified_role_assignment_id(given.id).role_definition.get()
        assert role.display_name == "Application readers"
        await one.patch(UnifiedRoleDefinition(display_name="App readers", is_enabled=False))
        assert (await one.get()).display_name == "App readers"
        built_in = directory.role_definitions.by_unified_role_definition_id(HELPDESK)
        with pytest.raises(ODataError) as refused:
            await built_in.delete()
        assert refused.value.response_status_code == 400
        await one.delete()
        with pytest.raises(ODataError) as gone:
            await one.get()
        assert gone.value.response_status_code == 404

    with_graph(story)


def test_roles_are_assigned_for_a_time(with_graph):
    from msgraph.generated.models.expiration_pattern import ExpirationPattern
    from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
    from msgraph.generated.models.request_schedule import RequestSchedule
    from msgraph.generated.models.unified_role_assignment_schedule_request import (
        UnifiedRoleAssignmentScheduleRequest,
    )
    from msgraph.generated.models.unified_role_schedule_request_actions import (
        UnifiedRoleScheduleRequestActions,
    )

    def wish(user, action, **more):
        return UnifiedRoleAssignmentScheduleRequest(
            action=action,
            principal_id=user.id,
            role_definition_id=HELPDESK,
            directory_scope_id="/",
            justification="on call",
            **more,
        )

    async def story(graph):
        jo = await graph.users.post(draft("jo"))
        directory = graph.role_management.directory
        shift = RequestSchedule(
            start_date_time=datetime.datetime.now(datetime.timezone.utc),
            expiration=ExpirationPattern(
                type=ExpirationPatternType.AfterDuration, duration=datetime.timedelta(hours=8)
            ),
        )
        requests = directory.role_assignment_schedule_requests
        made = await requests.post(
            wish(jo, UnifiedRoleScheduleRequestActions.AdminAssign, schedule_info=shift)
        )
        assert (made.status, made.target_schedule_id is not None) == ("Provisioned", True)
        schedules = (await directory.role_assignment_schedules.get()).value
        (mine,) = [schedule for schedule in schedules if schedule.principal_id == jo.id]
        assert mine.schedule_info.expiration.type == ExpirationPatternType.AfterDuration
        instances = (await directory.role_assignment_schedule_instances.get()).value
        assert jo.id in [instance.principal_id for instance in instances]
        ended = await requests.post(wish(jo, UnifiedRoleScheduleRequestActions.AdminRemove))
        assert ended.status == "Revoked"
        with pytest.raises(ODataError) as none:
            await requests.post(wish(jo, UnifiedRoleScheduleRequestActions.AdminRemove))
        assert none.value.error.code == "RoleAssignmentDoesNotExist"

    with_graph(story)


def test_logs_tell_what_was_done_and_by_whom(tenant, with_graph):
    from msgraph.generated.audit_logs.directory_audits.directory_audits_request_builder import (
        DirectoryAuditsRequestBuilder,
    )

    async def story(graph):
        kit = await graph.users.post(draft("kit"))
        query = DirectoryAuditsRequestBuilder.DirectoryAuditsRequestBuilderGetQueryParameters(
            filter="activityDisplayName eq 'Add user'", top=5
        )
        (entry,) = (await graph.audit_logs.directory_audits.get(asking(query))).value
        assert entry.target_resources[0].id == kit.id
        assert entry.initiated_by.app.display_name == "Identity lifecycle"
        assert entry.result.value == "success" and entry.activity_date_time.tzinfo
        one = await graph.audit_logs.directory_audits.by_directory_audit_id(entry.id).get()
        assert one.correlation_id == entry.correlation_id
        assert (await graph.audit_logs.sign_ins.get()).value is not None
        assert (await graph.audit_logs.provisioning.get()).value == []

    with_graph(story)


def test_an_application_without_the_permission_is_refused_in_each_services_words(tenant):
    """The token has one permission, and comes from the sandbox's control route."""
    import asyncio

    import requests
    from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator
    from kiota_abstractions.authentication.base_bearer_token_authentication_provider import (
        BaseBearerTokenAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    class Given(AccessTokenProvider):
        def __init__(self, token):
            self.token = token

        async def get_authorization_token(self, uri, additional_authentication_context=None):
            return self.token

        def get_allowed_hosts_validator(self):
            return AllowedHostsValidator(["127.0.0.1"])

    wish = {"roles": ["User.Read.All"]}
    minted = requests.post(f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/tokens", json=wish).json()

    async def story():
        adapter = GraphRequestAdapter(
            BaseBearerTokenAuthenticationProvider(Given(minted["access_token"]))
        )
        adapter.base_url = tenant["SANDBOX_GRAPH"]
        graph = GraphServiceClient(request_adapter=adapter)
        someone = (await graph.users.get()).value[0]
        one = graph.users.by_user_id(someone.id)

        async def refused(call):
            with pytest.raises(ODataError) as error:
                await call
            assert error.value.response_status_code == 403
            return error.value.error

        said = await refused(graph.users.post(draft("lou")))
        assert said.code == "Authorization_RequestDenied"
        assert said.message == "Insufficient privileges to complete the operation."
        assert said.inner_error.request_id
        assert (await refused(graph.groups.get())).code == "Authorization_RequestDenied"
        assert (await refused(one.mailbox_settings.get())).code == "ErrorAccessDenied"
        assert (await refused(one.authentication.methods.get())).code == "accessDenied"
        logs = await refused(graph.audit_logs.directory_audits.get())
        assert logs.code == "Authentication_MSGraphPermissionMissing" and "AuditLog.Read.All" in logs.message
        policies = await refused(graph.identity.conditional_access.policies.get())
        assert policies.code == "AccessDenied"
        pim = await refused(graph.role_management.directory.role_eligibility_schedules.get())
        assert json.loads(pim.message)["errorCode"] == "PermissionScopeNotGranted"

    asyncio.run(story())
