"""A witness's own keys: a name, and for each kind of signature an encrypted PKCS#8 file in its home.

<home>/witness.json   {"v":1,"name":…,"keys":["ml-dsa-44"]}
<home>/<kind>.pem     mode 0600
<home>/vkeys.txt      the public halves, a verifier key a line: what others put into their policy
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sharing.signing import keys
from sharing.signing.keys import UnreadableKey
from sharing.signing.note_keys import NoteSigner, SignatureType
from sharing.tlog import notes

KINDS = {"ml-dsa-44": SignatureType.ML_DSA_44, "ed25519": SignatureType.COSIGNATURE_V1}
"""How a witness can sign, the better first (C2SP tlog-cosignature)."""
_NAME_BYTES = 255


class UnusableKeys(Exception):
    """A home has no keys, has some already, or they cannot be read; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Own:
    """A witness's name and what it signs with."""

    name: str
    signers: tuple[NoteSigner, ...]


def generate(home: Path, *, name: str, kinds: list[str], passphrase: bytes) -> Own:
    """Make a home with new keys, durable. Raises UnusableKeys; never touches keys that are there."""
    if not notes.is_name(name) or len(name.encode()) > _NAME_BYTES:
        raise UnusableKeys(
            "a name is text without spaces and plus signs, such as witness.lab-a.example/stillwatch"
        )
    if not passphrase:
        raise UnusableKeys("a private key is only written encrypted; the passphrase is empty")
    described = home / "witness.json"
    if described.exists() or any((home / f"{kind}.pem").exists() for kind in KINDS):
        raise UnusableKeys(
            f"{home} holds a witness already; a key with another memory is another witness: name another home"
        )
    signers = []
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind in kinds:
            made = keys.generate_ml_dsa_44() if kind == "ml-dsa-44" else keys.generate()
            _write(home / f"{kind}.pem", made.to_pem(passphrase), 0o600)
            signers.append(NoteSigner(name, KINDS[kind], made))
        public = "".join(f"{one.key.vkey()}\n" for one in signers)
        _write(home / "vkeys.txt", public.encode(), 0o644)
        # Last: a home that has it has everything.
        _write(described, json.dumps({"v": 1, "name": name, "keys": kinds}).encode() + b"\n", 0o644)
    except OSError as error:
        raise UnusableKeys(f"{home} cannot be written: {error.strerror}") from error
    return Own(name, tuple(signers))


def load(home: Path, *, passphrase: bytes) -> Own:
    """What `generate` made. Raises UnusableKeys."""
    name, kinds = described(home)
    signers = []
    for kind in kinds:
        path = home / f"{kind}.pem"
        try:
            signers.append(NoteSigner(name, KINDS[kind], keys.load_any(path.read_bytes(), passphrase)))
        except OSError as error:
            raise UnusableKeys(f"{path} cannot be read: {error.strerror}") from error
        except (UnreadableKey, ValueError) as error:
            raise UnusableKeys(f"{path}: {error}") from error
    return Own(name, tuple(signers))


def described(home: Path) -> tuple[str, list[str]]:
    """A witness's name and the kinds of its keys. Raises UnusableKeys."""
    path = home / "witness.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        name, kinds = said["name"], list(dict.fromkeys(said["keys"]))
        if said["v"] == 1 and isinstance(name, str) and kinds and all(kind in KINDS for kind in kinds):
            return name, kinds
    except FileNotFoundError:
        raise UnusableKeys(f"{home} holds no witness; make one with: stillwatch witness keygen") from None
    except OSError as error:
        raise UnusableKeys(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise UnusableKeys(f"{path} is damaged")


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
