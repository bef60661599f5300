"""Security keys by WebAuthn, and the pages of signing in, in a real browser under the content policy."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.world import ANALYST_PASSWORD, World

pytestmark = pytest.mark.browser
MEMBERS = """
organizations:
  - slug: hub
    name: Hub
    sector: operator
    members:
      - {username: keyholder, email: keyholder@hub.example, role: analyst, password_env: ANALYST_PASSWORD}
"""


def foreign(address: str) -> bool:
    return not address.startswith(("http://localhost:", "data:"))


@pytest.fixture
def page(world: World, browser: Browser) -> Iterator[Page]:
    """A browser with a virtual security key, in which nothing may go wrong quietly."""
    file = world.home / "keyholder.yaml"
    file.write_text(MEMBERS)
    world.manage("apply_community", str(file))
    world.manage("reset_second_factor", "keyholder")
    context = browser.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if foreign(asked.url) else None)
    tools = context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options: Any = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": False,
        "hasUserVerification": True,
    }
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    context.close()
    assert wrong == []


def sign_in(page: Page, world: World) -> None:
    # Security keys are for names; the address 127.0.0.1 is none.
    page.goto(f"http://localhost:{world.port}/admin/login/?next=/admin/account/")
    page.get_by_label("Username").fill("keyholder")
    page.get_by_label("Password").fill(ANALYST_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_an_analyst_sets_up_a_key_and_signs_in_with_it(world: World, page: Page) -> None:
    sign_in(page, world)
    assert page.get_by_role("heading", name="Set up a second factor first").is_visible()
    page.get_by_role("link", name="Add a key").click()
    page.get_by_role("button", name="Add this key").click()
    page.wait_for_url("**/second-factor/codes/")
    assert len(page.locator("#recovery-codes").inner_text().split()) == 10
    page.get_by_role("link", name="I have kept them: to the desk").click()
    page.wait_for_url("**/admin/")

    page.goto(f"http://localhost:{world.port}/admin/logout/")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, world)
    page.wait_for_url("**/second-factor/")
    page.get_by_role("button", name="Use your security key").click()
    page.wait_for_url("**/admin/account/")

    assert page.get_by_text("last used on").is_visible()
