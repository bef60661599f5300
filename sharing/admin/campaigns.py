"""Campaigns: the list with figures, and each as a whole."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.admin.base import may_analyse
from accounts.admin.site import desk_context, desk_page
from sharing import campaigns, graph, search
from sharing.admin.graph import context_of
from sharing.admin.search import ExportForm, SearchForm, kept_fields, link_with, number_in


@desk_page("campaigns/", name="campaigns", may=may_analyse)
def campaign_list(request: HttpRequest) -> HttpResponse:
    """All campaigns with their figures, the newest first, a page after another by key."""
    given = request.GET.copy()
    given["kind"] = "campaigns"
    form = SearchForm(given)
    context: dict[str, Any] = {"form": form, "kept": kept_fields(given), "page": ()}
    if form.is_valid():
        after = number_in(given.get("after"))
        try:
            page = campaigns.listed(after=after, filters=form.filters(), typed=form.cleaned_data["q"])
        except search.TooBroad as refusal:
            context["refusal"] = str(refusal)
        else:
            shown = page[: campaigns.PAGE]
            context |= {
                "page": shown,
                "next": link_with(given, after=shown[-1].subject.id) if len(page) > campaigns.PAGE else "",
                "first": link_with(given) if after is not None else "",
                "export_form": ExportForm(),
            }
    return TemplateResponse(
        request, "admin/sharing/campaigns.html", desk_context(request, title="Campaigns", **context)
    )


@desk_page("campaigns/<str:campaign_id>/", name="campaign", may=may_analyse)
def campaign_page(request: HttpRequest, campaign_id: str) -> HttpResponse:
    """A campaign as a whole; `campaign_id` is its subject's number, or any STIX id of it."""
    try:
        subject_id = campaigns.find(campaign_id)
    except campaigns.NoSuchCampaign:
        raise Http404 from None
    after = number_in(request.GET.get("after")) or 0
    try:
        shown = campaigns.campaign(subject_id)
        with search.bounded():
            members, following = campaigns.indicators(shown.subject, after=after)
            place = graph.Place(shown.subject.community_id, subject_id)
            drawn = graph.around(place)
    except search.TooBroad as refusal:
        context: dict[str, Any] = {"refusal": str(refusal), "title": "Campaign"}
    else:
        context = context_of(place, drawn) | {
            "title": shown.figures.name or f"Campaign {subject_id}",
            "campaign": shown,
            "events": campaigns.EVENTS,
            "days_json": [
                {
                    "day": one.day.isoformat(),
                    "exchanges": one.exchanges,
                    "accounts": one.accounts,
                    **one.counts,
                }
                for one in shown.days
            ],
            "day_rows": [
                (
                    one.day,
                    [
                        *(one.counts[kind] for kind in campaigns.EVENTS),
                        f"{one.exchanges:,}",
                        f"{one.accounts:,}",
                    ],
                )
                for one in shown.days
            ],
            "members": members,
            "next": f"?after={following}#indicators" if following else "",
            "first": "?#indicators" if after else "",
            "most": campaigns.MOST,
        }
    return TemplateResponse(request, "admin/sharing/campaign.html", desk_context(request, **context))
