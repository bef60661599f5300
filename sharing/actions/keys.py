"""Signing keys: made, rotated and used. The public half is a row; the private half is in the signer process alone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Q

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from sharing.models import KeyPurpose, SigningKey, TrustFile
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

# trust.md, "Keys": a new key is published at least seven days before use, and the one before it overlaps.
PUBLISHED_BEFORE_USE = timedelta(days=7)
LIFETIME = timedelta(days=90)
OVERLAP = timedelta(days=30)


class NotDestroyed(ValueError):
    """The private half of the key stays; the sentence says why."""


def make_first(*, purpose: KeyPurpose, by: Actor, now: datetime) -> SigningKey | None:
    """`rotate` where the purpose has no key; None where it has, also where another process makes it at this moment."""
    with transaction.atomic():
        one_at_a_time(purpose)
        if SigningKey.objects.filter(purpose=purpose).exists():
            return None
        return rotate(by=by, now=now, purpose=purpose)


@transaction.atomic
def rotate(
    *, by: Actor, now: datetime, at_once: bool = False, purpose: KeyPurpose = KeyPurpose.OBJECT
) -> SigningKey:
    """Have the signer make a new key. It signs in seven days, or at once if there is none yet or `at_once`; the one
    before it stays for 30 days more. Where a trust root stands, both wait until it names the key. Raises NoSigningKey.
    """
    one_at_a_time(purpose)
    first = not SigningKey.objects.filter(purpose=purpose).exists()
    use_from = now if first or at_once else now + PUBLISHED_BEFORE_USE
    held = signer().generate(Purpose(purpose))
    made = SigningKey.objects.create(
        kid=held.kid, purpose=purpose, jwk=held.jwk, created_at=now, use_from=use_from
    )
    if not TrustFile.objects.exists():
        _retire_before(made)
    record(
        by=by,
        now=now,
        action="key.rotate",
        target=f"key:{made.kid}",
        detail={"purpose": str(purpose), "use_from": use_from.isoformat()},
    )
    return made


@transaction.atomic
def destroy(*, kid: str, by: Actor, now: datetime) -> bool:
    """Have the signer destroy the private half of a key that signs no more; False if it has none. What the key signed
    stays verifiable. Raises NotDestroyed, NoSigningKey or SignerRefused."""
    key = SigningKey.objects.select_for_update().filter(kid=kid).first()
    if key is None:
        raise NotDestroyed(f"there is no key {kid}")
    if key.retired_at is None or key.retired_at > now:
        until = "" if key.retired_at is None else f" until {key.retired_at:%Y-%m-%d %H:%M:%S} UTC"
        raise NotDestroyed(f"key {kid} is in use{until}: revoke it first (`manage.py revoke_key`), or wait")
    was_held = signer().destroy(kid)
    record(
        by=by,
        now=now,
        action="key.destroy",
        target=f"key:{kid}",
        detail={"purpose": key.purpose, "was_held": was_held},
    )
    return was_held


def trust(*, kids: Collection[str], first: bool, now: datetime) -> list[str]:
    """The trust root names these keys: those that it did not name before, which may sign from their time on.

    A planned one signs seven days after that at the earliest, unless it is the `first` root and knows no verifier.
    """
    fresh = SigningKey.objects.select_for_update().filter(
        kid__in=kids, trusted_at__isnull=True, revoked_at__isnull=True
    )
    named = list(fresh.order_by("use_from", "created_at"))
    for key in named:
        key.trusted_at = now
        if key.purpose == KeyPurpose.TRUST:
            # The root names one: what it signs from now on must be by this one.
            key.use_from = now
        elif key.use_from > key.created_at and not first:
            key.use_from = max(key.use_from, now + PUBLISHED_BEFORE_USE)
        key.save(update_fields=["trusted_at", "use_from"])
        _retire_before(key)
    return [key.kid for key in named]


def use_at_once(key: SigningKey, *, now: datetime) -> None:
    """Let a key that is published already sign before its time: the one before it is lost."""
    SigningKey.objects.filter(kid=key.kid).update(use_from=now)


def one_at_a_time(purpose: KeyPurpose) -> None:
    """Whoever makes a key of this purpose waits until another who does has done so."""
    sql.lock(f"signing-key:{purpose}")


def _retire_before(key: SigningKey) -> None:
    """The keys before this one end 30 days after it begins."""
    before = SigningKey.objects.filter(purpose=key.purpose, use_from__lt=key.use_from)
    before.filter(Q(retired_at__isnull=True) | Q(retired_at__gt=key.use_from + OVERLAP)).update(
        retired_at=key.use_from + OVERLAP
    )


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


def published_keys(*, with_revoked: bool = False) -> list[keys.PublishedKey]:
    """Every key that signed or will, for `/.well-known/jwks.json`: of objects and of logs.

    `with_revoked` for the trust root, which says beside them from which entry on they count no more: who has
    nothing but the key set is not shown what is revoked.
    """
    found = SigningKey.objects.filter(
        purpose__in=(KeyPurpose.OBJECT, KeyPurpose.LOG, KeyPurpose.LOG_ML_DSA)
    ).order_by("purpose", "use_from", "created_at")
    published = []
    for key in found:
        is_object = key.purpose == KeyPurpose.OBJECT
        if key.revoked_at is not None and not (with_revoked and is_object):
            continue
        # One that ended before its time never signed.
        if key.retired_at is not None and key.retired_at <= key.use_from:
            continue
        published.append(
            keys.PublishedKey(
                jwk=key.jwk,
                not_before=int(key.use_from.timestamp()),
                # Log keys are replaced when they are, and outlive what they signed.
                not_after=int((key.retired_at or key.use_from + LIFETIME).timestamp()) if is_object else None,
                use=None if is_object else keys.LOG,
            )
        )
    # Objects' keys first, for readers that take the first one that they know.
    return sorted(published, key=lambda key: key.use is not None)


def _current(*purposes: KeyPurpose, now: datetime) -> dict[KeyPurpose, SigningKey]:
    """By purpose the key that signs now: the newest whose time has come and is not over, and that the trust root names,
    where one stands: partners refuse what another one signs."""
    in_use = SigningKey.objects.filter(purpose__in=purposes, use_from__lte=now).exclude(retired_at__lte=now)
    in_use = in_use.filter(Q(trusted_at__isnull=False) | ~Exists(TrustFile.objects.all()))
    # The newest comes last, and stays.
    current = {KeyPurpose(key.purpose): key for key in in_use.order_by("use_from", "created_at")}
    for purpose in purposes:
        if purpose not in current:
            what = f"{purpose.label[:1].lower()}{purpose.label[1:]}"
            if SigningKey.objects.filter(
                purpose=purpose, trusted_at__isnull=True, revoked_at__isnull=True
            ).exists():
                raise NoSigningKey(
                    f"the trust root names no key for {what}: hold a ceremony (`manage.py trust_proposal`)"
                )
            raise NoSigningKey(
                f"there is no signing key for {what} yet: run `manage.py rotate_keys --if-none`"
            )
    return current


@lru_cache(maxsize=8)
def _client(path: Path) -> SignerClient:
    return SignerClient(path)
