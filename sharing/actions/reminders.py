"""What people have to do about keys and the trust root, and until when: nothing of it happens by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from sharing.actions import trust
from sharing.actions.keys import LIFETIME, OVERLAP
from sharing.models import KeyPurpose, SigningKey, TrustFile, TrustRole
from sharing.trust.online import RENEWED_AFTER
from sharing.trust.revocations import Revocations
from sharing.trust.roles import LIFETIMES, TIMESTAMP

_CEREMONY = timedelta(days=14)
"""Before the overlap begins a new key must be made, signed for and known to partners: so long ahead it is asked for."""
_ASKED_FOR: Mapping[str, timedelta] = {
    TrustRole.ROOT: timedelta(days=60),
    TrustRole.TARGETS: timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class Reminder:
    """One thing that a person has to do, until when; `code` is constant."""

    code: str
    sentence: str
    by: datetime


def reminders(*, now: datetime) -> list[Reminder]:
    """What a person has to do about keys and the trust root, the most urgent first."""
    return sorted([*_of_keys(now), *_of_trust_root(now)], key=lambda one: one.by)


def _of_keys(now: datetime) -> Iterator[Reminder]:
    objects = SigningKey.objects.filter(purpose=KeyPurpose.OBJECT, revoked_at__isnull=True)
    newest = objects.order_by("use_from").last()
    if newest is not None and now >= newest.use_from + LIFETIME - OVERLAP - _CEREMONY:
        ends = newest.use_from + LIFETIME
        yield Reminder(
            "key-rotation-due",
            f"the key for objects {newest.kid[:12]}… ends on {ends:%Y-%m-%d}: run manage.py rotate_keys",
            ends,
        )


def _of_trust_root(now: datetime) -> Iterator[Reminder]:
    ends = dict(
        TrustFile.objects.exclude(role="").values_list("role").annotate(ends=Max("expires_at")).order_by()
    )
    if TrustRole.TARGETS not in ends:
        return
    waiting = SigningKey.objects.filter(
        trusted_at__isnull=True, revoked_at__isnull=True, retired_at__isnull=True
    )
    for key in waiting.order_by("created_at"):
        yield Reminder(
            "key-not-trusted",
            f"key {key.kid[:12]}… waits for a ceremony: manage.py trust_proposal, stillwatch trust rotate",
            key.use_from,
        )
    told = trust.stood_revocations() or Revocations()
    for kid in sorted(trust.revocations().keys.keys() - told.keys.keys()):
        yield Reminder(
            "revocation-not-trusted",
            f"key {kid[:12]}… is revoked, and partners do not know it: hold a ceremony (stillwatch trust revoke)",
            now,
        )
    for role, ahead in _ASKED_FOR.items():
        if now >= ends[role] - ahead:
            yield Reminder(
                f"{role}-expires",
                f"the trust root's {role} metadata ends on {ends[role]:%Y-%m-%d}: have it signed anew",
                ends[role],
            )
    timestamp = ends.get(TrustRole.TIMESTAMP, now)
    if now >= timestamp - LIFETIMES[TIMESTAMP] + 3 * RENEWED_AFTER[TIMESTAMP]:
        yield Reminder(
            "timestamp-not-renewed",
            "the trust root's timestamp is not signed anew, and partners stop when it ends: is the signer away?",
            timestamp,
        )
