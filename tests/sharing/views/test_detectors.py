"""The register of detectors, as its organisations use it over REST and the operator's people at the desk."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts import secrets
from accounts.models import AuditEvent, Member, Organization, Role, Scope, Token
from indicators.models import Detector, Tier
from tests.desk import sign_in
from tests.sharing.actions.conftest import Shop

NOW = datetime(2026, 10, 5, tzinfo=UTC)
URL = "/api/v1/detectors/"


def caller(organization: Organization, scope: str = Scope.SUBMIT) -> Client:
    secret = secrets.make_secret()
    Token.objects.create(
        organization=organization,
        name=f"t-{scope}",
        digest=secrets.digest(secret),
        scopes=[scope],
        created_at=NOW,
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(client: Client, body: Any, url: str = URL) -> Any:
    return client.post(url, body, content_type="application/json")


@pytest.fixture
def hub(shop: Shop) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator")


def desk(hub: Organization, role: str) -> Client:
    member = Member.objects.create(username=f"m-{role}", organization=hub, role=role, is_staff=True)
    client = Client()
    sign_in(client, member)
    return client


def detector(shop: Shop, **members: Any) -> Detector:
    known = {"analytic": "clf", "version": "1", "registered_at": NOW, "registered_by": "x"}
    return Detector.objects.create(organization=shop.lab_a, **known | members)


def test_an_organisation_registers_its_detector_and_says_more_of_it_later(shop: Shop) -> None:
    client = caller(shop.lab_a)

    made = post(
        client,
        {
            "analytic": "clf-cot",
            "version": "7",
            "name": "CoT",
            "method": "learning",
            "false_positive_rate": 0.01,
        },
    )
    one = made["Location"]
    changed = client.patch(one, {"false_positive_rate": 0.02}, content_type="application/json")
    # It takes belief away: what was said once is lowered by the operator alone.
    refused = [
        client.patch(one, {"false_positive_rate": rate}, content_type="application/json")
        for rate in (None, 0.01)
    ]

    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["tier"], told["limited"], told["precision"]) == (
        "review",
        True,
        {"confirmed": 0, "decided": 0, "share": None},
    )
    assert changed.json()["false_positive_rate"] == 0.02
    for answer in refused:
        assert (answer.status_code, "the operator alone lowers it" in answer.text) == (400, True)
    assert [each["analytic"] for each in client.get(URL).json()] == ["clf-cot"]
    assert client.get(one).json() == changed.json()
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "detector.register",
        "detector.describe",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "analytic"),
        ({"analytic": " "}, "analytic"),
        ({"analytic": "a", "tier": "trusted"}, "tier"),
        ({"analytic": "a", "min_precision": 0}, "min_precision"),
        ({"analytic": "a", "method": "magic"}, "method"),
        ({"analytic": "a", "false_positive_rate": 1.5}, "false_positive_rate"),
        ({"analytic": "a", "false_positive_rate": "nan"}, "false_positive_rate"),
        ({"analytic": "a\x00"}, "analytic"),
        ({"analytic": "a", "colour": "red"}, "colour"),
        ({"analytic": "a" * 300}, "analytic"),
    ],
)
def test_a_bad_detector_is_refused_with_the_field_and_the_reason(shop: Shop, body: Any, field: str) -> None:
    answer = post(caller(shop.lab_a), body)

    assert answer.status_code == 400, answer.content
    assert field in answer.json()
    assert not Detector.objects.exists()


@pytest.mark.parametrize("body", ["[]", "{", "1", "null"])
def test_a_body_that_is_no_object_is_refused(shop: Shop, body: str) -> None:
    assert post(caller(shop.lab_a), body).status_code == 400


def test_a_detector_is_registered_once(shop: Shop) -> None:
    client = caller(shop.lab_a)
    post(client, {"analytic": "a"})

    again = post(client, {"analytic": "a"})

    assert (again.status_code, again.json()["code"]) == (409, "detector-registered")
    assert post(client, {"analytic": "a", "version": "2"}).status_code == 201


def test_an_organisation_sees_its_own_detectors_only_and_cannot_raise_their_tier(shop: Shop) -> None:
    one = f"{URL}{detector(shop).id}/"
    own, other, reader = caller(shop.lab_a), caller(shop.lab_b), caller(shop.lab_a, Scope.FEED_READ)

    assert own.get(one).status_code == 200
    assert own.patch(one, {"tier": "trusted"}, content_type="application/json").json() == {
        "tier": ["The operator sets it."]
    }
    assert other.get(URL).json() == []
    assert (
        other.get(one).status_code == other.patch(one, {}, content_type="application/json").status_code == 404
    )
    assert own.get(f"{URL}{10**30}/").status_code == 404
    assert reader.get(URL).status_code == 403
    assert Client().get(URL).status_code == 401


def test_only_an_admin_of_the_operator_trusts_a_detector_and_says_why(hub: Organization, shop: Shop) -> None:
    made = detector(shop)
    url = f"/admin/indicators/detector/{made.id}/change/"
    form = {"tier": "trusted", "false_positive_rate": "", "min_precision": "0.9", "min_decisions": "20"}

    desk(hub, Role.ANALYST).post(url, form | {"reason": "please"})
    made.refresh_from_db()
    assert made.tier == Tier.REVIEW
    admin = desk(hub, Role.ADMIN)
    assert b"Say why." in admin.post(url, form).content
    assert admin.post(url, form | {"reason": "Measured"}).status_code == 302

    made.refresh_from_db()
    assert (made.tier, made.min_precision) == (Tier.TRUSTED, 0.9)
    event = AuditEvent.objects.get(action="detector.change")
    assert event.detail == {"reason": "Measured", "tier": ["review", "trusted"], "min_precision": [0.8, 0.9]}


def test_an_analyst_looks_limits_lifts_withdraws_and_undoes(hub: Organization, shop: Shop) -> None:
    made = detector(shop, tier=Tier.TRUSTED)
    client = desk(hub, Role.ANALYST)
    url = "/admin/indicators/detector/"

    def act(action: str, **members: str) -> Any:
        return client.post(url, {"action": action, "_selected_action": [made.id], **members}, follow=True)

    assert b"trusted" in client.get(url).content
    assert b"nothing decided yet" in client.get(f"{url}{made.id}/change/").content
    assert b"Say why" in act("limit", decide="1", reason="").content
    act("limit", decide="1", reason="Odd")
    made.refresh_from_db()
    assert made.limited_reason == "Odd"
    act("lift", decide="1", reason="Not so odd")
    made.refresh_from_db()
    assert made.limited_at is None
    assert b"would be withdrawn" in act("withdraw").content
    assert Detector.objects.filter(withdrawn_at=None).exists()
    act("withdraw", decide="1", reason="Broken")
    assert not Detector.objects.filter(withdrawn_at=None).exists()
    act("restore", decide="1", reason="Not broken")
    assert Detector.objects.filter(withdrawn_at=None).get() == made
    assert client.get("/admin/indicators/finding/").status_code == 200


def test_nobody_else_sees_the_register_at_the_desk(hub: Organization, shop: Shop) -> None:
    detector(shop)
    for client in (desk(hub, Role.READER), desk(shop.lab_b, Role.ANALYST)):
        for url in ("/admin/indicators/detector/", "/admin/indicators/finding/"):
            assert client.get(url).status_code == 404
