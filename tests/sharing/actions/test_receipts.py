"""What the service says became of each object: the same bytes for program, auditor and spreadsheet, and signed."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import rfc8785

from accounts.actor import Actor
from indicators.actions import submissions
from indicators.models import Submission
from indicators.stix.markings import TLP, marking_id
from sharing import receipts
from sharing.actions import intake
from sharing.models import Kind
from sharing.signing import keys
from sharing.signing.keys import KeySet, PublishedKey
from sharing.verifier.failures import Altered, KeyRefused, Malformed, SignatureFailed
from sharing.verifier.object import verify_object
from sharing.verifier.receipt import verify_delivery, verify_receipt
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox, publish

GREEN = [marking_id(TLP.GREEN)]
BODY = json.dumps(
    {
        "objects": [
            stix.campaign(
                id="campaign--6f1c4f2e-3d41-4a6e-9a52-5d4f6f2b1c11",
                object_marking_refs=GREEN,
            ),
            {"type": "campaign", "id": '=HYPERLINK("//x","y")'},
            {"type": "campaign", "id": "campaign--\U0001f980"},
        ]
    }
).encode()


def sent(shop: Shop, body: bytes = BODY) -> UUID:
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="rest",
        collection_id=inbox(shop, shop.lab_a).id,
        body=body,
        by=Actor("service:test"),
        now=NOW,
    )
    return received.id


def ingested(shop: Shop) -> receipts.Receipt:
    shop.collection(Kind.FEED, 1)
    submission_id = sent(shop)
    intake.ingest(submission_id=submission_id, signer=shop.signer, now=NOW)
    publish(shop)
    found = receipts.receipt(shop.lab_a.id, submission_id)
    assert found is not None
    return found


def trusted(shop: Shop) -> KeySet:
    assert isinstance(shop.signer, keys.Ed25519Signer)
    return KeySet.from_jwks(keys.jwks([PublishedKey(shop.signer.public_jwk())]))


def test_a_receipt_is_canonical_and_says_who_speaks_when_and_of_what(shop: Shop) -> None:
    receipt = ingested(shop)

    body, _ = receipts.signed(receipt, signer=shop.signer, now=NOW + timedelta(hours=1))

    said = json.loads(body)
    assert body == rfc8785.dumps(said)
    assert said["at"] == "2026-03-01T13:00:00.123456Z"
    assert said["issuer"].startswith("http")
    assert (said["organization"], said["community"], said["state"]) == ("lab-a", "shop", "ingested")
    assert said["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert said["counts"] == {"released": 1, "rejected": 2}
    assert [line["place"] for line in said["objects"]] == ["objects/0", "objects/1", "objects/2"]


def test_its_signature_holds_for_these_words_in_any_layout_and_for_nothing_else(shop: Shop) -> None:
    receipt = ingested(shop)
    body, signature = receipts.signed(receipt, signer=shop.signer, now=NOW)
    assert signature is not None
    said = json.loads(body)

    report = verify_receipt(json.dumps(said, indent=3).encode(), signature, trusted(shop), sent=BODY)

    assert (report.receipt_id, report.state, report.objects) == (str(receipt.id), "ingested", 3)
    with pytest.raises(SignatureFailed):
        verify_receipt(body.replace(b"bad-id", b"so-so!"), signature, trusted(shop))
    with pytest.raises(Altered):
        verify_receipt(body, signature, trusted(shop), sent=BODY + b" ")
    with pytest.raises(KeyRefused):
        verify_receipt(
            body, signature, KeySet.from_jwks(keys.jwks([PublishedKey(keys.generate().public_jwk())]))
        )


def test_a_receipt_is_taken_for_no_object_and_no_delivery_nor_they_for_it(shop: Shop) -> None:
    receipt = ingested(shop)
    body, signature = receipts.signed(receipt, signer=shop.signer, now=NOW)
    assert signature is not None

    with pytest.raises(Malformed):
        verify_object(body, signature, trusted(shop))
    with pytest.raises(Malformed):
        verify_delivery(body, signature, trusted(shop))


def test_the_first_answer_is_a_receipt_of_what_arrived(shop: Shop) -> None:
    receipt = receipts.receipt(shop.lab_a.id, sent(shop))
    assert receipt is not None

    body, signature = receipts.signed(receipt, signer=shop.signer, now=NOW)

    assert signature is not None
    report = verify_receipt(body, signature, trusted(shop), sent=BODY)
    assert (report.state, report.objects) == ("received", 3)
    assert not receipts.is_decided(receipt)


def test_no_cell_of_the_table_is_a_formula(shop: Shop) -> None:
    table = receipts.table(ingested(shop)).decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(table, newline="")))

    assert [row["outcome"] for row in rows] == ["released", "rejected", "rejected"]
    assert rows[1]["id"] == '\'=HYPERLINK("//x","y")'
    assert [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r")] == []


def test_one_organisations_submissions_are_listed_newest_first_page_by_page(shop: Shop) -> None:
    ids = [sent(shop) for _ in range(5)]
    for number, submission_id in enumerate(ids):
        # Two stand at one time.
        Submission.objects.filter(id=submission_id).update(received_at=NOW + timedelta(hours=number // 2))
    intake.ingest(submission_id=ids[0], signer=shop.signer, now=NOW)

    pages = []
    after = None
    while page := receipts.sent(shop.lab_a.id, limit=2, after=after):
        pages.append([one.id for one in page])
        after = page[-1].id

    listed = [one for page in pages for one in page]
    assert sorted(listed, key=str) == sorted(ids, key=str)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert listed[0] == ids[4]
    assert set(listed[-2:]) == set(ids[:2])
    assert receipts.sent(shop.lab_b.id, limit=9) == []
    assert receipts.sent(shop.lab_b.id, limit=9, after=ids[4]) == []
    assert receipts.sent(shop.lab_a.id, limit=9, after=uuid4()) == []
    (done,) = receipts.sent(shop.lab_a.id, limit=9, state="ingested")
    assert (done.id, done.counts) == (ids[0], {"new": 1, "rejected": 2})
    assert len(receipts.sent(shop.lab_a.id, limit=9, since=NOW + timedelta(minutes=30))) == 3
    assert receipts.sent(shop.lab_a.id, limit=9, community="another") == []
