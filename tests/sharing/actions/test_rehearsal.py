"""Changing a community at the desk: what is previewed is what the protocol serves afterwards, and nothing before."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.test import Client

from accounts.actions import tokens
from accounts.actions.refusal import Invalid
from accounts.actor import Actor
from accounts.models import AuditEvent, Community, Organization
from indicators.models import PendingFold, Subject
from sharing import access
from sharing.actions import communities, outlooks, rehearsal
from sharing.actions.communities import CollectionSpec, CommunitySpec, ReviewSpec
from sharing.models import Collection
from tests.sharing.actions.conftest import NOW, Shop

BY = Actor("member:ana")
FILE = """
organizations: []
communities:
  - slug: shop
    title: Shop
    members: [lab-a, lab-b]
    review: {auto_release: all}
    collections:
      - {alias: amber, title: Amber, kind: feed, ceiling: amber}
      - {alias: strict, title: Strict, kind: feed, ceiling: amber+strict, read: [lab-a]}
      - {alias: exchange, title: Exchange, kind: open, ceiling: amber, write: [lab-a], read: [lab-a, lab-b]}
"""


@pytest.fixture
def standing(shop: Shop) -> Shop:
    communities.apply(communities.parse(FILE), by=BY, now=NOW)
    return shop


@pytest.fixture
def secrets(standing: Shop) -> dict[str, str]:
    """A token of each organisation that reads and submits."""
    return {
        one.slug: tokens.issue(
            organization_id=one.id, name="t", scopes=["feed:read", "submit"], by=BY, now=NOW
        )[1]
        for one in Organization.objects.all()
    }


Served = set[tuple[str, str, bool, bool]]


def served(secrets: dict[str, str]) -> Served:
    """What TAXII serves to each: (organisation, collection's title, may read, may write)."""
    found = set()
    for slug, secret in secrets.items():
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/taxii+json;version=2.1"}
        answer = Client().get("/taxii2/shop/collections/", headers=headers)
        for one in answer.json().get("collections", ()) if answer.status_code == 200 else ():
            found.add((slug, one["title"], one["can_read"], one["can_write"]))
            read = Client().get(f"/taxii2/shop/collections/{one['id']}/objects/", headers=headers)
            assert (read.status_code == 200) is one["can_read"]
    return found


def granted(community: Community) -> Served:
    return {
        (one.organization_slug, one.collection, one.can_read, one.can_write)
        for one in access.of_community(community.id)
    }


def in_collection(spec: CommunitySpec, alias: str, **changes: Any) -> CommunitySpec:
    return msgspec.structs.replace(
        spec,
        collections=[
            msgspec.structs.replace(one, **changes) if one.alias == alias else one for one in spec.collections
        ],
    )


def new_feed(spec: CommunitySpec) -> CommunitySpec:
    made = CollectionSpec(alias="green", title="Green", kind="feed", ceiling="green", read=["lab-b"])
    return msgspec.structs.replace(spec, collections=[*spec.collections, made])


CHANGES: dict[str, Callable[[CommunitySpec], CommunitySpec]] = {
    "an organisation joins": lambda spec: rehearsal.with_members(spec, ["lab-a", "lab-b", "outsider"]),
    "an organisation leaves": lambda spec: rehearsal.with_members(spec, ["lab-b"]),
    "one organisation is let in": lambda spec: in_collection(spec, "strict", read=["lab-a", "lab-b"]),
    "one organisation is shut out": lambda spec: in_collection(spec, "amber", read=["lab-b"]),
    "a collection is closed": lambda spec: in_collection(spec, "exchange", read=[], write=[]),
    "the writer changes": lambda spec: in_collection(spec, "exchange", write=["lab-b"]),
    "a feed is made": new_feed,
    "everybody goes": lambda spec: rehearsal.with_members(spec, []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_previewed_is_what_taxii_serves_then(
    standing: Shop, secrets: dict[str, str], change: str
) -> None:
    before = served(secrets)
    assert before == granted(standing.community)
    wanted = CHANGES[change](rehearsal.as_stands(standing.community))
    events = AuditEvent.objects.count()

    found = rehearsal.rehearse(wanted, by=BY, now=NOW)

    # Nothing has happened yet.
    assert served(secrets) == before
    assert AuditEvent.objects.count() == events
    assert found.changes
    foreseen = {entry for entry in before if not any(_is(entry, one) for one in found.differences)}
    foreseen |= {
        (one.access.organization_slug, one.access.collection, *one.has)
        for one in found.differences
        if any(one.has)
    }

    rehearsal.carry_out(wanted, seen=found.seen, by=BY, now=NOW)

    assert served(secrets) == foreseen == granted(standing.community)
    assert foreseen != before
    assert AuditEvent.objects.count() > events


def _is(entry: tuple[str, str, bool, bool], one: access.Difference) -> bool:
    return entry[:2] == (one.access.organization_slug, one.access.collection)


def test_what_stands_changes_nothing(standing: Shop) -> None:
    found = rehearsal.rehearse(rehearsal.as_stands(standing.community), by=BY, now=NOW)
    assert (found.changes, found.differences, found.is_rule_changed) == ([], [], False)


def test_who_joins_gets_what_everybody_has_and_no_more(standing: Shop) -> None:
    wanted = rehearsal.with_members(rehearsal.as_stands(standing.community), ["lab-a", "lab-b", "outsider"])
    found = rehearsal.rehearse(wanted, by=BY, now=NOW)
    gained = {
        (one.access.alias, one.after)
        for one in found.differences
        if one.access.organization_slug == "outsider"
    }
    assert gained == {("amber", "read"), ("exchange", "read"), ("inbox", "read and write")}


def test_a_change_that_was_overtaken_is_not_carried_out(standing: Shop) -> None:
    wanted = rehearsal.with_members(rehearsal.as_stands(standing.community), ["lab-a"])
    found = rehearsal.rehearse(wanted, by=BY, now=NOW)
    Community.objects.update(title="Another")
    with pytest.raises(rehearsal.Overtaken):
        rehearsal.carry_out(wanted, seen=found.seen, by=BY, now=NOW)
    assert set(standing.community.members.values_list("slug", flat=True)) == {"lab-a", "lab-b"}


def test_a_rehearsal_queues_nothing_and_the_change_does(standing: Shop) -> None:
    Subject.objects.create(community=standing.community, object_type="indicator", key=b"k")
    PendingFold.objects.all().delete()
    wanted = msgspec.structs.replace(
        rehearsal.as_stands(standing.community), review=ReviewSpec(auto_release="none")
    )
    found = rehearsal.rehearse(wanted, by=BY, now=NOW)
    assert found.is_rule_changed
    assert not PendingFold.objects.exists()
    rehearsal.carry_out(wanted, seen=found.seen, by=BY, now=NOW)
    assert PendingFold.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: in_collection(spec, "amber", read=["outsider"]), "no members"),
        (lambda spec: in_collection(spec, "amber", ceiling="green"), "one audience for good"),
        (lambda spec: in_collection(spec, "amber", title="A, B."), "title"),
        (lambda spec: rehearsal.with_members(spec, ["nobody"]), "there is no organization nobody"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(
    standing: Shop, change: Callable[[CommunitySpec], CommunitySpec], words: str
) -> None:
    before = granted(standing.community)
    with pytest.raises(Invalid, match=words):
        rehearsal.rehearse(change(rehearsal.as_stands(standing.community)), by=BY, now=NOW)
    assert granted(standing.community) == before


def test_a_new_community_is_rehearsed_and_made(standing: Shop) -> None:
    wanted = CommunitySpec(
        slug="fresh",
        title="Fresh",
        members=["lab-a"],
        collections=[CollectionSpec(alias="amber", title="Amber", kind="feed", ceiling="amber")],
    )
    found = rehearsal.rehearse(wanted, by=BY, now=NOW)
    assert not Community.objects.filter(slug="fresh").exists()
    assert {(one.access.alias, one.after) for one in found.differences} == {
        ("amber", "read"),
        ("inbox", "read and write"),
    }
    rehearsal.carry_out(wanted, seen=found.seen, by=BY, now=NOW)
    assert Collection.objects.filter(community__slug="fresh").count() == 2


def test_readers_of_a_case_are_those_whom_taxii_serves(standing: Shop) -> None:
    assert [one.name for one in outlooks.readers_of(standing.community.id, 2, core=True)] == [
        "Lab-A",
        "Lab-B",
    ]
    assert [one.name for one in outlooks.readers_of(standing.community.id, 3, core=True)] == ["Lab-A"]
    standing.community.membership_set.filter(organization=standing.lab_a).delete()
    # A grant that is left over opens nothing.
    assert [one.name for one in outlooks.readers_of(standing.community.id, 3, core=True)] == []
