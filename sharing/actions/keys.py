"""Signing keys: made, rotated and used. The public half is a row; the private half is in the signer process alone."""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from sharing.models import KeyPurpose, SigningKey
from sharing.signing import keys
from sharing.signing.keys import Signer
from sharing.signing.remote import (
    CheckpointRefused,
    LogSigner,
    NoSigningKey,
    ObjectSigner,
    SignerAway,
    SignerClient,
    SignerRefused,
    TrustSigner,
)
from sharing.signing.wire import Purpose

__all__ = ["CheckpointRefused", "NoSigningKey", "SignerAway", "SignerRefused"]

# trust.md, "Keys": a new key is published at least seven days before use.
PUBLISHED_BEFORE_USE = timedelta(days=7)
LIFETIME = timedelta(days=90)


@transaction.atomic
def rotate(
    *, by: Actor, now: datetime, at_once: bool = False, purpose: KeyPurpose = KeyPurpose.OBJECT
) -> SigningKey:
    """Have the signer make a new key. It signs in seven days, or at once if there is none yet or `at_once`; the one
    before it then retires. Raises NoSigningKey."""
    same = SigningKey.objects.filter(purpose=purpose)
    first = not same.select_for_update().exists()
    use_from = now if first or at_once else now + PUBLISHED_BEFORE_USE
    held = signer().generate(Purpose(purpose))
    same.exclude(retired_at__lte=use_from).update(retired_at=use_from)
    made = SigningKey.objects.create(
        kid=held.kid, purpose=purpose, jwk=held.jwk, created_at=now, use_from=use_from
    )
    record(
        by=by,
        now=now,
        action="key.rotate",
        target=f"key:{made.kid}",
        detail={"purpose": str(purpose), "use_from": use_from.isoformat()},
    )
    return made


def signer() -> SignerClient:
    """What asks the signer process."""
    return _client(Path(settings.SIGNER_SOCKET))


def current_signer(*, now: datetime) -> Signer:
    """What signs objects, receipts and deliveries now. It raises NoSigningKey, here or when it signs."""
    return ObjectSigner(signer(), _current(KeyPurpose.OBJECT, now=now)[KeyPurpose.OBJECT].kid)


def log_signer(*, now: datetime) -> LogSigner:
    """What signs checkpoints now. It raises NoSigningKey, here or when it signs."""
    current = _current(KeyPurpose.LOG, KeyPurpose.LOG_ML_DSA, now=now)
    return LogSigner(signer(), ed25519=current[KeyPurpose.LOG].kid, ml_dsa=current[KeyPurpose.LOG_ML_DSA].kid)


def trust_signer(*, now: datetime) -> TrustSigner:
    """What signs metadata of the trust root's online roles now. It raises NoSigningKey, here or when it signs."""
    current = _current(KeyPurpose.TRUST, now=now)[KeyPurpose.TRUST]
    return TrustSigner(signer(), current.kid, current.jwk)


def published_keys() -> list[keys.PublishedKey]:
    """Every key that signed objects or will, for `/.well-known/jwks.json`."""
    return [
        keys.PublishedKey(
            jwk=key.jwk,
            not_before=int(key.use_from.timestamp()),
            not_after=int((key.retired_at or key.use_from + LIFETIME).timestamp()),
        )
        for key in SigningKey.objects.filter(purpose=KeyPurpose.OBJECT).order_by("use_from", "created_at")
        # One that was replaced before its time never signed.
        if key.retired_at is None or key.retired_at > key.use_from
    ]


def _current(*purposes: KeyPurpose, now: datetime) -> dict[KeyPurpose, SigningKey]:
    """By purpose the key that signs now: the newest whose time has come and is not over."""
    in_use = SigningKey.objects.filter(purpose__in=purposes, use_from__lte=now).exclude(retired_at__lte=now)
    # The newest comes last, and stays.
    current = {KeyPurpose(key.purpose): key for key in in_use.order_by("use_from", "created_at")}
    for purpose in purposes:
        if purpose not in current:
            missing = f"there is no signing key for {purpose.label[:1].lower()}{purpose.label[1:]} yet"
            raise NoSigningKey(f"{missing}: run `manage.py rotate_keys --if-none`")
    return current


@lru_cache(maxsize=8)
def _client(path: Path) -> SignerClient:
    return SignerClient(path)
