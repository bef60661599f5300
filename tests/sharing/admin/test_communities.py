"""Communities, collections and organisations at the desk: who would see what is shown before it is so."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.actions import tokens
from accounts.actor import Actor
from accounts.models import AuditEvent, Community, Organization
from sharing.actions import communities
from sharing.models import Collection, CollectionGrant
from tests.who import NOW, People

BY = Actor("service:test")
FILE = """
communities:
  - slug: trust
    title: Trust
    members: [hub, lab-a]
    collections:
      - {alias: amber, title: Amber, kind: feed, ceiling: amber}
      - {alias: strict, title: Strict, kind: feed, ceiling: amber+strict, read: [hub]}
      - {alias: exchange, title: Exchange, kind: open, ceiling: green, write: [lab-a]}
"""
pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> People:
    return People.made()


@pytest.fixture
def trust(people: People) -> Community:
    communities.apply(communities.parse(FILE), by=BY, now=NOW)
    return Community.objects.get()


@pytest.fixture
def admin(people: People) -> Client:
    return people.client(people.hub, "admin")


def rule(trust: Community | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Trust",
        "description": "",
        "members": ["hub", "lab-a"],
        "default_tlp": "2",
        "personal_data": "refuse",
        "auto_release": "none",
        "min_confidence": "80",
        "min_sources": "2",
    } | changes


def text_of(content: bytes) -> str:
    """What is written on a page, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content.decode()))


def seen_on(content: bytes) -> str:
    (found,) = re.findall(r'name="seen" value="([0-9a-f]{64})"', content.decode())
    return str(found)


def secret_of(organization: Organization) -> str:
    return tokens.issue(organization_id=organization.id, name="t", scopes=["feed:read"], by=BY, now=NOW)[1]


def served(secret: str) -> set[str]:
    """The titles of the collections that TAXII shows and lets read."""
    headers = {"Authorization": f"Bearer {secret}", "Accept": "application/taxii+json;version=2.1"}
    answer = Client().get("/taxii2/trust/collections/", headers=headers)
    return {one["title"] for one in answer.json().get("collections", ()) if one["can_read"]}


def test_who_joins_is_previewed_and_then_served_just_that(
    people: People, trust: Community, admin: Client
) -> None:
    secret = secret_of(people.lab_b)
    page = reverse("admin:community_change", args=[trust.id])
    wanted = rule(members=["hub", "lab-a", "lab-b"])

    preview = admin.post(page, wanted)

    shown = text_of(preview.content)
    assert "Nothing has changed yet" in shown
    assert "lab-b joined trust" in shown
    foreseen = {
        one.access.collection for one in preview.context["organizations"]["Lab B"] if one.gains_reading
    }
    assert foreseen == {"Amber", "Exchange", "Inbox of Lab B"}
    assert served(secret) == set()

    done = admin.post(page, wanted | {"seen": seen_on(preview.content)})

    assert done.status_code == 302
    assert served(secret) == foreseen
    assert AuditEvent.objects.filter(actor="member:hub-admin", action="community.join").count() == 1


def test_who_loses_access_is_named(people: People, trust: Community, admin: Client) -> None:
    secret = secret_of(people.lab_a)
    Collection.objects.filter(alias="amber").update(next_index=17, edge=bytes(2 * 32))
    amber = Collection.objects.get(alias="amber")
    page = reverse("admin:collection_change", args=[amber.id])
    preview = admin.post(page, {"title": "Amber", "description": "", "read": ["hub"]})
    assert "Lab A" in preview.context["organizations"]
    assert "loses what comes; what it pulled stays with it" in text_of(preview.content)
    assert "Amber" in served(secret)
    admin.post(page, {"title": "Amber", "description": "", "read": ["hub"], "seen": seen_on(preview.content)})
    assert "Amber" not in served(secret)


def test_who_is_let_in_is_told_to_gain_what_was_published(trust: Community, admin: Client) -> None:
    Collection.objects.filter(alias="strict").update(next_index=17, edge=bytes(2 * 32))
    strict = Collection.objects.get(alias="strict")
    preview = admin.post(
        reverse("admin:collection_change", args=[strict.id]),
        {"title": "Strict", "description": "", "read": ["hub", "lab-a"]},
    )
    assert "gains all 17 entries published so far" in text_of(preview.content)


def test_a_preview_that_somebody_overtook_is_shown_again(trust: Community, admin: Client) -> None:
    page = reverse("admin:community_change", args=[trust.id])
    seen = seen_on(admin.post(page, rule(title="Other")).content)
    Community.objects.update(description="somebody else's")
    again = admin.post(page, rule(title="Other", seen=seen))
    assert "Somebody changed this community meanwhile" in again.content.decode()
    assert seen_on(again.content) != seen
    trust.refresh_from_db()
    assert trust.title == "Trust"


def test_one_goes_back_from_the_preview_to_the_form(trust: Community, admin: Client) -> None:
    page = reverse("admin:community_change", args=[trust.id])
    shown = admin.post(page, rule(title="Other", edit="1"))
    assert 'value="Other"' in shown.content.decode()
    assert "seen" not in shown.context["form"].data


def test_a_changed_rule_is_pointed_out(trust: Community, admin: Client) -> None:
    page = reverse("admin:community_change", args=[trust.id])
    wanted = rule(auto_release="rule", min_confidence="60", min_sources="3")
    preview = admin.post(page, wanted)
    assert "Everything in this community is decided anew" in text_of(preview.content)
    admin.post(page, wanted | {"seen": seen_on(preview.content)})
    trust.refresh_from_db()
    assert (trust.auto_release, trust.min_confidence, trust.min_sources) == ("rule", 60, 3)


def test_a_community_and_its_collections_are_made(people: People, admin: Client) -> None:
    page = reverse("admin:community_add")
    wanted = rule(slug="fresh", title="Fresh")
    done = admin.post(page, wanted | {"seen": seen_on(admin.post(page, wanted).content)}, follow=True)
    assert "made community fresh" in done.content.decode()
    fresh = Community.objects.get(slug="fresh")

    page = reverse("admin:collection_add", args=[fresh.id])
    assert sorted(admin.get(page).context["form"].initial["read"]) == ["hub", "lab-a"]
    shelf = {
        "title": "Green", "alias": "green", "kind": "open", "ceiling": "1", "profile": "full",
        "description": "", "read": ["hub", "lab-a"], "write": ["lab-a"],
    }  # fmt: skip
    admin.post(page, shelf | {"seen": seen_on(admin.post(page, shelf).content)})
    made = Collection.objects.get(community=fresh, alias="green")
    grants = CollectionGrant.objects.filter(collection=made).order_by("organization__slug")
    assert list(grants.values_list("organization__slug", "can_read", "can_write")) == [
        ("hub", True, False),
        ("lab-a", True, True),
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"title": "A, B"}, "Without full stops and commas"),
        ({"alias": "amber"}, "There is a collection amber here already"),
        ({"alias": "inbox"}, "There is a collection inbox here already"),
        ({"alias": "Bad Alias"}, "Small letters"),
        ({"kind": "inbox"}, "Select a valid choice"),
        ({"kind": "feed", "ceiling": "4", "write": []}, "TLP:RED is in no feed"),
        ({"kind": "feed", "write": ["lab-a"]}, "Only the service writes to a feed"),
        ({"profile": "core"}, "An open collection holds what is posted there"),
        ({"read": ["lab-b"]}, "Select a valid choice"),
        ({"title": "Amber"}, "Amber given twice"),
    ],
)
def test_what_is_wrong_with_a_collection_is_told(
    trust: Community, admin: Client, changes: dict[str, Any], sentence: str
) -> None:
    before = Collection.objects.count()
    shelf = {
        "title": "New", "alias": "new", "kind": "open", "ceiling": "1", "profile": "full",
        "read": ["hub"], "write": [],
    } | changes  # fmt: skip
    answer = admin.post(reverse("admin:collection_add", args=[trust.id]), shelf)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Collection.objects.count() == before


def test_what_an_organisation_sees_is_what_it_is_served(
    people: People, trust: Community, admin: Client
) -> None:
    secret = secret_of(people.lab_a)
    answer = admin.get(reverse("admin:access_of", args=[people.lab_a.id]))
    shown = {one.collection for one in answer.context["communities"]["Trust"] if one.can_read}
    assert shown == served(secret) == {"Amber", "Exchange", "Inbox of Lab A"}
    assert [token.name for token in answer.context["tokens"]] == ["t"]

    nothing = admin.get(reverse("admin:access_of", args=[people.lab_b.id]))
    assert "it sees nothing" in text_of(nothing.content)


def test_who_reads_a_collection_is_told_with_the_tokens(
    people: People, trust: Community, admin: Client
) -> None:
    secret_of(people.lab_a)
    exchange = Collection.objects.get(alias="exchange")
    answer = admin.get(reverse("admin:collection_readers", args=[exchange.id]))
    assert [
        (one.organization, one.rights, [token.name for token in reading], [token.name for token in writing])
        for one, reading, writing in answer.context["readers"]
    ] == [("Hub", "read", [], []), ("Lab A", "read and write", ["t"], [])]


PAGES = ("community_change", "collection_add", "collection_change", "community_add")


@pytest.mark.parametrize(
    ("organization", "role"), [("hub", "analyst"), ("hub", "reader"), ("lab_a", "admin")]
)
def test_only_the_operators_admins_change_who_sees_what(
    people: People, trust: Community, organization: str, role: str
) -> None:
    client = people.client(getattr(people, organization), role)
    amber = Collection.objects.get(alias="amber")
    for page in (
        reverse("admin:community_change", args=[trust.id]),
        reverse("admin:collection_add", args=[trust.id]),
        reverse("admin:collection_change", args=[amber.id]),
        reverse("admin:community_add"),
        reverse("admin:organization_add"),
        reverse("admin:organization_change", args=[people.lab_a.id]),
    ):
        assert client.get(page).status_code == 404
        assert client.post(page, rule(members=[])).status_code == 404
    looks = 200 if (organization, role) == ("hub", "analyst") else 404
    for page in (
        reverse("admin:community", args=[trust.id]),
        reverse("admin:access"),
        reverse("admin:access_of", args=[people.lab_a.id]),
        reverse("admin:collection_readers", args=[amber.id]),
    ):
        answer = client.get(page)
        assert answer.status_code == looks
        assert "Change rule or members" not in answer.content.decode()
    assert trust.members.count() == 2


def test_pages_ask_the_database_as_often_for_many_as_for_few(
    people: People, trust: Community, admin: Client, django_assert_max_num_queries: Any
) -> None:
    many = [
        Organization.objects.create(slug=f"o-{number}", name=f"O {number}", sector="ai-lab", created_at=NOW)
        for number in range(12)
    ]
    text = FILE.replace("[hub, lab-a]", f"[hub, lab-a, {', '.join(one.slug for one in many)}]")
    communities.apply(communities.parse(text), by=BY, now=NOW)
    for one in many:
        secret_of(one)
    amber = Collection.objects.get(alias="amber")
    for page in (
        reverse("admin:community", args=[trust.id]),
        reverse("admin:access"),
        reverse("admin:access_of", args=[many[0].id]),
        reverse("admin:collection_readers", args=[amber.id]),
    ):
        with django_assert_max_num_queries(9):
            assert admin.get(page).status_code == 200


def test_an_organisation_is_made_and_changed(people: People, admin: Client) -> None:
    wanted = {
        "name": "Cloud C", "slug": "cloud-c", "sector": "cloud-provider", "platforms": "one, two",
        "prompt_text": "allow", "reliability": "C",
    }  # fmt: skip
    assert admin.post(reverse("admin:organization_add"), wanted).status_code == 302
    made = Organization.objects.get(slug="cloud-c")
    assert (made.platforms, made.reliability, made.grades.count()) == (["one", "two"], "C", 1)

    page = reverse("admin:organization_change", args=[made.id])
    assert 'value="one, two"' in admin.get(page).content.decode()
    admin.post(page, wanted | {"platforms": "one", "sector": "authority"})
    made.refresh_from_db()
    assert (made.platforms, made.sector) == (["one"], "authority")
    assert AuditEvent.objects.get(action="organization.change").detail == {
        "before": {"platforms": ["one", "two"], "sector": "cloud-provider"},
        "after": {"platforms": ["one"], "sector": "authority"},
    }
    shown = admin.get(reverse("admin:accounts_organization_change", args=[made.id])).content.decode()
    assert reverse("admin:access_of", args=[made.id]) in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"slug": "hub"}, "There is an organisation hub already"),
        ({"slug": "Bad_Slug"}, "Small letters"),
        ({"platforms": "ok, Not Ok"}, "Not Ok"),
        ({"sector": "martian"}, "Select a valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_what_is_wrong_with_an_organisation_is_told(
    admin: Client, changes: dict[str, Any], sentence: str
) -> None:
    wanted = {
        "name": "X", "slug": "x", "sector": "ai-lab", "platforms": "", "prompt_text": "refuse", "reliability": "F",
    } | changes  # fmt: skip
    answer = admin.post(reverse("admin:organization_add"), wanted)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Organization.objects.count() == 3


def test_the_operator_does_not_stop_being_one_by_mistake(people: People, admin: Client) -> None:
    page = reverse("admin:organization_change", args=[people.hub.id])
    answer = admin.post(
        page, {"name": "Hub", "sector": "researcher", "platforms": "", "prompt_text": "refuse"}
    )
    assert "nobody could administer" in answer.content.decode()
    people.hub.refresh_from_db()
    assert people.hub.sector == "operator"
