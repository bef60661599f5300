"""Keys of signed notes (C2SP signed-note, tlog-cosignature): who signed a checkpoint, and when.

    type  key        signs                          carried after the key id
    0x01  Ed25519    the note's text                signature (64)
    0x04  Ed25519    "cosignature/v1" message       seconds since 1970, u64 ‖ signature (64)
    0x06  ML-DSA-44  cosigned_message               seconds since 1970, u64 ‖ signature (2420)

    key id  SHA-256(name ‖ "\\n" ‖ type ‖ public key)[:4]
    vkey    <name>+<key id, 8 hexadecimal digits>+<base64 of type ‖ public key>

A log signs with 0x01 and 0x06, and its keys' name is its origin. A witness signs with 0x04 or 0x06.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from struct import pack
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from sharing.signing import keys
from sharing.signing.jws import BadSignature
from sharing.signing.keys import SigningError
from sharing.tlog import checkpoints, notes
from sharing.tlog.checkpoints import Checkpoint, MalformedCheckpoint, cosignature_v1_message, cosigned_message
from sharing.tlog.notes import Note, NoteSignature, from_base64, is_name, to_base64

_TIMESTAMP_SIZE = 8
_MAX_TIMESTAMP = 2**63 - 1


class SignatureType(IntEnum):
    """What a signature line covers, and by which algorithm."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04
    ML_DSA_44 = 0x06


LOG_TYPES = (SignatureType.ED25519, SignatureType.ML_DSA_44)
"""Both sign every checkpoint of a log."""
WITNESS_TYPES = (SignatureType.COSIGNATURE_V1, SignatureType.ML_DSA_44)

_PUBLIC_SIZE = {
    SignatureType.ED25519: 32,
    SignatureType.COSIGNATURE_V1: 32,
    SignatureType.ML_DSA_44: 1312,
}
_SIGNATURE_SIZE = {
    SignatureType.ED25519: 64,
    SignatureType.COSIGNATURE_V1: 64,
    SignatureType.ML_DSA_44: 2420,
}


class MalformedNoteKey(SigningError):
    """Not a verifier key of one of the three types; the sentence says why."""


class Key(Protocol):
    """A private key: in memory, in a token, or behind a socket."""

    def public_bytes(self) -> bytes:
        """The raw public key: 32 bytes of Ed25519, or 1312 of ML-DSA-44."""

    def sign(self, message: bytes, /) -> bytes:
        """The raw signature."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key under a name. Raises MalformedNoteKey."""

    name: str
    type: SignatureType
    public: bytes

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise MalformedNoteKey("a key's name is text without spaces and plus signs")
        if len(self.public) != _PUBLIC_SIZE[self.type]:
            raise MalformedNoteKey(
                f"a public key of type {self.type:#04x} is {_PUBLIC_SIZE[self.type]} bytes"
            )

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that say, with the name, which key and type made a signature."""
        return sha256(b"%b\n%c%b" % (self.name.encode(), self.type, self.public)).digest()[:4]

    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.type]) + self.public)}"

    @classmethod
    def from_vkey(cls, text: str) -> Self:
        """Raises MalformedNoteKey."""
        parts = text.split("+", 2)  # base64 may hold plus signs, a name may not
        if len(parts) != 3:
            raise MalformedNoteKey("a verifier key is <name>+<key id>+<base64>")
        name, key_id, encoded = parts
        try:
            raw = from_base64(encoded)
        except ValueError as error:
            raise MalformedNoteKey("the public key of a verifier key is base64") from error
        try:
            type_ = SignatureType(raw[0]) if raw else None
        except ValueError:
            type_ = None
        if type_ is None:
            raise MalformedNoteKey("the type of a verifier key must be 0x01, 0x04 or 0x06")
        key = cls(name, type_, raw[1:])
        if key_id != key.key_id.hex():
            raise MalformedNoteKey(f"the key id of the verifier key of {name} is {key.key_id.hex()}")
        return key

    def made(self, signature: NoteSignature) -> bool:
        """Whether the line says that it is by this key; it may still be wrong."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verify(self, text: str, raw: bytes) -> int | None:
        """The timestamp, seconds since 1970, of a cosignature (0x04, 0x06) over a note's text; None for 0x01.

        `raw` is what follows the key id. Raises BadSignature.
        """
        timestamp, signature = None, raw
        if self.type is not SignatureType.ED25519:
            timestamp, signature = int.from_bytes(raw[:_TIMESTAMP_SIZE], "big"), raw[_TIMESTAMP_SIZE:]
            if timestamp > _MAX_TIMESTAMP:
                raise BadSignature(f"the line of {self.name} has an impossible time")
        if len(signature) != _SIGNATURE_SIZE[self.type]:
            raise BadSignature(f"the line of {self.name} is not a signature of type {self.type:#04x}")
        try:
            message = self.message(text, timestamp)
            if self.type is SignatureType.ML_DSA_44:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, MalformedCheckpoint):
            raise BadSignature(f"{self.name} did not sign this text") from None
        return timestamp

    def message(self, text: str, timestamp: int | None) -> bytes:
        """What a key of this type signs of a note's text. Raises MalformedCheckpoint."""
        if timestamp is None:
            return text.encode()
        if self.type is SignatureType.ML_DSA_44:
            return cosigned_message(
                cosigner=self.name, timestamp=timestamp, checkpoint=checkpoints.read(text)
            )
        return cosignature_v1_message(timestamp=timestamp, text=text)


class NoteSigner:
    """Signs checkpoints as `name`: a log (0x01 and 0x06, two signers) or a witness (0x04 or 0x06)."""

    __slots__ = ("_signer", "key")

    def __init__(self, name: str, type_: SignatureType, signer: Key) -> None:
        self.key = NoteKey(name, type_, signer.public_bytes())
        self._signer = signer

    def __repr__(self) -> str:
        return f"<NoteSigner {self.key.name}+{self.key.key_id.hex()}>"

    def sign_checkpoint(self, checkpoint: Checkpoint, *, timestamp: int) -> NoteSignature:
        """The line; `timestamp` in seconds since 1970, which a line of type 0x01 does not carry."""
        dated = None if self.key.type is SignatureType.ED25519 else timestamp
        signature = self._signer.sign(self.key.message(checkpoint.text, dated))
        carried = signature if dated is None else pack(">Q", timestamp) + signature
        return NoteSignature(self.key.name, self.key.key_id, carried)


@dataclass(frozen=True, slots=True)
class Verified:
    """A checkpoint that its log signed with both kinds of key. `timestamp` is that of its latest ML-DSA-44 line,
    seconds since 1970: how fresh it is. `note` has all lines, those of witnesses too."""

    checkpoint: Checkpoint
    timestamp: int
    note: Note


def verify_checkpoint(raw: bytes, *, origin: str, log_keys: Iterable[NoteKey]) -> Verified:
    """The checkpoint of the log `origin`, if its keys signed it: one of each type that a log has (`LOG_TYPES`), so that
    a key may follow another; and no line by any of `log_keys` may be wrong.

    Raises MalformedNote, MalformedCheckpoint or BadSignature (also for a line that is missing).
    """
    note = notes.read(raw)
    checkpoint = checkpoints.read(note.text)
    if checkpoint.origin != origin:
        raise BadSignature(f"the checkpoint is not that of {origin}")
    signed: dict[SignatureType, int] = {}
    for key in log_keys:
        # A log's own line under another name would be one about another log.
        if key.name != origin:
            raise BadSignature(f"a key of {key.name} says nothing about {origin}")
        for signature in note.signatures:
            if key.made(signature):
                timestamp = key.verify(note.text, signature.raw) or 0
                signed[key.type] = max(timestamp, signed.get(key.type, 0))
    for wanted, called in zip(LOG_TYPES, ("Ed25519", "ML-DSA-44"), strict=True):
        if wanted not in signed:
            raise BadSignature(f"the checkpoint has no {called} line by a key of the log")
    return Verified(checkpoint, signed[SignatureType.ML_DSA_44], note)


def cosigners(note: Note, witnesses: Mapping[str, NoteKey]) -> dict[str, int]:
    """By name in `witnesses`, when each of those that cosigned did, in seconds since 1970.

    A wrong line by a witness's key counts as missing: whoever passes a checkpoint on could have put it there.
    """
    found: dict[str, int] = {}
    for name, key in witnesses.items():
        for signature in note.signatures:
            if not key.made(signature):
                continue
            try:
                timestamp = key.verify(note.text, signature.raw)
            except BadSignature:
                continue
            if timestamp is not None:
                found[name] = max(timestamp, found.get(name, 0))
    return found


def log_keys(jwks: object, origin: str) -> list[NoteKey]:
    """The keys of a parsed JWK Set with which the log `origin` signs its checkpoints; every log has the same ones.

    Raises MalformedKeySet.
    """
    return [
        NoteKey(
            origin,
            SignatureType.ML_DSA_44 if jwk["kty"] == "AKP" else SignatureType.ED25519,
            keys.public_bytes(jwk),
        )
        for jwk in keys.log_jwks(jwks)
    ]
