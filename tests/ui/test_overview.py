"""The overview and the jobs: figures, what waits, the calendar, and where each of them leads."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect
from portal import at
from streamlit.testing.v1 import AppTest

from iam_platform.ui import month
from iam_platform.ui.backend import AwayError
from iam_platform.ui.pages import job_list

TODAY = date(2026, 11, 28)


def overview_page():
    from iam_platform.ui.pages.overview import overview

    overview.shown()()


def jobs_page():
    from iam_platform.ui.pages.jobs import jobs

    jobs.shown()()


def told(page):
    """Everything that is written on it."""
    kinds = (page.error, page.warning, page.info, page.success, page.markdown, page.caption, page.title, page.header)
    texts = [one.value for kind in kinds for one in kind] + [one.body for one in page.get("html")]
    return "\n".join(texts).replace("\\", "")


def overview(**more):
    """As the backend tells it."""
    days = [
        {"date": str(TODAY - timedelta(13 - number)), "joiners": number, "movers": 2, "leavers": 0}
        for number in range(14)
    ]
    return {
        "today": str(TODAY),
        "days": days,
        "jobs": {"running": 3, "waiting": 1, "failed": 0},
        "upcoming": [
            {"date": "2026-11-30", "person": "W 1/2", "name": "<b>Mei</b> Tanaka", "what": "start", "event": "e"},
            {"date": "2026-12-24", "person": "W-9", "name": "Bo Ek", "what": "last_day", "event": "e"},
        ],
        "licences": [
            {"sku": "a", "name": "Suite", "enabled": 1000, "used": 999, "left": 1},
            {"sku": "b", "name": "Reports", "enabled": 25, "used": 25, "left": 0},
            {"sku": "c", "name": "Plenty", "enabled": 1000, "used": 10, "left": 990},
        ],
        "connectors": [
            {"name": "graph", "ok": True, "detail": "41 ms", "checked_at": "2026-11-28T18:40:00Z"},
            {
                "name": "arm",
                "ok": False,
                "detail": "403",
                "advice": "give it a role",
                "checked_at": "2026-11-28T18:40:00Z",
            },
        ],
        "attention": {"frozen": 1, "held": 2, "dead_letters": 0, "quarantined": 0, "overdue": 0, "stalled": None},
        **more,
    }


@pytest.fixture
def page(fake_session):
    """The overview."""
    fake_session.answers["get", "/overview"] = overview()
    return AppTest.from_function(overview_page, default_timeout=60)


def test_one_call_tells_everything(page, fake_session):
    page.run()
    assert not page.exception
    assert len(fake_session.asked) == 1
    figures = {one.label: one.value for one in page.metric}
    assert figures == {"Joiners, last 14 days": "91", "Movers, last 14 days": "28", "Leavers, last 14 days": "0"}
    said = told(page)
    assert "**3** jobs running" in said
    assert "**1** job waiting" in said
    assert re.search(r"2026-11-28</td><td class=\"n\">13</td><td class=\"n\">2</td>", said)


def test_jobs_lead_to_the_list_of_their_state(page, fake_session):
    page.run()
    links = {one.proto.label: (one.proto.page, one.proto.query_string) for one in page.get("page_link")}
    assert links["Show running jobs"] == ("jobs", "state=running")
    assert links["Show failed jobs"] == ("jobs", "state=failed")


def test_what_waits_leads_to_where_it_is_decided(page, fake_session):
    said = told(page.run())
    assert '<a href="/decisions?tab=deliveries" target="_self">deliveries that are held</a>' in said
    assert "plan that the guard has stopped" in said
    assert "nobody understands" not in said
    fake_session.role = "IAM.Helpdesk"
    fake_session.answers["get", "/overview"] = overview(attention=None)
    said = told(page.run())
    assert "/decisions" not in said
    assert "Those who decide" in said


def test_a_worker_that_is_not_well_and_work_that_nobody_takes_are_said(page, fake_session):
    waits = {"worker": "the journal does not answer", "stalled": {"since": "2026-11-28T10:00:00Z"}}
    fake_session.answers["get", "/overview"] = overview(attention=waits)
    said = told(page.run())
    assert "the journal does not answer" in said
    assert "Work that nobody takes, since 2026-11-28 10:00 UTC" in said


def test_seats_say_how_many_are_left_in_words(page):
    said = told(page.run())
    assert "▲ few left" in said
    assert "✖ none left" in said
    assert "✖ fails</td><td>403 give it a role" in said
    assert re.search(r"999 of 1,000</td>.*width:99%", said)


def test_the_calendar_is_a_table_whose_people_are_links(page):
    said = told(page.run())
    assert '<th scope="col">Monday</th>' in said
    assert 'class="today" aria-current="date"><span class="d">28</span>' in said
    assert '<a href="/people?person=W%201%2F2" target="_self">&lt;b&gt;Mei&lt;/b&gt; Tanaka</a> starts' in said
    assert "Bo Ek" not in said
    page.segmented_control(key="overview-month").set_value("2026-12").run()
    said = told(page)
    assert "Bo Ek</a> last day" in said
    assert "Mei" not in said


def test_the_calendar_opens_where_there_is_something_to_tell(page, fake_session):
    later = [{"date": "2026-12-24", "person": "W-9", "name": "Bo Ek", "what": "move", "event": "e"}]
    fake_session.answers["get", "/overview"] = overview(upcoming=later)
    said = told(page.run())
    assert "Bo Ek</a> changes" in said
    page.segmented_control(key="overview-month").set_value("2026-11").run()
    assert "Bo Ek" not in told(page)


def test_each_month_has_its_days_once_and_in_their_column():
    for number in range(1, 13):
        grid = month.grid(f"2028-{number:02}", {}, TODAY)
        rows = [re.findall(r"<td.*?</td>", row) for row in re.findall(r"<tr.*?</tr>", grid)[1:]]
        assert {len(row) for row in rows} == {7}
        days = [
            (int(found[1]), column)
            for row in rows
            for column, cell in enumerate(row)
            if (found := re.search(r'"d">(\d+)<', cell))
        ]
        last = (date(2028, number % 12 + 1, 1) - timedelta(1)).day if number < 12 else 31
        assert [day for day, _ in days] == list(range(1, last + 1))
        assert all(date(2028, number, day).weekday() == column for day, column in days)
    assert month.months(date(2026, 11, 28), date(2027, 1, 12)) == ["2026-11", "2026-12", "2027-01"]


def test_a_full_day_shows_the_first_and_folds_the_rest(page, fake_session):
    many = [
        {"date": str(TODAY), "person": f"W-{n}", "name": f"Person {n}", "what": "start", "event": "e"} for n in range(9)
    ]
    fake_session.answers["get", "/overview"] = overview(upcoming=many)
    said = told(page.run())
    assert "<summary>5 more</summary>" in said
    assert "Person 8" in said


def test_nothing_yet_says_what_to_do(page, fake_session):
    nothing = overview(
        days=[{"date": str(TODAY), "joiners": 0, "movers": 0, "leavers": 0}],
        upcoming=[],
        licences=[],
        connectors=[],
        attention={},
    )
    fake_session.answers["get", "/overview"] = nothing
    said = told(page.run())
    assert not page.exception
    for words in ("Nobody has joined, moved or left", "Nothing waits", "Nobody starts or leaves", "No licences"):
        assert words in said


def test_what_was_known_stays_while_the_backend_is_away(page, fake_session):
    page.run()
    fake_session.answers["get", "/overview"] = AwayError(0, "The backend does not answer", "Try again.")
    page.run()
    assert "does not answer" in told(page)
    assert "what was known before" in told(page)
    assert page.metric[0].value == "91"


# --- jobs -----------------------------------------------------------------------------------------------------------

JOBS = [
    {"id": "e1", "kind": "event", "happened": "join", "state": "waiting", "person": "W-1", "why": "<i>503</i>"},
    {"id": "u1", "kind": "upload", "state": "done", "rows": 1200, "file": "a.csv"},
    {"id": "b1", "kind": "batch", "state": "running", "events": {"done": 3, "running": 1}},
]


@pytest.fixture
def listed(fake_session):
    """The page of jobs."""
    fake_session.answers["get", "/jobs"] = {"jobs": JOBS, "next": "older"}
    return AppTest.from_function(jobs_page, default_timeout=60)


def asked(fake_session):
    return [one[-1] for one in fake_session.asked if one[1] == "/jobs"][-1]


def test_jobs_are_filtered_by_the_address_and_by_hand(listed, fake_session):
    listed.query_params.update({"state": "failed", "kind": "event", "person": "W-1"})
    listed.run()
    assert not listed.exception
    assert asked(fake_session) == {"limit": 25, "before": None, "state": "failed", "kind": "event", "person": "W-1"}
    listed.button(key="jobs-older").click().run()
    assert asked(fake_session)["before"] == "older"
    listed.selectbox(key="state").select("any").run()
    assert (asked(fake_session)["state"], asked(fake_session)["before"]) == (job_list.COUNTING, None)


def test_each_job_says_what_it_is_about_and_leads_to_it(listed, fake_session):
    said = told(listed.run())
    assert '<a href="/people?person=W-1" target="_self">W-1</a>' in said
    assert '<a href="/jobs?job=u1" target="_self">Open</a>' in said
    assert "a.csv: 1,200 rows" in said
    assert "3 done, 1 running" in said
    assert "&lt;i&gt;503" in said


def test_no_job_says_what_to_do(listed, fake_session):
    fake_session.answers["get", "/jobs"] = {"jobs": [], "next": None}
    assert "Nothing was accepted yet" in told(listed.run())
    listed.selectbox(key="state").select("failed").run()
    assert "Take a filter away" in told(listed)


def test_one_job_is_followed_and_leads_to_its_person(listed, fake_session):
    fake_session.answers["get", "/jobs/e1"] = JOBS[0] | {"state": "done", "steps": [], "planned": 0}
    listed.query_params["job"] = "e1"
    said = told(listed.run())
    assert not listed.exception
    assert "/people?person=W-1" in told(listed.run())
    assert "/jobs" not in [one[1] for one in fake_session.asked]
    assert said
    listed.button(key="job-back").click().run()
    assert "job" not in listed.query_params
    assert asked(fake_session)["state"] == job_list.COUNTING


# --- in a browser ---------------------------------------------------------------------------------------------------


def hired(world, key, **more):
    """Somebody joins, by the API; their job once it is over."""
    record = {"employeeId": key, "firstName": "Ida", "lastName": f"Lund{key}", "country": "AU", **more}
    with world.api("Operator") as api:
        answer = api.post("/hr/new-hire", json=record, params={"wait": 60})
        assert answer.status_code in (200, 202), answer.text
        return answer.json()


def test_figures_lead_to_the_jobs_of_their_state_and_back_stays_possible(world, browse):
    hired(world, "OV-1")
    page = browse(world, role="Auditor")
    at(page, world.url)
    page.get_by_role("link", name="Show failed jobs").click()
    page.wait_for_url("**/jobs?state=failed")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    expect(page.get_by_text("OV-1")).to_have_count(0)
    at(page, f"{world.url}/jobs?person=OV-1")
    row = page.get_by_role("region", name="Jobs, newest first").get_by_role("row").filter(has_text="OV-1").first
    expect(row).to_contain_text("done")
    row.get_by_role("link", name="Open").click()
    page.wait_for_url("**/jobs?job=e*")
    expect(page.get_by_text("create account").or_(page.get_by_text("account ida")).first).to_be_visible()
    page.get_by_role("button", name="All jobs").click()
    expect(page.get_by_role("region", name="Jobs, newest first")).to_be_visible()
    assert not page.troubles


def test_the_first_page_keeps_its_own_address(world, browse):
    page = browse(world)
    at(page, f"{world.url}/overview")
    world.sign_in(page)
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    at(page, f"{world.url}/overview")
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page.get_by_role("link", name="Overview")).to_have_count(1)


def test_it_renews_itself_and_the_focus_stays(world, browse):
    hired(world, "OV-2")
    page = browse(world, role="Admin")
    at(page, world.url)
    joined = page.get_by_test_id("stMetric").filter(has_text="Joiners").get_by_test_id("stMetricValue")
    before = int(joined.inner_text().replace(",", ""))
    link = page.get_by_role("link", name="Show waiting jobs")
    link.focus()
    hired(world, "OV-3")
    expect(joined).to_have_text(f"{before + 1:,}", timeout=120_000)
    expect(link).to_be_focused()
    assert not page.troubles


def test_who_is_announced_stands_in_the_calendar_and_leads_to_the_person(world, browse):
    first = date.today() + timedelta(days=10)
    hired(world, "OV-4", hireDate=str(first))
    page = browse(world, role="Auditor")
    at(page, world.url)
    page.get_by_role("radio", name=month.named(f"{first:%Y-%m}")).click()
    grid = page.get_by_role("table", name=month.named(f"{first:%Y-%m}"))
    day = grid.get_by_role("cell").filter(has_text=re.compile(rf"^{first.day}\b")).filter(has_text="Ida LundOV-4")
    expect(day).to_contain_text("starts")
    expect(day.get_by_role("link", name="Ida LundOV-4")).to_have_attribute("href", "/people?person=OV-4")
    expect(page.locator(".iam-agenda")).to_be_hidden()

    narrow = browse(world, role="Auditor", viewport={"width": 390, "height": 844})
    at(narrow, world.url)
    narrow.get_by_role("radio", name=month.named(f"{first:%Y-%m}")).click()
    expect(narrow.locator(".iam-agenda").get_by_role("link", name="Ida LundOV-4")).to_be_visible()
    expect(narrow.locator("table.iam-month")).to_be_hidden()
    assert narrow.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_chart_has_its_numbers_beside_it(world, browse):
    hired(world, "OV-5")
    page = browse(world, role="Helpdesk", color_scheme="dark")
    at(page, world.url)
    expect(page.get_by_test_id("stVegaLiteChart").last).to_be_visible()
    page.get_by_text("The same as a table").click()
    table = page.get_by_role("region", name="Joiners, movers and leavers by day")
    expect(table.get_by_role("row")).to_have_count(15)
    expect(page.get_by_role("region", name="Seats of each licence").get_by_role("row").nth(1)).to_contain_text("of")
    assert not page.troubles
