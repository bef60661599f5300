"""One browser for all stories, and a window for each person."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.watched import Watched, window
from tests.desk import desk_session
from tests.world import World

AtDesk = Callable[[str], AbstractContextManager[Watched]]

#: Containers rarely let it make a sandbox of its own; it opens nothing but our own pages. No other host can be reached:
#: what asks for one is noted (watched.py). Routes would do that too, and would switch off the cache.
ALONE = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")


def chromium() -> str:
    """Path of the system's Chromium: `CHROMIUM`, else the first of its usual names."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: apt-get install chromium, or name it in CHROMIUM"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=[*ALONE])
        yield running
        running.close()


@pytest.fixture(scope="session")
def at_desk(browser: Browser, world: World) -> AtDesk:
    """A window in which somebody is signed in, with password and, where they must have one, second factor."""

    def enter(username: str) -> AbstractContextManager[Watched]:
        return window(browser, world.url, desk_session(world, username).cookies)

    return enter
