from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sharing.signing import base64url
from sharing.signing.keys import (
    Ed25519Signer,
    KeySet,
    MalformedKeySet,
    MlDsa44Signer,
    PublishedKey,
    UnknownKey,
    UnreadableKey,
    generate,
    generate_ml_dsa_44,
    jwks,
    load,
    load_any,
    ml_dsa_44_from_seed,
    thumbprint,
)

# RFC 8037 appendix A
RFC_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.fixture
def rfc_signer() -> Ed25519Signer:
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(base64url.decode(RFC_D)))


def test_the_public_jwk_is_that_of_rfc_8037_a_2(rfc_signer: Ed25519Signer) -> None:
    assert rfc_signer.public_jwk() == RFC_JWK


def test_the_thumbprint_is_that_of_rfc_8037_a_3(rfc_signer: Ed25519Signer) -> None:
    assert thumbprint(RFC_JWK) == RFC_THUMBPRINT
    assert thumbprint(RFC_JWK | {"kid": "x", "use": "enc"}) == RFC_THUMBPRINT
    assert rfc_signer.kid == RFC_THUMBPRINT


def test_the_signature_is_that_of_rfc_8037_a_4(rfc_signer: Ed25519Signer) -> None:
    signature = rfc_signer.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")

    assert base64url.encode(signature) == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def test_a_key_file_is_encrypted_and_read_back() -> None:
    signer = generate()

    pem = signer.to_pem(b"correct horse")

    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert load(pem, b"correct horse").kid == signer.kid


def test_a_key_is_not_written_under_an_empty_passphrase() -> None:
    with pytest.raises(UnreadableKey):
        generate().to_pem(b"")


def test_a_wrong_passphrase_and_a_damaged_file_are_unreadable() -> None:
    pem = generate().to_pem(b"right")

    for raw, passphrase in [
        (pem, b"wrong"),
        (pem, b""),
        (pem[:-60], b"right"),
        (b"", b"right"),
        (b"\xff", b"x"),
    ]:
        with pytest.raises(UnreadableKey):
            load(raw, passphrase)


def test_a_key_file_that_is_not_encrypted_is_refused() -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(UnreadableKey, match="not encrypted"):
        load(pem, b"any")


def test_another_kind_of_key_is_refused() -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")
    )

    with pytest.raises(UnreadableKey, match="another kind"):
        load(pem, b"p")


def test_a_signer_shows_its_kid_and_nothing_else() -> None:
    signer = generate()

    assert repr(signer) == f"<Ed25519Signer {signer.kid}>"


def test_a_key_set_carries_kid_algorithm_use_and_times() -> None:
    published = jwks(
        [PublishedKey(RFC_JWK, not_before=1_767_225_600, not_after=1_775_001_600), PublishedKey(RFC_JWK)]
    )

    first, second = published["keys"]
    assert first == second | {"nbf": 1_767_225_600, "exp": 1_775_001_600}
    assert second == RFC_JWK | {"kid": RFC_THUMBPRINT, "alg": "Ed25519", "use": "sig"}


def test_a_published_key_set_never_carries_a_private_member() -> None:
    assert "d" not in jwks([PublishedKey(RFC_JWK | {"d": RFC_D})])["keys"][0]


def test_a_published_key_set_is_read_back() -> None:
    signers = [generate(), generate()]

    keys = KeySet.from_jwks(jwks(PublishedKey(s.public_jwk(), 1, 2) for s in signers))

    assert keys.kids == {s.kid for s in signers}
    keys.public_key(signers[0].kid)
    with pytest.raises(UnknownKey):
        keys.public_key(RFC_THUMBPRINT)


def test_keys_of_other_kinds_and_unknown_members_are_passed_over() -> None:
    other_kinds = [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
    ]
    ours = jwks([PublishedKey(RFC_JWK)])["keys"][0] | {"x5t": "ignored"}

    assert KeySet.from_jwks({"keys": [*other_kinds, ours], "more": 1}).kids == {RFC_THUMBPRINT}


@pytest.mark.parametrize(
    "wrong", [None, [], {}, {"keys": {}}, {"keys": [1]}, {"keys": [{}]}, {"keys": [{"kty": 1}]}]
)
def test_what_is_no_key_set_is_malformed(wrong: object) -> None:
    with pytest.raises(MalformedKeySet):
        KeySet.from_jwks(wrong)


@pytest.mark.parametrize(
    "members",
    [
        {"kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4l"},
        {"kid": None},
        {"x": RFC_JWK["x"] + "="},
        {"x": RFC_JWK["x"][:-1] + "p"},
        {"x": RFC_JWK["x"][:-2]},
        {"x": 1},
        {"d": RFC_D},
        {"alg": "EdDSA"},
        {"use": "enc"},
        {"nbf": "2026-01-01T00:00:00Z"},
        {"exp": True},
    ],
)
def test_a_fault_in_a_key_makes_the_whole_set_malformed(members: dict[str, object]) -> None:
    good = jwks([PublishedKey(RFC_JWK)])["keys"][0]

    with pytest.raises(MalformedKeySet, match=r"keys\[0\]"):
        KeySet.from_jwks({"keys": [good | members]})


def test_a_key_listed_twice_is_malformed() -> None:
    good = jwks([PublishedKey(RFC_JWK)])["keys"][0]

    with pytest.raises(MalformedKeySet, match=r"keys\[1\]"):
        KeySet.from_jwks({"keys": [good, good]})


@pytest.mark.parametrize("jwk", [{}, {"kty": "RSA", "n": "AQ", "e": "AQAB"}, RFC_JWK | {"crv": "Ed448"}])
def test_only_an_ed25519_key_has_a_thumbprint(jwk: dict[str, str]) -> None:
    with pytest.raises(MalformedKeySet):
        thumbprint(jwk)


def test_an_ml_dsa_44_key_is_kept_encrypted_and_its_kid_is_the_thumbprint() -> None:
    signer = generate_ml_dsa_44()
    pem = signer.to_pem(b"correct horse")
    jwk = signer.public_jwk()

    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    again = load_any(pem, b"correct horse")
    assert (type(again), again.kid, again.public_bytes()) == (
        MlDsa44Signer,
        signer.kid,
        signer.public_bytes(),
    )
    canonical = f'{{"alg":"ML-DSA-44","kty":"AKP","pub":"{jwk["pub"]}"}}'
    assert signer.kid == base64url.encode(sha256(canonical.encode()).digest())


def test_an_ml_dsa_44_key_signs_no_objects() -> None:
    signer = generate_ml_dsa_44()

    with pytest.raises(UnreadableKey):
        load(signer.to_pem(b"right"), b"right")
    with pytest.raises(UnreadableKey):
        signer.to_pem(b"")
    assert KeySet.from_jwks(jwks([PublishedKey(signer.public_jwk())])).kids == frozenset()


def test_signatures_of_ml_dsa_44_are_hedged() -> None:
    signer = ml_dsa_44_from_seed(b"s" * 32)

    assert signer.sign(b"message") != signer.sign(b"message")
    assert len(signer.sign(b"message")) == 2420
