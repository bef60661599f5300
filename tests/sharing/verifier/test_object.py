import json

import pytest
import rfc8785

from sharing.signing.jws import sign_object
from sharing.signing.keys import Ed25519Signer, KeySet, PublishedKey, generate, jwks
from sharing.verifier.failures import KeyRefused, Malformed, SignatureFailed
from sharing.verifier.object import ObjectReport, verify_object
from tests.sharing.verifier.log_simulator import an_address, an_indicator

SIGNER = generate()


def keys(signer: Ed25519Signer = SIGNER) -> KeySet:
    return KeySet.from_jwks(jwks([PublishedKey(signer.public_jwk())]))


def test_an_object_in_any_layout_is_verified() -> None:
    stix = an_indicator(1, x_score=0.5, x_tiny=1e-7)
    jws = sign_object(SIGNER, rfc8785.dumps(stix))

    for raw in (json.dumps(stix), json.dumps(stix, indent=4, sort_keys=True, ensure_ascii=False)):
        assert verify_object(raw.encode(), jws, keys()) == ObjectReport(
            stix["id"], "2026-01-02T00:00:00.000Z", SIGNER.kid
        )


def test_the_version_is_modified_then_created_then_a_dash() -> None:
    created_only = {"id": "marking-definition--1", "created": "2026-01-01T00:00:00.000Z"}

    for stix, version in [(created_only, "2026-01-01T00:00:00.000Z"), (an_address(1), "-")]:
        body = rfc8785.dumps(stix)
        assert verify_object(body, sign_object(SIGNER, body), keys()).version == version


def test_an_altered_object_has_a_bad_signature_that_names_it() -> None:
    jws = sign_object(SIGNER, rfc8785.dumps(an_indicator(1)))

    with pytest.raises(SignatureFailed) as caught:
        verify_object(json.dumps(an_indicator(1, name="another")).encode(), jws, keys())

    assert caught.value.object_id == an_indicator(1)["id"]


def test_an_unknown_key_is_refused() -> None:
    body = rfc8785.dumps(an_indicator(1))

    with pytest.raises(KeyRefused):
        verify_object(body, sign_object(generate(), body), keys())


@pytest.mark.parametrize("raw", [b"[]", b"{}", b'{"id":1}', b'"x"'])
def test_what_is_no_object_with_an_id_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        verify_object(raw, sign_object(SIGNER, raw), keys())
