"""What each role may do, told where roles are given."""

from dataclasses import dataclass

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.admin.administered import may_see_some
from accounts.admin.base import may_analyse
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member, Role, Sector


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a role lets one do: in a word, with the operator, and in another organisation."""

    short: str
    operator: tuple[str, ...]
    partner: tuple[str, ...]
    second_factor: bool


ROLES = {
    Role.READER: Meaning(
        "looks at what is their organisation's",
        ("The portal only: the operator's own submissions, tokens and feeds.",),
        ("Reads the receipts, notices, tokens and feeds' state of their organisation.", "Changes nothing."),
        second_factor=False,
    ),
    Role.SUBMITTER: Meaning(
        "sends on behalf of their organisation",
        ("As a reader, and sends what the operator submits as a source.",),
        ("As a reader, and sends indicators and files on behalf of their organisation.",),
        second_factor=False,
    ),
    Role.ANALYST: Meaning(
        "works at the whole desk: writes, reviews, publishes",
        (
            "Sees the whole desk: everybody's submissions, claims and cases, who sees what, the audit trail.",
            "Decides cases, writes indicators and campaigns, merges, withdraws, grades sources.",
            "Changes no organisation, member, token, community or collection.",
        ),
        ("As a submitter: the desk is the operator's alone.",),
        second_factor=True,
    ),
    Role.ADMIN: Meaning(
        "administers: members and tokens, and with the operator everything",
        (
            "As an analyst.",
            "Makes and changes organisations, members, tokens, communities, collections and sources, everybody's.",
        ),
        (
            "As a submitter.",
            "Invites and switches off members of their own organisation; issues, rotates and revokes its tokens.",
        ),
        second_factor=True,
    ),
}


@desk_page("roles/", "roles", may=may_see_some)
def roles(request: HttpRequest) -> HttpResponse:
    """What each role may do, and how many have it."""
    counts: dict[tuple[str, bool], int] = {}
    if may_analyse(request):
        for role, sector, count in (
            Member.objects.filter(is_active=True, organization__isnull=False)
            .order_by()
            .values_list("role", "organization__sector")
            .annotate(Count("id"))
        ):
            key = (role, sector == Sector.OPERATOR)
            counts[key] = counts.get(key, 0) + count
    return render(
        request,
        "admin/who/roles.html",
        desk_context(
            request,
            title="Roles",
            roles=[
                (role.label, meaning, counts.get((role, True), 0), counts.get((role, False), 0))
                for role, meaning in ROLES.items()
            ],
            counted=may_analyse(request),
        ),
    )
