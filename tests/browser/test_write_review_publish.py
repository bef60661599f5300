"""From the first word to another lab's client: written, approved by a second person, pulled, changed, revoked."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import AtDesk
from tests.browser.keyboard import choose, has_focus, press, tab_to, tick, type_into
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.world import World

pytestmark = pytest.mark.browser

FEED = "green"


def pulled(world: World, domain: str) -> list[Object]:
    """What an unmodified TAXII client of Lab A, with a token that only reads, finds in the feed on that domain."""
    world.settle()
    found = steps.taxii_collection(world, "lab-a", FEED).get_objects(**{"match[type]": "indicator"})
    return [one for one in found.get("objects", ()) if domain in one.get("pattern", "")]


def begin(page: Page) -> None:
    """From the home page to an empty form of an indicator, by keyboard."""
    press(page, page.get_by_role("link", name="Write", exact=True))
    page.wait_for_url("**/admin/write/")
    press(page, page.locator("a.sw-card", has_text=re.compile(r"^\s*Indicator")))
    page.wait_for_url("**/admin/write/drafts/**")


def fill_in(page: Page, name: str) -> None:
    """What it means and who may see it, by keyboard."""
    type_into(page, page.get_by_label("Name", exact=True), name)
    type_into(page, page.get_by_label("Description"), "A proxy that sells access to a model.")
    sharing = page.get_by_role("group", name=re.compile(r"^TLP"))
    tick(page, sharing, sharing.get_by_role("radio", name=re.compile("TLP:GREEN")))
    type_into(page, page.get_by_label("Confidence", exact=True), "70")


def approve_all(page: Page, name: str, domain: str) -> int:
    """Open the queue, then every case on that domain, and approve it, all by keyboard; how many they were."""
    approved = 0
    page.goto(re.sub(r"/admin/.*", "/admin/", page.url))
    press(page, page.get_by_role("link", name="Reviews", exact=True))
    page.wait_for_url("**/admin/sharing/review/")
    type_into(page, page.get_by_role("searchbox", name="Text"), domain)
    page.keyboard.press("Enter")
    page.wait_for_url("**q=*")
    page.locator("h1").click()  # keys are for the page, not for the field
    page.keyboard.press("j")
    assert has_focus(page.locator("a.sw-case"))
    page.keyboard.press("Enter")
    while True:
        page.wait_for_url("**/admin/sharing/review/*/change/**")
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        before = page.url
        page.keyboard.press("a")
        assert has_focus(page.get_by_label("Reason"))
        page.keyboard.type("Two people looked at it.")
        page.keyboard.press("Control+Enter")
        expect(page).not_to_have_url(before)
        expect(page.get_by_text(re.compile(r": approved\."))).to_be_visible()
        approved += 1
        if page.get_by_text("That was the last case of this queue.").is_visible():
            return approved


def stands(page: Page, word: str) -> None:
    """Wait until the page of a draft says that it stands so."""
    expect(page.locator("#standing [role=status] .sw-badge")).to_have_text(word, timeout=60_000)


def test_an_indicator_is_built_by_keyboard_approved_by_another_and_pulled(
    world: World, at_desk: AtDesk
) -> None:
    name = f"Built {uuid4().hex[:12]}"
    domain = f"{uuid4().hex}.example"
    with at_desk("analyst") as desk:
        page = desk.page
        desk.open("/admin/")
        begin(page)
        first = page.get_by_role("group", name="Observation 1").or_(
            page.get_by_role("group", name="Observation", exact=True)
        )
        choose(page, first.get_by_label("What is tested"), "Domain name")
        choose(page, first.get_by_label("How", exact=True), "is one of")
        tab_to(page, first.get_by_label(re.compile("^Value of Domain name")))
        page.keyboard.type(domain)
        page.keyboard.press("Enter")
        page.keyboard.type(f"api.{domain}")
        press(page, page.get_by_role("button", name="Add an observation"))
        second = page.get_by_role("group", name="Observation 2")
        assert has_focus(second.get_by_label("What is tested"))
        choose(page, second.get_by_label("What is tested"), "Accounts in the window")
        choose(page, second.get_by_label("How", exact=True), "is at least")
        type_into(page, second.get_by_label(re.compile("^Value of Accounts")), "40")
        choose(page, page.get_by_label("Observations are"), "seen one after the other")
        type_into(page, page.get_by_label("All of it: within (seconds)"), "3600")

        pattern = (
            f"([domain-name:value IN ('{domain}', 'api.{domain}')] FOLLOWEDBY "
            "[llm-api-activity:account_count >= 40]) WITHIN 3600 SECONDS"
        )
        expect(page.get_by_label("STIX pattern (required)")).to_have_value(pattern)
        expect(page.locator("#reading")).to_contain_text("Nobody has said this yet.")
        expect(page.locator("#canonical")).to_contain_text(domain)
        fill_in(page, name)
        press(page, page.get_by_role("button", name="Submit for review"))

        expect(page.get_by_text("Submitted. This page says what becomes of it.")).to_be_visible()
        stands(page, "In review")
        page.reload()
        here = page.url
        press(page, page.get_by_role("link", name="In review").first)
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        expect(page.get_by_text("another analyst approves it")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        expect(page.get_by_role("button", name="Reject")).to_be_visible()
        assert pulled(world, domain) == []

        # From the case to what one said of it, and back.
        case = page.url
        page.locator("h1").click()
        page.keyboard.press("e")
        page.wait_for_url("**/admin/write/drafts/**")
        expect(page.get_by_label("Name", exact=True)).to_have_value(name)
        press(page, page.get_by_role("button", name="Discard"))
        expect(page).to_have_url(case)

        with at_desk("reviewer") as other:
            other.open("/admin/")
            assert approve_all(other.page, name, domain) >= 1

        (published,) = pulled(world, domain)
        assert domain in published["pattern"]
        desk.open(here)
        stands(page, "Published")


def test_an_error_of_the_raw_text_is_shown_in_its_place_and_what_was_said_is_changed_revoked_and_undone(
    world: World, at_desk: AtDesk
) -> None:
    name = f"Typed {uuid4().hex[:12]}"
    domain = f"{uuid4().hex}.example"
    wrong = f"[domain-name:value = '{domain}'\n  AND url:value == 'x']"
    with at_desk("analyst") as desk, at_desk("reviewer") as other:
        page = desk.page
        desk.open("/admin/")
        begin(page)
        press(page, page.get_by_role("button", name="Write as text"))
        text = page.get_by_label("STIX pattern (required)")
        assert has_focus(text)
        page.keyboard.type(wrong)
        expect(page.locator("#reading")).to_contain_text("Line 2, column 20: this is not a URL")
        press(page, page.get_by_role("button", name="Go there"))
        assert has_focus(text)
        assert text.evaluate("one => one.selectionStart") == wrong.index("'x'")
        fill_in(page, name)
        press(page, page.get_by_role("button", name="Submit for review"))
        expect(page.get_by_role("alert")).to_contain_text("to put right before this can be submitted")
        expect(page.locator("#id_pattern_error")).to_contain_text("line 2, column 20")
        expect(text).to_have_value(wrong)
        text.fill(f"[domain-name:value = '{domain}']")
        page.get_by_role("button", name="Submit for review").click()
        stands(page, "In review")
        other.open("/admin/")
        approve_all(other.page, name, domain)
        (first,) = pulled(world, domain)

        page.reload()
        page.get_by_role("link", name="Versions, edit, revoke, undo").click()
        said = page.url
        page.get_by_role("button", name="Edit: a new version").click()
        page.get_by_label("Name", exact=True).fill(f"{name}, again")
        page.get_by_role("button", name="Submit for review").click()
        stands(page, "Published")
        (second,) = pulled(world, domain)
        assert (second["id"], second["name"]) == (first["id"], f"{name}, again")
        assert second["modified"] > first["modified"]

        desk.open(said)
        page.get_by_role("link", name="Undo the last edit").click()
        expect(page.locator("ins")).to_have_text(f"after: {name}")
        page.get_by_label("Why").fill("The account was another one.")
        page.get_by_role("button", name="Undo").click()
        stands(page, "Published")
        (third,) = pulled(world, domain)
        assert (third["id"], third["name"]) == (first["id"], name)

        desk.open(said)
        page.get_by_role("link", name="Revoke", exact=True).click()
        expect(page.get_by_text("These feeds will say that it is revoked.").first).to_be_visible()
        page.get_by_label("Why").fill("The domain changed hands.")
        page.get_by_role("button", name="Revoke").click()
        stands(page, "Revoked")
        (gone,) = pulled(world, domain)
        assert (gone["id"], gone["revoked"]) == (first["id"], True)

        desk.open(said)
        page.get_by_role("link", name="Undo the revocation").click()
        page.get_by_label("Why").fill("It did not change hands after all.")
        page.get_by_role("button", name="Undo").click()
        stands(page, "Published")
        again = [one for one in pulled(world, domain) if not one.get("revoked")]
        assert [one["pattern"] for one in again] == [first["pattern"]]
