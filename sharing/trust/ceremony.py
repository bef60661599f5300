"""The publisher's ceremony: a folder that people carry from machine to machine until enough of them have signed.

    metadata/<N>.root.json, <N>.targets.json    signed by their thresholds
    targets/<sha256>.<name>                     the files that the targets name
    draft/root.json, draft/targets.json         being signed
    draft/<name>                                the files that the draft names
    keys/<name>.pem                             private keys, encrypted, as `init` made them: to be handed out
    accept.json                                 what the service is given (sharing.trust.package); no draft is left

Nothing here needs a network. A draft keeps the signatures it has, so that it can be signed in several places in turn.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Targets

from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer
from sharing.trust import roles
from sharing.trust.acceptance import NotAccepted, read_root, read_targets
from sharing.trust.documents import Documents, Proposal
from sharing.trust.package import FILE, Package
from sharing.trust.revocations import MalformedDocument, Revocations
from sharing.trust.roles import ROOT, TARGETS, OneKeySigner

NAME = "x-stillwatch-name"
"""What people call a key: a member of it in the root, which TUF lets everybody add (TUF 1.0 §4.2)."""
RENEWED_BEFORE = timedelta(days=120)
"""A root that ends sooner is renewed along with whatever is signed."""
MOST_KEYS = 32


class CeremonyError(Exception):
    """The ceremony cannot go on like this; the sentence says why, and nothing was written."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How far a draft is signed. `have` of `need` signatures; `may_sign` are the names of those that have not yet."""

    role: str
    version: int
    have: int
    need: int
    signed: tuple[str, ...]
    may_sign: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        return self.have >= self.need


@dataclass(frozen=True, slots=True)
class Status:
    """How a ceremony's folder stands."""

    root_version: int
    root_expires: datetime
    fingerprint: str
    threshold: int
    keys: Mapping[str, tuple[str, ...]]
    """The names of the keys, by role."""
    targets_version: int
    targets_expires: datetime
    kids: Mapping[str, str]
    revoked: tuple[str, ...]
    drafts: tuple[Waits, ...]
    changes: tuple[str, ...]
    """What the draft changes of the documents."""


@dataclass(slots=True)
class Signed:
    """What one run of signing did: by which keys, and what is still waited for."""

    by: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    package: Path | None = None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was made, and its file."""

    name: str
    path: Path
    signer: Ed25519Signer


Passphrase = Callable[[str], bytes]
"""The passphrase for the key of this name or file."""


class Ceremony:
    """One folder. What changes it raises CeremonyError, and then has written nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._metadata, self._targets = folder / "metadata", folder / "targets"
        self._draft, self._keys = folder / "draft", folder / "keys"

    def init(
        self, *, proposal: Proposal, count: int, threshold: int, passphrase: Passphrase, now: datetime
    ) -> Signed:
        """Make the keys, and sign the first root and targets with them."""
        if not 1 <= threshold <= count <= MOST_KEYS:
            raise CeremonyError(
                f"the threshold must be from 1 to the number of keys, which is at most {MOST_KEYS}"
            )
        if self.folder.exists() and any(self.folder.iterdir()):
            raise CeremonyError(f"{self.folder} is not empty; a ceremony begins in a new folder")
        passphrases = {f"{number}": passphrase(f"holder {number}") for number in range(1, count + 1)}
        made = [
            self._make_key(f"{role}-{number}", passphrases[number])
            for number in passphrases
            for role in (ROOT, TARGETS)
        ]
        root = roles.root_of(
            version=1,
            expires=roles.until(now, ROOT),
            root_keys=[_named(key) for key in made if key.name.startswith(ROOT)],
            targets_keys=[_named(key) for key in made if key.name.startswith(TARGETS)],
            threshold=threshold,
            online_key=roles.tuf_key_of_jwk(proposal.online),
        )
        targets = _targets_metadata(1, now, proposal.documents, root.signed)
        self._write_draft(root, targets, proposal.documents)
        return self.sign([key.signer for key in made])

    def rotate(
        self,
        *,
        proposal: Proposal | None = None,
        documents: Documents | None = None,
        replace: Sequence[str] = (),
        threshold: int | None = None,
        passphrase: Passphrase,
        discard_draft: bool = False,
        now: datetime,
    ) -> list[MadeKey]:
        """Draft new targets, from a proposal or from what stands, and a new root where one is needed: keys replaced,
        another threshold or online key, or soon at its end. The keys made in place of others."""
        if self._draft.exists() and not discard_draft:
            raise CeremonyError("a draft is being signed: sign it, or give --discard-draft")
        root, stood = self._last_root(), self._last_targets()
        before = self._documents_of(stood)
        wanted = documents or (before if proposal is None else proposal.documents)
        self._check_documents(wanted, before)
        names = _names(root.signed)
        unknown = [name for name in replace if name not in names.values()]
        if unknown:
            raise CeremonyError(
                f"there is no key {unknown[0]}; there are {', '.join(sorted(names.values()))}"
            )
        draft, made = self._next_root(
            root.signed,
            online=None if proposal is None else roles.tuf_key_of_jwk(proposal.online),
            replace=replace,
            threshold=threshold,
            passphrase=passphrase,
            now=now,
        )
        targets = _targets_metadata(
            stood.signed.version + 1, now, wanted, root.signed if draft is None else draft.signed
        )
        shutil.rmtree(self._draft, ignore_errors=True)
        self._write_draft(draft, targets, wanted)
        return made

    def revoke(
        self,
        kid: str,
        *,
        proposal: Proposal | None = None,
        from_index: Mapping[str, int] | None = None,
        discard_draft: bool = False,
        now: datetime,
    ) -> None:
        """Draft targets that revoke a key: as the proposal has it, or by `from_index` (digests of origins)."""
        before = self._documents_of(self._last_targets())
        if proposal is not None:
            documents = proposal.documents
            if kid not in Revocations.read(documents.revocations).keys:
                raise CeremonyError(f"the proposal does not revoke {kid}: run manage.py revoke_key first")
        else:
            if kid not in before.kids():
                raise CeremonyError(f"jwks.json has no key {kid}; it has {', '.join(before.kids())}")
            revocations = Revocations.read(before.revocations).with_key(kid, from_index or {})
            documents = Documents(before.jwks, before.policy, bytes(revocations))
        self.rotate(
            proposal=proposal,
            documents=documents,
            passphrase=_never,
            discard_draft=discard_draft,
            now=now,
        )

    def sign(self, signers: Iterable[Ed25519Signer]) -> Signed:
        """Put these keys' signatures to the drafts; what then has enough of them is finished."""
        if not self._draft.exists():
            raise CeremonyError("there is no draft to sign: rotate or revoke makes one")
        done = Signed()
        root, targets = self._draft_root(), self._draft_targets()
        delegator = self._last_root().signed if root is None else root.signed
        names = _names(delegator) | (
            {} if root is None or root.signed.version == 1 else _names(self._last_root().signed)
        )
        for signer in signers:
            tuf = OneKeySigner(signer.public_bytes(), signer.sign)
            keyid = tuf.public_key.keyid
            used = False
            if root is not None and keyid in self._root_signers(root):
                root.sign(tuf, append=True)
                used = True
            if keyid in delegator.roles[TARGETS].keyids:
                targets.sign(tuf, append=True)
                used = True
            (done.by if used else done.unused).append(names.get(keyid, signer.kid))
        if root is not None:
            _write(self._draft / "root.json", root.to_bytes())
        _write(self._draft / "targets.json", targets.to_bytes())
        done.waits = self._waits()
        if all(one.is_done for one in done.waits):
            done.package = self._finish(root, targets)
        return done

    def status(self) -> Status:
        """How it stands."""
        root, stood = self._last_root(), self._last_targets()
        documents = self._documents_of(stood)
        names = _names(root.signed)
        draft = self._draft_documents() if self._draft.exists() else None
        return Status(
            root_version=root.signed.version,
            root_expires=root.signed.expires,
            fingerprint=sha256(root.to_bytes()).hexdigest(),
            threshold=root.signed.roles[ROOT].threshold,
            keys={
                role: tuple(names.get(keyid, keyid) for keyid in root.signed.roles[role].keyids)
                for role in (ROOT, TARGETS)
            },
            targets_version=stood.signed.version,
            targets_expires=stood.signed.expires,
            kids=documents.kids(),
            revoked=tuple(Revocations.read(documents.revocations).keys),
            drafts=tuple(self._waits()) if self._draft.exists() else (),
            changes=() if draft is None else tuple(draft.changes(documents)),
        )

    def key_files(self) -> list[Path]:
        """The private keys that are still in the folder."""
        return sorted(self._keys.glob("*.pem"))

    # ---------------------------------------------------------------------------------------------- drafts

    def _next_root(
        self,
        before: Root,
        *,
        online: Key | None,
        replace: Sequence[str],
        threshold: int | None,
        passphrase: Passphrase,
        now: datetime,
    ) -> tuple[Metadata[Root] | None, list[MadeKey]]:
        (online_keyid,) = before.roles[roles.TIMESTAMP].keyids
        online = online or before.keys[online_keyid]
        least = before.roles[ROOT].threshold if threshold is None else threshold
        if not 1 <= least <= len(before.roles[ROOT].keyids):
            raise CeremonyError(
                f"the threshold must be from 1 to the {len(before.roles[ROOT].keyids)} keys there are"
            )
        is_same = online.keyid == online_keyid and least == before.roles[ROOT].threshold and not replace
        if is_same and before.expires - now > RENEWED_BEFORE:
            return None, []
        version = before.version + 1
        names = _names(before)
        made = [self._make_key(name, passphrase(name), suffix=f".r{version}") for name in replace]
        fresh = {key.name: _named(key) for key in made}
        held = {
            role: [fresh.get(names.get(keyid, ""), before.keys[keyid]) for keyid in before.roles[role].keyids]
            for role in (ROOT, TARGETS)
        }
        root = roles.root_of(
            version=version,
            expires=roles.until(now, ROOT),
            root_keys=held[ROOT],
            targets_keys=held[TARGETS],
            threshold=least,
            online_key=online,
        )
        return root, made

    def _write_draft(
        self, root: Metadata[Root] | None, targets: Metadata[Targets], documents: Documents
    ) -> None:
        self._draft.mkdir(parents=True)
        for name, raw in documents.files.items():
            _write(self._draft / name, raw)
        if root is not None:
            _write(self._draft / "root.json", root.to_bytes())
        _write(self._draft / "targets.json", targets.to_bytes())

    def _waits(self) -> list[Waits]:
        root, targets = self._draft_root(), self._draft_targets()
        found: list[Waits] = []
        delegator = self._last_root().signed if root is None else root.signed
        if root is not None:
            before = None if root.signed.version == 1 else self._last_root().signed
            names = _names(root.signed) | ({} if before is None else _names(before))
            result = root.signed.get_root_verification_result(before, root.signed_bytes, root.signatures)
            # Who holds a key in both roots signs once for both: the harder of the two is what is waited for.
            short = max((result.first, result.second), key=lambda one: one.missing)
            found.append(_waits(ROOT, root.signed.version, short, names))
        result_of_targets = delegator.get_verification_result(
            TARGETS, targets.signed_bytes, targets.signatures
        )
        found.append(_waits(TARGETS, targets.signed.version, result_of_targets, _names(delegator)))
        return found

    def _root_signers(self, draft: Metadata[Root]) -> set[str]:
        may = set(draft.signed.roles[ROOT].keyids)
        if draft.signed.version > 1:
            may |= set(self._last_root().signed.roles[ROOT].keyids)
        return may

    def _finish(self, root: Metadata[Root] | None, targets: Metadata[Targets]) -> Path:
        """The draft becomes what stands; the package is written last."""
        documents = self._draft_documents()
        for folder in (self._metadata, self._targets):
            folder.mkdir(exist_ok=True)
        for name, raw in documents.files.items():
            _write(self.folder / roles.target_path(name, raw), raw)
        if root is not None:
            _write(self.folder / roles.metadata_path(ROOT, root.signed.version), root.to_bytes())
        _write(self.folder / roles.metadata_path(TARGETS, targets.signed.version), targets.to_bytes())
        newest = self._last_root()
        _write(self.folder / "root.json", newest.to_bytes())
        package = Package(self._roots(), targets.to_bytes(), documents.files)
        _write(self.folder / FILE, package.to_bytes(targets.signed.version))
        shutil.rmtree(self._draft)
        return self.folder / FILE

    def _make_key(self, name: str, passphrase: bytes, *, suffix: str = "") -> MadeKey:
        self._keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        signer = keys.generate()
        path = self._keys / f"{name}{suffix}.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(signer.to_pem(passphrase))
        return MadeKey(name, path, signer)

    def _check_documents(self, wanted: Documents, before: Documents) -> None:
        lost = Revocations.read(wanted.revocations).missing(Revocations.read(before.revocations))
        if lost is not None:
            raise CeremonyError(f"revocations.json: {lost}")

    # ---------------------------------------------------------------------------------------------- what stands

    def _versions(self, role: str) -> list[int]:
        found = [path.name.split(".")[0] for path in self._metadata.glob(f"*.{role}.json")]
        return sorted(int(version) for version in found if version.isdigit())

    def _roots(self) -> dict[int, bytes]:
        return {
            version: (self.folder / roles.metadata_path(ROOT, version)).read_bytes()
            for version in self._versions(ROOT)
        }

    def _last_root(self) -> Metadata[Root]:
        versions = self._versions(ROOT)
        if not versions:
            raise CeremonyError(f"{self.folder} holds no signed root: begin with init")
        return self._read(roles.metadata_path(ROOT, versions[-1]), read_root)

    def _last_targets(self) -> Metadata[Targets]:
        versions = self._versions(TARGETS)
        if not versions:
            raise CeremonyError(f"{self.folder} holds no signed targets: sign the draft first")
        return self._read(roles.metadata_path(TARGETS, versions[-1]), read_targets)

    def _documents_of(self, targets: Metadata[Targets]) -> Documents:
        files: dict[str, bytes] = {}
        for name, target in targets.signed.targets.items():
            path = self._targets / f"{target.hashes['sha256']}.{name}"
            try:
                files[name] = path.read_bytes()
                target.verify_length_and_hashes(files[name])
            except Exception as error:
                raise CeremonyError(f"{path} is missing or was changed: restore it from a copy") from error
        return self._documents(files)

    def _draft_documents(self) -> Documents:
        targets = self._draft_targets()
        files: dict[str, bytes] = {}
        for name, target in targets.signed.targets.items():
            try:
                files[name] = (self._draft / name).read_bytes()
                target.verify_length_and_hashes(files[name])
            except Exception as error:
                raise CeremonyError(f"draft/{name} is not the file that the draft names") from error
        return self._documents(files)

    def _documents(self, files: Mapping[str, bytes]) -> Documents:
        try:
            return Documents.of_files(files)
        except MalformedDocument as error:
            raise CeremonyError(str(error)) from error

    def _draft_root(self) -> Metadata[Root] | None:
        return self._read("draft/root.json", read_root) if (self._draft / "root.json").exists() else None

    def _draft_targets(self) -> Metadata[Targets]:
        return self._read("draft/targets.json", read_targets)

    def _read(self, path: str, read: Callable[[bytes], Any]) -> Any:
        try:
            return read((self.folder / path).read_bytes())
        except FileNotFoundError as error:
            raise CeremonyError(f"{self.folder / path} is missing") from error
        except NotAccepted as error:
            raise CeremonyError(f"{self.folder / path}: {error}") from error


def _named(key: MadeKey) -> Key:
    public = roles.tuf_key(key.signer.public_bytes())
    public.unrecognized_fields[NAME] = key.name
    return public


def _names(root: Root) -> dict[str, str]:
    """By key id, of the keys that people hold."""
    held = {keyid for role in (ROOT, TARGETS) for keyid in root.roles[role].keyids}
    return {keyid: str(root.keys[keyid].unrecognized_fields.get(NAME, keyid[:16])) for keyid in held}


def _waits(role: str, version: int, result: Any, names: Mapping[str, str]) -> Waits:
    return Waits(
        role=role,
        version=version,
        have=len(result.signed),
        need=result.threshold,
        signed=tuple(sorted(names.get(keyid, keyid) for keyid in result.signed)),
        may_sign=tuple(sorted(names.get(keyid, keyid) for keyid in result.unsigned)),
    )


def _targets_metadata(version: int, now: datetime, documents: Documents, root: Root) -> Metadata[Targets]:
    (online,) = root.roles[roles.TIMESTAMP].keyids
    return roles.targets_of(
        version=version,
        expires=roles.until(now, TARGETS),
        files=documents.files,
        online_key=root.keys[online],
    )


def _never(name: str) -> bytes:
    raise AssertionError(f"no key is made here, {name} neither")


def _write(path: Path, raw: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(raw)
    draft.replace(path)
