import json

from hypothesis import given
from hypothesis import strategies as st

from sharing.signing import base64url
from sharing.tlog.page import (
    PROPERTY,
    filtered_log_property,
    log_property,
    opening,
    proof_bytes,
    withdrawn,
)
from sharing.tlog.statements import add_statement, withdraw_statement

ORIGIN = "feed.example/log/6f1b2a52-3f0a-4a53-9d0e-0d1f5ad8f0c1"
SALT = b"s" * 32
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(TEXT)
def test_an_opening_carries_the_statements_exact_bytes_in_a_string(object_id: str) -> None:
    statement = add_statement(object_id=object_id, version="-", sha256=SALT, tlp="clear", added=1, sub=SALT)

    opened = json.loads(opening(SALT, statement, "aGVhZGVy..c2ln"))

    assert opened == {"jws": "aGVhZGVy..c2ln", "salt": base64url.encode(SALT), "stmt": statement.decode()}


def test_an_opening_of_a_withdrawal_has_no_signature() -> None:
    statement = withdraw_statement(target=1, reason="error", added=1)

    assert json.loads(opening(SALT, statement, None)).keys() == {"salt", "stmt"}


def test_an_erased_entry_keeps_its_commitment_and_names_its_withdrawal() -> None:
    commit = b"\x01" + SALT

    assert json.loads(withdrawn(commit, 7)) == {"commit": base64url.encode(commit), "withdrawn_by": 7}


def test_the_property_of_a_page_is_name_and_value_ready_to_join() -> None:
    joined = proof_bytes([withdrawn(b"\x01" + SALT, 7), withdrawn(b"\x01" + SALT, 8)])

    envelope = json.loads(b'{"objects":[],%b}' % log_property(ORIGIN, 3, 5, joined))

    assert list(envelope) == ["objects", PROPERTY]
    entries = envelope[PROPERTY].pop("entries")
    assert [entry["withdrawn_by"] for entry in entries] == [7, 8]
    assert envelope[PROPERTY] == {"v": 1, "origin": ORIGIN, "start": 3, "end": 5}


def test_the_property_of_a_filtered_page_claims_no_range() -> None:
    envelope = json.loads(b"{%b}" % filtered_log_property(ORIGIN, proof_bytes([])))

    assert envelope == {PROPERTY: {"v": 1, "origin": ORIGIN, "entries": []}}
