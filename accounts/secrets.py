"""Token secrets: how they look, and how they are checked without a database.

`stw_` + 43 base64url characters (256 random bits) + `_` + 8 hexadecimal digits of CRC-32 over all before it. The
checksum lets a secret scanner and a typing mistake be told from a real credential without asking the database.
"""

import base64
import hashlib
import os
import re
import zlib

PREFIX = "stw_"
_SHAPE = re.compile(r"stw_[A-Za-z0-9_-]{43}_[0-9a-f]{8}")


def make_secret() -> str:
    """A new secret; it is shown once and stored only as `digest`."""
    head = PREFIX + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    return f"{head}_{_checksum(head)}"


def looks_like_secret(text: str) -> bool:
    """Whether prefix, length and checksum fit."""
    return _SHAPE.fullmatch(text) is not None and text[-8:] == _checksum(text[:-9])


def digest(secret: str) -> bytes:
    """SHA-256 of the secret. With 256 random bits a slow password hash would add nothing but 356 ms a request."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(head: str) -> str:
    return f"{zlib.crc32(head.encode()):08x}"
