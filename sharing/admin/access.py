"""Who sees what: of an organisation all that it may do, of a collection all who may, with tokens and members."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from accounts.admin.base import may_analyse
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member, Organization, Role, Sector
from sharing import access
from sharing.access import Access, Credential
from sharing.models import Collection, Kind


@desk_page("access/", "access", may=may_analyse)
def index(request: HttpRequest) -> HttpResponse:
    """Both ways to ask."""
    organizations = Organization.objects.order_by("name").annotate(
        communities_in=Count("membership", distinct=True),
        tokens_working=Count(
            "tokens",
            filter=Q(tokens__revoked_at__isnull=True)
            & (Q(tokens__expires_at__isnull=True) | Q(tokens__expires_at__gt=timezone.now())),
            distinct=True,
        ),
    )
    collections = (
        Collection.objects.exclude(kind=Kind.INBOX)
        .select_related("community")
        .annotate(readers=Count("grants", filter=Q(grants__can_read=True)))
        .order_by("community__title", "kind", "ceiling", "alias")
    )
    return render(
        request,
        "admin/who/access.html",
        desk_context(request, title="Who sees what", organizations=organizations, collections=collections),
    )


@desk_page("access/<uuid:organization_id>/", "access_of", may=may_analyse)
def access_of(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """What an organisation sees: per community and collection, and by which of its tokens."""
    organization = get_object_or_404(Organization, id=organization_id)
    found = access.of_organization(organization_id)
    members = Member.objects.filter(organization=organization, is_active=True).order_by("username")
    desk = organization.sector == Sector.OPERATOR
    return render(
        request,
        "admin/who/access_of.html",
        desk_context(
            request,
            title=f"What does {organization} see?",
            organization=organization,
            communities=_by_community(found),
            tokens=access.credentials([organization_id], now=timezone.now()),
            members=[
                (one, "the whole desk" if desk and one.role in {Role.ANALYST, Role.ADMIN} else "the portal")
                for one in members[:200]
            ],
        ),
    )


def _by_community(found: Iterable[Access]) -> dict[str, list[Access]]:
    grouped: dict[str, list[Access]] = defaultdict(list)
    for one in found:
        grouped[one.community].append(one)
    return dict(grouped)


@desk_page("access/collections/<uuid:collection_id>/", "collection_readers", may=may_analyse)
def readers(request: HttpRequest, collection_id: UUID) -> HttpResponse:
    """Who reads and writes a collection."""
    collection = get_object_or_404(Collection.objects.select_related("community"), id=collection_id)
    found = access.of_collection(collection_id)
    tokens: dict[UUID, list[Credential]] = defaultdict(list)
    for one in access.credentials([grant.organization_id for grant in found], now=timezone.now()):
        tokens[one.organization_id].append(one)
    return render(
        request,
        "admin/who/readers.html",
        desk_context(
            request,
            title=f"Who reads {collection}?",
            collection=collection,
            readers=[
                (
                    one,
                    [token for token in tokens[one.organization_id] if token.can_read and one.can_read],
                    [token for token in tokens[one.organization_id] if token.can_write and one.can_write],
                )
                for one in found
            ],
        ),
    )
