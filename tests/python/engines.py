"""What the tests of the engine share: a tenant of their own, and an engine that is waited for or awaited."""

import inspect
import os
import pathlib

import iam_platform

ROOT = pathlib.Path(__file__).parents[2]
DATA = ROOT / "examples" / "data"
# The day that the example data speak of.
DAY = "2026-11-24T09:00:00Z"
# The example's new hires have a bad row of every kind.
GATES = {"new_hires.csv": {"max_reject_percent": 20}}

SMALL = """
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}", "{given}.{family}{n}"]
[defaults]
groups = ["All Staff"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
grace = "14d"
"""


def worker(key, **fields):
    """A record of the flat feed."""
    record = {
        "employeeId": key,
        "firstName": "Mei",
        "lastName": "Tanaka",
        "department": "Security",
        "country": "AU",
        "status": "Active",
    }
    return record | fields


class Sync:
    """Calls an engine that waits."""

    name = "sync"
    graph, arm, scim, engine = (
        iam_platform.GraphClient,
        iam_platform.ArmClient,
        iam_platform.ScimClient,
        iam_platform.Engine,
    )

    async def open(self, *given, **how):
        return self.engine.open(*given, **how)

    async def __call__(self, method, *given, **how):
        return method(*given, **how)


class Async:
    """Calls an engine that is awaited."""

    name = "async"
    graph, arm, scim, engine = (
        iam_platform.AsyncGraphClient,
        iam_platform.AsyncArmClient,
        iam_platform.AsyncScimClient,
        iam_platform.AsyncEngine,
    )

    async def open(self, *given, **how):
        return await self.engine.open(*given, **how)

    async def __call__(self, method, *given, **how):
        answer = method(*given, **how)
        assert inspect.isawaitable(answer)
        return await answer


class Tenant:
    """A sandbox, and what it takes to sign in to it."""

    def __init__(self, **how):
        self.sandbox = iam_platform.Sandbox(**how)
        self.env = self.sandbox.env
        self.id = self.env["SANDBOX_TENANT"]

    def close(self):
        self.sandbox.close()

    def credential(self):
        return iam_platform.ClientSecretCredential(
            self.id, self.env["SANDBOX_CLIENT_ID"], self.env["SANDBOX_CLIENT_SECRET"]
        )

    def urls(self):
        return {
            "authority": self.env["SANDBOX_AUTHORITY"],
            "graph_url": self.env["SANDBOX_GRAPH"],
        }

    def clients(self, way):
        """Graph, ARM and SCIM, as `open` takes them."""
        arm = way.arm(self.credential(), arm_url=self.env["SANDBOX_ARM"], **self.urls())
        scim = way.scim(self.env["SANDBOX_SCIM"], self.env["SANDBOX_SCIM_TOKEN"])
        return {"graph": self.graph(way), "arm": arm, "scim": {"ticketing": scim}}

    def graph(self, way):
        return way.graph(self.credential(), limits=None, **self.urls())

    def asked(self, path):
        """An answer of the tenant, asked by a client that knows nothing of the engine's."""
        graph = self.graph(Sync)
        return graph.request("GET", path).json()

    def users(self):
        """Everybody with a worker id, by it."""
        found, path = (
            {},
            "/users?$select=id,employeeId,userPrincipalName,department,accountEnabled&$top=999",
        )
        while path:
            page = self.asked(path)
            found |= {user["employeeId"]: user for user in page["value"] if user.get("employeeId")}
            path = page.get("@odata.nextLink")
        return found

    def writer(self):
        """A client of somebody else's, who changes things by hand."""
        return self.graph(Sync)

    def group(self, name):
        return self.asked(f"/groups?$filter=displayName eq '{name}'&$select=id")["value"][0]["id"]

    def members(self, group):
        members = self.asked(f"/groups/{self.group(group)}/members?$select=id&$top=999")["value"]
        return {member["id"] for member in members}


def clean_environment(monkeypatch):
    """No variable of the machine's takes part."""
    for name in list(os.environ):
        if name.startswith(("IAM_", "AZURE_")):
            monkeypatch.delenv(name)


async def opened(way, tenant, policy=SMALL, **how):
    """An engine of the tenant's directory, with a journal in memory."""
    policy = iam_platform.Policy.parse(policy) if isinstance(policy, str) else policy
    how = {
        "journal": "memory",
        "tenant_id": tenant.id,
        "graph": tenant.graph(way),
    } | how
    return await way.open(policy, **how)
