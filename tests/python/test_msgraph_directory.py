"""msgraph-sdk against the sandbox, unmodified but for its base URL: people, groups, licences and roles."""

import uuid

import pytest
from asking import asking, draft, link, users
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.reference_update import ReferenceUpdate
from msgraph.generated.models.user import User

SECURITY_READER = "5d6b6bb7-de71-4623-b4af-96380a352509"


def test_users_are_made_read_patched_and_deleted(with_graph):
    async def story(graph):
        made = await graph.users.post(draft("anna", employee_id="P-1", office_location="Perth"))
        one = graph.users.by_user_id(made.id)
        read = await graph.users.by_user_id("anna@contoso.example").get()
        assert (read.id, read.office_location) == (made.id, "Perth")
        await one.patch(User(job_title="Nurse", additional_data={"officeLocation": None}))
        wanted = ["jobTitle", "officeLocation", "employeeId", "createdDateTime"]
        from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder

        options = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=wanted)
        read = await one.get(asking(options))
        assert (read.job_title, read.office_location, read.employee_id) == ("Nurse", None, "P-1")
        assert read.created_date_time.year >= 2025
        await one.delete()
        with pytest.raises(ODataError) as gone:
            await one.get()
        assert gone.value.response_status_code == 404

    with_graph(story)


def test_pages_are_walked_to_the_end(with_graph):
    from msgraph_core.tasks.page_iterator import PageIterator

    async def story(graph):
        page = await graph.users.get(asking(users(top=4, select=["id", "displayName"])))
        assert len(page.value) == 4 and page.odata_next_link
        seen = []

        def take(user):
            seen.append(user.id)
            return True

        await PageIterator(page, graph.request_adapter).iterate(take)
        total = await graph.users.count.get(asking(None, ConsistencyLevel="eventual"))
        assert len(seen) == len(set(seen)) == total

    with_graph(story)


def test_lists_are_searched_counted_filtered_and_sorted(with_graph):
    async def story(graph):
        query = users(search='"displayName:Rocha"', count=True, select=["displayName"])
        found = await graph.users.get(asking(query, ConsistencyLevel="eventual"))
        assert ([user.display_name for user in found.value], found.odata_count) == (["Camila Rocha"], 1)
        query = users(
            filter="endswith(userPrincipalName,'@contoso.example') and accountEnabled eq true",
            orderby=["displayName desc"],
            count=True,
            top=3,
        )
        found = await graph.users.get(asking(query, ConsistencyLevel="eventual"))
        names = [user.display_name for user in found.value]
        assert len(names) == 3 and names == sorted(names, reverse=True)
        query = users(filter="employeeId in ('W-1009','W-1010')", expand=["manager($select=id)"])
        assert len((await graph.users.get(asking(query))).value) == 2
        with pytest.raises(ODataError) as refused:
            await graph.users.get(asking(users(search='"displayName:Rocha"')))
        assert refused.value.error.code == "Request_UnsupportedQuery"

    with_graph(story)


def test_managers_are_linked_and_unlinked(tenant, with_graph):
    async def story(graph):
        boss = await graph.users.post(draft("boss"))
        report = await graph.users.post(draft("report"))
        manager = graph.users.by_user_id(report.id).manager
        await manager.ref.put(ReferenceUpdate(odata_id=link(tenant, "users", boss.id)))
        assert (await manager.get()).user_principal_name == "boss@contoso.example"
        reports = await graph.users.by_user_id(boss.id).direct_reports.get()
        assert [user.id for user in reports.value] == [report.id]
        await manager.ref.delete()
        with pytest.raises(ODataError) as none:
            await manager.get()
        assert none.value.error.code == "Request_ResourceNotFound"

    with_graph(story)


def test_groups_are_made_joined_owned_and_left(tenant, with_graph):
    from msgraph.generated.models.group import Group

    async def story(graph):
        ben, cleo = [await graph.users.post(draft(name)) for name in ("ben", "cleo")]
        group = await graph.groups.post(
            Group(
                display_name="Readers",
                mail_nickname="readers",
                mail_enabled=False,
                security_enabled=True,
                additional_data={"members@odata.bind": [link(tenant, "users", ben.id)]},
            )
        )
        one = graph.groups.by_group_id(group.id)
        reference = ReferenceCreate(odata_id=link(tenant, "directoryObjects", cleo.id))
        await one.members.ref.post(reference)
        with pytest.raises(ODataError) as twice:
            await one.members.ref.post(reference)
        assert "already exist" in twice.value.error.message
        await one.owners.ref.post(reference)
        assert {member.id for member in (await one.members.get()).value} == {ben.id, cleo.id}
        assert [owner.id for owner in (await one.owners.get()).value] == [cleo.id]
        cast = await one.members.graph_user.get()
        assert {member.user_principal_name for member in cast.value} == {
            "ben@contoso.example",
            "cleo@contoso.example",
        }
        above = await graph.users.by_user_id(ben.id).member_of.get()
        assert [found.id for found in above.value] == [group.id]
        await one.members.by_directory_object_id(ben.id).ref.delete()
        assert [member.id for member in (await one.members.get()).value] == [cleo.id]
        await one.patch(Group(description="People who read"))
        assert (await one.get()).description == "People who read"
        await one.delete()

    with_graph(story)


def test_licences_are_given_and_taken(with_graph):
    from msgraph.generated.models.assigned_license import AssignedLicense
    from msgraph.generated.users.item.assign_license.assign_license_post_request_body import (
        AssignLicensePostRequestBody,
    )

    async def story(graph):
        skus = {sku.sku_part_number: sku for sku in (await graph.subscribed_skus.get()).value}
        sku = skus["SPE_E3"]
        one = await graph.subscribed_skus.by_subscribed_sku_id(sku.id).get()
        assert one.sku_id == sku.sku_id and one.prepaid_units.enabled == 1000
        dora = await graph.users.post(draft("dora"))
        assign = graph.users.by_user_id(dora.id).assign_license
        give = AssignLicensePostRequestBody(
            add_licenses=[AssignedLicense(sku_id=sku.sku_id, disabled_plans=[])], remove_licenses=[]
        )
        assert (await assign.post(give)).id == dora.id
        details = await graph.users.by_user_id(dora.id).license_details.get()
        assert [held.sku_part_number for held in details.value] == ["SPE_E3"]
        take = AssignLicensePostRequestBody(add_licenses=[], remove_licenses=[sku.sku_id])
        await assign.post(take)
        with pytest.raises(ODataError) as none:
            await assign.post(take)
        assert none.value.response_status_code == 400
        assert (await graph.users.by_user_id(dora.id).license_details.get()).value == []

    with_graph(story)


def test_directory_roles_are_assigned_and_removed(with_graph):
    from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
    from msgraph.generated.role_management.directory.role_assignments.role_assignments_request_builder import (
        RoleAssignmentsRequestBuilder,
    )

    async def story(graph):
        eli = await graph.users.post(draft("eli"))
        roles = graph.role_management.directory
        definition = await roles.role_definitions.by_unified_role_definition_id(SECURITY_READER).get()
        assert definition.display_name == "Security Reader"
        wish = UnifiedRoleAssignment(
            role_definition_id=SECURITY_READER, principal_id=eli.id, directory_scope_id="/"
        )
        made = await roles.role_assignments.post(wish)
        with pytest.raises(ODataError) as twice:
            await roles.role_assignments.post(wish)
        assert "conflicting object" in twice.value.error.message
        query = RoleAssignmentsRequestBuilder.RoleAssignmentsRequestBuilderGetQueryParameters(
            filter=f"principalId eq '{eli.id}'", expand=["roleDefinition"]
        )
        held = await roles.role_assignments.get(asking(query))
        assert [role.role_definition.display_name for role in held.value] == ["Security Reader"]
        await roles.role_assignments.by_unified_role_assignment_id(made.id).delete()
        assert (await roles.role_assignments.get(asking(query))).value == []

    with_graph(story)


async def rounds(first, follow):
    """All pages of a delta query: the objects, and the link for the next time."""
    page, found = first, []
    while True:
        found.extend(page.value)
        if page.odata_delta_link:
            return found, page.odata_delta_link
        page = await follow(page.odata_next_link).get()


def test_delta_of_users_tells_what_changed(with_graph):
    async def story(graph):
        delta = graph.users.delta
        everybody, link = await rounds(await delta.get(), delta.with_url)
        assert len(everybody) > 10
        made = await graph.users.post(draft("fay"))
        changed, link = await rounds(await delta.with_url(link).get(), delta.with_url)
        assert [user.id for user in changed] == [made.id]
        await graph.users.by_user_id(made.id).delete()
        removed, _ = await rounds(await delta.with_url(link).get(), delta.with_url)
        assert removed[0].additional_data["@removed"] == {"reason": "changed"}

    with_graph(story)


def test_delta_of_groups_tells_who_joined(tenant, with_graph):
    from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder

    async def story(graph):
        groups = await graph.groups.get()
        group = next(found for found in groups.value if found.display_name == "sg-security")
        delta = graph.groups.delta
        query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["displayName", "members"])
        _, next_time = await rounds(await delta.get(asking(query)), delta.with_url)
        guy = await graph.users.post(draft("guy"))
        reference = ReferenceCreate(odata_id=link(tenant, "directoryObjects", guy.id))
        await graph.groups.by_group_id(group.id).members.ref.post(reference)
        changed, _ = await rounds(await delta.with_url(next_time).get(), delta.with_url)
        (found,) = [one for one in changed if one.id == group.id]
        members = found.additional_data["members@delta"]
        assert [str(member["id"]) for member in members] == [guy.id]

    with_graph(story)


def test_deleted_users_are_listed_and_restored(with_graph):
    async def story(graph):
        hal = await graph.users.post(draft("hal"))
        await graph.users.by_user_id(hal.id).delete()
        deleted = graph.directory.deleted_items
        gone = await deleted.graph_user.get()
        assert hal.id in [user.id for user in gone.value]
        one = deleted.by_directory_object_id(hal.id)
        assert (await one.get()).id == hal.id
        back = await one.restore.post()
        assert back.odata_type == "#microsoft.graph.user"
        await graph.users.by_user_id(hal.id).delete()
        await one.delete()
        with pytest.raises(ODataError):
            await one.get()

    with_graph(story)


def test_errors_carry_code_message_and_ids(with_graph):
    async def story(graph):
        await graph.users.post(draft("ida"))
        with pytest.raises(ODataError) as taken:
            await graph.users.post(draft("ida"))
        error = taken.value.error
        assert taken.value.response_status_code == 400
        assert error.code == "Request_BadRequest"
        assert error.message.startswith("Another object with the same value for property userPrincipalName")
        assert error.details[0].code == "ObjectConflict"
        assert error.details[0].target == "userPrincipalName"
        assert uuid.UUID(error.inner_error.request_id)
        assert uuid.UUID(error.inner_error.client_request_id)
        assert error.inner_error.date.year >= 2025
        with pytest.raises(ODataError) as unknown:
            await graph.users.post(draft("ivy", additional_data={"colour": "red"}))
        assert unknown.value.error.code == "RequestBodyRead"

    with_graph(story)


def test_batches_carry_many_requests(with_graph):
    """Statuses only: this version of the client drops what is JSON in the answers."""
    from msgraph_core.requests.batch_request_content import BatchRequestContent
    from msgraph_core.requests.batch_request_content_collection import BatchRequestContentCollection
    from msgraph_core.requests.batch_request_item import BatchRequestItem

    async def story(graph):
        content = BatchRequestContent()
        one = graph.users.by_user_id("jon@contoso.example")
        items = [
            BatchRequestItem(graph.users.to_get_request_information(asking(users(top=2))), id="list"),
            BatchRequestItem(graph.users.to_post_request_information(draft("jon")), id="make"),
            BatchRequestItem(graph.users.by_user_id("nobody").to_get_request_information(), id="miss"),
        ]
        # Written as depends_on, which Graph ignores.
        items.append(BatchRequestItem(graph.users.to_get_request_information(), id="after", depends_on=["make"]))
        for item in items:
            content.add_request(item.id, item)
        answer = await graph.batch.post(content)
        codes = answer.get_response_status_codes()
        assert codes == {"list": 200, "make": 201, "miss": 404, "after": 200}
        jon = await one.get()
        assert jon.display_name == "Jon"

        many = BatchRequestContentCollection()
        for number in range(25):
            change = one.to_patch_request_information(User(job_title=f"Clerk {number}"))
            many.add_batch_request_item(BatchRequestItem(change, id=str(number)))
        answers = await graph.batch.post(many)
        codes = {}
        for answer in answers.get_responses():
            codes |= answer.get_response_status_codes()
        assert codes == {str(number): 204 for number in range(25)}

    with_graph(story)


def test_people_groups_and_units_are_linked(tenant, with_graph):
    from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import (
        GetByIdsPostRequestBody,
    )
    from msgraph.generated.models.administrative_unit import AdministrativeUnit
    from msgraph.generated.models.group import Group
    from msgraph.generated.users.item.get_member_groups.get_member_groups_post_request_body import (
        GetMemberGroupsPostRequestBody,
    )

    def address(item):
        return f"{tenant['SANDBOX_GRAPH']}/directoryObjects/{item.id}"

    async def story(graph):
        boss = await graph.users.post(draft("boss"))
        cleo = await graph.users.post(draft("cleo"))
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

    with_graph(story)


def test_people_are_made_eligible_for_roles(with_graph):
    import datetime

    from msgraph.generated.models.expiration_pattern import ExpirationPattern
    from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
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
        dora = await graph.users.post(draft("dora"))
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

    with_graph(story)
