"""What a member has seen."""

from datetime import datetime

from accounts.models import Member
from sharing.models import NoticesSeen


def see_notices(*, member: Member, up_to: int, now: datetime) -> None:
    """A member has seen their organisation's notices up to this one; never fewer than before."""
    _, made = NoticesSeen.objects.get_or_create(member=member, defaults={"up_to": up_to, "seen_at": now})
    if not made:
        NoticesSeen.objects.filter(member=member, up_to__lt=up_to).update(up_to=up_to, seen_at=now)
