"""What second factors are made of, sealed where it is stored: TOTP secrets and the seeds of recovery codes.

Fernet (AES-128-CBC with HMAC-SHA-256) under a key that HKDF-SHA-256 makes of SECRET_KEY. Who reads the database alone,
or a copy of it, can sign in as nobody. With another SECRET_KEY nothing of it opens: second factors are set up anew.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ValidationError

_PURPOSE = b"stillwatch second factors v1"


class Unreadable(ValidationError):
    """What was stored does not open with this SECRET_KEY; the message is for its owner."""

    def __init__(self) -> None:
        super().__init__(
            "The service's key was changed since you set this second factor up: it must be set up anew."
            " Ask the operator to remove it.",
            code="unreadable",
        )


def seal(text: str) -> str:
    """The text as it may be stored."""
    return _box(settings.SECRET_KEY).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What `seal` was given; `Unreadable` if the key is another one, or a bit of it was changed."""
    try:
        return _box(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


@lru_cache(maxsize=2)
def _box(secret_key: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
