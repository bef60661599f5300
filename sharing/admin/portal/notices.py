"""What an organisation was told."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.admin.own import may_own, may_send, own
from accounts.admin.site import desk_context, desk_page
from accounts.models import Notice
from sharing.actions import withdrawals
from sharing.notices import seen_up_to

A_PAGE = 50


@desk_page(
    "portal/notices/", name="portal_notices", may=lambda request: may_own(request) and own(request).is_told
)
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """An organisation's notices, newest first; those that this member has not seen are marked."""
    mine = own(request)
    found = Notice.objects.filter(organization_id=mine.id)
    before = request.GET.get("before", "")
    if before:
        if not (before.isascii() and before.isdigit() and len(before) <= 18):
            raise Http404
        found = found.filter(id__lt=int(before))
    shown = list(found.order_by("-id")[: A_PAGE + 1])
    seen = seen_up_to(mine.member)
    context = desk_context(
        request,
        title="Notices",
        own=mine,
        notices=[(notice, notice.id > seen) for notice in shown[:A_PAGE]],
        seen_up_to=shown[0].id if shown and not before and shown[0].id > seen else None,
        following=shown[A_PAGE - 1].id if len(shown) > A_PAGE else None,
        now=timezone.now(),
    )
    return render(request, "admin/portal/notices.html", context)


@desk_page(
    "portal/notices/<int:notice_id>/acknowledge/",
    name="portal_acknowledge",
    may=lambda request: may_send(request) and own(request).is_told,
)
@require_POST
def acknowledge(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Say for one's organisation that what a notice asks for is done."""
    mine = own(request)
    try:
        withdrawals.acknowledge(
            notice_id=notice_id, organization_id=mine.id, by=mine.actor, now=timezone.now()
        )
        messages.success(request, "Acknowledged: the operator sees it.")
    except Notice.DoesNotExist:
        raise Http404 from None
    except withdrawals.NothingToAcknowledge as refusal:
        messages.warning(request, f"{str(refusal).capitalize()}.")
    return redirect("admin:portal_notices")
