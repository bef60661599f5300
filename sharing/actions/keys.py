"""Signing keys: made, rotated and loaded. The public half is a row, the private half an encrypted PKCS#8 file."""

import os
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from sharing.models import SigningKey
from sharing.signing import keys
from sharing.signing.keys import Signer

# trust.md, "Keys": a new key is published at least seven days before use.
PUBLISHED_BEFORE_USE = timedelta(days=7)
LIFETIME = timedelta(days=90)


class NoSigningKey(RuntimeError):
    """No key may sign now, or its file cannot be read; the sentence says which."""


@transaction.atomic
def rotate(*, by: Actor, now: datetime, at_once: bool = False) -> SigningKey:
    """Make a new key. It signs in seven days, or at once if there is none yet or `at_once`; the one before it then
    retires."""
    signer = keys.generate()
    first = not SigningKey.objects.select_for_update().exists()
    use_from = now if first or at_once else now + PUBLISHED_BEFORE_USE
    _write(signer.kid, signer.to_pem(_passphrase()))
    SigningKey.objects.exclude(retired_at__lte=use_from).update(retired_at=use_from)
    made = SigningKey.objects.create(
        kid=signer.kid, jwk=signer.public_jwk(), created_at=now, use_from=use_from
    )
    record(
        by=by,
        now=now,
        action="key.rotate",
        target=f"key:{made.kid}",
        detail={"use_from": use_from.isoformat()},
    )
    return made


def current_signer(*, now: datetime) -> Signer:
    """The key that signs now: the newest whose time has come and is not over."""
    in_use = SigningKey.objects.filter(use_from__lte=now).exclude(retired_at__lte=now)
    key = in_use.order_by("-use_from", "-created_at").first()
    if key is None:
        raise NoSigningKey("there is no signing key yet: run `manage.py rotate_keys`")
    return _load(str(_directory() / f"{key.kid}.pem"))


def published_keys() -> list[keys.PublishedKey]:
    """Every key that signed or will, for `/.well-known/jwks.json`."""
    return [
        keys.PublishedKey(
            jwk=key.jwk,
            not_before=int(key.use_from.timestamp()),
            not_after=int((key.retired_at or key.use_from + LIFETIME).timestamp()),
        )
        for key in SigningKey.objects.order_by("use_from", "created_at")
        # One that was replaced before its time never signed.
        if key.retired_at is None or key.retired_at > key.use_from
    ]


@lru_cache(maxsize=8)
def _load(path: str) -> Signer:
    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        raise NoSigningKey(f"the signing key's file cannot be read: {error.strerror}") from error
    return keys.load(pem, _passphrase())


def _passphrase() -> bytes:
    return str(settings.SIGNING_PASSPHRASE).encode()


def _directory() -> Path:
    return Path(settings.SIGNING_KEYS_DIR)


def _write(kid: str, pem: bytes) -> None:
    """Durable before the row that names it; readable by its owner only."""
    directory = _directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / f"{kid}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
