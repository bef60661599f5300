"""Five hundred cases at once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AtDesk
from tests.journeys import steps
from tests.world import World

pytestmark = pytest.mark.browser

MANY = 500


def test_five_hundred_cases_are_chosen_tried_and_decided(world: World, at_desk: AtDesk) -> None:
    world.submit(
        "lab-a",
        [steps.indicator(f"bulk-{number}.example") for number in range(MANY)],
        community="careful",
    )
    ((community_id,),) = world.sql("SELECT id FROM accounts_community WHERE slug = 'careful'")
    with at_desk("reviewer") as desk:
        page = desk.page
        desk.open("/admin/sharing/review/?q=bulk-")
        page.get_by_label("Community").select_option(str(community_id))
        page.get_by_label("Audience up to").select_option(label="TLP:GREEN")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("caption")).to_contain_text(f"{MANY} cases")
        page.get_by_label(f"all {MANY} that match, not only those ticked").check()
        page.get_by_role("button", name="Approve chosen…").click()

        expect(page.get_by_role("heading", level=1)).to_contain_text(f"{MANY} cases: what would happen")
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile("Careful")))
        expect(row.get_by_role("cell")).to_have_text([str(MANY), "0", "0", re.compile("Lab A.*Lab B")])
        assert published(world) == 0, "a dry run decides nothing"

        page.get_by_label("Reason").fill("All of them were looked at.")
        page.get_by_role("button", name=f"Approve {MANY}").click()
        page.wait_for_url("**/admin/sharing/review/?**", timeout=120_000)
        expect(page.get_by_text(f"Approve: {MANY} decided.")).to_be_visible(timeout=120_000)
        expect(page.get_by_text("No case matches these filters.")).to_be_visible()
    world.settle()
    assert published(world) == MANY


def published(world: World) -> int:
    found = world.objects("lab-b", "green", community="careful", query="match[type]=indicator")
    return sum("bulk-" in one["pattern"] for one in found)
