"""The pictures of the documentation: `make screenshots` takes them of a desk with made-up content, in Chromium."""

import json
import re
from uuid import NAMESPACE_URL, uuid5

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser.conftest import ALONE, chromium
from tests.browser.watched import window
from tests.conformance import stix
from tests.desk import desk_session
from tests.world import PROJECT, World

DEMO = PROJECT / "indicators" / "demo"
PICTURES = PROJECT / "docs" / "screenshots"
SIZE: ViewportSize = {"width": 1400, "height": 900}
CAMPAIGN = "EX-2026-0001"
"""The campaign with most around it."""

_MADE_UP = {
    "DC-2026-": "EX-2026-",
    "Anthropic": "Example Lab",
    "DeepSeek": "Operator One",
    "Moonshot AI": "Operator Two",
    "Kimi": "Operator Two",
    "MiniMax": "Operator Three",
    "Claude": "example-model",
    "Google": "Example Cloud",
}
"""A picture in the documentation names no real organisation: the demo's public campaigns with other names."""


def main() -> None:
    """Start a Stillwatch with that content, take all pictures, stop it."""
    PICTURES.mkdir(exist_ok=True)
    with World.start((DEMO / "community.yaml").read_text()) as world, sync_playwright() as playwright:
        (world.home / "made-up.json").write_text(made_up((DEMO / "1-public-campaigns.json").read_text()))
        for organization, file in (
            ("hub", world.home / "made-up.json"),
            ("lab-a", DEMO / "2-synthetic-detections.json"),
        ):
            world.manage("import_stix", str(file), "--organization", organization, "--community", "frontier")
        world.settle(180)
        world.manage("shell", "--verbosity", "0", "--command", "from sharing.tasks import tally; tally()")
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*ALONE])
        with window(browser, world.url, desk_session(world, "analyst").cookies) as watched:
            watched.page.set_viewport_size(SIZE)
            watched.page.emulate_media(color_scheme="light", reduced_motion="reduce")
            take_all(watched.page, world.url)
        browser.close()


def made_up(bundle: str) -> str:
    """The bundle with made-up names and ids, and no source but MITRE's."""
    for real, other in _MADE_UP.items():
        bundle = bundle.replace(real, other)
    objects = json.loads(bundle)["objects"]
    fixed = ("extension-definition--", "marking-definition--")
    for one in objects:
        if one["type"] == "software":
            name = {"name": one["name"], "vendor": one["vendor"]}
            other = stix.sco("software", name)["id"]
        elif one["id"].startswith(fixed) or one["type"] == "prompt-template":
            continue
        else:
            other = f"{one['type']}--{_uuid4(one['id'])}"
        bundle = bundle.replace(one["id"], other)
    value = json.loads(bundle)
    for one in value["objects"]:
        sources = [each for each in one.get("external_references", []) if "mitre" in each["source_name"]]
        one.pop("external_references", None)
        if sources:
            one["external_references"] = sources
    return json.dumps(value)


def _uuid4(old: str) -> str:
    made = uuid5(NAMESPACE_URL, old).hex
    return re.sub(r"(.{8})(.{4}).(.{3}).(.{3})(.{12})", r"\1-\2-4\3-8\4-\5", made)


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
