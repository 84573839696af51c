"""A Python client of Microsoft Graph as a process that is measured: graph_peer.py CLIENT JOB.

CLIENT is requests, httpx, msgraph-sdk or iam-platform (our own wheel); JOB is first, page, calls or join. The address, the token and what to do come
in GRAPH_PEER, as JSON; the outcome leaves as one line of JSON, as tests/bench/graph_peer.rs reads it.
"""

import asyncio
import json
import os
import sys
import time

PLAN = json.loads(os.environ["GRAPH_PEER"])
ROOT = PLAN["graph"]
HEADERS = {"Authorization": f"Bearer {PLAN['token']}"}
PASSWORD = "Bare-and-simple-1!"


def joiner(number):
    name = f"joiner{number}"
    return {
        "accountEnabled": True,
        "displayName": f"Joiner {number}",
        "mailNickname": name,
        "userPrincipalName": f"{name}@{PLAN['domain']}",
        "usageLocation": "AU",
        "passwordProfile": {"password": PASSWORD},
    }


class Plain:
    """The way of sample scripts, but with one connection kept: one call after another, JSON as dicts."""

    def __init__(self, session):
        self.session = session

    def call(self, method, url, body=None):
        answer = self.session.request(method, url, headers=HEADERS, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def first(self):
        return 1 if self.call("GET", f"{ROOT}/users/{PLAN['user']}")["id"] else 0

    async def page(self):
        url, people = f"{ROOT}/users?$select={PLAN['select']}&$top=999", 0
        while url:
            page = self.call("GET", url)
            people += sum(1 for user in page["value"] if user["id"] and user["userPrincipalName"])
            url = page.get("@odata.nextLink")
        return people

    async def join(self):
        for number in range(PLAN["people"]):
            user = self.call("POST", f"{ROOT}/users", joiner(number))["id"]
            link = {"@odata.id": f"{ROOT}/users/{PLAN['manager']}"}
            self.call("PUT", f"{ROOT}/users/{user}/manager/$ref", link)
            for group in PLAN["groups"]:
                link = {"@odata.id": f"{ROOT}/directoryObjects/{user}"}
                self.call("POST", f"{ROOT}/groups/{group}/members/$ref", link)
            add = {"addLicenses": [{"skuId": PLAN["sku"], "disabledPlans": []}], "removeLicenses": []}
            self.call("POST", f"{ROOT}/users/{user}/assignLicense", add)
        return PLAN["people"]


class Sdk:
    """msgraph-sdk as documented, but for its address."""

    def __init__(self):
        from kiota_abstractions.authentication import AllowedHostsValidator, BaseBearerTokenAuthenticationProvider
        from msgraph import GraphRequestAdapter, GraphServiceClient

        class Token:
            async def get_authorization_token(self, uri, additional_authentication_context={}):
                return PLAN["token"]

            def get_allowed_hosts_validator(self):
                return AllowedHostsValidator([])

        adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Token()))
        adapter.base_url = ROOT
        self.client = GraphServiceClient(request_adapter=adapter)

    async def first(self):
        return 1 if (await self.client.users.by_user_id(PLAN["user"]).get()).id else 0

    async def page(self):
        from kiota_abstractions.base_request_configuration import RequestConfiguration
        from msgraph.generated.users.users_request_builder import UsersRequestBuilder

        query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
            select=PLAN["select"].split(","), top=999
        )
        page, people = await self.client.users.get(RequestConfiguration(query_parameters=query)), 0
        while page:
            people += sum(1 for user in page.value if user.id and user.user_principal_name)
            link = page.odata_next_link
            page = await self.client.users.with_url(link).get() if link else None
        return people

    async def join(self):
        from uuid import UUID

        from msgraph.generated.models.assigned_license import AssignedLicense
        from msgraph.generated.models.password_profile import PasswordProfile
        from msgraph.generated.models.reference_create import ReferenceCreate
        from msgraph.generated.models.reference_update import ReferenceUpdate
        from msgraph.generated.models.user import User
        from msgraph.generated.users.item.assign_license.assign_license_post_request_body import (
            AssignLicensePostRequestBody,
        )

        for number in range(PLAN["people"]):
            new = joiner(number)
            made = await self.client.users.post(
                User(
                    account_enabled=True,
                    display_name=new["displayName"],
                    mail_nickname=new["mailNickname"],
                    user_principal_name=new["userPrincipalName"],
                    usage_location=new["usageLocation"],
                    password_profile=PasswordProfile(password=PASSWORD),
                )
            )
            user = self.client.users.by_user_id(made.id)
            await user.manager.ref.put(ReferenceUpdate(odata_id=f"{ROOT}/users/{PLAN['manager']}"))
            for group in PLAN["groups"]:
                link = ReferenceCreate(odata_id=f"{ROOT}/directoryObjects/{made.id}")
                await self.client.groups.by_group_id(group).members.ref.post(link)
            license = AssignedLicense(sku_id=UUID(PLAN["sku"]), disabled_plans=[])
            await user.assign_license.post(AssignLicensePostRequestBody(add_licenses=[license], remove_licenses=[]))
        return PLAN["people"]


class Wheel:
    """Our own, as its README shows it."""

    def __init__(self):
        from types import SimpleNamespace

        from iam_platform import AsyncGraphClient

        class Given:
            def get_token(self, *scopes, **options):
                return SimpleNamespace(token=PLAN["token"], expires_on=int(time.time()) + 3600)

        self.client = AsyncGraphClient(Given(), authority=PLAN["authority"], graph_url=ROOT, limits=None)

    async def first(self):
        return 1 if (await self.client.user(PLAN["user"]))["id"] else 0

    async def page(self):
        people = 0
        async for user in self.client.users(select=PLAN["select"], top=999):
            people += 1 if user["id"] and user["userPrincipalName"] else 0
        return people

    async def calls(self):
        for _ in range(PLAN["people"]):
            await self.client.user(PLAN["user"])
        return PLAN["people"]


def client(name):
    if name == "iam-platform":
        return Wheel()
    if name == "requests":
        import requests

        return Plain(requests.Session())
    if name == "httpx":
        import httpx

        return Plain(httpx.Client(timeout=100))
    return Sdk()


def peak():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


async def main():
    peer, job = client(sys.argv[1]), sys.argv[2]
    # What is measured over many requests does not count imports and the first connection: "first" does.
    if job != "first":
        await peer.first()
    wall, cpu = time.perf_counter(), time.process_time()
    done = await getattr(peer, job)()
    outcome = {
        "done": done,
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "process_cpu": time.process_time(),
        "peak": peak(),
    }
    print(json.dumps(outcome), flush=True)


asyncio.run(main())
