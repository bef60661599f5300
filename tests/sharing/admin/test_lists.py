"""Lists at the desk: what stands beside their rows is asked for once a page, not once a row."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from accounts.actions.notices import tell_with_operator
from accounts.models import Community, Member, Membership, Organization, Role, Token
from indicators.models import (
    Claim,
    Detector,
    Draft,
    Finding,
    Likeness,
    Merge,
    Source,
    Subject,
    Submission,
    SubmittedObject,
    Upload,
)
from sharing import tasks
from sharing.models import (
    Collection,
    CollectionGrant,
    Delivery,
    DeliveryKind,
    Erasure,
    Kind,
    Proposal,
    Reached,
    Review,
    Silence,
    SubmitterKey,
    Webhook,
    Withdrawal,
)
from tests.conformance import stix
from tests.journeys.steps import GREEN
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox, send
from tests.sharing.admin.people import signed_in
from tests.sharing.conftest import Counted

pytestmark = pytest.mark.django_db


def some(shop: Shop, start: int, count: int) -> None:
    """So many detectors, likenesses and lines of the merge journal, from a number on."""
    for number in range(start, start + count):
        Detector.objects.create(
            organization=shop.lab_a, analytic=f"a{number}", registered_at=NOW, registered_by="service:test"
        )
        one, other = (
            Subject.objects.create(community=shop.community, key=f"{number}-{n}".encode(), object_type="tool")
            for n in range(2)
        )
        Likeness.objects.create(
            community=shop.community, first=one, second=other, similarity=0.7, found_at=NOW
        )
        Merge.objects.create(
            community=shop.community,
            kind="analyst",
            survivor=one,
            other=other,
            reason="The same.",
            made_at=NOW + timedelta(seconds=number),
            made_by="member:test",
        )


@pytest.mark.parametrize("model", ["detector", "likeness", "merge"])
def test_a_longer_page_of_a_list_asks_no_more_often(
    model: str,
    shop: Shop,
    operator: Organization,
    statements: Callable[[], AbstractContextManager[Counted]],
) -> None:
    client = signed_in(operator, "analyst")
    page = reverse(f"admin:indicators_{model}_changelist")
    counts = []
    for start, count in ((0, 2), (2, 10)):
        some(shop, start, count)
        client.get(page)
        with statements() as counted:
            assert client.get(page).status_code == 200
        counts.append(counted.count)
    assert counts[0] == counts[1]


# ------------------------------------------------------------------------------------------ all other lists

LISTS = (
    "admin:accounts_member_changelist",
    "admin:accounts_notice_changelist",
    "admin:accounts_organization_changelist",
    "admin:accounts_token_changelist",
    "admin:erasures",
    "admin:indicators_finding_changelist",
    "admin:indicators_source_changelist",
    "admin:indicators_submission_changelist",
    "admin:indicators_upload_changelist",
    "admin:own_keys",
    "admin:own_members",
    "admin:own_tokens",
    "admin:portal",
    "admin:portal_notices",
    "admin:portal_sources",
    "admin:portal_submissions",
    "admin:portal_webhooks",
    "admin:proposals",
    "admin:said",
    "admin:sharing_delivery_changelist",
    "admin:sharing_silence_changelist",
    "admin:sharing_webhook_changelist",
    "admin:withdrawals",
    "admin:write",
)
MOST = 60
SAID = stix.indicator(pattern="[domain-name:value = 'said.example']", object_marking_refs=[GREEN])


def grow(shop: Shop, hub: Organization, analyst: Member, feed: Collection, start: int, count: int) -> None:
    """So many rows of every list, from a number on, each of an organisation of its own."""
    for number in range(start, start + count):
        other = Organization.objects.create(
            slug=f"o{number}", name=f"O{number}", sector="ai-lab", created_at=NOW
        )
        Membership.objects.create(community=shop.community, organization=other, joined_at=NOW)
        CollectionGrant.objects.create(collection=feed, organization=other, can_read=True, can_write=False)
        now = NOW + timedelta(seconds=number)
        one = stix.indicator(
            pattern=f"[domain-name:value = 'h{number}.example']", object_marking_refs=[GREEN]
        )
        send(shop, [one, SAID], organization=other)
        send(shop, [one, SAID | {"modified": f"2024-06-{number + 1:02}T00:00:00.000Z"}], organization=hub)
        claim = Claim.objects.get(organization=other, object_id=one["id"])
        for owner in (hub, other):
            name = f"{owner.slug}-{number}"
            Member.objects.create(username=name, organization=owner, role=Role.READER)
            token = Token.objects.create(
                organization=owner, name=name, digest=uuid4().bytes * 2, scopes=["submit"]
            )
            upload = Upload.objects.create(
                community=shop.community, organization=owner, sent_by="member:x", channel="form", name="a.csv",
                collection_id=inbox(shop, owner).id, format="csv", size=1, sha256=uuid4().bytes * 2, part_count=1,
                object_count=1, received_at=now,
            )  # fmt: skip
            sent = Submission.objects.create(
                community=shop.community, organization=owner, token=token, channel="form", body=b"x",
                collection_id=inbox(shop, owner).id, body_sha256=uuid4().bytes * 2, object_count=1, state="ingested",
                upload=upload, part=1, received_at=now, ingested_at=now,
            )  # fmt: skip
            SubmittedObject.objects.create(
                submission=sent, ordinal=0, object_id=one["id"], version="", outcome="new", reason="new",
                sentence="New.", subject=claim.subject,
            )  # fmt: skip
            detector = Detector.objects.create(
                organization=owner, analytic=name, registered_at=now, registered_by="service:test"
            )
            Finding.objects.create(
                community=shop.community, organization=owner, uid=name, detector=detector, object_id=one["id"],
                created="x", version="x", submission=sent, received_at=now,
            )  # fmt: skip
            Source.objects.create(
                name=name, kind="taxii", community=shop.community, organization=owner, collection="c",
                url=f"https://source.example/{number}", next_at=now, created_at=now,
            )  # fmt: skip
            Silence.objects.create(
                organization=owner, community=shop.community, channel="rest", token=token, last_received_at=now,
                noticed_at=now,
            )  # fmt: skip
            webhook = Webhook.objects.create(
                organization=owner, url=f"https://hook.example/{number}", what=["receipts"], next_at=now,
                created_at=now, created_by="service:test",
            )  # fmt: skip
            Delivery.objects.create(
                webhook=webhook, kind=DeliveryKind.TEST, state="failed", next_at=now, created_at=now
            )
            SubmitterKey.objects.create(
                organization=owner, kid=f"{name:k<43}", jwk={"kty": "OKP"}, name=name, registered_at=now,
                registered_by="service:test",
            )  # fmt: skip
            tell_with_operator(organization_id=owner.id, kind="k", target=name, sentence="Silent.", now=now)
        Draft.objects.create(
            community=shop.community, organization=hub, object_type="indicator", object_id=f"indicator--{uuid4()}",
            body={"type": "indicator"}, author=analyst, saved_by=analyst, created_at=now, saved_at=now,
        )  # fmt: skip
        # The pages of one thing that has a list: a receipt and a webhook.
        sent_by_hub = Submission.objects.filter(organization=hub, channel="rest")
        receipt = sent_by_hub.filter(submittedobject__ordinal=100).first() or sent_by_hub.earliest("id")
        SubmittedObject.objects.create(
            submission=receipt, ordinal=100 + number, object_id=one["id"], version="", outcome="new", reason="new",
            sentence="New.", subject=claim.subject,
        )  # fmt: skip
        Delivery.objects.create(
            webhook=Webhook.objects.filter(organization=hub).earliest("created_at"), kind=DeliveryKind.TEST,
            state="failed", next_at=now, created_at=now,
        )  # fmt: skip
        erasure = Erasure.objects.create(reference=name, subjects=[claim.subject_id], ordered_at=now)
        for kind, members in (
            ("erase", {"erasure": erasure}),
            ("lower-tlp", {"claim": claim, "tlp": 0, "stated_tlp": claim.stated_tlp}),
        ):
            Proposal.objects.create(
                kind=kind,
                community=shop.community,
                reason="x",
                proposed_by=analyst,
                proposed_at=now,
                **members,
            )
        Withdrawal.objects.create(
            collection=feed, index=number, withdrawn_by=number, added=1, at=now, reason="deleted",
            object_id=one["id"], version="x", organization=other, erasure=erasure,
        )  # fmt: skip
        Reached.objects.create(collection=feed, index=0, organization=other, token=token, ways=["page"])


def test_no_list_of_the_desk_or_the_portal_asks_once_a_row(
    shop: Shop,
    operator: Organization,
    statements: Callable[[], AbstractContextManager[Counted]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: None)
    Membership.objects.create(community=shop.community, organization=operator, joined_at=NOW)
    feed = shop.collection(Kind.FEED)
    shop.collection(Kind.FEED, ceiling=1)
    client = signed_in(operator, "admin")
    analyst = Member.objects.get(username="hub-admin")
    grow(shop, operator, analyst, feed, 0, 2)
    Community.objects.update(auto_release="none")
    told = stix.indicator(pattern="[domain-name:value = 'case.example']", object_marking_refs=[GREEN])
    send(shop, [told], organization=shop.lab_b)
    case = Review.objects.filter(state="pending").latest("id")
    submission = Submission.objects.get(organization=operator, submittedobject__ordinal=100)
    webhook = Webhook.objects.filter(organization=operator).earliest("created_at")
    pages = [
        *map(reverse, LISTS),
        reverse("admin:sharing_review_change", args=[case.id]),
        reverse("admin:said_object", args=[shop.community.id, SAID["id"]]),
        reverse("admin:withdrawal", args=[feed.id, 0]),
        reverse("admin:indicators_submission_receipt", args=[submission.id]),
        reverse("admin:collection_readers", args=[feed.id]),
        reverse("admin:access_of", args=[operator.id]),
        reverse("admin:community", args=[shop.community.id]),
        reverse("admin:portal_webhook", args=[webhook.id]),
    ]

    def counts() -> dict[str, tuple[int, int]]:
        """How often each page asks, and how long it is."""
        found = {}
        for page in pages:
            assert client.get(page).status_code == 200, page
            with statements() as counted:
                length = len(client.get(page).content)
            found[page] = counted.count, length
        return found

    few = counts()
    grow(shop, operator, analyst, feed, 2, 6)
    for other in Organization.objects.filter(slug__startswith="o"):
        send(shop, [told | {"id": f"indicator--{uuid4()}"}], organization=other)
    many = counts()

    assert [page for page in pages if many[page][1] <= few[page][1] + 6 * 20] == []
    assert {page: (few[page][0], many[page][0]) for page in pages if few[page][0] != many[page][0]} == {}
    assert max(count for count, _ in many.values()) <= MOST, many
