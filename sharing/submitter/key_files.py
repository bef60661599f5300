"""A submitter's private key on its own machine: an encrypted PKCS#8 file, and the passphrase that opens it."""

import getpass
import os
import sys
from pathlib import Path

from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer, UnreadableKey


class NoKey(Exception):
    """A key file or a passphrase cannot be read or written; the sentence says why."""


def make(path: Path, passphrase: bytes) -> Ed25519Signer:
    """A new key in a new file, readable by its owner only. Raises NoKey."""
    signer = keys.generate()
    try:
        pem = signer.to_pem(passphrase)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except UnreadableKey as error:
        raise NoKey(str(error)) from error
    except FileExistsError:
        raise NoKey(f"{path} is there already, and a key is never overwritten") from None
    except OSError as error:
        raise NoKey(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    return signer


def load(path: Path, passphrase: bytes) -> Ed25519Signer:
    """The key of a file. Raises NoKey."""
    try:
        return keys.load(path.read_bytes(), passphrase)
    except OSError as error:
        raise NoKey(f"cannot read the key file {path}: {error.strerror}") from None
    except UnreadableKey as error:
        raise NoKey(f"{path}: {error}") from error


def passphrase(file: Path | None, *, new: bool = False) -> bytes:
    """The first line of a file, or what is typed at the terminal, a new one twice. Raises NoKey."""
    if file is not None:
        try:
            found = file.read_bytes().partition(b"\n")[0].removesuffix(b"\r")
        except OSError as error:
            raise NoKey(f"cannot read the passphrase file {file}: {error.strerror}") from None
        if not found:
            raise NoKey(f"the passphrase file {file} begins with an empty line")
        return found
    if not sys.stdin.isatty():
        raise NoKey("nobody is there to type the passphrase; name a --passphrase-file")
    try:
        typed = getpass.getpass("Passphrase of the key: ")
        if new and typed != getpass.getpass("The same again: "):
            raise NoKey("the two passphrases differ; nothing was written")
    except EOFError:
        raise NoKey("no passphrase was typed") from None
    return typed.encode()
