"""What the signer will sign, and what not. Pure: a request in, a reply out; keys, memory and clock are arguments.

    object      JWS signing inputs with this key's own header, of a type that we sign (`jws.TYPES`)
    log         checkpoints, by both keys, of a tree that continues the one signed of this log last
    trust       metadata of the trust root's online roles, by its `_type`

A key signs for its one purpose. So whoever takes over a process that asks may have things signed while they are there,
and take no key with them; and even they can show nobody a log that is shorter, or another, than before.
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from sharing.signing import jws, wire
from sharing.signing.note_keys import Key, NoteSigner, SignatureType
from sharing.signing.wire import Code, Purpose, Refusal
from sharing.tlog import merkle
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.notes import Note

_ORIGIN = re.compile(
    r"[A-Za-z0-9.:\[\]-]{1,200}/log/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII
)
_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ONLINE_ROLES = frozenset({"snapshot", "targets", "timestamp"})
"""`_type` of TUF metadata; a delegated role's is "targets" too, and the top one's key is not here."""
MOST_KEYS = 200
"""Of one purpose: in the keys' ordinary life enough for decades."""


class UnknownKey(Exception):
    """There is no such key for this purpose."""


class KeyStore(Protocol):
    """Where private keys are: encrypted files (`files.KeyFiles`), or a PKCS#11 token or Vault in their place."""

    def held(self) -> list[wire.HeldKey]:
        """The public halves, oldest first."""

    def generate(self, purpose: Purpose) -> wire.HeldKey:
        """Make a key; it is kept durably before this returns."""

    def destroy(self, kid: str, purpose: Purpose) -> None:
        """The private half is gone, durably, when this returns. Raises UnknownKey."""

    def key(self, kid: str, purpose: Purpose) -> Key:
        """What signs with one key. Raises UnknownKey."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The largest tree of a log that was signed."""

    size: int
    root: bytes


class Marks(Protocol):
    """The signer's own memory, by origin; not the database's, which may be restored to an earlier day."""

    def read(self, origin: str) -> Mark | None:
        """None if nothing of this log was signed yet."""

    def write(self, origin: str, mark: Mark) -> None:
        """Durable when it returns."""


class _Refused(Exception):
    def __init__(self, code: Code, sentence: str, known: Mark | None = None) -> None:
        super().__init__(sentence)
        self.reply = Refusal(code, sentence, *((known.size, known.root) if known else ()))


class SigningService:
    """Answers one request at a time or many; for any number of threads. `clock` gives seconds since 1970."""

    def __init__(self, *, keys: KeyStore, marks: Marks, clock: Callable[[], int]) -> None:
        self._keys, self._marks, self._clock = keys, marks, clock
        # What is signed of a log is compared and remembered by one at a time.
        self._one = threading.Lock()
        self._used: set[str] = set()
        """Key ids of what signed since the signer started."""

    def answer(self, request: wire.Request) -> wire.Reply:
        """Never raises for anything in the request."""
        try:
            match request:
                case wire.SignMessages():
                    return self._messages(request)
                case wire.SignCheckpoint():
                    return self._checkpoint(request)
                case wire.SignTrust():
                    return self._trust(request)
                case wire.Keys():
                    return wire.HeldKeys(self._keys.held())
                case wire.Generate():
                    return self._generate(request)
                case wire.Destroy():
                    return self._destroy(request)
                case _:
                    assert_never(request)
        except _Refused as refusal:
            return refusal.reply
        except UnknownKey as error:
            return Refusal(Code.UNKNOWN_KEY, str(error))

    def _generate(self, request: wire.Generate) -> wire.HeldKeys:
        with self._one:
            if sum(key.purpose == request.purpose for key in self._keys.held()) >= MOST_KEYS:
                raise _Refused(Code.NOT_ALLOWED, f"there are {MOST_KEYS} keys of this purpose already")
            return wire.HeldKeys([self._keys.generate(request.purpose)])

    def _destroy(self, request: wire.Destroy) -> wire.HeldKeys:
        """Never the newest of a purpose, nor what signed since the start, whoever asks: whoever takes over a process
        that asks could make newer ones, and leave nothing that anybody trusts."""
        with self._one:
            held = self._keys.held()
            gone = [key for key in held if key.kid == request.kid]
            newest = {key.purpose: key.kid for key in held}
            if request.kid in self._used:
                raise _Refused(
                    Code.NOT_ALLOWED,
                    f"{request.kid} has signed since the signer started: start the signer again, then it goes",
                )
            for key in gone:
                if newest[key.purpose] == key.kid:
                    raise _Refused(
                        Code.NOT_ALLOWED,
                        f"{key.kid} is the newest key for {key.purpose}: it goes when there is a newer one",
                    )
            for key in gone:
                self._keys.destroy(key.kid, key.purpose)
            return wire.HeldKeys(gone)

    def _key(self, kid: str, purpose: Purpose) -> Key:
        """What is about to sign."""
        with self._one:
            key = self._keys.key(kid, purpose)
            self._used.add(kid)
            return key

    def _messages(self, request: wire.SignMessages) -> wire.Signatures:
        key = self._key(request.kid, Purpose.OBJECT)
        headers = {jws.encoded_header(request.kid, typ) for typ in jws.TYPES}
        for place, message in enumerate(request.messages):
            header, _, body = message.partition(b".")
            if header not in headers:
                raise _Refused(
                    Code.NOT_ALLOWED, f"messages[{place}] does not begin with a header of this key's own"
                )
            # What is left over once all of base64url is taken out.
            if not body or body.translate(None, _BASE64URL):
                raise _Refused(Code.NOT_ALLOWED, f"messages[{place}] is not a header and a body in base64url")
        sign = key.sign
        return wire.Signatures([sign(message) for message in request.messages])

    def _trust(self, request: wire.SignTrust) -> wire.Signatures:
        key = self._key(request.kid, Purpose.TRUST)
        try:
            signed = json.loads(
                request.payload, strict=False
            )  # canonical JSON leaves control characters as they are
        except (ValueError, RecursionError):
            raise _Refused(Code.NOT_ALLOWED, "the payload is not the JSON of TUF metadata") from None
        role = signed.get("_type") if isinstance(signed, dict) else None
        if not isinstance(role, str) or role not in _ONLINE_ROLES:
            raise _Refused(
                Code.NOT_ALLOWED, f"the payload's _type is none of {', '.join(sorted(_ONLINE_ROLES))}"
            )
        return wire.Signatures([key.sign(request.payload)])

    def _checkpoint(self, request: wire.SignCheckpoint) -> wire.SignedNote:
        if not _ORIGIN.fullmatch(request.origin):
            raise _Refused(Code.NOT_ALLOWED, "the origin is not of the form <host>/log/<uuid>")
        try:
            checkpoint = Checkpoint(request.origin, request.size, request.root)
        except ValueError as error:
            raise _Refused(Code.MALFORMED, str(error)) from None
        signers = [
            NoteSigner(request.origin, SignatureType.ED25519, self._key(request.ed25519, Purpose.LOG)),
            NoteSigner(
                request.origin, SignatureType.ML_DSA_44, self._key(request.ml_dsa, Purpose.LOG_ML_DSA)
            ),
        ]
        with self._one:
            known = self._marks.read(request.origin)
            if known is not None:
                _refuse_unless_it_continues(known, checkpoint, request.proof)
            # Before the signature leaves: what was signed is never forgotten.
            if known is None or known.size < request.size:
                self._marks.write(request.origin, Mark(request.size, request.root))
            # Within, so that a later time is never that of a smaller tree.
            timestamp = self._clock()
        lines = [signer.sign_checkpoint(checkpoint, timestamp=timestamp) for signer in signers]
        return wire.SignedNote(bytes(Note(checkpoint.text, tuple(lines))).decode(), timestamp)


def _refuse_unless_it_continues(known: Mark, checkpoint: Checkpoint, proof: list[bytes]) -> None:
    if checkpoint.size < known.size:
        raise _Refused(
            Code.SMALLER,
            f"{checkpoint.origin} had {known.size:,} entries when it was signed last, and has {checkpoint.size:,} now",
            known,
        )
    if checkpoint.size == known.size:
        if checkpoint.root != known.root:
            raise _Refused(
                Code.ANOTHER_ROOT,
                f"{checkpoint.origin} was signed with {known.size:,} entries, and has others in their place now",
                known,
            )
        return
    try:
        merkle.verify_consistency(
            first=known.size,
            second=checkpoint.size,
            first_root=known.root,
            second_root=checkpoint.root,
            proof=proof,
        )
    except merkle.BadProof as error:
        raise _Refused(
            Code.INCONSISTENT,
            f"{checkpoint.origin} does not continue the {known.size:,} entries that were signed of it: {error}",
            known,
        ) from None
