"""Ed25519 keys: the signer, its encrypted file, its public JWK, and the set a verifier trusts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from sharing.signing import base64url

ALGORITHM = "Ed25519"
"""The JOSE name of the one algorithm (RFC 9864 §2.2)."""


class SigningError(Exception):
    """Something about a key or a signature is not as it must be; the tree is in the package's docstring."""


class UnreadableKey(SigningError):
    """A private key file cannot be used: damaged, not encrypted, wrong passphrase, or not Ed25519."""


class MalformedKeySet(SigningError):
    """A JWK or JWK Set breaks a rule; nothing of it may be used."""


class UnknownKey(SigningError):
    """No key of the set has this `kid`."""


class Signer(Protocol):
    """What signs: a key in memory here; a PKCS#11 token or a remote service can stand in its place."""

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public key."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of a pure Ed25519 signature (RFC 8032 §5.1)."""


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

    def public_jwk(self) -> dict[str, str]:
        """The public key alone (RFC 8037 §2): `kty`, `crv` and `x`."""
        x = base64url.encode(self._key.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x}

    def to_pem(self, passphrase: bytes) -> bytes:
        """Encrypted PKCS#8. There is no unencrypted form: an empty passphrase raises UnreadableKey."""
        if not passphrase:
            raise UnreadableKey("a private key is only written encrypted; the passphrase is empty")
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def generate() -> Ed25519Signer:
    return Ed25519Signer(Ed25519PrivateKey.generate())


def load(pem: bytes, passphrase: bytes) -> Ed25519Signer:
    """The signer in an encrypted PKCS#8 file, or UnreadableKey."""
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:  # The library's answer to a passphrase for a file that is not encrypted.
        raise UnreadableKey("the private key file is not encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("the private key file is damaged or the passphrase is wrong") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnreadableKey("the private key file holds another kind of key than Ed25519")
    return Ed25519Signer(key)


def thumbprint(jwk: Mapping[str, object]) -> str:
    """RFC 7638 over the required members of an Ed25519 JWK; its other members take no part."""
    x = base64url.encode(_public_bytes(jwk))
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    return base64url.encode(sha256(canonical.encode("ascii")).digest())


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key and the time its signer uses it in, seconds since 1970; None where that is open."""

    jwk: Mapping[str, object]
    not_before: int | None = None
    not_after: int | None = None


def jwks(keys: Iterable[PublishedKey]) -> dict[str, list[dict[str, str | int]]]:
    """The JWK Set to serve at `/.well-known/jwks.json`: public members only, whatever the caller passed."""
    published = []
    for key in keys:
        member: dict[str, str | int] = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64url.encode(_public_bytes(key.jwk)),
            "kid": thumbprint(key.jwk),
            "alg": ALGORITHM,
            "use": "sig",
        }
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

        Keys of another `kty` or `crv` are passed over, as RFC 7517 §5 asks: they cannot verify anything here,
        and a set may list a later algorithm beside ours. Unknown members of a key are ignored (§4).
        """
        if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list):
            raise MalformedKeySet('a key set is a JSON object with an array "keys"')
        keys: dict[str, Ed25519PublicKey] = {}
        for place, jwk in enumerate(jwks["keys"]):
            try:
                if not isinstance(jwk, Mapping) or not isinstance(jwk.get("kty"), str):
                    raise MalformedKeySet('a key is a JSON object with a "kty"')
                if (jwk["kty"], jwk.get("crv")) != ("OKP", "Ed25519"):
                    continue
                kid = _checked_kid(jwk)
                if kid in keys:
                    raise MalformedKeySet("the same key is listed twice")
            except MalformedKeySet as error:
                raise MalformedKeySet(f"keys[{place}]: {error}") from error
            keys[kid] = Ed25519PublicKey.from_public_bytes(_public_bytes(jwk))
        return cls(keys)

    @property
    def kids(self) -> frozenset[str]:
        return frozenset(self._keys)

    def public_key(self, kid: str) -> Ed25519PublicKey:
        """Raises UnknownKey."""
        try:
            return self._keys[kid]
        except KeyError:
            raise UnknownKey(f"no key {kid} in the key set") from None


def _public_bytes(jwk: Mapping[str, object]) -> bytes:
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise MalformedKeySet('not an Ed25519 key: "kty" must be "OKP" and "crv" "Ed25519"')
    x = jwk.get("x")
    try:
        raw = base64url.decode(x) if isinstance(x, str) else b""
    except base64url.NotBase64url as error:
        raise MalformedKeySet(f'"x" is {error}') from error
    if len(raw) != 32:
        raise MalformedKeySet('"x" must be 32 bytes in base64url')
    return raw


def _checked_kid(jwk: Mapping[str, object]) -> str:
    if "d" in jwk:
        raise MalformedKeySet('"d" is there: this is a private key, and it is no longer private')
    if jwk.get("alg", ALGORITHM) != ALGORITHM:
        raise MalformedKeySet(f'"alg" must be "{ALGORITHM}"')
    if jwk.get("use", "sig") != "sig":
        raise MalformedKeySet('"use" must be "sig"')
    for name in ("nbf", "exp"):
        if name in jwk and type(jwk[name]) is not int:
            raise MalformedKeySet(f'"{name}" must be whole seconds since 1970')
    kid = thumbprint(jwk)
    if jwk.get("kid") != kid:
        raise MalformedKeySet(f'"kid" is not the thumbprint of the key, {kid}')
    return kid
