"""What the rule does not release waits for an analyst, who decides at the desk: the real Django admin, over HTTP."""

import re
from html import unescape
from typing import Any

import pytest
import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.desk import desk_session, enter
from tests.desk import shown as shown_on
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.world import World

FORM_FIELD = re.compile(r'<input[^>]*name="(?P<name>[^"]+)"[^>]*value="(?P<value>[^"]*)"')


class Desk:
    """A browser at the desk, without a screen: it keeps cookies and sends forms as they are."""

    def __init__(self, world: World, username: str) -> None:
        self.url = f"{world.url}/admin/"
        self.session = desk_session(world, username)
        self.page = self.session.get(self.url, timeout=30)

    @property
    def signed_in(self) -> bool:
        return self.session.get(self.url, timeout=30, allow_redirects=False).status_code == 200

    def send(self, url: str, **fields: Any) -> requests.Response:
        """POST a form with the CSRF token of the page that is shown."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page.text)
        assert token is not None, self.page.text[:500]
        return self.session.post(
            url,
            data=fields | {"csrfmiddlewaretoken": token[1]},
            headers={"Referer": url},
            timeout=60,
        )

    def cases(self, **filters: str) -> requests.Response:
        self.page = self.session.get(f"{self.url}sharing/review/", params=filters, timeout=30)
        return self.page

    def choose(self, action: str, *case_ids: int) -> requests.Response:
        """Select cases on the list, and the action: the form that asks for the reason."""
        self.cases()
        self.page = self.send(
            f"{self.url}sharing/review/",
            action=action,
            _selected_action=[str(one) for one in case_ids],
            index=0,
        )
        return self.page

    def decide(self, action: str, *case_ids: int, reason: str) -> requests.Response:
        """Both steps; the page after the second."""
        self.choose(action, *case_ids)
        return self.send(
            f"{self.url}sharing/review/",
            action=action,
            decide="1",
            _selected_action=[str(one) for one in case_ids],
            reason=reason,
            **shown_on(self.page.text),
        )


@pytest.fixture(scope="module")
def analyst(world: World) -> Desk:
    desk = Desk(world, "analyst")
    assert desk.signed_in
    return desk


def waiting(world: World, tlp: str = GREEN, community: str = "careful") -> tuple[str, Object, Object]:
    """An indicator of lab-a that an analyst has to decide: its domain, what was sent, its submission."""
    domain = stix.domain()
    indicator = steps.indicator(domain, tlp)
    status = world.submit("lab-a", [indicator], community=community)
    return domain, indicator, status


def cases_of(world: World, status: Object, state: str = "pending") -> dict[int, int]:
    """The cases of a submission's objects: ceiling → id of the case."""
    return dict(
        world.sql(
            "SELECT r.ceiling, v.id FROM sharing_review v JOIN sharing_release r ON r.id = v.release_id"
            " JOIN indicators_submittedobject o ON o.subject_id = r.subject_id"
            " WHERE o.submission_id = %s AND v.state = %s",
            (status["id"], state),
        )
    )


def shown(world: World, alias: str, domain: str, community: str = "careful") -> list[Object]:
    return steps.versions_in(world, "lab-b", alias, domain, community=community)


def events(world: World, case: int) -> list[tuple[str, str, str]]:
    return [
        (actor, action, detail["reason"])
        for actor, action, detail in world.sql(
            "SELECT actor, action, detail FROM accounts_auditevent WHERE target = %s ORDER BY id",
            (f"review:{case}",),
        )
    ]


def test_what_one_source_says_waits_for_an_analyst(world: World) -> None:
    """The rule of frontier asks for two sources."""
    domain, _, status = waiting(world, community="frontier")

    (line,) = world.receipt("lab-a", status["id"])["objects"]
    assert (line["outcome"], line["published_id"]) == ("pending-review", None)
    assert "1 of 2 sources" in line["sentence"]
    assert set(cases_of(world, status)) == {1, 2, 3}
    for alias in ("strict", "amber", "green", "green-core"):
        assert shown(world, alias, domain, "frontier") == []


def test_a_second_source_settles_the_case_without_an_analyst(world: World) -> None:
    domain, _, status = waiting(world, community="frontier")

    world.submit("cloud-c", [steps.indicator(domain)])

    assert len(shown(world, "green", domain, "frontier")) == 1
    assert cases_of(world, status) == {}
    assert set(cases_of(world, status, "closed")) == {1, 2, 3}


def test_the_list_shows_the_case_with_its_reason(world: World, analyst: Desk) -> None:
    _, _, status = waiting(world)
    (case, *_) = cases_of(world, status).values()

    page = analyst.cases(state__exact="pending")

    assert page.status_code == 200
    assert f'value="{case}"' in page.text
    assert "rule-none" in page.text


def test_the_case_shows_what_each_source_says_and_who_would_receive_it(world: World, analyst: Desk) -> None:
    domain, _, status = waiting(world)
    case = cases_of(world, status)[2]

    page = analyst.session.get(f"{analyst.url}sharing/review/{case}/change/", timeout=30)

    text = unescape(page.text)
    assert page.status_code == 200
    assert domain in text
    assert "Lab A, Lab B" in text


def test_approval_publishes_at_once_and_to_that_audience_alone(world: World, analyst: Desk) -> None:
    domain, _, status = waiting(world)
    case = cases_of(world, status)[2]

    analyst.decide("approve", case, reason="Seen in our own traffic.")

    # No waiting here: it was published in the transaction of the decision.
    assert len(shown(world, "amber", domain)) == 1
    assert shown(world, "green", domain) == []
    assert shown(world, "strict", domain) == []
    assert set(cases_of(world, status)) == {1, 3}


def test_approval_is_written_down(world: World, analyst: Desk) -> None:
    _, _, status = waiting(world)
    case = cases_of(world, status)[2]

    analyst.decide("approve", case, reason="  Seen in our own traffic. ")

    assert events(world, case) == [("member:analyst", "review.approve", "Seen in our own traffic.")]
    ((state, username, reason),) = world.sql(
        "SELECT v.state, m.username, v.decision_reason FROM sharing_review v"
        " JOIN accounts_member m ON m.id = v.decided_by_id WHERE v.id = %s",
        (case,),
    )
    assert (state, username, reason) == ("approved", "analyst", "Seen in our own traffic.")


def test_many_cases_are_decided_with_one_reason(world: World, analyst: Desk) -> None:
    decided = [waiting(world) for _ in range(3)]
    cases = [case for _, _, status in decided for case in cases_of(world, status).values()]

    page = analyst.decide("approve", *cases, reason="All of one campaign.")

    assert "9 decided" in page.text
    for domain, _, _ in decided:
        assert len(shown(world, "green-core", domain)) == 1


def test_a_rejection_reaches_the_receipt_with_its_reason(world: World, analyst: Desk) -> None:
    domain, _, status = waiting(world)

    analyst.decide("reject", *cases_of(world, status).values(), reason="A CDN; far too broad.")

    (line,) = world.receipt("lab-a", status["id"])["objects"]
    assert (line["outcome"], line["reason"]) == ("withheld", "review-rejected")
    assert line["sentence"] == "An analyst rejected it: A CDN; far too broad."
    assert line["published_id"] is None
    for alias in ("strict", "amber", "green"):
        assert shown(world, alias, domain) == []


def test_a_rejection_holds_until_somebody_else_says_the_same(world: World, analyst: Desk) -> None:
    domain, indicator, status = waiting(world)
    analyst.decide("reject", *cases_of(world, status).values(), reason="Not seen by anybody else.")

    world.submit("lab-a", [steps.newer(indicator, labels=["again"])], community="careful")
    after_the_same = cases_of(world, status)
    world.submit("lab-b", [steps.indicator(domain)], community="careful")
    after_another = cases_of(world, status)

    assert after_the_same == {}
    assert set(after_another) == {1, 2, 3}


def test_an_approval_holds_for_later_versions(world: World, analyst: Desk) -> None:
    domain, indicator, status = waiting(world)
    analyst.decide("approve", cases_of(world, status)[1], reason="Known.")

    world.submit("lab-a", [steps.newer(indicator, labels=["more"])], community="careful")

    versions = shown(world, "green", domain)
    assert [one["labels"] for one in versions] == [["distillation-campaign"], ["more"]]
    assert len({one["id"] for one in versions}) == 1


@pytest.mark.parametrize("action", ["approve", "reject"])
@pytest.mark.parametrize("reason", ["", "   \n "])
def test_a_decision_needs_a_reason(world: World, analyst: Desk, action: str, reason: str) -> None:
    domain, _, status = waiting(world)
    case = cases_of(world, status)[2]

    page = analyst.decide(action, case, reason=reason)

    assert "This field is required" in page.text
    assert cases_of(world, status)[2] == case
    assert events(world, case) == []
    assert shown(world, "amber", domain) == []


def test_a_decided_case_is_not_decided_again(world: World, analyst: Desk) -> None:
    domain, _, status = waiting(world)
    case = cases_of(world, status)[2]
    analyst.decide("approve", case, reason="Known.")

    page = analyst.decide("reject", case, reason="On second thoughts.")

    assert "this case is approved" in page.text
    assert [action for _, action, _ in events(world, case)] == ["review.approve"]
    assert len(shown(world, "amber", domain)) == 1


def test_a_case_whose_object_was_withdrawn_is_closed(world: World, analyst: Desk) -> None:
    domain, indicator, status = waiting(world)
    case = cases_of(world, status)[2]

    steps.delete(world, "lab-a", indicator["id"], community="careful")
    page = analyst.decide("approve", case, reason="Too late.")

    assert "this case is closed" in page.text
    assert shown(world, "amber", domain) == []


def test_a_case_whose_object_left_the_audience_is_closed(world: World, analyst: Desk) -> None:
    """Else an analyst approves, unseen, whatever comes to this audience next."""
    domain, indicator, status = waiting(world)
    case = cases_of(world, status)[1]

    world.submit("lab-a", [steps.newer(indicator, object_marking_refs=[AMBER])], community="careful")
    page = analyst.decide("approve", case, reason="Approved for green.")

    assert "this case is closed" in page.text
    assert set(cases_of(world, status)) == {2, 3}
    assert shown(world, "green", domain) == []


def test_who_did_it_is_never_published_without_an_analyst(world: World, analyst: Desk) -> None:
    """model.md, "who did it": in frontier context leaves by itself, an actor does not."""
    actor = stix._sdo("threat-actor", name=f"Actor {stix.domain()}", object_marking_refs=[GREEN])
    campaign = stix.campaign(object_marking_refs=[GREEN])
    attribution = steps.marked(stix.relationship(campaign, actor, relationship_type="attributed-to"), GREEN)

    status = world.submit("lab-a", [actor, campaign, attribution])
    query = f"match[id]={actor['id']},{campaign['id']},{attribution['id']}"
    before = [one["type"] for one in world.objects("lab-b", "green", query=query)]
    rows = world.sql(
        "SELECT v.id FROM sharing_review v JOIN sharing_release r ON r.id = v.release_id"
        " JOIN indicators_submittedobject o ON o.subject_id = r.subject_id"
        " WHERE o.submission_id = %s AND v.state = 'pending' AND r.ceiling = 1",
        (status["id"],),
    )
    analyst.decide("approve", *[case for (case,) in rows], reason="An allegation, labelled so.")
    world.settle()

    assert before == ["campaign"]
    assert {one["type"] for one in world.objects("lab-b", "green", query=query)} == {
        *("campaign", "threat-actor", "relationship")
    }


def test_a_reader_finds_no_desk(world: World) -> None:
    _, _, status = waiting(world)
    case = cases_of(world, status)[2]
    reader = Desk(world, "reader").session

    answers = [
        reader.get(f"{world.url}/admin/sharing/review/{path}", timeout=30, allow_redirects=False)
        for path in ("", f"{case}/change/")
    ]

    assert {answer.status_code for answer in answers} <= {403, 404}


def test_a_wrong_password_finds_no_desk(world: World) -> None:
    session = requests.Session()

    page = enter(session, world, "analyst", password="correct horse battery stapler")

    assert "The username or the password is wrong." in page.text
    assert session.get(f"{world.url}/admin/", timeout=30, allow_redirects=False).status_code == 302


def test_a_decision_without_the_csrf_token_is_refused(world: World, analyst: Desk) -> None:
    _, _, status = waiting(world)
    case = cases_of(world, status)[2]

    answer = analyst.session.post(
        f"{analyst.url}sharing/review/",
        data={"action": "approve", "decide": "1", "_selected_action": str(case), "reason": "Forged."},
        timeout=30,
    )

    assert answer.status_code == 403
    assert cases_of(world, status)[2] == case


def test_a_token_opens_no_desk(world: World) -> None:
    answer = requests.get(
        f"{world.url}/admin/sharing/review/",
        headers=world.token("hub").bearer,
        timeout=30,
        allow_redirects=False,
    )

    assert answer.status_code == 302


def grade(analyst: Desk, world: World, organization: str, **fields: str) -> requests.Response:
    """Send the form of an organisation's page; the page that answers."""
    ((organization_id,),) = world.sql("SELECT id FROM accounts_organization WHERE slug = %s", (organization,))
    url = f"{analyst.url}accounts/organization/{organization_id}/change/"
    analyst.page = analyst.session.get(url, timeout=30)
    assert analyst.page.status_code == 200, analyst.page.text
    management = {f"grades-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    return analyst.send(url, **management, **fields)


def test_an_analyst_gives_a_source_another_grade_and_all_that_it_said_is_weighed_anew(
    world: World, analyst: Desk
) -> None:
    domain = stix.domain()
    world.submit("lab-b", [steps.indicator(domain)], community="allies")
    before = steps.indicator_in(world, "lab-a", "green", domain, community="allies")

    refused = grade(analyst, world, "lab-b", reliability="C", reason=" ")
    assert "Say why this source is given another grade." in refused.text
    try:
        accepted = grade(analyst, world, "lab-b", reliability="C", reason="Two false alarms in a week")
        world.settle()

        after = steps.indicator_in(world, "lab-a", "green", domain, community="allies")
        assert accepted.status_code == 200
        assert (before["confidence"], after["confidence"]) == (65, 45)
        assert after["modified"] > before["modified"]
        analyst.page = analyst.session.get(accepted.url, timeout=30)
        ((actor,),) = world.sql(
            "SELECT graded_by FROM accounts_grade WHERE reason = 'Two false alarms in a week'"
        )
        assert actor == "member:analyst"
    finally:
        grade(analyst, world, "lab-b", reliability="B", reason="As before")
        world.settle()
    assert steps.indicator_in(world, "lab-a", "green", domain, community="allies")["confidence"] == 65


@pytest.mark.parametrize(
    "path",
    [
        "sharing/review/?state=%00",
        "accounts/organization/?reliability__exact=%00",
        "indicators/subject/?q=%00",
        "indicators/technique/%00/change/",
    ],
)
def test_a_nul_in_an_address_of_the_desk_is_a_bad_request(world: World, analyst: Desk, path: str) -> None:
    assert analyst.session.get(f"{analyst.url}{path}", timeout=30).status_code == 400


@pytest.mark.parametrize("page", ["sharing/review", "indicators/allowlistentry", "indicators/likeness"])
def test_a_chosen_id_that_is_none_is_a_bad_request(world: World, analyst: Desk, page: str) -> None:
    url = f"{analyst.url}{page}/"
    analyst.page = analyst.session.get(url, timeout=30)
    action = {"sharing/review": "approve", "indicators/likeness": "dismiss"}.get(page, "remove")

    assert analyst.send(url, action=action, _selected_action=["x"], index=0).status_code in {302, 400}
