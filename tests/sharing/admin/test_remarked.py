"""Who changes a TLP, and who confirms it, sees first which feeds and organisations that reaches."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, Organization
from indicators.models import Claim
from indicators.stix.markings import TLP
from sharing.actions import proposals
from sharing.models import Collection, CollectionGrant, Kind
from tests.sharing.admin.test_writing import Desk, desk, written

__all__ = ["desk"]


@pytest.fixture
def wider(desk: Desk) -> Desk:
    """With a green feed too, which lab-a reads and a cloud, and a clear one that nobody reads."""
    now = timezone.now()
    cloud = Organization.objects.create(slug="cloud", name="Cloud & Co", sector="ai-lab", created_at=now)
    Membership.objects.create(community=desk.community, organization=cloud, joined_at=now)
    lab = Organization.objects.get(slug="lab-a")
    for alias, ceiling, readers in (("green", TLP.GREEN, [lab, cloud]), ("clear", TLP.CLEAR, [])):
        feed = Collection.objects.create(
            community=desk.community,
            kind=Kind.FEED,
            alias=alias,
            title=f"{alias.title()} feed",
            ceiling=ceiling,
        )
        for reader in readers:
            CollectionGrant.objects.create(collection=feed, organization=reader, can_read=True)
    return desk


def text_of(client: Client, address: str) -> str:
    page = client.get(address).content.decode()
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def rows(client: Client, claim: Claim) -> dict[str, str]:
    """What the page of a claim says of each TLP."""
    text = text_of(client, f"/admin/claims/{claim.id}/")
    text = text[text.index("What another TLP would do") : text.index("Proposals on it")]
    parts = re.split(r"(TLP:[A-Z]+(?:\+STRICT)?) ", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def propose(desk: Desk, claim: Claim, tlp: TLP) -> None:
    proposals.change_tlp(
        claim_id=claim.id, tlp=int(tlp), member=desk.member("ada"), reason="It is known.", now=timezone.now()
    )


def test_a_claim_shows_who_would_gain_it_and_which_feeds_would_lose_it(wider: Desk) -> None:
    page = written(wider)
    wider.approve("ben")
    claim = Claim.objects.get()

    found = rows(page.client, claim)

    assert list(found) == ["TLP:RED", "TLP:AMBER+STRICT", "TLP:GREEN", "TLP:CLEAR"]
    assert "Amber feed: lets go of it See it no more: Lab A" in found["TLP:AMBER+STRICT"]
    assert "Green feed: an analyst decides: " in found["TLP:GREEN"]
    assert "Begin to see it: Cloud & Co" in found["TLP:GREEN"]
    assert "Lab A" not in found["TLP:GREEN"]
    assert "Clear feed: an analyst decides: " in found["TLP:CLEAR"]


def test_what_others_say_too_goes_on_in_their_words(wider: Desk) -> None:
    page = written(wider)
    written(wider, "ben")
    wider.approve("cleo")
    claim = Claim.objects.order_by("id")[0]

    assert "Amber feed: goes on in the words of others" in rows(page.client, claim)["TLP:RED"]


def test_what_is_to_be_lowered_shows_who_confirms_it_whom_it_reaches(wider: Desk) -> None:
    written(wider)
    wider.approve("ben")
    propose(wider, Claim.objects.get(), TLP.GREEN)

    text = text_of(wider.client("ben"), "/admin/proposals/")

    assert "Feeds that would hold it Green feed; what each would say" in text
    assert "Who begins to see it Cloud & Co" in text


def test_the_list_asks_as_many_questions_for_many_proposals_as_for_few(wider: Desk) -> None:
    client = wider.client("ben")
    counts = []
    for number in range(3):
        written(wider, pattern=f"[domain-name:value = 'n{number}.example']")
        propose(wider, Claim.objects.order_by("-id")[0], TLP.GREEN)
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/admin/proposals/").status_code == 200
        counts.append(len(asked))

    assert counts[1] == counts[2]
