"""Every page, as each role sees it: nothing fails, nothing is asked of another host, axe-core finds nothing serious."""

import pytest

from tests.browser.conftest import AtDesk
from tests.browser.watched import crawl, kind_of
from tests.world import World

pytestmark = pytest.mark.browser

ANALYSTS = {"analyst", "hub-admin"}


@pytest.mark.parametrize(
    "username",
    ["analyst", "hub-admin", "reader", "lab-a-admin", "lab-a-submitter", "lab-a-reader", "outsider-admin"],
)
def test_every_page_that_a_role_can_reach_is_sound(world: World, at_desk: AtDesk, username: str) -> None:
    kinds: set[str] = set()
    wrong: list[str] = []
    with at_desk(username) as window:
        for link, status in crawl(window, ["/admin/"], of_a_kind=1):
            if status != 200:
                wrong.append(f"{link}: {status}")
            if kind_of(link) not in kinds:
                kinds.add(kind_of(link))
                wrong += window.axe()
    print(f"{username}: {len(kinds)} kinds of pages")
    assert wrong == []
    assert len(kinds) > (30 if username in ANALYSTS else 3)
