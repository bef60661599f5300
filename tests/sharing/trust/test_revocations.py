"""Revoked keys: what they signed before counts where a proof says so, and nothing else of theirs does."""

import pytest

from sharing.trust.ceilings import Ceilings
from sharing.trust.revocations import MalformedDocument, Revocations, origin_digest, refuse_revoked
from sharing.verifier.failures import KeyRefused

ORIGIN = "feeds.example/log/11111111-1111-4111-8111-111111111111"
OTHER = "feeds.example/log/22222222-2222-4222-8222-222222222222"
KID, SECOND = "k" * 43, "s" * 43


def test_they_are_read_as_they_were_written() -> None:
    revocations = Revocations().with_key(KID, {origin_digest(ORIGIN): 5}).with_key(SECOND, {})
    assert Revocations.read(bytes(revocations)) == revocations
    assert bytes(revocations) == (
        b'{"v":1,"keys":[{"kid":"' + KID.encode() + b'","from_index":{"'
        b"%b"
        % origin_digest(ORIGIN).encode()
        + b'":5}},{"kid":"'
        + SECOND.encode()
        + b'","from_index":{}}]}\n'
    )


def test_a_log_that_is_not_named_counts_from_its_first_entry() -> None:
    revocations = Revocations().with_key(KID, {origin_digest(ORIGIN): 5})
    assert revocations.from_index(KID, ORIGIN) == 5
    assert revocations.from_index(KID, OTHER) == 0
    assert revocations.from_index(SECOND, ORIGIN) is None


def test_a_proved_entry_below_the_index_is_accepted_and_nothing_else() -> None:
    refuse_revoked(KID, None)
    refuse_revoked(KID, 5, index=4)
    with pytest.raises(KeyRefused, match="revoked from entry 5 on") as refused:
        refuse_revoked(KID, 5, index=5)
    assert refused.value.exit_code == 18
    with pytest.raises(KeyRefused, match="nothing proves"):
        refuse_revoked(KID, 5, object_id="indicator--1")


def test_what_was_revoked_is_never_taken_back() -> None:
    one = Revocations().with_key(KID, {origin_digest(ORIGIN): 5})
    assert one.missing(Revocations()) is None
    assert one.missing(one) is None
    assert "is no longer" in (Revocations().missing(one) or "")
    later = Revocations({KID: {origin_digest(ORIGIN): 6}})
    assert "from a lower index" in (later.missing(one) or "")
    # Revoked twice, the lower index counts; and a log that one of them left out counts from 0.
    assert one.with_key(KID, {origin_digest(ORIGIN): 9}).from_index(KID, ORIGIN) == 5
    assert one.with_key(KID, {origin_digest(OTHER): 9}).from_index(KID, OTHER) == 0


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"v":2,"keys":[]}',
        '{"v":1}',
        '{"v":1,"keys":[],"more":1}',
        '{"v":1,"keys":[{"kid":"short","from_index":{}}]}',
        f'{{"v":1,"keys":[{{"kid":"{KID}"}}]}}',
        f'{{"v":1,"keys":[{{"kid":"{KID}","from_index":{{"{SECOND}":-1}}}}]}}',
        f'{{"v":1,"keys":[{{"kid":"{KID}","from_index":{{"{SECOND}":true}}}}]}}',
        f'{{"v":1,"keys":[{{"kid":"{KID}","from_index":{{}}}},{{"kid":"{KID}","from_index":{{}}}}]}}',
    ],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedDocument):
        Revocations.read(text.encode())


def test_ceilings_name_no_collection() -> None:
    ceilings = Ceilings.of({ORIGIN: "amber"})
    assert ORIGIN.encode() not in bytes(ceilings)
    assert Ceilings.read(bytes(ceilings)).of_log(ORIGIN) == "amber"
    assert ceilings.of_log(OTHER) is None
    with pytest.raises(MalformedDocument, match="ceiling must be one of"):
        Ceilings.read(b'{"v":1,"logs":{"x":{"ceiling":"blue"}}}')
