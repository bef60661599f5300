import json
from collections.abc import Sequence

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sharing.signing import base64url
from sharing.signing.jws import BadSignature, MalformedSignature, sign_object, verify_object
from sharing.signing.keys import (
    Ed25519Signer,
    KeySet,
    PublishedKey,
    SigningError,
    UnknownKey,
    generate,
    jwks,
)

SIGNER = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEYS = KeySet.from_jwks(jwks([PublishedKey(SIGNER.public_jwk())]))
BODY = b'{"id":"indicator--1"}'
JWS = sign_object(SIGNER, BODY)
HEADER = {"alg": "Ed25519", "kid": SIGNER.kid, "typ": "stix-object+jws"}


def signed_under(header: bytes) -> str:
    """A signature that is right over its own header, so that only the header can be wrong with it."""
    encoded = base64url.encode(header)
    signature = SIGNER.sign(f"{encoded}.{base64url.encode(BODY)}".encode())
    return f"{encoded}..{base64url.encode(signature)}"


@given(st.binary(max_size=300))
def test_what_was_signed_is_verified(body: bytes) -> None:
    assert verify_object(KEYS, body, sign_object(SIGNER, body)) == SIGNER.kid


def test_the_form_is_a_detached_compact_jws_with_exactly_the_one_header() -> None:
    header, payload, signature = JWS.split(".")

    assert base64url.decode(header) == rfc8785.dumps(HEADER)
    assert payload == ""
    assert len(base64url.decode(signature)) == 64
    assert signed_under(rfc8785.dumps(HEADER)) == JWS


@given(st.binary(max_size=60).filter(lambda body: body != BODY))
def test_other_bytes_have_a_bad_signature(body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_object(KEYS, body, JWS)


@given(st.integers(0, 511))
def test_a_flipped_bit_of_the_signature_is_a_bad_signature(bit: int) -> None:
    header, _, encoded = JWS.partition("..")
    signature = bytearray(base64url.decode(encoded))
    signature[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadSignature):
        verify_object(KEYS, BODY, f"{header}..{base64url.encode(bytes(signature))}")


def test_a_key_outside_the_set_is_unknown_even_if_its_signature_is_right() -> None:
    with pytest.raises(UnknownKey):
        verify_object(KEYS, BODY, sign_object(generate(), BODY))


@pytest.mark.parametrize(
    "header",
    [
        json.dumps(HEADER).encode(),
        rfc8785.dumps(HEADER) + b" ",
        rfc8785.dumps(HEADER) + b"\n",
        b'{"alg":"Ed25519","typ":"stix-object+jws","kid":"%b"}' % SIGNER.kid.encode(),
        rfc8785.dumps(HEADER | {"alg": "EdDSA"}),
        rfc8785.dumps(HEADER | {"alg": "none"}),
        rfc8785.dumps(HEADER | {"alg": "HS256"}),
        rfc8785.dumps(HEADER | {"typ": "JWT"}),
        rfc8785.dumps(HEADER | {"kid": SIGNER.kid[:-1]}),
        rfc8785.dumps(HEADER | {"kid": None}),
        rfc8785.dumps({k: v for k, v in HEADER.items() if k != "typ"}),
        rfc8785.dumps(HEADER | {"crit": ["exp"]}),
        rfc8785.dumps(HEADER | {"b64": False, "crit": ["b64"]}),
        rfc8785.dumps(HEADER | {"jwk": SIGNER.public_jwk()}),
        rfc8785.dumps(HEADER | {"jku": "https://evil.example/jwks.json"}),
        rfc8785.dumps(HEADER | {"x5u": "https://evil.example/"}),
        rfc8785.dumps(HEADER)[:-1] + b',"typ":"stix-object+jws"}',
        b"\xff",
        b"",
        b"[]",
    ],
)
def test_every_other_header_is_malformed_although_rightly_signed(header: bytes) -> None:
    with pytest.raises(MalformedSignature):
        verify_object(KEYS, BODY, signed_under(header))


@pytest.mark.parametrize(
    "jws",
    [
        "",
        "..",
        ".",
        "a..b",
        JWS + "=",
        JWS + "\n",
        " " + JWS,
        JWS + "..",
        JWS + ".",
        JWS.replace("..", "."),
        JWS.replace("..", "..."),
        JWS.replace("..", f".{base64url.encode(BODY)}."),
        JWS[:-1],
        JWS[:-4],
        JWS + "AAAA",
        # The same 64 bytes, spelt with a spare bit set.
        JWS[:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(JWS[-1]) + 1
        ],
        JWS.partition("..")[0] + "..",
        JWS.partition("..")[0] + "..é",
        JWS.partition("..")[0] + "..\ud800",
    ],
)  # fmt: skip
def test_every_other_spelling_is_malformed(jws: str) -> None:
    with pytest.raises(MalformedSignature):
        verify_object(KEYS, BODY, jws)


@given(st.text(max_size=80) | st.text("ABab09-_.=+/ \n", max_size=80) | st.just(JWS).map(lambda j: j[::-1]))
def test_garbage_is_a_signing_error_and_nothing_else(jws: str) -> None:
    with pytest.raises(SigningError):
        verify_object(KEYS, BODY, jws)


@given(st.integers(0, len(JWS) - 1), st.characters())
def test_no_single_character_of_a_signature_can_be_changed(place: int, character: str) -> None:
    changed = JWS[:place] + character + JWS[place + 1 :]

    if changed != JWS:
        with pytest.raises(SigningError):
            verify_object(KEYS, BODY, changed)


def test_a_signer_whose_kid_is_no_thumbprint_signs_nothing() -> None:
    class Odd:
        kid = 'x","crit":["b64'

        def sign(self, message: bytes, /) -> bytes:
            raise AssertionError("asked to sign")

        def sign_many(self, messages: Sequence[bytes], /) -> list[bytes]:
            raise AssertionError("asked to sign")

    with pytest.raises(MalformedSignature):
        sign_object(Odd(), BODY)
