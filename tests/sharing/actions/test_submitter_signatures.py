"""A partner signs what it posts: the signature is verified, kept, committed to, and opened only when allowed."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent, Member, Notice, Role
from indicators.actions import raw, submissions
from indicators.models import Claim, Submission
from indicators.stix.markings import TLP, marking_id
from sharing import disclosed
from sharing.actions import deletion, erasure, proposals, publication, submitter_keys
from sharing.models import Collection, Delivery, Disclosure, Entry, Kind, Webhook
from sharing.signing import base64url, keys
from sharing.signing.keys import KeySet
from sharing.tlog import statements, submitters
from sharing.verifier.disclosure import verify_submitter
from sharing.verifier.failures import Altered, KeyRefused, SignatureFailed
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox
from tests.sharing.actions.signing_partner import BY, envelope, post, registered, signature
from tests.traces import tables_with


def campaign(**members: Any) -> dict[str, Any]:
    return stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)], **members)


def entry_of(collection: Collection, one: dict[str, Any]) -> Entry:
    return Entry.objects.get(collection=collection, object_id=one["id"], body__isnull=False)


def test_a_signature_is_kept_with_the_claim_and_in_what_the_statement_commits_to(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    signer, signed, plain = registered(shop.lab_a), campaign(), campaign()
    made = signature(signer, signed)

    lines = post(shop, envelope([signed, plain], [made, None]))

    assert [line.outcome for line in lines] == ["released", "released"]
    assert Claim.objects.get(object_id=signed["id"]).sender_signature == made
    assert Claim.objects.get(object_id=plain["id"]).sender_signature == ""
    for collection in (inbox(shop, shop.lab_a), feed):
        for one, expected in ((signed, made), (plain, None)):
            entry = entry_of(collection, one)
            record = bytes(entry.submitter or b"")
            said = submitters.read_record(record)
            assert (said.organization, said.jws) == (str(shop.lab_a.id), expected)
            statement = statements.read_statement(json.loads(bytes(entry.opening))["stmt"].encode())
            assert isinstance(statement, statements.AddStatement)
            assert statement.sub == statements.submitter_commitment(bytes(entry.subsalt or b""), record)


def test_the_object_itself_is_not_touched(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    signer, one = registered(shop.lab_a), campaign()

    post(shop, envelope([one], [signature(signer, one)]))

    assert json.loads(bytes(entry_of(feed, one).body or b"")) == one


def test_each_bad_signature_refuses_its_object_and_nothing_else(shop: Shop) -> None:
    signer, stranger, retired = registered(shop.lab_a), keys.generate(), registered(shop.lab_a)

    submitter_keys.retire(
        organization_id=shop.lab_a.id, kid=retired.kid, by=BY, now=NOW - timedelta(minutes=1)
    )
    neighbour = registered(shop.lab_b)
    objects = [stix.campaign() for _ in range(9)]
    good = signature(signer, objects[0])
    header, _, tail = signature(signer, objects[8]).partition("..")
    signatures = [
        good,
        signature(signer, objects[0]),
        signature(stranger, objects[2]),
        signature(retired, objects[3]),
        signature(neighbour, objects[4]),
        "not a signature",
        7,
        None,
        f"{header}.{base64url.encode(b'{}')}.{tail}",
    ]

    lines = post(shop, envelope(objects, signatures))

    assert [line.reason for line in lines if line.outcome == "rejected"] == [
        *("bad-signature", "unknown-key", "retired-key", "unknown-key"),
        *("malformed-signature", "malformed-signature", "malformed-signature"),
    ]
    assert lines[2].sentence == f"At the signature: you have registered no key {stranger.kid}."
    assert {one.object_id for one in Claim.objects.all()} == {objects[0]["id"], objects[7]["id"]}


@pytest.mark.parametrize("signatures", [[], [None], [None, None, None], "h..s", {}, None])
def test_signatures_that_fit_no_objects_refuse_them_all(shop: Shop, signatures: Any) -> None:
    lines = post(shop, envelope([stix.campaign(), stix.campaign()], signatures))

    assert {(line.outcome, line.reason) for line in lines} == {("rejected", "signatures-misaligned")}
    assert "2 objects" in lines[0].sentence


def test_an_object_that_is_refused_for_what_it_holds_is_not_kept_for_its_signature(shop: Shop) -> None:
    one = stix.campaign(description="Write to jane.doe@somewhere.example about it.")

    (line,) = post(shop, envelope([one], ["h..s"]))

    assert line.reason == "personal-email"
    assert bytes(Submission.objects.get().body) == b""


@pytest.mark.parametrize("place", ["envelope", "line", "misaligned"])
def test_a_body_is_not_kept_for_what_stands_in_place_of_a_signature(shop: Shop, place: str) -> None:
    person, one = "jane.doe@somewhere.example", stix.campaign()
    match place:
        case "envelope":
            (line,) = post(shop, envelope([one], [person]))
        case "line":
            (line,) = post(shop, json.dumps({"jws": person, "object": one}).encode(), body_format="ndjson")
        case _:
            (line,) = post(shop, envelope([one], [person, person]))

    assert line.outcome == "rejected"
    assert bytes(Submission.objects.get().body) == b""
    assert person not in line.sentence


def test_a_key_signs_from_its_registration_to_its_retirement(shop: Shop) -> None:

    early, one, late = stix.campaign(), stix.campaign(), stix.campaign()
    signer = keys.generate()
    hour = timedelta(hours=1)
    # Ingested later than it came: what counts is when it came.
    registered(shop.lab_a, signer, now=NOW)
    submitter_keys.retire(organization_id=shop.lab_a.id, kid=signer.kid, by=BY, now=NOW + 2 * hour)

    reasons = [
        post(shop, envelope([each], [signature(signer, each)]), now=when)[0].reason
        for each, when in ((early, NOW - hour), (one, NOW + hour), (late, NOW + 2 * hour))
    ]

    assert [reasons[0], reasons[2]] == ["unknown-key", "retired-key"]
    assert Claim.objects.get().object_id == one["id"]


def test_a_line_bears_its_own_signature(shop: Shop) -> None:
    signer = registered(shop.lab_a)
    objects = [stix.campaign() for _ in range(6)]
    first = json.dumps(objects[0])
    lines = [
        json.dumps({"jws": signature(signer, objects[0]), "object": objects[0]}),
        json.dumps(objects[1]),
        json.dumps({"object": objects[2], "jws": signature(signer, objects[1])}),
        json.dumps({"object": objects[3], "jws": signature(signer, objects[3]), "more": 1}),
        f'{{"object":{first},"object":{json.dumps(objects[4])},"jws":"{signature(signer, objects[4])}"}}',
        json.dumps({"object": objects[5], "jws": None}),
    ]

    found = post(shop, "\n".join(lines).encode(), body_format="ndjson")

    assert [line.reason for line in found if line.outcome == "rejected"] == [
        *("bad-signature", "malformed-signature", "malformed-signature", "malformed-signature"),
    ]
    assert [line.id for line in found] == [one["id"] for one in objects]
    assert Claim.objects.get(object_id=objects[0]["id"]).sender_signature == signature(signer, objects[0])


def test_an_object_that_only_speaks_of_a_jws_is_an_object(shop: Shop) -> None:
    one = stix.campaign(description='It has a "jws" in it.', labels=["jws"])

    (line,) = post(shop, json.dumps(one).encode(), body_format="ndjson")

    assert line.outcome != "rejected"


def test_what_is_signed_after_it_was_sent_keeps_the_signature(shop: Shop) -> None:
    signer, one = registered(shop.lab_a), stix.campaign()
    post(shop, envelope([one], [None]))

    (line,) = post(shop, envelope([one], [signature(signer, one)]), now=NOW + timedelta(hours=1))

    assert line.outcome == "duplicate" or line.reason != "bad-signature"
    assert Claim.objects.get().sender_signature == signature(signer, one)


def test_a_newer_version_without_a_signature_is_unsigned_and_deleted_falls_back(shop: Shop) -> None:
    signer = registered(shop.lab_a)
    old, new, _ = stix.versions_of(stix.indicator())
    post(shop, envelope([old], [signature(signer, old)]))
    post(shop, envelope([new], [None]), now=NOW + timedelta(hours=1))
    assert Claim.objects.get().sender_signature == ""

    deletion.delete(
        collection_id=inbox(shop, shop.lab_a).id,
        object_id=new["id"],
        versions=["last"],
        spec_versions=[],
        organization_id=shop.lab_a.id,
        by=BY,
        now=NOW + timedelta(hours=2),
    )

    assert Claim.objects.get().sender_signature == signature(signer, old)


def test_what_another_server_says_beside_its_envelopes_is_not_the_word_of_who_pulls(shop: Shop) -> None:
    (line,) = post(shop, envelope([stix.campaign()], ["h..s"]), channel="pull")

    assert line.outcome != "rejected"
    assert Claim.objects.get().sender_signature == ""


def test_of_a_merged_indicator_the_signatures_stay_with_the_claims(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    pattern = f"[domain-name:value = '{stix.domain()}']"
    for organization in (shop.lab_a, shop.lab_b):
        signer = registered(organization)
        one = stix.indicator(pattern=pattern, object_marking_refs=[marking_id(TLP.GREEN)])
        post(shop, envelope([one], [signature(signer, one)]), organization=organization)

    assert Claim.objects.exclude(sender_signature="").count() == 2
    merged = Entry.objects.get(collection=feed, object_type="indicator", is_last=True)
    assert merged.submitter is None


# --- Disclosure


def disclose(shop: Shop, one: dict[str, Any]) -> Notice:
    """Two analysts tell lab-b who submitted it."""
    ann, bob = (
        Member.objects.create(
            username=name, organization=shop.outsider, role=Role.ANALYST, is_staff=True, is_superuser=True
        )
        for name in ("ann", "bob")
    )
    proposed = proposals.propose_disclosure(
        claim_id=Claim.objects.get(object_id=one["id"]).id,
        organization_id=shop.lab_b.id,
        member=ann,
        reason="They work on it together.",
        now=NOW,
    )
    proposals.confirm(
        proposal_id=proposed, member=bob, reason="I asked them too.", signer=shop.signer, now=NOW
    )
    return Notice.objects.get(organization=shop.lab_b, kind="submitter.disclosed")


def bundle_of(entry: Entry, opened: disclosed.Opened | None) -> bytes:
    """The part of an offline bundle that speaks of the submitter."""
    opening = json.loads(bytes(entry.opening))
    if opened is not None:
        opening["sub"] = {"salt": base64url.encode(opened.subsalt), "record": opened.record.decode()}
    return json.dumps({"v": 1, "object": json.loads(bytes(entry.body or b"")), "opening": opening}).encode()


def key_set(*signers: keys.Ed25519Signer) -> KeySet:
    return KeySet.from_jwks(keys.jwks(keys.PublishedKey(signer.public_jwk()) for signer in signers))


def test_a_commitment_is_opened_to_whom_it_was_disclosed_and_to_nobody_else(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    signer, one, other = registered(shop.lab_a), campaign(), campaign()
    post(shop, envelope([one, other], [signature(signer, one), None]))
    entry = entry_of(feed, one)
    here: dict[str, Any] = {"collection_id": feed.id, "index": entry.index}
    assert disclosed.opened(organization_id=shop.lab_b.id, **here) is None

    notice = disclose(shop, one)

    opened = disclosed.opened(organization_id=shop.lab_b.id, **here)
    assert opened is not None
    for organization in (shop.lab_a, shop.outsider):
        assert disclosed.opened(organization_id=organization.id, **here) is None
    there: dict[str, Any] = {"collection_id": feed.id, "index": entry_of(feed, other).index}
    assert disclosed.opened(organization_id=shop.lab_b.id, **there) is None
    report = verify_submitter(bundle_of(entry, opened), key_set(signer))
    assert (report.organization, report.kid) == (str(shop.lab_a.id), signer.kid)
    told = json.dumps({"detail": notice.detail}).encode()
    assert verify_submitter(bundle_of(entry, None), key_set(signer), notice=told) == report


def test_swapped_submitters_are_found_out(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    one, other = campaign(), campaign()
    signer, neighbour = registered(shop.lab_a), registered(shop.lab_b)
    post(shop, envelope([one], [signature(signer, one)]))
    post(shop, envelope([other], [signature(neighbour, other)]), organization=shop.lab_b)
    mine, theirs = (entry_of(feed, each) for each in (one, other))

    def opened(salt: Entry, record: Entry) -> disclosed.Opened:
        return disclosed.Opened(bytes(salt.subsalt or b""), bytes(record.submitter or b""))

    both = key_set(signer, neighbour)
    for swapped in (opened(theirs, theirs), opened(mine, theirs)):
        with pytest.raises(Altered, match="not the one that the log committed to"):
            verify_submitter(bundle_of(mine, swapped), both)
    honest = bundle_of(mine, opened(mine, mine))
    altered = json.loads(honest)
    altered["object"]["name"] = "Another"
    with pytest.raises(Altered, match="another version"):
        verify_submitter(json.dumps(altered).encode(), both)
    with pytest.raises(KeyRefused):
        verify_submitter(honest, key_set(neighbour))


def test_a_submitter_that_did_not_sign_is_known_by_the_commitment_alone(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    one = campaign()
    post(shop, envelope([one], [None]))
    entry = entry_of(feed, one)
    opened = disclosed.Opened(bytes(entry.subsalt or b""), bytes(entry.submitter or b""))

    assert verify_submitter(bundle_of(entry, opened), None).kid is None
    with pytest.raises(SignatureFailed, match="did not sign"):
        verify_submitter(bundle_of(entry, opened), key_set(keys.generate()))


def test_what_is_erased_is_opened_to_nobody_any_more(shop: Shop) -> None:

    feed = shop.collection(Kind.FEED)
    one = campaign()
    post(shop, envelope([one], [None]))
    index = entry_of(feed, one).index
    disclose(shop, one)

    publication.withdraw(log=shop.log(feed), reasons={one["id"]: statements.Reason.LEGAL}, now=NOW)

    assert disclosed.opened(organization_id=shop.lab_b.id, collection_id=feed.id, index=index) is None


@pytest.mark.parametrize("reason", [statements.Reason.ERROR, statements.Reason.TLP_CHANGE])
def test_what_is_erased_goes_from_what_was_told_of_it_too(shop: Shop, reason: statements.Reason) -> None:
    feed, signer, one = shop.collection(Kind.FEED), registered(shop.lab_a), campaign()
    post(shop, envelope([one], [signature(signer, one)]))
    subsalt = bytes(entry_of(feed, one).subsalt or b"").hex()
    notice = disclose(shop, one)
    hook = Webhook.objects.create(
        organization=shop.lab_b, url="https://b.example/", what=["notices"], next_at=NOW, created_at=NOW
    )
    sent = Delivery.objects.create(
        webhook=hook,
        kind="notice",
        notice=notice,
        body=subsalt.encode(),
        state="delivered",
        delivered_at=NOW,
        next_at=NOW,
        created_at=NOW,
    )
    assert tables_with(subsalt) == {"accounts_notice": 1, "sharing_delivery": 1, "sharing_entry": 1}

    publication.withdraw(log=shop.log(feed), reasons={one["id"]: reason}, now=NOW)

    assert tables_with(subsalt) == {}
    notice.refresh_from_db()
    sent.refresh_from_db()
    assert (notice.detail["openings"], bytes(sent.body or b"")) == ([], b"")


def test_of_what_its_sender_deletes_its_signature_goes_from_what_was_sent_too(shop: Shop) -> None:
    signer, one, beside = registered(shop.lab_a), campaign(), campaign()
    gone, left = signature(signer, one), signature(signer, beside)
    post(shop, envelope([one, beside], [gone, left]))
    now = NOW + timedelta(hours=2)

    deletion.delete(
        collection_id=inbox(shop, shop.lab_a).id,
        object_id=one["id"],
        versions=["all"],
        spec_versions=[],
        organization_id=shop.lab_a.id,
        by=BY,
        now=now,
    )
    while erasure.cut_deleted(now=now):
        pass

    assert tables_with(gone) == {}
    sent = json.loads(bytes(Submission.objects.get().body))
    assert sent == {"objects": [{}, beside], "x_stillwatch_signatures": [None, left]}


def test_a_signed_line_that_waits_is_known_by_the_object_inside(shop: Shop) -> None:
    one = campaign()
    line = json.dumps({"jws": "h..s", "object": one}).encode()
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="rest",
        collection_id=inbox(shop, shop.lab_a).id,
        body=line,
        body_format="ndjson",
        by=BY,
        now=NOW,
    )

    ((place, (object_id, text)),) = raw.heads(received.id).items()

    assert (place, object_id, json.loads(text)) == ("objects/0", one["id"], one)


def test_the_database_opens_nothing_without_two_people(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    one = campaign()
    post(shop, envelope([one], [None]))
    disclose(shop, one)
    proposal = Disclosure.objects.get().proposal

    with pytest.raises(IntegrityError, match="second person confirmed"), transaction.atomic():
        Disclosure.objects.create(
            proposal=proposal, organization=shop.outsider, collection=feed, index=entry_of(feed, one).index
        )


def test_registering_and_retiring_is_told_and_on_record(shop: Shop) -> None:

    signer = registered(shop.lab_a)
    submitter_keys.retire(organization_id=shop.lab_a.id, kid=signer.kid, by=BY, now=NOW)

    target = f"submitter-key:{signer.kid}"
    assert [event.action for event in AuditEvent.objects.filter(target=target).order_by("id")] == [
        "submitter-key.register",
        "submitter-key.retire",
    ]
    told = Notice.objects.filter(organization=shop.lab_a).order_by("id")
    assert [one.kind for one in told] == ["submitter-key.registered", "submitter-key.retired"]
