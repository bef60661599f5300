"""Blinding: every member of a group comes to the same value, and the vectors say which (model.md, "Privacy")."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.patterns import values
from indicators.privacy import blinding
from indicators.privacy.blinding import CannotBlind
from indicators.stix.objects import read

VECTORS: list[dict[str, str]] = json.loads(
    Path(__file__).with_name("blinding-vectors.json").read_text(encoding="utf-8")
)
KEY = bytes(range(32))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["normalised"]))
def test_the_vectors_come_out(vector: dict[str, str]) -> None:
    key = blinding.key_from_hex(vector["key_hex"])

    made = blinding.blinded_identifier(key, vector["key_id"], vector["subject"], vector["input"])

    assert blinding.normalised(vector["subject"], vector["input"]) == vector["normalised"]
    assert (made["value"], made["id"]) == (vector["hmac-sha-256"], vector["stix_id"])
    assert (made["subject"], made["key_id"]) == (vector["subject"], vector["key_id"])


def test_a_blinded_identifier_is_valid_stix_under_tlp_amber_strict() -> None:
    made = blinding.blinded_identifier(KEY, "grp1.2026q4", "device-id", "d-1")

    stix = read(json.dumps(made).encode())

    assert stix.tlp is not None
    assert stix.tlp.label.lower() == "amber+strict"


@pytest.mark.parametrize(
    ("subject", "spellings"),
    [
        (
            "email-address",
            ["bob@example.com", " BOB@EXAMPLE.COM\n", "bob\uff20example.com", "bob@example.com."],
        ),
        ("email-address", ["bob@bücher.example", "Bob@BÜCHER.example", "bob@xn--bcher-kva.example"]),
        ("payment-method", ["4111111111111111", "4111-1111-1111-1111", " 4111 1111 1111 1111"]),
        ("phone-number", ["+442079460018", "+44 20 7946 0018", "+44 (20) 7946-0018", "+44/20.7946.0018"]),
        ("account-id", ["Acct-1", " Acct-1 "]),
    ],
)
def test_spellings_of_one_value_are_blinded_alike(subject: str, spellings: list[str]) -> None:
    assert len({blinding.blind(KEY, subject, one) for one in spellings}) == 1


@pytest.mark.parametrize(
    ("subject", "one", "other"),
    [
        ("email-address", "bob@example.com", "bob+x@example.com"),
        ("account-id", "acct-1", "Acct-1"),
        ("api-key", "sk-a-b", "sk-ab"),
    ],
)
def test_different_values_stay_different(subject: str, one: str, other: str) -> None:
    assert blinding.blind(KEY, subject, one) != blinding.blind(KEY, subject, other)


def test_the_same_text_as_another_subject_or_under_another_key_is_another_value() -> None:
    assert blinding.blind(KEY, "account-id", "x1") != blinding.blind(KEY, "device-id", "x1")
    assert blinding.blind(KEY, "account-id", "x1") != blinding.blind(KEY[::-1], "account-id", "x1")


@pytest.mark.parametrize(
    ("subject", "value", "reason"),
    [
        ("account-id", "  ", "nothing"),
        ("account-id", "a\x00b", "control character"),
        ("account-id", "a\udc80b", "UTF-8"),
        ("account-id", "\ufeffa", "format character"),
        ("account-id", "a\u200bb", "format character"),
        ("email-address", "bob@exa\u00admple.com", "format character"),
        ("payment-method", "4111\u20601111", "format character"),
        ("payment-method", " - ", "nothing"),
        ("phone-number", "555 0199", "country code"),
        ("phone-number", "0044 20 7946 0018", "country code"),
        ("email-address", "example.com", "no"),
        ("email-address", "bob[@]example[.]com", "brackets"),
        ("email-address", "bob@", "no"),
        ("email-address", "bob@a..b", "domain"),
        ("shoe-size", "46", "subject"),
    ],
)
def test_what_is_no_such_value_is_refused_without_quoting_it(subject: str, value: str, reason: str) -> None:
    with pytest.raises(CannotBlind, match=reason) as refusal:
        blinding.blind(KEY, subject, value)

    assert value.strip() == "" or value not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "0x" + "00" * 31])
def test_a_wrong_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(CannotBlind, match="32 bytes") as refusal:
        blinding.key_from_hex(text)

    assert not text or text not in str(refusal.value)


@pytest.mark.parametrize("key_id", ["", "grp1", "grp1.2026q5", "Grp.2026q1", "grp1.2026q1\n", "a.b.2026q1"])
def test_a_key_id_is_the_group_and_the_quarter(key_id: str) -> None:
    with pytest.raises(CannotBlind, match="quarter"):
        blinding.blinded_identifier(KEY, key_id, "account-id", "x")


@given(st.sampled_from(blinding.SUBJECTS), st.text())
def test_the_normal_form_is_a_fixed_point(subject: str, value: str) -> None:
    try:
        normal = blinding.normalised(subject, value)
    except CannotBlind:
        return
    assert blinding.normalised(subject, normal) == normal


def test_marks_that_combine_once_the_space_between_them_is_gone_are_in_normal_form() -> None:
    normal = blinding.normalised("payment-method", "\u0339 \u0334")

    assert normal == "\u0334\u0339"
    assert blinding.normalised("payment-method", normal) == normal


@pytest.mark.parametrize("address", ["Bob+x@Example.org", "bob@BÜCHER.example", "bob@a.example."])
def test_addresses_are_spelled_as_in_patterns(address: str) -> None:
    assert blinding.normalised("email-address", address) == values.email(address)
