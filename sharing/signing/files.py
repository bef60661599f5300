"""Private keys in encrypted PKCS#8 files, one a key: `<kid>.pem` of an object key, `<kid>.<purpose>.pem` of others."""

import os
import re
import threading
from pathlib import Path

from sharing.signing import keys, wire
from sharing.signing.keys import Ed25519Signer, MlDsa44Signer, UnreadableKey
from sharing.signing.service import UnknownKey
from sharing.signing.wire import Purpose

_NAME = re.compile(r"([A-Za-z0-9_-]{43})(?:\.(log|log-ml-dsa|trust))?\.pem", re.ASCII)

_Signer = Ed25519Signer | MlDsa44Signer


class KeyFiles:
    """The keys of one directory, opened once with the passphrase; for any number of threads."""

    def __init__(self, directory: Path, passphrase: bytes) -> None:
        """Raises UnreadableKey, which names the file, or OSError."""
        if not passphrase:
            raise UnreadableKey("the passphrase of the signing keys is empty")
        self._directory, self._passphrase = directory, passphrase
        self._lock = threading.Lock()
        self._signers: dict[tuple[str, Purpose], _Signer] = {}
        files = [
            (path.stat().st_mtime_ns, path) for path in directory.iterdir() if _NAME.fullmatch(path.name)
        ]
        for _, path in sorted(files):
            self._add(path)

    def held(self) -> list[wire.HeldKey]:
        """The public halves, oldest first."""
        with self._lock:
            found = list(self._signers.items())
        return [wire.HeldKey(kid, purpose, signer.public_jwk()) for (kid, purpose), signer in found]

    def key(self, kid: str, purpose: Purpose) -> _Signer:
        """What signs with one key. Raises UnknownKey."""
        try:
            return self._signers[kid, purpose]
        except KeyError:
            raise UnknownKey(f"the signer has no key {kid} for {purpose}") from None

    def generate(self, purpose: Purpose) -> wire.HeldKey:
        """A new key, durable before anybody hears of it; readable by its owner only."""
        signer = keys.generate_ml_dsa_44() if purpose is Purpose.LOG_ML_DSA else keys.generate()
        name = _name(signer.kid, purpose)
        draft = self._directory / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(signer.to_pem(self._passphrase))
            file.flush()
            os.fsync(descriptor)
        draft.rename(self._directory / name)
        _sync(self._directory)
        with self._lock:
            self._signers[signer.kid, purpose] = signer
        return wire.HeldKey(signer.kid, purpose, signer.public_jwk())

    def destroy(self, kid: str, purpose: Purpose) -> None:
        """The file is gone when this returns, and nothing signs with the key. Raises UnknownKey.

        What the disk or a copy of the directory still holds of it is encrypted.
        """
        self.key(kid, purpose)
        (self._directory / _name(kid, purpose)).unlink(missing_ok=True)
        _sync(self._directory)
        with self._lock:
            self._signers.pop((kid, purpose), None)

    def _add(self, path: Path) -> None:
        match = _NAME.fullmatch(path.name)
        assert match is not None
        kid, purpose = match[1], Purpose(match[2] or Purpose.OBJECT)
        try:
            signer = keys.load_any(path.read_bytes(), self._passphrase)
        except UnreadableKey as error:
            raise UnreadableKey(f"{path.name}: {error}") from error
        if signer.kid != kid or isinstance(signer, MlDsa44Signer) != (purpose is Purpose.LOG_ML_DSA):
            raise UnreadableKey(f"{path.name} holds another key than its name says")
        self._signers[kid, purpose] = signer


def _name(kid: str, purpose: Purpose) -> str:
    return f"{kid}.pem" if purpose is Purpose.OBJECT else f"{kid}.{purpose}.pem"


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
