"""What users write in Python: notifiers, access policies, orchestrators, plain and async; and what they raise."""

import asyncio
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest
from engines import SMALL, opened, worker
from iam_platform import errors

pytestmark = pytest.mark.anyio

TELLING = (
    SMALL
    + '\n[joiner]\nnotify = ["hr"]\n[notify]\nfrom = "robot@contoso.example"\nhr = "hr@contoso.example"\n'
)


class Plain:
    def __init__(self):
        self.told = []

    def notify(self, message, key):
        self.told.append((message, key))


class Awaited(Plain):
    async def notify(self, message, key):
        await asyncio.sleep(0)
        self.told.append((message, key))


@pytest.mark.parametrize("kind", [Plain, Awaited])
async def test_a_notifier_is_told_once(way, entra, kind):
    own = kind()
    engine = await opened(way, entra, TELLING, notifier=own)
    await way(engine.accept, worker("P-1"))
    report = await way(engine.run)
    assert report.totals.failed == 0 and len(own.told) == 1
    message, key = own.told[0]
    assert (message["notice"], message["person"], message["to"]) == (
        "joined",
        "P-1",
        ["hr@contoso.example"],
    )
    assert message["text"] and message["subject"] and len(key) == 32 and not message["carries_pass"]
    await way(engine.run)
    assert len(own.told) == 1


@pytest.mark.parametrize(
    ("raised", "outcome", "kind"),
    [
        (ValueError("mei.tanaka"), "failed", "other"),
        (errors.DeniedError("no"), "failed", "denied"),
        (TimeoutError(), "unknown", None),
        (errors.OutcomeUnknownError("lost"), "unknown", None),
    ],
)
async def test_a_notifier_that_raises_loses_nobody(way, entra, raised, outcome, kind):
    def notify(message, key):
        raise raised

    engine = await opened(way, entra, TELLING, notifier=notify)
    await way(engine.accept, worker("P-1"))
    report = await way(engine.run)
    step = next(step for run in report.people for step in run.steps if step.step.kind == "notify")
    assert (step.outcome, step.kind) == (outcome, kind)
    assert "mei.tanaka" not in str(step.why)
    assert entra.users()["P-1"]["accountEnabled"]
    assert [entry.kind for entry in await way(engine.timeline, "P-1")][0] == "join"


class Table:
    version = "7"
    depends_on_date = False

    def __init__(self):
        self.days = []

    def desired(self, person, manager, today):
        self.days.append(today)
        groups = {"Security": ["All Staff", "sg-security"], "Finance": ["sg-finance"]}[person["department"]]
        return {
            "attributes": {"department": person["department"]},
            "grants": [
                {"kind": "group", "name": name, "rules": ["table"], "grace_days": 0} for name in groups
            ],
        }


async def test_an_access_policy_decides_and_holds_whom_it_cannot_judge(way, entra, monkeypatch):
    heard = []
    monkeypatch.setattr("sys.unraisablehook", heard.append)
    table = Table()
    engine = await opened(way, entra, access_policy=table)
    await way(engine.accept, [worker("P-1"), worker("P-2", department="Alchemy")])
    report = await way(engine.run)
    endings = {run.person: (run.ending, run.why) for run in report.people}
    assert endings["P-1"] == ("done", None)
    assert (
        endings["P-2"][0] == "held" and "KeyError" in endings["P-2"][1] and "Alchemy" not in endings["P-2"][1]
    )
    assert [type(one.exc_value) for one in heard][:1] == [KeyError]
    users = entra.users()
    assert users["P-1"]["id"] in entra.members("sg-security") and "P-2" not in users
    entry = (await way(engine.person, "P-1")).ledger[0]
    assert (entry.rules, entry.policy) == (("table",), "7")
    await way(engine.accept, worker("P-1", department="Finance"))
    await way(engine.run)
    user = users["P-1"]["id"]
    assert user in entra.members("sg-finance") and user not in entra.members("sg-security")


class Cautious:
    """Everything as usual, but that nobody whose name is not known is given anything."""

    def __init__(self):
        self.seen = []

    def on_event(self, event, state, context, standard):
        self.seen.append((event["kind"], context["directory"], len(standard["plan"]["steps"])))
        if context["record"]["family_name"] == "Unknown":
            return {"hold": "somebody has to ask for the name"}
        if context["record"]["family_name"] == "Plain":
            plan = standard["plan"]
            plan["steps"] = [step for step in plan["steps"] if step["action"] != "grant"]
            return {"plan": plan}
        return None


class AwaitedCautious(Cautious):
    async def on_event(self, event, state, context, standard):
        await asyncio.sleep(0)
        return super().on_event(event, state, context, standard)


@pytest.mark.parametrize("kind", [Cautious, AwaitedCautious])
async def test_an_orchestrator_changes_what_the_standard_one_decides(way, entra, kind):
    own = kind()
    engine = await opened(way, entra, orchestrator=own)
    await way(
        engine.accept,
        [
            worker("P-1"),
            worker("P-2", lastName="Unknown"),
            worker("P-3", lastName="Plain"),
        ],
    )
    preview = await way(engine.plan)
    holds = {one.person: one.hold for one in preview.people}
    assert holds["P-2"] == "somebody has to ask for the name" and holds["P-1"] is None
    report = await way(engine.apply, preview.hash)
    assert {run.person: run.ending for run in report.people if run.person != "P-3"} == {
        "P-1": "done",
        "P-2": "held",
    }
    users = entra.users()
    assert "P-2" not in users and users["P-1"]["id"] in entra.members("sg-security")
    assert users["P-3"]["id"] not in entra.members("sg-security")
    assert {("join", "graph")} <= {seen[:2] for seen in own.seen}


@pytest.mark.parametrize(
    "answer",
    [
        {"holdd": "x"},
        {"plan": {"person": "somebody"}},
        "not a mapping",
        {"timers": [["soon", "today"]]},
    ],
)
async def test_a_decision_that_makes_no_sense_is_tried_again_later_and_does_nothing(way, entra, answer):
    engine = await opened(way, entra, orchestrator=lambda *given: answer)
    await way(engine.accept, worker("P-1"))
    report = await way(engine.run)
    assert [run.ending for run in report.people] == ["retry"] and "P-1" not in entra.users()


async def test_an_orchestrator_that_raises_loses_no_event(way, entra):
    broken = [True]

    def decide(event, state, context, standard):
        if broken[0]:
            raise LookupError("Tanaka")
        return None

    engine = await opened(way, entra, orchestrator=decide)
    await way(engine.accept, worker("P-1"))
    report = await way(engine.run)
    assert [(run.ending, "LookupError" in run.why, "Tanaka" in run.why) for run in report.people] == [
        ("retry", True, False)
    ]
    waiting = await way(engine.waiting, "P-1")
    assert waiting.state == "retrying"
    # What asks for one person is told at once, and what was raised is the cause.
    with pytest.raises(errors.IamError) as raised:
        await way(engine.why, "P-1", "group:sg-security")
    assert isinstance(raised.value.__cause__, LookupError)
    broken[0] = False
    await way(engine.requeue, waiting.event, "operator", "mended")
    report = await way(engine.run)
    assert [run.ending for run in report.people] == ["done"] and "P-1" in entra.users()


async def test_what_is_given_must_fit(way, entra):
    for name in ("notifier", "orchestrator", "access_policy"):
        with pytest.raises(TypeError, match="has no method"):
            await opened(way, entra, **{name: object()})
    with pytest.raises(errors.InvalidError, match="one of the two"):
        await opened(way, entra, orchestrator=Cautious(), access_policy=Table())


def test_ctrl_c_while_a_policy_of_ones_own_is_asked_holds_nobody():
    program = textwrap.dedent(
        f"""
        import sys, time; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
        from engines import SMALL, Sync, Tenant, worker
        from iam_platform import Engine, Policy
        tenant, asked = Tenant(), []

        def desired(person, manager, today):
            if not asked:
                asked.append(1)
                print("asked", flush=True)
                time.sleep(2)
            return {{"grants": ["group:All Staff"]}}

        engine = Engine.open(Policy.parse(SMALL), journal="memory", tenant_id=tenant.id, graph=tenant.graph(Sync()),
                             access_policy=desired)
        engine.accept(worker("P-1"))
        try:
            engine.run()
        except KeyboardInterrupt:
            print("interrupted", engine.waiting("P-1").state, flush=True)
        print([run.ending for run in engine.run().people], flush=True)
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "asked\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert out.splitlines()[0].startswith("interrupted "), out
    assert "held" not in out and "KeyboardInterrupt" not in err


class Doors:
    def __init__(self):
        self.open = {"server-room": set(), "archive": set()}
        self.keys = []
        self.broken = False

    def roles(self):
        return {"server-room": "Server room", "archive": "Archive"}

    def held(self, accounts):
        return {account: [door for door, who in self.open.items() if account in who] for account in accounts}

    def grant(self, account, role, key):
        if self.broken:
            raise ConnectionError("no line to the doors of Tanaka")
        self.keys.append(key)
        known = account in self.open[role]
        self.open[role].add(account)
        return not known

    def revoke(self, account, role, key):
        self.open[role].discard(account)


class AwaitedDoors(Doors):
    async def held(self, accounts):
        await asyncio.sleep(0)
        return super().held(accounts)

    async def grant(self, account, role, key):
        await asyncio.sleep(0)
        return super().grant(account, role, key)


@pytest.mark.parametrize("kind", [Doors, AwaitedDoors])
async def test_an_application_of_ones_own_is_planned_given_and_taken_like_any_other(way, entra, kind):
    policy = SMALL.replace('grace = "14d"', 'apps = [{ scim = "doors", roles = ["Server room"] }]')
    doors = kind()
    engine = await opened(way, entra, policy, applications={"doors": doors})
    assert await way(engine.policy.check, engine) == ()
    await way(engine.accept, worker("P-1"))
    doors.broken = True
    report = await way(engine.run)
    failed = [step for run in report.people for step in run.steps if step.outcome == "failed"]
    retried = [run for run in report.people if run.ending == "retry"]
    assert failed or retried
    assert "Tanaka" not in str([step.why for step in failed] + [run.why for run in retried])
    account = entra.users()["P-1"]["id"]
    assert account in entra.members("sg-security") and account not in doors.open["server-room"]
    doors.broken = False
    waiting = await way(engine.waiting, "P-1")
    await way(engine.requeue, waiting.event, "operator", "the line is back")
    await way(engine.run)
    assert doors.open == {"server-room": {account}, "archive": set()}
    why = await way(engine.why, "P-1", "app:doors/Server room")
    assert why.is_held and why.granted.rules == ("security",)
    assert (await way(engine.plan)).steps == 0
    await way(engine.accept, worker("P-1", status="Terminated", lastDay="2020-01-31"))
    await way(engine.run)
    assert doors.open == {"server-room": set(), "archive": set()}
    assert len(set(doors.keys)) == len(doors.keys) == 1
    with pytest.raises(TypeError, match="no method roles"):
        await opened(way, entra, policy, applications={"doors": object()})
