"""The graph of a campaign by keyboard, and the same as a table."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import AtDesk
from tests.browser.keyboard import has_focus, tab_to
from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World

pytestmark = pytest.mark.browser


def told(page: Page, what: str) -> list[str]:
    found: list[str] = page.evaluate(f"document.getElementById('graph').graph.{what}()")
    return found


def selected(page: Page) -> str:
    found: str = page.evaluate("document.getElementById('graph').graph.selected()")
    return found


def view(page: Page) -> dict[str, float]:
    """How large the drawing is, and by how many pixels it is moved."""
    found: dict[str, float] = page.evaluate("document.getElementById('graph').graph.view()")
    return found


def rows(page: Page) -> list[list[str]]:
    """The table's rows, each as the texts of its cells."""
    read = "all => all.map(row => [...row.cells].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))"
    found: list[list[str]] = page.locator("#graph-table tbody tr").evaluate_all(read)
    return found


def test_the_graph_is_moved_through_by_keyboard_and_is_the_same_as_a_table(
    world: World, at_desk: AtDesk
) -> None:
    name = f"Siphon {uuid4().hex[:8]}"
    campaign = steps.marked(stix.campaign(name=name), GREEN)
    found = [steps.indicator(f"{uuid4().hex}.example") for _ in range(4)]
    tools = [steps.marked(stix._sdo("tool", name=f"Relay {number} of {name}"), GREEN) for number in range(3)]
    joined = [
        *(stix.relationship(one, campaign, relationship_type="indicates") for one in found),
        *(stix.relationship(campaign, one, relationship_type="uses") for one in tools[:1]),
        *(stix.relationship(one, tools[0], relationship_type="related-to") for one in tools[1:]),
    ]
    world.submit(
        "lab-a", [campaign, *found, *tools, *(steps.marked(one, GREEN) for one in joined)], community="allies"
    )
    with at_desk("analyst") as desk:
        page = desk.page
        desk.open("/admin/campaigns/")
        page.get_by_role("link", name=name).click()
        page.wait_for_selector("#graph[data-ready]")
        canvas = page.get_by_role("application", name=re.compile("^Graph around"))
        said = page.locator("#graph-said")

        tab_to(page, canvas)
        expect(said).to_contain_text(name)
        root = selected(page)
        assert said.get_attribute("role") == "status"
        assert canvas.evaluate("one => getComputedStyle(one).outlineStyle !== 'none'"), "the focus is seen"

        page.keyboard.press("ArrowRight")
        first = selected(page)
        assert first != root
        page.keyboard.press("Home")
        assert selected(page) == root

        # Arrows meet the four that lie most in their direction; of all that are drawn none is out of reach.
        before = told(page, "nodes")
        met = {root}
        for _ in before[1:]:
            page.keyboard.press("PageDown")
            met.add(selected(page))
        assert met == {*before}
        page.keyboard.press("PageDown")
        assert selected(page) == root
        page.keyboard.press("PageUp")
        while f"Relay 0 of {name}" not in said.inner_text():
            page.keyboard.press("PageUp")
            assert selected(page) != root, "once round, and not met"
        page.keyboard.press("Enter")
        expect(said).to_contain_text("That is all.")
        after = told(page, "nodes")
        assert len(after) > len(before)
        assert len(set(after)) == len(after)
        assert desk.axe() == []

        page.keyboard.press("0")
        fitted = view(page)
        page.keyboard.press("+")
        assert view(page)["zoom"] == pytest.approx(fitted["zoom"] * 1.25)
        page.keyboard.press("-")
        page.keyboard.press("-")
        assert view(page)["zoom"] == pytest.approx(fitted["zoom"] * 0.8)
        page.keyboard.press("0")
        assert view(page) == pytest.approx(fitted)
        chosen = selected(page)
        page.keyboard.press("Shift+ArrowRight")
        assert view(page) == pytest.approx(fitted | {"x": fitted["x"] - 100})
        page.keyboard.press("Shift+ArrowUp")
        assert view(page) == pytest.approx(fitted | {"x": fitted["x"] - 100, "y": fitted["y"] + 100})
        assert selected(page) == chosen, "what is selected stays"
        for button, factor in (("Zoom in", 1.25), ("Zoom out", 0.8)):
            before_it = view(page)["zoom"]
            page.get_by_role("button", name=button).click()
            assert view(page)["zoom"] == pytest.approx(before_it * factor)
        page.get_by_role("button", name="Fit", exact=True).click()
        assert view(page) == pytest.approx(fitted)

        canvas.focus()
        page.keyboard.press("Escape")
        toggle = page.get_by_role("button", name="Show as a table")
        assert has_focus(toggle)
        page.keyboard.press("Enter")
        expect(canvas).to_be_hidden()
        expect(page.locator("#graph-table")).to_be_visible()
        table = rows(page)
        assert len(table) == len(told(page, "edges")) == len(joined)
        assert sum(f"Relay 0 of {name}" in " ".join(row) for row in table) == 3
        assert desk.axe() == []


def test_the_table_is_what_is_drawn_before_anything_is_expanded(world: World, at_desk: AtDesk) -> None:
    """The server's rows are those that the script draws anew."""
    name = f"Drain {uuid4().hex[:8]}"
    campaign = steps.marked(stix.campaign(name=name), GREEN)
    found = [steps.indicator(f"{uuid4().hex}.example") for _ in range(3)]
    joined = [
        steps.marked(stix.relationship(one, campaign, relationship_type="indicates"), GREEN) for one in found
    ]
    world.submit("lab-a", [campaign, *found, *joined], community="allies")
    with at_desk("analyst") as desk:
        page = desk.page
        desk.open("/admin/campaigns/")
        page.get_by_role("link", name=name).click()
        page.wait_for_selector("#graph[data-ready]")
        served = rows(page)

        assert len(served) == 3
        assert len(told(page, "edges")) == 3
        assert len(told(page, "nodes")) == 4
        for one in found:
            assert any(one["pattern"].split("'")[1] in row[0] and name in row[2] for row in served)
