"""What the vectors are made of: keys from seeds, a log, cases.

Signatures of ML-DSA-44 are hedged, so those of ml-dsa-44.json are taken again where the message is the same.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from sharing.signing.keys import from_seed, ml_dsa_44_from_seed
from sharing.signing.note_keys import NoteSigner, SignatureType
from tests.sharing.verifier.log_simulator import LogSimulator, an_address, an_indicator

HERE = Path(__file__).parent
NOW = 1_795_305_600
"""2026-11-22T00:00:00Z, when the checkpoints were signed."""

Case = dict[str, Any]


def seed(word: str) -> bytes:
    return sha256(f"stillwatch test vectors: {word}".encode()).digest()


class MlDsa44:
    """Signs each message once, for ever."""

    def __init__(self, word: str) -> None:
        self._signer = ml_dsa_44_from_seed(seed(word))
        self.public = self._signer.public_bytes().hex()

    def public_bytes(self) -> bytes:
        return self._signer.public_bytes()

    def sign(self, message: bytes, /) -> bytes:
        key = (self.public, message.hex())
        if key not in SIGNED:
            SIGNED[key] = self._signer.sign(message).hex()
        USED[key] = SIGNED[key]
        return bytes.fromhex(SIGNED[key])


def _stored() -> dict[tuple[str, str], str]:
    file = HERE / "ml-dsa-44.json"
    cases = json.loads(file.read_text())["cases"] if file.exists() else []
    return {(case["public"], case["message"]): case["signature"] for case in cases if case["ok"]}


SIGNED = _stored()
USED: dict[tuple[str, str], str] = {}

OBJECT_KEY = from_seed(seed("object key"))
LOG_KEYS = (from_seed(seed("log key, Ed25519")), MlDsa44("log key, ML-DSA-44"))
WITNESSES = {
    "one": NoteSigner("one.example/witness", SignatureType.COSIGNATURE_V1, from_seed(seed("witness one"))),
    "two": NoteSigner("two.example/witness", SignatureType.ML_DSA_44, MlDsa44("witness two")),
    "three": NoteSigner(
        "three.example/witness", SignatureType.COSIGNATURE_V1, from_seed(seed("witness three"))
    ),
}
POLICY = "".join(f"witness {name} {signer.key.vkey()}\n" for name, signer in WITNESSES.items())
POLICY += f"group partners 2 {' '.join(WITNESSES)}\nquorum partners\n"


def a_log() -> LogSimulator:
    """Seven entries: 0 to 4 objects, 5 withdraws 1, 6 an object without a version."""
    log = LogSimulator(OBJECT_KEY, log_keys=LOG_KEYS)
    for number in range(5):
        log.publish(an_indicator(number), tlp="green" if number % 2 else "amber")
    log.withdraw(1, reason="legal")
    log.publish(an_address(6), tlp="clear")
    return log


LOG = a_log()
LOG_VKEYS = [signer.key.vkey() for signer in LOG.note_signers()]


def good(name: str, **members: Any) -> Case:
    return {"name": name, "ok": True, **members}


def bad(name: str, exit_code: int | None = None, **members: Any) -> Case:
    return {"name": name, "ok": False, **({} if exit_code is None else {"exit": exit_code}), **members}
