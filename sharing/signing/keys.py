"""Keys: the signer, its encrypted file, its public JWK, and the set a verifier trusts.

Ed25519 signs objects, receipts, deliveries and checkpoints; ML-DSA-44 (FIPS 204) signs checkpoints too, so that a log
still holds when Ed25519 no longer does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from sharing.signing import base64url

ALGORITHM = "Ed25519"
"""The JOSE name of the one algorithm that objects are signed by (RFC 9864 §2.2)."""
ML_DSA_44 = "ML-DSA-44"
"""The JOSE name of the other one (key type AKP)."""

USE = "stillwatch_use"
"""The member of a JWK that says what else than objects a key signs. Without it a key signs objects."""
LOG = "log"
"""The key signs checkpoints of logs."""

_KINDS = {("OKP", "Ed25519"), ("AKP", ML_DSA_44)}
"""`kty`, and `crv` or `alg`."""


class SigningError(Exception):
    """Something about a key or a signature is not as it must be; the tree is in the package's docstring."""


class UnreadableKey(SigningError):
    """A private key file cannot be used: damaged, not encrypted, wrong passphrase, or of another kind."""


class MalformedKeySet(SigningError):
    """A JWK or JWK Set breaks a rule; nothing of it may be used."""


class UnknownKey(SigningError):
    """No key of the set has this `kid`."""


class Signer(Protocol):
    """What signs: a key in memory here; a PKCS#11 token or a remote service can stand in its place."""

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public key."""

    def sign(self, message: bytes, /) -> bytes:
        """The 64 bytes of a pure Ed25519 signature (RFC 8032 §5.1)."""

    def sign_many(self, messages: Sequence[bytes], /) -> list[bytes]:
        """As `sign`, in order: asked once where the key is in another process."""


class Ed25519Signer:
    """A private key held in this process."""

    __slots__ = ("_key", "_kid", "sign")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        # Bound once, not wrapped in a method: this is called for every published object.
        self.sign = key.sign
        self._kid = thumbprint(self.public_jwk())

    def __repr__(self) -> str:
        return f"<Ed25519Signer {self._kid}>"

    @property
    def kid(self) -> str:
        return self._kid

    def sign_many(self, messages: Sequence[bytes], /) -> list[bytes]:
        """As `sign`, in order."""
        return [self.sign(message) for message in messages]

    def public_jwk(self) -> dict[str, str]:
        """The public key alone (RFC 8037 §2): `kty`, `crv` and `x`."""
        x = base64url.encode(self._key.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x}

    def public_bytes(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8. There is no unencrypted form: an empty passphrase raises UnreadableKey."""
        return _to_pem(self._key, passphrase)


class MlDsa44Signer:
    """A private ML-DSA-44 key held in this process. Its signatures are hedged: no two over one message are the same."""

    __slots__ = ("_key", "_kid", "sign")

    def __init__(self, key: MLDSA44PrivateKey) -> None:
        self._key = key
        self.sign = key.sign
        self._kid = thumbprint(self.public_jwk())

    def __repr__(self) -> str:
        return f"<MlDsa44Signer {self._kid}>"

    @property
    def kid(self) -> str:
        return self._kid

    def public_jwk(self) -> dict[str, str]:
        """The public key alone: `kty`, `alg` and `pub`."""
        return {"kty": "AKP", "alg": ML_DSA_44, "pub": base64url.encode(self.public_bytes())}

    def public_bytes(self) -> bytes:
        """The 1312 bytes of the public key (FIPS 204, `pkEncode`)."""
        return self._key.public_key().public_bytes_raw()

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8, which holds the seed. An empty passphrase raises UnreadableKey."""
        return _to_pem(self._key, passphrase)


def generate() -> Ed25519Signer:
    return Ed25519Signer(Ed25519PrivateKey.generate())


def generate_ml_dsa_44() -> MlDsa44Signer:
    return MlDsa44Signer(MLDSA44PrivateKey.generate())


def from_seed(seed: bytes) -> Ed25519Signer:
    """The key of a seed of 32 bytes, for what must be the same each time: test vectors."""
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(seed))


def ml_dsa_44_from_seed(seed: bytes) -> MlDsa44Signer:
    """As `from_seed`."""
    return MlDsa44Signer(MLDSA44PrivateKey.from_seed_bytes(seed))


def load(pem: bytes, passphrase: bytes) -> Ed25519Signer:
    """The signer in an encrypted PKCS#8 file, or UnreadableKey."""
    signer = load_any(pem, passphrase)
    if not isinstance(signer, Ed25519Signer):
        raise UnreadableKey("the private key file holds another kind of key than Ed25519")
    return signer


def load_any(pem: bytes, passphrase: bytes) -> Ed25519Signer | MlDsa44Signer:
    """As `load`, of either kind."""
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:  # The library's answer to a passphrase for a file that is not encrypted.
        raise UnreadableKey("the private key file is not encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("the private key file is damaged or the passphrase is wrong") from error
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer(key)
    if isinstance(key, MLDSA44PrivateKey):
        return MlDsa44Signer(key)
    raise UnreadableKey("the private key file holds another kind of key than Ed25519 and ML-DSA-44")


def thumbprint(jwk: Mapping[str, object]) -> str:
    """RFC 7638 over the required members of a JWK of either kind; its other members take no part."""
    public = base64url.encode(public_bytes(jwk))
    if jwk["kty"] == "AKP":
        canonical = f'{{"alg":"{ML_DSA_44}","kty":"AKP","pub":"{public}"}}'
    else:
        canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}'
    return base64url.encode(sha256(canonical.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key and the time its signer uses it in, seconds since 1970; None where that is open.

    `use` is LOG for a key that signs checkpoints, None for one that signs objects.
    """

    jwk: Mapping[str, object]
    not_before: int | None = None
    not_after: int | None = None
    use: str | None = None


def jwks(keys: Iterable[PublishedKey]) -> dict[str, list[dict[str, str | int]]]:
    """The JWK Set to serve at `/.well-known/jwks.json`: public members only, whatever the caller passed."""
    published = []
    for key in keys:
        public = base64url.encode(public_bytes(key.jwk))
        member: dict[str, str | int] = (
            {"kty": "AKP", "pub": public, "kid": thumbprint(key.jwk), "alg": ML_DSA_44, "use": "sig"}
            if key.jwk["kty"] == "AKP"
            else {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": public,
                "kid": thumbprint(key.jwk),
                "alg": ALGORITHM,
                "use": "sig",
            }
        )
        if key.use is not None:
            member[USE] = key.use
        if key.not_before is not None:
            member["nbf"] = key.not_before
        if key.not_after is not None:
            member["exp"] = key.not_after
        published.append(member)
    return {"keys": published}


class KeySet:
    """The public keys a verifier trusts, by `kid`.

    Being in the set is what makes a key trusted. `nbf` and `exp` say when the publisher signs with it and are
    checked for form only: an object stays verifiable after its key retired, and a later key may sign it anew.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(keys)

    @classmethod
    def from_jwks(cls, jwks: object) -> Self:
        """Reads a parsed JWK Set (RFC 7517 §5). Raises MalformedKeySet on any fault of an Ed25519 key in it.

        Keys of another `kty` or `crv`, or for another use than objects, are passed over, as RFC 7517 §5 asks: they
        must not verify anything here, and a set may list a later algorithm beside ours. Unknown members of a key are
        ignored (§4).
        """
        return cls(
            {
                kid: Ed25519PublicKey.from_public_bytes(public_bytes(jwk))
                for kid, jwk in _by_kid(
                    jwks, lambda jwk: jwk.get("crv") == "Ed25519" and USE not in jwk
                ).items()
            }
        )

    @property
    def kids(self) -> frozenset[str]:
        return frozenset(self._keys)

    def public_key(self, kid: str) -> Ed25519PublicKey:
        """Raises UnknownKey."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownKey(f"no key {kid} in the key set") from None


def log_jwks(jwks: object) -> list[Mapping[str, object]]:
    """The keys of a parsed JWK Set that sign checkpoints. Raises MalformedKeySet on any fault of one of them."""
    return [*_by_kid(jwks, lambda jwk: jwk.get(USE) == LOG).values()]


def public_bytes(jwk: Mapping[str, object]) -> bytes:
    """The raw public key of a JWK: 32 bytes of Ed25519, 1312 of ML-DSA-44. Raises MalformedKeySet."""
    if jwk.get("kty") == "AKP":
        if jwk.get("alg") != ML_DSA_44:
            raise MalformedKeySet(f'not an ML-DSA-44 key: "alg" must be "{ML_DSA_44}"')
        name, size = "pub", 1312
    elif jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise MalformedKeySet('not an Ed25519 key: "kty" must be "OKP" and "crv" "Ed25519"')
    else:
        name, size = "x", 32
    value = jwk.get(name)
    try:
        raw = base64url.decode(value) if isinstance(value, str) else b""
    except base64url.NotBase64url as error:
        raise MalformedKeySet(f'"{name}" is {error}') from error
    if len(raw) != size:
        raise MalformedKeySet(f'"{name}" must be {size} bytes in base64url')
    return raw


def _by_kid(jwks: object, wanted: Callable[[Mapping[str, object]], bool]) -> dict[str, Mapping[str, object]]:
    if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list):
        raise MalformedKeySet('a key set is a JSON object with an array "keys"')
    found: dict[str, Mapping[str, object]] = {}
    for place, jwk in enumerate(jwks["keys"]):
        try:
            if not isinstance(jwk, Mapping) or not isinstance(jwk.get("kty"), str):
                raise MalformedKeySet('a key is a JSON object with a "kty"')
            if (jwk["kty"], jwk.get("crv")) not in _KINDS and (jwk["kty"], jwk.get("alg")) not in _KINDS:
                continue
            if not wanted(jwk):
                continue
            kid = _checked_kid(jwk)
            if kid in found:
                raise MalformedKeySet("the same key is listed twice")
        except MalformedKeySet as error:
            raise MalformedKeySet(f"keys[{place}]: {error}") from error
        found[kid] = jwk
    return found


def _checked_kid(jwk: Mapping[str, object]) -> str:
    if "d" in jwk or "priv" in jwk:
        raise MalformedKeySet("the private half is there: this key is no longer private")
    algorithm = ML_DSA_44 if jwk["kty"] == "AKP" else ALGORITHM
    if jwk.get("alg", algorithm) != algorithm:
        raise MalformedKeySet(f'"alg" must be "{algorithm}"')
    if jwk.get("use", "sig") != "sig":
        raise MalformedKeySet('"use" must be "sig"')
    for name in ("nbf", "exp"):
        if name in jwk and type(jwk[name]) is not int:
            raise MalformedKeySet(f'"{name}" must be whole seconds since 1970')
    kid = thumbprint(jwk)
    if jwk.get("kid") != kid:
        raise MalformedKeySet(f'"kid" is not the thumbprint of the key, {kid}')
    return kid


def _to_pem(key: Ed25519PrivateKey | MLDSA44PrivateKey, passphrase: bytes) -> bytes:
    if not passphrase:
        raise UnreadableKey("a private key is only written encrypted; the passphrase is empty")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
