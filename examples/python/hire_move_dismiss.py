"""Hires somebody, moves them and lets them go: shown before it happens, carried out, explained, with the engine."""

from __future__ import annotations

import pathlib

from tenant import chosen, options

from iam_platform import Engine, Preview

POLICY = pathlib.Path(__file__).resolve().parents[1] / "data" / "policy.toml"
MEI = {
    "employeeId": "W-4711",
    "firstName": "Mei",
    "lastName": "Okafor",
    "jobTitle": "Security Analyst",
    "department": "Security",
    "location": "Perth",
    "country": "AU",
    "status": "Active",
}


def show(preview: Preview) -> None:
    """What would happen, and why."""
    for step in (step for plan in preview.people for step in plan.steps):
        name = f" {step.entitlement.name}" if step.entitlement else ""
        print(f"  {step.kind}{name}: {step.why}")


def said(engine: Engine, what: str, **changes: str) -> None:
    """HR says it; the plan is looked at, and carried out as it was shown."""
    print(f"{what}:")
    for reject in engine.accept({**MEI, **changes}).rejects:
        raise SystemExit(str(reject))
    preview = engine.plan()
    show(preview)
    report = engine.apply(preview.hash)
    print(f"  {report.totals.done} done, {report.totals.failed} failed")


parser = options(__doc__)
parser.add_argument("--policy", default=POLICY, help="who gets what; the examples' own, unless given")
arguments = parser.parse_args()
with chosen(arguments), Engine.open(arguments.policy, journal="memory") as engine:
    said(engine, "hired")
    print(f"why in sg-security? {engine.why('W-4711', 'group:sg-security')}")
    said(engine, "moved", department="Finance", jobTitle="Accountant")
    print(f"why still in sg-security? {engine.why('W-4711', 'group:sg-security')}")
    said(engine, "dismissed", department="Finance", jobTitle="Accountant", status="Terminated")
    print(f"why not in sg-finance? {engine.why_not('W-4711', 'group:sg-finance')}")
    for entry in (entry for entry in engine.timeline("W-4711") if entry.steps):
        print(f"{entry.kind}: {len(entry.steps)} steps, {entry.state}")
