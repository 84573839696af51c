"""msgraph-sdk against the sandbox: applications, sign-in methods, the tenant, mail, throttling."""

import uuid

import pytest
from asking import asking, draft, users
from msgraph.generated.models.o_data_errors.o_data_error import ODataError


def test_applications_are_registered_and_their_roles_given(tenant, with_graph):
    from msgraph.generated.models.app_role import AppRole
    from msgraph.generated.models.app_role_assignment import AppRoleAssignment
    from msgraph.generated.models.application import Application
    from msgraph.generated.models.service_principal import ServicePrincipal
    from msgraph.generated.models.web_application import WebApplication

    async def story(graph):
        role = AppRole(
            id=uuid.uuid4(),
            allowed_member_types=["User"],
            display_name="Reads",
            description="Reads results",
            value="Lab.Read",
            is_enabled=True,
        )
        made = await graph.applications.post(
            Application(
                display_name="Lab",
                sign_in_audience="AzureADMyOrg",
                app_roles=[role],
                web=WebApplication(redirect_uris=["https://lab.example/in"]),
            )
        )
        assert made.password_credentials == [] and made.app_roles[0].value == "Lab.Read"
        by_app = graph.applications_with_app_id(made.app_id)
        assert (await by_app.get()).id == made.id
        await by_app.patch(Application(notes="owned by IT"))
        assert (await graph.applications.by_application_id(made.id).get()).notes == "owned by IT"
        principal = await graph.service_principals.post(ServicePrincipal(app_id=made.app_id))
        with pytest.raises(ODataError) as twice:
            await graph.service_principals.post(ServicePrincipal(app_id=made.app_id))
        assert twice.value.response_status_code == 409
        assert (await graph.service_principals_with_app_id(made.app_id).get()).id == principal.id

        kim = await graph.users.post(draft("kim"))
        assigned_to = graph.service_principals.by_service_principal_id(principal.id).app_role_assigned_to
        wish = AppRoleAssignment(
            principal_id=uuid.UUID(kim.id), resource_id=uuid.UUID(principal.id), app_role_id=role.id
        )
        given = await assigned_to.post(wish)
        assert (given.principal_type, given.resource_display_name) == ("User", "Lab")
        with pytest.raises(ODataError) as again:
            await graph.users.by_user_id(kim.id).app_role_assignments.post(wish)
        assert again.value.error.message == "Permission being assigned already exists on the object"
        held = await graph.users.by_user_id(kim.id).app_role_assignments.get()
        assert [one.id for one in held.value] == [given.id]
        await graph.users.by_user_id(kim.id).app_role_assignments.by_app_role_assignment_id(given.id).delete()
        assert (await assigned_to.get()).value == []

        from msgraph.generated.applications.item.add_password.add_password_post_request_body import (
            AddPasswordPostRequestBody,
        )
        from msgraph.generated.models.password_credential import PasswordCredential

        wish = AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="pipeline"))
        secret = await graph.applications.by_application_id(made.id).add_password.post(wish)
        assert secret.secret_text and secret.end_date_time > secret.start_date_time
        # It signs in, and is somebody else.
        from azure.identity.aio import ClientSecretCredential

        async with ClientSecretCredential(
            tenant["SANDBOX_TENANT"],
            made.app_id,
            secret.secret_text,
            authority=tenant["SANDBOX_AUTHORITY"],
            disable_instance_discovery=True,
        ) as lab:
            import jwt

            token = await lab.get_token("https://graph.microsoft.com/.default")
            claims = jwt.decode(token.token, options={"verify_signature": False})
            assert claims["appid"] == made.app_id and claims["oid"] == principal.id
        await by_app.delete()
        gone = await graph.directory.deleted_items.graph_application.get()
        assert made.id in [application.id for application in gone.value]

    with_graph(story)


def test_passes_and_methods(with_graph):
    from msgraph.generated.models.authentication_phone_type import AuthenticationPhoneType
    from msgraph.generated.models.phone_authentication_method import PhoneAuthenticationMethod
    from msgraph.generated.models.temporary_access_pass_authentication_method import (
        TemporaryAccessPassAuthenticationMethod,
    )

    async def story(graph):
        lea = await graph.users.post(draft("lea"))
        authentication = graph.users.by_user_id(lea.id).authentication
        passes = authentication.temporary_access_pass_methods
        made = await passes.post(
            TemporaryAccessPassAuthenticationMethod(lifetime_in_minutes=60, is_usable_once=True)
        )
        assert len(made.temporary_access_pass) == 8 and made.is_usable
        (seen,) = (await passes.get()).value
        assert (seen.id, seen.temporary_access_pass) == (made.id, None)
        with pytest.raises(ODataError) as short:
            await passes.post(TemporaryAccessPassAuthenticationMethod(lifetime_in_minutes=5))
        assert short.value.error.code == "badRequest"
        phone = await authentication.phone_methods.post(
            PhoneAuthenticationMethod(
                phone_number="+61 412345678", phone_type=AuthenticationPhoneType.Mobile
            )
        )
        methods = (await authentication.methods.get()).value
        assert [type(method).__name__ for method in methods] == [
            "PasswordAuthenticationMethod",
            "TemporaryAccessPassAuthenticationMethod",
            "PhoneAuthenticationMethod",
        ]
        await authentication.phone_methods.by_phone_authentication_method_id(phone.id).delete()
        await passes.by_temporary_access_pass_authentication_method_id(made.id).delete()
        assert len((await authentication.methods.get()).value) == 1

    with_graph(story)


def test_the_tenant_is_read(tenant, with_graph):
    from msgraph.generated.models.conditional_access_policy_state import ConditionalAccessPolicyState

    async def story(graph):
        (organization,) = (await graph.organization.get()).value
        assert organization.id == tenant["SANDBOX_TENANT"]
        assert {plan.service for plan in organization.assigned_plans} >= {"exchange", "SharePoint"}
        domains = (await graph.domains.get()).value
        assert [domain.id for domain in domains if domain.is_default] == ["contoso.example"]
        policies = (await graph.identity.conditional_access.policies.get()).value
        enforced = [policy for policy in policies if policy.state == ConditionalAccessPolicyState.Enabled]
        assert len(enforced) == 2
        one = await graph.identity.conditional_access.policies.by_conditional_access_policy_id(
            policies[0].id
        ).get()
        assert one.grant_controls.built_in_controls[0].value == "mfa"

    with_graph(story)


def test_sessions_are_revoked_and_mail_is_taken(with_graph):
    from msgraph.generated.models.body_type import BodyType
    from msgraph.generated.models.email_address import EmailAddress
    from msgraph.generated.models.item_body import ItemBody
    from msgraph.generated.models.message import Message
    from msgraph.generated.models.recipient import Recipient
    from msgraph.generated.users.item.check_member_groups.check_member_groups_post_request_body import (
        CheckMemberGroupsPostRequestBody,
    )
    from msgraph.generated.users.item.send_mail.send_mail_post_request_body import (
        SendMailPostRequestBody,
    )

    async def story(graph):
        camila = (await graph.users.get(asking(users(filter="employeeId eq 'W-1010'")))).value[0]
        one = graph.users.by_user_id(camila.id)
        assert (await one.revoke_sign_in_sessions.post()).value is True
        group = (await one.member_of.get()).value[0]
        held = await one.check_member_groups.post(CheckMemberGroupsPostRequestBody(group_ids=[group.id]))
        assert held.value == [group.id]
        message = Message(
            subject="Welcome",
            body=ItemBody(content_type=BodyType.Text, content="Hello"),
            to_recipients=[Recipient(email_address=EmailAddress(address="hr@contoso.example"))],
        )
        await graph.users.by_user_id("hr-robot@contoso.example").send_mail.post(
            SendMailPostRequestBody(message=message, save_to_sent_items=False)
        )

    with_graph(story)


def test_throttled_and_failing_answers_are_waited_out(tenant, with_graph):
    import requests

    faults = f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/faults"
    log = f"{tenant['SANDBOX_AUTHORITY']}/_sandbox/log"

    def answers():
        entries = requests.get(log).json()["log"]
        return [entry["status"] for entry in entries if entry["path"] == "/v1.0/domains"]

    async def story(graph):
        for effect in (
            {"kind": "throttle", "retry_after": {"seconds": 1}},
            {"kind": "status", "status": 503, "retry_after": {"seconds": 1}},
        ):
            rule = {"method": "GET", "path": "/domains", "times": 1, "effect": effect}
            assert requests.post(faults, json=rule).ok
            requests.delete(log)
            assert len((await graph.domains.get()).value) == 2
            assert answers() == [429 if effect["kind"] == "throttle" else 503, 200]
        rule = {
            "method": "GET",
            "path": "/domains",
            "times": 1,
            "effect": {"kind": "throttle", "retry_after": {"seconds": 300}},
        }
        assert requests.post(faults, json=rule).ok
        with pytest.raises(ODataError) as busy:
            await graph.domains.get()
        assert (busy.value.response_status_code, busy.value.error.code) == (429, "TooManyRequests")
        requests.delete(faults)

    with_graph(story)
