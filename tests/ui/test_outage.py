"""The backend goes away and comes back."""

from __future__ import annotations

from playwright.sync_api import expect
from portal import at, settled


def test_a_backend_that_is_away_is_said_and_one_that_is_back_is_found(own_world, browse):
    world = own_world()
    page = browse(world, role="Operator")
    at(page, world.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    world.backend.kill()
    # Who was at work already, and who comes anew.
    page.get_by_role("link", name="People").click()
    expect(page.get_by_text("The backend does not answer")).to_be_visible()
    late = browse(world, role="Operator")
    at(late, world.url)
    expect(late.get_by_text("The backend does not answer")).to_be_visible()
    world.backend.start()
    for one in (page, late):
        one.get_by_role("button", name="Try again").click()
        settled(one)
        expect(one.get_by_text("The backend does not answer")).to_have_count(0)
    expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
    expect(late.get_by_role("heading", name="Overview")).to_be_visible()
    for trouble in page.troubles + late.troubles:
        assert "127.0.0.1" not in trouble or world.url in trouble, trouble
