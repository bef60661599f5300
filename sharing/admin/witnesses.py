"""The desk's page on witnesses: who vouches for the logs, who lags, and which logs are without a quorum."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.admin.base import may_analyse
from accounts.admin.site import desk_context, desk_page
from sharing import vouched, witness_policy


@desk_page("witnesses/", name="witnesses", may=may_analyse)
@require_safe
def witnesses(request: HttpRequest) -> HttpResponse:
    """Every witness of the policy, and every log that they are asked about."""
    now = timezone.now()
    context = desk_context(request, title="Witnesses", now=now)
    try:
        found = witness_policy.current()
    except witness_policy.PolicyUnusable as error:
        context["problem"] = str(error)
    else:
        if found is not None:
            context["needed"] = found.policy.needed()
            context["witnesses"] = vouched.witnesses(found)
            context["logs"] = [
                (log, found.asks_for_any and log.is_overdue(now)) for log in vouched.logs(found)
            ]
    return render(request, "admin/home/witnesses.html", context)
