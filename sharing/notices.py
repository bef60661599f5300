"""What an organisation was told, and what of it a member has not seen yet."""

from django.db.models import QuerySet

from accounts.models import Member, Notice
from sharing.models import NoticesSeen


def seen_up_to(member: Member) -> int:
    """The id of the last notice that a member has seen; 0 if none."""
    return NoticesSeen.objects.filter(member=member).values_list("up_to", flat=True).first() or 0


def unseen(member: Member) -> "QuerySet[Notice]":
    """The notices of a member's organisation that came since the member looked last, newest first."""
    if member.organization_id is None:
        return Notice.objects.none()
    found = Notice.objects.filter(organization_id=member.organization_id, id__gt=seen_up_to(member))
    return found.order_by("-id")
