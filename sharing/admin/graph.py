"""The graph around anything, as a drawing and as a table."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse

from accounts.admin.base import may_analyse
from accounts.admin.site import desk_context, desk_page
from sharing import graph, search
from sharing.graph import Graph, NoSuchNode, Place


@desk_page("graph/<str:node>/neighbours/", name="graph-neighbours", may=may_analyse)
def neighbours(request: HttpRequest, node: str) -> HttpResponse:
    """A node and the next of its neighbours, as JSON."""
    try:
        with search.bounded():
            found = graph.expand(_place(node), request.GET.get("cursor", ""))
    except search.TooBroad as refusal:
        return JsonResponse({"problem": str(refusal)}, status=503)
    return JsonResponse(found.json())


@desk_page("graph/<str:node>/", name="graph", may=may_analyse)
def graph_page(request: HttpRequest, node: str) -> HttpResponse:
    """The graph around a node; with a cursor, the next of its own neighbours only."""
    place = _place(node)
    cursor = request.GET.get("cursor")
    try:
        with search.bounded():
            found = graph.around(place) if cursor is None else graph.expand(place, cursor)
            left = graph.expand(place) if cursor is None else found
    except search.TooBroad as refusal:
        context: dict[str, Any] = {"refusal": str(refusal), "title": "Graph"}
    else:
        context = context_of(place, found) | {
            "title": f"Around {found.nodes[place.key].title[:80]}",
            "left": left,
            "paged": cursor is not None,
        }
    return TemplateResponse(request, "admin/sharing/graph.html", desk_context(request, **context))


def context_of(place: Place, found: Graph) -> dict[str, Any]:
    """What the template of a graph needs."""
    kinds = (*search.KINDS, search.OTHER)
    return {
        "graph": found,
        "graph_rows": found.rows(),
        "graph_json": found.json()
        | {
            "root": place.key,
            "kinds": {
                kind.slug: {"title": kind.title, "letter": kind.letter, "shape": kind.shape} for kind in kinds
            },
        },
        "root": found.nodes[place.key],
        "legend": kinds,
    }


def _place(node: str) -> Place:
    try:
        return graph.place_of(node)
    except NoSuchNode:
        raise Http404 from None
