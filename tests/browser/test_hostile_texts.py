"""What partners write is shown as text, wherever it is shown."""

import pytest

from tests.browser import hostile
from tests.browser.conftest import AtDesk
from tests.browser.watched import crawl
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def sent(world: World) -> None:
    objects = [steps.marked(one, GREEN) for one in hostile.objects()]
    for community in ("frontier", "allies"):
        world.submit("lab-a", objects, community=community)
    receipts = world.sql(
        "SELECT count(*) FILTER (WHERE outcome <> 'rejected'), count(*) FROM indicators_submittedobject"
        " WHERE object_id = ANY(%s)",
        ([one["id"] for one in objects],),
    )
    taken, all_of_them = receipts[0]
    assert taken > 0.8 * all_of_them, "too little of it came in to show anything"


@pytest.mark.parametrize("username", ["analyst", "lab-a-admin"])
def test_no_text_of_a_partner_runs_or_is_reported(
    world: World, sent: None, at_desk: AtDesk, username: str
) -> None:
    opened = 0
    with at_desk(username) as window:
        for link, status in crawl(window, ["/admin/"], of_a_kind=3, most=120):
            opened += 1
            assert status < 500, link
            assert (
                window.page.evaluate(
                    "document.querySelectorAll('iframe[srcdoc], [onerror], [onload]').length"
                )
                == 0
            ), link
            assert (
                window.page.evaluate("document.querySelectorAll('a[href^=\"javascript:\"]').length") == 0
            ), link
    assert opened > 10
    assert "csp.violation" not in (world.home / "serve.log").read_text()
