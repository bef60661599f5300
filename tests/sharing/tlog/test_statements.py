from hashlib import sha256

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sharing.signing import base64url
from sharing.tlog.statements import (
    TLP_LEVELS,
    AddStatement,
    MalformedStatement,
    Reason,
    WithdrawStatement,
    add_statement,
    entry,
    leaf_hash,
    read_statement,
    submitter_commitment,
    withdraw_statement,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
DIGESTS = st.binary(min_size=32, max_size=32)
TIMES = st.integers(0, 2**53 - 1)
ADDED = AddStatement(
    "indicator--1", "2026-01-02T00:00:00.000Z", b"a" * 32, "amber", 1_767_225_600_000_001, b"b" * 32
)


def written(statement: AddStatement) -> bytes:
    return add_statement(
        object_id=statement.object_id,
        version=statement.version,
        sha256=statement.sha256,
        tlp=statement.tlp,
        added=statement.added,
        sub=statement.sub,
    )


@given(st.builds(AddStatement, TEXT, TEXT, DIGESTS, st.sampled_from(TLP_LEVELS), TIMES, DIGESTS))
def test_an_add_statement_is_what_a_general_serialiser_writes_and_is_read_back(
    statement: AddStatement,
) -> None:
    raw = written(statement)

    assert raw == rfc8785.dumps(
        {
            "v": 1,
            "op": "add",
            "id": statement.object_id,
            "ver": statement.version,
            "sha256": base64url.encode(statement.sha256),
            "tlp": statement.tlp,
            "added": statement.added,
            "sub": base64url.encode(statement.sub),
        }
    )
    assert read_statement(raw) == statement


@given(st.builds(WithdrawStatement, TIMES, st.sampled_from(Reason), TIMES))
def test_a_withdraw_statement_is_what_a_general_serialiser_writes_and_is_read_back(
    statement: WithdrawStatement,
) -> None:
    raw = withdraw_statement(target=statement.target, reason=statement.reason, added=statement.added)

    assert raw == rfc8785.dumps(
        {
            "v": 1,
            "op": "withdraw",
            "target": statement.target,
            "reason": str(statement.reason),
            "added": statement.added,
        }
    )
    assert read_statement(raw) == statement


def test_a_statement_is_these_bytes() -> None:
    digest = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"
    sub = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI"

    assert written(ADDED).decode() == (
        '{"added":1767225600000001,"id":"indicator--1","op":"add",'
        f'"sha256":"{digest}","sub":"{sub}","tlp":"amber","v":1,"ver":"2026-01-02T00:00:00.000Z"}}'
    )
    assert withdraw_statement(target=7, reason="tlp-change", added=8) == (
        b'{"added":8,"op":"withdraw","reason":"tlp-change","target":7,"v":1}'
    )


@pytest.mark.parametrize(
    "members",
    [
        {"sha256": b"short"},
        {"sub": b""},
        {"tlp": "white"},
        {"added": -1},
        {"added": 2**53},
        {"added": True},
        {"added": 1.0},
        {"object_id": "a\0b"},
        {"version": "\ud800"},
    ],
)
def test_a_statement_that_the_log_cannot_hold_is_not_written(members: dict[str, object]) -> None:
    good = {
        "object_id": "a--1",
        "version": "-",
        "sha256": b"a" * 32,
        "tlp": "red",
        "added": 1,
        "sub": b"b" * 32,
    }

    with pytest.raises(MalformedStatement):
        add_statement(**{**good, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "members", [{"target": -1}, {"target": True}, {"reason": "whim"}, {"reason": "error "}, {"added": 2**53}]
)
def test_a_withdrawal_that_the_log_cannot_hold_is_not_written(members: dict[str, object]) -> None:
    with pytest.raises(MalformedStatement):
        withdraw_statement(**{"target": 1, "reason": "error", "added": 1, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v":true'),
        (b'"v":1,', b""),
        (b'"v":1', b'"v": 1'),
        (b'"v":1', b'"v":1,"v":1'),
        (b'"v":1', b'"v":1,"extra":1'),
        (b'"op":"add"', b'"op":"withdraw"'),
        (b'"op":"add"', b'"op":"drop"'),
        (b'"op":"add"', b'"op":["add"]'),
        (b'"amber"', b'"AMBER"'),
        (b'"amber"', b'"\\u0061mber"'),
        (b"1767225600000001", b"1767225600000001.0"),
        (b"1767225600000001", b'"1767225600000001"'),
        (b"1767225600000001", b"01767225600000001"),
        (b"1767225600000001", b"9" * 5000),
        (b"YWE", b"YWE="),
        (b"YWE", b"YWF"),
        (b"YWE", b"Y"),
        (b"indicator", b"\\u0000"),
        (b'{"added"', b'[{"added"'),
        (b"}", b"}\n"),
        (b"}", b""),
        (b"indicator", b"\xff"),
        (b"indicator", b"\\ud800"),
    ],
)
def test_whatever_is_not_the_canonical_form_is_malformed(old: bytes, new: bytes) -> None:
    assert old in written(ADDED)

    with pytest.raises(MalformedStatement):
        read_statement(written(ADDED).replace(old, new, 1))


@given(st.binary(max_size=60) | st.just(b"[" * 100_000))
def test_garbage_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedStatement):
        read_statement(raw)


def test_an_entry_and_its_leaf_are_these_hashes() -> None:
    salt, statement = b"s" * 32, b"{}"

    committed = entry(salt, statement)

    assert committed == b"\x01" + sha256(salt + statement).digest()
    assert len(committed) == 33
    assert leaf_hash(committed) == sha256(b"\x00" + committed).digest()


def test_the_submitter_commitment_is_this_hash() -> None:
    assert submitter_commitment(b"s" * 32, b"{}") == sha256(b"s" * 32 + b"{}").digest()


def test_salts_and_entries_of_another_size_are_refused() -> None:
    with pytest.raises(MalformedStatement):
        entry(b"s" * 16, b"{}")
    with pytest.raises(MalformedStatement):
        submitter_commitment(b"", b"{}")
    with pytest.raises(MalformedStatement):
        leaf_hash(b"\x01" * 32)
    with pytest.raises(MalformedStatement):
        leaf_hash(b"\x02" * 33)
