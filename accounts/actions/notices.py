"""What organisations are told, in the transaction of what they are told of."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Notice, Organization, Sector


def tell(
    *,
    organization_id: UUID,
    kind: str,
    target: str,
    sentence: str,
    now: datetime,
    detail: dict[str, object] | None = None,
    due_at: datetime | None = None,
) -> Notice:
    """Tell an organisation something about what is its own; `kind` is a code of docs/api.md, "Notices".

    With `due_at` it is to be acknowledged until then.
    """
    return Notice.objects.create(
        organization_id=organization_id,
        kind=kind,
        target=target,
        sentence=sentence,
        detail=detail or {},
        told_at=now,
        due_at=due_at,
    )


def tell_with_operator(
    *,
    organization_id: UUID,
    kind: str,
    target: str,
    sentence: str,
    now: datetime,
    detail: dict[str, object] | None = None,
) -> None:
    """As `tell`; the operator is told the same, once if it is the operator's own."""
    for told in {organization_id, *_operators()}:
        tell(organization_id=told, kind=kind, target=target, sentence=sentence, now=now, detail=detail)


def tell_operator(
    *, kind: str, target: str, sentence: str, now: datetime, detail: dict[str, object] | None = None
) -> None:
    """As `tell`, of what is nobody's but the service's own."""
    for told in _operators():
        tell(organization_id=told, kind=kind, target=target, sentence=sentence, now=now, detail=detail)


def _operators() -> "QuerySet[Organization, UUID]":
    return Organization.objects.filter(sector=Sector.OPERATOR).values_list("id", flat=True)
