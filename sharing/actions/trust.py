"""The trust root on the server: what a ceremony is asked to sign, what it signed, and what the service signs by itself.

A ceremony signs root and targets offline (`sharing.trust.ceremony`); the service's own key, which the root names, signs
which logs there are, and every day that this is the latest (`sharing.trust.online`).
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from tuf.api.metadata import Metadata, Targets

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.stix.markings import TLP
from sharing.actions import keys
from sharing.actions.publication import origin
from sharing.models import Collection, KeyPurpose, Kind, SigningKey, TrustFile, TrustRole
from sharing.signing.keys import jwks, public_bytes
from sharing.trust import acceptance, online, roles
from sharing.trust.acceptance import Accepted, NotAccepted, Stood
from sharing.trust.ceilings import Ceilings
from sharing.trust.documents import Documents, Proposal
from sharing.trust.package import Package
from sharing.trust.revocations import Revocations
from sharing.trust.roles import OneKeySigner

__all__ = ["NotAccepted", "PolicyUnusable"]

NO_WITNESSES = b"quorum none\n"
_LOCK = "trust-root"
_URL = re.compile(rb"^([ \t]*witness[ \t]+\S+[ \t]+\S+)[ \t]+\S+[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(rb"^[ \t]*#.*\n", re.MULTILINE)


class PolicyUnusable(Exception):
    """The file that WITNESS_POLICY names cannot be read; the sentence says why."""


def propose() -> Proposal:
    """What the next ceremony should sign: the keys, the policy, what is revoked, and the service's own key.

    Raises NoSigningKey, PolicyUnusable or MalformedDocument.
    """
    published = json.dumps(jwks(keys.published_keys(with_revoked=True))).encode()
    documents = Documents(published, policy(), bytes(revocations()))
    documents.check()
    newest = _own_keys().order_by("created_at").last()
    if newest is None:
        raise keys.NoSigningKey(
            "there is no key for the trust root yet: run `manage.py rotate_keys --if-none`"
        )
    return Proposal(documents, newest.jwk)


def policy() -> bytes:
    """policy.txt: the operator's, without the addresses at which the operator reaches witnesses, and its comments."""
    path: Path | None = getattr(settings, "WITNESS_POLICY", None)
    if path is None:
        return NO_WITNESSES
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyUnusable(f"{path} cannot be read: {error.strerror}") from error
    return _URL.sub(rb"\1", _COMMENT.sub(b"", raw))


def revocations() -> Revocations:
    """Every key for objects that was revoked; keys of logs are taken out of the key set instead."""
    revoked = SigningKey.objects.filter(revoked_at__isnull=False, purpose=KeyPurpose.OBJECT)
    return Revocations({key.kid: key.from_index or {} for key in revoked})


@transaction.atomic
def accept(*, package: Package, by: Actor, now: datetime) -> Accepted:
    """Store what a ceremony signed, if it follows from what stands, and sign what follows from it.

    Raises NotAccepted, or NoSigningKey while the signer is away; nothing is stored then.
    """
    sql.lock(_LOCK)
    stood = _stood()
    own = {roles.tuf_key_of_jwk(key.jwk).keyid: key.kid for key in _own_keys()}
    accepted = acceptance.accept(package, stood, online_keyids=own.keys(), now=now)
    files = {roles.metadata_path(roles.ROOT, version): raw for version, raw in accepted.roots.items()}
    if accepted.targets_raw is not None:
        files[roles.metadata_path(roles.TARGETS, accepted.targets.version)] = accepted.targets_raw
        files |= {roles.target_path(name, raw): raw for name, raw in accepted.documents.files.items()}
    _store(files, now)
    named = {*accepted.documents.kids(), own[accepted.online_keyid]}
    trusted = keys.trust(kids=named, first=not stood.roots, now=now)
    made = refresh(now=now)
    record(
        by=by,
        now=now,
        action="trust.accept",
        target=f"root:{accepted.root.version}",
        detail={
            "targets": accepted.targets.version,
            "fingerprint": accepted.fingerprint,
            "keys": trusted,
            "files": sorted(made),
        },
    )
    return accepted


@transaction.atomic
def refresh(*, now: datetime) -> list[str]:
    """Sign anew what is due of collections, snapshot and timestamp; the paths that are new. None without a root.

    Raises NoSigningKey.
    """
    if not TrustFile.objects.filter(role=TrustRole.TARGETS).exists():
        return []
    sql.lock(_LOCK)
    standing = online.Standing(
        targets_version=_version(TrustRole.TARGETS),
        collections=_latest(TrustRole.COLLECTIONS),
        snapshot=_latest(TrustRole.SNAPSHOT),
        timestamp=_latest(TrustRole.TIMESTAMP),
    )
    signer = keys.trust_signer(now=now)
    made = online.renew(
        standing,
        ceilings=bytes(_ceilings()),
        signer=OneKeySigner(public_bytes(signer.jwk), signer.sign),
        now=now,
    )
    _store(made, now)
    if made:
        # What a partner may still be reading has not expired.
        TrustFile.objects.filter(
            role__in=(TrustRole.COLLECTIONS, TrustRole.SNAPSHOT), expires_at__lt=now - timedelta(days=7)
        ).delete()
    return [*made]


def is_due(*, now: datetime) -> bool:
    """Whether a refresh would sign anything, asked without the signer."""
    if not TrustFile.objects.filter(role=TrustRole.TARGETS).exists():
        return False
    timestamp = (
        TrustFile.objects.filter(role=TrustRole.TIMESTAMP).values_list("expires_at", flat=True).first()
    )
    collections = _latest(TrustRole.COLLECTIONS)
    if timestamp is None or collections is None:
        return True
    begun_at = timestamp - roles.LIFETIMES[roles.TIMESTAMP]
    if now - begun_at >= online.RENEWED_AFTER[roles.TIMESTAMP]:
        return True
    named = Metadata[Targets].from_bytes(collections).signed.targets[roles.COLLECTIONS_FILE]
    return named.hashes["sha256"] != sha256(bytes(_ceilings())).hexdigest()


def _own_keys() -> "QuerySet[SigningKey]":
    return SigningKey.objects.filter(purpose=KeyPurpose.TRUST, revoked_at__isnull=True)


def _ceilings() -> Ceilings:
    """Of every log but inboxes: these have one reader each, and their number would tell how many members there are."""
    found = Collection.objects.exclude(kind=Kind.INBOX).values_list("id", "ceiling")
    return Ceilings.of({origin(collection_id): TLP(ceiling).label for collection_id, ceiling in found})


def _stood() -> Stood:
    roots = TrustFile.objects.filter(role=TrustRole.ROOT).values_list("version", "content")
    stood = stood_revocations()
    return Stood(
        roots={version: bytes(raw) for version, raw in roots if version is not None},
        targets=_latest(TrustRole.TARGETS),
        revocations=None if stood is None else bytes(stood),
    )


def stood_revocations() -> Revocations | None:
    """What partners are told is revoked; None before the first ceremony."""
    targets = _latest(TrustRole.TARGETS)
    if targets is None:
        return None
    named = acceptance.read_targets(targets).signed.targets[roles.REVOCATIONS_FILE].hashes["sha256"]
    return Revocations.read(
        bytes(TrustFile.objects.get(path=f"targets/{named}.{roles.REVOCATIONS_FILE}").content)
    )


def _latest(role: TrustRole) -> bytes | None:
    found = TrustFile.objects.filter(role=role).order_by("version").values_list("content", flat=True).last()
    return None if found is None else bytes(found)


def _version(role: TrustRole) -> int:
    return TrustFile.objects.filter(role=role).aggregate(last=Max("version"))["last"] or 0


def _store(files: Mapping[str, bytes], now: datetime) -> None:
    for path, raw in files.items():
        role, version, expires = "", None, None
        if path.startswith("metadata/"):
            signed = Metadata.from_bytes(raw).signed
            role = path.removesuffix(".json").rpartition("/")[2].rpartition(".")[2]
            version, expires = signed.version, signed.expires
        TrustFile.objects.update_or_create(
            path=path,
            defaults={
                "role": role,
                "version": version,
                "content": raw,
                "expires_at": expires,
                "stored_at": now,
            },
        )
