"""The pictures of the documentation: `make screenshots` takes them of the desk with the demo content, in Chromium."""

import re
import tempfile
import time
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from config import embedded
from tests.browser.conftest import chromium
from tests.stack import Stack

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SIZE: ViewportSize = {"width": 1400, "height": 900}
CAMPAIGN = "DC-2026-0001"
"""The campaign of the demo with most around it."""


def main() -> None:
    """Start a Stillwatch with the demo in a home of its own, take all pictures, stop it."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="sw-pictures-") as directory,
        Stack(Path(directory).resolve() / "home", demo=True) as stack,
        sync_playwright() as playwright,
    ):
        settle(stack)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        take_all(signed_in(browser, stack), stack.url)
        browser.close()


def settle(stack: Stack, patience: float = 180) -> None:
    """Wait until everything is published and counted, so that charts have something to say."""
    left = (
        "SELECT (SELECT count(*) FROM indicators_submission WHERE state = 'received')"
        " + (SELECT count(*) FROM indicators_pendingfold)"
    )
    deadline = time.monotonic() + patience
    with psycopg.connect(embedded.database_url(stack.home), autocommit=True) as connection:
        while connection.execute(left).fetchone() != (0,):
            assert time.monotonic() < deadline, stack.told()
            time.sleep(0.2)
    stack.manage("shell", "--verbosity", "0", "--command", "from sharing.tasks import tally; tally()")


def signed_in(browser: Browser, stack: Stack) -> Page:
    """The desk as the demo's analyst sees it, light."""
    told = re.search(r"Admin desk +(\w+) / (\S+)\n", stack.told())
    assert told is not None, stack.told()
    context = browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{stack.url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(told[1])
    page.get_by_label("Password").fill(told[2])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/second-factor/**")
    page.locator("#id_code").fill(stack.manage("demo_code", told[1]).strip())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{stack.url}/admin/")
    return page


def take_all(page: Page, url: str) -> None:
    """Home, a case of the review queue, the campaign, and its graph."""
    page.goto(f"{url}/admin/")
    take(page, "home")
    page.goto(f"{url}/admin/sharing/review/?type=indicator&sort=confidence")
    page.locator("a.sw-case").first.click()
    page.wait_for_url("**/change/**")
    take(page, "review")
    page.goto(f"{url}/admin/campaigns/")
    page.get_by_role("link", name=CAMPAIGN).click()
    page.wait_for_selector("#graph[data-ready]")
    take(page, "campaign")
    page.get_by_role("link", name="Graph alone").click()
    page.wait_for_selector("#graph[data-ready]")
    take(page, "graph")


def take(page: Page, name: str) -> None:
    """One picture, once nothing is being fetched or drawn any more."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
