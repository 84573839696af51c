"""Forms of the portal, as people fill them in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect
from portal import settled

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def box(page: Page, key: str) -> Locator:
    """The input of a widget."""
    return page.locator(f".st-key-{key} input")


def fill(page: Page, key: str, value: str) -> None:
    """Types into a field, and goes on to the next."""
    expect(box(page, key)).to_have_count(1)
    box(page, key).fill(value)
    box(page, key).press("Tab")
    settled(page)
    expect(box(page, key)).to_have_count(1)
    expect(box(page, key)).to_have_value(value)


def fill_day(page: Page, key: str, day: str) -> None:
    """Types a date."""
    field = box(page, key)
    field.fill(day)
    field.press("Enter")
    field.press("Escape")
    settled(page)
    expect(field).to_have_value(re.compile(r"\D*".join(day.split("-"))))


def pick(page: Page, key: str, said: str) -> None:
    """Chooses what a list calls so."""
    field = page.locator(f".st-key-{key}").get_by_role("combobox")
    field.click()
    field.fill(said)
    page.get_by_role("option", name=said).first.click()
    settled(page)


def press(page: Page, name: str) -> None:
    """Presses a button."""
    page.get_by_role("button", name=name).first.click()


def table(page: Page, caption: str) -> Locator:
    """A table by its caption."""
    return page.get_by_role("table", name=caption).or_(page.get_by_role("region", name=caption)).first


def newcomer(
    page: Page,
    key: str,
    first: str,
    last: str,
    *,
    day: str,
    department: str = "Security",
) -> None:
    """Fills in a new hire."""
    for field, value in (
        ("employeeId", key),
        ("firstName", first),
        ("lastName", last),
        ("department", department),
        ("jobTitle", "Analyst"),
    ):
        fill(page, f"hire-{field}", value)
    fill_day(page, "hire-hireDate", day)
    pick(page, "hire-country", "Australia (AU)")


def serious(page: Page) -> list[str]:
    """What axe-core finds in the page's own part as it stands now, dark and light."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        settled(page)
        page.wait_for_timeout(300)
        page.evaluate(AXE_SCRIPT)
        told = page.evaluate("axe.run('[data-testid=stMain]', {resultTypes: ['violations']})")
        found += [
            f"{scheme}: {one['id']}: {node['html'][:300]}: {node['failureSummary']}"
            for one in told["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    return found


def do(page, deed, *, reason=None, typed=None):
    """Asks for a deed, answers what is asked, confirms."""
    page.get_by_role("button", name=deed, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    if reason is not None:
        dialog.get_by_role("textbox", name="Reason").fill(reason)
    if typed is not None:
        dialog.get_by_label("to confirm").fill(typed)
    dialog.get_by_role("button", name="Confirm").click()
    return dialog


def type_or_choose(page, box, option):
    """One of a select box's options that is looked for, or a new one."""
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option).first.click()
