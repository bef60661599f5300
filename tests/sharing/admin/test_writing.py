"""The desk's pages for writing: from the first word of a draft to the feed, and back again."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlparse
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, AutoRelease, Community, Member, Membership, Organization
from indicators.models import Draft, Submission, Technique
from indicators.stix.markings import TLP, marking_id
from sharing import tasks
from sharing.actions import intake, moderation, triage
from sharing.models import Collection, CollectionGrant, Kind, Review
from sharing.signing import keys
from sharing.signing.keys import Signer
from tests.desk import sign_in
from tests.sharing.actions.exchange import latest, shown, versions

WRITE = "/admin/write/"
REFUSED = (moderation.NotAllowed, moderation.NotPending)


@dataclass
class Desk:
    """A hub with an inbox, a feed that lab-a reads, and people who write."""

    community: Community
    hub: Organization
    feed: Collection
    signer: Signer

    def member(
        self, username: str, role: str = "analyst", organization: Organization | None = None
    ) -> Member:
        made, _ = Member.objects.get_or_create(
            username=username,
            defaults={"organization": organization or self.hub, "role": role, "is_staff": True},
        )
        return made

    def client(
        self, username: str = "ada", role: str = "analyst", organization: Organization | None = None
    ) -> Client:
        client = Client()
        sign_in(client, self.member(username, role, organization))
        return client

    def work(self) -> None:
        """What the workers do."""
        now = timezone.now()
        for submission_id in Submission.objects.filter(state="received").values_list("id", flat=True):
            intake.ingest(submission_id=submission_id, signer=self.signer, now=now)
        while triage.publish_pending(community_id=self.community.id, signer=self.signer, now=now):
            pass

    def approve(self, username: str) -> None:
        now = timezone.now()
        for case in Review.objects.filter(state="pending"):
            moderation.approve(
                review_id=case.id, shown=shown(case.id, now=now)[case.id], member=self.member(username),
                reason="So it is", signer=self.signer, now=now,
            )  # fmt: skip

    def in_feed(self) -> list[dict[str, Any]]:
        """The latest versions in the feed of what is not the service's own."""
        own = {"marking-definition", "identity", "extension-definition", "attack-pattern"}
        return [one for one in latest(self.feed).values() if one["type"] not in own]


@pytest.fixture
def desk(db: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: None)
    now = timezone.now()
    community = Community.objects.create(
        slug="trust", title="Trust", auto_release=AutoRelease.NONE, created_at=now
    )
    hub = Organization.objects.create(
        slug="hub", name="Hub", sector="operator", reliability="A", created_at=now
    )
    lab = Organization.objects.create(slug="lab-a", name="Lab A", sector="ai-lab", created_at=now)
    for one in (hub, lab):
        Membership.objects.create(community=community, organization=one, joined_at=now)
    Collection.objects.create(
        community=community, owner=hub, kind=Kind.INBOX, alias="hub", title="Inbox", ceiling=4
    )
    feed = Collection.objects.create(
        community=community, kind=Kind.FEED, alias="amber", title="Amber feed", ceiling=2
    )
    CollectionGrant.objects.create(collection=feed, organization=lab, can_read=True)
    return Desk(community, hub, feed, keys.generate())


class Page:
    """A draft as a browser has it: its address, and the fields of its form."""

    def __init__(self, client: Client, object_type: str, **brought: str) -> None:
        self.client = client
        address = client.get(f"{WRITE}new/{object_type}/", brought)["Location"]
        self.open(address)

    def open(self, address: str) -> None:
        self.address = urlparse(address).path
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.content[:500]
        self.text = answer.content.decode()
        asked = {name: values[0] for name, values in parse_qs(urlparse(address).query).items()}
        self.fields: dict[str, Any] = asked | {
            name: unescape(value)
            for name, value in re.findall(
                r'<input type="hidden" name="(page|type|community|version)" value="([^"]*)"', self.text
            )
        }

    def send(self, action: str, **fields: Any) -> Any:
        self.fields |= fields
        return self.client.post(self.address, self.fields | {"action": action})

    @property
    def draft(self) -> Draft:
        return Draft.objects.get(id=self.address.split("/")[-2])


INDICATOR = {
    "pattern": "[domain-name:value = 'proxy.example']",
    "name": "A proxy",
    "tlp": "amber",
    "confidence": "70",
    "valid_from": "2026-11-01T10:00",
    "indicator_types": ["malicious-activity"],
}
SOURCE = {
    "external_references-0-source_name": "A report",
    "external_references-0-url": "https://report.example/1",
}


def written(desk: Desk, username: str = "ada", object_type: str = "indicator", **fields: Any) -> Page:
    """A page whose draft was submitted and ingested."""
    page = Page(desk.client(username), object_type)
    answer = page.send("submit", **((INDICATOR if object_type == "indicator" else {}) | fields))
    assert answer.status_code == 302, re.findall(r"<li>.*?</li>", answer.content.decode())
    desk.work()
    return page


def said(answer: Any) -> str:
    return unescape(answer.content.decode())


def test_what_one_analyst_writes_a_second_approves_and_it_stands_in_the_feed(desk: Desk) -> None:
    page = written(desk)
    draft = page.draft
    assert "In review" in said(page.client.get(page.address))
    assert desk.in_feed() == []

    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")
    assert desk.in_feed() == []

    desk.approve("ben")
    (published,) = desk.in_feed()
    assert published["pattern"] == INDICATOR["pattern"]
    shown = said(page.client.get(page.address))
    assert "Published" in shown
    assert published["id"] in shown
    assert f"/receipt/{draft.submission_id}/" in shown
    actions = AuditEvent.objects.filter(target=f"draft:{draft.id}").values_list("action", flat=True)
    assert list(actions) == ["draft.begin", "draft.submit"]


def test_whoever_joined_in_writing_does_not_approve_either(desk: Desk) -> None:
    page = Page(desk.client("ada"), "indicator")
    page.send("save", **INDICATOR)
    other = Page(desk.client("ben"), "indicator")
    other.open(page.address)
    other.send("submit", **INDICATOR | {"name": "Ben's name for it"})
    desk.work()
    for username in ("ada", "ben"):
        with pytest.raises(REFUSED, match="you wrote this"):
            desk.approve(username)
    desk.approve("cleo")
    assert len(desk.in_feed()) == 1


def test_whoever_wrote_it_may_reject_it(desk: Desk) -> None:
    page = written(desk)
    (case,) = Review.objects.filter(state="pending")
    now = timezone.now()
    moderation.reject(
        review_id=case.id,
        shown=shown(case.id, now=now)[case.id],
        member=desk.member("ada"),
        reason="I was wrong",
        signer=desk.signer,
        now=now,
    )
    assert "Withheld" in said(page.client.get(page.address))


def test_a_community_that_releases_all_asks_no_second_person(desk: Desk) -> None:
    Community.objects.update(auto_release=AutoRelease.ALL)
    written(desk)
    assert len(desk.in_feed()) == 1


def test_nothing_typed_is_lost_where_something_is_wrong(desk: Desk) -> None:
    page = Page(desk.client(), "indicator")
    answer = page.send("submit", **INDICATOR | {"confidence": "very", "description": "Typed with care"})
    text = said(answer)
    assert "Enter a whole number" in text
    assert 'value="very"' in text
    assert "Typed with care" in text
    assert Submission.objects.count() == 0

    page.open(page.address)
    assert 'value="very"' in page.text
    assert page.draft.leftover == {"confidence": "very"}
    assert page.draft.body["description"] == "Typed with care"
    assert page.send("submit", **INDICATOR).status_code == 302


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"pattern": "[domain-name:value = 'x"}, "pattern", "line 1, column 22"),
        ({"pattern": "[ipv4-addr:value = '1.2.3.400']"}, "pattern", "over 255"),
        ({"pattern": ""}, "pattern", "Pattern is required"),
        ({"tlp": ""}, "tlp", "TLP is required"),
        ({"valid_from": ""}, "valid_from", "Valid from is required"),
        ({"valid_until": "2020-01-01T00:00"}, "valid_until", "is not after"),
        ({"confidence": "101"}, "confidence", "less than or equal to 100"),
        ({"method": "rule"}, "evidence_families", "missing"),
        ({"pattern": "[email-addr:value = 'someone@mail.example']"}, "pattern", "e-mail"),
        ({"description": "Ask someone@mail.example"}, "description", "e-mail"),
        ({"valid_from": "yesterday"}, "valid_from", "This is no time"),
        ({"external_references-0-url": "https://report.example"}, "external_references", "who says it"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    desk: Desk, changes: dict[str, str], field: str, sentence: str
) -> None:
    page = Page(desk.client(), "indicator")
    text = said(page.send("submit", **INDICATOR | changes))
    beside = re.search(rf'id="id_{field}_error">(.*?)</ul>', text, re.DOTALL)
    assert beside is not None, re.findall(r"<li>.*?</li>", text)
    assert sentence in beside[1]
    assert Submission.objects.count() == 0


def test_an_actor_is_alleged_and_names_its_source(desk: Desk) -> None:
    actor = {"name": "Somebody", "tlp": "amber"}
    page = Page(desk.client(), "threat-actor")
    text = said(page.send("submit", **actor))
    assert "Name the source" in text
    assert page.send("submit", **actor, **SOURCE).status_code == 302
    assert page.draft.body["labels"] == ["alleged"]
    desk.work()
    desk.approve("ben")
    (published,) = desk.in_feed()
    assert published["labels"] == ["alleged"]
    # Where it was said stays with who said it.
    assert "external_references" not in published


def test_an_attribution_is_labelled_too_and_never_automatic(desk: Desk) -> None:
    Community.objects.update(auto_release=AutoRelease.RULE, min_sources=1, min_confidence=0)
    campaign = written(desk, object_type="campaign", name="DC", tlp="amber", status="active").draft
    actor = written(desk, object_type="intrusion-set", name="Operators", tlp="amber", **SOURCE).draft
    link = written(
        desk, object_type="relationship", tlp="amber", source_ref=campaign.object_id,
        target_ref=actor.object_id, relationship_type="attributed-to",
    )  # fmt: skip
    assert link.draft.body["labels"] == ["alleged"]
    assert [one["type"] for one in desk.in_feed()] == ["campaign"]
    desk.approve("ben")
    desk.work()
    assert sorted(one["type"] for one in desk.in_feed()) == ["campaign", "intrusion-set", "relationship"]


def test_a_relationship_that_stix_does_not_know_is_refused_with_those_it_knows(desk: Desk) -> None:
    page = Page(desk.client(), "relationship")
    text = said(
        page.send(
            "submit", tlp="amber", source_ref=f"indicator--{uuid4()}", target_ref=f"campaign--{uuid4()}",
            relationship_type="uses",
        )
    )  # fmt: skip
    assert "between them it knows: indicates, related-to" in text


def test_a_campaign_bears_what_the_profile_has_for_it(desk: Desk) -> None:
    page = Page(desk.client(), "campaign")
    fields = {
        "name": "DC-1", "tlp": "amber", "status": "disrupted", "status_at_detection": "active",
        "exchange_count_min": "150000", "exchange_count_max": "200", "account_count_min": "24000",
        "targeted_capabilities": ["coding", "tool-use"], "access_pathways": ["commercial-proxy"],
    }  # fmt: skip
    assert "At most is less than at least" in said(page.send("submit", **fields))
    assert page.send("submit", exchange_count_max="300000").status_code == 302
    desk.work()
    desk.approve("ben")
    (published,) = desk.in_feed()
    (extension,) = published["extensions"].values()
    assert (extension["exchange_count_min"], extension["exchange_count_max"]) == (150000, 300000)
    assert extension["targeted_capabilities"] == ["coding", "tool-use"]
    assert extension["status"] == "disrupted"


def test_sightings_opinions_and_notes_are_about_what_was_written(desk: Desk) -> None:
    indicator = written(desk).draft
    desk.approve("ben")
    written(desk, object_type="sighting", tlp="amber", sighting_of_ref=indicator.object_id, count="3")
    written(
        desk,
        object_type="opinion",
        tlp="amber",
        object_refs=indicator.object_id,
        opinion="agree",
        explanation="Yes",
    )
    written(desk, object_type="note", tlp="amber", object_refs=indicator.object_id, content="It moved")
    desk.approve("ben")
    published = {one["type"]: one for one in desk.in_feed()}
    assert published.keys() == {"indicator", "sighting", "opinion", "note"}
    assert published["sighting"]["sighting_of_ref"] == published["indicator"]["id"]
    assert published["sighting"]["count"] == 3
    assert "where_sighted_refs" not in published["sighting"]


def test_nobody_saves_over_anothers_words_unawares(desk: Desk) -> None:
    mine = Page(desk.client("ada"), "indicator")
    mine.send("save", **INDICATOR)
    mine.open(mine.address)
    theirs = Page(desk.client("ben"), "indicator")
    theirs.open(mine.address)
    assert theirs.send("save", **INDICATOR | {"name": "Ben's name"}).status_code == 302

    answer = mine.send("save", **INDICATOR | {"name": "Ada's name"})
    assert answer.status_code == 409
    text = said(answer)
    assert "ben saved this draft while you wrote" in text
    assert "Ben's name" in text
    assert 'value="Ada\'s name"' in text
    assert mine.draft.body["name"] == "Ben's name"

    version = re.search(r'name="version" value="(\d+)"', text)
    assert version is not None
    assert mine.send("save", version=version[1]).status_code == 302
    assert mine.draft.body["name"] == "Ada's name"


def test_a_draft_saves_itself_and_the_page_that_did_goes_on(desk: Desk) -> None:
    page = Page(desk.client(), "note")
    asked = page.fields | {"content": "First", "tlp": "amber"}
    assert "Saved" in said(page.client.post(f"{page.address}autosave/", asked))
    assert "Saved" in said(page.client.post(f"{page.address}autosave/", asked | {"content": "Second"}))
    assert page.draft.body["content"] == "Second"
    # The answer to the second had not come when this was sent: it is the same page all the same.
    assert page.send("save", content="Third", tlp="amber").status_code == 302
    assert page.draft.body["content"] == "Third"

    other = Page(desk.client("ben"), "note")
    other.open(page.address)
    other.send("save", content="Fourth", tlp="amber")
    answer = page.client.post(f"{page.address}autosave/", page.fields | {"content": "Fifth", "tlp": "amber"})
    assert "ben saved this draft meanwhile" in said(answer)
    assert page.draft.body["content"] == "Fourth"


def test_a_draft_is_discarded_and_restored(desk: Desk) -> None:
    page = Page(desk.client(), "indicator")
    page.send("save", **INDICATOR)
    assert page.send("discard").status_code == 302
    assert "A proxy" not in said(page.client.get(WRITE))
    assert "A proxy" in said(page.client.get(WRITE, {"which": "discarded"}))
    assert page.send("submit", **INDICATOR).status_code == 200
    assert Submission.objects.count() == 0
    assert page.send("restore").status_code == 302
    page.open(page.address)
    assert page.send("submit", **INDICATOR).status_code == 302


def edited(desk: Desk, page: Page, username: str = "ada", **fields: Any) -> Page:
    """The next version of what a page wrote, submitted and ingested."""
    draft = page.draft
    client = desk.client(username)
    page.client = client
    page.open(client.post(f"{WRITE}said/{desk.community.id}/{draft.object_id}/edit/")["Location"])
    answer = page.send("submit", **INDICATOR | fields)
    assert answer.status_code == 302, re.findall(r"<li>.*?</li>", said(answer))
    desk.work()
    return page


def test_an_edit_is_a_new_version_with_a_readable_diff_and_can_be_undone(desk: Desk) -> None:
    page = written(desk)
    desk.approve("ben")
    edited(desk, page, name="A better name", indicator_types=["anonymization"], labels="watched")
    (published,) = desk.in_feed()
    assert published["name"] == "A better name"

    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    text = said(page.client.get(place))
    assert '<del><span class="sw-hidden">before: </span>A proxy</del>' in text
    assert "<del>malicious-activity</del>" in text
    assert "<ins>anonymization</ins>" in text
    assert "<ins>watched</ins>" in text

    assert "A better name" in said(page.client.get(f"{place}undo/"))
    assert page.client.post(f"{place}undo/", {"reason": ""}).status_code == 200
    assert page.client.post(f"{place}undo/", {"reason": "It was better before"}).status_code == 302
    desk.work()
    (published,) = desk.in_feed()
    assert published["name"] == "A proxy"
    assert len(versions(Collection.objects.get(kind=Kind.INBOX))) == 3
    assert "It was better before" in said(page.client.get(place))


def test_to_lower_a_tlp_takes_two_people(desk: Desk) -> None:
    page = written(desk)
    desk.approve("ben")
    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    page.open(page.client.post(f"{place}edit/")["Location"])
    text = said(page.send("submit", **INDICATOR | {"tlp": "green"}))
    assert "another analyst submits it" in text
    assert page.draft.body["object_marking_refs"] == [marking_id(TLP.GREEN)]
    with pytest.raises(IntegrityError), transaction.atomic():
        Draft.objects.filter(id=page.draft.id).update(
            state="submitted", submission=Submission.objects.get(), submitted_by=desk.member("ada")
        )

    second = Page(desk.client("ben"), "indicator")
    second.open(page.address)
    # Who lowers it further lowers it too.
    assert second.send("submit", **INDICATOR | {"tlp": "clear"}).status_code == 200
    page.open(page.address)
    assert page.send("submit", **INDICATOR | {"tlp": "clear"}).status_code == 302
    desk.work()

    desk.approve("cleo")
    raised = edited(desk, page, tlp="amber")
    assert raised.draft.lowered_by is None
    text = said(page.client.post(f"{place}undo/", {"reason": "It was public"}))
    assert "takes two people" in text


def test_a_revocation_says_what_feeds_lose_and_its_undoing_is_a_new_object(desk: Desk) -> None:
    page = written(desk)
    desk.approve("ben")
    (before,) = desk.in_feed()
    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    text = said(page.client.get(f"{place}revoke/"))
    assert "Amber feed" in text
    assert before["id"] in text
    assert page.client.post(f"{place}revoke/", {"reason": "A mistake"}).status_code == 302
    desk.work()
    (revoked,) = desk.in_feed()
    assert revoked["revoked"] is True

    answer = page.client.post(f"{place}edit/", follow=True)
    assert "a revoked object gets no other version" in said(answer)
    answer = page.client.post(f"{place}undo/", {"reason": "It was none"})
    assert answer.status_code == 302
    desk.work()
    standing = {one["id"]: one.get("revoked", False) for one in desk.in_feed()}
    assert standing.pop(before["id"]) is True
    assert list(standing.values()) == [False]
    again = Draft.objects.get(id=answer["Location"].split("/")[-2])
    assert again.object_id != page.draft.object_id
    assert again.body["pattern"] == INDICATOR["pattern"]


def test_two_versions_of_one_object_do_not_overtake_each_other(desk: Desk) -> None:
    page = written(desk)
    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    page.open(page.client.post(f"{place}edit/")["Location"])
    assert page.client.post(f"{place}revoke/", {"reason": "No"}).status_code == 302
    # Its draft was put aside for the revocation, which is on its way in.
    assert page.send("submit", **INDICATOR).status_code == 200
    assert "on its way in" in said(page.client.post(f"{place}edit/", follow=True))
    desk.work()
    assert Submission.objects.count() == 2


def test_a_version_that_came_another_way_keeps_what_the_form_does_not_know(desk: Desk) -> None:
    page = written(desk)
    draft = page.draft
    answer = page.client.post(f"{WRITE}said/{desk.community.id}/{draft.object_id}/edit/")
    page.open(answer["Location"])
    body = page.draft.body | {
        "lang": "en",
        "kill_chain_phases": [{"kill_chain_name": "own", "phase_name": "x"}],
    }
    Draft.objects.filter(id=page.draft.id).update(body=body)
    assert page.send("submit", **INDICATOR).status_code == 302
    assert page.draft.body["lang"] == "en"
    assert page.draft.body["kill_chain_phases"] == [{"kill_chain_name": "own", "phase_name": "x"}]


ODD = [
    "", " ", "[", "]", "[]", "[[", "[x", "[x:y", "[x:y]", "[x:y =]", "[x:y = '']", "[x:y = 'a']", "[x:y = \"a\"]",
    "[x:y = 'a", "[x:y = 1]", "[x:y = 1.5.2]", "[x:y = true]", "[x:y > true]", "[x:y = t'now']",
    "[x:y = t'2026-02-30T00:00:00Z']", "[x:y = h'0']", "[x:y = h'0aff']", "[x:y = b'?']", "[x:y IN ()]",
    "[x:y IN ('a',)]", "[x:y IN ('a', 'b')]", "[x:y MATCHES '(']", "[x:y MATCHES '(a+)+$']", "[x:y LIKE 'a%']",
    "[x:y NOT = 'a']", "[NOT x:y = 'a']", "[EXISTS x:y]", "[x:y = 'a'] REPEATS 0 TIMES",
    "[x:y = 'a'] REPEATS 99 TIMES", "[x:y = 'a'] WITHIN 0 SECONDS", "[x:y = 'a'] WITHIN 5 SECONDS",
    "[x:y = 'a'] FOLLOWEDBY", "[x:y = 'a'] FOLLOWEDBY [x:z = 'b']", "[x:y = 'a'] START t'x' STOP t'y'",
    "[x:y = 'a'] AND ([x:y = 'b'] OR [x:y = 'c']) REPEATS 2 TIMES WITHIN 9 SECONDS", "(((([x:y = 'a']))))",
    "(" * 20 + "[x:y = 'a']" + ")" * 20, "[ipv4-addr:value = '1.2.3.4']", "[ipv4-addr:value = '999']",
    "[ipv4-addr:value ISSUBSET '10.0.0.0/8']", "[ipv4-addr:value = 'hxxp://x']", "[ipv6-addr:value = '::1']",
    "[ipv6-addr:value = '::ffff:1.2.3.4/200']", "[domain-name:value = 'bücher.example']",
    "[domain-name:value = 'xn--']", "[url:value = 'hxxps://a[.]b/?q=%zz']", "[url:value = '//']",
    "[autonomous-system:number = 64500]", "[autonomous-system:number = 99999999999]",
    "[file:hashes.'SHA-256' = 'abc']", "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']",
    "[email-addr:value = 'a@b.example']", "[llm-api-activity:features.account_synchrony >= 0.9]",
    "[x:y = '\u0000']", "[x:y = '\ud83d\ude00'.encode()]", "[x:y[*].z = 'a']", "[x:y[99999999999] = 'a']",
    "/* open", "// all comment", "[x:y = 'a'] // tail", "\r\n\r\n[x:y\r\n= 'a'", "<script>alert(1)</script>",
    "[x:y = '<img src=x onerror=alert(1)>']", "x" * 9000, "[x:y = '" + "a" * 8100 + "']",
    "[" + " OR ".join(["x:y = 'a'"] * 300) + "]",
]  # fmt: skip


def test_whatever_is_typed_as_a_pattern_is_answered_in_words(desk: Desk) -> None:
    client = desk.client()
    assert len(ODD) > 60
    for pattern in ODD:
        typed = pattern.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        asked = {"pattern": typed, "community": str(desk.community.id)}
        answer = client.post(f"{WRITE}pattern/", asked)
        assert answer.status_code == 200, typed
        text = answer.content.decode()
        assert any(one in text for one in ("Canonical form", "column", "will stand here")), typed
        assert "<script>alert" not in text
        assert "<img src" not in text
        rows = client.post(f"{WRITE}pattern/rows/", asked)
        assert rows.status_code == 200, typed
        assert rows.json().keys() in ({"model"}, {"reason"})


def reading(desk: Desk, pattern: str) -> str:
    answer = desk.client().post(f"{WRITE}pattern/", {"pattern": pattern, "community": str(desk.community.id)})
    return said(answer)


def test_what_is_known_already_is_told_while_it_is_typed(desk: Desk) -> None:
    pattern = "[domain-name:value = 'Proxy[.]Example.']"
    assert "Nobody has said this yet" in reading(desk, pattern)
    written(desk)
    text = reading(desk, pattern)
    assert "Already known" in text
    assert "said by Hub" in text
    assert "In review" in text
    assert "[domain-name:value = 'proxy.example']" in text

    near = reading(desk, "[domain-name:value = 'proxy.example' AND ipv4-addr:value = '192.0.2.7']")
    assert "Nobody has said this yet" in near
    assert "names proxy.example too" in near

    assert "On an allow-list" in reading(desk, "[ipv4-addr:value = '10.1.2.3']")
    assert "Line 2, column 1" in reading(desk, "[domain-name:value =\n]")


def test_who_writes_and_who_decides_are_told_the_same_of_what_is_near(desk: Desk) -> None:
    digest = "b5" * 32
    written(desk, pattern=f"[ipv4-addr:value = '203.0.113.0/24' OR file:hashes.'SHA-256' = '{digest}']")
    pattern = (
        f"[ipv4-addr:value = '203.0.113.7' OR file:hashes.'SHA-256' = '{digest}' AND file:name = 'a.exe']"
    )

    before = reading(desk, pattern)
    written(desk, "bob", pattern=pattern)
    case = Review.objects.get(state="pending", title__contains="a.exe")
    deciding = said(desk.client("cyd").get(f"/admin/sharing/review/{case.id}/change/"))

    for page in (before, deciding):
        assert f"names {digest} too; 203.0.113.7 lies in 203.0.113.0/24" in page


def test_ids_are_picked_by_what_people_know_things_by(desk: Desk) -> None:
    campaign = written(
        desk, object_type="campaign", name="Nightly 50%_harvest", tlp="amber", status="active"
    ).draft
    indicator = written(desk).draft
    client = desk.client()

    def picks(term: str, types: str = "") -> list[str]:
        asked = {"q": term, "types": types, "community": str(desk.community.id)}
        return [one["id"] for one in client.get(f"{WRITE}pick/", asked).json()["picks"]]

    assert campaign.object_id in picks("0%_harv")
    assert picks("0%%harv") == []
    assert picks("nightly", "threat-actor") == []
    assert picks("proxy.example") == [indicator.object_id]
    assert picks("[domain-name:value='PROXY.example']") == [indicator.object_id]
    assert picks(campaign.object_id) == [campaign.object_id]
    assert any(one.startswith("attack-pattern--") for one in picks("AML.T0024"))
    for odd in ("%", "\\", "AS99999999999", "::", "'" * 50, "é" * 100):
        assert client.get(f"{WRITE}pick/", {"q": odd, "community": str(desk.community.id)}).status_code == 200


PAGES: Sequence[str] = ("", "?which=mine", "?which=discarded", "?before=nonsense", "said/", "said/?before=x")


def test_the_pages_are_the_operators_analysts_alone(desk: Desk) -> None:
    lab = Organization.objects.get(slug="lab-a")
    page = written(desk)
    places = [
        *(f"{WRITE}{one}" for one in PAGES),
        page.address,
        f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/",
        f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/revoke/",
    ]
    for client, status in (
        (desk.client("ada"), 200),
        (desk.client("boss", "admin"), 200),
        (desk.client("reader", "reader"), 404),
        (desk.client("partner", "analyst", lab), 404),
        (Client(), 302),
    ):
        for place in places:
            assert client.get(place).status_code == status, place
    assert desk.client("reader", "reader").post(f"{WRITE}pattern/", {"pattern": "x"}).status_code == 404


def test_what_is_asked_for_wrongly_is_no_fault(desk: Desk) -> None:
    client = desk.client()
    nowhere = f"{WRITE}said/{desk.community.id}/indicator--{uuid4()}/"
    for place in (
        f"{WRITE}new/malware/",
        f"{WRITE}drafts/{uuid4()}/",
        nowhere,
        f"{nowhere}revoke/",
        f"{nowhere}undo/",
    ):
        assert client.get(place).status_code == 404, place
    assert client.get(f"{WRITE}pattern/").status_code == 405
    assert client.post(f"{nowhere}edit/").status_code == 404
    brought = client.get(
        f"{WRITE}new/sighting/", {"sighting_of_ref": "<script>", "community": str(desk.community.id)}
    )
    assert client.get(brought["Location"]).status_code == 200
    page = Page(client, "indicator")
    assert page.send("save", description="x" * 30_000, name="a\0b", tlp="purple").status_code == 302
    assert page.draft.leftover.keys() == {"description", "name", "tlp"}


def test_a_list_asks_as_many_questions_for_many_drafts_as_for_few(
    desk: Desk, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        written(desk, pattern=f"[domain-name:value = 'p{number}.example']")
    client = desk.client()
    client.get(WRITE)
    with django_assert_max_num_queries(14):
        assert client.get(WRITE).status_code == 200
    with django_assert_max_num_queries(10):
        assert client.get(f"{WRITE}said/").status_code == 200


def test_what_partners_could_send_is_text_on_every_page(desk: Desk) -> None:
    payload = "\"><script>alert('x')</script>"
    page = written(
        desk, object_type="campaign", name=payload, description=payload, aliases=payload, objective=payload,
        tlp="amber", status="active",
    )  # fmt: skip
    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    edit = page.client.post(f"{place}edit/")["Location"]
    for address in (WRITE, f"{WRITE}said/", page.address, place, f"{place}revoke/", edit):
        text = page.client.get(address).content.decode()
        assert "<script>alert" not in text, address
        assert "alert(" in text, address


def test_moments_and_sources_that_nobody_touched_stay_as_they_were(desk: Desk) -> None:
    page = written(desk, **SOURCE)
    before = page.draft.body
    edited(desk, page, **SOURCE, name="Another")
    after = page.draft.body
    assert json.dumps(after["external_references"]) == json.dumps(before["external_references"])
    assert after["valid_from"] == before["valid_from"]
    assert after["created"] == before["created"]
    assert after["modified"] > before["modified"]


def test_techniques_are_said_along_with_what_is_a_case_of_them(desk: Desk) -> None:
    proxies = Technique.objects.get(atlas_id="AML.T0008.005")
    extract = Technique.objects.get(atlas_id="AML.T0024.002")
    page = written(desk, techniques=[proxies.object_id])
    draft = page.draft
    assert {"kill_chain_name": "mitre-atlas", "phase_name": proxies.phase} in draft.body["kill_chain_phases"]
    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")
    desk.approve("ben")
    desk.approve("ben")
    desk.work()
    published = {one["type"]: one for one in desk.in_feed()}
    assert published["relationship"]["relationship_type"] == "indicates"
    assert published["relationship"]["target_ref"] == proxies.object_id
    assert published["relationship"]["source_ref"] == published["indicator"]["id"]

    edited(desk, page, techniques=[extract.object_id])
    desk.approve("ben")
    links = {
        one["target_ref"]: one.get("revoked", False)
        for one in desk.in_feed()
        if one["type"] == "relationship"
    }
    assert links == {proxies.object_id: True, extract.object_id: False}
