"""Organisations: made and changed; what they said as sources is weighed anew where that changes."""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.actions.audit import record
from accounts.actions.grades import first_grade
from accounts.actions.members import lock_operators, operator_admins
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import Member, Organization, Reliability, Sector
from sharing.actions.ageing import reweigh

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


@transaction.atomic
def create(
    *,
    slug: str,
    name: str,
    sector: str,
    by: Actor,
    now: datetime,
    reliability: str = Reliability.F,
    platforms: Sequence[str] = (),
    prompt_text: str = "refuse",
) -> Organization:
    """Make an organisation, with its first grade. Or `Invalid`."""
    if not SLUG.fullmatch(slug):
        raise Invalid("slug", "Small letters, digits and hyphens inside, 64 characters at most.")
    if Organization.objects.filter(slug=slug).exists():
        raise Invalid("slug", f"There is an organisation {slug} already.")
    _check(name, sector, platforms)
    if reliability not in Reliability.values:
        raise Invalid("reliability", f"{reliability!r} is no Admiralty grade, A to F.")
    organization = Organization.objects.create(
        slug=slug,
        name=name.strip(),
        sector=sector,
        reliability=reliability,
        platforms=list(platforms),
        prompt_text=prompt_text,
        created_at=now,
    )
    first_grade(organization=organization, by=by, now=now)
    record(
        by=by,
        now=now,
        action="organization.create",
        target=f"organization:{organization.id}",
        detail={"slug": slug, "name": organization.name, "sector": sector, "reliability": reliability},
    )
    return organization


@transaction.atomic
def change(
    *,
    organization_id: UUID,
    name: str,
    sector: str,
    platforms: Sequence[str],
    prompt_text: str,
    by: Actor,
    now: datetime,
) -> list[str]:
    """Bring an organisation to what is wanted; the names of what changed. Or `Invalid`."""
    _check(name, sector, platforms)
    organization = Organization.objects.select_for_update(no_key=True).filter(id=organization_id).first()
    if organization is None:
        raise Unknown(str(organization_id))
    wanted: dict[str, object] = {
        "name": name.strip(),
        "sector": sector,
        "platforms": list(platforms),
        "prompt_text": prompt_text,
    }
    before = {attribute: getattr(organization, attribute) for attribute in wanted}
    changed = [attribute for attribute, value in wanted.items() if before[attribute] != value]
    if not changed:
        return []
    if before["sector"] == Sector.OPERATOR and sector != Sector.OPERATOR:
        lock_operators()
        own = Member.objects.filter(organization_id=organization_id)
        others = Member.objects.exclude(organization_id=organization_id)
        if operator_admins(own) and not operator_admins(others):
            raise Invalid(
                "sector", "No other operator has an active admin: nobody could administer the service."
            )
    for attribute in changed:
        setattr(organization, attribute, wanted[attribute])
    organization.save(update_fields=changed)
    record(
        by=by,
        now=now,
        action="organization.change",
        target=f"organization:{organization_id}",
        detail={
            "before": {attribute: before[attribute] for attribute in changed},
            "after": {attribute: wanted[attribute] for attribute in changed},
        },
    )
    if "platforms" in changed:
        reweigh(organization_id=organization_id, now=now)
    return changed


def _check(name: str, sector: str, platforms: Sequence[str]) -> None:
    if not 1 <= len(name.strip()) <= 200:
        raise Invalid("name", "From 1 to 200 characters.")
    if sector not in Sector.values:
        raise Invalid("sector", f"{sector!r} is none of {', '.join(Sector.values)}.")
    odd = [one for one in platforms if not SLUG.fullmatch(one)]
    if odd:
        raise Invalid("platforms", f"{odd[0]!r}: small letters, digits and hyphens inside, 64 at most.")
