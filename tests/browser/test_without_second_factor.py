"""An analyst who has no second factor yet reaches nothing but the page that sets one up."""

import re
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect
from requests.cookies import RequestsCookieJar

from accounts.admin.navigation import SECTIONS
from tests.browser.watched import Watched, window
from tests.desk import code
from tests.world import ANALYST_PASSWORD, World

pytestmark = pytest.mark.browser

MEMBERS = """
organizations:
  - slug: hub
    name: Hub
    sector: operator
    members:
      - {username: newcomer, email: newcomer@hub.example, role: analyst, password_env: ANALYST_PASSWORD}
"""
SET_UP = "/admin/account/"


@pytest.fixture
def newcomer(world: World) -> str:
    """An analyst who never signed in."""
    file = world.home / "newcomer.yaml"
    file.write_text(MEMBERS)
    world.manage("apply_community", str(file))
    world.manage("reset_second_factor", "newcomer")
    return "newcomer"


def sign_in(desk: Watched, username: str) -> None:
    desk.open("/admin/login/")
    desk.page.get_by_label("Username").fill(username)
    desk.page.get_by_label("Password").fill(ANALYST_PASSWORD)
    desk.page.get_by_role("button", name="Sign in", exact=True).click()


def test_nothing_opens_before_the_app_is_set_up_and_everything_after(
    world: World, browser: Browser, newcomer: str
) -> None:
    with window(browser, world.url, RequestsCookieJar()) as desk:
        page = desk.page
        sign_in(desk, newcomer)
        expect(page.get_by_role("heading", name="Set up a second factor first")).to_be_visible()
        assert desk.axe() == []
        pages = list(dict.fromkeys(reverse(item.url) for section in SECTIONS for item in section.items))
        assert len(pages) > 30
        for path in [*pages, "/admin/account/second-factor/codes/", "/admin/no-such-page/"]:
            answer = page.request.get(world.url + path, max_redirects=0)
            assert answer.status == 302, path
            assert answer.headers["location"].split("?")[0] == SET_UP, path
        desk.open("/admin/sharing/review/")
        page.get_by_role("link", name="Set up an app").click()
        secret = page.locator("#totp-secret").inner_text()
        page.get_by_label("Authenticator code").fill("000000")
        page.get_by_role("button", name="Set it up").click()
        expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
        assert page.locator("#totp-secret").inner_text() == secret
        page.get_by_label("Authenticator code").fill(code(secret))
        page.get_by_role("button", name="Set it up").click()
        page.wait_for_url("**/second-factor/codes/")
        kept = page.locator("#recovery-codes").inner_text().split()
        page.get_by_role("link", name="I have kept them: to the desk").click()
        page.wait_for_url("**/admin/")
        assert desk.open("/admin/sharing/review/") == 200

    with window(browser, world.url, RequestsCookieJar()) as desk:
        page = desk.page
        sign_in(desk, newcomer)
        page.wait_for_url("**/second-factor/**")
        desk.open("/admin/sharing/review/")
        assert urlsplit(page.url).path != "/admin/sharing/review/", "the password alone opens nothing"

        assert "/second-factor/" in page.url, "it goes on where it was left"
        page.locator("#id_code").fill(kept[0])
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page).not_to_have_url(re.compile("/second-factor/"))
        assert desk.open("/admin/sharing/review/") == 200
        assert urlsplit(page.url).path == "/admin/sharing/review/"
