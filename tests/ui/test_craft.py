"""What every page of the portal keeps: readable by everybody, usable by keyboard, quiet, and literal about people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from iam_platform.ui.pages import SECTIONS
from playwright.sync_api import expect
from portal import WAIT, World, at, settled
from serving import MEI, eventually

#: Somebody whose name, department and job are what a browser or a renderer of Markdown would like to act upon.
GIVEN = "<img src=x onerror=\"window.owned='by a name'\">"
FAMILY = "[a](http://evil.example) **b** :red[c] $d$ www.evil.example"
NAME = f"{GIVEN} {FAMILY}"
PERSON = "H-66"
LAST_DAY = datetime.now(timezone.utc).date() + timedelta(days=12)

PAGES = {page.path: page for pages in SECTIONS.values() for page in pages}
FIRST = next(iter(PAGES))
#: Addresses below a page that show more of it.
MORE = {
    "people": [
        f"?person={PERSON}",
        f"?person={PERSON}&tab=timeline",
        f"?person={PERSON}&tab=next",
        f"?person={PERSON}&tab=drift",
        "?search=evil",
    ],
    "update": [f"?person={PERSON}"],
    "termination": [f"?person={PERSON}"],
}
ADDRESSES = [
    address
    for path in PAGES
    for address in (path, *(path + more for more in MORE.get(path, ())))
]
#: Where the hostile name must be seen, letter by letter.
SHOW_PEOPLE = (
    "people",
    f"people?person={PERSON}",
    "overview",
    f"update?person={PERSON}",
    f"termination?person={PERSON}",
)

WIDE, NARROW = 1280, 390
TALL = 1400

#: Findings of axe-core in what Streamlit itself draws: rule, part of the element, and why it stands here.
CHROME = (
    (
        "list",
        'data-testid="stSidebarNavItems"',
        "the navigation's list holds sections beside its items",
    ),
    (
        "listitem",
        'class="st-emotion-cache',
        "the same list's items: nothing of ours is a list item with a class",
    ),
    (
        "svg-img-alt",
        "mark-symbol role-mark metric_chart",
        "st.metric's sparkline: its figure is the text beside it",
    ),
)
#: Console errors that do no harm: part of the text, part of the place, and why.
HARMLESS = (
    # Streamlit asks for its health and its host's configuration below the page that was loaded, and then at the root.
    ("404 (Not Found)", "/_stcore/"),
)


@pytest.fixture(scope="module")
def inhabited(tmp_path_factory):
    """A portal with something on every page: people, one who hides markup, work that failed, groups, an upload."""
    world = World(tmp_path_factory.mktemp("craft"))
    try:
        _peopled(world)
        yield world
    finally:
        world.close()


def _peopled(world):
    api = world.api()

    def hired(**record):
        told = api.post(
            "/hr/new-hire", json={**MEI, **record}, params={"wait": WAIT // 1000}
        )
        assert told.is_success, told.text

    hired(employeeId="H-1", firstName="Otto", lastName="Head", jobTitle="Head")
    hostile = {
        "employeeId": PERSON,
        "firstName": GIVEN,
        "lastName": FAMILY,
        "department": "**Dept** <b>b</b>",
        "jobTitle": "[job](http://evil.example)",
        "managerId": "H-1",
        "lastDay": LAST_DAY.isoformat(),
    }
    hired(**hostile)
    hired(
        employeeId="H-2",
        firstName="Soon",
        lastName="Here",
        hireDate=LAST_DAY.isoformat(),
    )
    hired(employeeId="H-3", firstName="Led", lastName=FAMILY, managerId=PERSON)
    user_id = api.get("/people/H-3").json()["accounts"]["graph"]["id"]
    faults = f"{world.env['SANDBOX_AUTHORITY']}/_sandbox/faults"
    refuses = {
        "method": "PATCH",
        "path": f"/users/{user_id}",
        "times": 9,
        "effect": {"kind": "status", "status": 400},
    }
    assert httpx.post(faults, json=refuses, timeout=30).is_success
    failing = {
        **MEI,
        "employeeId": "H-3",
        "firstName": "Led",
        "lastName": FAMILY,
        "jobTitle": "<i>Lead</i>",
    }
    told = api.post("/hr/update", json=failing, params={"wait": WAIT // 1000})
    assert told.json()["state"] == "failed", told.text
    assert httpx.delete(faults, timeout=30).is_success
    api.post(
        "/graph/groups",
        json={"displayName": "sg-[a](http://evil.example)", "description": GIVEN},
    )
    table = f'employeeId,firstName,lastName,status\nH-9,"{GIVEN.replace(chr(34), chr(39))}",Row,Nonsense\n'
    upload = api.post(
        "/hr/upload-csv",
        files={"file": ("**b**.csv", table, "text/csv")},
        params={"wait": 30},
    )
    assert upload.is_success, upload.text
    eventually(lambda: api.get(f"/people/{PERSON}").json().get("accounts"))


class Seen:
    """A page of the portal as somebody with every permission has it before them."""

    def __init__(self, world, page, address):
        self.page = page
        self.address = address
        self.path = address.partition("?")[0]
        self.errors = []
        self.elsewhere = []
        page.on(
            "console", lambda said: self._said(said) if said.type == "error" else None
        )
        page.on("pageerror", lambda error: self.errors.append((str(error), page.url)))
        page.on("request", lambda asked: self._asked(world, asked.url))
        at(page, f"{world.url}/{'' if address == FIRST else address}")
        expect(
            page.get_by_test_id("stMain").get_by_role("heading", level=1)
        ).to_be_visible()
        quiet(page)

    def _said(self, said):
        self.errors.append((said.text, said.location.get("url", "")))

    def _asked(self, world, url):
        if not url.startswith(
            (f"{world.url}/", f"ws://127.0.0.1:{world.port}/", "data:", "blob:")
        ):
            self.elsewhere.append(url)

    def troubles(self):
        return [
            (text, place)
            for text, place in self.errors
            if not any(
                harmless in text and where in place for harmless, where in HARMLESS
            )
        ]


def quiet(page):
    """Waits until nothing moves any more: scripts, spinners, skeletons."""
    settled(page)
    expect(page.get_by_test_id("stSpinner")).to_have_count(0)
    page.wait_for_timeout(300)
    settled(page)


@pytest.fixture(scope="module", params=ADDRESSES)
def seen(request, inhabited, chromium, pictures):
    """Each page, once for all tests of this file."""
    context = chromium.new_context(
        viewport={"width": WIDE, "height": TALL},
        timezone_id="Australia/Perth",
        locale="en-GB",
        color_scheme="light",
    )
    context.set_default_timeout(WAIT)
    inhabited.signed_in(context, "Admin")
    found = Seen(inhabited, context.new_page(), request.param)
    name = "".join(letter if letter.isalnum() else "-" for letter in request.param)
    for scheme in ("light", "dark"):
        for width in (WIDE, NARROW):
            looked_at(found, scheme, width).screenshot(
                path=pictures / f"{name}-{scheme}-{width}.png"
            )
    looked_at(found, "light", WIDE)
    yield found
    context.close()


def looked_at(seen, scheme, width):
    """The page in that colour scheme and width."""
    seen.page.emulate_media(color_scheme=scheme)
    seen.page.set_viewport_size({"width": width, "height": TALL})
    quiet(seen.page)
    return seen.page


def test_nothing_goes_wrong_and_nobody_else_is_asked_while_it_is_drawn(seen):
    assert not seen.troubles()
    assert not seen.elsewhere


def test_its_title_says_where_one_is(seen):
    title = PAGES[seen.path].title
    main = seen.page.get_by_test_id("stMain")
    assert main.get_by_role("heading", level=1).all_inner_texts() == [title]
    # The browser's tab, its history and screen readers name the page by it.
    expect(seen.page).to_have_title(re.compile(re.escape(title)))
    assert main.get_by_text("This page failed").count() == 0


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", WIDE), ("dark", WIDE), ("light", NARROW)]
)
def test_axe_finds_nothing_serious(seen, scheme, width):
    page = looked_at(seen, scheme, width)
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{one['id']} ({one['impact']}): {node['html'][:300]}: {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
        if not any(
            rule == one["id"] and mark in node["html"] for rule, mark, _ in CHROME
        )
    ]
    assert not serious, "\n".join(serious)
    assert not seen.elsewhere, "axe asks nobody"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_itself_never_scrolls_sideways(seen, width):
    page = looked_at(seen, "light", width)
    wider = page.evaluate(
        """() => [document.documentElement, document.body, document.querySelector('[data-testid=stMain]'),
                  document.querySelector('[data-testid=stMainBlockContainer]')]
            .filter(one => one.scrollWidth > one.clientWidth + 1)
            .map(one => `${one.tagName} ${one.dataset.testid || ''} ${one.scrollWidth} > ${one.clientWidth}`)"""
    )
    assert not wider


def test_every_control_says_what_it_is(seen):
    page = looked_at(seen, "light", WIDE)
    nameless = page.evaluate(
        """() => {
            const text = one => (one && (one.getAttribute('aria-label') || one.innerText || one.title) || '').trim();
            const name = one => text(one) || one.alt
                || (one.getAttribute('aria-labelledby') || '').split(' ').map(id => text(document.getElementById(id))).join('')
                || [...(one.labels || [])].map(text).join('');
            const controls = 'input:not([type=hidden]),textarea,select,button,a[href],[role=combobox],[role=tab],[role=slider]';
            return [...document.querySelectorAll(controls)]
                .filter(one => one.checkVisibility() && !one.closest('[aria-hidden=true]') && !name(one))
                .map(one => one.outerHTML.slice(0, 200));
        }"""
    )
    assert not nameless


_REACHABLE = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const all = 'a[href],button,input,textarea,select,summary,[tabindex]';
    const found = [...main.querySelectorAll(all)].filter(one =>
        one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}) && !one.closest('[inert]'));
    // Within these the arrows lead on: they are one stop.
    const groups = [];
    const told = [];
    for (const one of found) {
        const group = one.closest('[role=radiogroup],[role=toolbar],[role=tablist]');
        let place = group ? groups.findIndex(([known]) => known === group) : -1;
        place = place < 0 ? told.push(one.outerHTML.slice(0, 160)) - 1 : groups[place][1];
        if (group) groups.push([group, place]);
        one.dataset.place = place;
    }
    return told;
}"""
_FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    return one.dataset.place === undefined ? -1 : Number(one.dataset.place);
}"""


def test_the_keyboard_reaches_everything_in_the_order_in_which_it_stands(seen):
    page = looked_at(seen, "light", WIDE)
    page.evaluate(
        "() => { document.activeElement.blur(); window.getSelection().removeAllRanges(); }"
    )
    page.get_by_test_id("stApp").evaluate("one => { one.tabIndex = -1; one.focus(); }")
    controls = page.evaluate(_REACHABLE)
    reached = []
    for _ in range(len(controls) + 60):
        page.keyboard.press("Tab")
        place = page.evaluate(_FOCUSED)
        if place is None or (place in reached and place == 0):
            break
        if place >= 0 and place not in reached:
            reached.append(place)
    missed = [control for place, control in enumerate(controls) if place not in reached]
    assert not missed, f"{len(reached)} of {len(controls)} were reached"
    assert reached == sorted(reached)


def test_text_from_people_is_never_taken_for_markup(seen):
    page = looked_at(seen, "light", WIDE)
    assert page.evaluate("window.owned") is None
    assert page.locator("img[src=x], img[onerror]").count() == 0
    assert page.locator("a[href*='evil.example']").count() == 0
    for element, said in (
        ("strong", "b"),
        ("b", "b"),
        ("i", "Lead"),
        ("strong", "Dept"),
        (".katex", "d"),
    ):
        exact = (
            page.get_by_test_id("stMain").locator(element).get_by_text(said, exact=True)
        )
        assert exact.count() == 0, f"{said} was taken for {element}"
    if seen.address == "overview":
        # The calendar shows a month at a time.
        page.get_by_text(f"{LAST_DAY:%B %Y}", exact=True).first.click()
        quiet(page)
    if seen.address in SHOW_PEOPLE:
        shown = page.get_by_test_id("stMain").inner_text().replace("\u2060", "")
        values = page.evaluate(
            "[...document.querySelectorAll('input')].map(one => one.value).join('\\n')"
        )
        assert NAME in shown or (GIVEN in values and FAMILY in values) or NAME in values


def test_only_this_host_and_no_script_of_another_is_allowed(inhabited):
    policy = httpx.get(inhabited.url, timeout=30).headers["content-security-policy"]
    assert "http:" not in policy.replace("https:", "")
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
