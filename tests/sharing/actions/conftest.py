"""A community with a collection of each kind, and three organisations: two members and an outsider."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from accounts.models import AutoRelease, Community, Membership, Organization
from sharing.actions import publication
from sharing.actions.publication import Log, Signatures
from sharing.models import Collection, CollectionGrant, Kind, Profile
from sharing.signing import keys
from sharing.signing.keys import Signer

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(slots=True)
class Shop:
    """What actions need."""

    community: Community
    lab_a: Organization
    lab_b: Organization
    outsider: Organization
    signer: Signer

    @property
    def signatures(self) -> Signatures:
        return Signatures(self.signer)

    def collection(self, kind: str = Kind.OPEN, ceiling: int = 2, profile: str = Profile.FULL) -> Collection:
        """A new collection; in an open one lab-a and lab-b write and read."""
        number = Collection.objects.count()
        made = Collection.objects.create(
            community=self.community,
            alias=f"shelf-{number}",
            title=f"Shelf {number}",
            kind=kind,
            ceiling=ceiling,
            profile=profile,
            owner=self.lab_a if kind == Kind.INBOX else None,
        )
        for organization in (self.lab_a, self.lab_b):
            CollectionGrant.objects.create(
                collection=made, organization=organization, can_read=True, can_write=kind != Kind.FEED
            )
        return made

    def log(self, collection: Collection | None = None) -> Log:
        """A locked log: of a new open collection, unless another is given."""
        (log,) = publication.lock([(collection or self.collection()).id])
        return log


@pytest.fixture(scope="session")
def signer() -> Signer:
    return keys.generate()


@pytest.fixture
def shop(db: None, signer: Signer) -> Shop:
    community = Community.objects.create(
        slug="shop", title="Shop", auto_release=AutoRelease.ALL, created_at=NOW
    )
    lab_a, lab_b, outsider = (
        Organization.objects.create(
            slug=slug, name=slug.title(), sector="ai-lab", reliability="B", created_at=NOW
        )
        for slug in ("lab-a", "lab-b", "outsider")
    )
    for organization in (lab_a, lab_b):
        Membership.objects.create(community=community, organization=organization, joined_at=NOW)
    return Shop(community, lab_a, lab_b, outsider, signer)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the database, by whichever way."""
    sent: list[str] = []
    execute, copy, many = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.Cursor.executemany

    def executed(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *arguments, **options)

    def copied(self: Any, statement: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(str(statement))
        return copy(self, statement, *arguments, **options)

    def repeated(self: Any, query: Any, sequence: Any, **options: Any) -> None:
        sequence = list(sequence)
        sent.extend(str(query) for _ in sequence)
        many(self, query, sequence, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", executed)
    monkeypatch.setattr(psycopg.Cursor, "executemany", repeated)
    monkeypatch.setattr(psycopg.Cursor, "copy", copied)
    return sent
