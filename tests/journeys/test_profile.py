"""A reader who knows nothing of the profile finds its definitions in the feed, and from there its schemas."""

import requests

from indicators.stix import profile
from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.journeys.test_review import Desk
from tests.world import World


def test_the_definitions_in_a_feed_lead_to_their_schemas(world: World) -> None:
    world.submit("lab-a", [steps.marked(stix.campaign(), GREEN)], community="allies")

    found = world.objects("lab-b", "green", community="allies", query="match[type]=extension-definition")

    ours = {one["id"]: one for one in found if one["id"] in profile.extensions()}
    assert ours.keys() == profile.extensions().keys()
    for one in ours.values():
        assert one["schema"].startswith(world.url)
        answer = requests.get(one["schema"], timeout=30)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/schema+json"
        assert answer.json()["$id"] == one["schema"]
        head = requests.head(one["schema"], timeout=30)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["ETag"] == answer.headers["ETag"]


def test_the_desk_lists_the_techniques_and_changes_none(world: World) -> None:
    desk = Desk(world, "analyst").session

    listed = desk.get(f"{world.url}/admin/indicators/technique/", timeout=30)
    added = desk.get(f"{world.url}/admin/indicators/technique/add/", timeout=30)
    (one,) = world.sql("SELECT object_id FROM indicators_technique WHERE atlas_id = 'AML.T0024.002'")
    shown = desk.get(f"{world.url}/admin/indicators/technique/{one[0]}/change/", timeout=30)

    assert "Chain-of-thought elicitation" in listed.text
    assert "a form of AML.T0024.002, AML.T0065" in listed.text
    assert added.status_code == 403
    assert "Extract AI Model" in shown.text
    assert 'name="_save"' not in shown.text
