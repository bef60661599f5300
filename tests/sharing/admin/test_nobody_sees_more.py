"""Every address below /admin/, for everybody whom it is not for: as if it were not there, and nothing happens."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.urls import URLResolver, get_resolver

from accounts.models import Member, Membership, Organization, Role, Token
from indicators.models import Claim, Draft, Source, Subject
from indicators.stix.markings import TLP
from sharing import tasks
from sharing.models import Kind, Proposal, Release, Review
from tests.desk import give_app, sign_in
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.admin.test_portal import furnish

OWN_SIGN_IN = re.compile(
    "admin/(csp-report|invitation|login|logout|password_change|account|jsi18n|roles|$|own/|notices/seen|portal/$"
    r"|portal/(feeds|sources|notices|submissions|send|paste|webhooks)/$|members/invite|tokens/issue|home/)"
)
"""What is for every member, of themselves or of their own organisation; other stories tell of it."""


def routes(resolver: Any = None, before: str = "") -> Iterator[str]:
    """Every address below /admin/, as its URL pattern has it."""
    for one in (resolver or get_resolver()).url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one, route)
        elif route.startswith("admin/"):
            yield route


@dataclass(slots=True)
class Rows:
    """What stands in an address: of rows that are there, none of them lab-a's; and of rows that are not."""

    there: dict[str, str]
    objects: dict[str, str]

    def address(self, route: str, *, there: bool) -> str:
        """The address of a route."""
        model = re.match(r"admin/(\w+/\w+)/<path:object_id>", route)
        if model:
            known = self.objects.get(model[1], "1")
            filler = known if there else (str(uuid4()) if "-" in known else "987654321")
            route = route.replace("<path:object_id>", filler)
        route = route.replace("^(?P<app_label>accounts|indicators|sharing)/$", "sharing/")
        route = route.replace("(?P<url>.*)$", "what/ever/")

        def filled(found: re.Match[str]) -> str:
            kind, name = found[1], found[2]
            if name in self.there and (there or not name.endswith("_id")):
                return self.there[name]
            return {"uuid": str(uuid4()), "int": "987654321"}.get(kind, f"indicator--{uuid4()}")

        return "/" + re.sub(r"<(\w+):(\w+)>", filled, route)


@pytest.fixture
def rows(shop: Shop, operator: Organization, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: None)
    Membership.objects.create(community=shop.community, organization=operator, joined_at=NOW)
    feed = shop.collection(Kind.FEED)
    furnish(shop, shop.lab_a, feed, 1)
    theirs = furnish(shop, shop.lab_b, feed, 2)
    analyst = Member.objects.create(username="ann", organization=operator, role="analyst", is_staff=True)
    target = Member.objects.create(username="b-admin", organization=shop.lab_b, role="admin", is_staff=True)
    claim = Claim.objects.filter(organization=shop.lab_b).first()
    assert claim is not None
    release = Release.objects.filter(subject_id=claim.subject_id).first()
    assert release is not None
    review = Review.objects.create(
        release=release, community=shop.community, opened_at=NOW, sources=1, reason="blast-radius"
    )
    proposal = Proposal.objects.create(
        kind="lower-tlp", community=shop.community, claim=claim, tlp=int(TLP.CLEAR), stated_tlp=claim.stated_tlp,
        reason="x", proposed_by=analyst, proposed_at=NOW,
    )  # fmt: skip
    draft = Draft.objects.create(
        community=shop.community, organization=operator, object_type="indicator", object_id=f"indicator--{uuid4()}",
        body={"type": "indicator"}, author=analyst, saved_by=analyst, created_at=NOW, saved_at=NOW,
    )  # fmt: skip
    objects = {}
    for model in admin.site._registry:
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            objects[f"{model._meta.app_label}/{model._meta.model_name}"] = str(row.pk)
    token = Token.objects.filter(organization=shop.lab_b).first()
    source = Source.objects.filter(organization=shop.lab_b).first()
    assert token is not None
    assert source is not None
    there = {
        "member_id": target.pk, "token_id": token.pk, "organization_id": shop.lab_b.pk, "collection_id": feed.pk,
        "community_id": shop.community.pk, "submission_id": theirs.submission, "upload_id": theirs.upload,
        "webhook_id": theirs.webhook, "delivery_id": theirs.delivery, "claim_id": claim.pk,
        "proposal_id": proposal.pk, "review_id": review.pk, "draft_id": draft.pk, "source_id": source.pk,
        "object_id": claim.object_id, "campaign_id": claim.object_id, "node": claim.object_id,
        "object_type": "indicator", "doing": "pause", "name": "reviews",
        "content_type_id": ContentType.objects.get_for_model(Subject).pk,
    }  # fmt: skip
    there["object_id"] = claim.object_id
    return Rows({name: str(value) for name, value in there.items()}, objects)


def everything() -> dict[str, Any]:
    """A digest of every table but sessions and sign-in limits."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in {"django_session", "accounts_signinlimit"}:
                continue
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"
            )
            found[table] = cursor.fetchone()
    return found


def plain(answer: Any) -> tuple[Any, ...]:
    """An answer without what differs at every request."""
    text = answer.content.decode() if not answer.streaming else "streamed"
    text = re.sub(
        r'nonce[=\\":-]+[\w+/=-]+|csrfmiddlewaretoken" value="\w+|hx-headers=\S+|[0-9a-f-]{36}|\b\d{9}\b',
        "",
        text,
    )
    return answer.status_code, text


FIRST = [("lab-a", "admin"), ("hub", "submitter")]
OTHERS = [*product(["lab-a", "outsider"], Role.values), ("hub", "reader")]
PEOPLE = [*FIRST, *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS if one not in FIRST)]


@pytest.mark.parametrize(("organization", "role"), PEOPLE)
def test_what_is_not_ones_own_is_as_if_it_were_not_there(rows: Rows, organization: str, role: str) -> None:
    member = Member.objects.create(
        username=f"{organization}-{role}", organization=Organization.objects.get(slug=organization), role=role
    )
    client = sign_in(Client(), member)
    before = everything()
    wrong = []
    for route in sorted(set(routes())):
        if OWN_SIGN_IN.match(route):
            continue
        known, unknown = rows.address(route, there=True), rows.address(route, there=False)
        for method in (client.get, client.post):
            found, none = method(known), method(unknown)
            if found.status_code not in {404, 405} or plain(found) != plain(none):
                wrong.append((method.__name__, known, found.status_code, none.status_code))
    assert not wrong, "\n".join(map(str, wrong))
    assert everything() == before


def signed_out(member: Member) -> Client:
    return Client()


def without_second_factor(member: Member) -> Client:
    client = Client()
    client.force_login(member)
    return client


def second_factor_not_shown(member: Member) -> Client:
    give_app(member)
    return without_second_factor(member)


def switched_off(member: Member) -> Client:
    client = sign_in(Client(), member)
    Member.objects.filter(id=member.id).update(is_active=False)
    return client


@pytest.mark.parametrize(
    "come",
    [
        signed_out,
        without_second_factor,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (second_factor_not_shown, switched_off)),
    ],
)
def test_who_has_not_wholly_signed_in_is_sent_to_where_they_can(
    rows: Rows, come: Callable[[Member], Client]
) -> None:
    client = come(Member.objects.get(username="ann"))
    before = everything()
    wrong = []
    for route in sorted(set(routes())):
        if re.match("admin/(csp-report|invitation|login|logout|password_change|account)", route):
            continue
        known, unknown = rows.address(route, there=True), rows.address(route, there=False)
        for method in (client.get, client.post):
            found, none = method(known), method(unknown)
            to = found.headers.get("Location", "").partition("?")[0]
            if found.status_code != 302 or not re.fullmatch("/admin/(login|account/.*)/|/admin/account/", to):
                wrong.append((method.__name__, known, found.status_code, to))
            elif none.headers.get("Location", "").partition("?")[0] != to:
                wrong.append((method.__name__, unknown, none.status_code, to))
    assert not wrong, "\n".join(map(str, wrong))
    assert everything() == before


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "10000-01-01", "2026-02-30", "\0"])
def test_a_day_at_the_end_of_the_calendar_fails_nothing(operator: Organization, day: str) -> None:
    client = sign_in(
        Client(), Member.objects.create(username="ann", organization=operator, role="analyst", is_staff=True)
    )
    for name in ("since", "until"):
        assert client.get("/admin/search/", {"q": "x", name: day}).status_code in {200, 400}
        assert client.get("/admin/accounts/auditevent/", {name: day}).status_code in {200, 400}
        assert client.post("/admin/audit.csv", {name: day}).status_code in {200, 400}


def test_nothing_is_taken_without_the_token_of_a_form(rows: Rows) -> None:
    member = Member.objects.create(
        username="admin", organization=Organization.objects.get(slug="hub"), role="admin", is_staff=True
    )
    client = sign_in(Client(enforce_csrf_checks=True), member)
    before = everything()
    for route in sorted(set(routes()) - {"admin/csp-report/"}):
        answer = client.post(rows.address(route, there=True), headers={"HX-Request": "true"})
        assert answer.status_code == 403, route
    assert everything() == before
