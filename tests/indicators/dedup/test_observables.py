"""Two observables are one when their deterministic ids are equal (STIX 2.1 §2.9), after normalisation."""

import json
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st

import indicators
from indicators.dedup.observables import deterministic_id, normal
from indicators.stix.json import Refused
from indicators.stix.objects import read

DEMO = Path(indicators.__file__).parent / "demo"
UUID = "4b1f0a52-0a3c-5d6e-8f70-112233445566"
SHA256 = "6db12788c37247f2316052e142f42f4b259d6561751e5f401a1ae2a6df9c674b"
MD5 = "c8e592b97e2d0a9a5e4e2a3b1d5a0b11"


def sco(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"{kind}--{UUID}", **members}


def same_id(*objects: dict[str, Any]) -> bool:
    ids = {deterministic_id(normal(one)) for one in objects}
    assert None not in ids
    return len(ids) == 1


@pytest.mark.parametrize("bundle", ["1-public-campaigns.json", "2-synthetic-detections.json"])
def test_the_observables_of_the_worked_bundles_are_normal_and_have_their_ids(bundle: str) -> None:
    objects = json.loads((DEMO / bundle).read_text())["objects"]
    named = [(one, found) for one in objects if (found := deterministic_id(one)) is not None]

    assert len(named) >= 2
    for one, found in named:
        assert normal(one) is one
        assert found == one["id"]


@pytest.mark.parametrize(
    "one",
    [
        stix2.v21.IPv4Address(value="203.0.113.7"),
        stix2.v21.IPv4Address(value="203.0.113.0/24"),
        stix2.v21.IPv6Address(value="2001:db8::7"),
        stix2.v21.DomainName(value="login.example"),
        stix2.v21.EmailAddress(value="ops+a@example.org"),
        stix2.v21.URL(value="https://api.example/v1?a=b&c=d"),
        stix2.v21.MACAddress(value="d2:fb:49:24:37:18"),
        stix2.v21.AutonomousSystem(number=64500, name="Example"),
        stix2.v21.Mutex(name="Global\\é"),
        stix2.v21.Directory(path="C:\\temp"),
        stix2.v21.Software(name="proxyd", version="1.0", vendor="Example"),
        stix2.v21.UserAccount(user_id="1001", account_type="unix", display_name="x"),
        stix2.v21.WindowsRegistryKey(
            key="HKEY_LOCAL_MACHINE\\x", values=[{"name": "a", "data": "b", "data_type": "REG_SZ"}]
        ),
        stix2.v21.File(hashes={"MD5": MD5, "SHA-256": SHA256}, name="modèle.bin", size=3),
        stix2.v21.File(name="weights.bin"),
        stix2.v21.Artifact(mime_type="text/plain", payload_bin="aGVsbG8="),
        stix2.v21.X509Certificate(hashes={"SHA-256": SHA256}, serial_number="36:f7"),
        stix2.v21.EmailMessage(is_multipart=False, subject="Hello", body="there"),
    ],
    ids=lambda one: str(one["type"]),
)
def test_a_normal_observable_has_the_id_that_stix2_gives_it(one: Any) -> None:
    value = json.loads(one.serialize())

    assert normal(value) is value
    assert deterministic_id(value) == value["id"]


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        ("ipv4-addr", ["203.0.113.7", "203.0.113.7/32", "203[.]0[.]113[.]7"]),
        ("ipv4-addr", ["203.0.113.0/24", "203.0.113.99/24"]),
        ("ipv6-addr", ["2001:db8::7", "2001:0DB8:0:0::0007", "2001:db8::7/128"]),
        ("domain-name", ["login.example", "LOGIN.Example.", "login[.]example"]),
        ("domain-name", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"]),
        ("email-addr", ["ops@example.org", "Ops@EXAMPLE.org", "ops[@]example[.]org"]),
        (
            "url",
            ["https://api.example/v1", "hxxps://api[.]example:443/./v1#top", "HTTPS://API.example/v%31"],
        ),
        ("mac-addr", ["d2:fb:49:24:37:18", "D2-FB-49-24-37-18"]),
    ],
)
def test_spellings_of_one_value_are_one_observable(kind: str, spellings: list[str]) -> None:
    objects = [sco(kind, value=spelling) for spelling in spellings]

    assert same_id(*objects)
    assert {normal(one)["value"] for one in objects} == {spellings[0].replace("bücher", "xn--bcher-kva")}


def test_the_sender_of_a_normal_value_is_taken_at_its_word() -> None:
    one = sco("domain-name", value="login.example", defanged=False, x_note="kept")

    assert normal(one) is one


def test_what_is_in_normal_form_is_not_defanged() -> None:
    one = sco("domain-name", value="login[.]example", defanged=True, x_note="kept")

    assert normal(one) == sco("domain-name", value="login.example", x_note="kept")


def test_hashes_are_one_under_any_spelling_of_name_and_digits() -> None:
    assert same_id(
        sco("file", hashes={"SHA-256": SHA256}),
        sco("file", hashes={"SHA256": SHA256.upper()}),
        sco("file", hashes={"SHA-256": SHA256, "SHA-512": "0" * 128}),
    )


def test_the_first_of_four_hashes_contributes() -> None:
    with_md5 = sco("file", hashes={"SHA-256": SHA256, "MD5": MD5})

    assert same_id(with_md5, sco("file", hashes={"MD5": MD5}))
    assert not same_id(with_md5, sco("file", hashes={"SHA-256": SHA256}))


def test_an_account_is_one_whatever_else_is_said_of_it() -> None:
    assert same_id(
        sco("user-account", user_id="1", account_type="unix", display_name="A"),
        sco("user-account", user_id="1", account_type="unix"),
    )


@pytest.mark.parametrize(
    "one",
    [
        sco("network-traffic", src_ref=f"ipv4-addr--{UUID}", protocols=["tcp"]),
        sco("email-message", is_multipart=False, from_ref=f"email-addr--{UUID}", subject="Hello"),
        sco("file", name="a", parent_directory_ref=f"directory--{UUID}"),
        sco("process", pid=7),
        sco("file", size=7),
        sco("x-example-thing", value="203.0.113.7"),
    ],
    ids=lambda one: str(one["type"]),
)
def test_what_refers_to_others_or_is_unknown_keeps_the_id_it_was_sent_with(one: dict[str, Any]) -> None:
    assert normal(one) is one
    assert deterministic_id(one) is None


@pytest.mark.parametrize(
    ("one", "place"),
    [
        (sco("ipv4-addr", value="999.1.1.1"), "/value"),
        (sco("ipv6-addr", value="2001:db8::7::1"), "/value"),
        (sco("domain-name", value="not a domain"), "/value"),
        (sco("email-addr", value="nobody"), "/value"),
        (sco("url", value="no scheme"), "/value"),
        (sco("mac-addr", value="d2:fb:49"), "/value"),
        (sco("autonomous-system", number=2**32), "/number"),
        (sco("file", hashes={"SHA256": "abc"}), "/hashes/SHA256"),
        (sco("file", hashes={"SHA-256": SHA256, "sha256": "0" * 64}), "/hashes/sha256"),
    ],
    ids=lambda case: case if isinstance(case, str) else str(case["type"]),
)
def test_a_value_that_cannot_be_is_refused_at_its_place(one: dict[str, Any], place: str) -> None:
    with pytest.raises(Refused) as refusal:
        normal(one)

    assert (refusal.value.code, refusal.value.place) == ("impossible-value", place)


@given(
    st.sampled_from(["domain-name", "url", "ipv4-addr", "ipv6-addr", "email-addr"]),
    st.text(alphabet="abcXYZ019.:/@[]%-é", max_size=24),
)
def test_the_normal_form_of_a_normal_form_is_itself(kind: str, text: str) -> None:
    try:
        once = normal(sco(kind, value=text))
    except Refused:
        return

    assert normal(once) is once


def test_activity_windows_and_blinded_identifiers_are_what_their_four_properties_say() -> None:
    window = sco(
        "llm-api-activity",
        provider="example-lab-a",
        cluster_id="A-c17",
        start="2026-10-02T00:00:00Z",
        end="2026-10-03T00:00:00Z",
    )
    blinded = sco(
        "blinded-identifier", subject="account-id", scheme="hmac-sha-256", key_id="g.2026q4", value=SHA256
    )

    assert same_id(window, window | {"account_count": 7})
    assert not same_id(window, window | {"end": "2026-10-03T00:00:01Z"})
    assert same_id(blinded, blinded | {"object_marking_refs": []})
    assert not same_id(blinded, blinded | {"key_id": "g.2027q1"})


def test_an_object_that_was_read_keeps_its_value_untouched() -> None:
    stix = read(json.dumps(sco("domain-name", value="LOGIN.example")).encode())

    normal(stix.value)

    assert stix.value["value"] == "LOGIN.example"


@pytest.mark.parametrize(
    "hashes",
    [
        {"SSDEEP": "3:abc:def"},
        {"X-FOO": "aB"},
        {"TLSH": "a" * 70},
        {"MD6": "b" * 32},
        {"X-FOO": "x", "MD5": "A" * 32},
    ],
)
def test_every_hash_has_its_place_known_or_not(hashes: dict[str, str]) -> None:
    value = normal(sco("file", hashes=hashes))

    assert sorted(value["hashes"]) == sorted(hashes)
    assert deterministic_id(value) is not None
